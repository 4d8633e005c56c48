// A value to copy elsewhere, with a button.

import { h, icon } from "./dom.js";
import { announce } from "./results.js";
import { t } from "./texts.js";

/** `label`: what it is, in words; `value`: what is copied. */
export function copyable(label, value) {
  const said = h("span", {}, t("action.copy"));
  const copy = async () => {
    await navigator.clipboard.writeText(value);
    said.textContent = t("action.copied");
    announce(t("copy.done", { label }));
    setTimeout(() => (said.textContent = t("action.copy")), 2000);
  };
  return h(
    "div",
    { class: "copyable" },
    h("div", { class: "copyable-label" }, label),
    h("div", { class: "copyable-line" },
      h("code", { class: "breakable" }, value),
      h("fluent-button", { size: "small", appearance: "subtle", "aria-label": t("copy.this", { label }), onclick: copy }, icon("copy", "start"), said)),
  );
}

/** Save text as a file. */
export function save(name, text, type = "text/plain") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url));
}

/** A button that does so. */
export function download(label, name, text, type) {
  return h("fluent-button", { onclick: () => save(name, text, type) }, icon("download", "start"), label);
}
