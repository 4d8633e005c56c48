// For the operator: who asked for access, and which organisations are let in.

import { again } from "../router.js";
import { all, post, put } from "../api.js";
import { ask, confirm } from "../dialog.js";
import { card } from "./shared_bases.js";
import { day, t } from "../texts.js";
import { doing, tell } from "../results.js";
import { fresh, h } from "../dom.js";

async function show(main) {
  const [requests, organisations, shared] = await Promise.all([all("/config/access-requests"), all("/config/organisations"), card()]);
  const open = requests.filter((one) => one.state === "requested");
  main.append(h("p", { class: "lead" }, t("organisations.lead")), asked(open), standing(organisations), shared);
}

function asked(open) {
  return h("div", { class: "card" },
    h("h2", {}, t("organisations.requests", { n: open.length })),
    open.length > 0 && table(t("organisations.requests", { n: open.length }), ["name", "tenant", "contact", "geography", "when", "do"], open.map((one) => [
      one.organisation,
      h("code", {}, one.tenant),
      one.contact,
      one.geography ?? "",
      day(one.at),
      h("div", { class: "buttons" },
        h("fluent-button", { size: "small", appearance: "primary", onclick: (event) => doing(event.currentTarget, () => enable(one)) }, t("organisations.enable")),
        h("fluent-button", { size: "small", onclick: (event) => doing(event.currentTarget, () => decline(one)) }, t("organisations.decline"))),
    ])));
}

function standing(organisations) {
  return h("div", { class: "card" },
    h("h2", {}, t("nav.organisations")),
    organisations.length === 0 && h("p", { class: "hint" }, t("organisations.none")),
    organisations.length > 0 && table(t("nav.organisations"), ["name", "id", "tenant", "production", "enabled", "do"], organisations.map((one) => [
      one.name,
      h("code", {}, one.id),
      h("code", {}, one.tenant),
      badge(one.production, "organisations.production", "organisations.test-only"),
      badge(one.enabled, "organisations.on", "organisations.off"),
      h("div", { class: "buttons" },
        change(one, { production: !one.production }, one.production ? "organisations.end-production" : "organisations.let-production"),
        change(one, { enabled: !one.enabled }, one.enabled ? "organisations.switch-off" : "organisations.switch-on")),
    ])));
}

const badge = (yes, on, off) => h("fluent-badge", { appearance: "tint", color: yes ? "success" : "informative" }, t(yes ? on : off));

function change(one, part, name) {
  const work = async () => {
    if (!(await confirm(t(name), t(`${name}-sure`, { name: one.name }), t(name)))) return;
    const { change: read, ...organisation } = one;
    await put("/config/organisations", { ...organisation, ...part }, { change: read });
    await again();
    tell("success", t("organisations.saved", { name: one.name }));
  };
  return h("fluent-button", { size: "small", "aria-label": `${t(name)}: ${one.name}`, onclick: (event) => doing(event.currentTarget, work, one.name) }, t(name));
}

function table(caption, columns, rows) {
  const words = (column) => t(`organisations.column.${column}`);
  return h("table", { class: "table" },
    h("caption", { class: "hidden-words" }, caption),
    h("thead", {}, h("tr", {}, columns.map((one) => h("th", { scope: "col" }, words(one))))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, index) => h("td", { "data-label": words(columns[index]) }, cell))))));
}

/** Let an organisation in: the operator gives it a short name, for good. */
async function enable(one) {
  const id = h("input", { class: "input", id: fresh("id"), pattern: "[a-z0-9\\-]{1,40}", maxlength: "40", value: one.organisation.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40) });
  const production = h("input", { type: "checkbox", class: "check", id: fresh("production") });
  const content = h("div", { class: "fields" },
    h("div", { class: "field" }, h("label", { class: "label", for: id.id }, t("organisations.column.id")), h("p", { class: "hint" }, t("organisations.id.hint")), id),
    h("div", { class: "check-row" }, production, h("label", { for: production.id }, t("organisations.let-production"))));
  const choices = [{ name: "yes", label: t("organisations.enable"), primary: true }, { name: "no", label: t("action.cancel") }];
  const taken = await ask(t("organisations.enable-whom", { name: one.organisation }), content, choices, (name) => name === "no" || id.reportValidity());
  if (taken !== "yes") return;
  await put("/config/organisations", { tenant: one.tenant, id: id.value, name: one.organisation, production: production.checked }, { fresh: true });
  await again();
  tell("success", t("organisations.enabled", { name: one.organisation }));
}

async function decline(one) {
  const reason = h("textarea", { class: "input", id: fresh("reason"), maxlength: "500", required: true, rows: "3" });
  const content = h("div", { class: "field" }, h("label", { class: "label", for: reason.id }, t("organisations.reason")), reason);
  const choices = [{ name: "yes", label: t("organisations.decline"), primary: true }, { name: "no", label: t("action.cancel") }];
  const taken = await ask(t("organisations.decline-whom", { name: one.organisation }), content, choices, (name) => name === "no" || reason.reportValidity());
  if (taken !== "yes") return;
  await post(`/config/access-requests/${encodeURIComponent(one.id)}/refusals`, { reason: reason.value });
  await again();
  tell("success", t("organisations.declined", { name: one.organisation }));
}

export const pages = [{ path: "organisations", nav: "organisations", title: "nav.organisations", roles: ["Operator"], show }];
