// What surrounds every page: the bar with who is signed in where, language and colours; the list of steps.

import { LANGUAGES, current, preferred, t, use } from "./texts.js";
import { allowed, again } from "./router.js";
import { fill, h, icon } from "./dom.js";
import { signIn, signOut, who } from "./sign_in.js";
import { regions } from "./results.js";

/** The entries of the list, in order. `step`: its number in the set-up. */
const NAVIGATION = [
  { name: "organisations", icon: "building" },
  { name: "onboarding", icon: "home", step: 0 },
  { name: "configuration", icon: "settings", step: 1 },
  { name: "sms", icon: "message", step: 2 },
  { name: "approve", icon: "approve", step: 3 },
  { name: "review", icon: "review", step: 4 },
  { name: "history", icon: "history", step: 5 },
];

const page = h("div", { id: "page" });
const main = h("main", { id: "main", tabindex: "-1" }, regions, page);
let pages = [];
let here = "";

/** Lay everything out; gives the place of the page, inside the main landmark. */
export function layOut(known) {
  pages = known;
  const inside = h("div", { class: "beside" }, h("div", { class: "main-column" }, main));
  fill(document.body, skip(), head(), inside);
  inside.prepend(navigation());
  return page;
}

/** Who clicks elsewhere is done with the card of the account. */
document.addEventListener("click", (event) => {
  const card = document.querySelector(".account[open]");
  if (card && !card.contains(event.target)) card.removeAttribute("open");
});

/** Mark the entry of the page that is shown, and close the list on a phone. */
export function mark(page) {
  here = page.nav;
  document.body.classList.remove("navigation-open");
  document.querySelector(".navigation")?.replaceWith(navigation());
  document.querySelector(".menu-button")?.setAttribute("aria-expanded", "false");
}

const skip = () =>
  h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, t("shell.skip"));

function head() {
  const person = who();
  return h(
    "header",
    { class: "bar" },
    menuButton(),
    h("a", { class: "product", href: "#/" }, t("product")),
    h("div", { class: "bar-end" }, languages(), colours(), account(person)),
  );
}

function menuButton() {
  const open = (event) => {
    const opened = document.body.classList.toggle("navigation-open");
    event.currentTarget.setAttribute("aria-expanded", String(opened));
  };
  return h(
    "button",
    { class: "bar-button menu-button", type: "button", "aria-expanded": "false", "aria-controls": "navigation", "aria-label": t("shell.menu"), onclick: open },
    icon("menu"),
  );
}

function navigation() {
  const mine = NAVIGATION.filter((entry) => pages.some((page) => page.nav === entry.name && allowed(page)));
  return h(
    "nav",
    { class: "navigation", id: "navigation", "aria-label": t("shell.steps") },
    h("ul", {}, mine.map((entry) => h("li", {}, link(entry)))),
  );
}

function link(entry) {
  const words = t(`nav.${entry.name}`);
  return h(
    "a",
    { href: `#/${entry.name}`, "aria-current": entry.name === here ? "page" : null },
    icon(entry.icon),
    h("span", {}, entry.step === undefined ? words : t("shell.step", { step: entry.step, name: words })),
  );
}

/** Choosing a language shows the page again; what was typed stays, as forms keep their drafts. */
export function languages(after = again) {
  const change = async (event) => {
    localStorage.setItem("language", event.target.value);
    await use(event.target.value);
    if (document.querySelector(".bar")) layOut(pages);
    document.getElementById("language")?.focus();
    after();
  };
  return h(
    "span",
    { class: "language" },
    h("label", { for: "language", class: "hidden-words" }, t("shell.language")),
    icon("globe"),
    h("select", { id: "language", onchange: change },
      LANGUAGES.map((one) => h("option", { value: one, lang: one, selected: one === current() }, t(`language.${one}`)))),
  );
}

export function colours() {
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const draw = () => {
    button.setAttribute("aria-pressed", String(dark()));
    fill(button, icon(dark() ? "sun" : "moon"));
  };
  const turn = () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    draw();
  };
  const button = h("button", { class: "bar-button", type: "button", "aria-label": t("shell.dark"), onclick: turn });
  draw();
  return button;
}

function account(person) {
  const left = (event) => event.relatedTarget && !event.currentTarget.contains(event.relatedTarget);
  return h(
    "details",
    {
      class: "account",
      onkeydown: (event) => event.key === "Escape" && event.currentTarget.removeAttribute("open"),
      onfocusout: (event) => left(event) && event.currentTarget.removeAttribute("open"),
    },
    h(
      "summary",
      {},
      h("span", { class: "hidden-words" }, t("shell.account")),
      h("span", { class: "account-short" }, h("span", {}, person.name), " ", h("span", {}, organisation(person))),
      h("fluent-avatar", { name: person.name, size: "32", color: "brand", "aria-hidden": "true" }),
    ),
    h(
      "div",
      { class: "account-card" },
      h("p", { class: "account-organisation" }, organisation(person)),
      h("p", { class: "account-name" }, person.name),
      h("p", { class: "hint" }, person.upn),
      h("p", { class: "hint" }, person.roles.length ? person.roles.map((role) => t(`role.${role}`)).join(", ") : t("role.none")),
      h("p", { class: "hint breakable" }, t("shell.tenant", { id: person.tenant })),
      h("div", { class: "buttons" },
        h("fluent-button", { size: "small", onclick: () => signIn("select_account") }, t("sign-in.other")),
        h("fluent-button", { size: "small", onclick: signOut }, t("sign-in.out"))),
    ),
  );
}

/** The organisation as its people's names have it. */
const organisation = (person) => person.upn?.split("@")[1] ?? person.tenant;

/** Before anybody is signed in. `refusal`: what Entra said last, if it refused. */
export function welcome(refusal) {
  const draw = () => {
    document.title = t("product");
    fill(
      document.body,
      h("header", { class: "bar" }, h("span", { class: "product" }, t("product")), h("div", { class: "bar-end" }, languages(draw), colours())),
      h(
        "main",
        { id: "main", class: "welcome" },
        h("h1", {}, t("welcome.title")),
        h("p", {}, t("welcome.what")),
        refusal && h("p", { class: "field-error", role: "alert" }, icon("error"), t(refusal === "access_denied" ? "sign-in.cancelled" : "sign-in.failed")),
        h("p", {}, h("fluent-button", { appearance: "primary", size: "large", onclick: () => signIn() }, t("sign-in.in"))),
        h("p", { class: "hint" }, t("welcome.who")),
      ),
    );
  };
  draw();
}

/** The language to begin with. */
export const speak = () => use(preferred());
