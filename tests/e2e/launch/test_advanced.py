"""Settings for what is not public of Epic (docs/advanced.md), each seen to matter by the far side."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest

from sandbox import world
from sandbox.demo import engine, siu
from sandbox.demo.api import call, change
from sandbox.demo.browser import Browser, Page
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking
from sandbox.demo.steps.scheduling import drained
from sandbox.demo.steps.set_up import epic_side
from tests.e2e.conftest import approve
from tests.e2e.launch.launching import (
    book,
    browsers,
    code,
    control,
    csn,
    epic_behaves,
    known,
    launched,
    own_changed,
    provider,
    rows,
    visits,
)
from tests.e2e.launch.test_records import typed_into_epic, values

POOL = [world.USERS[key].oid for key in ("rooms", "rooms2")]
PROVIDER, PATIENT = (world.EPIC_APPS["test", role] for role in ("provider", "patient"))
#: A launch record that names nothing: what Epic itself puts beside the token has to do.
NOTHING = ["csn", "sessionId", "externalId", "departmentId", "fname", "lname"]


async def own(scene: Scene, **own_side: Any) -> None:
    """What the hospital decides, beside its pool of organisers."""
    saved = await own_changed(scene, {"organisers": POOL} | own_side)
    assert saved.status == 200, saved.body


async def agreed(scene: Scene, **fhir: Any) -> None:
    """How this Epic is spoken to, approved by its analyst."""
    proposed = await change(scene, "adam", "PUT", "/epic", epic_side(scene) | {"fhir": fhir})
    assert proposed.status == 200, proposed.body
    approved = await approve(scene)
    assert approved.status == 200, approved.body


# --- launch records


@pytest.mark.feature("F4.5", "F4.8")
async def test_the_mnemonics_and_rows_of_a_record_are_the_hospitals(clinic: Scene):
    """With the conference id in the single visit's record as well, that record brings a group together."""
    mnemonics = {"session": "%CONFERENCEID%", "patient_department": "%LOGINDEPTID%"}
    await own(clinic, launch={"mnemonics": mnemonics, "record_rows": {"USEEDGEBROWSER": "1"}})
    records = await values(clinic)
    assert "sessionId=%CONFERENCEID%" in records["patient"]["context"]
    assert "departmentId=%LOGINDEPTID%" in records["patient"]["context"]
    assert "departmentId=%PERFDEPID;;; ; ;;NONE;%" in records["provider"]["context"]
    await typed_into_epic(clinic, "patient", records["patient"], group=True)
    assert await meets(clinic)
    path = f"/config/connections/{clinic.facts['connection']}/records"
    assert (await call(clinic, "ana", "GET", path)).body["text"].count("\nUSEEDGEBROWSER=1\n") == 6
    pasted = {"kind": "patient", "context": records["patient"]["context"].replace("%CONFERENCEID%", "%CSN%")}
    checked = await call(clinic, "ana", "POST", f"{path}/check", pasted)
    assert "session-is-csn" in [one["id"] for one in checked.body["differences"]]


# --- the meeting key


async def meets(scene: Scene, order: dict[str, Any] | None = None, **second: Any) -> bool:
    """Whether Pat's and Mo's launches, each of a CSN of their own and both of one conference, meet in one room."""
    pats, mos, conference = csn(), csn(), csn()
    await book(scene, pats, conference_id=conference)
    await book(scene, mos, patient="mo", conference_id=conference)
    pat = await launched(scene, "pat", pats, **(order or {}))
    mo = await launched(scene, "mo", mos, **(order or {} | second))
    assert (pat.host, mo.host) == ("graph", "graph")
    return pat.url == mo.url


@pytest.mark.feature("F9.1")
@pytest.mark.parametrize(("key", "together"), [("session", True), ("csn", False), ("conference", False)])
async def test_a_group_meets_by_the_session_where_that_is_the_key(clinic: Scene, key: str, together: bool):
    await own(clinic, launch={"meeting_key": key})
    assert await meets(clinic) is together


async def test_by_a_conference_of_its_own_one_record_serves_single_visits_and_groups(clinic: Scene):
    await own(clinic, launch={"meeting_key": "conference"})
    records = await values(clinic)
    assert "conferenceId=%CONFERENCEID%" in records["patient"]["context"]
    assert "sessionId" not in records["patient"]["context"]
    for group in (False, True):
        await typed_into_epic(clinic, "patient", records["patient"], group=group)
    assert await meets(clinic)
    await book(clinic, number := csn())
    assert (await launched(clinic, "pat", number)).host == "graph"
    assert len(await visits(clinic)) == 2


@pytest.mark.parametrize("key", ["encounter", "appointment"])
async def test_appointments_of_one_fhir_id_meet_in_one_room(clinic: Scene, key: str):
    await own(clinic, launch={"meeting_key": key})
    shared = {"extra": {key: "eSharedByBoth"}}
    assert await meets(clinic, shared)
    assert not await meets(clinic)  # each with the id that Epic gave it
    assert len(await visits(clinic)) == 3


