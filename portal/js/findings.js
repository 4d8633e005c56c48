// What checks of the API found (its `Finding`): in the catalogue's words by the finding's id, else in the API's English.

import { h, icon } from "./dom.js";
import { has, t } from "./texts.js";

const ICONS = { ok: "check", warning: "warning", failed: "error", skipped: "info" };

const inWords = (key, one, english) => (has(`${key}.${one.finding}`) ? t(`${key}.${one.finding}`, parameters(one)) : english);

/** Parameters that are words of the API's own are said in the page's language. */
function parameters(one) {
  const said = Object.entries(one.parameters).map(([name, value]) => [name, has(`${name}.${value}`) ? t(`${name}.${value}`) : value]);
  return Object.fromEntries(said);
}

/** What was found, and what to do about it, as two sentences. */
export const found = (one) => inWords("finding", one, one.found);
export const toDo = (one) => one.what_to_do && inWords("todo", one, one.what_to_do);

/** A finding as a line with its state. */
export function finding(one) {
  return h("li", { class: "finding", "data-state": one.state },
    icon(ICONS[one.state]),
    h("div", {},
      h("p", { class: "breakable" }, h("span", { class: "hidden-words" }, `${t(`found.${one.state}`)}: `), found(one)),
      toDo(one) && h("p", { class: "hint breakable" }, toDo(one))));
}

/** Several, as a list. */
export const findings = (some) => h("ul", { class: "findings" }, some.map(finding));
