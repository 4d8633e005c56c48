"""Measure 1: what each step of one visit asks of storage, Graph and Epic. Exact: it does not depend on the machine."""

import asyncio
import json
import sys
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from sandbox import plan
from sandbox.demo import siu
from sandbox.demo.browser import Browser, Page
from sandbox.demo.scene import eventually
from sandbox.demo.siu import Booking
from shared.domain.launch import Ticket
from shared.domain.roster import read
from shared.messages import (
    CallEvent,
    MeetingRequest,
    Message,
    Receipt,
    SchedulingMessage,
    TextOrder,
    UpkeepOrder,
    WritebackOrder,
)
from shared.storage.names import Queue
from shared.work import work
from shared.workflows import agenda, enter, intake, launch, meetings, presence, receipts, schedule, sign_in, texts
from shared.workflows import upkeep as upkeep_
from shared.workflows import writeback as writeback_
from tests.bench.clinic import certificate
from tests.bench.counting import Counts
from tests.bench.quiet import Bench, Delivered, bench
from tests.e2e.launch.launching import book, control

CSN = "9100001"
_HANDLERS: dict[type[Message], Any] = {
    SchedulingMessage: schedule.apply,
    TextOrder: texts.send,
    Receipt: receipts.apply,
    MeetingRequest: meetings.serve,
    CallEvent: presence.apply,
    WritebackOrder: writeback_.write,
    UpkeepOrder: upkeep_.apply,
}


@dataclass
class Walk:
    """One visit, step by step. `counts` keeps what each step cost, in order."""

    bench: Bench
    counts: dict[str, Counts] = field(default_factory=dict)

    async def step[T](self, name: str, doing: Awaitable[T]) -> T:
        """Do one thing and count."""
        if name in self.counts:
            raise AssertionError(f"two steps are called {name}")
        self.bench.tally.start()
        result = await doing
        self.counts[name] = self.bench.tally.take()
        return result

    async def work(self, model: type[Message], delivered: Delivered | None = None) -> None:
        """Let the queue function of a message do one."""
        await work(delivered or await self.bench.take(model.queue), model, _HANDLERS[model], self.bench.main)

    async def worked(self, name: str, model: type[Message]) -> None:
        """The same, counted. The message is taken before the counting begins: the host's requests are not ours."""
        await self.step(name, self.work(model, await self.bench.take(model.queue)))

    async def tick(self, name: str | None = None) -> None:
        """One tick of the agenda."""
        doing = agenda.dispatch(self.bench.main)
        await (self.step(name, doing) if name else doing)

    async def drain(self) -> None:
        """Let every queue run empty, uncounted."""
        for model in _HANDLERS:
            while await self.bench.waiting(model.queue):
                await self.work(model)


async def walk(bench: Bench) -> dict[str, Counts]:
    """One visit from its booking to its erasure; the costs of its steps in the order they happened."""
    made = Walk(bench)
    booking = await _booked(made)
    await _texted(made, booking)
    await _ahead(made, booking)
    await _launched(made, booking)
    await _held(made)
    await _ended(made)
    return made.counts


async def _booked(made: Walk) -> Booking:
    """Booked for in thirty hours: both reminders and the meeting are still to come."""
    scene = made.bench.scene
    start = siu.whole_minute(scene.now() + timedelta(hours=30))
    await book(scene, CSN, start)
    booking = Booking(CSN, start, "(608)555-0140")  # as the hospital writes it; the allow-list has it in full
    await made.step("HL7v2 booking accepted", _post(made.bench, "S12", booking, "B1"))
    await made.worked("booking stored and planned", SchedulingMessage)
    return booking


async def _texted(made: Walk, booking: Booking) -> None:
    await made.worked("confirmation sent", TextOrder)
    await made.worked("delivery report", Receipt)
    await made.drain()
    await made.step("HL7v2 update accepted", _post(made.bench, "S14", booking, "B2"))
    await made.worked("update that changes nothing", SchedulingMessage)


async def _ahead(made: Walk, booking: Booking) -> None:
    """The day before: reminder and meeting; an hour before: reminder; 45 minutes before: Graph's subscription."""
    scene = made.bench.scene
    scene.move_to(booking.start - timedelta(hours=24))
    await made.tick("tick, a reminder and a meeting due")
    await made.worked("meeting provided", MeetingRequest)
    await made.worked("reminder sent", TextOrder)
    await made.drain()
    scene.move_to(booking.start - timedelta(minutes=45))
    await made.tick()
    await made.worked("call subscribed to", MeetingRequest)
    await made.drain()
    await made.tick("tick, nothing due")


async def _launched(made: Walk, booking: Booking) -> None:
    scene = made.bench.scene
    scene.move_to(booking.start - timedelta(minutes=10))
    async with Browser(scene.plan) as pat:
        await made.step("patient launch", _launch(made.bench, pat, "patient", "pat"))
    async with Browser(scene.plan) as paula:
        await made.step("provider launch with sign-in", _launch(made.bench, paula, "provider", "paula"))
    async with Browser(scene.plan) as paula:
        await made.step("provider launch, known", _launch(made.bench, paula, "provider", "paula"))


