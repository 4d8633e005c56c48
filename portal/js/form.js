// A form over one object of the API. It keeps a draft while one types, names faults beside the fields and in a summary,
// and settles it when somebody else saved first.
//
//     const form = new Form({
//       name: `own:${id}`,                    // of its draft
//       value, change,                        // what was read; change: undefined for something new
//       sections: [{ title: t("..."), hint, advanced: false, fields: [
//         { path: "time_zone", kind: "zone", label: t("..."), hint: t("..."), required: true, rule: "rule.zone" } ] }],
//       save: (value, { change, key }) => put(...),   // gives what the API answers
//       reread: async () => ({ value, change }),      // after somebody else saved
//       saved: (answer) => ...,
//       submit: t("action.save"),
//     });
//     content.append(form.element);
//
// A field: `path` in the object, `kind` (controls.js), `label`, `hint`, `required`, `rule` (key of the words when the
// API refuses it), `known` (schema.js: default, limits, choices).

import { Offline, Problem, SignInEnded } from "./api.js";
import { at, put, same } from "./paths.js";
import { drop, keep, kept } from "./drafts.js";
import { fail, tell, words } from "./results.js";
import { fill, fresh, h, icon } from "./dom.js";
import { askToSignIn } from "./dialog.js";
import { control } from "./controls.js";
import { settle } from "./conflict.js";
import { t } from "./texts.js";

export class Form {
  constructor(order) {
    this.order = order;
    this.base = order.value;
    this.change = order.change;
    this.key = crypto.randomUUID();
    this.fields = order.sections.flatMap((section) => section.fields);
    this.parts = new Map(this.fields.map((field) => [field.path, part(field)]));
    this.summary = h("div", { class: "summary", role: "alert", tabindex: "-1", hidden: true });
    this.note = h("div", { class: "draft-note" });
    this.button = h("fluent-button", { type: "submit", appearance: "primary" }, order.submit ?? t("action.save"));
    this.element = h(
      "form",
      { class: "form", novalidate: true, onsubmit: (event) => { event.preventDefault(); this.submit(); }, oninput: () => this.typed(), onchange: () => this.typed() },
      this.note,
      this.summary,
      order.sections.map((section) => this.section(section)),
      h("div", { class: "buttons form-buttons" }, this.button, order.buttons),
    );
    this.show(this.base);
    this.restore();
  }

  section({ title, hint, fields, advanced, more }) {
    const content = [hint && h("p", { class: "hint" }, hint), h("div", { class: "fields" }, fields.map((field) => this.parts.get(field.path).element)), more];
    if (advanced) return h("details", { class: "section advanced" }, h("summary", {}, title), content);
    return h("fieldset", { class: "section" }, title && h("legend", {}, title), content);
  }

  /** Put an object into the fields. */
  show(value) {
    for (const field of this.fields) this.parts.get(field.path).control.set(stored(value, field));
  }

  /** The object as it was read, with what the fields hold. */
  value() {
    return this.fields.reduce((value, field) => put(value, field.path, this.parts.get(field.path).control.get()), this.base);
  }

  /** The fields that differ from what was read. */
  changed() {
    return this.fields.filter((field) => !same(this.parts.get(field.path).control.get(), stored(this.base, field)));
  }

  typed() {
    this.key = crypto.randomUUID();
    const now = this.changed().filter((field) => field.kind !== "secret");
    if (!now.length) return drop(this.order.name);
    const typed = Object.fromEntries(now.map((field) => [field.path, this.parts.get(field.path).control.get()]));
    return keep(this.order.name, { base: this.base, change: this.change, typed });
  }

  /** Take up what was typed before a reload or a sign-in. */
  restore() {
    const draft = kept(this.order.name);
    if (!draft) return;
    this.base = draft.base;
    this.change = draft.change;
    this.show(this.base);
    for (const [path, value] of Object.entries(draft.typed)) this.parts.get(path)?.control.set(value);
    const discard = () => {
      drop(this.order.name);
      this.base = this.order.value;
      this.change = this.order.change;
      this.show(this.base);
      fill(this.note);
    };
    fill(this.note, h("p", {}, icon("info"), t("draft.kept")), h("fluent-button", { size: "small", onclick: discard }, t("draft.discard")));
  }

  async submit() {
    this.clear();
    const missing = this.fields.filter((field) => field.required && empty(this.parts.get(field.path).control.get()));
    if (missing.length) return this.refuse(missing.map((field) => ({ path: field.path, words: t("rule.required") })));
    return this.save(this.value());
  }

  async save(value) {
    if (this.button.getAttribute("aria-busy") === "true") return undefined;
    this.button.setAttribute("aria-busy", "true");
    try {
      const answer = await this.order.save(value, { change: this.change, key: this.key }).finally(() => this.button.removeAttribute("aria-busy"));
      drop(this.order.name);
      fill(this.note);
      return await this.order.saved(answer);
    } catch (failure) {
      return this.failed(failure, value);
    }
  }

