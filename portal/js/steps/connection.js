// Step 1, one connection: how it stands, what to register at Epic, its secrets, and both sides to edit.

import { address, badges, connection, side, state } from "../connections.js";
import { ask, confirm } from "../dialog.js";
import { bar, doing, fail, tell, tellNext } from "../results.js";
import { epicSections, ownSections } from "../fields.js";
import { get, post, put, remove } from "../api.js";
import { go, again, to } from "../router.js";
import { h, icon } from "../dom.js";
import { moment, t } from "../texts.js";
import { Form } from "../form.js";
import { discovered } from "../discovery.js";
import { learn } from "../schema.js";
import { previewed } from "../preview.js";
import { registration } from "../registration.js";
import { who } from "../sign_in.js";

const ROLES = ["ConfigAdmin", "Approver"];
const administers = () => who().roles.includes("ConfigAdmin");
const at = (one, rest = "") => `/config/connections/${encodeURIComponent(one.id)}${rest}`;

async function show(main, { id }, heading) {
  const one = await connection(id);
  heading.textContent = address(one);
  sessionStorage.setItem("connection", one.id);
  main.append(standing(one), commands(one));
  if (!side(one)) return;
  const told = await get(at(one, "/registration"));
  main.append(facts(one));
  const needed = secretsOf(side(one));
  if (needed.length) main.append(secrets(one, needed));
  main.append(registration(told));
}

/** Badges, and what is to be done next. */
function standing(one) {
  const next = `next.${one.pending?.state ?? state(one)}`;
  return h("div", { class: "card" },
    h("div", { class: "card-head" },
      h("div", { class: "buttons" }, badges(one), h("fluent-badge", { appearance: "outline" }, t(`environment.${one.environment}`))),
      action(one)),
    one.off && bar("warning", t("connection.off")),
    h("p", {}, t(next)),
    one.pending?.refusal && h("p", { class: "breakable" }, t("connection.refused", { reason: one.pending.refusal.reason, when: moment(one.pending.refusal.at) })),
    one.active && one.pending && h("p", { class: "hint" }, t("connection.serves-meanwhile")),
    one.warnings.some((one) => !one.startsWith("texts")) && h("p", { class: "hint" }, t("connection.weak")));
}

function action(one) {
  const waits = one.pending?.state;
  if (waits === "needs-approval") return h("fluent-anchor-button", { appearance: "primary", href: to("approve", one.id) }, t("connection.to-approval"));
  if (waits === "refused" || !side(one)) return h("fluent-anchor-button", { appearance: "primary", href: to("configuration", one.id, "epic") }, t("connection.propose-again"));
  if (waits) return h("fluent-button", { appearance: "primary", onclick: (event) => doing(event.currentTarget, () => validate(one), t("connection.check")) }, t("connection.check"));
  return h("fluent-anchor-button", { href: to("review", one.id) }, t("connection.to-review"));
}

async function validate(one) {
  await post(at(one, "/validation"), undefined, { change: one.change });
  await again();
  tell("success", t("connection.checked"));
}

function commands(one) {
  const edit = (name, part) => h("fluent-anchor-button", { appearance: "subtle", href: to("configuration", one.id, part) }, icon("settings", "start"), t(name));
  const button = (name, work) => h("fluent-button", { appearance: "subtle", onclick: (event) => doing(event.currentTarget, () => work(one), t(name)) }, t(name));
  return h("div", { class: "commands" },
    edit("connection.edit-epic", "epic"),
    administers() && edit("connection.edit-own", "own"),
    one.pending && one.active && button("connection.withdraw", withdraw),
    administers() && one.active && button(one.suspended ? "connection.resume" : "connection.suspend", suspend),
    administers() && button("connection.remove", drop));
}

async function withdraw(one) {
  if (!(await confirm(t("connection.withdraw"), t("connection.withdraw-sure"), t("connection.withdraw")))) return;
  await remove(at(one, "/pending"), { change: one.change });
  await again();
  tell("success", t("connection.withdrawn"));
}

async function suspend(one) {
  const name = one.suspended ? "connection.resume" : "connection.suspend";
  if (!(await confirm(t(name), t(`${name}-sure`), t(name)))) return;
  await put(at(one, "/suspension"), { suspended: !one.suspended }, { change: one.change });
  await again();
  tell("success", t(`${name}-done`));
}

async function drop(one) {
  if (!(await confirm(t("connection.remove"), t("connection.remove-sure", { address: address(one) }), t("connection.remove"), { danger: true }))) return;
  await remove(at(one), { change: one.change });
  tellNext("success", t("connection.removed"));
  go("configuration");
}

