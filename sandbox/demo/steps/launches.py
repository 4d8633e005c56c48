"""Step 5: patient and provider launch from Epic; lobby, admission, one meeting."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sandbox import world
from sandbox.demo import siu
from sandbox.demo.browser import Browser, Page
from sandbox.demo.play import step
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking
from sandbox.demo.steps.scheduling import drained, send
from sandbox.demo.steps.texts import VISITOR, texts

CSN = "9003001"
CONTEXT = (
    "csn=%CSN%&sessionId=%CSN%&externalId=%EPICUSERID%&departmentId=%PERFDEPID;;; ; ;;NONE;%"
    "&fname=%USERFNAME%&lname=%USERLNAME%"
)
TEAMS, EPIC = "the Teams page (Graph stand-in)", "the Epic stand-in"


@step("5.1", "The visit's meeting stands before anybody comes", "c", needs=("4.1",))
async def provisioned(scene: Scene) -> None:
    """Booked in Epic and by HL7; a tick of the agenda later Graph holds one meeting with a lobby."""
    start = siu.whole_minute(scene.now() + timedelta(minutes=25))
    booking = Booking(CSN, start, "(608)555-0142", mrn="E9988776")
    scene.facts["visit"] = booking
    await _in_epic(scene, booking)
    await send(scene, "S12", booking, "L1")
    await drained(scene)
    await scene.run_timer("dispatch_due")
    found = await eventually(lambda: visits_at(scene, start), lambda all_: any(one["ready"] for one in all_))
    scene.equal("one meeting is ready", "table Visits", [one["ready"] for one in found], [True])
    scene.facts["key"] = found[0]["PartitionKey"] if found else ""
    held = [one for one in await _get(scene, "graph", "/_sandbox/meetings") if _starts(one) == start]
    scene.equal("Graph holds one meeting then", "the Graph stand-in", len(held), 1)
    scene.facts["meeting"] = held[0]["id"] if held else ""

    async def watched() -> list[Any]:
        living = await _get(scene, "graph", "/_sandbox/subscriptions")
        return [one for one in living if one["meeting"] == scene.facts["meeting"]]

    told = await eventually(watched, lambda all_: len(all_) == 1)
    scene.equal("and tells us of its call", "the Graph stand-in", len(told), 1)


@step(
    "5.2",
    "The patient launches from MyChart and waits in the lobby",
    "c",
    needs=("5.1",),
    features=("F8.1", "F8.3", "F8.4", "F8.5"),
)
async def patient_waits(scene: Scene) -> None:
    """One click, no other account; the launch calls no Graph, because everything stands already."""
    asked = await _graph_calls(scene)
    async with Browser(scene.plan) as pat:
        page = await pat.launch("pat", CSN, role="patient")
        scene.equal("the launch ends at Teams", TEAMS, (page.status, page.host), (200, "graph"))
        scene.facts["join_path"] = urlsplit(page.url).path
    scene.equal("and called no Graph", "the Graph stand-in", await _graph_calls(scene), asked)
    codes = [one for one in await scene.seen("epic", "token") if one.get("accepted")]
    scene.check("Epic gave the code for a signed assertion", EPIC, len(codes), ok=len(codes) >= 2)
    scene.facts["patient"], state = await join(scene, None, "Pat Quillfeather")
    scene.equal("the patient waits in the lobby", TEAMS, state, "lobby")


@step(
    "5.3",
    "The provider launches from Hyperspace, signs in once and admits",
    "c",
    needs=("5.2",),
    features=("F7.1", "F7.3", "F7.7"),
)
async def provider_admits(scene: Scene) -> None:
    """Entra is asked the first time only; both are in the same meeting."""
    async with Browser(scene.plan) as paula:
        page = await paula.launch("paula", CSN)
        scene.equal("the first time Entra asks who she is", "the Entra stand-in", page.host, "entra")
        page = await paula.sign_in(page, "paula")
        scene.equal("then she is at Teams", TEAMS, (page.status, page.host), (200, "graph"))
    async with Browser(scene.plan) as again:
        page = await again.launch("paula", CSN)
        scene.equal(
            "the second time nobody asks", TEAMS, (page.status, page.host, _visited(again, "entra")), (200, "graph", 0)
        )
    scene.facts["provider"], state = await join(scene, "paula", "")
    scene.equal("staff walk in", TEAMS, state, "in")
    await act(scene, scene.facts["patient"], "admit")
    room = await _get(scene, "graph", f"/teams/meetings/{scene.facts['meeting']}")
    inside = sorted(one["name"] for one in room["participants"] if one["state"] == "in")
    scene.equal("both are in the same meeting", TEAMS, len(inside), 2)


@step("5.4", "A launch works once, and only for the approved Epic", "c", needs=("5.3",), features=("F4.12",))
async def once(scene: Scene) -> None:
    """The same address again, a foreign iss, somebody else's return: refused with a short page and a code."""
    async with Browser(scene.plan) as pat:
        pressed = await pat.press("pat", CSN, role="patient")
        await pat.go(pressed["url"])
        back = next(page.url for page in pat.trail if "/launch/callback" in page.url)
        _says(scene, "the return a second time", await pat.go(back), "launch-")
        _says(scene, "Epic's launch a second time", await pat.go(pressed["url"]), "epic-refused")
    async with Browser(scene.plan) as stranger:
        _says(scene, "somebody else's return", await stranger.go(back), "launch-")
        foreign = f"{pressed['launch_url']}?iss=https://epic.elsewhere.example/api/FHIR/R4&launch=x"
        _says(scene, "another Epic's launch", await stranger.go(foreign), "issuer-unknown")