async def test_where_the_key_is_missing_the_csn_joins(clinic: Scene):
    await own(clinic, launch={"meeting_key": "encounter"})
    await book(clinic, number := csn())
    first = await launched(clinic, "pat", number)
    async with browsers(clinic, 1) as (paula,):
        second = await provider(paula, number, omit=["encounter"])
    assert first.url == second.url


# --- FHIR and OAuth


async def test_which_identifier_is_the_csn_is_the_hospitals(clinic: Scene):
    await epic_behaves(clinic, csn_system=".7.3.999999.1")
    await book(clinic, number := csn())
    unknown = await launched(clinic, "pat", number, omit=NOTHING)
    assert (unknown.status, code(unknown)) == (404, "visit-unknown")
    await agreed(clinic, csn_systems=[".7.3.698084.8", ".7.3.999999.1"])
    assert (await launched(clinic, "pat", number, omit=NOTHING)).host == "graph"


async def test_a_server_whose_address_says_no_version_is_asked_for_it_by_name(clinic: Scene):
    await epic_behaves(clinic, version_by_accept=True)
    await book(clinic, number := csn())
    unknown = await launched(clinic, "pat", number, omit=NOTHING)
    assert (unknown.status, code(unknown)) == (404, "visit-unknown")
    await agreed(clinic, version="R4")
    assert (await launched(clinic, "pat", number, omit=NOTHING)).host == "graph"


async def test_an_app_that_has_only_v2_scopes_is_asked_for_those(clinic: Scene):
    app = (await control(clinic, "epic", "GET", "apps"))[PATIENT]
    v2 = [scope for scope in app["scopes"] if "." not in scope or scope.endswith((".r", ".s", ".rs"))]
    await control(clinic, "epic", "PATCH", f"apps/{PATIENT}", {"scopes": v2})
    await book(clinic, number := csn())
    refused = await launched(clinic, "pat", number, omit=NOTHING)
    assert code(refused) == "epic-refused"
    await agreed(clinic, scopes="v2")
    assert (await launched(clinic, "pat", number, omit=NOTHING)).host == "graph"
    path = f"/config/connections/{clinic.facts['connection']}/registration"
    (told,) = [one for one in (await call(clinic, "ana", "GET", path)).body["apps"] if one["app"] == "patient"]
    assert told["scopes"][-2:] == ["patient/Appointment.r", "patient/Encounter.r"]
    assert told["apis"] == ["Appointment.Read", "Encounter.Read"]


async def pressed(browser: Browser, page: Page) -> Page:
    """The form of our page, as its script or the person sends it."""
    action = html.unescape(re.findall(r'<form method="post" action="([^"]+)"', page.text)[0])
    fields = re.findall(r'name="([^"]+)" value="([^"]*)"', page.text)
    form = {html.unescape(name): html.unescape(value) for name, value in fields}
    return await browser.follow(await browser.ask("POST", action, data=form))


async def test_an_epic_that_wants_the_launch_posted_gets_a_form(clinic: Scene):
    await epic_behaves(clinic, authorize_by_get=False)
    await book(clinic, number := csn())
    assert code(await launched(clinic, "pat", number)) == "epic-refused"
    await agreed(clinic, authorize="post")
    async with browsers(clinic, 1) as (pat,):
        page = await pat.launch("pat", number)
        assert (page.host, page.status) == ("app", 200)
        assert "script-src 'sha256-" in page.headers["Content-Security-Policy"]
        assert (await pressed(pat, page)).host == "graph"


async def test_more_calls_than_agreed_wait_and_none_of_them_reaches_epic(clinic: Scene):
    await agreed(clinic, calls_per_minute=2)  # a token, and the visit that no message announced
    await book(clinic, number := csn())
    assert (await launched(clinic, "pat", number)).host == "graph"
    before = [one for one in await clinic.seen("epic", "token") if one.get("client_id") == PATIENT]
    busy = await launched(clinic, "pat", number)
    assert (busy.status, code(busy)) == (503, "busy")
    assert [one for one in await clinic.seen("epic", "token") if one.get("client_id") == PATIENT] == before


# --- is it a video visit


@pytest.mark.parametrize(
    ("listed", "order", "launches"),
    [
        ({"video_visit_types": ["210", "Video Visit"]}, {"visit_type": "210"}, True),
        ({"video_visit_types": ["210", "Video Visit"]}, {"visit_type_name": "Video Visit"}, True),
        ({"video_visit_types": ["210", "Video Visit"]}, {}, False),
        ({"video_visit_types": ["101"]}, {}, False),  # the encounter's code is no visit type
        ({"video_encounter_types": ["76"]}, {"encounter_type": "76"}, True),
        ({"video_encounter_types": ["76"]}, {"encounter_type": "101"}, False),
        ({"video_encounter_types": ["76"]}, {"encounter": False}, True),  # nobody says what it is
    ],
)
@pytest.mark.parametrize("omit", [[], NOTHING], ids=["by context", "by FHIR"])
async def test_only_the_listed_kinds_of_visits_are_video_visits(
    clinic: Scene,
    listed: dict[str, Any],
    order: dict[str, Any],
    launches: bool,
    omit: list[str],
):
    await own(clinic, launch=listed)
    await book(clinic, number := csn(), **order)
    page = await launched(clinic, "pat", number, omit=omit)
    assert (page.host, code(page)) == (("graph", "") if launches else ("app", "visit-not-video"))


