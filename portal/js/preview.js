// Before saving: what of it will wait for the approver, and what applies at once. Our API says so; nothing is changed.

import { count, differences } from "./differences.js";
import { fill, h } from "./dom.js";
import { announce } from "./results.js";
import { post } from "./api.js";
import { t } from "./texts.js";

const WAIT_MS = 400;

/** Say it above a form's buttons, whenever something was changed. `side`: epic or own. */
export function previewed(form, id, side) {
  const said = h("div", { class: "preview" });
  let timer = 0;
  let asked = 0;
  const look = async () => {
    asked += 1;
    const mine = asked;
    const found = form.changed().length ? await ask(id, { [side]: form.value() }) : null;
    if (mine === asked) fill(said, found && parts(found));
  };
  form.element.querySelector(".form-buttons").before(said);
  form.element.addEventListener("change", () => {
    clearTimeout(timer);
    timer = setTimeout(look, WAIT_MS);
  });
}

/** What differs; null while it cannot be said, as when a value is not allowed: saving says which. */
const ask = (id, edited) => post(`/config/connections/${encodeURIComponent(id)}/difference`, edited).catch(() => null);

function parts(found) {
  const shown = [["preview.waits", found.waits], ["preview.at-once", found.at_once]].filter(([, some]) => count(some));
  announce(shown.map(([key, some]) => t(key, { n: count(some) })).join(" "));
  return shown.map(([key, some]) => h("section", { class: "card" }, h("h2", {}, t(key, { n: count(some) })), differences(t(key, { n: count(some) }), some)));
}
