// What people of one's own organisation are called. Our rows keep object ids; Entra knows the names.

import { fill, h } from "./dom.js";
import { get } from "./api.js";

const asked = new Map();

/** Ask who an object id is, once; null for one that Entra does not know, or while it cannot be asked. */
function person(oid) {
  if (!asked.has(oid)) {
    asked.set(oid, get(`/config/people/${encodeURIComponent(oid)}`).catch(() => null));
  }
  return asked.get(oid);
}

/** An object id, shown as the person's name as soon as it is known. `mail`: their principal name too. */
export function named(oid, { mail = false } = {}) {
  const shown = h("span", { class: "breakable", "data-oid": oid }, oid);
  person(oid).then((found) => {
    if (!found) return;
    shown.classList.remove("breakable"); // an id may be broken anywhere, a name only between its words
    fill(shown, found.display_name, mail && h("span", { class: "hint" }, ` ${found.upn}`));
  });
  return shown;
}
