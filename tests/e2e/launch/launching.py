"""What the launch tests share: Epic set up for a connection, browsers, and questions to the far side."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sandbox import world
from sandbox.demo import engine, siu
from sandbox.demo.api import Answer, change
from sandbox.demo.browser import Browser, Page
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking
from sandbox.demo.steps.launches import register
from sandbox.demo.steps.scheduling import drained
from sandbox.demo.steps.set_up import own_side

CONTEXT = (
    "csn=%CSN%&sessionId={session}&externalId=%EPICUSERID%&fname=%USERFNAME%&lname=%USERLNAME%"
    "&departmentId=%PERFDEPID;;; ; ;;NONE;%"
)
#: Appointments of all tests on one stack: every one gets a CSN of its own.
_csns = count(7_200_001)


def csn() -> str:
    """A CSN that nobody has used."""
    return str(next(_csns))


async def set_up(scene: Scene, context: str | None = None, **own: Any) -> None:
    """The pool of organisers, and the launch records as Epic's analyst types them in."""
    pool = [world.USERS[key].oid for key in ("rooms", "rooms2")]
    saved = await own_changed(scene, {"organisers": pool} | own)
    assert saved.status == 200, saved.body
    await register(scene)
    for role in ("provider", "patient"):
        for group in (False, True):
            record = {
                "role": role,
                "group": group,
                "launch_url": launch_url(scene, role),
                "client_id": world.EPIC_APPS["test", role],
                "context": context
                if context is not None
                else CONTEXT.format(session="%CONFERENCEID%" if group else "%CSN%"),
            }
            await control(scene, "epic", "POST", "fdi", record)


async def own_changed(scene: Scene, changes: dict[str, Any]) -> Answer:
    """The connection's own side with some members replaced."""
    return await change(scene, "adam", "PUT", "/own", own_side() | changes)


def launch_url(scene: Scene, role: str) -> str:
    return f"{scene.plan.urls['app']}/launch/{role}/{scene.facts['connection']}"


async def control(scene: Scene, peer: str, method: str, path: str, body: Any = None) -> Any:
    """A stand-in's control interface."""
    async with scene.http.request(method, f"{scene.plan.urls[peer]}/_sandbox/{path}", json=body) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json() if answer.content_type == "application/json" else None


async def book(scene: Scene, number: str, start: datetime | None = None, **order: Any) -> dict[str, Any]:
    """An appointment at Epic; by default Pat's with Paula, beginning in ten minutes. Its ids."""
    start = start or siu.whole_minute(scene.now() + timedelta(minutes=10))
    usual = {"csn": number, "patient": "pat", "practitioner": "paula", "start": start.isoformat()}
    booked: dict[str, Any] = await control(scene, "epic", "POST", "appointments", usual | order)
    return booked


async def announce(scene: Scene, number: str, start: datetime, event: str = "S12", **booking: Any) -> dict[str, Any]:
    """The interface engine's message; the appointment's row once it stands."""
    key = await known(scene)
    body = siu.message(event, Booking(number, start, "(608)555-0177", **booking), scene.now(), f"{number}{event}")
    reply = await engine.post(scene.plan, f"/hl7v2/{scene.facts['connection']}", body)
    assert siu.acknowledgement(reply.body)[0] == "AA", reply.body
    found = await eventually(lambda: rows(scene, "RowKey eq 'appt'"), lambda all_: len(all_) > len(key))
    await drained(scene)  # the agenda is written after the row
    return next((row for row in found if row["PartitionKey"] not in key), {})


async def known(scene: Scene) -> set[str]:
    return {row["PartitionKey"] for row in await rows(scene, "RowKey eq 'appt'")}


async def rows(scene: Scene, condition: str, table: str = "Visits") -> list[dict[str, Any]]:
    """Rows of a table as they rest."""
    return [dict(row) async for row in scene.tables.get_table_client(table).query_entities(condition)]


async def visits(scene: Scene) -> list[dict[str, Any]]:
    """The visits of the scene's connection."""
    return await rows(scene, f"RowKey eq 'visit' and connection eq '{scene.facts['connection']}'")


async def people(scene: Scene, key: str) -> list[str]:
    """The roles of those who came to a visit, sorted."""
    found = await rows(scene, f"PartitionKey eq '{key}' and RowKey ge 'person|' and RowKey lt 'person}}'")
    return sorted(row["role"] for row in found)


async def meetings(scene: Scene) -> list[dict[str, Any]]:
    """Every meeting at the Graph stand-in."""
    found: list[dict[str, Any]] = await control(scene, "graph", "GET", "meetings")
    return found


async def used(scene: Scene) -> int:
    """Meetings that the pool's monthly counts add up to."""
    return sum(row["meetings"] for row in await rows(scene, "RowKey ne ''", "Organisers"))


@asynccontextmanager
async def browsers(scene: Scene, number: int) -> AsyncIterator[list[Browser]]:
    """Some browsers, nobody's yet."""
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(Browser(scene.plan)) for _ in range(number)]


async def provider(browser: Browser, number: str, user: str = "paula", **order: Any) -> Page:
    """A provider's launch, with the one sign-in if Entra asks for it."""
    page = await browser.launch(user, number, **order)
    return await browser.sign_in(page, user) if page.host == "entra" else page


def code(page: Page) -> str:
    """The code that a page of ours shows in small print; empty for a page without one."""
    return page.text.partition("<small>")[2].partition("</small>")[0]


async def epic_behaves(scene: Scene, **options: Any) -> None:
    """Change how Epic's test instance behaves; the fixture takes it back."""
    await control(scene, "epic", "PATCH", "instances/test", options)


async def launched(scene: Scene, user: str, number: str, **order: Any) -> Page:
    """One launch in a fresh browser, to its first page."""
    async with browsers(scene, 1) as (browser,):
        return await browser.launch(user, number, **order)


async def graph_calls(scene: Scene) -> int:
    """How often the connector asked Graph for a meeting, or changed one."""
    paths = [entry["path"] for entry in await scene.seen("graph", "request")]
    return sum("/onlineMeetings" in path and "/attendanceReports" not in path for path in paths)


async def meeting_requests_done(scene: Scene) -> None:
    """Wait until no request for a meeting waits or is being worked on."""
    await all_done(scene, "meeting-requests")


async def all_done(scene: Scene, name: str) -> None:
    """Wait until nothing lies in a queue or is being worked on."""
    queue = scene.queues.get_queue_client(name)

    async def left() -> int:
        return int((await queue.get_queue_properties()).approximate_message_count or 0)

    assert await eventually(left, lambda count: count == 0) == 0
