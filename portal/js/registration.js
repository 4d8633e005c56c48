// What the Epic analyst registers at Epic, before approval can begin.

import { copyable, download } from "./copy.js";
import { h } from "./dom.js";
import { t } from "./texts.js";

/** The API's registration as a card. */
export function registration(told) {
  const app = (one) =>
    h("section", { class: "app" },
      h("h3", {}, t(`app.${one.app}`)),
      copyable(t("registration.client-id"), one.client_id),
      one.redirect_uris.map((uri) => copyable(t("registration.redirect"), uri)),
      one.scopes.length > 0 && copyable(t("registration.scopes"), one.scopes.join(" ")),
      one.apis.length > 0 && copyable(t("registration.apis"), one.apis.join(", ")),
      h("p", { class: "hint" }, t(`launch.${one.launch}`), one.user_types.length > 0 && ` ${t("registration.users", { users: one.user_types.join(", ") })}`));
  const key = (one) => download(t("registration.key-file", { kid: one.kid }), `${one.kid}.pem`, one.pem, "application/x-pem-file");
  return h("div", { class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, t("registration.title")),
      download(t("registration.file"), `registration-${told.environment}.txt`, told.text)),
    h("p", { class: "lead" }, t("registration.lead")),
    told.authentication === "private_key_jwt" && copyable(t("registration.keys"), told.key_set),
    told.authentication === "private_key_jwt" && h("div", { class: "buttons" }, told.keys.map(key)),
    told.apps.map(app));
}
