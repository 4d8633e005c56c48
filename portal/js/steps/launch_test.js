// Step 4, launch test: a launch is played without an Epic user and without a patient, and each hop is shown.

import { announce, bar, doing } from "../results.js";
import { fill, fresh, h } from "../dom.js";
import { moment, t } from "../texts.js";
import { results, tally } from "../check_results.js";
import { at } from "../connections.js";
import { found } from "../findings.js";
import { post } from "../api.js";

export function show(main, one) {
  const outcome = h("div", { class: "outcome" });
  const [role, group] = [fresh("role"), fresh("group")];
  const chosen = h("select", { class: "input", id: role }, ["provider", "patient"].map((name) => h("option", { value: name }, t(`launch-role.${name}`))));
  const together = h("input", { type: "checkbox", class: "check", id: group });

  async function play() {
    fill(outcome, h("div", { class: "waiting" }, h("fluent-spinner", { "aria-hidden": "true" }), h("span", {}, t("launch-test.playing"))));
    announce(t("launch-test.playing"));
    try {
      const played = await post(at(one, "/launch-tests"), { role: chosen.value, group: together.checked });
      fill(outcome, shown(played));
      announce(`${t(`launch-test.${played.state}`)} ${tally(played.hops)}`);
    } catch (failure) {
      fill(outcome);
      throw failure;
    }
  }

  main.append(
    h("p", { class: "lead" }, t("launch-test.lead")),
    h("div", { class: "card" },
      h("div", { class: "fields" },
        h("div", { class: "field" }, h("label", { class: "label", for: role }, t("launch-test.role")), chosen),
        h("div", { class: "field field-check" }, h("div", { class: "check-row" }, together, h("label", { for: group, class: "check-label" }, t("launch-test.group"))))),
      h("div", { class: "buttons" }, h("fluent-button", { appearance: "primary", onclick: (event) => doing(event.currentTarget, play) }, t("launch-test.play")))),
    outcome);
}

const BARS = { ok: "success", warning: "warning", skipped: "info", failed: "error" };

function shown(played) {
  return h("div", { class: "card" },
    h("div", { class: "card-head" },
      h("h2", {}, t("launch-test.result", { role: t(`launch-role.${played.role}`) })),
      h("span", { class: "hint" }, t("preflight.at", { when: moment(played.at) }))),
    bar(BARS[played.state], `${t(`launch-test.${played.state}`)} ${tally(played.hops)}`),
    results(played.hops.map((hop) => ({ ...hop, title: t(`hop.${hop.id}`), more: passed(hop.shown) }))),
    h("h3", {}, t("launch-test.not-shown")),
    h("ul", { class: "bullets" }, played.not_shown.map((one) => h("li", {}, found(one)))));
}

/** What passed at a hop, by name. */
function passed(values) {
  const pairs = Object.entries(values);
  if (!pairs.length) return null;
  return h("details", { class: "more" },
    h("summary", {}, t("launch-test.passed")),
    h("dl", { class: "facts" }, pairs.map(([name, value]) => [h("dt", {}, h("code", {}, name)), h("dd", {}, h("code", { class: "breakable" }, value))])));
}
