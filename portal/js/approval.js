// The approval of one connection by its approver: sign in at Epic in another tab, enter the code that its last page
// shows, approve; or send it back. The attempt is kept in this tab, so that a reload goes on where one was.

import { Offline, Problem, get, post } from "./api.js";
import { announce, bar, doing, fail, tell } from "./results.js";
import { fill, fresh, h, icon } from "./dom.js";
import { moment, rich, t } from "./texts.js";
import { Form } from "./form.js";
import { again } from "./router.js";
import { ask } from "./dialog.js";
import { at } from "./connections.js";

const POLL_MS = 2000;
const key = (one) => `approval:${one.id}`;

/** The attempt that was begun in this tab on this very change, as { attempt, url, change }. */
function begun(one) {
  const kept = JSON.parse(sessionStorage.getItem(key(one)) ?? "null");
  return kept?.change === one.change ? kept : null;
}

/** The card in which the approver decides. */
export async function approval(one) {
  const body = h("div", { class: "approval-body" });
  const card = h("div", { class: "card approval" }, h("h2", {}, t("approval.title")), body);
  const kept = begun(one);
  if (kept) await follow(one, kept, body, card);
  else fill(body, invitation(one, body, card));
  return card;
}

/** Before anything was begun. */
function invitation(one, body, card) {
  const begin = async () => {
    const tab = window.open("", "_blank"); // now, while the click lasts: later it would be blocked
    try {
      const { attempt, authorize_url: url } = await post(at(one, "/approvals"), undefined, { change: one.change });
      const kept = { attempt, url, change: one.change };
      sessionStorage.setItem(key(one), JSON.stringify(kept));
      if (tab) lead(tab, url);
      await follow(one, kept, body, card);
    } catch (failure) {
      tab?.close();
      throw failure;
    }
  };
  return [
    h("p", {}, t("approval.how")),
    h("p", { class: "hint" }, t("approval.only")),
    h("div", { class: "buttons" },
      h("fluent-button", { appearance: "primary", onclick: (event) => doing(event.currentTarget, begin, t("approval.title")) }, t("approve.sign-in-and-approve")),
      sendBackButton(one)),
  ];
}

function lead(tab, url) {
  tab.opener = null;
  tab.location.replace(url);
}

/** Ask how far the attempt is until somebody has signed in at Epic, it has ended, or the page is left. */
async function follow(one, kept, body, card) {
  const found = await look(one, kept);
  if (found === null) return over(one, body, card, "approval.over");
  if (found.state === "failed") return over(one, body, card, "approval.failed");
  const waited = body.querySelector(".approval-wait") !== null;
  if (found.state === "signed-in") return welcome(signedIn(one, kept, found, body, card), found, waited, body);
  if (!waited) {
    fill(body, waiting(one, kept, found, body, card));
    announce(t("approval.waiting"));
  }
  return setTimeout(() => card.isConnected && begun(one)?.attempt === kept.attempt && follow(one, kept, body, card).catch(fail), POLL_MS);
}

/** The attempt; null when it is no more. While the network is away nothing is known, so it still waits. */
async function look(one, kept) {
  try {
    return await get(at(one, `/approvals/${encodeURIComponent(kept.attempt)}`));
  } catch (failure) {
    if (failure instanceof Offline) return { state: "waiting" };
    if (failure instanceof Problem && (failure.status === 404 || failure.code === "wrong-state")) return null;
    throw failure;
  }
}

/** Who signed in is shown, and said; whoever comes back from the other tab can type the code at once. */
function welcome(content, found, waited, body) {
  fill(body, content);
  announce(t("approval.signed-in", { user: found.epic_user, organisation: found.organisation }));
  if (waited && document.querySelector("fluent-dialog") === null) body.querySelector("input").focus();
}

function over(one, body, card, why) {
  sessionStorage.removeItem(key(one));
  announce(t(why));
  return fill(body, bar("warning", t(why)), invitation(one, body, card));
}

function waiting(one, kept, found, body, card) {
  return [
    h("ol", { class: "steps" },
      h("li", {}, rich("approval.step-sign-in", { link: h("a", { href: kept.url, target: "_blank", rel: "noopener noreferrer" }, t("approval.link")) })),
      h("li", {}, t("approval.step-code")),
      h("li", {}, t("approval.step-enter"))),
    h("div", { class: "approval-wait" }, h("fluent-spinner", { size: "tiny", "aria-hidden": "true" }),
      h("span", {}, t("approval.waiting")), found.until && h("span", { class: "hint" }, t("approval.until", { when: moment(found.until) }))),
    h("div", { class: "buttons" },
      h("fluent-button", { onclick: () => fill(body, forget(one), invitation(one, body, card)) }, t("approval.stop")),
      sendBackButton(one)),
  ];
}

/** This tab no longer follows the attempt; it ends by itself. */
function forget(one) {
  sessionStorage.removeItem(key(one));
  return null;
}

function signedIn(one, kept, found, body, card) {
  const form = new Form({
    name: `approval:${kept.attempt}`,
    value: { code: "" },
    sections: [{ fields: [{ path: "code", kind: "text", label: t("approval.code"), hint: t("approval.code.hint"), required: true, rule: "rule.approval-code" }] }],
    save: ({ code }, { key: once }) => post(at(one, `/approvals/${encodeURIComponent(kept.attempt)}`), { code }, { key: once }),
    saved: async () => {
      forget(one);
      await again();
      tell("success", t("approval.done"));
    },
    submit: t("approval.approve"),
    buttons: [sendBackButton(one), h("fluent-button", { appearance: "subtle", onclick: () => fill(body, forget(one), invitation(one, body, card)) }, t("approval.not-me"))],
  });
  return [
    h("div", { class: "signed-in" }, icon("check"),
      h("p", {}, rich("approval.signed-in", { user: h("strong", {}, found.epic_user), organisation: h("strong", {}, found.organisation) }))),
    h("p", { class: "hint" }, t("approval.unknown")),
    form.element,
  ];
}

const sendBackButton = (one) => h("fluent-button", { onclick: () => sendBack(one) }, t("approval.send-back"));

/** Not agreed: what waits stays to be seen with the reason, and what serves goes on. */
async function sendBack(one) {
  const reason = h("textarea", { class: "input", id: fresh("reason"), rows: "4", maxlength: "500", required: true });
  const content = h("div", { class: "field" },
    h("label", { class: "label", for: reason.id }, t("approval.reason")),
    reason,
    h("p", { class: "hint" }, t("approval.reason.hint")));
  const choices = [{ name: "yes", label: t("approval.send-back"), primary: true }, { name: "no", label: t("action.cancel") }];
  const taken = await ask(t("approval.send-back"), content, choices, (name) => name === "no" || reason.reportValidity());
  if (taken !== "yes") return;
  try {
    await post(at(one, "/refusals"), { reason: reason.value.trim() }, { change: one.change });
    forget(one);
    await again();
    tell("success", t("approval.sent-back"));
  } catch (failure) {
    fail(failure, t("approval.reason"));
  }
}
