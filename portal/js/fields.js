// The fields of a connection: what Epic must agree to, and what is the organisation's own. Defaults, limits and choices
// come from the API's description; words from the catalogue, `field.<path>` and `field.<path>.hint`.

import { has, t } from "./texts.js";
import { known } from "./schema.js";

const EPIC = [
  { section: "epic", fields: [
    { path: "fhir_base_url", kind: "url", required: true, rule: "rule.address", placeholder: "https://epic.example.org/interconnect/api/FHIR/R4" },
    { path: "provider_client_id", kind: "text", required: true, rule: "rule.client-id" },
    { path: "patient_client_id", kind: "text", required: true, rule: "rule.client-id" },
    { path: "backend_client_id", kind: "text", required: true, rule: "rule.client-id" },
  ] },
  { section: "write-back", fields: [
    { path: "write_back.sink", kind: "select", choice: "choice.sink" },
    { path: "write_back.url", kind: "optional-url", rule: "rule.sink-address" },
    { path: "write_back.authentication", kind: "select", choice: "choice.write-back-authentication" },
  ] },
  { section: "epic-advanced", advanced: true, fields: [
    { path: "accepted_iss", kind: "lines", rule: "rule.addresses" },
    { path: "authentication", kind: "select", choice: "choice.authentication" },
    { path: "pkce", kind: "check" },
    { path: "write_back.vendor_name", kind: "text" },
    { path: "write_back.connected", kind: "text", rule: "rule.status-code" },
    { path: "write_back.disconnected", kind: "text", rule: "rule.status-code" },
    { path: "write_back.headers", kind: "pairs" },
    { path: "write_back.success_member", kind: "optional-text" },
    { path: "write_back.success_value", kind: "optional-text", rule: "rule.success-value" },
    { path: "write_back.retryable_codes", kind: "words" },
    { path: "fhir.version", kind: "optional-text" },
    { path: "fhir.csn_systems", kind: "lines" },
    { path: "fhir.scopes", kind: "select", choice: "choice.scopes" },
    { path: "fhir.authorize", kind: "select", choice: "choice.authorize" },
    { path: "fhir.calls_per_minute", kind: "number" },
  ] },
];

const OWN = [
  { section: "people", fields: [
    { path: "approver", kind: "person", required: true, rule: "rule.approver" },
    { path: "organisers", kind: "people", rule: "rule.organisers" },
  ] },
  { section: "visits", fields: [
    { path: "time_zone", kind: "zone", required: true, rule: "rule.zone" },
    { path: "region", kind: "text", rule: "rule.region" },
    { path: "hl7.video_visit_types", kind: "lines" },
  ] },
  { section: "own-advanced", advanced: true, fields: [
    { path: "launch.patient_early_minutes", kind: "number", rule: "rule.minutes" },
    { path: "launch.late_minutes", kind: "number", rule: "rule.minutes" },
    { path: "launch.frame_ancestors", kind: "lines", rule: "rule.origins" },
    { path: "hl7.csn_fields", kind: "words", rule: "rule.id-fields" },
    { path: "hl7.moved_from", kind: "select", none: "value.none", rule: "rule.id-fields" },
    { path: "hl7.status_actions", kind: "pairs", rule: "rule.status-actions" },
    { path: "hl7.home_phone", kind: "check" },
    { path: "hl7.work_phone", kind: "check" },
    { path: "hl7.events", kind: "words" },
    { path: "hl7.processing_ids", kind: "words" },
    { path: "hl7.status_field", kind: "select" },
    { path: "hl7.content_types", kind: "lines" },
    { path: "launch.video_visit_types", kind: "lines" },
    { path: "launch.video_encounter_types", kind: "lines" },
    { path: "launch.meeting_key", kind: "select", choice: "choice.meeting-key" },
    { path: "launch.launch_type", kind: "text" },
    { path: "launch.record_rows", kind: "pairs" },
    ...["csn", "session", "conference", "external_id", "department", "first_name", "last_name"].map((name) =>
      ({ path: `launch.context.${name}`, kind: "text", rule: "rule.context-name" })),
    ...["csn", "session", "conference", "external_id", "patient_external_id", "department", "patient_department",
      "first_name", "last_name"].map((name) => ({ path: `launch.mnemonics.${name}`, kind: "text" })),
  ] },
];

/** Sections of a form. `prefix`: where the side stands in the form's object, "" or "epic." or "own.". */
export const epicSections = (prefix = "") => sections(EPIC, prefix, "epic");
export const ownSections = (prefix = "") => sections(OWN, prefix, "own");

function sections(told, prefix, side) {
  return told.map(({ section, advanced, fields }) => ({
    title: t(`section.${section}`),
    hint: t(`section.${section}.hint`),
    advanced,
    fields: fields.map((field) => complete(field, prefix, side)),
  }));
}

function complete(field, prefix, side) {
  const name = `field.${field.path}`;
  return {
    ...field,
    path: prefix + field.path,
    label: t(name),
    hint: has(`${name}.hint`) ? t(`${name}.hint`) : "",
    known: known("add_connection", `${side}.${field.path}`),
  };
}

/** What a field of a connection is called, by its path in the connection's sides; the path itself when it is none. */
export function labelOf(path) {
  const name = `field.${plain(path)}`;
  return has(name) ? t(name) : path;
}

const plain = (path) => path.replace(/^(epic|own)\./, "");
const KNOWN = [...EPIC, ...OWN].flatMap((section) => section.fields);

/** Where the words for a field's values stand, when its values are words of the API's own. */
export const choiceOf = (path) => KNOWN.find((field) => field.path === plain(path))?.choice;

/** Which field of the forms it is, to put fields in their order; those that have none come last. */
export function orderOf(path) {
  const index = KNOWN.findIndex((field) => field.path === plain(path) || plain(path).startsWith(`${field.path}.`));
  return index < 0 ? KNOWN.length : index;
}
