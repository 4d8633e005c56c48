"""Settings for what is not public of Epic: documented, defaulted to what was, and of an effect of their own."""

import json
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from shared.domain.advanced import FhirSetup
from shared.domain.booked import booked, is_video
from shared.domain.connection import Connection, EpicSide, LaunchSetup, OwnSide, WriteBack
from shared.domain.hl7v2 import envelope, scheduling
from shared.domain.hl7v2.errors import UnsupportedMedia
from shared.domain.hl7v2.event import Action, Ignored
from shared.domain.hl7v2.settings import FieldMap, StatusField
from shared.domain.launch import Context, Key, key, place
from tests.advanced import PLAIN, ROWS, paths, setting
from tests.unit.domain.connections import own_side
from tests.unit.domain.hl7_samples import siu
from tests.unit.domain.test_booked import ENCOUNTER, EPICS_OWN
from tests.unit.domain.test_hl7v2_scheduling import ARRIVED, read

#: Section 6 of the Epic reference; the encrypted launch is none of ours yet (docs/advanced.md says so).
UNKNOWNS = ["FDI and CONTEXT", "meeting key", "write-back", "FHIR/OAuth", '"is video"', "SIU feed", "HL7 origin proof"]
#: A connection's row as the release before these settings wrote it.
FORMER = {
    "epic": {
        "fhir_base_url": "https://epic.lamna.example/api/FHIR/R4",
        "accepted_iss": [],
        "provider_client_id": "p",
        "patient_client_id": "q",
        "backend_client_id": "b",
        "authentication": "private_key_jwt",
        "pkce": True,
        "write_back": {
            "sink": "set-external-connection-status",
            "url": "https://epic.lamna.example/write-back",
            "authentication": "bearer",
            "vendor_name": "Virtual visit connector",
            "connected": "1",
            "disconnected": "2",
        },
    },
    "own": {
        "approver": {"oid": "c0000000-0000-4000-8000-000000000003", "upn": "ana@lamna.example"},
        "time_zone": "America/Chicago",
        "region": "US",
        "hl7": {
            "csn_fields": ["PV1-19", "SCH-2", "SCH-1"],
            "moved_from": "SCH-2",
            "video_visit_types": [],
            "home_phone": False,
            "work_phone": False,
            "status_actions": {},
        },
        "certificates": [],
        "launch": {
            "frame_ancestors": [],
            "patient_early_minutes": 30,
            "late_minutes": 240,
            "context": {
                "csn": "csn",
                "session": "sessionId",
                "external_id": "externalId",
                "department": "departmentId",
                "first_name": "fname",
                "last_name": "lname",
            },
        },
        "organisers": [],
    },
}


def test_every_unknown_has_its_settings():
    assert list(ROWS) == UNKNOWNS


def test_every_setting_stands_in_one_row_or_has_nothing_unknown_behind_it():
    listed = [path for row in ROWS.values() for path in row]
    assert len(listed) == len(set(listed))
    assert {*listed, *PLAIN} == {*paths(EpicSide, "epic"), *paths(OwnSide, "own")}


@pytest.mark.parametrize("path", [path for row in ROWS.values() for path in row])
def test_every_setting_says_what_it_does_and_what_it_is_by_default(path: str):
    field = setting(path)
    assert field.description
    assert field.description.endswith(".")
    assert path == "own.time_zone" or not field.is_required()


@pytest.mark.parametrize("path", [path for row in ROWS.values() for path in row])
def test_the_schema_that_the_page_makes_its_form_of_says_the_same(path: str):
    side, *names = path.split(".")
    schema = {"epic": EpicSide, "own": OwnSide}[side].model_json_schema()
    told: dict[str, Any] = schema
    for name in names:
        told = told["properties"][name]
        told = schema["$defs"][told["$ref"].rpartition("/")[2]] | told if "$ref" in told else told
    assert told["description"] == setting(path).description
    assert ("default" in told) is (path != "own.time_zone")


def test_a_row_of_the_release_before_loads_and_does_what_it_did():
    row = {
        "tenant": "1a1a1a1a-0000-4000-8000-000000000002",
        "id": "x",
        "organisation": "lamna",
        "environment": "test",
        "own": FORMER["own"],
        "active": FORMER["epic"],
    }
    loaded = Connection.model_validate_json(json.dumps(row))
    assert loaded.approved.fhir == FhirSetup()
    assert loaded.own.launch.model_copy(update={"launch_type": "6"}) == LaunchSetup()
    assert loaded.own.field_map(loaded.environment) == FieldMap("America/Chicago")
    assert loaded.tenant == UUID(row["tenant"])  # type: ignore[arg-type]  # a text


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic eA=="},
        {"epic-client-ID": "x"},
        {"HOST": "elsewhere.example"},
        {"Content-Length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Cookie": "a=b"},
        {"Proxy-Authorization": "x"},
        {"X-Forwarded-For": "10.0.0.1"},
        {"Epic User": "x"},
        {"Epic-User-ID": "a\r\nHost: b"},
        {"Epic-User-ID": " a"},
        {"Epic-User-ID": ""},
        {"Epic-User-ID": "ü"},
        {"Epic-User-ID": "a", "epic-user-id": "b"},
        {f"X-{number}": "1" for number in range(11)},
    ],
)
def test_a_header_that_says_who_calls_or_breaks_the_call_is_refused(headers: dict[str, str]):
    with pytest.raises(ValidationError):
        WriteBack(url="https://epic.example/w", headers=headers)


