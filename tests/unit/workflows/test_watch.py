"""Poison, parked work, alarms and expiry, over the real emulator."""

import base64
import contextlib
import dataclasses
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from shared.clock import Clock
from shared.domain import configuration
from shared.domain.agenda import Due
from shared.domain.connection import EngineCertificate
from shared.domain.hl7v2.event import Action, Order, PhoneNote, Said, SchedulingEvent
from shared.domain.visit import Change, Person, Visit
from shared.errors import Code, Later, Refused
from shared.messages import MODELS, CallEvent, Receipt, SchedulingMessage, TextOrder, UpkeepOrder, WritebackOrder
from shared.storage.agenda import Agenda
from shared.storage.audit import Audit, Fact
from shared.storage.lookups import Kind
from shared.storage.names import Queue, Table
from shared.storage.orders import Orders
from shared.storage.organisers import Organisers
from shared.storage.parked import Parked, at_rest
from shared.storage.queues import Poison
from shared.storage.sealing import KeyRing
from shared.storage.texts import partition
from shared.storage.visits import Visits
from shared.telemetry import log
from shared.workflows import expiry, parked, texts, watch, writeback
from tests.conftest import Store
from tests.unit.domain.connections import LAMNA, epic_side, own_side
from tests.unit.workflows import text_world
from tests.unit.workflows.text_world import CONNECTION, NOW, PHONE, START, World, busy, order

DAY = timedelta(days=1)
WORK = UpkeepOrder(message_id="w1", give_up_at=NOW, connection=CONNECTION, kind="close", key="k", version=0)


class Watched(World):
    """A process that also watches."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.agenda = Agenda(store.tables)
        self.orders = Orders(store.tables, self.lookups)
        self.visits = Visits(store.tables)
        self.audit = Audit(store.tables, self.clock)
        self.organisers = Organisers(store.tables)
        self.parked = Parked(store.tables, self.clock)
        self.epic: Any = None
        self.epic_status: Any = None
        self.credential: Any = None
        self.set(connector_client_id="connector", connector_certificate=pem(NOW + 400 * DAY))

    async def poison(self, queue: Queue, content: str) -> None:
        """What the host does with a message it gives up."""
        client = self.store.queue_service.get_queue_client(f"{queue}-poison")
        with contextlib.suppress(ResourceExistsError):
            await client.create_queue()
        await client.send_message(content)

    async def poisoned(self, message: Any) -> None:
        await self.poison(message.queue, base64.b64encode(self.queues.encode(message).encode()).decode())

    async def left(self, queue: Queue) -> int:
        """Copies that still lie in the poison queue."""
        client = self.store.queue_service.get_queue_client(f"{queue}-poison")
        return (await client.get_queue_properties()).approximate_message_count or 0

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        return [dict(row) async for row in self.store.raw_table(table).list_entities()]


def pem(last_day: datetime) -> str:
    """A certificate that ends then."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW - 900 * DAY, last_day)
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def scheduling(action: Action = Action.BOOK, start: datetime | None = START, phone: str | None = PHONE) -> Any:
    event = SchedulingEvent(
        trigger="S12", action=action, csn="900100", placer_id=None, filler_id=None, moved_from=None, start=start,
        start_said=Said.GIVEN, end=None, minutes=None, phone=phone, phone_said=Said.GIVEN, phone_note=PhoneNote.TYPED,
        language=None, department=None, visit_types=(), video=None, sent=NOW, order=Order(NOW, NOW, 0, "c"),
        sender="EPIC|LH", control_id="c", notes=(),
    )  # fmt: skip
    return SchedulingMessage(message_id="s1", give_up_at=NOW, connection=CONNECTION, event=event)


@pytest.fixture
async def world(store: Store) -> Watched:
    made = Watched(store)
    await made.connect()
    await made.book()
    return made


@pytest.fixture
def alarms(caplog: pytest.LogCaptureFixture) -> Any:
    """What an operator sees by now; where in the code it was stays out."""
    caplog.set_level(logging.INFO, logger=log.name)

    def seen() -> list[str]:
        return [one.getMessage().partition(" at=")[0] for one in caplog.records if one.levelno >= logging.ERROR]

    return seen


# --- poison


