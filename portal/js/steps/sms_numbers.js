// Step 2, phone numbers of the organisation: ordering them, how far an order is, which FHIR base URLs text from them.

import { address, at, connections } from "../connections.js";
import { all, post, put, remove } from "../api.js";
import { announce, bar, doing, eachOf, tell } from "../results.js";
import { ask, confirm } from "../dialog.js";
import { fill, fresh, h, icon } from "../dom.js";
import { has, moment, t } from "../texts.js";
import { again, to } from "../router.js";
import { named } from "../names.js";

/** How long until a running order is asked for again. */
const LOOK_MS = 2000;
const UNDER_WAY = ["searching", "found", "buying", "releasing"];
const COLOURS = { ready: "success", failed: "danger", released: "subtle" };
const VERIFICATION = { verified: "success", pending: "warning", unverified: "danger", refused: "danger" };
const runs = (one) => UNDER_WAY.includes(one.state);

export async function show(main) {
  const [numbers, known, organisations] = await Promise.all([all("/config/numbers"), connections(), all("/config/organisations")]);
  const list = h("div", { class: "numbers" });
  const draw = (rows) => fill(list, rows.length ? rows.map((one) => number(one, known)) : h("p", { class: "hint" }, t("number.none")));
  draw(newest(numbers));
  main.append(
    h("p", { class: "lead" }, t("sms.lead")),
    h("div", { class: "card" },
      h("h2", {}, t("number.title")),
      h("p", { class: "hint" }, t("number.hint")),
      list,
      ordering(organisations, numbers.some((one) => runs(one) || one.state === "ready"))),
    overview(known));
  if (numbers.some(runs)) watch(list, draw, numbers);
}

/** What was given back long ago, and failures before a newer order, need not be seen. */
function newest(rows) {
  const sorted = [...rows].sort((one, other) => other.at.localeCompare(one.at));
  return sorted.filter((one, index) => one.state !== "released" && (one.state !== "failed" || index === 0));
}

/** Ask again while an order runs and the page is shown; say what has changed. */
function watch(list, draw, before) {
  setTimeout(async () => {
    if (!list.isConnected) return;
    const now = await all("/config/numbers").catch(() => before);
    if (!list.isConnected) return;
    const changed = now.filter((one) => before.find((other) => other.id === one.id)?.change !== one.change);
    if (changed.length) {
      draw(newest(now));
      announce(changed.map((one) => t(`number-state.${one.state}`)).join(" "));
    }
    if (now.some(runs)) watch(list, draw, now);
    else if (changed.length) await again();
  }, LOOK_MS);
}

function number(one, known) {
  const failed = one.reason && h("p", { class: "hint" }, has(`number-reason.${one.reason}`) ? t(`number-reason.${one.reason}`) : one.said);
  return h("section", { class: "number", "data-state": one.state, "aria-label": one.number ?? t("number.ordered") },
    h("div", { class: "card-head" },
      h("h3", { class: "number-name" }, one.number ?? t("number.ordered")),
      h("div", { class: "buttons" }, badge(one))),
    runs(one) && progress(one),
    failed,
    one.state === "ready" && verified(one),
    one.state === "ready" && h("p", { class: "hint" }, users(one, known)),
    one.state === "ready" && commands(one, known));
}

function badge(one) {
  const words = t(`number-state.${one.state}`);
  return h("fluent-badge", { appearance: "tint", color: COLOURS[one.state] ?? "informative" }, words);
}

/** The steps of an order with the one it has come to. */
function progress(one) {
  const steps = one.state === "releasing" ? ["releasing"] : ["searching", "found", "buying"];
  const reached = steps.indexOf(one.state);
  return h("div", { class: "waiting" },
    h("fluent-spinner", { "aria-hidden": "true" }),
    h("div", {},
      h("ol", { class: "number-steps" }, steps.map((step, index) => h("li", { "aria-current": index === reached ? "step" : null }, t(`number-state.${step}`)))),
      h("p", { class: "hint" }, t("number.may-leave", { when: moment(one.at) }))));
}

function verified(one) {
  const said = one.verification;
  const line = h("p", {},
    h("fluent-badge", { appearance: "tint", color: VERIFICATION[said.state] }, t(`verification.${said.state}`)),
    said.at && h("span", { class: "hint" }, " ", t("number.said", { when: moment(said.at) }), " ", byOperator(one) ? t("number.operator") : named(said.who)));
  return [line, one.blocked && bar("warning", t("number.blocked"), h("fluent-anchor-button", { size: "small", href: one.guide, target: "_blank", rel: "noopener" }, t("number.guide")))];
}

/** What came with an assignment was said by the operator, of whom our Entra knows nothing. */
const byOperator = (one) => one.source === "assigned" && one.verification.who === one.who;

const users = (one, known) => {
  const mine = known.filter((each) => one.connections.includes(each.id)).map(address);
  return mine.length ? t("number.used", { addresses: mine.join(", ") }) : t("number.unused");
};

function commands(one, known) {
  const button = (key, work) => h("fluent-button", { size: "small", onclick: (event) => doing(event.currentTarget, work, t(key)) }, t(key));
  return h("div", { class: "buttons" },
    known.length > 0 && button("number.link", () => link(one, known)),
    one.kind === "toll-free" && button("number.verification", () => verify(one)),
    one.source === "bought" && one.connections.length === 0 && button("number.release", () => release(one)));
}

