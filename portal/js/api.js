// The API, for this page: bearer token, JSON, If-Match from the `change` that was read, Idempotency-Key on POST.
//
//     const connection = await get(`/config/connections/${id}`);
//     const saved = await put(`/config/connections/${id}/own`, own, { change: connection.change });
//
// Across origins no header of an answer can be read: what the page needs stands in bodies.

import { config } from "./config.js";
import { token } from "./sign_in.js";

/** The API refused. `code`: of its catalogue; `fields`: where and why, as "epic.fhir_base_url: ...". */
export class Problem extends Error {
  constructor(status, code, fields = []) {
    super(code);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

/** No answer came: whether it was done is not known. */
export class Offline extends Error {}

/** The sign-in has ended; nothing was sent, or it was refused for that. */
export class SignInEnded extends Error {}

export const get = (path) => call("GET", path);
export const put = (path, body, options = {}) => call("PUT", path, { ...options, body });
export const post = (path, body, options = {}) => call("POST", path, { key: crypto.randomUUID(), ...options, body });
export const remove = (path, options = {}) => call("DELETE", path, options);

/** A file of the API, as text. */
export const file = (path) => call("GET", path, { read: (text) => text });

/** Every item of a list, page after page. */
export async function all(path) {
  const items = [];
  let after = "";
  do {
    const page = await get(`${path}${path.includes("?") ? "&" : "?"}after=${encodeURIComponent(after)}`);
    items.push(...page.items);
    after = page.next;
  } while (after);
  return items;
}

/** A document of the API that needs no sign-in, such as /openapi.json. */
export const open = (path) => answered(send(path, { headers: {} }));

/**
 * One call. `body`: an object, or a Blob or ArrayBuffer for a file; `change`: of what was read; `fresh`: nothing is there
 * yet; `key`: the same for every attempt at one thing.
 */
async function call(method, path, { body, change, fresh, key, read } = {}) {
  const bearer = token();
  if (bearer === null) throw new SignInEnded();
  const headers = { Authorization: `Bearer ${bearer}`, Accept: "application/json" };
  const isFile = body instanceof Blob || body instanceof ArrayBuffer;
  if (body !== undefined) headers["Content-Type"] = isFile ? "application/octet-stream" : "application/json";
  if (change !== undefined) headers["If-Match"] = `"${change}"`;
  if (fresh) headers["If-None-Match"] = "*";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  return answered(send(path, { method, headers, body: isFile || body === undefined ? body : JSON.stringify(body) }), read);
}

async function send(path, order) {
  try {
    return await fetch(config.api + path, { ...order, credentials: "omit", cache: "no-store", redirect: "error" });
  } catch {
    throw new Offline();
  }
}

async function answered(sending, read = json) {
  const answer = await sending;
  const text = await answer.text().catch(() => {
    throw new Offline();
  });
  if (answer.ok) return read(text);
  if (answer.status === 401) throw new SignInEnded();
  const body = json(text);
  throw new Problem(answer.status, body?.code ?? "unexpected", body?.fields);
}

function json(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
