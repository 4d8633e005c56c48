"""The link in a patient's text, from the text on the phone to Teams."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox import world
from sandbox.demo import engine, siu
from sandbox.demo.api import change
from sandbox.demo.browser import Browser, Page
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking
from tests.e2e.launch.launching import (
    all_done,
    announce,
    book,
    browsers,
    code,
    csn,
    meeting_requests_done,
    meetings,
    own_changed,
    people,
    provider,
    rows,
    visits,
)

NUMBER = "+16085550177"
SMS: dict[str, Any] = {"may_send_for_us": True, "patients_have_consented": True, "number": world.ACS_NUMBER}
POOL = [world.USERS[key].oid for key in ("rooms", "rooms2")]


@pytest.fixture
async def texting(clinic: Scene) -> Scene:
    """The clinic, which also texts."""
    await own_changed(clinic, {"organisers": POOL, "sms": SMS})
    assert (await change(clinic, "adam", "POST", "/allow-list", {"number": NUMBER})).status == 201
    return clinic


async def texts(scene: Scene) -> list[str]:
    async with scene.http.get(f"{scene.plan.urls['acs']}/_sandbox/texts", params={"to": NUMBER}) as answer:
        return [one["message"] for one in await answer.json()]


async def link(scene: Scene, number: str, start: datetime, **booking: Any) -> str:
    """The address that the confirmation of a fresh booking shows."""
    for queue in ("scheduling-events", "sms-outbound"):  # word of an earlier test may still be on its way
        await all_done(scene, queue)
    known = await texts(scene)
    await announce(scene, number, start, **booking)
    found = await eventually(lambda: _fresh(scene, known), bool)
    (words,) = found
    return next(word for word in words.split() if word.startswith("https://"))


async def _fresh(scene: Scene, known: list[str]) -> list[str]:
    """Texts with a link that were not there before."""
    return [words for words in (await texts(scene))[len(known) :] if "https://" in words]


def soon(scene: Scene, minutes: int = 10) -> datetime:
    return siu.whole_minute(scene.now() + timedelta(minutes=minutes))


async def press(browser: Browser, page: Page) -> Page:
    """The page's one button."""
    token = page.text.partition('name="t" value="')[2].partition('"')[0]
    action = page.url.partition("?")[0]
    return await browser.follow(await browser.ask("POST", action, data={"t": token}))


async def everything(scene: Scene) -> list[str]:
    """All rows a link could touch, as they rest."""
    tables = ("Visits", "Lookups", "People", "Organisers")
    found = [row for name in tables for row in await rows(scene, "RowKey ne ''", name)]
    return sorted(map(str, found))


@pytest.mark.feature("F5.13", "F8.2", "F8.4")
async def test_the_link_shows_when_the_visit_is_and_its_button_leads_into_the_same_meeting(texting: Scene):
    start, number = soon(texting), csn()
    await book(texting, number, start)
    async with browsers(texting, 2) as (phone, paula):
        page = await phone.go(await link(texting, number, start))
        assert page.status == 200
        assert "Lamna Healthcare" in page.text
        assert f"{start.astimezone(siu.ZONE):%-I:%M %p}" in page.text
        assert page.text.count("<button") == 1
        assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")
        there = await press(phone, page)
        assert there.host == "graph"
        assert (await provider(paula, number)).url == there.url
    (visit,) = await visits(texting)
    assert await people(texting, visit["PartitionKey"]) == ["patient", "staff"]


async def test_opening_the_link_changes_nothing(texting: Scene):
    """Phones and mail filters open links to show a preview."""
    start, number = soon(texting), csn()
    address = await link(texting, number, start)
    await texting.run_timer("dispatch_due")
    await eventually(lambda: visits(texting), lambda all_: [one["ready"] for one in all_] == [True])
    await meeting_requests_done(texting)
    before, made = await everything(texting), len(await meetings(texting))
    async with browsers(texting, 1) as (phone,):
        for _ in range(3):
            page = await phone.go(address)
            assert page.cookies == ()
    assert (await everything(texting), len(await meetings(texting))) == (before, made)


LANGUAGES = {
    "en": "Join the visit",
    "es": "Entrar a la visita",
    "fr": "Rejoindre la visite",
    "it": "Entra nella visita",
}


@pytest.mark.parametrize(("language", "button"), LANGUAGES.items())
async def test_the_page_speaks_the_patients_language(texting: Scene, language: str, button: str):
    async with browsers(texting, 1) as (phone,):
        page = await phone.go(await link(texting, csn(), soon(texting), language=language))
    assert button in page.text
    assert f'<html lang="{language}">' in page.text


@pytest.mark.parametrize(("patients", "language"), [("es", "es"), ("ar", "fr")])
async def test_the_browsers_language_counts_where_the_page_cannot_speak_the_patients(
    texting: Scene, patients: str, language: str
):
    async with browsers(texting, 1) as (phone,):
        address = await link(texting, csn(), soon(texting), language=patients)
        page = await phone.go(address, headers={"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"})
    assert LANGUAGES[language] in page.text
    assert f'<html lang="{language}">' in page.text


