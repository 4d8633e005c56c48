"""Launches from Epic into Teams, through the host, asked of the far side: Epic, Entra and Graph stand-ins."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sandbox import world
from sandbox.demo import siu
from sandbox.demo.api import change
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.steps.set_up import epic_side
from tests.e2e.conftest import approve, begin
from tests.e2e.launch.launching import (
    announce,
    book,
    browsers,
    code,
    control,
    csn,
    epic_behaves,
    graph_calls,
    launched,
    meeting_requests_done,
    meetings,
    own_changed,
    people,
    provider,
    rows,
    used,
    visits,
)

POOL = [world.USERS[key].oid for key in ("rooms", "rooms2")]
#: A launch record that names nothing: what Epic itself puts beside the token has to do.
NOTHING = ["csn", "sessionId", "externalId", "departmentId", "fname", "lname"]


# --- the way in


@pytest.mark.feature("F7.1", "F7.3", "F12.9")
async def test_a_provider_signs_in_once_and_is_then_taken_straight_to_teams(clinic: Scene):
    first, second = csn(), csn()
    await book(clinic, first)
    await book(clinic, second)
    async with browsers(clinic, 2) as (paula, elsewhere):
        asked = await paula.launch("paula", first)
        assert asked.host == "entra"
        assert (await paula.sign_in(asked, "paula")).host == "graph"
        assert (await elsewhere.launch("paula", second)).host == "graph"
        assert {page.host for page in elsewhere.trail} == {"app", "epic", "graph"}
    (signed_in,) = await rows(clinic, f"PartitionKey eq '{world.LAMNA_TENANT}'", "People")
    assert signed_in["oid"] == world.USERS["paula"].oid
    assert world.EPIC_USERS["paula"].fhir_id not in str(signed_in)


@pytest.mark.feature("F8.1", "F8.4")
async def test_a_patient_comes_in_from_mychart_without_any_sign_in(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        page = await pat.launch("pat", number)
        assert {step.host for step in pat.trail} == {"app", "epic", "graph"}
    assert page.host == "graph"
    (visit,) = await visits(clinic)
    assert await people(clinic, visit["PartitionKey"]) == ["patient"]


async def test_a_proxy_comes_in_for_the_patient_whose_chart_is_open(clinic: Scene):
    await book(clinic, number := csn())
    assert (await launched(clinic, "prue", number)).host == "graph"
    await book(clinic, unnamed := csn())
    assert (await launched(clinic, "prue", unnamed, omit=NOTHING)).host == "graph"
    for visit in await visits(clinic):
        assert await people(clinic, visit["PartitionKey"]) == ["proxy"]


async def test_a_launch_may_be_posted(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        pressed = await pat.press("pat", number)
        form = {"iss": pressed["iss"], "launch": pressed["launch"]}
        answer = await pat.ask("POST", pressed["launch_url"], data=form)
        assert answer.status == 303
        assert (await pat.follow(answer)).host == "graph"


@pytest.mark.parametrize("iss", ["/", ""])
async def test_a_slash_at_the_end_of_iss_is_forgiven(clinic: Scene, iss: str):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        pressed = await pat.press("pat", number)
        given = {"iss": pressed["iss"] + iss, "launch": pressed["launch"]}
        answer = await pat.ask("GET", pressed["launch_url"], params=given)
    assert answer.status == 303
    assert answer.location.startswith(clinic.plan.urls["epic"])


async def test_two_tabs_of_one_browser_do_not_disturb_each_other(clinic: Scene):
    first, second = csn(), csn()
    await book(clinic, first)
    await book(clinic, second)
    async with browsers(clinic, 1) as (pat,):
        one = await pat.ask("GET", (await pat.press("pat", first))["url"])
        two = await pat.ask("GET", (await pat.press("pat", second))["url"])
        assert [(await pat.follow(page)).host for page in (two, one)] == ["graph", "graph"]
    assert len(await visits(clinic)) == 2


async def test_a_browser_keeps_no_cookie_of_a_launch_that_arrived(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (paula,):
        await provider(paula, number)
        ours = [cookie.key for cookie in paula.jar if cookie.key.startswith("__Host-")]
        set_by_us = [
            one for page in paula.trail if page.host == "app" for one in page.cookies if "max-age=0" not in one
        ]
    assert ours == []
    assert {one[:9] for one in set_by_us} == {"__Host-l-", "__Host-s-", "__Host-v-"}
    for one in set_by_us:
        attributes = {part.strip().lower() for part in one.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
        assert not any(part.startswith("domain") for part in attributes)


async def test_a_launch_in_a_frame_offers_one_link_and_consumes_nothing(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        pressed = await pat.press("pat", number)
        framed = await pat.ask("GET", pressed["url"], headers={"Sec-Fetch-Dest": "iframe"})
        assert (framed.status, framed.cookies) == (200, ())
        assert f"frame-ancestors {clinic.plan.urls['epic']}" in framed.headers["Content-Security-Policy"]
        assert framed.text.count("<a ") == 1
        assert 'target="_blank" rel="noopener"' in framed.text
        link = framed.text.partition('href="')[2].partition('"')[0].replace("&amp;", "&")
        assert (await pat.go(link)).host == "graph"


async def test_who_may_frame_the_launch_page_is_the_hospitals_setting_and_no_other_page_may_be_framed(clinic: Scene):
    await own_changed(clinic, {"organisers": POOL, "launch": {"frame_ancestors": ["https://hyperspace.lamna.example"]}})
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        pressed = await pat.press("pat", number)
        framed = await pat.ask("GET", pressed["url"], headers={"Sec-Fetch-Dest": "iframe"})
        refused = await pat.ask("GET", pressed["launch_url"], headers={"Sec-Fetch-Dest": "iframe"})
    assert "frame-ancestors https://hyperspace.lamna.example" in framed.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in refused.headers["Content-Security-Policy"]


# --- which visit


@pytest.mark.feature("F4.12")
async def test_without_context_the_visit_is_read_from_epics_own_nonconforming_appointment(clinic: Scene):
    """epic.md 3.5: the stand-in answers as Epic's example does, with what FHIR does not allow."""
    await book(clinic, number := csn())
    assert (await launched(clinic, "pat", number, omit=NOTHING)).host == "graph"
    assert (await launched(clinic, "pat", number)).host == "graph"
    assert len(await visits(clinic)) == 1
    reads = [entry for entry in await clinic.seen("epic", "fhir") if entry["call"] == "Appointment.Read"]
    assert reads[-1]["status"] == 200