def test_every_queue_has_a_model() -> None:
    assert set(MODELS) == set(Queue)


async def test_a_poisoned_text_is_parked_sealed_its_row_says_so_and_the_copy_is_gone(world: Watched, alarms: Any):
    await world.poisoned(order())
    await watch.watch(world)
    [row] = await world.rows(Table.PARKED)
    assert (row["PartitionKey"], row["RowKey"], row["reason"]) == ("sms-outbound", order().message_id, "poison")
    assert row["message_sealed"].startswith("k1.")
    assert await world.state(order()) == "parked poison"
    assert await world.left(Queue.SMS_OUTBOUND) == 0
    assert alarms() == [f"poison parked queue=sms-outbound id={order().message_id}"]


async def test_what_a_poisoned_call_event_would_have_told_the_close_asks_for(world: Watched):
    visit = Visit(connection=CONNECTION, key="v1", session="SE-1", start=START, end=START + timedelta(hours=1))
    await world.visits.save(await world.visits.find("v1"), visit)
    event = CallEvent(
        message_id="e1", give_up_at=NOW, key="v1", arrived=NOW, tokens=(), data="", data_key="", data_signature="",
        certificate_id="n1",
    )  # fmt: skip
    await world.poisoned(event)
    await watch.watch(world)
    stored = (await world.visits.find("v1")).visit
    assert stored
    assert stored.missed
    assert [row["RowKey"] for row in await world.rows(Table.PARKED)] == ["e1"]


async def test_a_text_that_may_have_been_sent_is_unknown_when_it_is_poisoned(world: Watched):
    world.sms.script = [text_world.killed_after]
    with pytest.raises(text_world.Killed):
        await texts.send(order(), world)
    await world.poisoned(order())
    await watch.watch(world)
    assert await world.state(order()) == "unknown poison"
    await parked.drive_again(Queue.SMS_OUTBOUND, order().message_id, "olivia", world)
    [again] = await world.queued(Queue.SMS_OUTBOUND)
    await texts.send(again, world)
    assert (await world.state(order()), len(world.sms.phones)) == ("unknown poison", 1)


async def test_killed_between_row_and_removal_nothing_is_lost_and_nothing_doubled(world: Watched, monkeypatch: Any):
    async def killed(queue: Queue, poison: Poison) -> None:
        raise text_world.Killed

    await world.poisoned(order())
    monkeypatch.setattr(world.queues, "bury", killed)
    with pytest.raises(text_world.Killed):
        await watch.watch(world)
    assert await world.left(Queue.SMS_OUTBOUND) == 1
    monkeypatch.undo()
    await world.poisoned(order())  # as if the hidden copy had come back
    await watch.watch(world)
    assert len(await world.rows(Table.PARKED)) == 1
    assert await world.state(order()) == "parked poison"


@pytest.mark.parametrize("content", ["not base64!", base64.b64encode(b"{}").decode(), base64.b64encode(b"9").decode()])
async def test_what_nobody_can_read_leaves_a_mark_without_content(world: Watched, alarms: Any, content: str):
    await world.poison(Queue.UPKEEP, content)
    await watch.watch(world)
    [row] = await world.rows(Table.PARKED)
    assert row["RowKey"].startswith("unreadable|")
    assert content not in str(row)
    assert "message_sealed" not in row
    assert await world.left(Queue.UPKEEP) == 0
    assert [one.partition(" id=")[0] for one in alarms()] == ["poison unreadable queue=upkeep"]
    with pytest.raises(Refused) as refusal:
        await parked.drive_again(Queue.UPKEEP, row["RowKey"], "olivia", world)
    assert refusal.value.code is Code.WRONG_STATE


async def test_a_row_that_cannot_be_marked_does_not_keep_the_others_waiting(
    world: Watched, alarms: Any, monkeypatch: Any
):
    async def broken(order: TextOrder, deps: Any, why: str) -> None:
        raise KeyError(PHONE)

    monkeypatch.setattr(texts, "gave_up", broken)
    await world.poisoned(order())
    await world.poisoned(WORK)
    await watch.watch(world)
    assert {row["RowKey"] for row in await world.rows(Table.PARKED)} == {order().message_id, "w1"}
    assert f"poison not marked queue=sms-outbound id={order().message_id} error=KeyError" in alarms()
    assert PHONE not in str(alarms())


