// Step 5: who changed or approved what, and when: of the whole organisation or of one connection.

import { address, connections } from "../connections.js";
import { all, file, get } from "../api.js";
import { doing, announce } from "../results.js";
import { fresh, h, icon } from "../dom.js";
import { go, to } from "../router.js";
import { has, moment, t } from "../texts.js";
import { count, lines } from "../differences.js";
import { named } from "../names.js";
import { save } from "../copy.js";

const ROLES = ["ConfigAdmin", "Approver"];
const AT_ONCE = 50;
const FEW = 3;
/** Of the operator our Entra knows nothing. */
const BY_OPERATOR = /by the operator$/;

async function show(main, { id }) {
  const known = await connections();
  const part = id ? await ofOne(id) : ofAll();
  const rows = h("tbody", {});
  const more = h("fluent-button", { onclick: (event) => doing(event.currentTarget, () => add(true)) }, t("history.more"));

  async function add(moved) {
    const { items, next } = await part();
    const made = items.map((one) => row(one, known));
    rows.append(...made);
    more.hidden = !next;
    if (!moved) return;
    announce(t("history.shown", { n: rows.children.length }));
    made[0]?.querySelector("th").focus();
  }

  await add(false);
  main.append(h("p", { class: "lead" }, t("history.lead")), commands(known, id));
  if (rows.children.length) main.append(h("div", { class: "card" }, table(rows), h("div", { class: "buttons" }, more)));
  else main.append(h("div", { class: "card empty" }, icon("history"), h("p", {}, t("history.none"))));
}

/** The next part of the organisation's history, newest first, at each call. */
function ofAll() {
  let after = "";
  return async () => {
    const page = await get(`/config/history?limit=${AT_ONCE}&after=${encodeURIComponent(after)}`);
    after = page.next;
    return page;
  };
}

/** The same for one connection: the API gives its history from the beginning. */
async function ofOne(id) {
  const left = (await all(`/config/connections/${encodeURIComponent(id)}/history`)).reverse();
  return () => ({ items: left.splice(0, AT_ONCE), next: left.length > 0 });
}

function commands(known, id) {
  const name = fresh("connection");
  const choose = (event) => (event.target.value ? go("history", event.target.value) : go("history"));
  const options = [
    h("option", { value: "", selected: !id }, t("history.all")),
    known.map((one) => h("option", { value: one.id, selected: one.id === id }, `${address(one)} (${t(`environment.${one.environment}`)})`)),
  ];
  const fetchAll = async () => save("history.csv", await file("/config/history.csv"), "text/csv");
  return h("div", { class: "history-commands" },
    h("div", { class: "field connection-choice" }, h("label", { class: "label", for: name }, t("connections.choose")), h("select", { class: "input", id: name, onchange: choose }, options)),
    h("fluent-button", { onclick: (event) => doing(event.currentTarget, fetchAll) }, icon("download", "start"), t("history.export")));
}

const COLUMNS = ["when", "who", "what", "connection", "fields"];

function table(rows) {
  return h("table", { class: "table history" },
    h("caption", { class: "hidden-words" }, t("nav.history")),
    h("thead", {}, h("tr", {}, COLUMNS.map((one) => h("th", { scope: "col" }, t(`history.${one}`))))),
    rows);
}

function row(one, known) {
  const cell = (name, ...content) => h("td", { "data-label": t(`history.${name}`) }, content);
  const there = known.find((other) => other.id === one.connection);
  const gone = one.connection && h("span", { class: "hint" }, t("history.removed", { id: one.connection.slice(-8) }));
  const shown = there ? h("a", { href: to("approve", there.id) }, address(there)) : gone;
  return h("tr", { "data-did": one.did },
    h("th", { scope: "row", class: "row-head", tabindex: "-1" }, h("time", { datetime: one.at }, moment(one.at))),
    cell("who", BY_OPERATOR.test(one.did) ? t("history.operator") : named(one.who)),
    cell("what", did(one.did)),
    cell("connection", shown),
    cell("fields", fields(one.differences)));
}

/** What was done, in the page's language. */
function did(name) {
  const key = `did.${name.replaceAll(" ", "-")}`;
  return has(key) ? t(key) : name;
}

/** What was changed, with values; a long list behind a word. */
function fields(found) {
  const n = count(found);
  if (!n) return null;
  const listed = lines(found);
  return n <= FEW ? listed : h("details", { class: "more" }, h("summary", {}, t("history.count", { n })), listed);
}

export const pages = [
  { path: "history", nav: "history", title: "nav.history", roles: ROLES, show },
  { path: "history/:id", nav: "history", title: "nav.history", roles: ROLES, show },
];
