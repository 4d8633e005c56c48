// What the API says of its values: defaults, limits and choices, from its own description, so that they stand once.

import { open } from "./api.js";

let description = null;

/** Fetch the description, once. */
export async function learn() {
  description ??= await open("/openapi.json");
}

/**
 * What is known of a value: {default, minimum, maximum, maxLength, minLength, maxItems, pattern, enum}, as far as said.
 * `operation`: an operationId whose body holds it; `path`: where in the body.
 */
export function known(operation, path) {
  let schema = bodyOf(operation);
  let inherited;
  for (const name of path.split(".")) {
    const whole = resolved(schema);
    const next = whole?.properties?.[name];
    inherited = next?.default ?? inherited?.[name];
    schema = next;
  }
  const found = resolved(schema) ?? {};
  return { ...found, default: inherited ?? found.default };
}

function bodyOf(operation) {
  for (const methods of Object.values(description.paths)) {
    for (const one of Object.values(methods)) {
      if (one.operationId === operation) return one.requestBody.content["application/json"].schema;
    }
  }
  return undefined;
}

/** A schema without its reference, and without the null of what may be left empty. */
function resolved(schema) {
  if (!schema) return undefined;
  const some = schema.anyOf?.find((one) => one.type !== "null");
  if (some) return { ...resolved(some), ...(schema.default !== undefined && { default: schema.default }) };
  if (!schema.$ref) return schema;
  return { ...resolved(description.components.schemas[schema.$ref.split("/").pop()]), ...schema, $ref: undefined };
}
