// Step 2, the set-up of one FHIR base URL: consents, number, which texts and when, initial load, brake and held texts.

import { all, get, post, put } from "../api.js";
import { at, connection } from "../connections.js";
import { again } from "../router.js";
import { bar, doing, tell } from "../results.js";
import { confirm } from "../dialog.js";
import { fill, h } from "../dom.js";
import { has, t } from "../texts.js";
import { known, learn } from "../schema.js";
import { Form } from "../form.js";
import { previewed } from "../preview.js";

const SECTIONS = [
  { section: "sms-consent", fields: [{ path: "sms.may_send_for_us", kind: "check" }, { path: "sms.patients_have_consented", kind: "check" }] },
  { section: "sms-number", fields: [{ path: "sms.number", kind: "select", none: "value.none", rule: "rule.number" }] },
  { section: "sms-kinds", fields: [
    { path: "sms.confirmations", kind: "check" },
    { path: "sms.reminders", kind: "numbers", rule: "rule.reminders" },
  ] },
  { section: "sms-quiet", fields: [{ path: "sms.quiet_hours", kind: "hours", rule: "rule.quiet" }] },
  { section: "sms-brake", fields: [
    { path: "sms.initial_load", kind: "check" },
    { path: "sms.hourly_brake", kind: "number", rule: "rule.brake" },
    { path: "sms.stale_after_minutes", kind: "number", rule: "rule.stale" },
  ] },
];

export async function show(main, one) {
  const [numbers, held] = await Promise.all([all("/config/numbers"), get(at(one, "/held-texts")), learn()]);
  const form = new Form({
    name: `sms:${one.id}`,
    value: one.own,
    change: one.change,
    sections: SECTIONS.map((section) => complete(section, one, numbers)),
    save: (value, { change }) => put(at(one, "/own"), value, { change }),
    reread: async () => reread(await connection(one.id)),
    saved,
  });
  const stops = h("div", { class: "stops" });
  const look = () => fill(stops, reasons(one.own.sms, form.value().sms));
  form.element.querySelector(".form-buttons").before(stops);
  form.element.addEventListener("input", look);
  form.element.addEventListener("change", look);
  look();
  previewed(form, one.id, "own");
  main.append(...[bar("warning", t("sms.may-stop")), heldCard(one, held), form.element].flat());
}

async function saved() {
  await again();
  tell("success", t("connection.saved"));
}

const reread = (one) => ({ value: one.own, change: one.change });

function complete({ section, fields }, one, numbers) {
  return {
    title: t(`section.${section}`),
    hint: t(`section.${section}.hint`),
    fields: fields.map((field) => ({
      ...field,
      label: t(`field.${field.path}`),
      hint: has(`field.${field.path}.hint`) ? t(`field.${field.path}.hint`) : "",
      known: known("change_own_side", field.path),
      options: field.path === "sms.number" ? choices(one, numbers) : undefined,
    })),
  };
}

/** Numbers that can text, and the one that is linked already. */
function choices(one, numbers) {
  const ready = numbers.filter((number) => number.state === "ready").map((number) => number.number);
  const mine = one.own.sms.number;
  return [...new Set(mine ? [mine, ...ready] : ready)].map((number) => ({ value: number, label: number }));
}

/** What would stop texts that go out now, if this were saved (F5.10). */
function reasons(before, after) {
  const ends = [
    before.may_send_for_us && !after.may_send_for_us && "consent",
    before.patients_have_consented && !after.patients_have_consented && "consent",
    before.number && before.number !== after.number && (after.number ? "other-number" : "number"),
    before.confirmations && !after.confirmations && "confirmations",
    before.reminders.length && !after.reminders.length && "reminders",
    !before.initial_load && after.initial_load && "initial-load",
  ].filter(Boolean);
  return [...new Set(ends)].map((one) => bar("warning", t(`sms.stops-${one}`)));
}

/** What the hourly brake holds back, and the decision. */
function heldCard(one, held) {
  if (!held.count) return [];
  const decide = (decision) => async () => {
    if (!(await confirm(t(`sms.${decision}`), t(`sms.${decision}-sure`, { n: held.count }), t(`sms.${decision}`)))) return;
    const { count } = await post(at(one, "/held-texts"), { decision });
    await again();
    tell("success", t(`sms.${decision}-done`, { n: count }));
  };
  const button = (decision) => h("fluent-button", { onclick: (event) => doing(event.currentTarget, decide(decision)) }, t(`sms.${decision}`));
  return h("div", { class: "card held" },
    h("h2", {}, t("sms.held", { n: held.count })),
    h("p", {}, t("sms.held-why")),
    h("div", { class: "buttons" }, button("release"), button("drop")));
}
