// Step 3: what waits for whose approval, how it differs from what serves, and the approval itself.

import { address, at, badges, connection, connections } from "../connections.js";
import { all, get, remove } from "../api.js";
import { again, to } from "../router.js";
import { bar, doing, tell } from "../results.js";
import { count, differences, label, value } from "../differences.js";
import { h, icon } from "../dom.js";
import { moment, rich, t } from "../texts.js";
import { approval } from "../approval.js";
import { confirm } from "../dialog.js";
import { copyable } from "../copy.js";
import { named } from "../names.js";
import { orderOf } from "../fields.js";
import { who } from "../sign_in.js";

const ROLES = ["ConfigAdmin", "Approver"];
const waits = (one) => one.pending?.state === "needs-approval";
const mayApprove = (one) => who().roles.includes("Approver") && who().oid === one.own.approver.oid;

async function list(main) {
  const [found, mine] = await Promise.all([connections(), all("/config/connections?mine=true")]);
  const theirs = found.filter((one) => mine.some((other) => other.id === one.id) && mayApprove(one));
  const others = found.filter((one) => !theirs.includes(one));
  main.append(h("p", { class: "lead" }, t("approve.lead")));
  if (who().roles.includes("Approver")) main.append(yours(theirs));
  if (others.length) main.append(card(t("approve.others"), others));
  if (!found.length) main.append(nothing(t("connections.none")));
}

function yours(theirs) {
  if (!theirs.length) return nothing(t("approve.nothing"));
  return card(t("approve.yours", { n: theirs.length }), theirs);
}

const nothing = (words) => h("div", { class: "card empty" }, icon("approve"), h("p", {}, words));

function card(title, some) {
  const heads = ["address", "environment", "state", "approver"].map((name) => h("th", { scope: "col" }, t(`configuration.${name}`)));
  return h("div", { class: "card" },
    h("h2", {}, title),
    h("table", { class: "table" },
      h("caption", { class: "hidden-words" }, title),
      h("thead", {}, h("tr", {}, heads, h("th", { scope: "col" }, h("span", { class: "hidden-words" }, t("approve.do"))))),
      h("tbody", {}, some.map(row))));
}

function row(one) {
  const cell = (name, ...content) => h("td", { "data-label": t(`configuration.${name}`) }, content);
  const [words, appearance] = waits(one) && mayApprove(one) ? ["approve.sign-in-and-approve", "primary"] : ["approve.view", "outline"];
  return h("tr", {},
    cell("address", h("a", { href: to("approve", one.id) }, address(one))),
    cell("environment", t(`environment.${one.environment}`)),
    cell("state", h("span", { class: "buttons" }, badges(one))),
    cell("approver", one.own.approver.upn),
    h("td", { class: "row-action" }, h("fluent-anchor-button", { size: "small", appearance, href: to("approve", one.id), "aria-label": `${t(words)}: ${address(one)}` }, t(words))));
}

async function show(main, { id }, heading) {
  const one = await connection(id);
  const [differ, past] = await Promise.all([get(at(one, "/difference")), all(at(one, "/history"))]);
  heading.textContent = address(one);
  sessionStorage.setItem("connection", one.id);
  main.append(h("p", {}, h("a", { href: to("approve") }, t("approve.back"))), standing(one, past));
  if (one.pending) main.append(waiting(one, differ));
  if (count(differ.at_once)) main.append(applied(differ));
  if (waits(one) && mayApprove(one)) main.append(await approval(one));
  if (one.active) main.append(serving(one));
}

/** Where it stands, who has to do what next, and what this person may do about it. */
function standing(one, past) {
  const proposed = past.findLast((entry) => entry.did === "proposed" || entry.did === "drafted");
  const approved = past.findLast((entry) => entry.did === "approved");
  const by = (entry) => [named(entry.who), `, ${moment(entry.at)}`];
  const facts = [
    [t("configuration.approver"), one.own.approver.upn],
    one.pending && proposed && [t("approve.proposed-by"), by(proposed)],
    approved && [t("approve.approved-by"), by(approved)],
    one.active && [t("approve.revision"), String(one.revision)],
  ].filter(Boolean);
  return h("div", { class: "card" },
    h("div", { class: "buttons" }, badges(one), h("fluent-badge", { appearance: "outline" }, t(`environment.${one.environment}`))),
    next(one),
    h("dl", { class: "facts" }, facts.map(([name, said]) => [h("dt", {}, name), h("dd", {}, said)])),
    waits(one) && !mayApprove(one) && link(one),
    commands(one));
}

