"""Step 3: the interface engine posts scheduling messages over mutual TLS; each gets its answer."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sandbox.demo import engine, siu
from sandbox.demo.api import change
from sandbox.demo.play import step
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking

QUEUE = "scheduling-events"
Row = dict[str, Any]


def path(scene: Scene) -> str:
    """Where the hospital's engine posts."""
    return f"/hl7v2/{scene.facts['connection']}"


async def send(scene: Scene, event: str, booking: Booking, control_id: str, sent: datetime | None = None) -> str:
    """Post one message as the engine; the answer's code."""
    body = siu.message(event, booking, sent or scene.now(), control_id)
    return siu.acknowledgement((await engine.post(scene.plan, path(scene), body)).body)[0]


@step(
    "3.1",
    "A booking is accepted, durable and becomes an appointment",
    "a",
    needs=("2",),
    features=("F6.1", "F6.4", "F6.6"),
)
async def booked(scene: Scene) -> None:
    """AA, then a row; nothing of the patient stands in it in clear."""
    start = siu.whole_minute(scene.now() + timedelta(days=2))
    booking = Booking(csn="9001001", start=start, phone="(608)555-0101")
    scene.facts["booking"] = booking
    scene.equal("the engine reads AA", "the answer over mutual TLS", await send(scene, "S12", booking, "A1"), "AA")
    row = await one_new_row(scene)
    scene.facts["appointment"] = row["PartitionKey"]
    scene.equal("the appointment stands at its time in UTC", "table Visits", row["start"], start)
    clear = {name: str(value) for name, value in row.items()}
    found = [name for name, value in clear.items() if booking.csn in value or "5550101" in value or "QUILL" in value]
    scene.equal("no property shows number, name or CSN", "table Visits", found, [])


@step("3.2", "Rescheduled, cancelled, no-show: each changes its appointment", "a", needs=("3.1",), features=("F6.4",))
async def changed(scene: Scene) -> None:
    """S13 moves it; two more appointments are cancelled and missed."""
    moved = scene.facts["booking"].moved(scene.facts["booking"].start + timedelta(hours=3))
    scene.facts["booking"] = moved
    scene.equal("S13 is answered AA", "the answer over mutual TLS", await send(scene, "S13", moved, "A2"), "AA")
    row = await row_when(scene, scene.facts["appointment"], lambda row: row["version"] == 2)
    scene.equal("version 2 at the new time", "table Visits", (row["version"], row["start"]), (2, moved.start))
    for event, standing, csn in (("S15", "cancelled", "9001002"), ("S26", "no-show", "9001003")):
        other = Booking(csn=csn, start=moved.start, phone="(608)555-0102")
        known = await keys(scene)
        answers = [await send(scene, one, other, f"{csn}{one}") for one in ("S12", event)]
        scene.equal(f"booking and {event} are answered AA", "the answers over mutual TLS", answers, ["AA", "AA"])
        found = await newcomer(scene, known, standing)
        scene.equal(f"{event} leaves it {standing}", "table Visits", found, standing)


@step("3.3", "Repeated and overtaken messages change nothing", "a", needs=("3.2",), features=("F6.6",))
async def order(scene: Scene) -> None:
    """The same control id again is acknowledged again; a booking sent before the move does not undo it."""
    booking: Booking = scene.facts["booking"]
    scene.equal("a repeated message is acknowledged", "the answer", await send(scene, "S13", booking, "A2"), "AA")
    old = booking.moved(booking.start - timedelta(hours=3))
    early = scene.now() - timedelta(minutes=90)
    scene.equal("a late, older message too", "the answer", await send(scene, "S14", old, "A0", sent=early), "AA")
    await drained(scene)
    row = await row_when(scene, scene.facts["appointment"], lambda _: True)
    scene.equal("the appointment keeps its newest time", "table Visits", row["start"], booking.start)


@step("3.4", "Only the pinned certificate gets in", "a", needs=("3.1",), features=("F6.2", "F6.5"))
async def pinned(scene: Scene) -> None:
    """The front end passes any certificate whose key the client holds; who is let in is the connector's to judge."""
    body = siu.message("S12", Booking("9001009", scene.now() + timedelta(days=1), "(608)555-0109"), scene.now(), "X1")
    before = await keys(scene)
    der = base64.b64encode(_der(scene.plan.path("engine_cert").read_text())).decode()
    forged = {"X-ARR-ClientCert": der}
    for who, headers in (("stranger", {}), ("expired", {}), ("stranger", forged)):
        reply = await engine.post(scene.plan, path(scene), body, certificate=who, headers=headers)
        name = f"{who} with a forged header" if headers else who
        scene.equal(f"refused: {name}", "the answer over TLS", reply.status, 403)
        scene.holds("without HL7 content", "the answer over TLS", ok="MSA|" not in reply.body)
    none = await engine.post(scene.plan, path(scene), body, certificate=None)
    scene.check("refused: no certificate", "the front end's answer", none.status, ok=none.status in {0, 403})
    await drained(scene)
    scene.equal("no appointment came of it", "table Visits", await keys(scene), before)


