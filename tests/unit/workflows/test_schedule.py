"""What scheduling messages add up to: one row and the same texts, whatever the order and however often."""

import asyncio
import itertools
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.agenda import ERASE_AT_LATEST
from shared.domain.appointment import Appointment
from shared.domain.hl7v2.event import Action, Order, PhoneNote, Said, SchedulingEvent
from shared.messages import SchedulingMessage, UpkeepOrder
from shared.storage.agenda import Agenda
from shared.storage.lookups import Kind
from shared.storage.names import Queue, Table
from shared.workflows import agenda, closing, meetings, schedule, texts, upkeep
from tests.conftest import Store
from tests.unit.workflows.launch_world import POOL
from tests.unit.workflows.test_meetings import request
from tests.unit.workflows.text_world import CONNECTION, NOW, PHONE, Killed
from tests.unit.workflows.visit_world import VisitWorld

pytestmark = pytest.mark.feature("F6.4", "F6.6")

START = NOW + timedelta(days=3)
_ACTIONS = {
    "S12": Action.BOOK,
    "S13": Action.MOVE,
    "S14": Action.MODIFY,
    "S15": Action.CANCEL,
    "S26": Action.NO_SHOW,
}


def said(
    trigger: str,
    minute: float = 0,
    csn: str = "9001",
    start: datetime | None = START,
    moved_from: str | None = None,
    control: str = "",
    **changes: Any,
) -> SchedulingMessage:
    """A message sent and arrived some minutes before now's hour is over."""
    at = NOW + timedelta(minutes=minute)
    control = control or f"{csn}-{trigger}-{minute}"
    usual: dict[str, Any] = {
        "trigger": trigger,
        "action": _ACTIONS[trigger],
        "csn": csn,
        "placer_id": None,
        "filler_id": None,
        "moved_from": moved_from,
        "start": start,
        "start_said": Said.GIVEN,
        "end": start + timedelta(minutes=30) if start else None,
        "minutes": 30,
        "phone": PHONE,
        "phone_said": Said.GIVEN,
        "phone_note": PhoneNote.TYPED,
        "language": None,
        "department": None,
        "visit_types": (),
        "video": None,
        "sent": at,
        "order": Order(at, at, 0, control),
        "sender": "EPIC|LH",
        "control_id": control,
        "notes": (),
    }
    return SchedulingMessage(
        message_id=control,
        give_up_at=NOW + timedelta(days=1),
        connection=CONNECTION,
        event=SchedulingEvent(**usual | changes),
    )


class ScheduleWorld(VisitWorld):
    """Texts are on; what was sent is asked of the provider's stand-in of the unit tests."""

    async def heard(self, *messages: SchedulingMessage) -> None:
        for message in messages:
            await schedule.apply(message, self)

    async def appointment(self, csn: str = "9001") -> Appointment:
        found = await self.appointments.find(self.key(csn))
        assert found
        return found[0]

    def key(self, csn: str) -> str:
        return self.pseudonyms.of("csn", CONNECTION, csn)

    async def texted(self) -> list[tuple[str | None, datetime | None]]:
        """Send everything that waits; what reached the phone: occasion and time of each."""
        orders = await self.queued(Queue.SMS_OUTBOUND)
        for order in orders:
            await texts.send(order, self)
        found = [await self.text(order) for order in orders]
        return [(one.occasion, one.start) for one in found if one and one.state == "accepted"]


@pytest.fixture
async def world(store: Store) -> ScheduleWorld:
    made = ScheduleWorld(store)
    connection = await made.connect(reminders=(60,))
    own = connection.own.model_copy(update={"organisers": POOL})
    row = {"PartitionKey": str(connection.tenant), "RowKey": f"conn|{connection.id}"}
    changed = connection.model_copy(update={"own": own})
    await store.tables.put(Table.CONNECTIONS, row | {"settings": changed.model_dump_json()})
    return made


# --- consequences


async def test_an_appointment_whose_every_message_is_as_long_as_messages_may_be_is_kept(world: ScheduleWorld) -> None:
    """Twenty of them are remembered, which is more than one property of a table holds."""
    for minute in range(30):
        name = f"{minute:02}" + "\u8a3a" * 78
        names = {"department": name, "department_name": name, "provider": name, "visit_types": (name,)}
        ids = {"control": f"{minute:0199}", "sender": "\u8a3a" * 455}
        await world.heard(said("S14" if minute else "S12", minute, **names, **ids))
    assert (await world.appointment()).facts.provider == "29" + "\u8a3a" * 78


