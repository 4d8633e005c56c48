// What checks found, one after another: links of a preflight, hops of a launch test.

import { found, toDo } from "./findings.js";
import { h, icon } from "./dom.js";
import { t } from "./texts.js";

const COLOURS = { ok: "success", warning: "warning", failed: "danger", skipped: "informative" };
const ICONS = { ok: "check", warning: "warning", failed: "error", skipped: "info" };

/** As a list. Each is a Finding of the API with `title`, and perhaps `of` (which of several) and `more` beneath. */
export const results = (some) =>
  h("ol", { class: "results" }, some.map((one) =>
    h("li", { class: "result", "data-state": one.state, "data-finding": one.finding },
      icon(ICONS[one.state]),
      h("div", { class: "result-body" },
        h("div", { class: "result-head" },
          h("h3", {}, one.title),
          one.of && h("span", { class: "breakable" }, one.of),
          h("fluent-badge", { appearance: "tint", color: COLOURS[one.state] }, t(`found.${one.state}`)),
          one.took_ms > 0 && h("span", { class: "hint" }, t("results.took", { n: one.took_ms }))),
        h("p", { class: "breakable" }, found(one)),
        toDo(one) && h("p", { class: "breakable to-do" }, h("strong", {}, one.who ? t("results.to-do-by", { who: t(`mends.${one.who}`) }) : t("check.to-do")), " ", toDo(one)),
        one.more))));

/** How many of each state, in one line. */
export function tally(some) {
  const states = ["failed", "warning", "skipped", "ok"];
  return states.map((state) => [state, some.filter((one) => one.state === state).length])
    .filter(([, n]) => n > 0).map(([state, n]) => `${t(`found.${state}`)}: ${n}`).join(" · ");
}