@pytest.mark.parametrize("period", ["datetime", "date"])
async def test_without_context_and_appointment_the_encounter_says_which_visit_it_is(clinic: Scene, period: str):
    await epic_behaves(clinic, encounter_period=period)
    await book(clinic, number := csn())
    assert (await launched(clinic, "pat", number, omit=[*NOTHING, "appointment"])).host == "graph"
    assert (await launched(clinic, "pat", number)).host == "graph"
    assert len(await visits(clinic)) == 1


@pytest.mark.feature("F4.12")
async def test_a_launch_that_names_no_visit_is_refused_kindly(clinic: Scene):
    await book(clinic, number := csn())
    page = await launched(clinic, "pat", number, omit=[*NOTHING, "appointment", "encounter"])
    assert (page.status, code(page)) == (404, "visit-unknown")


@pytest.mark.feature("F4.12")
async def test_a_visit_of_somebody_else_is_none_of_the_patients(clinic: Scene):
    """F4.12: what is read must be linked to who launched."""
    pats, mos = csn(), csn()
    other = await book(clinic, pats)
    await book(clinic, mos, patient="mo")
    extra = {"appointment": other["appointment"]}
    page = await launched(clinic, "mo", mos, omit=[*NOTHING, "encounter"], extra=extra)
    assert (page.status, code(page)) == (404, "visit-unknown")
    assert await visits(clinic) == []


