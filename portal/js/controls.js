// What one can fill in. A control is { element, input, get(), set(value) }: `element` goes into the form, `input` gets
// the focus, the label and the error; get and set speak the API's values. Controls tell of changes by `input` events.

import { fresh, h } from "./dom.js";
import { t } from "./texts.js";
import { people, person } from "./people.js";

const simple = (input) => ({ element: input, input, get: () => input.value.trim(), set: (value) => (input.value = value ?? "") });

function text(field, type = "text") {
  const known = field.known ?? {};
  return simple(
    h("input", {
      class: "input", type, id: fresh("input"), placeholder: field.placeholder, maxlength: known.maxLength,
      autocomplete: field.kind === "secret" ? "new-password" : "off", spellcheck: "false", autocapitalize: "none",
      inputmode: type === "url" ? "url" : null, list: field.list,
    }),
  );
}

/** An empty text means none. */
function optional(control) {
  return { ...control, get: () => control.get() || null };
}

function number(field) {
  const input = h("input", {
    class: "input input-short", type: "number", id: fresh("input"), min: field.known?.minimum, max: field.known?.maximum, step: "1",
  });
  return { element: input, input, get: () => (input.value === "" ? null : input.valueAsNumber), set: (value) => (input.value = value ?? "") };
}

function select(field) {
  const options = field.options ?? field.known.enum.map((value) => ({ value, label: field.choice ? t(`${field.choice}.${value}`) : value }));
  const none = field.none ? [h("option", { value: "" }, t(field.none))] : [];
  const input = h("select", { class: "input", id: fresh("input") }, none, options.map((one) => h("option", { value: one.value }, one.label)));
  return { element: input, input, get: () => input.value || null, set: (value) => (input.value = value ?? "") };
}

/** A box to tick; its label stands beside it. */
function check() {
  const input = h("input", { type: "checkbox", class: "check", id: fresh("input") });
  return { element: input, input, get: () => input.checked, set: (value) => (input.checked = Boolean(value)) };
}

/** Several texts, one a line. */
function lines(field) {
  const input = h("textarea", { class: "input", id: fresh("input"), rows: "3", spellcheck: "false", placeholder: field.placeholder });
  return {
    element: input,
    input,
    get: () => input.value.split("\n").map((line) => line.trim()).filter(Boolean),
    set: (value) => (input.value = (value ?? []).join("\n")),
  };
}

/** Several words in order, with commas. */
function words(field) {
  const control = text(field);
  return {
    ...control,
    get: () => control.input.value.split(/[\s,;]+/).filter(Boolean),
    set: (value) => (control.input.value = (value ?? []).join(", ")),
  };
}

/** Several whole numbers, with commas. What is no number is sent as it stands, for the API to refuse. */
function numbers(field) {
  const control = words(field);
  return { ...control, get: () => control.get().map((one) => (/^\d+$/.test(one) ? Number(one) : one)) };
}

/** Names with values, one "name = value" a line. */
function pairs(field) {
  const control = lines(field);
  return {
    ...control,
    get: () => Object.fromEntries(control.get().map((line) => line.split("=")).map(([name, ...rest]) => [name.trim(), rest.join("=").trim()])),
    set: (value) => control.set(Object.entries(value ?? {}).map(([name, one]) => `${name} = ${one}`)),
  };
}

/** A time zone, with the names that the browser knows to choose from. */
function zone(field) {
  const list = fresh("zones");
  const control = text({ ...field, list });
  const names = h("datalist", { id: list }, Intl.supportedValuesOf("timeZone").map((one) => h("option", { value: one })));
  return { ...control, element: h("div", {}, control.input, names) };
}

/** A text of several lines; empty means none. `lang`: of what is written in it. */
function area(field) {
  const input = h("textarea", { class: "input", id: fresh("input"), rows: "4", lang: field.lang, maxlength: "600" });
  return optional(simple(input));
}

/** Two times of day, { starts, ends }; none when both are empty. */
function hours(field) {
  const [starts, ends] = [0, 1].map(() => h("input", { class: "input input-short", type: "time", id: fresh("input") }));
  return {
    element: h("div", { class: "hours" }, starts, h("label", { for: ends.id }, t(`field.${field.path}.until`)), ends),
    input: starts,
    get: () => (starts.value || ends.value ? { starts: starts.value || null, ends: ends.value || null } : null),
    set: (value) => ([starts.value, ends.value] = [value?.starts ?? "", value?.ends ?? ""]),
  };
}

const KINDS = {
  text,
  url: (field) => text(field, "url"),
  secret: (field) => text(field, "password"),
  "optional-text": (field) => optional(text(field)),
  "optional-url": (field) => optional(text(field, "url")),
  area, hours, number, select, check, lines, words, numbers, pairs, zone, person, people,
};

/** The control of a field, by its kind. */
export const control = (field) => KINDS[field.kind](field);
