// Step 2, the certificate of the interface engine (F6.2): the public part, one for each environment, two during rollover.

import { post, remove } from "../api.js";
import { address, at, connections } from "../connections.js";
import { again } from "../router.js";
import { announce, doing, eachOf, tell, words } from "../results.js";
import { confirm } from "../dialog.js";
import { day, has, t } from "../texts.js";
import { fill, fresh, h, icon } from "../dom.js";

const LARGEST = 16_000;
/** Tags of DER. */
const SEQUENCE = 0x30;
const INTEGER = 0x02;
/** Warn so many days before a certificate ends, as the operator's watch does. */
const SOON_DAYS = 30;
const DAY_MS = 86_400_000;

export async function show(main, one) {
  const alike = (await connections()).filter((other) => other.environment === one.environment);
  main.append(
    h("p", { class: "lead" }, t("certificate.lead")),
    h("div", { class: "card" }, h("h2", {}, t("certificate.pinned")), pinned(one)),
    upload(one, alike));
}

function pinned(one) {
  const pins = one.own.certificates;
  if (!pins.length) return h("p", { class: "hint" }, t("certificate.none"));
  return h("ul", { class: "plain-list certificates" }, pins.map((pin) => h("li", { class: "certificate" },
    h("div", { class: "buttons" }, badge(pin), h("span", {}, t("certificate.dates", { from: day(pin.not_before), to: day(pin.not_after) }))),
    h("code", { class: "breakable hint" }, pin.spki),
    h("div", {}, h("fluent-button", { size: "small", onclick: (event) => doing(event.currentTarget, () => drop(one, pin)) }, t("certificate.remove"))))));
}

function badge(pin) {
  const left = (new Date(pin.not_after) - Date.now()) / DAY_MS;
  const state = left <= 0 ? "expired" : left <= SOON_DAYS ? "soon" : "valid";
  const colour = { expired: "danger", soon: "warning", valid: "success" }[state];
  return h("fluent-badge", { appearance: "tint", color: colour }, t(`certificate.${state}`));
}

async function drop(one, pin) {
  const last = one.own.certificates.length === 1;
  if (!(await confirm(t("certificate.remove"), t(last ? "certificate.remove-last" : "certificate.remove-sure"), t("certificate.remove")))) return;
  await remove(at(one, `/certificates/${pin.spki}`), { change: one.change });
  await again();
  tell("success", t("certificate.removed"));
}

function upload(one, alike) {
  const ids = { file: fresh("file"), hint: fresh("hint"), error: fresh("error"), all: fresh("all") };
  const input = h("input", { class: "input", type: "file", id: ids.file, accept: ".cer,.crt,.pem,.der", "aria-describedby": `${ids.error} ${ids.hint}` });
  const every = h("input", { type: "checkbox", class: "check", id: ids.all, checked: true });
  const error = h("p", { class: "field-error", id: ids.error, hidden: true });
  const complain = (words) => {
    error.hidden = !words;
    fill(error, words && [icon("error"), words]);
    if (!words) return input.removeAttribute("aria-invalid");
    input.setAttribute("aria-invalid", "true");
    announce(words);
    return input.focus();
  };
  const send = async () => {
    complain("");
    const file = input.files[0];
    if (!file) return complain(t("rule.required"));
    if (file.size > LARGEST) return complain(t("problem.body-too-large"));
    const bytes = await file.arrayBuffer();
    if (holdsPrivateKey(bytes)) return complain(t("certificate-fault.holds-a-private-key"));
    return pin(every.checked ? alike : [one], bytes, complain);
  };
  return h("div", { class: "card" },
    h("h2", {}, t("certificate.upload")),
    h("div", { class: "field" },
      h("label", { class: "label", for: ids.file }, t("certificate.file")),
      input,
      h("p", { class: "hint", id: ids.hint }, t("certificate.file-hint")),
      error),
    alike.length > 1 && h("div", { class: "check-row" }, every, h("label", { for: ids.all, class: "check-label" }, t("certificate.all", { n: alike.length, environment: t(`environment.${one.environment}`) }))),
    h("div", { class: "buttons" }, h("fluent-button", { appearance: "primary", onclick: (event) => doing(event.currentTarget, send, t("certificate.file")) }, t("certificate.upload"))));
}

/** A private key does not even leave this machine: by its label, or as DER, whose first member tells (X.690, RFC 5958). */
function holdsPrivateKey(bytes) {
  const text = new TextDecoder("latin1").decode(bytes);
  if (text.includes("PRIVATE KEY")) return true;
  const plain = decoded(text) ?? text;
  const [sequence, length] = [plain.charCodeAt(0), plain.charCodeAt(1)];
  const first = plain.charCodeAt(length < 128 ? 2 : 2 + (length & 127));
  return sequence === SEQUENCE && first === INTEGER;
}

/** What a text in base64 stands for; null when it is none. */
function decoded(text) {
  try {
    return atob(text.replace(/\s/g, ""));
  } catch {
    return null;
  }
}

/** One file for several connections, one after the other; what was refused is said for each. */
async function pin(wanted, bytes, complain) {
  const failed = await eachOf(wanted, (each) => post(at(each, "/certificates"), bytes, { change: each.change }), reason);
  const refused = failed.map(({ one, why }) => (wanted.length > 1 ? `${address(one)}: ${why}` : why));
  if (refused.length === wanted.length) return complain([...new Set(refused)].join(" "));
  await again();
  if (refused.length) return tell("warning", refused.join(" "));
  return tell("success", t("certificate.uploaded", { n: wanted.length }));
}

/** Why, in the page's words. */
function reason(problem) {
  const said = problem.fields?.[0]?.split(": ")[1] ?? "";
  const key = `certificate-fault.${said.replaceAll(" ", "-")}`;
  return has(key) ? t(key) : words(problem);
}