@pytest.mark.feature("F4.7")
async def test_names_of_context_members_are_settings_and_case_does_not_matter(clinic: Scene):
    names = {"csn": "VisitNumber", "external_id": "WHO"}
    await own_changed(clinic, {"organisers": POOL, "launch": {"context": names}})
    await book(clinic, number := csn())
    extra = {"VISITNUMBER": number, "who": "+70001"}
    page = await launched(clinic, "pat", number, omit=[*NOTHING, "appointment", "encounter"], extra=extra)
    assert page.host == "graph"


async def test_an_ad_hoc_visit_needs_no_appointment(clinic: Scene):
    number = csn()
    async with browsers(clinic, 2) as (paula, pat):
        order = {"ad_hoc": True, "patient": "pat", "omit": ["appointment", "encounter"]}
        assert (await provider(paula, number, **order)).host == "graph"
        assert (await pat.launch("pat", number, ad_hoc=True)).host == "graph"
    (visit,) = await visits(clinic)
    assert await people(clinic, visit["PartitionKey"]) == ["patient", "staff"]
    assert abs(visit["start"] - clinic.now()) < timedelta(minutes=1)


# --- one meeting


@pytest.mark.promise("P8")
async def test_a_launch_of_a_provisioned_visit_calls_no_graph(clinic: Scene):
    start = siu.whole_minute(clinic.now() + timedelta(minutes=20))
    await book(clinic, number := csn(), start)
    await announce(clinic, number, start)
    await clinic.run_timer("dispatch_due")
    ready = await eventually(lambda: visits(clinic), lambda all_: [one["ready"] for one in all_] == [True])
    assert len(ready) == 1
    await meeting_requests_done(clinic)  # earlier tests' appointments fell due in the same minute
    before = await graph_calls(clinic)
    async with browsers(clinic, 2) as (paula, pat):
        assert (await pat.launch("pat", number)).host == "graph"
        assert (await provider(paula, number)).host == "graph"
    assert await graph_calls(clinic) == before > 0
    (visit,) = await visits(clinic)
    assert await people(clinic, visit["PartitionKey"]) == ["patient", "staff"]


@pytest.mark.promise("P3")
@pytest.mark.parametrize("order", [("paula", "pat"), ("pat", "paula")])
async def test_whoever_comes_first_there_is_one_meeting(clinic: Scene, order: tuple[str, str]):
    await book(clinic, number := csn())
    before, taken = len(await meetings(clinic)), await used(clinic)
    urls = set()
    async with browsers(clinic, 2) as pair:
        for user, browser in zip(order, pair, strict=True):
            page = await (provider(browser, number) if user == "paula" else browser.launch(user, number))
            urls.add(page.url)
    assert len(urls) == 1
    assert (len(await meetings(clinic)) - before, await used(clinic) - taken) == (1, 1)


@pytest.mark.promise("P3")
async def test_ten_launches_at_the_same_time_make_one_meeting_and_count_one(clinic: Scene):
    await book(clinic, earlier := csn())
    await book(clinic, number := csn())
    async with browsers(clinic, 11) as (first, *ten):
        await provider(first, earlier)
        (former,) = await visits(clinic)
        before, taken = len(await meetings(clinic)), await used(clinic)
        users = ["paula", "pat"] * 5
        pages = await asyncio.gather(*(browser.launch(user, number) for user, browser in zip(users, ten, strict=True)))
    assert [page.host for page in pages] == ["graph"] * 10
    assert (len(await meetings(clinic)) - before, await used(clinic) - taken) == (1, 1)
    (visit,) = [one for one in await visits(clinic) if one["PartitionKey"] != former["PartitionKey"]]
    assert await people(clinic, visit["PartitionKey"]) == ["patient", "staff"]


@pytest.mark.feature("F9.1", "F9.2", "F9.5")
async def test_a_group_of_two_patients_and_a_provider_meets_in_one_room(clinic: Scene):
    first, second, conference = csn(), csn(), csn()
    await book(clinic, first, conference_id=conference)
    await book(clinic, second, conference_id=conference, patient="mo")
    before, taken = len(await meetings(clinic)), await used(clinic)
    async with browsers(clinic, 3) as (paula, pat, mo):
        pages = [await pat.launch("pat", first), await provider(paula, second), await mo.launch("mo", second)]
    assert {page.host for page in pages} == {"graph"}
    assert len({page.url for page in pages}) == 1
    (visit,) = await visits(clinic)
    assert await people(clinic, visit["PartitionKey"]) == ["patient", "patient", "staff"]
    assert (len(await meetings(clinic)) - before, await used(clinic) - taken) == (1, 1)