  async failed(failure, mine) {
    if (failure instanceof Problem && failure.code === "changed-meanwhile" && this.order.reread) return this.meanwhile(mine);
    if (failure instanceof Problem && failure.fields.length) return this.refuse(this.placed(failure), failure);
    if (failure instanceof SignInEnded) return askToSignIn();
    const what = this.changed().map((field) => field.label).join(", ");
    if (failure instanceof Offline) return tell("error", words(failure, what));
    return fail(failure, what);
  }

  async meanwhile(mine) {
    const now = await this.order.reread();
    const merged = await settle(this.fields, this.base, now.value, mine, inWords);
    if (merged === null) return undefined;
    this.base = now.value;
    this.change = now.change;
    this.show(merged);
    this.typed();
    return this.save(this.value());
  }

  /** Faults of the API with the field that each is about. Its own words are for scripts; ours stand in the catalogue. */
  placed(problem) {
    return problem.fields.map((said) => {
      const where = said.split(":")[0];
      const field = this.fields.find((one) => isAt(where, one.path));
      return { path: field?.path, words: field?.rule ? t(field.rule) : t("rule.refused") };
    });
  }

  /** Show faults: a summary that links to the fields, and a sentence at each. */
  refuse(faults, problem) {
    for (const fault of faults) this.parts.get(fault.path)?.complain(fault.words);
    const entry = (fault) => {
      const found = this.parts.get(fault.path);
      if (!found) return h("li", {}, fault.words);
      return h("li", {}, h("a", { href: `#${found.control.input.id}`, onclick: (event) => { event.preventDefault(); found.focus(); } }, found.field.label), `: ${fault.words}`);
    };
    const head = problem && !faults.some((fault) => fault.path) ? words(problem) : t("summary.title", { n: faults.length });
    fill(this.summary, h("h2", {}, head), h("ul", {}, faults.map(entry)));
    this.summary.hidden = false;
    this.summary.focus();
  }

  clear() {
    this.summary.hidden = true;
    for (const one of this.parts.values()) one.complain("");
  }
}

/** What an object holds of a field. Nothing said means the default; null was chosen. */
function stored(value, field) {
  const found = at(value, field.path);
  return found === undefined ? field.known?.default : found;
}

const empty = (value) => value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length);

const isAt = (said, path) => said === path || said.startsWith(`${path}.`) || path.startsWith(`${said}.`);

/** A value as one line of text, for comparing. */
function inWords(field, value) {
  if (empty(value)) return t("value.none");
  if (typeof value === "boolean") return t(value ? "value.yes" : "value.no");
  if (Array.isArray(value)) return value.join(", ");
  if (field.choice) return t(`${field.choice}.${value}`);
  if (typeof value === "object") return value.upn ?? Object.entries(value).map((pair) => pair.join(" = ")).join(", ");
  return String(value);
}

/** A field as it stands in the form: label, hint, control, error. */
function part(field) {
  const made = control(field);
  const ids = { hint: fresh("hint"), error: fresh("error") };
  const given = field.known?.default;
  const stated = given === undefined || given === null || field.kind === "check" || typeof given === "object" && !Object.keys(given).length ? "" : t("field.default", { value: inWords(field, given) });
  const hint = [field.hint, stated].filter(Boolean).join(" ");
  const error = h("p", { class: "field-error", id: ids.error, hidden: true });
  const label = h("label", { for: made.input.id, class: field.kind === "check" ? "check-label" : "label" }, field.label, field.required && h("span", { class: "needed" }, ` ${t("field.required")}`));
  made.input.setAttribute("aria-describedby", `${ids.error}${hint ? ` ${ids.hint}` : ""}`);
  if (field.required) made.input.setAttribute("aria-required", "true");
  const hinted = hint && h("p", { class: "hint", id: ids.hint }, hint);
  const rows = field.kind === "check" ? [h("div", { class: "check-row" }, made.element, label), hinted] : [label, made.element, hinted];
  const answered = () => complain(""); // a fault is named until one does something about it
  const element = h("div", { class: `field field-${field.kind}`, oninput: answered, onchange: answered }, rows, error, field.more);
  const focus = () => {
    element.closest("details")?.setAttribute("open", "");
    made.input.hidden = false;
    made.input.focus();
  };
  const complain = (said) => {
    error.hidden = !said;
    fill(error, said && [icon("error"), said]);
    if (said) made.input.setAttribute("aria-invalid", "true");
    else made.input.removeAttribute("aria-invalid");
  };
  return { field, element, control: made, complain, focus };
}
