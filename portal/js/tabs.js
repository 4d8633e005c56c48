// Tabs, as the ARIA pattern has them: arrow keys, Home and End move and choose; one panel shows at a time.

import { fresh, h } from "./dom.js";

/** `parts`: [{ label, content }]; `label`: what all of them are. */
export function tabs(label, parts) {
  const made = parts.map((one) => {
    const id = fresh("tab");
    const tab = h("button", { type: "button", class: "tab", role: "tab", id, "aria-controls": `${id}-panel`, onclick: () => choose(made.findIndex((other) => other.tab === tab)) }, one.label);
    const panel = h("div", { class: "tab-panel", role: "tabpanel", id: `${id}-panel`, "aria-labelledby": id, tabindex: "0" }, one.content);
    return { tab, panel };
  });

  function choose(index) {
    for (const [at, { tab, panel }] of made.entries()) {
      tab.setAttribute("aria-selected", String(at === index));
      tab.setAttribute("tabindex", at === index ? "0" : "-1");
      panel.hidden = at !== index;
    }
  }

  function key(event) {
    const at = made.findIndex(({ tab }) => tab === document.activeElement);
    const last = made.length - 1;
    const next = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose(next);
    made[next].tab.focus();
  }

  choose(0);
  return h("div", { class: "tabs" },
    h("div", { class: "tab-list", role: "tablist", "aria-label": label, onkeydown: key }, made.map(({ tab }) => tab)),
    made.map(({ panel }) => panel));
}