async def test_a_launch_that_names_no_conference_joins_the_group_its_visit_belongs_to(clinic: Scene):
    number, conference = csn(), csn()
    await book(clinic, number, conference_id=conference)
    async with browsers(clinic, 2) as (paula, pat):
        there = await provider(paula, number)
        assert (await pat.launch("pat", number, omit=["sessionId"])).url == there.url


@pytest.mark.feature("F9.1")
async def test_a_group_wins_over_a_meeting_made_ahead_that_nobody_used(clinic: Scene):
    start = siu.whole_minute(clinic.now() + timedelta(minutes=20))
    number, conference = csn(), csn()
    await book(clinic, number, start, conference_id=conference)
    await announce(clinic, number, start)
    await clinic.run_timer("dispatch_due")
    (ahead,) = await eventually(lambda: visits(clinic), lambda all_: [one["ready"] for one in all_] == [True])
    assert (await launched(clinic, "pat", number)).host == "graph"
    (group,) = [visit for visit in await visits(clinic) if visit["PartitionKey"] != ahead["PartitionKey"]]
    assert await people(clinic, ahead["PartitionKey"]) == []
    assert await people(clinic, group["PartitionKey"]) == ["patient"]


async def test_a_meeting_somebody_waits_in_becomes_the_room_of_the_group_that_names_it(clinic: Scene):
    first, second, conference = csn(), csn(), csn()
    await book(clinic, first, conference_id=conference)
    await book(clinic, second, conference_id=conference, patient="mo")
    async with browsers(clinic, 3) as (pat, paula, mo):
        waits = await pat.launch("pat", first, omit=["sessionId"])
        pages = [await provider(paula, first), await mo.launch("mo", second)]
    assert {page.url for page in pages} == {waits.url}
    (visit,) = await visits(clinic)
    assert await people(clinic, visit["PartitionKey"]) == ["patient", "patient", "staff"]


# --- when


@pytest.mark.feature("F8.12")
async def test_a_patient_who_is_early_waits_on_a_page_that_goes_on_by_itself(clinic: Scene):
    start = siu.whole_minute(clinic.now() + timedelta(minutes=50))
    await book(clinic, number := csn(), start)
    await announce(clinic, number, start)
    async with browsers(clinic, 2) as (paula, pat):
        assert (await provider(paula, number)).host == "graph", "staff may be early"
        page = await pat.launch("pat", number)
        local, opens = (at.astimezone(siu.ZONE) for at in (start, start - timedelta(minutes=30)))
        assert f"{local:%-I:%M %p}" in page.text
        assert f"{opens:%-I:%M %p}" in page.text
        assert (await pat.refresh(page)).host == "app"
        clinic.move_to(start - timedelta(minutes=29))
        assert (await pat.refresh(page)).host == "graph"


@pytest.mark.feature("F8.12")
async def test_a_patient_who_is_days_early_is_told_when_to_come_back(clinic: Scene):
    start = siu.whole_minute(clinic.now() + timedelta(days=3))
    await book(clinic, number := csn(), start)
    await announce(clinic, number, start)
    page = await launched(clinic, "pat", number)
    assert page.status == 200
    assert "Refresh" not in page.headers
    assert page.cookies[0].count("max-age=0") == len(page.cookies)
    assert f"{start.astimezone(siu.ZONE):%-I:%M %p}" in page.text


@pytest.mark.feature("F8.12")
async def test_when_the_visit_is_long_over_nobody_comes_in(clinic: Scene):
    start = siu.whole_minute(clinic.now() + timedelta(minutes=10))
    await book(clinic, number := csn(), start)
    await announce(clinic, number, start)
    assert (await launched(clinic, "pat", number)).host == "graph"
    clinic.move_to(start + timedelta(minutes=30 + 241))
    page = await launched(clinic, "pat", number)
    assert (page.status, code(page)) == (410, "visit-over")


