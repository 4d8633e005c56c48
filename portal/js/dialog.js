// Questions that must be answered before going on, in Fluent's dialog, which keeps the focus in.

import { h } from "./dom.js";
import { signIn } from "./sign_in.js";
import { t } from "./texts.js";

/**
 * Ask. `choices`: [{ name, label, primary, danger }]; resolves with the name of the one taken, or null (Escape).
 * `check(name)` may refuse by giving false.
 */
export function ask(title, content, choices, check = () => true) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const dialog = h("fluent-dialog", { type: "modal", "aria-label": title });
    let answer = null;
    const take = (name) => {
      if (!check(name)) return;
      answer = name;
      dialog.hide();
    };
    dialog.append(
      h(
        "fluent-dialog-body",
        {},
        h("h2", { slot: "title", class: "dialog-title" }, title),
        h("div", { class: "dialog-content" }, content),
        choices.map((one) =>
          h(
            "fluent-button",
            { slot: "action", appearance: one.primary ? "primary" : "outline", class: one.danger ? "danger" : null, onclick: () => take(one.name) },
            one.label,
          ),
        ),
      ),
    );
    dialog.addEventListener("toggle", (event) => {
      if (event.detail?.newState !== "closed") return;
      dialog.remove();
      before?.focus?.();
      resolve(answer);
    });
    document.querySelector("main").append(dialog);
    dialog.show();
  });
}

/** A question with two answers; true for yes. `danger`: there is no way back from yes. */
export async function confirm(title, words, yes, { danger = false } = {}) {
  const choices = [
    { name: "yes", label: yes, primary: true, danger },
    { name: "no", label: t("action.cancel") },
  ];
  return (await ask(title, h("p", {}, words), choices)) === "yes";
}

let asking = false;

/** The sign-in has ended. What was typed is in the form's draft, so the person may go and come back. */
export async function askToSignIn() {
  if (asking) return;
  asking = true;
  const choices = [
    { name: "go", label: t("sign-in.again"), primary: true },
    { name: "stay", label: t("action.not-now") },
  ];
  const answer = await ask(t("sign-in.ended"), h("p", {}, t("sign-in.ended-kept")), choices);
  asking = false;
  if (answer === "go") await signIn();
}
