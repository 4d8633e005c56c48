// Step 2, the texts in the organisation's own words, one language at a time, each as it would be on a phone.

import { again, go, to } from "../router.js";
import { at, connection } from "../connections.js";
import { fill, fresh, h } from "../dom.js";
import { LANGUAGES, current, t } from "../texts.js";
import { Problem, post, put } from "../api.js";
import { Form } from "../form.js";
import { learn } from "../schema.js";
import { tell } from "../results.js";

const KINDS = ["booked", "changed", "cancelled", "reminder"];
/** What a text may tell of the visit, each by a switch of its own. */
const TELLING = ["department", "provider", "visit_type"];
const WAIT_MS = 400;
/** What a language's tag looks like: a primary tag of BCP 47. */
const TAG = /^[a-z]{2,3}$/;

export async function show(main, one, { language = LANGUAGES[0] }) {
  await learn();
  const made = KINDS.map((kind) => previewOf(one, kind, language));
  const form = new Form({
    name: `texts:${one.id}:${language}`,
    value: one.own,
    change: one.change,
    sections: [
      { title: t("texts.in", { language: called(language) }), hint: t("texts.hint"), fields: KINDS.map((kind, index) => field(kind, language, made[index])) },
      { title: t("section.texts-telling"), hint: t("section.texts-telling.hint"), fields: TELLING.map(allowed) },
    ],
    save: (value, { change }) => put(at(one, "/own"), without(value, language), { change }),
    reread: async () => reread(await connection(one.id)),
    saved,
  });
  made.forEach((preview, index) => preview.attach(form.parts.get(path(KINDS[index], language)).control, form));
  main.append(languages(one, language), h("p", { class: "hint" }, t("texts.placeholders")), form.element);
}

async function saved() {
  await again();
  tell("success", t("connection.saved"));
}

const reread = (one) => ({ value: one.own, change: one.change });
const path = (kind, language) => `sms.texts.${language}.${kind}`;
const called = (tag) => new Intl.DisplayNames(current(), { type: "language" }).of(tag);

const field = (kind, language, preview) => ({
  path: path(kind, language), kind: "area", label: t(`occasion.${kind}`), rule: kind === "cancelled" ? "rule.template" : "rule.template-link", more: preview.element, lang: language,
});

function allowed(name) {
  const label = `field.sms.may_name_${name}`;
  return { path: `sms.may_name_${name}`, kind: "check", label: t(label), hint: t(`${label}.hint`) };
}

/** A language of which nothing is left is none. */
function without(own, language) {
  const { [language]: mine, ...others } = own.sms.texts;
  const empty = !mine || KINDS.every((kind) => !mine[kind]);
  return empty ? { ...own, sms: { ...own.sms, texts: others } } : own;
}

/** The languages that have words of ours or of theirs, and a way to another. */
function languages(one, here) {
  const all = [...new Set([...LANGUAGES, ...Object.keys(one.own.sms.texts), here])];
  const id = fresh("language");
  const input = h("input", { class: "input input-short", id, maxlength: "3", autocomplete: "off", spellcheck: "false" });
  const add = () => {
    const tag = input.value.trim().toLowerCase();
    if (TAG.test(tag)) return go("sms", one.id, "texts", tag);
    input.setAttribute("aria-invalid", "true");
    return input.focus();
  };
  return h("div", { class: "languages" },
    h("nav", { class: "pivot", "aria-label": t("texts.languages") },
      h("ul", {}, all.map((tag) => h("li", {}, h("a", { href: to("sms", one.id, "texts", tag), "aria-current": tag === here ? "page" : null }, called(tag)))))),
    h("div", { class: "field" },
      h("label", { class: "label", for: id }, t("texts.other")),
      h("div", { class: "buttons" }, input, h("fluent-button", { onclick: add }, t("texts.add")))));
}

/** How a text would read. `attach(control, form)`: follow what is typed; empty stands for the connector's words. */
function previewOf(one, kind, language) {
  const element = h("div", { class: "text-preview", "data-kind": kind });
  let asked = 0;
  async function look(control) {
    asked += 1;
    const mine = asked;
    const template = control.get();
    const found = await post(at(one, "/text-previews"), { kind, language, ...(template && { template }) }).catch((failure) => failure);
    if (mine !== asked) return;
    if (found instanceof Error) return fill(element, found instanceof Problem && h("p", { class: "hint" }, t("texts.no-preview")));
    if (!template) control.input.placeholder = found.template;
    fill(element, shown(found, language, template ? null : () => take(control, found.template)));
  }
  function take(control, template) {
    control.set(template);
    control.input.dispatchEvent(new Event("input", { bubbles: true }));
    control.input.focus();
  }
  function attach(control, form) {
    let timer = 0;
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(() => look(control), WAIT_MS);
    };
    control.input.addEventListener("input", later);
    form.note.addEventListener("click", later); // what was typed before is discarded there
    look(control);
  }
  return { element, attach };
}

function shown(found, language, take) {
  return [
    h("p", { class: "text-bubble breakable", lang: language }, found.body),
    h("p", { class: "hint" }, t("texts.cost", { n: found.segments, characters: found.characters, encoding: found.encoding })),
    found.warnings.length > 0 && h("ul", { class: "bullets text-warnings" }, found.warnings.map((one) => h("li", {}, t(`text-warning.${one}`, { letters: found.outside })))),
    take && h("div", {}, h("fluent-button", { size: "small", appearance: "subtle", onclick: take }, t("texts.begin"))),
  ];
}
