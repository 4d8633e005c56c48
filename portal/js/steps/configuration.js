// Step 1: the connections of the organisation, and adding one.

import { address, badges, connections } from "../connections.js";
import { all, post } from "../api.js";
import { epicSections, ownSections } from "../fields.js";
import { h, icon } from "../dom.js";
import { go, to } from "../router.js";
import { Form } from "../form.js";
import { bar, tellNext } from "../results.js";
import { discovered } from "../discovery.js";
import { learn } from "../schema.js";
import { t } from "../texts.js";
import { who } from "../sign_in.js";

const ROLES = ["ConfigAdmin", "Approver"];

async function list(main) {
  const found = await connections();
  main.append(h("p", { class: "lead" }, t("configuration.lead")), commands());
  main.append(found.length ? h("div", { class: "card" }, table(found)) : nothing());
}

function commands() {
  if (!who().roles.includes("ConfigAdmin")) return bar("info", t("configuration.admin-only"));
  const add = h("fluent-button", { appearance: "subtle", onclick: () => go("configuration", "new") }, icon("add", "start"), t("configuration.add"));
  return h("div", { class: "commands" }, add);
}

const nothing = () =>
  h("div", { class: "card empty" }, icon("settings"), h("h2", {}, t("configuration.none")), h("p", { class: "hint" }, t("configuration.none-hint")));

function table(found) {
  const heads = ["address", "environment", "state", "approver"].map((one) => h("th", { scope: "col" }, t(`configuration.${one}`)));
  return h("table", { class: "table" },
    h("caption", { class: "hidden-words" }, t("nav.configuration")),
    h("thead", {}, h("tr", {}, heads)),
    h("tbody", {}, found.map(row)));
}

function row(one) {
  const cell = (name, ...content) => h("td", { "data-label": t(`configuration.${name}`) }, content);
  return h("tr", {},
    cell("address", h("a", { href: to("configuration", one.id) }, address(one))),
    cell("environment", t(`environment.${one.environment}`)),
    cell("state", h("span", { class: "buttons" }, badges(one))),
    cell("approver", one.own.approver.upn));
}

async function add(main) {
  const [organisations] = await Promise.all([all("/config/organisations"), learn()]);
  const enabled = organisations.filter((one) => one.enabled);
  if (!enabled.length) {
    main.append(bar("warning", t("configuration.not-enabled")), h("p", {}, h("a", { href: to("onboarding") }, t("configuration.to-onboarding"))));
    return;
  }
  const [epic, ...rest] = epicSections("epic.");
  const form = new Form({
    name: "connection:new",
    value: { organisation: enabled[0].id, environment: "test" },
    sections: [placing(enabled), epic, ...ownSections("own.").slice(0, 2), ...rest, ...ownSections("own.").slice(2)],
    save: (value, { key }) => post("/config/connections", value, { key }),
    saved: (made) => {
      tellNext("success", t("configuration.added"));
      go("configuration", made.id);
    },
    submit: t("configuration.add-now"),
    buttons: [h("fluent-button", { onclick: () => go("configuration") }, t("action.cancel"))],
  });
  discovered(form, "epic.fhir_base_url");
  main.append(h("p", { class: "lead" }, t("configuration.add-lead")), form.element);
}

function placing(organisations) {
  const environments = ["test", "production"].map((one) => ({ value: one, label: t(`environment.${one}`) }));
  return {
    title: t("section.place"),
    hint: t("section.place.hint"),
    fields: [
      { path: "organisation", kind: "select", label: t("field.organisation"), options: organisations.map((one) => ({ value: one.id, label: one.name })) },
      { path: "environment", kind: "select", label: t("field.environment"), hint: t("field.environment.hint"), options: environments },
    ],
  };
}

export const pages = [
  { path: "configuration", nav: "configuration", title: "nav.configuration", roles: ROLES, show: list },
  { path: "configuration/new", nav: "configuration", title: "configuration.add", roles: ["ConfigAdmin"], show: add },
];