async def test_a_link_that_is_none_is_refused_in_the_browsers_language(scene: Scene):
    async with browsers(scene, 1) as (phone,):
        page = await phone.go(f"{scene.plan.urls['app']}/j?t=none", headers={"Accept-Language": "it-IT"})
    assert (page.status, code(page)) == (404, "link-unknown")
    assert '<html lang="it">' in page.text
    assert "Questo link non è valido" in page.text


@pytest.mark.feature("F8.12")
async def test_too_early_the_page_says_from_when_and_looks_again_by_itself(texting: Scene):
    start = soon(texting, 120)
    async with browsers(texting, 1) as (phone,):
        page = await phone.go(address := await link(texting, csn(), start))
        opens = (start - timedelta(minutes=30)).astimezone(siu.ZONE)
        assert f"{opens:%-I:%M %p}" in page.text
        assert "<button" not in page.text
        assert int(page.headers["Refresh"]) <= 60
        token = address.partition("t=")[2]
        pressed = await phone.ask("POST", texting.plan.urls["app"] + "/j", data={"t": token})
        assert (pressed.status, pressed.text) == (200, page.text), "a button of one's own opens nothing"
        texting.move_to(start - timedelta(minutes=29))
        assert (await press(phone, await phone.refresh(page))).host == "graph"


@pytest.mark.feature("F8.12")
async def test_when_the_visit_is_over_the_page_says_so_and_later_the_link_is_unknown(texting: Scene):
    start = soon(texting)
    async with browsers(texting, 1) as (phone,):
        address = await link(texting, csn(), start)
        texting.move_to(start + timedelta(minutes=30 + 241))
        over = await phone.go(address)
        assert "is over" in over.text
        assert "<button" not in over.text
        texting.move_to(start + timedelta(days=2, seconds=1))
        expired = await phone.go(address)
        unknown = await phone.go(address[:-4] + "AAAA")
        assert (expired.status, code(expired)) == (404, "link-unknown")
        assert (expired.status, expired.text, dict(expired.headers).keys()) == (
            unknown.status,
            unknown.text,
            dict(unknown.headers).keys(),
        )


async def test_a_cancelled_visit_is_told_as_such_and_cannot_be_joined(texting: Scene):
    start, number = soon(texting), csn()
    async with browsers(texting, 1) as (phone,):
        open_page = await phone.go(address := await link(texting, number, start))
        await post(texting, siu.message("S15", Booking(number, start, "(608)555-0177"), texting.now(), f"{number}C"))
        page = await eventually(lambda: phone.go(address), lambda one: "cancelled" in one.text)
        assert "cancelled" in page.text
        assert "cancelled" in (await press(phone, open_page)).text
    assert not [one for one in await visits(texting) if await people(texting, one["PartitionKey"])]


@pytest.mark.feature("F5.13")
async def test_the_link_follows_an_appointment_that_was_replaced_by_another(texting: Scene):
    start, older, newer = soon(texting), csn(), csn()
    later = start + timedelta(minutes=15)
    async with browsers(texting, 1) as (phone,):
        address = await link(texting, older, start)
        body = siu.message("S13", Booking(newer, later, "(608)555-0177"), texting.now(), f"{newer}M")
        await post(texting, body.replace(f"SCH|1|{newer}|".encode(), f"SCH|1|{older}|".encode()))
        shown = f"{later.astimezone(siu.ZONE):%-I:%M %p}"
        page = await eventually(lambda: phone.go(address), lambda one: shown in one.text)
        assert shown in page.text
        assert (await press(phone, page)).host == "graph"


async def post(scene: Scene, body: bytes) -> None:
    reply = await engine.post(scene.plan, f"/hl7v2/{scene.facts['connection']}", body)
    assert siu.acknowledgement(reply.body)[0] == "AA", reply.body


async def test_with_graph_away_the_phone_waits_on_a_page_in_its_language_and_comes_in_afterwards(texting: Scene):
    async with browsers(texting, 1) as (phone,):
        page = await phone.go(await link(texting, csn(), soon(texting), language="es"))
        await texting.fault("graph", route="/v1.0/", do="status", status=503)
        waiting = await press(phone, page)
        assert "Estamos preparando la sala" in waiting.text
        await texting.behave("graph")
        assert (await phone.refresh(waiting)).host == "graph"


@pytest.mark.parametrize("token", ["", "x", "A" * 22, "../../x", "é", "\x00", "A" * 6000, "<script>"])
async def test_a_link_of_ones_own_is_unknown(clinic: Scene, token: str):
    async with browsers(clinic, 1) as (phone,):
        for method, how in (("GET", "params"), ("POST", "data")):
            page = await phone.ask(method, clinic.plan.urls["app"] + "/j", **{how: {"t": token}})
            assert (page.status, code(page)) == (404, "link-unknown")
            assert "<script" not in page.text
    assert await visits(clinic) == []


async def test_a_suspended_connection_lets_nobody_in_by_a_link(texting: Scene):
    async with browsers(texting, 1) as (phone,):
        page = await phone.go(address := await link(texting, csn(), soon(texting)))
        await change(texting, "adam", "PUT", "/suspension", {"suspended": True})
        assert code(await phone.go(address)) == "connection-not-serving"
        assert code(await press(phone, page)) == "connection-not-serving"
