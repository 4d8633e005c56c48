// The connections of the signed-in person's organisation, and which of them one works on.

import { all, get } from "./api.js";
import { fresh, h } from "./dom.js";
import { bar } from "./results.js";
import { go } from "./router.js";
import { t } from "./texts.js";

/** Every connection, those of the test environment first. */
export async function connections() {
  const found = await all("/config/connections");
  return found.sort((one, other) => other.environment.localeCompare(one.environment) || address(one).localeCompare(address(other)));
}

/** The API's address of a connection, or of what is behind it. */
export const at = (one, rest = "") => `/config/connections/${encodeURIComponent(one.id)}${rest}`;

export const connection = (id) => get(`/config/connections/${encodeURIComponent(id)}`);

/** The Epic side that is being worked on: the one that waits, else the one that serves; null when its first was withdrawn. */
export const side = (one) => one.pending?.epic ?? one.active;

/** The FHIR base URL, which is how people know a connection. */
export const address = (one) => side(one)?.fhir_base_url ?? one.id;

/** In one word: suspended, serving, draft, validated, needs-approval, refused, withdrawn. A serving one may have a revision that waits. */
export function state(one) {
  if (one.suspended) return "suspended";
  return one.active ? "serving" : one.pending?.state ?? "withdrawn";
}

const COLOURS = { serving: "success", suspended: "danger", "needs-approval": "warning", draft: "informative", validated: "informative" };

/** Its state as badges: of what serves, and of what waits beside it. */
export function badges(one) {
  const made = [badge(state(one))];
  if (one.active && one.pending) made.push(badge(one.pending.state, "state.waits"));
  return made;
}

function badge(name, prefix) {
  const words = t(`state.${name}`);
  return h("fluent-badge", { appearance: "tint", color: COLOURS[name] }, prefix ? t(prefix, { state: words }) : words);
}

/**
 * The page of a step for one connection: a choice of connections above, `show(into, connection)` below.
 *
 *     export const page = { path: "sms/:id", ... show: (main, { id }) => forOne(main, "sms", id, show) };
 *
 * Without an id, or with one that is not there, the first is taken. `rest`: what the address has behind the id.
 */
export async function forOne(main, step, id, show, ...rest) {
  const known = await connections();
  if (!known.length) {
    main.append(bar("info", t("connections.none")));
    return undefined;
  }
  const chosen = known.find((one) => one.id === (id ?? sessionStorage.getItem("connection"))) ?? known[0];
  sessionStorage.setItem("connection", chosen.id);
  const name = fresh("connection");
  const change = (event) => go(step, event.target.value, ...rest);
  main.append(
    h("div", { class: "field connection-choice" },
      h("label", { class: "label", for: name }, t("connections.choose")),
      h("select", { class: "input", id: name, onchange: change },
        known.map((one) => h("option", { value: one.id, selected: one === chosen }, `${address(one)} (${t(`environment.${one.environment}`)})`)))),
  );
  return show(main, chosen);
}