async def test_while_storage_is_away_the_copy_stays(world: Watched, alarms: Any, monkeypatch: Any):
    async def away(order: TextOrder, deps: Any, why: str) -> None:
        raise Later("storage")

    monkeypatch.setattr(texts, "gave_up", away)
    await world.poisoned(order())
    await watch.watch(world)
    assert await world.left(Queue.SMS_OUTBOUND) == 1
    assert "watch failed look=poison error=Later" in alarms()


# --- driven again


async def test_a_parked_text_that_is_driven_again_goes_out_once(world: Watched):
    world.sms.script = [busy]
    with pytest.raises(Later):
        await texts.send(order(), world)
    await world.poisoned(order())
    await watch.watch(world)
    for _ in range(2):
        await parked.drive_again(Queue.SMS_OUTBOUND, order().message_id, "olivia", world)
    again = await world.queued(Queue.SMS_OUTBOUND)
    assert [(one.attempt, one.give_up_at) for one in again] == [(0, NOW + DAY)] * 2
    for one in again:
        await texts.send(one, world)
    assert (await world.state(order()), len(world.sms.phones)) == ("accepted", 1)
    [row] = await world.parked.listed(2)
    assert (row["driven_by"], row["driven_at"]) == ("olivia", NOW)


async def test_a_driven_text_is_checked_like_any_other(world: Watched):
    await world.poisoned(order())
    await watch.watch(world)
    await world.book(version=2)
    await parked.drive_again(Queue.SMS_OUTBOUND, order().message_id, "olivia", world)
    [again] = await world.queued(Queue.SMS_OUTBOUND)
    await texts.send(again, world)
    assert (await world.state(order()), world.sms.asked) == ("skipped another version", [])


async def test_work_that_is_not_parked_cannot_be_driven(world: Watched):
    with pytest.raises(Refused) as refusal:
        await parked.drive_again(Queue.UPKEEP, "w1", "olivia", world)
    assert refusal.value.code is Code.NOT_FOUND


WRITEBACK = WritebackOrder(message_id="v|p|2", give_up_at=NOW, connection=CONNECTION, key="v", person="p")


async def person(world: Watched, **changes: Any) -> Person:
    """Somebody of whom Epic has heard one thing, and two more are to be told."""
    known = await world.visits.find("v")
    visit = Visit(connection=CONNECTION, key="v", session="900100", start=NOW, end=NOW + timedelta(hours=1))
    told = tuple(Change(status=s, at=NOW) for s in ("connected", "disconnected", "connected"))
    usual = {"id": "p", "role": "staff", "external_id": "e", "changes": told, "written": 1}
    made = known.people["p"].model_copy(update=changes) if known.people else Person(**usual | changes)
    await world.visits.save(known, visit, made)
    return made


async def written(world: Watched) -> tuple[int, int | None]:
    found = (await world.visits.find("v")).people["p"]
    return found.written, found.unheard_from


async def test_a_poisoned_write_back_is_marked_and_driven_again_it_tells_everything_since_then(world: Watched):
    await person(world)
    await world.poisoned(WRITEBACK)
    await watch.watch(world)
    await writeback.gave_up(WRITEBACK, world, "poison")  # twice is once
    assert await written(world) == (3, 1)
    await parked.drive_again(Queue.EHR_WRITEBACK, "v|p|2", "olivia", world)
    assert await written(world) == (1, None)


async def test_a_write_back_is_not_driven_again_while_somebody_writes(world: Watched):
    await person(world, unheard_from=1, written=3, lease="l", lease_until=Clock().real() + timedelta(minutes=1))
    with pytest.raises(Later):
        await writeback.reopen(WRITEBACK, world)
    assert await written(world) == (3, 1)


async def test_after_erasure_nobody_is_told_of_again(world: Watched):
    await person(world, unheard_from=1, written=3, external_id=None)
    await writeback.reopen(WRITEBACK, world)
    assert await written(world) == (3, 1)


# --- what rests of patients