async def test_every_delivery_emits_the_same_ids_and_entries(world: ScheduleWorld) -> None:
    await world.heard(said("S12"))
    first = [order.message_id for order in await world.queued(Queue.SMS_OUTBOUND)]
    entries = await world.agenda_now()
    row = await world.appointment()
    for _ in range(2):
        await world.heard(said("S12"))
        assert [order.message_id for order in await world.queued(Queue.SMS_OUTBOUND)] == first
    assert (await world.agenda_now(), await world.appointment(), len(first)) == (entries, row, 1)


@pytest.mark.promise("P1")
@pytest.mark.parametrize("place", ["lookups.put", "agenda.plan", "queues.put"])
async def test_killed_between_row_and_consequences_the_next_delivery_makes_up_for_it(
    world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    async def dies(*_: Any, **__: Any) -> None:
        raise Killed

    owner, name = place.split(".")
    with monkeypatch.context() as patch:
        patch.setattr(getattr(world, owner), name, dies)
        with pytest.raises(Killed):
            await world.heard(said("S12"))
    await world.heard(said("S12"))
    assert await world.texted() == [("booked", START)]
    assert {kind for kind, _, _ in await world.agenda_now()} == {"reminder", "provision", "erase-phone", "erase-visit"}
    assert await world.lookups.find(Kind.JOIN_TOKEN, (await world.appointment()).join_token or "")


@pytest.mark.promise("P2")
async def test_the_storm_of_modifications_texts_nobody(world: ScheduleWorld) -> None:
    await world.heard(said("S12"))
    await world.texted()
    await world.heard(*(said("S14", minute) for minute in range(1, 15)))
    await world.texted()
    assert (len(world.sms.phones), (await world.appointment()).version) == (1, 1)


async def test_many_messages_of_one_appointment_at_once_settle_in_one_row(world: ScheduleWorld) -> None:
    await asyncio.gather(*(world.heard(said("S14", minute)) for minute in range(12)))
    assert len((await world.appointment()).history) == 12


# --- moves

OLD, NEW = "9001", "9002"
LATER = START + timedelta(days=14)


def move(minute: float = 10, **changes: Any) -> SchedulingMessage:
    return said("S13", minute, NEW, LATER, moved_from=OLD, **changes)


@pytest.mark.feature("F6.4")
async def test_a_move_to_a_new_appointment_takes_the_link_along_and_says_changed(world: ScheduleWorld) -> None:
    await world.heard(said("S12"))
    link = (await world.appointment(OLD)).join_token
    await world.texted()
    await world.heard(move())
    assert await world.texted() == [("changed", LATER)]
    heir, former = await world.appointment(NEW), await world.appointment(OLD)
    assert (heir.join_token, heir.moved_from, former.moved_to) == (link, former.key, heir.key)
    assert (former.facts.phone, former.history[0].facts["phone"]) == (None, None)
    row = await world.lookups.find(Kind.JOIN_TOKEN, link or "")
    assert row
    assert row["target"] == heir.key


async def test_the_old_appointments_cancellation_afterwards_texts_nobody_and_leaves_the_link(
    world: ScheduleWorld,
) -> None:
    await world.heard(said("S12"))
    await world.texted()
    await world.heard(move())
    await world.texted()
    await world.heard(said("S15", 11, OLD))
    assert await world.queued(Queue.SMS_OUTBOUND) == []
    row = await world.lookups.find(Kind.JOIN_TOKEN, (await world.appointment(NEW)).join_token or "")
    assert row
    assert row["target"] == (await world.appointment(NEW)).key


async def test_the_old_appointments_agenda_is_void(world: ScheduleWorld) -> None:
    """What stands on the agenda already is not withdrawn: who receives it drops it."""
    await world.heard(said("S12"), move())
    await world.texted()
    world.clock.moment = START - timedelta(minutes=60)
    await meetings.serve(request(key=world.key(OLD)), world)
    assert (await world.visits.find(world.key(OLD))).visit is None
    await agenda.dispatch(world)
    assert await world.texted() == []


async def test_the_old_appointments_erasure_leaves_the_link_of_the_next(world: ScheduleWorld) -> None:
    await world.heard(said("S12"), move())
    world.clock.moment = START + timedelta(minutes=30) + ERASE_AT_LATEST
    key = world.key(OLD)
    await closing.erase(
        UpkeepOrder(message_id="e", give_up_at=LATER, connection=CONNECTION, kind="erase-visit", key=key, version=0),
        world,
    )
    assert (await world.appointment(OLD)).csn is None
    assert await world.lookups.find(Kind.JOIN_TOKEN, (await world.appointment(NEW)).join_token or "")


@pytest.mark.promise("P2", "P12")
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_move_in_any_order_leaves_the_old_one_silent(world: ScheduleWorld, order: Any) -> None:
    """Queue functions run side by side: the move may be worked on before the booking that it replaces."""
    events = [said("S12"), move(), said("S15", 11, OLD)]
    await world.heard(*(events[place] for place in order))
    occasions = await world.texted()
    heir, former = await world.appointment(NEW), await world.appointment(OLD)
    assert (former.moved_to, heir.moved_from, former.facts.phone) == (heir.key, former.key, None)
    assert [start for _, start in occasions] == [LATER]
    row = await world.lookups.find(Kind.JOIN_TOKEN, heir.join_token or "")
    assert row
    assert row["target"] == heir.key


async def test_a_move_and_what_it_replaces_at_the_same_time_end_the_same(world: ScheduleWorld) -> None:
    await asyncio.gather(world.heard(said("S12")), world.heard(move()), world.heard(said("S15", 11, OLD)))
    assert (await world.appointment(OLD)).moved_to == world.key(NEW)
    assert (await world.texted())[-1:] == [("booked", LATER)]


async def test_an_appointment_that_names_itself_is_not_moved(world: ScheduleWorld) -> None:
    await world.heard(said("S12"), said("S13", 5, OLD, LATER, moved_from=OLD))
    assert ((await world.appointment(OLD)).moved_to, (await world.appointment(OLD)).facts.start) == (None, LATER)


async def test_what_was_moved_once_is_not_taken_over_by_a_second_heir(world: ScheduleWorld) -> None:
    await world.heard(said("S12"), move(), said("S13", 12, "9003", LATER, moved_from=OLD))
    assert (await world.appointment(OLD)).moved_to == world.key(NEW)
    assert (await world.appointment("9003")).moved_from is None


async def test_a_move_back_leaves_the_first_one_standing_with_the_link(world: ScheduleWorld) -> None:
    back = said("S13", 20, OLD, START + timedelta(hours=1), moved_from=NEW)
    await world.heard(said("S12"))
    await world.texted()
    await world.heard(move())
    assert await world.texted() == [("changed", LATER)]
    await world.heard(back, move(), back)
    first, second = await world.appointment(OLD), await world.appointment(NEW)
    assert (first.moved_to, second.moved_to, first.facts.phone) == (None, first.key, PHONE)
    assert set(await world.texted()) == {("changed", START + timedelta(hours=1))}
    assert len(world.sms.phones) == 3
    row = await world.lookups.find(Kind.JOIN_TOKEN, first.join_token or "")
    assert row
    assert row["target"] == first.key


@pytest.mark.promise("P12")
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_move_and_the_move_back_in_any_order_leave_the_first_one_standing(
    world: ScheduleWorld, order: Any
) -> None:
    events = [said("S12"), move(), said("S13", 20, OLD, START + timedelta(hours=1), moved_from=NEW)]
    await world.heard(*(events[place] for place in order))
    first, second = await world.appointment(OLD), await world.appointment(NEW)
    assert (first.moved_to, second.moved_to) == (None, first.key)
    assert {start for _, start in await world.texted()} == {START + timedelta(hours=1)}
    assert len(world.sms.phones) == 1


async def test_a_move_back_to_the_time_that_was_told_first_is_told_again(world: ScheduleWorld) -> None:
    """The patient's last text names the other time."""
    await world.heard(said("S12"))
    await world.texted()
    world.clock.moment = NOW + timedelta(minutes=11)
    await world.heard(move())
    await world.texted()
    world.clock.moment = NOW + timedelta(minutes=21)
    await world.heard(said("S13", 20, OLD, START, moved_from=NEW))
    assert await world.texted() == [("changed", START)]
    world.clock.moment = NOW + timedelta(minutes=31)
    await world.heard(said("S13", 30, NEW, LATER, moved_from=OLD))
    assert await world.texted() == [("changed", LATER)]
    assert len(world.sms.phones) == 4


@pytest.mark.promise("P12")
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_there_and_back_and_there_again_in_any_order_leave_the_second_one_standing(
    world: ScheduleWorld, order: Any
) -> None:
    back = said("S13", 20, OLD, START + timedelta(hours=1), moved_from=NEW)
    events = [said("S12"), move(), back, said("S13", 30, NEW, LATER + timedelta(hours=1), moved_from=OLD)]
    await world.heard(*(events[place] for place in order))
    first, second = await world.appointment(OLD), await world.appointment(NEW)
    assert (first.moved_to, second.moved_to, first.join_token) == (second.key, None, None)
    row = await world.lookups.find(Kind.JOIN_TOKEN, second.join_token or "")
    assert row
    assert row["target"] == second.key


async def test_a_move_that_is_repeated_after_many_messages_silences_nobody(world: ScheduleWorld) -> None:
    await world.heard(said("S12"), move(), said("S12", 20, OLD, START + timedelta(hours=2)))
    await world.heard(*(said("S14", 21 + minute, OLD, START + timedelta(hours=2)) for minute in range(21)))
    await world.heard(move())
    again = await world.appointment(OLD)
    assert (again.moved_to, again.facts.phone) == (None, PHONE)


async def test_what_stands_again_has_a_link_of_its_own(world: ScheduleWorld) -> None:
    await world.heard(
        said("S12"), move(), said("S12", 20, OLD, START + timedelta(hours=2)), said("S14", 25, NEW, LATER)
    )
    first, second = await world.appointment(OLD), await world.appointment(NEW)
    assert first.join_token != second.join_token
    for one in (first, second):
        row = await world.lookups.find(Kind.JOIN_TOKEN, one.join_token or "")
        assert row
        assert row["target"] == one.key


async def test_what_was_moved_away_and_is_booked_anew_stands_again(world: ScheduleWorld) -> None:
    await world.heard(said("S12"), move(), said("S12", 20, OLD, START + timedelta(hours=2)))
    assert (await world.appointment(OLD)).moved_to is None
    assert (await world.appointment(NEW)).moved_to is None
    assert sorted(start for _, start in await world.texted() if start) == [START + timedelta(hours=2), LATER]


async def test_who_replaces_another_late_keeps_what_its_patient_was_told_last(world: ScheduleWorld) -> None:
    await world.heard(said("S12"))
    await world.texted()
    world.clock.moment = NOW + timedelta(minutes=5)
    await world.heard(said("S12", 5, NEW, LATER))
    await world.texted()
    await world.heard(said("S14", 10, NEW, LATER, moved_from=OLD))
    assert await world.texted() == []
    await world.heard(said("S15", 20, NEW, LATER))
    assert await world.texted() == [("cancelled", LATER)]


async def test_an_older_one_of_which_nothing_was_heard_has_an_end_and_no_link(world: ScheduleWorld) -> None:
    await world.heard(move())
    far = NOW + timedelta(days=5000)
    assert world.key(OLD) in [key async for key in world.visits.over(far)]
    assert (await world.appointment(OLD)).join_token is None


# --- versions


@pytest.mark.promise("P2")
async def test_a_late_message_never_makes_another_text_of_a_version_that_was_announced(world: ScheduleWorld) -> None:
    """Two messages give the same new time; the older one comes after midnight, while the first text is held."""
    late = NOW.replace(hour=23, minute=50)

    def at(trigger: str, minute: int, arrived: datetime, start: datetime) -> SchedulingMessage:
        sent = late + timedelta(minutes=minute)
        return said(trigger, 0, start=start, control=f"{minute}", sent=sent, order=Order(sent, arrived, 0, f"{minute}"))

    world.clock.moment = late
    await world.heard(at("S12", -30, late, START))
    await world.texted()
    await world.connect(reminders=(60,), hourly_brake=0)
    await world.heard(at("S13", 0, late, START + timedelta(hours=1)))
    assert await world.texted() == []
    world.clock.moment = late + timedelta(minutes=15)
    connection = await world.connect(reminders=(60,), hourly_brake=500)
    await world.heard(at("S14", -1, world.clock.moment, START + timedelta(hours=1)))
    assert await world.texted() == []
    assert await texts.decide(connection, "release", world) == 1
    world.clock.moment += timedelta(minutes=30)
    await world.texted()
    assert len(world.sms.phones) == 2


@pytest.mark.promise("P12")
async def test_a_cancellation_that_comes_late_is_told_whatever_was_told_meanwhile(world: ScheduleWorld) -> None:
    """The visit left the video visits and came back; then an older message turns up that cancelled it."""
    for message in (said("S12", video=True), said("S14", 20, video=False), said("S14", 30, video=True)):
        await world.heard(message)
        await world.texted()
    await world.heard(said("S15", 10))
    assert await world.texted() == [("cancelled", START)]
    assert "is cancelled" in world.sms.phones[-1].words


# --- what is announced


async def test_what_came_in_during_the_initial_load_is_quiet_although_it_is_worked_on_later(
    world: ScheduleWorld,
) -> None:
    waiting = [said("S12", 0, csn=f"7{number:03}").model_copy(update={"loading": True}) for number in range(3)]
    await world.heard(*waiting)
    assert await world.texted() == []
    await world.heard(said("S12", 1, csn="7999"))
    assert await world.texted() == [("booked", START)]


# --- no start


@pytest.mark.feature("F6.3")
@pytest.mark.parametrize("first", [[said("S12")], []], ids=["deleted", "never given"])
async def test_the_phone_leaves_also_when_there_is_no_start_any_more(world: ScheduleWorld, first: Any) -> None:
    await world.heard(*first, said("S14", 5, start=None, start_said=Said.DELETED))
    world.clock.moment = NOW + timedelta(hours=2)
    await agenda.dispatch(world)
    for order in await world.queued(Queue.UPKEEP):
        await upkeep.apply(order, world)
    assert PHONE not in (await world.appointment()).model_dump_json()


# --- erased and booked again


async def test_an_erased_appointment_with_a_new_time_has_its_id_and_a_link_again(world: ScheduleWorld) -> None:
    await world.heard(said("S12"))
    world.clock.moment = START + timedelta(minutes=30) + ERASE_AT_LATEST
    order = UpkeepOrder(
        message_id="e", give_up_at=LATER, connection=CONNECTION, kind="erase-visit", key=world.key(OLD), version=0
    )
    await closing.erase(order, world)
    minutes = (world.clock.moment - NOW) / timedelta(minutes=1)
    await world.heard(said("S14", minutes))
    assert ((await world.appointment()).csn, (await world.appointment()).join_token) == (None, None)
    await world.heard(said("S13", minutes + 1, start=LATER))
    again = await world.appointment()
    assert again.csn == OLD
    assert await world.lookups.find(Kind.JOIN_TOKEN, again.join_token or "")
    assert "provision" in {kind for kind, _, at in await world.agenda_now() if at > world.clock.moment}


# --- any order


class _Forgetful(Agenda):
    """Entries are not this property's subject, and writing them takes most of its time."""

    async def plan(self, entries: Any) -> None:
        list(entries)


async def _end(world: ScheduleWorld, csn: str, messages: list[SchedulingMessage]) -> tuple[Any, Any, Any]:
    """The row, the texts that are still wanted then, and what the phone got when they were sent at the end."""
    await world.heard(*messages)
    row = await world.appointment(csn)
    orders = {order.message_id: order for order in await world.queued(Queue.SMS_OUTBOUND)}
    for order in orders.values():
        await texts.send(order, world)
    sent = [await world.text(order) for order in orders.values()]
    wanted = {(one.kind, one.slot) for one in orders.values() if one.version == row.version}
    said_ = sorted(str((one.occasion, one.start)) for one in sent if one and one.state == "accepted")
    told = {"told_version", "version", "versioned_at", "quiet", "confirmed"}
    return row.model_dump(exclude={"key", "csn", "join_token"} | told), wanted, said_


@pytest.mark.promise("P2", "P12")
async def test_any_order_repetition_and_tie_ends_in_the_same_row_and_the_same_texts(world: ScheduleWorld) -> None:
    """Through the real workflow and storage; each of sixty stories on two appointments of its own."""
    world.agenda = _Forgetful(world.store.tables)
    for seed in range(60):
        dice = random.Random(seed)  # noqa: S311 - reproducible on purpose
        story = [
            (dice.choice(["S12", "S13", "S14", "S15", "S26"]), dice.randint(0, 4), dice.randint(0, 2))
            for _ in range(dice.randint(1, 7))
        ]

        def messages(csn: str, story: Any = story) -> list[SchedulingMessage]:
            return [
                said(trigger, minute, csn, START + timedelta(hours=hours), control=f"{place}")
                for place, (trigger, minute, hours) in enumerate(story)
            ]

        mixed = messages(f"mixed{seed}") * dice.randint(1, 2)
        dice.shuffle(mixed)
        in_order = sorted(messages(f"straight{seed}"), key=lambda one: one.event.order)
        straight = await _end(world, f"straight{seed}", in_order)
        assert await _end(world, f"mixed{seed}", mixed) == straight, story
