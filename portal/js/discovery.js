// What answers at a FHIR base URL, said while it is typed: our API asks it, since this page may not.

import { fill, h, icon } from "./dom.js";
import { announce, words } from "./results.js";
import { findings, found } from "./findings.js";
import { post } from "./api.js";
import { t } from "./texts.js";

/** Look at the address of a form's field whenever it was changed, and say below it what was found. */
export function discovered(form, path, environment) {
  const { control, element } = form.parts.get(path);
  const said = h("div", { class: "discovered" });
  element.append(said);
  let asked = 0;
  const look = async () => {
    const url = control.get();
    asked += 1;
    const mine = asked;
    if (!url) return fill(said);
    fill(said, h("p", { class: "hint" }, t("discovery.looking")));
    const shown = await ask(url, environment ?? form.value().environment, correct);
    return mine === asked && fill(said, shown);
  };
  const correct = (url) => {
    control.set(url);
    form.typed();
    control.input.focus();
    look();
  };
  control.input.addEventListener("change", look);
}

async function ask(url, environment, correct) {
  try {
    return show(await post("/config/discovery", { fhir_base_url: url, environment }), correct);
  } catch (failure) {
    const told = words(failure);
    announce(told);
    return h("p", { class: "field-error" }, icon("error"), told);
  }
}

function show(answer, correct) {
  announce(answer.findings.map(found).join(" "));
  const meant = answer.suggestion?.server.fhir_base_url;
  return [
    findings(answer.findings),
    answer.server && capabilities(answer.server),
    meant && h("fluent-button", { size: "small", onclick: () => correct(meant) }, t("discovery.use", { url: meant })),
  ];
}

function capabilities(server) {
  const rows = [
    ["discovery.version", `${server.speaks} (${server.fhir_version})`],
    ["discovery.capabilities", server.capabilities.join(", ") || t("value.none")],
    ["discovery.authentication", server.authentication.join(", ") || t("value.none")],
    ["discovery.hosts", [...new Set([server.authorize_host, server.token_host, server.keys_host].filter(Boolean))].join(", ")],
  ];
  return h("details", { class: "more" },
    h("summary", {}, t("discovery.more")),
    h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, t(name)), h("dd", {}, value)])));
}
