"""FHIR resources in the shapes Epic publishes (3.5)."""

from datetime import UTC, datetime
from typing import Any

from sandbox.epic import mnemonics
from sandbox.epic.hospital import Appointment, Instance
from sandbox.world import EpicUser

VISIT_TYPE = ".7.2.808267"
ENCOUNTER_TYPE = ".7.10.698084.30"
MRN = ".7.5.737384.0"
CATEGORY = "http://open.epic.com/FHIR/StructureDefinition/appointment-service-category"
ENCOUNTER_CLASS = "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260"
OUTCOME_CODES = "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369"
ENCOUNTER_STATUS = {"arrived": "in-progress", "fulfilled": "finished", "cancelled": "cancelled", "noshow": "cancelled"}


def appointment(instance: Instance, one: Appointment) -> dict[str, Any]:
    """As in Epic's own example, with what FHIR does not allow: `required` twice over, participants without status."""
    order = one.order
    return {
        "resourceType": "Appointment",
        "id": one.fhir_id,
        "identifier": [{"system": instance.oid(instance.options.csn_system), "value": order.csn}],
        "status": order.status,
        "serviceCategory": [{"coding": [{"system": CATEGORY, "code": "appointment"}]}],
        "serviceType": [
            {
                "coding": [
                    {"system": instance.oid(VISIT_TYPE), "code": order.visit_type, "display": order.visit_type_name}
                ]
            }
        ],
        "appointmentType": {"coding": [{"system": "urn:oid:2.16.840.1.113883.5.4", "code": "AMB"}]},
        "start": instant(order.start),
        "end": instant(one.end),
        "minutesDuration": order.minutes,
        "participant": [
            {
                "actor": {"reference": f"Patient/{one.patient.fhir_id}", "display": comma_name(one.patient)},
                "required": "required",
                "status": "accepted",
                "period": {},
            },
            {"actor": {"reference": f"Practitioner/{one.practitioner.fhir_id}"}},
            {"actor": {"reference": f"Location/{mnemonics.location_id(order.department)}"}},
        ],
    }


def encounter(instance: Instance, one: Appointment) -> dict[str, Any]:
    """`period` without times when the instance is set so."""
    order, daily = one.order, instance.options.encounter_period == "date"
    times = (f"{at.astimezone(UTC):%Y-%m-%d}" if daily else instant(at) for at in (order.start, one.end))
    return {
        "resourceType": "Encounter",
        "id": one.encounter_id,
        "identifier": [{"use": "usual", "system": instance.oid(instance.options.csn_system), "value": order.csn}],
        "status": ENCOUNTER_STATUS.get(order.status, "planned"),
        "class": {"system": ENCOUNTER_CLASS, "code": "13", "display": "Support OP Encounter"},
        "type": [{"coding": [{"system": instance.oid(ENCOUNTER_TYPE), "code": order.encounter_type}]}],
        "subject": {"reference": f"Patient/{one.patient.fhir_id}", "display": comma_name(one.patient)},
        "participant": [
            {
                "individual": {
                    "reference": f"Practitioner/{one.practitioner.fhir_id}",
                    "display": comma_name(one.practitioner),
                }
            }
        ],
        "period": dict(zip(("start", "end"), times, strict=True)),
        "serviceProvider": {"display": "Lamna Healthcare"},
    }


def person(instance: Instance, user: EpicUser) -> dict[str, Any]:
    """A Patient or Practitioner."""
    name = {"use": "official", "text": f"{user.first} {user.last}", "family": user.last, "given": [user.first]}
    resource = {"resourceType": user.kind, "id": user.fhir_id, "active": True, "name": [name]}
    if user.kind == "Patient":
        resource["identifier"] = [{"use": "usual", "system": instance.oid(MRN), "value": mnemonics.mrn(user)}]
    return resource


def outcome(code: str, text: str, severity: str = "error") -> dict[str, Any]:
    """An OperationOutcome with Epic's numeric code (3.4)."""
    details = {"coding": [{"system": OUTCOME_CODES, "code": code, "display": text}], "text": text}
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": "processing", "details": details}],
    }


def instant(at: datetime) -> str:
    """FHIR's UTC form."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def comma_name(user: EpicUser) -> str:
    """`Last, First`, as Epic displays people."""
    return f"{user.last}, {user.first}"
