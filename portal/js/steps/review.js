// Step 4: what every part of it shares: the connection to choose, and the list of the parts.

import { h } from "../dom.js";
import { bar } from "../results.js";
import { forOne, side } from "../connections.js";
import { t } from "../texts.js";
import { to } from "../router.js";
import { show as check } from "./record_check.js";
import { show as launchTest } from "./launch_test.js";
import { show as migration } from "./migration.js";
import { show as preflight } from "./preflight.js";
import { show as records } from "./records.js";

const ROLES = ["ConfigAdmin", "Approver"];
/** The parts by the end of their address. Those that need records wait for the first approval. */
const PARTS = [
  { name: "records", show: records },
  { name: "check", show: check, approved: true },
  { name: "migration", show: migration, approved: true },
  { name: "preflight", show: preflight },
  { name: "launch-test", show: launchTest, approved: true },
];

/** What stands behind the connection in the address of a part. */
const behind = (part) => (part === PARTS[0] ? [] : [part.name]);

/** The page of a part; the first one answers without a connection in its address too. */
function page(part, path, rest) {
  const show = (main, one) => {
    main.append(pivot(part, one));
    if (!side(one)) return main.append(bar("info", t("next.withdrawn")));
    if (part.approved && !one.active) return main.append(notYet(one));
    return part.show(main, one);
  };
  return { path, nav: "review", title: "nav.review", roles: ROLES, show: (main, { id }) => forOne(main, "review", id, show, ...rest) };
}

const pivot = (here, one) =>
  h("nav", { class: "pivot", "aria-label": t("review.parts") },
    h("ul", {}, PARTS.map((part) => h("li", {}, h("a", { href: to("review", one.id, ...behind(part)), "aria-current": part === here ? "page" : null }, t(`review.${part.name}`))))));

const notYet = (one) => bar("info", t("review.not-approved"), h("fluent-anchor-button", { size: "small", href: to("approve", one.id) }, t("connection.to-approval")));

export const pages = [
  page(PARTS[0], "review", []),
  ...PARTS.map((part) => page(part, ["review", ":id", ...behind(part)].join("/"), behind(part))),
];