/** Which FHIR base URLs text from it: ticked together, each saved by itself. */
async function link(one, known) {
  const boxes = known.map((each) => {
    const id = fresh("link");
    const input = h("input", { type: "checkbox", class: "check", id, checked: one.connections.includes(each.id) });
    return { each, input, element: h("div", { class: "check-row" }, input, h("label", { for: id, class: "breakable" }, `${address(each)} (${t(`environment.${each.environment}`)})`)) };
  });
  const content = h("div", { class: "dialog-content" }, h("p", {}, t("number.link-hint")), boxes.map((box) => box.element), h("p", { class: "hint" }, t("sms.may-stop")));
  const choices = [{ name: "save", label: t("action.save"), primary: true }, { name: "no", label: t("action.cancel") }];
  if ((await ask(t("number.link-title", { number: one.number }), content, choices)) !== "save") return;
  const wanted = boxes.filter(({ each, input }) => input.checked !== one.connections.includes(each.id));
  const refused = await eachOf(wanted, ({ each, input }) => {
    const sms = { ...each.own.sms, number: input.checked ? one.number : null };
    return put(at(each, "/own"), { ...each.own, sms }, { change: each.change });
  });
  await again();
  if (refused.length) return tell("error", refused.map((no) => `${address(no.one.each)}: ${no.why}`).join(" "));
  return tell("success", t("number.linked"));
}

async function verify(one) {
  const id = fresh("verification");
  const states = ["unverified", "pending", "verified", "refused"];
  const input = h("select", { class: "input", id }, states.map((state) => h("option", { value: state, selected: state === one.verification.state }, t(`verification.${state}`))));
  const content = h("div", { class: "field" }, h("label", { class: "label", for: id }, t("number.verification-label")), input, h("p", { class: "hint" }, t("number.verification-hint")));
  const choices = [{ name: "save", label: t("action.save"), primary: true }, { name: "no", label: t("action.cancel") }];
  if ((await ask(t("number.verification"), content, choices)) !== "save") return;
  await put(`/config/numbers/${encodeURIComponent(one.id)}/verification`, { state: input.value });
  await again();
  tell("success", t("number.verification-saved"));
}

async function release(one) {
  if (!(await confirm(t("number.release"), t("number.release-sure", { number: one.number }), t("number.release"), { danger: true }))) return;
  await remove(`/config/numbers/${encodeURIComponent(one.id)}?confirm=true`);
  await again();
}

/** The button for a new number; with several organisations, for which. `enough`: there is one, another is no next step. */
function ordering(organisations, enough) {
  const enabled = organisations.filter((one) => one.enabled);
  if (!enabled.length) return bar("info", t("configuration.not-enabled"));
  const id = fresh("organisation");
  const choice = h("select", { class: "input", id }, enabled.map((one) => h("option", { value: one.id }, one.name)));
  const order = async () => {
    if (!(await confirm(t("number.order"), t("number.order-sure"), t("number.order-yes")))) return;
    const made = await post("/config/numbers", { organisation: choice.value });
    await again();
    announce(t(`number-state.${made.state}`));
  };
  return h("div", { class: "buttons" },
    enabled.length > 1 && h("div", { class: "field" }, h("label", { class: "label", for: id }, t("field.organisation")), choice),
    h("fluent-button", { appearance: enough ? "outline" : "primary", onclick: (event) => doing(event.currentTarget, order, t("number.order")) }, icon("add", "start"), t("number.order")));
}

const COLUMNS = ["address", "number", "texts", "feed"];

/** Every FHIR base URL with what its texts still need. */
function overview(known) {
  if (!known.length) return bar("info", t("connections.none"));
  return h("div", { class: "card" },
    h("h2", {}, t("sms.overview")),
    h("table", { class: "table" },
      h("caption", { class: "hidden-words" }, t("sms.overview")),
      h("thead", {}, h("tr", {}, COLUMNS.map((one) => h("th", { scope: "col" }, t(`sms.column-${one}`))))),
      h("tbody", {}, known.map(line))));
}

function line(one) {
  const sms = one.own.sms;
  const cell = (name, ...content) => h("td", { "data-label": t(`sms.column-${name}`) }, content);
  const missing = [
    !(sms.may_send_for_us && sms.patients_have_consented) && "consents",
    !sms.number && "number",
    !sms.confirmations && !sms.reminders.length && "kinds",
  ].filter(Boolean);
  const texts = missing.length ? missing.map((one) => h("fluent-badge", { appearance: "tint", color: "warning" }, t(`sms.lacks-${one}`))) : h("fluent-badge", { appearance: "tint", color: "success" }, t("sms.ready"));
  const feed = one.own.certificates.length ? t("sms.certificates-n", { n: one.own.certificates.length }) : t("sms.no-certificate");
  return h("tr", {},
    cell("address", h("a", { href: to("sms", one.id, "setup") }, address(one)), " ", h("span", { class: "hint" }, t(`environment.${one.environment}`))),
    cell("number", sms.number ?? t("value.none")),
    cell("texts", h("span", { class: "buttons" }, texts)),
    cell("feed", h("a", { href: to("sms", one.id, "certificates") }, feed)));
}