@step("5.5", "An id token for another sign-in is refused", "c", needs=("5.4",))
async def nonce(scene: Scene) -> None:
    """Epic answers with a nonce that is not this launch's."""
    async with _epic_as(scene, id_token_claims={"nonce": "of-another-sign-in"}), Browser(scene.plan) as pat:
        _says(scene, "another nonce", await pat.launch("pat", CSN, role="patient"), "epic-refused")
    async with Browser(scene.plan) as pat:
        page = await pat.launch("pat", CSN, role="patient")
        scene.equal("with its own it works", TEAMS, page.host, "graph")


@step("5.6", "The link in the text leads to the same meeting", "c", needs=("5.3",), features=("F5.13", "F8.2"))
async def by_link(scene: Scene) -> None:
    """Looking at the page changes nothing; its button goes to Teams. A link that was never sent says so kindly."""
    link = await _link(scene)
    scene.facts["link"] = link
    app = scene.plan.urls["app"]
    async with Browser(scene.plan) as mo:
        before = await _people(scene)
        page = await mo.go(f"{app}/j?t={link}")
        scene.equal("the page opens", "the visit page", page.status, 200)
        scene.equal("and changes nothing", "table Visits", await _people(scene), before)
        page = await mo.follow(await mo.ask("POST", f"{app}/j", data={"t": link}))
        scene.equal("its button goes to the meeting", TEAMS, page.host, "graph")
        same = urlsplit(page.url).path == scene.facts["join_path"]
        scene.holds("the same one", TEAMS, ok=same)
        _says(scene, "a link that was never sent", await mo.go(f"{app}/j?t={'x' * 22}"), "link-unknown")


async def visits_at(scene: Scene, start: datetime) -> list[dict[str, Any]]:
    """Visits of this time that have a row of their own."""
    rows = scene.tables.get_table_client("Visits").query_entities("RowKey eq 'visit'")
    return [dict(row) async for row in rows if row["start"] == start]