@pytest.mark.feature("F12.6")
@pytest.mark.parametrize(
    ("message", "phone", "until"),
    [
        (scheduling(), PHONE, NOW + 2 * DAY + timedelta(hours=1)),
        (scheduling(start=NOW + 30 * DAY), PHONE, NOW + 3 * DAY),
        (scheduling(start=None), PHONE, NOW + timedelta(hours=1)),
        (scheduling(start=NOW - timedelta(hours=1)), None, NOW + 3 * DAY),
        (scheduling(Action.CANCEL), None, NOW + 3 * DAY),
        (scheduling(Action.NO_SHOW), None, NOW + 3 * DAY),
        (scheduling(phone=None), None, NOW + 3 * DAY),
    ],
)
def test_a_parked_booking_keeps_its_phone_no_longer_than_the_appointment_would(
    message: SchedulingMessage, phone: str | None, until: datetime
):
    kept, kept_until = at_rest(message, NOW)
    assert isinstance(kept, SchedulingMessage)
    assert (kept.event.phone, kept_until) == (phone, until)
    assert kept == message.model_copy(update={"event": dataclasses.replace(message.event, phone=phone)})


@pytest.mark.feature("F12.1", "F12.6")
async def test_content_leaves_in_time_and_the_row_tells_on(world: Watched):
    receipt = Receipt(message_id="r1", give_up_at=NOW, kind="stop", happened=NOW, number="+1", other=PHONE)
    for message in (scheduling(), receipt, WORK):
        await world.parked.park(message, "storage")
    for wait, left in ((timedelta(hours=48), 3), (timedelta(hours=49), 2), (timedelta(hours=72), 1), (89 * DAY, 1)):
        world.clock.moment = NOW + wait
        await watch.watch(world)
        rows = await world.rows(Table.PARKED)
        assert (len(rows), sum("message_sealed" in row for row in rows)) == (3, left)
    world.clock.moment = NOW + 91 * DAY
    await expiry.expire(world)
    assert await world.rows(Table.PARKED) == []


async def test_content_whose_key_has_left_the_ring_leaves_too(world: Watched, store: Store):
    await world.parked.park(scheduling(), "storage")
    world.clock.moment = NOW + 4 * DAY
    tables, _ = store.again(KeyRing({"k2": b"2" * 32}))
    assert await Parked(tables, world.clock).erase() == 1
    assert [row for row in await world.rows(Table.PARKED) if "message_sealed" in row] == []


# --- alarms


async def test_all_well_is_silent(world: Watched, alarms: Any):
    await world.agenda.plan([due(NOW - timedelta(minutes=9))])
    await world.queues.put(WORK)
    await watch.watch(world)
    assert alarms() == []


async def test_an_agenda_that_nobody_works_off_is_seen(world: Watched, alarms: Any):
    await world.agenda.plan([due(NOW - timedelta(minutes=minutes), f"k{minutes}") for minutes in (5, 11, 42)])
    await watch.watch(world)
    assert alarms() == ["work overdue count=2 minutes=42"]


def due(at: datetime, key: str = "k") -> Due:
    return Due(at, START, "close", CONNECTION, key, 0)


@pytest.mark.parametrize(("hidden", "seen"), [(timedelta(), True), (timedelta(minutes=10), False)])
async def test_a_queue_counts_the_wait_from_when_a_message_was_to_be_seen(
    world: Watched, alarms: Any, monkeypatch: Any, hidden: timedelta, *, seen: bool
):
    """The text says that it was hidden; the emulator shows it at once, so that no test has to wait for it."""
    content = base64.b64encode(world.queues.encode(WORK, int(hidden.total_seconds())).encode()).decode()
    await world.store.raw_queue(Queue.UPKEEP).send_message(content)
    later = Clock().real() + timedelta(minutes=20)
    monkeypatch.setattr(text_world.MovingClock, "real", lambda _: later)
    await watch.watch(world)
    assert [one.partition(" minutes=")[0] for one in alarms()] == ["queue behind queue=upkeep length=1"] * seen