function facts(one) {
  const shown = side(one);
  const rows = [
    ["field.approver", one.own.approver.upn],
    ["field.time_zone", one.own.time_zone],
    ["field.provider_client_id", shown.provider_client_id],
    ["field.patient_client_id", shown.patient_client_id],
    ["field.backend_client_id", shown.backend_client_id],
    ["field.write_back.url", shown.write_back.url ?? t("value.none")],
    ["field.hl7.video_visit_types", one.own.hl7.video_visit_types.join(", ") || t("value.all")],
    ["field.organisers", t("connection.organisers", { n: one.own.organisers.length })],
    ["connection.id", one.id],
  ];
  return h("div", { class: "card" },
    h("h2", {}, t("connection.facts")),
    h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, t(name)), h("dd", {}, value)])));
}

/** Which apps need a secret: those at an Epic that takes no signed assertion, and the account of a Basic write-back. */
function secretsOf(epic) {
  const apps = epic.authentication === "client_secret" ? ["provider", "patient", "backend"] : [];
  const basic = epic.write_back.sink !== "log-only" && epic.write_back.authentication === "basic";
  return basic ? [...apps, "write-back"] : apps;
}

function secrets(one, needed) {
  const wanted = side(one);
  const line = (app) => {
    const there = one.secrets.find((set) => set.app === app && set.fhir_base_url === wanted.fhir_base_url && (app === "write-back" || set.client_id === wanted[`${app}_client_id`]));
    const words = there ? t("secret.set", { who: there.who, when: moment(there.at) }) : t("secret.missing");
    return [
      h("dt", {}, t(`app.${app}`)),
      h("dd", { class: "buttons" },
        h("fluent-badge", { appearance: "tint", color: there ? "success" : "warning" }, t(there ? "secret.there" : "secret.not-there")),
        h("span", { class: "hint" }, words),
        administers() && h("fluent-button", { size: "small", onclick: () => give(one, app) }, t(there ? "secret.replace" : "secret.give"))),
    ];
  };
  return h("div", { class: "card" }, h("h2", {}, t("secret.title")), h("p", { class: "hint" }, t("secret.hint")), h("dl", { class: "facts" }, needed.map(line)));
}

async function give(one, app) {
  const input = h("input", { class: "input", type: "password", id: "secret", autocomplete: "new-password" });
  const content = h("div", { class: "field" },
    h("label", { class: "label", for: "secret" }, t(app === "write-back" ? "secret.account" : "secret.secret")),
    input,
    h("p", { class: "hint" }, t("secret.never")));
  const choices = [{ name: "save", label: t("action.save"), primary: true }, { name: "no", label: t("action.cancel") }];
  const taken = await ask(t("secret.for", { app: t(`app.${app}`) }), content, choices, (name) => name === "no" || input.value !== "");
  if (taken !== "save") return;
  try {
    await put(at(one, `/secrets/${app}`), { secret: input.value }, { change: one.change });
    await again();
    tell("success", t("secret.saved"));
  } catch (failure) {
    fail(failure, t(`app.${app}`));
  }
}

async function editEpic(main, { id }, heading) {
  const [one] = await Promise.all([connection(id), learn()]);
  heading.textContent = t("connection.edit-epic");
  const form = new Form({
    name: `epic:${id}`,
    value: side(one),
    change: one.change,
    sections: epicSections(),
    save: (value, { change }) => put(at(one, "/epic"), value, { change }),
    reread: async () => reread(await connection(id), side),
    saved: () => back(id, "connection.proposed"),
    submit: t("connection.propose"),
    buttons: [h("fluent-anchor-button", { href: to("configuration", id) }, t("action.cancel"))],
  });
  discovered(form, "fhir_base_url", one.environment);
  previewed(form, id, "epic");
  main.append(place(one), bar("info", t(one.active ? "connection.waits" : "connection.waits-first")), form.element);
}

async function editOwn(main, { id }, heading) {
  const [one] = await Promise.all([connection(id), learn()]);
  heading.textContent = t("connection.edit-own");
  const form = new Form({
    name: `own:${id}`,
    value: one.own,
    change: one.change,
    sections: ownSections(),
    save: (value, { change }) => put(at(one, "/own"), value, { change }),
    reread: async () => reread(await connection(id), (other) => other.own),
    saved: () => back(id, "connection.saved"),
    buttons: [h("fluent-anchor-button", { href: to("configuration", id) }, t("action.cancel"))],
  });
  previewed(form, id, "own");
  main.append(place(one), bar("info", t("connection.at-once")), form.element);
}

const place = (one) => h("p", { class: "lead" }, h("a", { href: to("configuration", one.id) }, address(one)), ` (${t(`environment.${one.environment}`)})`);

const reread = (one, part) => ({ value: part(one), change: one.change });

function back(id, said) {
  tellNext("success", t(said));
  go("configuration", id);
}

export const pages = [
  { path: "configuration/:id", nav: "configuration", title: "nav.configuration", roles: ROLES, show },
  { path: "configuration/:id/epic", nav: "configuration", title: "connection.edit-epic", roles: ROLES, show: editEpic },
  { path: "configuration/:id/own", nav: "configuration", title: "connection.edit-own", roles: ["ConfigAdmin"], show: editOwn },
];
