// Step 4, preflight: each link of the chain is tried for real, and what to do is said for each that fails.

import { announce, bar, doing } from "../results.js";
import { fill, fresh, h } from "../dom.js";
import { results, tally } from "../check_results.js";
import { at } from "../connections.js";
import { has, moment, t } from "../texts.js";
import { named } from "../names.js";
import { post } from "../api.js";

const key = (one) => `preflight:${one.id}`;

export function show(main, one) {
  const outcome = h("div", { class: "outcome" });
  const kept = JSON.parse(sessionStorage.getItem(key(one)) ?? "null");
  const id = fresh("revision");
  const both = one.active && one.pending;
  const choice = both && h("select", { class: "input", id }, ["active", "pending"].map((name) => h("option", { value: name }, t(`revision.${name}`))));
  const button = h("fluent-button", { appearance: "primary", onclick: (event) => doing(event.currentTarget, run) }, t(kept ? "preflight.again" : "preflight.run"));

  async function run() {
    fill(outcome, h("div", { class: "waiting" }, h("fluent-spinner", { "aria-hidden": "true" }), h("span", {}, t("preflight.running"))));
    announce(t("preflight.running"));
    try {
      const found = await post(at(one, `/preflight${choice ? `?revision=${choice.value}` : ""}`));
      sessionStorage.setItem(key(one), JSON.stringify(found));
      fill(outcome, shown(found));
      fill(button, t("preflight.again"));
      announce(`${t(`preflight.${found.state}`)} ${tally(found.links)}`);
    } catch (failure) {
      fill(outcome, kept && shown(kept));
      throw failure;
    }
  }

  if (kept) fill(outcome, shown(kept));
  main.append(
    h("p", { class: "lead" }, t("preflight.lead")),
    h("div", { class: "card" },
      choice && h("div", { class: "field" }, h("label", { class: "label", for: id }, t("preflight.revision")), choice),
      h("div", { class: "buttons" }, button),
      h("p", { class: "hint" }, t("preflight.leaves-nothing"))),
    outcome);
}

const BARS = { ok: "success", warning: "warning", skipped: "info", failed: "error" };

function shown(found) {
  return h("div", { class: "card" },
    h("div", { class: "card-head" },
      h("h2", {}, t("preflight.result", { revision: t(`revision.${found.revision}`) })),
      h("span", { class: "hint" }, t("preflight.at", { when: moment(found.at) }))),
    bar(BARS[found.state], `${t(`preflight.${found.state}`)} ${tally(found.links)}`),
    results(found.links.map((link) => ({ ...link, title: t(`link.${link.id}`), of: about(link) }))));
}

/** Which of several a link is about: an app, an account, a certificate. */
function about(link) {
  if (!link.about) return null;
  if (link.id === "organiser") return named(link.about, { mail: true });
  return has(`app.${link.about}`) ? t(`app.${link.about}`) : h("code", {}, link.about);
}
