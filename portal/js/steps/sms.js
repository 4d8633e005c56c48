// Step 2: what every part of it shares: the connection to choose, and the list of the parts.

import { h } from "../dom.js";
import { t } from "../texts.js";
import { forOne } from "../connections.js";
import { to } from "../router.js";
import { show as certificates } from "./sms_certificates.js";
import { show as numbers } from "./sms_numbers.js";
import { show as setup } from "./sms_setup.js";
import { show as texts } from "./sms_texts.js";
import { show as trial } from "./sms_trial.js";

const ROLES = ["ConfigAdmin"];
/** The parts of a connection, by the end of their address. */
const PARTS = [
  { name: "setup", show: setup },
  { name: "texts", show: texts },
  { name: "certificates", show: certificates },
  { name: "trial", show: trial },
];

const page = (path, show) => ({ path, nav: "sms", title: "nav.sms", roles: ROLES, show });

function ofConnection(part, path = `sms/:id/${part.name}`) {
  const shown = (parameters) => (main, one) => {
    main.append(pivot(part.name, one));
    return part.show(main, one, parameters);
  };
  return page(path, (main, parameters) => forOne(main, "sms", parameters.id, shown(parameters), part.name));
}

const pivot = (here, one) =>
  h("nav", { class: "pivot", "aria-label": t("sms.parts") },
    h("ul", {},
      h("li", {}, h("a", { href: to("sms") }, t("sms.numbers"))),
      PARTS.map((part) => h("li", {}, h("a", { href: to("sms", one.id, part.name), "aria-current": part.name === here ? "page" : null }, t(`sms.${part.name}`))))));

export const pages = [
  page("sms", numbers),
  ofConnection(PARTS[0], "sms/:id"),
  ...PARTS.map((part) => ofConnection(part)),
  ofConnection(PARTS[1], "sms/:id/texts/:language"),
];
