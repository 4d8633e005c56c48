// Step 4, record check: what was typed into Epic is pasted here, and every difference is named and explained.

import { KINDS, kindChoice, record, recordDifferences } from "../records.js";
import { at } from "../connections.js";
import { announce, bar, doing } from "../results.js";
import { fill, fresh, h } from "../dom.js";
import { post } from "../api.js";
import { t } from "../texts.js";

// Nothing of it is kept, not even as a draft: a value that Epic has filled in may be a patient's.

export function show(main, one) {
  const [kind, pasted, url, client, context] = ["kind", "pasted", "url", "client", "context"].map(fresh);
  const outcome = h("div", { class: "outcome" });
  const chosen = kindChoice(kind);
  const text = (id, rows) => h("textarea", { class: "input code-input", id, rows, spellcheck: "false", autocomplete: "off", autocapitalize: "none" });
  const whole = text(pasted, "9");
  const parts = { launch_url: text(url, "2"), client_id: text(client, "1"), context: text(context, "3") };
  const fault = h("p", { class: "field-error", role: "alert" });

  async function check() {
    const held = asked(whole.value, parts);
    fill(fault, held === null && t("check.empty"));
    if (held === null) return whole.focus();
    const found = await post(at(one, "/records/check"), { kind: chosen.value || null, ...held });
    fill(outcome, shown(found));
    outcome.querySelector("h2").focus();
    return announce(verdict(found));
  }

  const field = (id, label, control, hint) => h("div", { class: "field" }, h("label", { class: "label", for: id }, label), hint && h("p", { class: "hint", id: `${id}-hint` }, hint), control);
  whole.setAttribute("aria-describedby", `${pasted}-hint`);
  main.append(
    h("p", { class: "lead" }, t("check.lead")),
    h("div", { class: "card" },
      field(kind, t("check.kind"), chosen),
      field(pasted, t("check.pasted"), whole, t("check.pasted.hint")),
      h("details", { class: "more" },
        h("summary", {}, t("check.apart")),
        h("div", { class: "fields" },
          field(url, t("where.launch-url"), parts.launch_url),
          field(client, t("where.client-id"), parts.client_id),
          field(context, t("where.context"), parts.context))),
      fault,
      h("div", { class: "buttons" }, h("fluent-button", { appearance: "primary", onclick: (event) => doing(event.currentTarget, check) }, t("check.check"))),
      h("p", { class: "hint" }, t("check.private"))),
    outcome);
}

/** What to send: the paste, or the three values as they were typed; null when there is neither. */
function asked(whole, parts) {
  if (whole.trim()) return { pasted: whole };
  const values = Object.fromEntries(Object.entries(parts).map(([name, input]) => [name, input.value || null]));
  return Object.values(values).some(Boolean) ? values : null;
}

function verdict(found) {
  if (!found.differences.length) return t("check.same");
  return `${t("check.count", { n: found.differences.length })} ${t(found.launches ? "check.launches" : "check.launches-not")}`;
}

function shown(found) {
  const kind = found.launches ? (found.differences.length ? "warning" : "success") : "error";
  return h("div", { class: "card" },
    h("h2", { tabindex: "-1" }, KINDS.includes(found.kind) ? t("check.result", { name: t(`record.${found.kind}`) }) : t("check.result-unknown")),
    bar(kind, verdict(found)),
    found.differences.length > 0 && recordDifferences(found.differences),
    found.in_order.length > 0 && h("p", { class: "hint" }, t("check.in-order", { names: found.in_order.join(", ") })),
    found.record && found.differences.length > 0 && h("details", { class: "more" }, h("summary", {}, t("check.whole")), record(found.record)));
}
