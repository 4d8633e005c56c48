// Two people edited at once. The second sees, field by field, what they read, what is there now and what they typed,
// and says which of them it shall be. Nobody's work is lost unseen.

import { at, put, same } from "./paths.js";
import { fresh, h } from "./dom.js";
import { ask } from "./dialog.js";
import { t } from "./texts.js";

/**
 * Settle it. `fields`: [{path, label}]; `show(field, value)`: a value in words. Resolves with the value to save on top
 * of `theirs`, or null when the person wants to look again first.
 */
export async function settle(fields, base, theirs, mine, show) {
  const mineOnly = fields.filter((one) => !same(at(mine, one.path), at(base, one.path)));
  const differing = fields.filter((one) => changed(one, base, theirs) && !same(at(theirs, one.path), at(mine, one.path)));
  const both = differing.filter((one) => mineOnly.includes(one));
  const rows = differing.map((one) => row(one, both.includes(one), base, theirs, mine, show));
  const content = h("div", {},
    h("p", {}, t(both.length ? "conflict.both" : "conflict.apart")),
    rows.map((one) => one.element));
  const choices = [
    { name: "save", label: t("conflict.save"), primary: true },
    { name: "back", label: t("conflict.back") },
  ];
  const taken = await ask(t("conflict.title"), content, choices);
  if (taken !== "save") return null;
  const kept = mineOnly.filter((one) => !both.includes(one) || rows.find((other) => other.path === one.path).mine());
  return kept.reduce((value, one) => put(value, one.path, at(mine, one.path)), theirs);
}

const changed = (field, base, theirs) => !same(at(theirs, field.path), at(base, field.path));

function row(field, choose, base, theirs, mine, show) {
  const name = fresh("side");
  const option = (side, value) =>
    h("label", { class: "conflict-side" },
      choose && h("input", { type: "radio", name, value: side, checked: side === "mine" }),
      h("span", {}, h("span", { class: "hint" }, t(`conflict.${side}`)), h("span", { class: "conflict-value breakable" }, show(field, value))));
  const element = h("fieldset", { class: "conflict" },
    h("legend", {}, field.label),
    h("p", { class: "hint breakable" }, t("conflict.read", { value: show(field, at(base, field.path)) })),
    option("theirs", at(theirs, field.path)),
    choose && option("mine", at(mine, field.path)));
  return { path: field.path, element, mine: () => element.querySelector("input:checked")?.value === "mine" };
}
