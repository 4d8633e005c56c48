// Step 0: how far the organisation has come in five stages, the request for access, consent, and the checklist.

import { again, go, to } from "../router.js";
import { bar, doing, tell } from "../results.js";
import { all, get, post, put } from "../api.js";
import { fresh, h, icon } from "../dom.js";
import { day, t } from "../texts.js";
import { Form } from "../form.js";
import { who } from "../sign_in.js";

const administers = () => who().roles.includes("ConfigAdmin");

async function show(main, { organisation }) {
  if (!who().roles.some((role) => role === "ConfigAdmin" || role === "Approver")) return others(main);
  const query = organisation ? `?organisation=${encodeURIComponent(organisation)}` : "";
  const [organisations, now] = await Promise.all([all("/config/organisations"), get(`/config/onboarding${query}`)]);
  main.append(...[h("p", { class: "lead" }, t("onboarding.lead")), choice(organisations, now), stages(now), checklist(now)].filter(Boolean));
  return undefined;
}

/** Of a tenant with several organisations, each has its own way. */
function choice(organisations, now) {
  if (organisations.length < 2) return null;
  const id = fresh("organisation");
  const options = organisations.map((one) => h("option", { value: one.id, selected: one.id === now.organisation }, one.name));
  return h("div", { class: "field connection-choice" },
    h("label", { class: "label", for: id }, t("field.organisation")),
    h("select", { class: "input", id, onchange: (event) => go("onboarding", event.target.value) }, options));
}

/** A report reader has nothing to set up. */
function others(main) {
  main.append(bar("info", t("onboarding.others")));
}

function stages(now) {
  return h("div", { class: "card" }, h("h2", {}, t("onboarding.stages")), h("ol", { class: "stages" }, now.stages.map((one, index) => stage(one, index + 1, now))));
}

function stage(one, number, now) {
  const colour = { done: "success", waiting: "brand", open: "informative" }[one.state];
  return h("li", { class: "stage", "data-state": one.state === "waiting" ? "now" : one.state, "aria-current": one.state === "waiting" ? "step" : null },
    h("span", { class: "stage-mark", "aria-hidden": "true" }, one.state === "done" ? icon("check") : String(number)),
    h("div", {},
      h("div", { class: "stage-head" },
        h("h3", {}, t(`stage.${one.name}`)),
        h("fluent-badge", { appearance: "tint", color: colour }, one.state === "waiting" ? t(`waits-for.${one.waits_for}`) : t(`stage-state.${one.state}`))),
      h("p", { class: "hint" }, t(`stage.${one.name}.hint`)),
      one.state === "waiting" && h("div", { class: "stage-action" }, action(one, now)),
      one.name === "request-app-access" && one.state === "done" && [now.requests.map(request), another(now)]));
}

/** A tenant may have several organisations; one request at a time. */
function another(now) {
  if (!administers() || now.requests.some((one) => one.state === "requested")) return null;
  return h("details", { class: "more" }, h("summary", {}, t("request.another")), wanted());
}

/** What the person can do at the stage that waits. */
function action(one, now) {
  const link = (words, ...parts) => h("fluent-anchor-button", { appearance: "primary", href: to(...parts) }, words);
  if (one.name === "request-app-access") return [now.requests.map(request), administers() && wanted()];
  if (one.name === "app-enablement") return now.consent || !administers() ? now.requests.map(request) : consent();
  if (one.name === "connector-configuration") return one.waits_for === "approver" ? link(t("onboarding.to-approval"), "approve") : link(t("onboarding.to-configuration"), "configuration");
  if (one.name === "epic-configuration") return link(t("onboarding.to-review"), "review");
  return link(t("onboarding.to-test"), "review");
}

function request(one) {
  return h("p", {},
    t(`request.${one.state}`, { organisation: one.organisation, when: day(one.at) }),
    one.reason && h("span", { class: "breakable" }, ` ${t("request.reason", { reason: one.reason })}`));
}

/** The request for access: who the organisation is, and whom to ask at Epic. */
function wanted() {
  const form = new Form({
    name: "access-request",
    value: { geography: null },
    sections: [{ fields: [
      { path: "organisation", kind: "text", label: t("request.name"), required: true },
      { path: "contact", kind: "text", label: t("request.contact"), hint: t("request.contact.hint"), required: true, rule: "rule.mail" },
      { path: "geography", kind: "optional-text", label: t("request.geography"), hint: t("request.geography.hint") },
    ] }],
    save: (value, { key }) => post("/config/access-requests", value, { key }),
    saved: async () => {
      await again();
      tell("success", t("request.sent"));
    },
    submit: t("request.send"),
  });
  return [h("p", { class: "hint" }, t("request.tenant", { id: who().tenant })), form.element];
}

/** Admin consent of one's own tenant: Entra asks in another tab; our API proves afterwards that it works. */
function consent() {
  const begin = async () => {
    const asked = await post("/config/consents");
    sessionStorage.setItem("consent", asked.id);
    open(asked.url, "_blank", "noopener");
  };
  const look = async () => {
    const asked = sessionStorage.getItem("consent");
    const { state } = asked ? await get(`/config/consents/${encodeURIComponent(asked)}`) : { state: "waiting" };
    await again();
    tell(state === "granted" ? "success" : "info", t(`consent.${state}`));
  };
  return [
    h("p", {}, t("consent.why")),
    h("div", { class: "buttons" },
      h("fluent-button", { appearance: "primary", onclick: (event) => doing(event.currentTarget, begin) }, t("consent.begin")),
      h("fluent-button", { onclick: (event) => doing(event.currentTarget, look) }, t("consent.look"))),
  ];
}

function checklist(now) {
  const met = now.prerequisites.filter((one) => one.done).length;
  return h("div", { class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, t("onboarding.prerequisites")), h("span", { class: "hint" }, t("onboarding.met", { met, all: now.prerequisites.length }))),
    h("p", { class: "hint" }, t("onboarding.prerequisites.hint")),
    h("ul", { class: "checklist" }, now.prerequisites.map((one) => line(one, now))));
}

function line(one, now) {
  const id = `prerequisite-${one.name}`;
  const fixed = one.source === "connector" || !administers();
  const tick = async (event) => {
    try {
      await put(`/config/onboarding/prerequisites/${one.name}`, { done: event.target.checked, organisation: now.organisation });
    } finally {
      await again();
      document.getElementById(id)?.focus();
    }
  };
  const box = h("input", { type: "checkbox", class: "check", id, checked: one.done, disabled: fixed, "aria-describedby": `${id}-hint`, onchange: (event) => doing(event.target, () => tick(event), t(`prerequisite.${one.name}`)) });
  return h("li", { class: "field" },
    h("div", { class: "check-row" }, box, h("label", { for: id, class: "check-label" }, t(`prerequisite.${one.name}`))),
    h("p", { class: "hint", id: `${id}-hint` }, t(`prerequisite.${one.name}.hint`), " ", origin(one)));
}

/** Who says so. */
function origin(one) {
  if (one.source === "connector") return t("prerequisite-source.connector");
  if (!one.at) return one.source === "preflight" ? t("prerequisite-source.preflight") : "";
  return one.who === "preflight" ? t("prerequisite-source.by-preflight", { when: day(one.at) }) : t("prerequisite-source.by-person", { when: day(one.at) });
}

export const pages = [
  { path: "onboarding", nav: "onboarding", title: "nav.onboarding", roles: ["ConfigAdmin", "Approver", "ReportReader"], show },
  { path: "onboarding/:organisation", nav: "onboarding", title: "nav.onboarding", roles: ["ConfigAdmin", "Approver"], show },
];
