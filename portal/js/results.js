// What happened, said to eyes and to screen readers: message bars above the page's content, and one live region.

import { fill, h, icon } from "./dom.js";
import { has, t } from "./texts.js";
import { Offline, Problem, SignInEnded } from "./api.js";
import { askToSignIn } from "./dialog.js";

const live = h("div", { class: "hidden-words", role: "status", "aria-live": "polite" });
const bars = h("div", { class: "bars" });

/** Where the shell puts them. */
export const regions = [live, bars];

/** Say something without showing it. */
export function announce(words) {
  live.textContent = "";
  setTimeout(() => (live.textContent = words)); // a text that is the same again is read again
}

let waits = null;

/** Show a message on the page that comes next: before `go(...)`. */
export const tellNext = (kind, words) => (waits = { kind, words });

/** A page comes: what the last one said goes, what was said for this one is shown. */
export function turnBars() {
  fill(bars);
  if (waits) tell(waits.kind, waits.words);
  waits = null;
}

const ICONS = { success: "check", info: "info", warning: "warning", error: "error" };

/** A message bar. `kind`: success, info, warning, error. `actions`: buttons. */
export function bar(kind, words, ...actions) {
  return h(
    "fluent-message-bar",
    { intent: kind, shape: "rounded", layout: actions.length ? "multiline" : "singleline" },
    icon(ICONS[kind], "icon"),
    h("div", {}, words),
    actions.map((action) => slotted(action, "actions")),
  );
}

function slotted(element, slot) {
  element.setAttribute("slot", slot);
  return element;
}

/** Show a message above the page and say it. It stays until the next one or the next page. */
export function tell(kind, words, ...actions) {
  fill(bars, bar(kind, words, ...actions));
  announce(words);
  bars.scrollIntoView({ block: "nearest" });
}

/** What a failure means to the person who caused it. `what`: what was not saved, in words, when something was sent. */
export function words(failure, what = "") {
  const lost = what ? ` ${t("failure.not-saved", { what })}` : "";
  if (failure instanceof Offline) return t("failure.offline") + lost;
  if (failure instanceof SignInEnded) return t("failure.signed-out") + lost;
  if (failure instanceof Problem) {
    const key = `problem.${failure.code}`;
    return (has(key) ? t(key) : t("problem.unexpected")) + lost;
  }
  return t("problem.unexpected") + lost;
}

/** Show a failure of any kind. A fault of the page itself goes to the console too: it is ours to mend. */
export function fail(failure, what = "") {
  if (failure instanceof SignInEnded) return askToSignIn();
  if (!(failure instanceof Offline || failure instanceof Problem)) console.error(failure);
  return tell("error", words(failure, what));
}

/** The same thing for several, one after the other, whatever becomes of each: those that failed, and why. */
export async function eachOf(several, work, why = words) {
  const refused = [];
  for (const one of several) {
    try {
      await work(one);
    } catch (failure) {
      refused.push({ one, why: why(failure) });
    }
  }
  return refused;
}

/** Do something for a button: it is busy meanwhile, and failures are shown. Gives what the work gives, else undefined. */
export async function doing(button, work, what = "") {
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (failure) {
    fail(failure, what);
    return undefined;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
