// Step 2, trying it: the allow-list of a test connection, and a text to one's own number.

import { Problem, get, post, remove } from "../api.js";
import { LANGUAGES, current, has, t } from "../texts.js";
import { again } from "../router.js";
import { announce, bar, doing, tell } from "../results.js";
import { at } from "../connections.js";
import { fill, fresh, h } from "../dom.js";

const LOOK_MS = 1000;
const KINDS = ["booked", "changed", "cancelled", "reminder"];
const MOVES = ["new", "sending", "throttled", "accepted", "released"];
const BARS = { delivered: "success", failed: "error", unknown: "warning", skipped: "warning", parked: "error" };
const key = (one) => `trial:${one.id}`;

export async function show(main, one) {
  const outcome = h("div", { class: "outcome" });
  main.append(h("p", { class: "lead" }, t("trial.lead")));
  if (one.environment === "test") main.append(allowList(one));
  main.append(trial(one, outcome), outcome);
  const last = sessionStorage.getItem(key(one));
  if (last) await follow(one, last, outcome);
}

function allowList(one) {
  const listed = one.own.sms.allow_list;
  const number = phone(t("trial.number"));
  const add = () => number.asked(async (value) => {
    await post(at(one, "/allow-list"), { number: value }, { change: one.change });
    await again();
    tell("success", t("trial.added"));
  });
  const drop = async (name) => {
    await remove(at(one, `/allow-list/${encodeURIComponent(name)}`), { change: one.change });
    await again();
    tell("success", t("trial.dropped"));
  };
  return h("div", { class: "card" },
    h("h2", {}, t("trial.list")),
    h("p", { class: "hint" }, t("trial.list-hint")),
    listed.length
      ? h("ul", { class: "plain-list allow-list" }, listed.map((name, index) => h("li", { class: "buttons" },
          h("span", {}, t("trial.entry", { n: index + 1, id: name.slice(0, 8) })),
          h("fluent-button", { size: "small", "aria-label": t("trial.drop-this", { n: index + 1 }), onclick: (event) => doing(event.currentTarget, () => drop(name)) }, t("trial.drop")))))
      : h("p", {}, t("trial.list-empty")),
    number.element,
    h("div", { class: "buttons" }, h("fluent-button", { onclick: (event) => doing(event.currentTarget, add, t("trial.number")) }, t("trial.add"))));
}

function trial(one, outcome) {
  const number = phone(t("trial.own"));
  const kind = choice(t("trial.kind"), KINDS.map((name) => ({ value: name, label: t(`occasion.${name}`) })));
  const tags = [...new Set([...LANGUAGES, ...Object.keys(one.own.sms.texts)])];
  const names = new Intl.DisplayNames(current(), { type: "language" });
  const language = choice(t("trial.language"), tags.map((tag) => ({ value: tag, label: names.of(tag) })));
  const send = () => number.asked(async (value) => {
    const made = await post(at(one, "/test-texts"), { number: value, kind: kind.input.value, language: language.input.value });
    sessionStorage.setItem(key(one), made.id);
    await follow(one, made.id, outcome);
  });
  return h("div", { class: "card" },
    h("h2", {}, t("trial.title")),
    h("p", { class: "hint" }, t(one.environment === "test" ? "trial.hint-test" : "trial.hint-production")),
    h("div", { class: "fields" }, number.element, kind.element, language.element),
    h("div", { class: "buttons" }, h("fluent-button", { appearance: "primary", onclick: (event) => doing(event.currentTarget, send, t("trial.title")) }, t("trial.send"))));
}

/** Show how it stands, and ask again while it moves and the page is shown. */
async function follow(one, id, outcome) {
  let before = "";
  const look = async () => {
    const now = await get(at(one, `/test-texts/${encodeURIComponent(id)}`)).catch(() => null);
    if (now === null) return fill(outcome);
    if (now.state !== before) {
      before = now.state;
      fill(outcome, shown(now));
      announce(t(`text-state.${now.state}`));
    }
    return MOVES.includes(now.state) && setTimeout(() => outcome.isConnected && look(), LOOK_MS);
  };
  await look();
}

function shown(now) {
  const reason = `text-reason.${now.reason.replaceAll(" ", "-")}`;
  const words = [t(`text-state.${now.state}`), has(reason) && t(reason), now.code && t("trial.code", { code: now.code })].filter(Boolean).join(" ");
  return h("div", { class: "card trial-state", "data-state": now.state }, h("h2", {}, t("trial.last")), bar(BARS[now.state] ?? "info", words));
}

/** A field for a phone number; `asked(work)` runs with what was typed and shows at the field what was refused. */
function phone(label) {
  const ids = { input: fresh("phone"), error: fresh("error") };
  const input = h("input", { class: "input", type: "tel", id: ids.input, autocomplete: "off", maxlength: "40", "aria-describedby": ids.error });
  const error = h("p", { class: "field-error", id: ids.error, hidden: true });
  const complain = (words) => {
    error.hidden = !words;
    error.textContent = words;
    if (!words) return input.removeAttribute("aria-invalid");
    input.setAttribute("aria-invalid", "true");
    return input.focus();
  };
  async function asked(work) {
    complain("");
    if (!input.value.trim()) return complain(t("rule.required"));
    try {
      return await work(input.value.trim());
    } catch (failure) {
      const mine = failure instanceof Problem && failure.code === "value-refused";
      if (!mine) throw failure;
      return complain(t(failure.fields[0]?.includes("allow") ? "rule.not-listed" : "rule.phone"));
    }
  }
  return { element: h("div", { class: "field" }, h("label", { class: "label", for: ids.input }, label), input, error), asked };
}

function choice(label, options) {
  const id = fresh("choice");
  const input = h("select", { class: "input", id }, options.map((one) => h("option", { value: one.value }, one.label)));
  return { input, element: h("div", { class: "field" }, h("label", { class: "label", for: id }, label), input) };
}