@pytest.mark.parametrize(
    ("days", "said"),
    [((31,), []), ((30,), [30]), ((1,), [1]), ((-2,), [-2]), ((2, 300), []), ((-2, 9), [9]), ((), [])],
)
async def test_an_engine_certificate_that_ends_is_named_unless_a_newer_one_is_pinned(
    world: Watched, alarms: Any, days: tuple[int, ...], said: list[int]
):
    pins = tuple(
        EngineCertificate(spki=f"{number:064x}", not_before=NOW - 900 * DAY, not_after=NOW + day * DAY)
        for number, day in enumerate(days)
    )
    connection = await world.connect()
    await certified(world, connection.model_copy(update={"own": own_side(certificates=pins)}))
    await watch.watch(world)
    assert alarms() == [f"certificate ends days={day} whose=engine which={CONNECTION}" for day in said]


async def certified(world: Watched, connection: Any) -> None:
    row = {"PartitionKey": str(LAMNA.tenant), "RowKey": f"conn|{connection.id}"}
    await world.store.tables.put(Table.CONNECTIONS, row | {"settings": connection.model_dump_json()})


async def test_a_connection_that_does_not_serve_is_left_alone(world: Watched, alarms: Any):
    pin = EngineCertificate(spki="0" * 64, not_before=NOW - 900 * DAY, not_after=NOW)
    connection = await world.connect()
    own = {"own": own_side(certificates=(pin,)), "active": epic_side(), "suspended": True}
    await certified(world, connection.model_copy(update=own))
    await watch.watch(world)
    assert alarms() == []


async def test_our_own_certificates_are_watched_too(world: Watched, alarms: Any):
    keys = (("n2", pem(NOW + 5 * DAY)), ("n1", pem(NOW - DAY)))
    world.set(connector_certificate=pem(NOW + 29 * DAY), notification_keys=keys)
    await watch.watch(world)
    assert alarms() == [
        "certificate ends days=29 whose=connector which=connector",
        "certificate ends days=5 whose=notifications which=n2",
    ]


async def test_a_look_that_fails_is_an_alarm_and_does_not_stop_the_others(world: Watched, alarms: Any):
    world.set(connector_certificate="spoilt")
    world.agenda = None  # type: ignore[assignment]  # what is broken
    await world.poisoned(WORK)
    await watch.watch(world)
    assert alarms() == [
        "poison parked queue=upkeep id=w1",
        "watch failed look=agenda error=AttributeError",
        "watch failed look=own_certificates error=ValueError",
    ]


# --- expiry


@pytest.mark.parametrize(("days", "left"), [(90, 1), (92, 0)])
async def test_texts_leave_by_their_day(world: Watched, days: int, left: int):
    day = partition(CONNECTION, f"{NOW - days * DAY:%Y%m%d}")
    other = {"PartitionKey": partition(f"{CONNECTION}b", "20200101"), "RowKey": "of a connection nobody knows"}
    for row in ({"PartitionKey": day, "RowKey": "t"}, other):
        await world.store.tables.put(Table.TEXTS, row)
    await expiry.expire(world)
    assert len(await world.rows(Table.TEXTS)) == left + 1


async def test_what_a_removed_connection_did_leaves_in_its_own_time(world: Watched):
    current, etag = await world.connections.find(CONNECTION)
    await world.connections.remove(configuration.ended(current), etag, who="adam", at=NOW)
    for days in (90, 92):
        row = {"PartitionKey": partition(CONNECTION, f"{NOW - days * DAY:%Y%m%d}"), "RowKey": "t"}
        await world.store.tables.put(Table.TEXTS, row)
    await world.audit.note([Fact(CONNECTION, "v", "closed", NOW - days * DAY) for days in (2190, 2192)])
    await expiry.expire(world)
    assert (len(await world.rows(Table.TEXTS)), len(await world.rows(Table.AUDIT))) == (1, 1)


@pytest.mark.parametrize(("days", "left"), [(2190, 1), (2192, 0)])
async def test_the_audit_leaves_by_the_day_of_the_fact(world: Watched, days: int, left: int):
    await world.audit.note([Fact(CONNECTION, "v", "closed", NOW - days * DAY)])
    await expiry.expire(world)
    assert len(await world.rows(Table.AUDIT)) == left