@pytest.mark.parametrize("given", [{"success_member": "Success"}, {"success_value": "true"}])
def test_success_is_told_by_a_member_and_its_value(given: dict[str, str]):
    with pytest.raises(ValidationError):
        WriteBack(url="https://epic.example/w", **given)  # type: ignore[arg-type]  # texts, all of them


@pytest.mark.parametrize(
    "mnemonic", ["CSN", "%csn%", "%CSN", "9001", "%CSN%&tenantId=%X%", "%A=B%", "%EXTENSION;1<2%", ""]
)
def test_a_mnemonic_is_one(mnemonic: str):
    with pytest.raises(ValidationError):
        own_side(launch={"mnemonics": {"csn": mnemonic}})
    assert own_side(launch={"mnemonics": {"csn": "%EXTENSION;15354%"}}).launch.mnemonics.csn == "%EXTENSION;15354%"


@pytest.mark.parametrize(
    ("by", "wanted"),
    [("session", "7"), ("csn", None), ("conference", "8"), ("encounter", None), ("appointment", None)],
)
def test_the_meeting_key_says_which_member_decides(by: Any, wanted: str | None):
    known = Context("1", "7", None, None, None, conference="8")
    assert place(known, None, None, None, Key(by)).session == wanted


@pytest.mark.parametrize(
    ("by", "room"),
    [("encounter", "encounter/eEnc"), ("appointment", "appointment/eAppt"), ("session", None), ("csn", None)],
)
def test_a_fhir_id_names_a_room_where_it_is_the_key(by: Any, room: str | None):
    found = place(Context("1", None, None, None, None), None, None, None, key(by, "eEnc", "eAppt"))
    assert (found.csn, found.room) == ("1", room)


@pytest.mark.parametrize("unusable", [None, "", "a/b", "x" * 129])
def test_what_is_no_fhir_id_names_none(unusable: str | None):
    assert key("encounter", unusable, "eAppt") == Key("encounter")


def test_the_csns_system_is_the_hospitals_and_the_first_one_counts():
    other = {"system": "urn:oid:1.2.840.114350.1.13.1.3.7.3.5.5", "value": "other"}
    both = EPICS_OWN | {"identifier": [other, *EPICS_OWN["identifier"]]}
    assert booked(both).csn == "10000209577"
    assert booked(both, (".7.3.5.5", ".7.3.698084.8")).csn == "other"
    assert booked(both, (".7.3.1.1", ".7.3.698084.8")).csn == "10000209577"
    assert booked(EPICS_OWN, (".7.3.5.5",)).csn is None


TYPED = ENCOUNTER | {"type": [{"coding": [{"system": "urn:oid:1.2.840.114350.1.13.1.3.7.10.698084.30", "code": "76"}]}]}


@pytest.mark.parametrize(
    ("resource", "setup", "video"),
    [
        (EPICS_OWN, {}, None),
        (EPICS_OWN, {"video_visit_types": ["6"]}, True),
        (EPICS_OWN, {"video_visit_types": ["Office Visit"]}, True),
        (EPICS_OWN, {"video_visit_types": ["7"]}, False),
        (EPICS_OWN, {"video_encounter_types": ["7"]}, None),
        (EPICS_OWN | {"serviceType": []}, {"video_visit_types": ["7"]}, None),
        (TYPED, {"video_encounter_types": ["76"]}, True),
        (TYPED, {"video_encounter_types": ["6"]}, False),
        (TYPED, {"video_visit_types": ["76"]}, None),
        (ENCOUNTER, {"video_encounter_types": ["76"]}, None),
    ],
)
def test_a_visit_is_one_of_video_by_the_types_that_the_hospital_lists(
    resource: dict[str, Any], setup: dict[str, list[str]], video: bool | None
):
    assert is_video(booked(resource), LaunchSetup.model_validate(setup)) is video


def test_a_code_of_another_system_is_no_type_of_epics():
    coding = [{"system": "http://snomed.info/sct", "code": "6"}]
    assert booked(EPICS_OWN | {"serviceType": [{"coding": coding}]}).visit_types == frozenset()


def test_events_outside_the_list_are_let_be():
    fields = FieldMap("UTC", triggers=frozenset({"S12"}))
    assert isinstance(read(siu("S15"), fields), Ignored)
    assert not isinstance(read(siu("S12"), fields), Ignored)


def test_the_status_is_read_where_the_hospital_has_it():
    fields = FieldMap("UTC", status_field=StatusField.AIS_10, status_actions={"CAN": Action.CANCEL})
    by_service = siu("S14", AIS="AIS|1||77^TELE|||||||CAN^Cancelled", SCH_25="1^SCH")
    assert read(by_service, fields).action is Action.CANCEL
    assert read(siu("S14", SCH_25="CAN"), fields).action is Action.MODIFY


def test_a_feed_without_any_field_for_the_csn_is_told_so_and_breaks_nothing():
    (message,) = envelope.split(siu()).messages
    with pytest.raises(Exception, match=r"PV1\^1\^19 101"):
        scheduling.read(message, FieldMap("UTC", csn_fields=()), ARRIVED)


def test_content_types_that_the_hospital_does_not_send_are_refused():
    assert envelope.media("application/hl7-v2", {"application/hl7-v2"}).type == "application/hl7-v2"
    with pytest.raises(UnsupportedMedia):
        envelope.media("text/plain", {"application/hl7-v2"})
