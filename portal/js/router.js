// One address per page, behind the #, so that reloading and going back work on any static server.
//
// A page is { path, nav, title, roles, show }: `path` with `:names`; `nav`, the entry it belongs to; `title`, a key;
// `roles`, any one of them is enough; `show(main, parameters)` fills the page below its heading.

import { announce, bar, turnBars, words } from "./results.js";
import { SignInEnded } from "./api.js";
import { askToSignIn } from "./dialog.js";
import { fill, h } from "./dom.js";
import { t } from "./texts.js";
import { who } from "./sign_in.js";

let pages = [];
let place = null;
let shown = 0;
let arrived = () => {};

/** Whether the person may see a page. */
export const allowed = (page) => page.roles.some((role) => who().roles.includes(role));

/** Go to a page of ours: go("configuration", id). */
export function go(...parts) {
  location.hash = `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** The address of a page, for links. */
export const to = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

/** Begin: `into` is filled with the page, `told(page)` hears which page came. */
export function start(known, into, told) {
  pages = known;
  place = into;
  arrived = told;
  addEventListener("hashchange", () => show({ moved: true }));
  return show({ moved: false });
}

/** Show the present page again, as after another language was chosen. */
export const again = () => show({ moved: false });

async function show({ moved }) {
  shown += 1;
  const mine = shown;
  const [page, parameters] = found();
  turnBars();
  arrived(page);
  const heading = h("h1", { tabindex: "-1" }, t(page.title));
  const content = h("div", { class: "content", "aria-busy": "true" }, waiting());
  fill(place, h("header", { class: "page-head" }, heading), content);
  document.title = `${t(page.title)} - ${t("product")}`;
  if (moved) heading.focus();
  const made = h("div");
  try {
    if (allowed(page)) await page.show(made, parameters, heading);
    else made.append(bar("warning", t("page.not-yours")));
  } catch (failure) {
    if (failure instanceof SignInEnded) askToSignIn();
    else console.error(failure);
    made.append(bar("error", words(failure)), tryAgain());
  }
  if (mine !== shown) return; // somebody went on meanwhile
  content.removeAttribute("aria-busy");
  fill(content, ...made.childNodes);
  announce(t("page.shown", { title: heading.textContent }));
  document.title = `${heading.textContent} - ${t("product")}`;
}

const waiting = () => h("div", { class: "waiting" }, h("fluent-spinner", { "aria-hidden": "true" }), h("span", {}, t("page.loading")));

const tryAgain = () => h("p", {}, h("fluent-button", { onclick: again }, t("action.try-again")));

function found() {
  const asked = parts(location.hash.replace(/^#\/?/, ""));
  for (const page of pages) {
    const parameters = match(page.path.split("/"), asked);
    if (parameters) return [page, parameters];
  }
  return [pages.find(allowed) ?? pages[0], {}];
}

/** The parts of an address that anybody may have written: none when it is malformed or leads out of its place. */
function parts(text) {
  try {
    const read = text.split("/").map(decodeURIComponent);
    return read.some((part) => part === "." || part === "..") ? [] : read;
  } catch {
    return [];
  }
}

function match(pattern, asked) {
  if (pattern.length !== asked.length) return null;
  const parameters = {};
  for (const [index, part] of pattern.entries()) {
    if (part.startsWith(":")) parameters[part.slice(1)] = asked[index];
    else if (part !== asked[index]) return null;
  }
  return parameters;
}