# --- the feed


async def sent(scene: Scene, body: bytes, content_type: str = "application/hl7-v2") -> engine.Reply:
    return await engine.post(
        scene.plan, f"/hl7v2/{scene.facts['connection']}", body, content_type=f"{content_type}; charset=utf-8"
    )


async def standing(scene: Scene) -> list[str]:
    """What became of the connection's appointments."""
    await drained(scene)
    mine = await rows(scene, f"RowKey eq 'appt' and connection eq '{scene.facts['connection']}'")
    return [row["standing"] for row in mine]


async def booked(scene: Scene) -> Booking:
    before = await known(scene)
    one = Booking(csn(), siu.whole_minute(scene.now() + timedelta(hours=3)), "(608)555-0177")
    assert (
        siu.acknowledgement((await sent(scene, siu.message("S12", one, scene.now(), f"{one.csn}S12"))).body)[0] == "AA"
    )
    assert await eventually(lambda: known(scene), lambda keys: keys != before)
    return one


@pytest.mark.feature("F6.4")
async def test_an_event_that_is_not_acted_on_is_answered_and_changes_nothing(clinic: Scene):
    await own(clinic, hl7={"events": ["S12", "S13", "S14"]})
    assert (await values(clinic))["sms-configuration"]["hl7-events"] == "SIU S12, S13, S14"
    one = await booked(clinic)
    cancel = siu.message("S15", one, clinic.now() + timedelta(seconds=5), f"{one.csn}S15")
    assert siu.acknowledgement((await sent(clinic, cancel)).body)[0] == "AA"
    assert await standing(clinic) == ["booked"]


@pytest.mark.feature("F6.4")
async def test_the_field_that_holds_the_status_is_the_hospitals(clinic: Scene):
    one = await booked(clinic)
    change_ = siu.message("S14", one, clinic.now() + timedelta(seconds=5), f"{one.csn}S14")
    cancelled = re.sub(rb"(AIS\|1\|\|[^|\r]*)", rb"\1|||||||CAN^Cancelled", change_)
    await own(clinic, hl7={"status_actions": {"CAN": "cancel"}})
    assert siu.acknowledgement((await sent(clinic, cancelled)).body)[0] == "AA"
    assert await standing(clinic) == ["booked"]
    await own(clinic, hl7={"status_actions": {"CAN": "cancel"}, "status_field": "AIS-10"})
    again = cancelled.replace(b"S14|P", b"S14B|P")
    assert siu.acknowledgement((await sent(clinic, again)).body)[0] == "AA"
    assert await standing(clinic) == ["cancelled"]


async def test_only_the_content_types_of_the_hospitals_engine_are_taken(clinic: Scene):
    await own(clinic, hl7={"content_types": ["application/hl7-v2"]})
    one = Booking(csn(), siu.whole_minute(clinic.now() + timedelta(hours=3)), "(608)555-0177")
    body = siu.message("S12", one, clinic.now(), f"{one.csn}S12")
    assert (await sent(clinic, body, "text/plain")).status == 415
    assert (await sent(clinic, body)).status == 200


# --- what is not a setting


@pytest.mark.parametrize(
    ("side", "path", "value"),
    [
        ("epic", "write_back.headers", {"Authorization": "Basic eA=="}),
        ("epic", "write_back.headers", {"epic-client-id": "x"}),
        ("epic", "write_back.headers", {"Host": "elsewhere.example"}),
        ("epic", "fhir.calls_per_minute", -1),
        ("epic", "fhir.csn_systems", []),
        ("own", "launch.meeting_key", "mrn"),
        ("own", "launch.mnemonics", {"csn": "9001"}),
        ("own", "launch.record_rows", {"URL": "https://elsewhere.example"}),
        ("own", "hl7.events", ["A01"]),
        ("own", "hl7.content_types", ["application/json"]),
    ],
)
async def test_what_would_do_harm_is_refused_and_named(clinic: Scene, side: str, path: str, value: object):
    group, name = path.split(".")
    if side == "own":
        answer = await own_changed(clinic, {"organisers": POOL, group: {name: value}})
    else:
        usual = epic_side(clinic)
        answer = await change(clinic, "adam", "PUT", "/epic", usual | {group: usual.get(group, {}) | {name: value}})
    assert (answer.status, answer.body["code"]) == (422, "value-refused")
    assert all(field.startswith(path) for field in answer.body["fields"]), answer.body["fields"]
