// How settings differ, field by field and in words: what waits for the approver, and what applies without one.

import { choiceOf, labelOf, orderOf } from "./fields.js";
import { day, t } from "./texts.js";
import { h } from "./dom.js";
import { named } from "./names.js";

/** Values that are no plain text or number. */
const SHOWN = {
  "own.organisers": (oids) => listed(oids.map((oid) => named(oid))),
  "own.certificates": (pins) => listed(pins.map((pin) => t("difference.certificate", { spki: pin.spki.slice(0, 16), ends: day(pin.not_after) }))),
  "own.sms.allow_list": (some) => t("difference.numbers", { n: some.length }),
  "epic.fhir.calls_per_minute": (n) => (n === 0 ? t("value.no-limit") : String(n)),
  "own.sms.reminders": (some) => some.map((n) => t("difference.minutes", { n })).join(", "),
};
/** The approver's name says it. */
const HIDDEN = ["own.approver.oid"];

/** What a person sees of them, in the order of the forms. */
const seen = (found) => found.filter((one) => !HIDDEN.includes(one.path)).sort((one, other) => orderOf(one.path) - orderOf(other.path));

/** The `waits` or `at_once` of the API as a table. `caption`: what it lists. */
export function differences(caption, found) {
  const shown = seen(found);
  const fresh = shown.every((one) => one.kind === "added");
  const columns = fresh ? ["field", "value"] : ["field", "before", "after"];
  const words = (column) => t(`difference.${column}`);
  return h("table", { class: "table differences" },
    h("caption", { class: "hidden-words" }, caption),
    h("thead", {}, h("tr", {}, columns.map((one) => h("th", { scope: "col" }, words(one))))),
    h("tbody", {}, shown.map((one) => h("tr", { "data-path": one.path },
      h("th", { scope: "row" }, label(one.path)),
      !fresh && h("td", { "data-label": words("before") }, value(one.path, one.before)),
      h("td", { "data-label": words(fresh ? "value" : "after"), class: fresh ? null : "changed" }, value(one.path, one.after))))));
}

/** The same as lines of a list, for a cell of another table. */
export function lines(found) {
  const line = (one) => [label(one.path).replace(/\.$/, ""), ": ", one.kind !== "added" && [value(one.path, one.before), " → "], value(one.path, one.after)];
  return h("ul", { class: "plain-list" }, seen(found).map((one) => h("li", { class: "breakable", "data-path": one.path }, line(one))));
}

/** How many of them a person sees. */
export const count = (found) => seen(found).length;

/** What a field is called; for a part of one that has names of its own, the field and the part. */
export function label(path) {
  if (path === "own.approver.upn") return labelOf("own.approver");
  const whole = labelOf(path);
  if (whole !== path && path.startsWith("epic.write_back.")) return t("difference.write-back", { field: whole });
  if (whole !== path || !path.includes(".")) return whole;
  const [, parent, last] = /^(.*)\.([^.]*)$/.exec(path);
  return labelOf(parent) === parent ? path : `${labelOf(parent)}: ${last}`;
}

/** A value in words. */
export function value(path, given) {
  if (given === null || given === undefined || given === "" || given.length === 0) return t("value.none");
  if (typeof given === "boolean") return t(given ? "value.yes" : "value.no");
  if (path in SHOWN) return SHOWN[path](given);
  const choice = choiceOf(path);
  if (choice) return t(`${choice}.${given}`);
  return Array.isArray(given) ? listed(given) : String(given);
}

const listed = (items) => h("ul", { class: "plain-list" }, items.map((one) => h("li", { class: "breakable" }, one)));
