// The page's words, from texts/<language>.json. No other file holds words that people read.

export const LANGUAGES = ["en", "fr", "it", "es"];

let catalogue = {};
let language = "en";

/** The language in use. */
export const current = () => language;

/** The language that the person chose, else the first of the browser's that we have, else English. */
export function preferred() {
  const wanted = [localStorage.getItem("language"), ...navigator.languages.map((one) => one.slice(0, 2).toLowerCase())];
  return wanted.find((one) => LANGUAGES.includes(one)) ?? "en";
}

/** Take the words of a language. */
export async function use(wanted) {
  const answer = await fetch(`texts/${wanted}.json`);
  catalogue = await answer.json();
  language = wanted;
  document.documentElement.lang = wanted;
}

/** Whether the catalogue has this key: for keys made of what the API says. */
export const has = (key) => key in catalogue;

/**
 * The words of a key; `{name}` in them becomes `values.name`. An entry of forms ("one", "other", ...) is chosen by
 * `values.n`. A key that is not there is a fault of ours.
 */
export function t(key, values = {}) {
  const entry = catalogue[key];
  if (entry === undefined) throw new Error(`no text: ${key}`);
  const words = typeof entry === "string" ? entry : entry[new Intl.PluralRules(language).select(values.n)] ?? entry.other;
  return words.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The same with elements in place of names: a list of strings and nodes. */
export function rich(key, nodes) {
  return t(key)
    .split(/\{(\w+)\}/)
    .map((part, index) => (index % 2 ? nodes[part] : part));
}

const MOMENT = { year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" };

/** A moment as people here write it, in the browser's time zone, which it names. `iso`: as the API gives it. */
export const moment = (iso) => new Intl.DateTimeFormat(language, MOMENT).format(new Date(iso));

/** A day. */
export const day = (iso) => new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(iso));
