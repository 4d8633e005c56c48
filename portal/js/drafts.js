// What was typed and not yet saved, in this tab's sessionStorage: it outlives a reload, going back and a sign-in.
// Secrets are never kept. Signing out forgets all of it.

import { who } from "./sign_in.js";

const key = (name) => `draft:${who().oid}:${name}`;

/** {base, change, typed: {path: value}} of a form, or null. `base` and `change`: what was read when typing began. */
export function kept(name) {
  const found = sessionStorage.getItem(key(name));
  return found ? JSON.parse(found) : null;
}

export const keep = (name, draft) => sessionStorage.setItem(key(name), JSON.stringify(draft));

export const drop = (name) => sessionStorage.removeItem(key(name));
