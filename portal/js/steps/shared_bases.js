// For the operator: FHIR base URLs of one organisation's Epic that other tenants of its network may use too.

import { all, put } from "../api.js";
import { doing, tell, tellNext } from "../results.js";
import { go, again, to } from "../router.js";
import { Form } from "../form.js";
import { confirm } from "../dialog.js";
import { h } from "../dom.js";
import { learn } from "../schema.js";
import { t } from "../texts.js";

const ROLES = ["Operator"];
const EMPTY = { fhir_base_url: "", environment: "production", parent: "", children: [] };

/** What stands, with a way to another: a card of the operator's page. */
export async function card() {
  const found = await all("/config/shared-bases");
  return h("div", { class: "card" },
    h("div", { class: "card-head" },
      h("h2", {}, t("shared.title")),
      h("fluent-anchor-button", { href: to("organisations", "shared") }, t("shared.add"))),
    h("p", { class: "hint" }, t("shared.hint")),
    found.length === 0 ? h("p", { class: "hint" }, t("shared.none")) : table(found));
}

const COLUMNS = ["address", "environment", "parent", "children", "do"];

function table(found) {
  const words = (column) => t(`shared.column-${column}`);
  const row = (cells) => h("tr", {}, cells.map((cell, index) => h("td", { "data-label": words(COLUMNS[index]), class: "breakable" }, cell)));
  return h("table", { class: "table" },
    h("caption", { class: "hidden-words" }, t("shared.title")),
    h("thead", {}, h("tr", {}, COLUMNS.map((one) => h("th", { scope: "col" }, words(one))))),
    h("tbody", {}, found.map((one) => row([
      one.fhir_base_url,
      t(`environment.${one.environment}`),
      h("code", {}, one.parent),
      h("ul", { class: "plain-list" }, one.children.map((child) => h("li", {}, h("code", {}, child)))),
      h("fluent-button", { size: "small", "aria-label": `${t("shared.end")}: ${one.fhir_base_url}`, onclick: (event) => doing(event.currentTarget, () => end(one), one.fhir_base_url) }, t("shared.end")),
    ]))));
}

async function end(one) {
  if (!(await confirm(t("shared.end"), t("shared.end-sure", { address: one.fhir_base_url }), t("shared.end")))) return;
  const { change, ...base } = one;
  await put("/config/shared-bases", { ...base, children: [] }, { change });
  await again();
  tell("success", t("shared.ended"));
}

/** Share one. To name other tenants for one that is shared, end its sharing first. */
async function share(main) {
  await learn();
  const form = new Form({
    name: "shared-base",
    value: EMPTY,
    sections: [{ fields: [
      { path: "fhir_base_url", kind: "url", label: t("field.fhir_base_url"), required: true, rule: "rule.address" },
      { path: "environment", kind: "select", label: t("field.environment"), options: ["test", "production"].map((value) => ({ value, label: t(`environment.${value}`) })) },
      { path: "parent", kind: "text", label: t("shared.column-parent"), hint: t("shared.parent.hint"), required: true, rule: "rule.tenant" },
      { path: "children", kind: "lines", label: t("shared.column-children"), hint: t("shared.children.hint"), required: true, rule: "rule.tenants" },
    ] }],
    save: (value) => put("/config/shared-bases", value, { fresh: true }),
    saved: () => {
      tellNext("success", t("shared.saved"));
      go("organisations");
    },
    buttons: [h("fluent-anchor-button", { href: to("organisations") }, t("action.cancel"))],
  });
  main.append(h("p", { class: "lead" }, t("shared.hint")), form.element);
}

export const pages = [{ path: "organisations/shared", nav: "organisations", title: "shared.add", roles: ROLES, show: share }];
