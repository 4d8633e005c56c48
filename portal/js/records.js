// Integration records: their rows to copy, and what the API says of one that stands in Epic.

import { copyable } from "./copy.js";
import { h, icon } from "./dom.js";
import { t } from "./texts.js";

export const KINDS = ["patient", "provider", "patient-group", "provider-group", "direct-sms", "device-test"];

const NO_NUMBER = "none yet"; // as the API says it in English

/** The rows of a record, each with a button to copy it. */
export const record = (one) =>
  h("div", { class: "record" }, one.rows.map((row) => {
    const label = row.mnemonic ? `${t(`row.${row.id}`)} (${row.mnemonic})` : t(`row.${row.id}`);
    return copyable(label, row.value === NO_NUMBER ? t("value.none") : row.value);
  }));

/** A choice of which record something is; empty: to be told from it. */
export const kindChoice = (id) =>
  h("select", { class: "input", id }, h("option", { value: "" }, t("check.told")), KINDS.map((kind) => h("option", { value: kind }, t(`record.${kind}`))));

const COLOURS = { fails: "danger", loses: "warning", harmless: "informative" };
const ICONS = { fails: "error", loses: "warning", harmless: "info" };

/** Differences of a record in Epic as a list: what each is, what stands there, what should, and what to do. */
export const recordDifferences = (some) =>
  h("ol", { class: "results" }, some.map((one) =>
    h("li", { class: "result", "data-state": one.effect, "data-id": one.id },
      icon(ICONS[one.effect]),
      h("div", { class: "result-body" },
        h("div", { class: "result-head" },
          h("h3", {}, place(one)),
          h("fluent-badge", { appearance: "tint", color: COLOURS[one.effect] }, t(`effect.${one.effect}`)),
          h("span", { class: "hint" }, t("check.see", { id: one.see }))),
        h("p", {}, t(`why.${one.id}`)),
        h("p", {}, h("strong", {}, t("check.to-do")), " ", t(`do.${one.id}`)),
        one.found && h("dl", { class: "facts" }, h("dt", {}, t("check.found")), h("dd", {}, h("code", { class: "breakable" }, one.found))),
        one.expected && copyable(t("check.expected"), one.expected)))));

/** Where in a record it is: the value, and the name in the context. */
const place = (one) => [t(`where.${one.where}`), one.key && [": ", h("code", { class: "breakable" }, one.key)]];