async def _held(made: Walk) -> None:
    """The patient in the lobby, the provider in, the patient admitted."""
    bench = made.bench
    (meeting,) = await control(bench.scene, "graph", "GET", "meetings")
    bench.scene.facts["meeting"] = meeting["id"]
    pat = await _join(bench, None, "Pat Quillfeather")
    await _told(made, {"roster": "patient in the lobby"})
    await made.worked("patient connected, told to Epic", WritebackOrder)
    await _join(bench, "paula", "")
    await _told(made, {"started": "call started", "roster": "provider in the call"})
    await made.drain()
    await _press(bench, f"participants/{pat}/admit", {})
    await _told(made, {"roster": "patient admitted"})
    await made.drain()
    await made.step("live panel", bench.main.visits.find(await _key(bench)))


async def _ended(made: Walk) -> None:
    """Ended by the provider; closed ten minutes later, erased at the next entry of the agenda."""
    bench = made.bench
    await _press(bench, f"meetings/{bench.scene.facts['meeting']}/end", {"by": await _provider(bench)})
    await eventually(lambda: bench.waiting(Queue.CALL_EVENTS), lambda count: count > 1)
    await made.drain()
    await _due(made, timedelta(minutes=11), {"close": "visit closed"})
    await _due(made, timedelta(minutes=31), {"erase-visit": "visit erased"})
    await _due(made, timedelta(hours=1), {"erase-phone": "phone erased"})


async def _due(made: Walk, wait: timedelta, names: dict[str, str]) -> None:
    made.bench.scene.move(wait)
    await made.tick()
    while await made.bench.waiting(Queue.UPKEEP):
        order = await made.bench.take(Queue.UPKEEP)
        kind = made.bench.main.queues.open(order.raw, UpkeepOrder).kind
        doing = made.work(UpkeepOrder, order)
        await (made.step(names.pop(kind), doing) if kind in names else doing)
    if names:
        raise AssertionError(f"not due: {', '.join(names)}")
    await made.drain()


async def _told(made: Walk, names: dict[str, str]) -> None:
    """What Graph said reached its queue: counts one event of each kind named, in the order named."""
    bench = made.bench
    await eventually(lambda: bench.waiting(Queue.CALL_EVENTS), lambda count: count >= len(names))
    came: dict[str, Delivered] = {}
    while await bench.waiting(Queue.CALL_EVENTS):
        event = await bench.take(Queue.CALL_EVENTS)
        document = bench.main.notification_keys.open(bench.main.queues.open(event.raw, CallEvent).model_dump())
        came[read(document).kind] = event
    for kind, name in names.items():
        await made.step(name, made.work(CallEvent, came[kind]))


async def _post(bench: Bench, event: str, booking: Booking, control_id: str) -> None:
    body = siu.message(event, booking, bench.scene.now(), control_id)
    content_type = "x-application/hl7-v2+er7; charset=utf-8"
    posted = intake.Posted(bench.scene.facts["connection"], body, content_type, certificate(bench.scene))
    answer = await intake.accept(posted, bench.hl7)
    if b"MSA|AA|" not in answer.answer:
        raise AssertionError("the booking was not accepted")


async def _launch(bench: Bench, browser: Browser, role: Literal["patient", "provider"], user: str) -> None:
    """What the launch's functions do, from Epic's button to the address of the meeting."""
    deps = bench.main
    pressed = await browser.press(user, CSN, role=role)
    asked = launch.Asked(role, bench.scene.facts["connection"], pressed["iss"], pressed["launch"])
    url, begun = await launch.begin(asked, await launch.allowed(asked, deps), deps)
    back = _query(await browser.ask("GET", url))
    ticket = await launch.arrive(launch.Returned(begun.connection, back["state"], back["code"], "", begun), deps)
    way = await enter.enter(ticket, deps)
    if isinstance(way, enter.SignInFirst):
        way = await enter.enter(await _sign_in(bench, browser, ticket, user), deps)
    match way:
        case enter.ToTeams():
            return
        case _:
            raise AssertionError(f"the {role} was not let in: {type(way).__name__}")


async def _sign_in(bench: Bench, browser: Browser, ticket: Ticket, user: str) -> Ticket:
    url, begun = sign_in.begin(ticket, bench.main)
    page = await browser.ask("GET", url)
    back = _query(await browser.ask("POST", page.url, data={"user": user}))
    return await sign_in.finish(sign_in.Returned(back["state"], back["code"], begun), bench.main)


def _query(page: Page) -> dict[str, str]:
    """What the redirect back to us carries."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.location).query).items()}


async def _join(bench: Bench, user: str | None, name: str) -> str:
    joined = await _press(bench, f"meetings/{bench.scene.facts['meeting']}/join", {"as": user, "name": name})
    return str(joined["participant"])


async def _press(bench: Bench, path: str, body: dict[str, Any]) -> Any:
    """A button of the Teams page."""
    async with bench.scene.http.post(f"{bench.scene.plan.urls['graph']}/teams/{path}", json=body) as answer:
        answer.raise_for_status()
        return await answer.json()


async def _provider(bench: Bench) -> str:
    (meeting,) = await control(bench.scene, "graph", "GET", "meetings")
    return str(next(one["participant"] for one in meeting["roster"] if one["user"] == "paula"))


async def _key(bench: Bench) -> str:
    rows = bench.scene.tables.get_table_client("Visits").query_entities("RowKey eq 'visit'")
    return next(iter([str(row["PartitionKey"]) async for row in rows]))


async def main(connection: str) -> None:
    """Walk at an approved connection, and say what it cost as JSON."""
    async with bench(plan.load()) as made:
        made.scene.facts["connection"] = connection
        counts = await walk(made)
    json.dump({name: asdict(one) for name, one in counts.items()}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
