"""Launches that must not get in, through the host: each ends in a page with its code, and no visit comes of it."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from yarl import URL

from sandbox import world
from sandbox.demo import siu
from sandbox.demo.api import call, change
from sandbox.demo.browser import Browser, Page
from sandbox.demo.scene import Scene
from tests.e2e.launch.launching import (
    CONTEXT,
    announce,
    book,
    browsers,
    code,
    control,
    csn,
    epic_behaves,
    launch_url,
    launched,
    own_changed,
    provider,
    rows,
    visits,
)

ELSEWHERE = "https://epic.elsewhere.example/api/FHIR/R4"


async def refused(scene: Scene, page: Page, status: int, wanted: str) -> None:
    """The page says this code, and nobody is in any visit."""
    assert (page.host, page.status, code(page)) == ("app", status, wanted)
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert await visits(scene) == []


async def begun(browser: Browser, user: str, number: str, **order: Any) -> Page:
    """A launch as far as the redirect to Epic's authorize endpoint."""
    return await browser.ask("GET", (await browser.press(user, number, **order))["url"])


async def returned(browser: Browser, user: str, number: str) -> str:
    """A launch as far as the address Epic sends the browser back to, not yet asked for."""
    return (await browser.ask("GET", (await begun(browser, user, number)).location)).location


def changed(url: str, **query: str) -> str:
    """An address with some of its query replaced."""
    return str(URL(url).update_query(query))


def held(page: Page) -> tuple[str, str]:
    """Name and value of the one cookie that a page set."""
    (cookie,) = page.cookies
    name, _, value = cookie.partition(";")[0].partition("=")
    return name, value


# --- who may begin


@pytest.mark.parametrize(
    "iss",
    ["", ELSEWHERE, "{iss}/x", "{iss}//", "http://x", "{iss}#", "{ISS}", "{iss},{iss}", " {iss}", "{iss}?x=1"],
)
async def test_an_epic_that_was_not_approved_begins_nothing(clinic: Scene, iss: str):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        pressed = await pat.press("pat", number)
        given = iss.replace("{iss}", pressed["iss"]).replace("{ISS}", pressed["iss"].upper())
        for method, how in (("GET", "params"), ("POST", "data")):
            form = {"iss": given, "launch": pressed["launch"]}
            page = await pat.ask(method, pressed["launch_url"], **{how: form})
            await refused(clinic, page, 403, "issuer-unknown")
            assert page.cookies == ()


@pytest.mark.feature("F3.5")
async def test_another_base_of_the_same_epic_is_refused_until_it_is_approved(clinic: Scene):
    await book(clinic, number := csn())
    page = await launched(clinic, "pat", number, iss="DSTU2")
    await refused(clinic, page, 403, "issuer-unknown")


@pytest.mark.feature("F13.2", "F14.5", "F14.7")
async def test_a_test_record_that_stands_in_the_production_epic_launches_nobody(clinic: Scene):
    app = world.EPIC_APPS["production", "patient"]
    record = {
        "instance": "production",
        "role": "patient",
        "launch_url": launch_url(clinic, "patient"),
        "client_id": app,
    }
    await control(clinic, "epic", "POST", "fdi", record | {"context": CONTEXT.format(session="%CSN%")})
    await book(clinic, number := csn(), instance="production")
    await refused(clinic, await launched(clinic, "pat", number, instance="production"), 403, "issuer-unknown")


@pytest.mark.feature("F3.6")
async def test_a_connection_that_is_not_approved_or_suspended_launches_nobody(draft: Scene):
    url = f"{launch_url(draft, 'patient')}?{urlencode({'iss': ELSEWHERE, 'launch': 'x'})}"
    async with browsers(draft, 1) as (pat,):
        await refused(draft, await pat.go(url), 403, "connection-not-serving")