async def test_with_graph_away_people_wait_on_a_page_and_come_in_afterwards(clinic: Scene):
    await book(clinic, number := csn())
    await clinic.fault("graph", route="/v1.0/", do="status", status=503)
    async with browsers(clinic, 1) as (pat,):
        page = await pat.launch("pat", number)
        assert (page.host, page.status) == ("app", 200)
        again = await pat.refresh(page)
        assert again.headers["Refresh"] == page.headers["Refresh"]
        await clinic.behave("graph")
        assert (await pat.refresh(again)).host == "graph"
        assert not [cookie.key for cookie in pat.jar if cookie.key.startswith("__Host-")]


# --- older Epics, other proofs


OLDER: dict[str, dict[str, Any]] = {
    "id_token issuer of before May 2020": {"id_token_iss": "2018"},
    "a comma after the last member": {"trailing_comma": True},
    "scopes with their prefix": {"bare_scopes": False},
    "a token response without state, location and department": {"omit": ["state", "location", "loginDepartment"]},
}


@pytest.mark.parametrize("options", OLDER.values(), ids=OLDER)
async def test_an_epic_with_other_habits_launches_too(clinic: Scene, options: dict[str, Any]):
    await epic_behaves(clinic, **options)
    await book(clinic, number := csn())
    assert (await launched(clinic, "pat", number)).host == "graph"


async def test_an_epic_that_knows_no_pkce_launches_when_the_connection_says_so_and_a_warning_stands(clinic: Scene):
    proposed = await change(clinic, "adam", "PUT", "/epic", epic_side(clinic) | {"pkce": False})
    assert any("PKCE" in warning for warning in proposed.body["warnings"])
    await epic_behaves(clinic, pkce=False)
    assert (await approve(clinic)).status == 200
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        assert (await pat.launch("pat", number)).host == "graph"
        assert not any("code_challenge" in page.url for page in pat.trail)


async def test_another_accepted_iss_is_sent_on_as_it_came(clinic: Scene):
    """A DSTU2 base of the same Epic: Epic wants exactly what it sent as `aud` (epic.md 1.4)."""
    side = epic_side(clinic)
    dstu2 = side["fhir_base_url"].replace("/R4", "/DSTU2")
    await change(clinic, "adam", "PUT", "/epic", side | {"accepted_iss": [dstu2]})
    assert (await approve(clinic)).status == 200
    await book(clinic, number := csn())
    assert (await launched(clinic, "pat", number, iss="DSTU2")).host == "graph"


async def test_apps_with_a_client_secret_launch_whatever_signs_stand_in_it(clinic: Scene):
    secret = "a+b/c=d e&f%"
    for role in ("provider", "patient"):
        client = world.EPIC_APPS["test", role]
        await control(clinic, "epic", "PATCH", f"apps/{client}", {"secret": secret, "jwks_url": None})
    proposed = await change(clinic, "adam", "PUT", "/epic", epic_side(clinic) | {"authentication": "client_secret"})
    assert any("secret" in warning for warning in proposed.body["warnings"])
    await change(clinic, "adam", "POST", "/validation")
    assert (await begin(clinic)).body["code"] == "wrong-state"  # no secret was given yet
    for role in ("provider", "patient"):
        given = await change(clinic, "adam", "PUT", f"/secrets/{role}", {"secret": secret})
        assert given.status == 200
        assert secret not in str(given.body)
    assert (await approve(clinic)).status == 200
    await book(clinic, number := csn())
    assert (await launched(clinic, "pat", number)).host == "graph"
    kept = await rows(clinic, "RowKey ne ''", "Secrets")
    assert kept
    assert secret not in str(kept)


async def test_the_secret_of_no_app_cannot_be_set(clinic: Scene):
    assert (await change(clinic, "adam", "PUT", "/secrets/elsewhere", {"secret": "x"})).status == 404
    assert (await change(clinic, "ana", "PUT", "/secrets/provider", {"secret": "x"})).status == 403
