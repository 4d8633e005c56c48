// Values inside objects by dotted path: "hl7.time_zone".

/** The value at a path; undefined when there is none. */
export const at = (object, path) => path.split(".").reduce((part, name) => part?.[name], object);

/** A copy of the object with another value at the path. */
export function put(object, path, value) {
  const [name, ...rest] = path.split(".");
  return { ...object, [name]: rest.length ? put(object?.[name] ?? {}, rest.join("."), value) : value };
}

/** Whether two values are the same, whatever the order of members. */
export const same = (one, other) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value ?? null;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}