async def test_a_suspended_connection_launches_nobody_not_even_who_is_on_the_way(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        back = await returned(pat, "pat", number)
        await change(clinic, "adam", "PUT", "/suspension", {"suspended": True})
        await refused(clinic, await pat.go(back), 403, "connection-not-serving")
        await refused(clinic, await pat.launch("pat", number), 403, "connection-not-serving")


@pytest.mark.parametrize("name", ["x", "0" * 32 + "-aaaaaaaa", "..%2f..", "%00"])
async def test_an_unknown_connection_is_none(clinic: Scene, name: str):
    async with browsers(clinic, 1) as (pat,):
        page = await pat.go(URL(f"{clinic.plan.urls['app']}/launch/patient/{name}?iss=x&launch=y", encoded=True))
    assert page.status == 404
    assert await visits(clinic) == []


async def test_an_unknown_way_in_is_none(clinic: Scene):
    async with browsers(clinic, 1) as (pat,):
        await refused(clinic, await pat.go(launch_url(clinic, "director") + "?iss=x&launch=y"), 404, "not-found")


async def test_a_launch_without_launch_token_is_refused_kindly(clinic: Scene):
    """Epic's simulator may send an empty one (epic.md 1.3)."""
    await book(clinic, number := csn())
    await refused(clinic, await launched(clinic, "pat", number, empty_launch=True), 400, "launch-empty")


POSTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "too large": ({"data": {"iss": "x" * 70_000}}, 413, "body-too-large"),
    "no form": ({"json": {"iss": "x"}}, 415, "content-type"),
    "a file": ({"data": {"iss": b"x"}, "headers": {"Content-Type": "application/octet-stream"}}, 415, "content-type"),
    "binary junk": (
        {"data": b"\xff\xfe\x00=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        400,
        "body-unreadable",
    ),
}


@pytest.mark.parametrize(("how", "status", "wanted"), POSTS.values(), ids=POSTS)
async def test_a_posted_launch_must_be_a_form(clinic: Scene, how: dict[str, Any], status: int, wanted: str):
    async with browsers(clinic, 1) as (pat,):
        if "data" in how and isinstance(how["data"], dict) and "headers" in how:
            how = {**how, "data": b"iss=x"}
        await refused(clinic, await pat.ask("POST", launch_url(clinic, "patient"), **how), status, wanted)


async def test_what_a_framed_launch_brings_is_escaped(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        pressed = await pat.press("pat", number)
        given = {"iss": pressed["iss"], "launch": '"><script>alert(1)</script>'}
        page = await pat.ask("GET", pressed["launch_url"], params=given, headers={"Sec-Fetch-Dest": "iframe"})
    assert page.status == 200
    assert "<script" not in page.text


# --- coming back


async def test_a_return_that_is_used_again_is_refused(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        name, value = held(await begun(pat, "pat", number))
        back = (await pat.ask("GET", pat.trail[-1].location)).location
        assert (await pat.go(back)).host == "graph"
        again = await pat.ask("GET", back, headers={"Cookie": f"{name}={value}"})
        assert (again.status, code(again)) == (400, "launch-replayed")
        without = await pat.ask("GET", back)
        assert (without.status, code(without)) == (400, "launch-stale")


async def test_two_returns_at_once_redeem_one_code(clinic: Scene):
    await book(clinic, number := csn())
    before = len(await clinic.seen("epic", "token"))
    async with browsers(clinic, 1) as (pat,):
        back = await returned(pat, "pat", number)
        pages = await asyncio.gather(*(pat.ask("GET", back) for _ in range(5)))
    assert sorted(page.status for page in pages) == [303, 400, 400, 400, 400]
    assert len(await clinic.seen("epic", "token")) == before + 1


async def test_epics_launch_token_works_once(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 2) as (pat, thief):
        pressed = await pat.press("pat", number)
        await pat.ask("GET", (await pat.ask("GET", pressed["url"])).location)
        await refused(clinic, await thief.go(pressed["url"]), 502, "epic-refused")


async def test_a_code_of_another_launch_is_worth_nothing(clinic: Scene):
    """PKCE binds a code to the launch that asked for it."""
    await book(clinic, first := csn())
    await book(clinic, second := csn())
    async with browsers(clinic, 2) as (pat, thief):
        stolen = URL(await returned(pat, "pat", first)).query["code"]
        back = await returned(thief, "pat", second)
        await refused(clinic, await thief.go(changed(back, code=stolen)), 502, "epic-refused")


async def test_a_return_without_its_cookie_or_with_another_launchs_is_refused(clinic: Scene):
    await book(clinic, first := csn())
    await book(clinic, second := csn())
    async with browsers(clinic, 3) as (pat, mo, nobody):
        mine, _ = held(await begun(pat, "pat", first))
        back = (await pat.ask("GET", pat.trail[-1].location)).location
        theirs, value = held(await begun(mo, "pat", second))
        for cookies in ({}, {theirs: value}, {mine: value}, {mine: ""}, {mine: "x.y"}, {mine: value[:-2] + "AA"}):
            header = "; ".join(f"{name}={one}" for name, one in cookies.items())
            page = await nobody.ask("GET", back, headers={"Cookie": header} if header else {})
            await refused(clinic, page, 400, "launch-stale")
        assert (await pat.go(back)).host == "graph"


@pytest.mark.parametrize("place", [0, 3, 40, -1])
async def test_a_cookie_that_was_touched_does_not_open(clinic: Scene, place: int):
    await book(clinic, number := csn())
    async with browsers(clinic, 2) as (pat, touched):
        name, value = held(await begun(pat, "pat", number))
        back = (await pat.ask("GET", pat.trail[-1].location)).location
        letters = list(value)
        letters[place] = "A" if letters[place] != "A" else "Q"
        page = await touched.ask("GET", back, headers={"Cookie": f"{name}={''.join(letters)}"})
        await refused(clinic, page, 400, "launch-stale")


@pytest.mark.parametrize("state", ["", "x", "x" * 32, "x" * 5000, "é" * 32, "%00"])
async def test_a_state_of_ones_own_is_refused(clinic: Scene, state: str):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        back = await returned(pat, "pat", number)
        await refused(clinic, await pat.go(changed(back, state=state)), 400, "launch-stale")


async def test_a_state_that_only_begins_like_the_one_sent_is_refused(clinic: Scene):
    """The first characters name the cookie; the rest is compared as a secret."""
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        back = await returned(pat, "pat", number)
        state = URL(back).query["state"]
        await refused(clinic, await pat.go(changed(back, state=state[:8] + "A" * 24)), 400, "launch-stale")


async def test_a_return_after_ten_minutes_is_too_late(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        back = await returned(pat, "pat", number)
        clinic.move(timedelta(minutes=10, seconds=1))
        await refused(clinic, await pat.go(back), 400, "launch-stale")


@pytest.mark.parametrize("query", [{"error": "access_denied"}, {"error": "<b>x</b>"}, {}])
async def test_an_error_from_epic_is_a_page_that_repeats_nothing_of_it(clinic: Scene, query: dict[str, str]):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        back = URL(await returned(pat, "pat", number))
        page = await pat.go(str(back.with_query({"state": back.query["state"], **query})))
    await refused(clinic, page, 502, "epic-refused")
    assert query.get("error", "<b>") not in page.text


# --- what Epic must prove


@pytest.mark.parametrize("wrong", [{"code_challenge": "A" * 43}, {"nonce": "A" * 22}], ids=["pkce", "nonce"])
async def test_an_authorization_that_was_asked_for_with_other_secrets_is_refused(clinic: Scene, wrong: dict[str, str]):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        asked = (await begun(pat, "pat", number)).location
        page = await pat.follow(await pat.ask("GET", changed(asked, **wrong)))
        await refused(clinic, page, 502, "epic-refused")


FALSE_TOKENS: dict[str, dict[str, Any]] = {
    "unsigned": {"id_token_signature": "none"},
    "signed with the public key as a secret": {"id_token_signature": "hs256"},
    "signed by a stranger": {"id_token_signature": "stranger"},
    "for another app": {"id_token_claims": {"aud": world.EPIC_APPS["test", "backend"]}},
    "of another issuer": {"id_token_claims": {"iss": "https://epic.elsewhere.example/oauth2"}},
    "expired": {"id_token_claims": {"exp": 1_700_000_000}},
    "without nonce": {"id_token_claims": {"nonce": None}},
    "without fhirUser": {"id_token_claims": {"fhirUser": None}},
    "of a device": {"id_token_claims": {"fhirUser": "https://x/Device/1"}},
    "missing": {"omit": ["id_token"]},
}


@pytest.mark.parametrize("options", FALSE_TOKENS.values(), ids=FALSE_TOKENS)
async def test_without_a_true_id_token_nobody_comes_in(clinic: Scene, options: dict[str, Any]):
    await book(clinic, number := csn())
    await epic_behaves(clinic, **options)
    await refused(clinic, await launched(clinic, "pat", number), 502, "epic-refused")


@pytest.mark.feature("F4.12")
async def test_a_patient_cannot_come_in_as_a_provider(clinic: Scene):
    """Epic itself refuses; and where a hospital's Epic would not, the id_token says who it is."""
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        pressed = await pat.press("pat", number)
        query = {"iss": pressed["iss"], "launch": pressed["launch"]}
        page = await pat.go(f"{launch_url(clinic, 'provider')}?{urlencode(query)}")
        await refused(clinic, page, 502, "epic-refused")
    app = world.EPIC_APPS["test", "provider"]
    await control(clinic, "epic", "PATCH", f"apps/{app}", {"user_types": ["Practitioner", "Patient"]})
    record = {"role": "patient", "launch_url": launch_url(clinic, "provider"), "client_id": app}
    await control(clinic, "epic", "POST", "fdi", record)
    await refused(clinic, await launched(clinic, "pat", number), 403, "launch-role")


@pytest.mark.feature("F4.12")
async def test_a_provider_cannot_come_in_as_a_patient(clinic: Scene):
    await book(clinic, number := csn())
    app = world.EPIC_APPS["test", "patient"]
    await control(clinic, "epic", "PATCH", f"apps/{app}", {"user_types": ["Practitioner", "Patient"]})
    record = {"role": "provider", "launch_url": launch_url(clinic, "patient"), "client_id": app}
    await control(clinic, "epic", "POST", "fdi", record)
    await refused(clinic, await launched(clinic, "paula", number), 403, "launch-role")


async def test_with_epics_token_endpoint_away_one_is_asked_to_begin_again(clinic: Scene):
    await clinic.fault("epic", route="POST .*/token", do="status", status=503)
    await book(clinic, number := csn())
    await refused(clinic, await launched(clinic, "pat", number), 503, "busy")


# --- the sign-in


async def nobody_is_known(scene: Scene) -> None:
    assert await rows(scene, "RowKey ne ''", "People") == []


async def test_a_user_of_another_tenant_cannot_become_a_provider(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (paula,):
        page = await paula.launch("paula", number)
        assert world.LAMNA_TENANT in page.url
        elsewhere = page.url.replace(world.LAMNA_TENANT, world.FABRIKAM_TENANT)
        page = await paula.follow(await paula.ask("POST", elsewhere, data={"user": "mallory"}))
        await refused(clinic, page, 403, "sign-in-refused")
    await nobody_is_known(clinic)


async def test_a_sign_in_that_was_cancelled_makes_nobody_known(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (paula,):
        page = await paula.launch("paula", number)
        page = await paula.follow(await paula.ask("POST", page.url, data={"cancel": "1"}))
        await refused(clinic, page, 403, "sign-in-refused")
    await nobody_is_known(clinic)


@pytest.mark.parametrize("wrong", [{"code_challenge": "A" * 43}, {"nonce": "A" * 22}], ids=["pkce", "nonce"])
async def test_a_sign_in_that_was_asked_for_with_other_secrets_is_refused(clinic: Scene, wrong: dict[str, str]):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (paula,):
        page = await paula.launch("paula", number)
        page = await paula.follow(await paula.ask("POST", changed(page.url, **wrong), data={"user": "paula"}))
        await refused(clinic, page, 403, "sign-in-refused")
    await nobody_is_known(clinic)


async def test_a_sign_ins_return_works_once_and_only_in_its_own_browser(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 2) as (paula, thief):
        page = await paula.launch("paula", number)
        cookie = held(paula.trail[-2])
        back = (await paula.ask("POST", page.url, data={"user": "paula"})).location
        await refused(clinic, await thief.go(back), 400, "launch-stale")
        await nobody_is_known(clinic)
        assert (await paula.go(back)).host == "graph"
        again = await paula.ask("GET", back, headers={"Cookie": f"{cookie[0]}={cookie[1]}"})
        assert (again.status, code(again)) == (400, "launch-replayed")


async def test_a_sign_in_after_ten_minutes_is_too_late(clinic: Scene):
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (paula,):
        page = await paula.launch("paula", number)
        clinic.move(timedelta(minutes=10, seconds=1))
        page = await paula.follow(await paula.ask("POST", page.url, data={"user": "paula"}))
        await refused(clinic, page, 400, "launch-stale")
    await nobody_is_known(clinic)


# --- the page that waits


@pytest.mark.parametrize("path", ["/visit", "/launch/sign-in"])
@pytest.mark.parametrize("ticket", ["", "x", "a; b", "\x00", "x" * 3000])
async def test_without_a_ticket_nobody_waits(clinic: Scene, path: str, ticket: str):
    async with browsers(clinic, 1) as (pat,):
        page = await pat.ask("GET", clinic.plan.urls["app"] + path, params={"ticket": ticket})
        await refused(clinic, page, 400, "launch-stale")


async def test_a_patients_ticket_opens_no_sign_in_and_ends_after_two_hours(clinic: Scene):
    start = siu.whole_minute(clinic.now() + timedelta(minutes=140))
    await book(clinic, number := csn(), start)
    await announce(clinic, number, start)
    async with browsers(clinic, 2) as (pat, thief):
        early = await pat.launch("pat", number)
        waiting = early.headers["Refresh"].partition("url=")[2]
        await refused(clinic, await pat.go(waiting.replace("/visit?", "/launch/sign-in?")), 403, "launch-role")
        await refused(clinic, await thief.go(waiting), 400, "launch-stale")
        assert (await pat.go(waiting)).status == 200
        clinic.move(timedelta(hours=2, seconds=1))
        await refused(clinic, await pat.go(waiting), 400, "launch-stale")


# --- what stays behind


@pytest.mark.feature("F12.2", "F12.10")
async def test_no_launch_leaves_names_numbers_or_tokens_in_logs_rows_cookies_or_pages(clinic: Scene):
    await own_changed(clinic, {"organisers": [world.USERS["rooms"].oid]})
    start = siu.whole_minute(clinic.now() + timedelta(minutes=10))
    await book(clinic, number := csn(), start)
    await announce(clinic, number, start)
    async with browsers(clinic, 2) as (paula, pat):
        back = await returned(pat, "pat", number)
        await pat.go(back)
        await pat.go(back)  # refused: a page
        await provider(paula, number)
        trail = [*paula.trail, *pat.trail]
    secrets = {number, URL(back).query["code"], URL(back).query["state"]}
    for user in (world.EPIC_USERS["paula"], world.EPIC_USERS["pat"]):
        secrets |= {user.fhir_id, user.external_id, user.last, user.login.upper()}
    cookies = "".join(cookie for page in trail if page.host == "app" for cookie in page.cookies)
    pages = "".join(page.text for page in trail if page.host == "app")
    logs = "".join(clinic.stack.log(name).read_text() for name in ("app", "hl7_host"))
    tables = [await rows(clinic, "RowKey ne ''", name) for name in ("Visits", "People", "Lookups", "Organisers")]
    for what, text in {"cookies": cookies, "pages": pages, "logs": logs, "tables": str(tables)}.items():
        assert text
        # A short number stands by chance in some random id; as a word of its own it would be a leak.
        found = [secret for secret in secrets if re.search(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", text)]
        assert found == [], f"{what} hold {len(found)} of {len(secrets)}"


# --- what an approved Epic may not do to another


async def test_a_return_belongs_to_the_connection_in_its_address(clinic: Scene):
    await book(clinic, number := csn())
    async with Browser(clinic.plan) as pat:
        back = await returned(pat, "pat", number)
        own = clinic.facts["connection"]
        assert f"/launch/callback/{own}?" in back
        elsewhere = back.replace(own, "0" * 32 + "-aaaaaaaa")
        await refused(clinic, await pat.go(elsewhere), 400, "launch-stale")


async def test_a_return_address_that_was_not_registered_never_leaves_epic(clinic: Scene):
    await book(clinic, number := csn())
    patient = world.EPIC_APPS["test", "patient"]
    other = f"{clinic.plan.urls['app']}/launch/callback/{'0' * 32}-aaaaaaaa"
    await control(clinic, "epic", "PATCH", f"apps/{patient}", {"redirect_uris": [other]})
    async with Browser(clinic.plan) as pat:
        page = await pat.launch("pat", number, role="patient")
        assert (page.host, page.status) == ("epic", 400)


async def test_a_patient_does_not_launch_a_cancelled_visit_and_staff_may(clinic: Scene):
    start = siu.whole_minute(clinic.now() + timedelta(minutes=10))
    await book(clinic, number := csn(), start)
    await announce(clinic, number, start, "S15")
    async with Browser(clinic.plan) as pat:
        await refused(clinic, await pat.launch("pat", number, role="patient"), 410, "visit-cancelled")
    async with Browser(clinic.plan) as paula:
        page = await paula.sign_in(await paula.launch("paula", number), "paula")
        assert page.host == "graph"


async def test_a_forgotten_sign_in_is_asked_for_again(clinic: Scene):
    await book(clinic, number := csn())
    async with Browser(clinic.plan) as paula:
        assert (await paula.sign_in(await paula.launch("paula", number), "paula")).host == "graph"
    sign_in = f"/config/connections/{clinic.facts['connection']}/sign-ins/{world.USERS['paula'].oid}"
    assert (await call(clinic, "mallory", "DELETE", sign_in)).status == 404
    assert (await call(clinic, "adam", "DELETE", sign_in)).body == {"forgotten": 1}
    async with Browser(clinic.plan) as paula:
        assert (await paula.launch("paula", number)).host == "entra"