def _starts(meeting: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(meeting["startDateTime"])


async def join(scene: Scene, user: str | None, name: str) -> tuple[str, str]:
    """Press Join on the Teams page, signed in or as a guest: participant id and where it leads (lobby or in)."""
    url = f"{scene.plan.urls['graph']}/teams/meetings/{scene.facts['meeting']}/join"
    async with scene.http.post(url, json={"as": user, "name": name}) as answer:
        answer.raise_for_status()
        joined = await answer.json()
        return str(joined["participant"]), str(joined["state"])


async def act(scene: Scene, participant: str, what: str) -> None:
    """Press Admit or Leave on the Teams page."""
    url = f"{scene.plan.urls['graph']}/teams/participants/{participant}/{what}"
    async with scene.http.post(url, json={}) as answer:
        answer.raise_for_status()


async def _in_epic(scene: Scene, booking: Booking) -> None:
    """What the hospital has in its Epic: the integration records, typed in by the analyst, and the appointment."""
    await register(scene)
    for role in ("provider", "patient"):
        record = {
            "role": role,
            "launch_url": f"{scene.plan.urls['app']}/launch/{role}/{scene.facts['connection']}",
            "client_id": world.EPIC_APPS["test", role],
            "context": CONTEXT,
        }
        await _post(scene, "epic", "/_sandbox/fdi", record)
    appointment = {
        "csn": booking.csn,
        "patient": "pat",
        "practitioner": "paula",
        "start": booking.start.isoformat(),
        "minutes": booking.minutes,
    }
    await _post(scene, "epic", "/_sandbox/appointments", appointment)


async def register(scene: Scene) -> None:
    """The analyst registers at Epic where its users come back to: each connection has an address of its own."""
    app = scene.plan.urls["app"]
    back = f"{app}/launch/callback/{scene.facts['connection']}"
    for role, addresses in (("provider", [back, f"{app}/config/epic-callback"]), ("patient", [back])):
        url = f"{scene.plan.urls['epic']}/_sandbox/apps/{world.EPIC_APPS['test', role]}"
        async with scene.http.patch(url, json={"redirect_uris": addresses}) as answer:
            answer.raise_for_status()


@asynccontextmanager
async def _epic_as(scene: Scene, **options: Any) -> AsyncIterator[None]:
    url = f"{scene.plan.urls['epic']}/_sandbox/instances/test"
    async with scene.http.patch(url, json=options) as answer:
        answer.raise_for_status()
    yield
    async with scene.http.patch(url, json={name: {} for name in options}) as answer:
        answer.raise_for_status()


async def _graph_calls(scene: Scene) -> int:
    """How often the connector has called Graph; people's browsers fetch pages from the same stand-in."""
    return sum(bool(one["app"]) for one in await scene.seen("graph", "request"))


async def _link(scene: Scene) -> str:
    """The join link of this visit's text, from the phone it went to."""
    when = scene.facts["visit"].start.astimezone(siu.ZONE)

    async def told() -> list[str]:
        return [text["message"] for text in await texts(scene, VISITOR) if f"{when:%-I:%M}" in text["message"]]

    words = ["/j?t=none", *await eventually(told, bool)][-1]
    return words.partition("/j?t=")[2].split()[0].rstrip(".")


async def _people(scene: Scene) -> int:
    rows = scene.tables.get_table_client("Visits").query_entities("RowKey ge 'person|' and RowKey lt 'person}'")
    return len([row async for row in rows])


def _visited(browser: Browser, host: str) -> int:
    return sum(page.host == host for page in browser.trail)


def _says(scene: Scene, what: str, page: Page, code: str) -> None:
    refused = page.host == "app" and page.status >= 400 and code in page.text
    scene.check(f"{what} is refused", "the page", f"{page.status} from {page.host}", ok=refused)


async def _get(scene: Scene, peer: str, path: str) -> Any:
    async with scene.http.get(scene.plan.urls[peer] + path) as answer:
        answer.raise_for_status()
        return await answer.json()


async def _post(scene: Scene, peer: str, path: str, body: dict[str, Any]) -> None:
    async with scene.http.post(scene.plan.urls[peer] + path, json=body) as answer:
        answer.raise_for_status()
