"""What Epic's Appointment and Encounter say of a visit, conforming or not."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.booked import Booked, booked

#: As quoted in epic.md 3.5 from Epic's own documentation: participants without status, `required` twice over.
EPICS_OWN: dict[str, Any] = {
    "resourceType": "Appointment",
    "id": "elmPBHPx..",
    "identifier": [{"system": "urn:oid:1.2.840.114350.1.13.5325.1.7.3.698084.8", "value": "10000209577"}],
    "status": "booked",
    "serviceCategory": [
        {
            "coding": [
                {
                    "system": "http://open.epic.com/FHIR/StructureDefinition/appointment-service-category",
                    "code": "appointment",
                }
            ]
        }
    ],
    "serviceType": [
        {
            "coding": [
                {
                    "system": "urn:oid:1.2.840.114350.1.13.5325.1.7.2.808267",
                    "code": "6",
                    "display": "Office Visit",
                }
            ]
        }
    ],
    "appointmentType": {"coding": [{"system": "urn:oid:2.16.840.1.113883.5.4", "code": "AMB"}]},
    "start": "2022-04-20T20:00:00Z",
    "end": "2022-04-20T20:15:00Z",
    "minutesDuration": 15,
    "participant": [
        {
            "actor": {"reference": "Patient/eNO3..", "display": "Doe, Jane"},
            "required": "required",
            "status": "accepted",
            "period": {},
        },
        {"actor": {"reference": "Practitioner/.."}},
        {"actor": {"reference": "Location/.."}},
    ],
}
ENCOUNTER: dict[str, Any] = {
    "resourceType": "Encounter",
    "id": "eEnc1",
    "identifier": [
        {"use": "usual", "system": "urn:oid:1.2.840.114350.1.13.861.2.7.3.698084.8", "value": "10000209577"}
    ],
    "status": "planned",
    "class": {"system": "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260", "code": "13"},
    "subject": {"reference": "https://epic.example/api/FHIR/R4/Patient/eNO3", "display": "Doe, Jane"},
    "participant": [{"individual": {"reference": "Practitioner/eDoc"}}],
    "period": {"start": "2022-04-20T20:00:00Z", "end": "2022-04-20T20:15:00Z"},
}
START, END = datetime(2022, 4, 20, 20, tzinfo=UTC), datetime(2022, 4, 20, 20, 15, tzinfo=UTC)


def test_epics_own_example_as_quoted_is_read_and_counted_as_nonconforming():
    people = frozenset({"Patient/eNO3..", "Practitioner/..", "Location/.."})
    kinds = frozenset({"6", "Office Visit"})
    assert booked(EPICS_OWN) == Booked("10000209577", START, END, people, conforms=False, visit_types=kinds)


def test_a_conforming_appointment_conforms():
    good = copy.deepcopy(EPICS_OWN)
    good["id"] = "elmPBHPx"
    good["participant"] = [{"actor": {"reference": "Patient/eNO3"}, "status": "accepted"}]
    assert booked(good).conforms
    assert booked(good).csn == "10000209577"


def test_an_encounter_names_its_patient_its_staff_and_its_period():
    people = frozenset({"Patient/eNO3", "Practitioner/eDoc"})
    assert booked(ENCOUNTER) == Booked("10000209577", START, END, people, conforms=True)


def test_a_period_of_days_says_no_time():
    found = booked(ENCOUNTER | {"period": {"start": "2022-04-20", "end": "2022-04-20"}})
    assert (found.start, found.end, found.conforms) == (None, None, True)


@pytest.mark.parametrize("system", ["urn:oid:1.2.840.114350.1.13.5325.1.7.5.737384.0", "", None, 5])
def test_another_identifier_is_no_csn(system: Any):
    assert booked(EPICS_OWN | {"identifier": [{"system": system, "value": "1"}]}).csn is None


@pytest.mark.parametrize("junk", [None, 5, "x", [], [None], [5], {}, {"x": []}, [[]], [{"value": 5}]])
@pytest.mark.parametrize("member", ["identifier", "participant", "subject", "period", "start", "end", "resourceType"])
def test_a_member_of_another_shape_stays_out_and_breaks_nothing(member: str, junk: Any):
    for resource in (EPICS_OWN, ENCOUNTER):
        booked(resource | {member: junk})
    assert booked({member: junk}).csn is None
