// People of one's own organisation, found while typing: Entra knows them, our API asks it.

import { fill, fresh, h, icon } from "./dom.js";
import { announce, words } from "./results.js";
import { get } from "./api.js";
import { t } from "./texts.js";

const WAIT_MS = 250;
const SHORTEST = 2;

/** One person: {oid, upn}, or null. */
export function person(field) {
  let chosen = null;
  const search = searching(field, (found) => take({ oid: found.oid, upn: found.upn }));
  const token = h("div", { class: "people-chosen" });
  const element = h("div", { class: "people" }, token, search.element);
  function take(one, tell = true) {
    chosen = one;
    fill(token, one && chip(one.upn, () => { take(null); search.input.focus(); }));
    search.input.hidden = Boolean(one) && !field.readonly;
    if (tell) element.dispatchEvent(new Event("input", { bubbles: true }));
  }
  return { element, input: search.input, get: () => chosen, set: (one) => take(one ?? null, false) };
}

/** Several people, kept by their object ids. What each is called is asked once. */
export function people(field) {
  let chosen = [];
  const names = new Map();
  const asked = new Set();
  const search = searching(field, (found) => {
    names.set(found.oid, found.upn);
    take([...chosen.filter((one) => one !== found.oid), found.oid]);
  });
  const tokens = h("div", { class: "people-chosen" });
  const element = h("div", { class: "people" }, tokens, search.element);
  function take(next, tell = true) {
    chosen = next;
    fill(tokens, chosen.map((oid) => chip(names.get(oid) ?? oid, () => take(chosen.filter((one) => one !== oid)))));
    for (const oid of chosen) name(oid);
    if (tell) element.dispatchEvent(new Event("input", { bubbles: true }));
  }
  /** Ask what somebody is called; who is not found, or cannot be asked now, is shown by the id. */
  async function name(oid) {
    if (names.has(oid) || asked.has(oid)) return;
    asked.add(oid);
    const found = await get(`/config/people/${oid}`).catch(() => null);
    if (!found) return;
    names.set(oid, found.upn);
    take(chosen, false);
  }
  return { element, input: search.input, get: () => chosen, set: (next) => take(next ?? [], false) };
}

const chip = (name, drop) =>
  h(
    "span",
    { class: "chip" },
    h("fluent-avatar", { name, size: "20", color: "colorful", "aria-hidden": "true" }),
    h("span", { class: "breakable" }, name),
    h("button", { type: "button", class: "chip-drop", "aria-label": t("people.remove", { name }), onclick: drop }, icon("close")),
  );

/** A box to search in with the list of who was found, as the ARIA pattern "combobox" has it. */
function searching(field, take) {
  const list = h("ul", { class: "people-found", role: "listbox", id: fresh("found"), hidden: true, "aria-label": t("people.found") });
  const input = h("input", {
    class: "input", type: "text", id: fresh("input"), role: "combobox", autocomplete: "off", spellcheck: "false",
    placeholder: t("people.placeholder"), "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
    oninput: (event) => { event.stopPropagation(); ask(); }, onkeydown: key, onblur: () => setTimeout(close, 200),
  });
  let timer = 0;
  let asked = 0;
  let at = -1;

  function ask() {
    clearTimeout(timer);
    const typed = input.value.trim();
    if (typed.length < SHORTEST) return close();
    timer = setTimeout(() => find(typed), WAIT_MS);
    return undefined;
  }

  async function find(typed) {
    asked += 1;
    const mine = asked;
    try {
      const found = await get(`/config/people?search=${encodeURIComponent(typed)}`);
      if (mine === asked) show(found.items);
    } catch (failure) {
      if (mine === asked) note(words(failure));
    }
  }

  function show(found) {
    if (!found.length) return note(t("people.none"));
    at = -1;
    fill(list, found.map((one) => option(one)));
    open();
    return announce(t("people.count", { n: found.length }));
  }

  function option(one) {
    const choose = (event) => { event.preventDefault(); pick(one); };
    const item = h("li", { role: "option", id: fresh("person"), "aria-selected": "false", onmousedown: choose },
      h("fluent-avatar", { name: one.display_name, size: "28", color: "colorful", "aria-hidden": "true" }),
      h("span", {}, h("span", { class: "people-name" }, one.display_name), h("span", { class: "hint" }, one.upn)));
    item.pick = () => pick(one);
    return item;
  }

  function note(said) {
    fill(list, h("li", { class: "people-note", role: "option", "aria-disabled": "true", "aria-selected": "false" }, said));
    open();
    announce(said);
  }

  function pick(one) {
    input.value = "";
    close();
    take(one);
    announce(t("people.taken", { name: one.display_name }));
  }

  function open() {
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  function close() {
    clearTimeout(timer);
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function key(event) {
    const options = [...list.querySelectorAll("[role=option]:not([aria-disabled])")];
    if (event.key === "Escape") return close();
    if (list.hidden || !options.length) return event.key === "Enter" && event.preventDefault();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
      options.forEach((one, index) => one.setAttribute("aria-selected", String(index === at)));
      input.setAttribute("aria-activedescendant", options[at].id);
      options[at].scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      options[Math.max(at, 0)].pick();
    }
    return undefined;
  }

  return { element: h("div", { class: "people-search" }, input, list), input };
}