@pytest.mark.feature("F3.2")
async def test_an_approval_that_came_to_nothing_leaves_as_soon_as_its_time_is_over(world: Watched):
    for minutes in (14, 16):
        until = NOW + timedelta(minutes=minutes)
        await world.lookups.put(Kind.APPROVAL, f"a{minutes}", "c", until, user_sealed="plover")
    await world.lookups.put(Kind.TEXT, "t", "day", NOW)
    world.clock.moment = NOW + timedelta(minutes=15)
    await watch.watch(world)
    assert sorted(row["PartitionKey"].partition("|")[0] for row in await world.rows(Table.LOOKUPS)) == [
        "approval",
        "text",
    ]


async def test_lookups_leave_a_day_after_they_expired_and_those_without_expiry_stay(world: Watched):
    for name, expires in (("old", NOW - 2 * DAY), ("fresh", NOW - DAY / 2), ("open", NOW + DAY), ("ever", None)):
        await world.lookups.put(Kind.LAUNCH_STATE, name, name, expires)
    await world.brake.admit(CONNECTION, "t", 5, NOW - 4 * DAY)
    await expiry.expire(world)
    assert {row.get("target") for row in await world.rows(Table.LOOKUPS)} == {"fresh", "open", "ever"}


async def test_more_rows_than_one_batch_holds_leave_together(world: Watched):
    for number in range(205):
        row = {"PartitionKey": "p", "RowKey": str(number), "expires": NOW - 9 * DAY}
        await world.store.tables.put(Table.LOOKUPS, row)
    assert await world.lookups.expire(NOW) == 205
    assert await world.rows(Table.LOOKUPS) == []


@pytest.mark.parametrize(
    ("appointment", "visit", "left"),
    [
        (399, None, 1),
        (402, None, 0),
        (402, 399, 2),
        (399, 402, 2),
        (402, 402, 0),
    ],
)
async def test_a_visit_leaves_whole_once_all_of_it_is_over(
    world: Watched, appointment: int, visit: int | None, left: int
):
    await world.store.tables.delete(Table.VISITS, "k", "appt")
    await world.book("v", facts={"start": NOW - appointment * DAY})
    if visit:
        start = NOW - visit * DAY
        known = await world.visits.find("v")
        await world.visits.save(
            known, Visit(connection=CONNECTION, key="v", session=None, start=start, end=start + timedelta(hours=1))
        )
    await expiry.expire(world)
    assert len(await world.rows(Table.VISITS)) == left


async def test_an_appointment_without_a_time_leaves_by_the_last_word_about_it(world: Watched):
    await world.store.tables.delete(Table.VISITS, "k", "appt")
    await world.book("v", facts={"start": None}, versioned_at=NOW - 402 * DAY)
    await expiry.expire(world)
    assert await world.rows(Table.VISITS) == []


async def test_use_of_organisers_leaves_after_a_year_and_opt_outs_never(world: Watched):
    tenant = str(LAMNA.tenant)
    for month in ("202502", "202503", "202602"):
        await world.organisers.take(tenant, month, ["rooms"])
    await world.opt_outs.stop("+1", PHONE, datetime(2001, 1, 1, tzinfo=UTC), "inbound")
    await expiry.expire(world)
    assert [row["PartitionKey"] for row in await world.rows(Table.ORGANISERS)] == [
        f"{tenant}|202503",
        f"{tenant}|202602",
    ]
    assert len(await world.rows(Table.OPT_OUTS)) == 1


async def test_a_secret_whose_connection_is_gone_leaves(world: Watched):
    current, etag = await world.connections.find(CONNECTION)
    for whose in (current.id, f"{current.id}b"):
        row = {"PartitionKey": whose, "RowKey": "provider|x", "change": 1, "secret_sealed": "plover"}
        await world.store.tables.put(Table.SECRETS, row)
    await expiry.expire(world)
    assert [row["PartitionKey"] for row in await world.rows(Table.SECRETS)] == [current.id]
    await world.connections.remove(configuration.ended(current), etag, who="adam", at=NOW)
    assert await world.rows(Table.SECRETS) == []


async def test_a_table_that_cannot_be_swept_does_not_stop_the_others(world: Watched, alarms: Any):
    world.lookups = None  # type: ignore[assignment]  # what is broken
    await world.audit.note([Fact(CONNECTION, "v", "closed", NOW - 2192 * DAY)])
    await expiry.expire(world)
    assert alarms() == ["expiry failed table=lookups error=AttributeError"]
    assert await world.rows(Table.AUDIT) == []