function next(one) {
  const state = one.pending?.state;
  if (state === "refused") return refused(one.pending.refusal);
  if (waits(one)) return h("p", {}, t(mayApprove(one) ? "approve.waits-for-you" : "approve.waits-for", { name: one.own.approver.upn }), meanwhile(one));
  if (state) return h("p", {}, t("approve.unchecked"), meanwhile(one));
  if (!one.active) return h("p", {}, t("next.withdrawn"));
  return h("p", {}, t(one.suspended ? "next.suspended" : "approve.none-waits"));
}

const meanwhile = (one) => one.active && ` ${t("connection.serves-meanwhile")}`;

/** What the approver sent back, and why. */
function refused(refusal) {
  return h("div", { class: "refusal" },
    h("p", { class: "refusal-title" }, icon("warning"), h("span", {}, rich("approve.refused", { who: named(refusal.who), when: moment(refusal.at) }))),
    h("blockquote", { class: "breakable" }, refusal.reason),
    h("p", { class: "hint" }, t("approve.refused-next")));
}

/** The address to send to who approves. */
const link = (one) => h("div", {}, copyable(t("approve.link"), `${location.origin}/${to("approve", one.id)}`), h("p", { class: "hint" }, t("approve.link-hint")));

function commands(one) {
  const anchor = (name, ...parts) => h("fluent-anchor-button", { href: to(...parts) }, t(name));
  const state = one.pending?.state;
  return h("div", { class: "buttons" },
    (state === "draft" || state === "validated") && anchor("approve.to-check", "configuration", one.id),
    anchor(state === "refused" ? "connection.propose-again" : "approve.propose", "configuration", one.id, "epic"),
    one.pending && one.active && h("fluent-button", { onclick: (event) => doing(event.currentTarget, () => withdraw(one), t("connection.withdraw")) }, t("connection.withdraw")));
}

async function withdraw(one) {
  if (!(await confirm(t("connection.withdraw"), t("connection.withdraw-sure"), t("connection.withdraw")))) return;
  await remove(at(one, "/pending"), { change: one.change });
  await again();
  tell("success", t("connection.withdrawn"));
}

/** What the approver is asked to agree to: field by field against what serves, or all of it the first time. */
function waiting(one, differ) {
  const key = one.pending.refusal ? "approve.not-agreed" : one.active ? "approve.differs" : "approve.first";
  const title = t(key, { n: count(differ.waits) });
  return h("div", { class: "card" },
    h("h2", {}, title),
    h("p", { class: "hint" }, t(one.active ? "approve.differs.hint" : "approve.first.hint")),
    differ.waits.length > 0 ? differences(title, differ.waits) : bar("info", t("approve.same")));
}

/** What changed since the last approval and needed none. */
function applied(differ) {
  const title = t("approve.applied", { n: count(differ.at_once) });
  return h("details", { class: "card advanced" },
    h("summary", {}, title),
    h("p", { class: "hint" }, t("approve.applied.hint")),
    differences(title, differ.at_once));
}

/** The revision that serves, whole. */
function serving(one) {
  const fields = flat("epic", one.active).sort(([path], [other]) => orderOf(path) - orderOf(other));
  return h("details", { class: "card advanced" },
    h("summary", {}, t("approve.serves", { n: one.revision })),
    h("dl", { class: "facts" }, fields.map(([path, given]) => [h("dt", {}, label(path)), h("dd", {}, value(path, given))])));
}

function flat(path, given) {
  if (given === null || typeof given !== "object" || Array.isArray(given)) return [[path, given]];
  return Object.entries(given).flatMap(([name, inner]) => flat(`${path}.${name}`, inner));
}

export const pages = [
  { path: "approve", nav: "approve", title: "nav.approve", roles: ROLES, show: list },
  { path: "approve/:id", nav: "approve", title: "nav.approve", roles: ROLES, show },
];
