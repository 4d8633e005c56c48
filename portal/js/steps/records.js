// Step 4, records: what goes into Epic, each value to copy, all of it as a file; and what is registered before that.

import { record } from "../records.js";
import { at } from "../connections.js";
import { bar } from "../results.js";
import { download } from "../copy.js";
import { get } from "../api.js";
import { h, icon } from "../dom.js";
import { registration } from "../registration.js";
import { t } from "../texts.js";
import { tabs } from "../tabs.js";
import { to } from "../router.js";

export async function show(main, one) {
  const [told, made] = await Promise.all([get(at(one, "/registration")), one.active && get(at(one, "/records"))]);
  const registering = { label: t("records.registration"), content: registration(told) };
  if (!made) {
    main.append(bar("info", t("records.after-approval"), h("fluent-anchor-button", { size: "small", href: to("approve", one.id) }, t("connection.to-approval"))), registering.content);
    return;
  }
  main.append(keyData(made), tabs(t("review.records"), [...made.records.map(tab), registering]));
}

function keyData(made) {
  const facts = [
    [t("field.fhir_base_url"), made.fhir_base_url],
    [t("field.environment"), t(`environment.${made.environment}`)],
    [t("approve.revision"), String(made.revision)],
    [t("connection.id"), made.id],
  ];
  return h("div", { class: "card" },
    h("div", { class: "card-head" },
      h("div", { class: "connected" }, icon("check"), h("h2", {}, t("records.connected"))),
      download(t("records.download"), `records-${made.environment}.txt`, made.text)),
    h("p", { class: "lead" }, t("records.lead")),
    h("h3", {}, t("records.key-data")),
    h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

const tab = (one) => ({
  label: t(`record.${one.kind}`),
  content: h("div", { class: "card" },
    h("div", { class: "card-head" },
      h("h2", {}, t("records.one", { name: t(`record.${one.kind}`) })),
      download(t("records.download-one"), `${one.kind}-${one.environment}.txt`, one.text)),
    h("p", { class: "hint" }, t(`record-use.${one.kind}`)),
    !one.served && bar("warning", t("records.not-served")),
    record(one)),
});