@step("3.5", "What cannot be read is named, what is none of ours is rejected", "a", needs=("3.1",), features=("F6.6",))
async def unreadable(scene: Scene) -> None:
    """AE with the field, AR for another type, AA for a scheduling event we do not act on, 4xx for transport."""
    booking = Booking("9001010", scene.now() + timedelta(days=1), "(608)555-0110")
    cases = (
        ("a booking without a start", siu.without_times(siu.message("S12", booking, scene.now(), "B1")), "AE"),
        ("an admission", siu.message("A01", booking, scene.now(), "B2", kind="ADT"), "AR"),
        ("a blocked slot", siu.message("S23", booking, scene.now(), "B3"), "AA"),
    )
    for what, body, wanted in cases:
        reply = await engine.post(scene.plan, path(scene), body)
        scene.equal(f"{what} gets {wanted}", "the answer over mutual TLS", siu.acknowledgement(reply.body)[0], wanted)
    odd = await engine.post(scene.plan, path(scene), b"{}", content_type="application/json")
    scene.equal("JSON gets 415", "the answer over mutual TLS", odd.status, 415)
    elsewhere = await engine.post(scene.plan, "/hl7v2/" + "0" * 32 + "-aaaaaaaa", b"MSH|")
    scene.equal("an unknown connection gets 404", "the answer over mutual TLS", elsewhere.status, 404)


@step("3.6", "A suspended connection makes the engine hold its queue", "a", needs=("3.1",))
async def suspended(scene: Scene) -> None:
    """403 without HL7 content, at once; resumed, the same message is taken."""
    await change(scene, "adam", "PUT", "/suspension", {"suspended": True})
    body = siu.message("S14", scene.facts["booking"], scene.now(), "C1")
    held = await engine.post(scene.plan, path(scene), body)
    scene.equal("suspended: 403", "the answer over mutual TLS", held.status, 403)
    await change(scene, "adam", "PUT", "/suspension", {"suspended": False})
    reply = await engine.post(scene.plan, path(scene), body)
    scene.equal("resumed: AA", "the answer over mutual TLS", siu.acknowledgement(reply.body)[0], "AA")


async def keys(scene: Scene) -> set[str]:
    """Partitions of table Visits that hold an appointment."""
    return {row["PartitionKey"] for row in await _rows(scene)}


async def one_new_row(scene: Scene) -> Row:
    """The only appointment, once it is there."""
    rows = await eventually(lambda: _rows(scene), lambda rows: len(rows) == 1)
    return rows[0] if rows else {"PartitionKey": "", "start": None}


async def appointment(scene: Scene, key: str) -> Row:
    """One appointment's row."""
    return dict(await scene.tables.get_table_client("Visits").get_entity(key, "appt"))


async def row_when(scene: Scene, key: str, good: Callable[[Row], bool]) -> Row:
    """One appointment's row, once it is as wished, or as it is when the time is up."""
    return await eventually(lambda: appointment(scene, key), good)


async def drained(scene: Scene) -> None:
    """Wait until every scheduling event has been worked on."""
    queue = scene.queues.get_queue_client(QUEUE)

    async def left() -> int:
        return int((await queue.get_queue_properties()).approximate_message_count or 0)

    await eventually(left, lambda count: count == 0)


async def newcomer(scene: Scene, known: set[str], standing: str) -> str:
    """How the one appointment stands that was not known before, once it stands as wished."""

    async def look() -> list[str]:
        return [row["standing"] for row in await _rows(scene) if row["PartitionKey"] not in known]

    return ", ".join(await eventually(look, lambda found: found == [standing]))


async def _rows(scene: Scene) -> list[Row]:
    found = scene.tables.get_table_client("Visits").query_entities("RowKey eq 'appt'")
    return [dict(row) async for row in found]


def _der(pem: str) -> bytes:
    return base64.b64decode("".join(pem.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0].split()))
