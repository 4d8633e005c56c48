// Step 4, migration: records of the public product are pasted, and the smallest change to each is said.

import { kindChoice, record, recordDifferences } from "../records.js";
import { at } from "../connections.js";
import { announce, bar, doing } from "../results.js";
import { fill, fresh, h, icon } from "../dom.js";
import { copyable } from "../copy.js";
import { post } from "../api.js";
import { t } from "../texts.js";

const MOST = 20;

export function show(main, one) {
  const list = h("ol", { class: "pasted-records" });
  const outcome = h("div", { class: "outcome" });
  const fault = h("p", { class: "field-error", role: "alert" });
  const more = h("fluent-button", { onclick: () => add().focus() }, icon("add", "start"), t("migration.add"));

  function add() {
    const [kind, text] = [fresh("kind"), fresh("record")];
    const number = list.children.length + 1;
    const input = h("textarea", { class: "input code-input", id: text, rows: "6", spellcheck: "false", autocomplete: "off", autocapitalize: "none" });
    list.append(h("li", { class: "pasted-record" },
      h("div", { class: "field" }, h("label", { class: "label", for: text }, t("migration.record", { number })), input),
      h("div", { class: "field" }, h("label", { class: "label", for: kind }, t("check.kind")), kindChoice(kind))));
    more.hidden = list.children.length >= MOST;
    return input;
  }

  async function migrate() {
    const rows = [...list.children].map((row) => ({ pasted: row.querySelector("textarea").value, kind: row.querySelector("select").value || null }));
    const records = rows.filter((row) => row.pasted.trim());
    fill(fault, !records.length && t("check.empty"));
    if (!records.length) return list.querySelector("textarea").focus();
    const found = await post(at(one, "/records/migration"), { records });
    fill(outcome, found.records.map(migrated));
    outcome.querySelector("h2").focus();
    return announce(t("migration.done", { n: found.records.length }));
  }

  add();
  main.append(
    h("p", { class: "lead" }, t("migration.lead")),
    h("div", { class: "card" },
      list,
      fault,
      h("div", { class: "buttons" },
        h("fluent-button", { appearance: "primary", onclick: (event) => doing(event.currentTarget, migrate) }, t("migration.migrate")), more),
      h("p", { class: "hint" }, t("check.private"))),
    outcome);
}

function migrated(one) {
  const name = one.kind ? t(`record.${one.kind}`) : t("check.result-unknown");
  return h("div", { class: "card" },
    h("h2", { tabindex: "-1" }, t("migration.one", { number: one.number + 1, name })),
    bar(one.needed.length ? "warning" : "success", t(one.public_product ? "migration.public" : one.needed.length ? "migration.needed" : "migration.launches", { n: one.needed.length })),
    changes("migration.needs", one.needed),
    one.append && copyable(t("migration.append"), one.append),
    changes("migration.advised", one.advised),
    one.ignored.length > 0 && h("p", {}, t("migration.ignored", { names: one.ignored.join(", ") })),
    one.stays.length > 0 && h("p", { class: "hint" }, t("migration.stays", { names: one.stays.join(", ") })),
    one.record && h("details", { class: "more" }, h("summary", {}, t("check.whole")), record(one.record)));
}

const changes = (title, some) => some.length > 0 && h("section", { class: "app" }, h("h3", {}, t(title)), recordDifferences(some));
