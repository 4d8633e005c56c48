"""Phone numbers leave in time, and changed reminders reach every open appointment."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.connection import SmsSetup
from shared.errors import Later
from shared.messages import UpkeepOrder
from shared.storage.names import Queue, Table
from shared.workflows import upkeep
from tests.conftest import Store
from tests.unit.workflows.test_schedule import START, ScheduleWorld, said
from tests.unit.workflows.text_world import CONNECTION, NOW, PHONE

LATER = START + timedelta(days=4)


def order(kind: str, key: str) -> UpkeepOrder:
    return UpkeepOrder(
        message_id=f"{kind}|{key}", give_up_at=LATER, connection=CONNECTION, kind=kind, key=key, version=1
    )


@pytest.fixture
async def world(store: Store) -> ScheduleWorld:
    made = ScheduleWorld(store)
    await made.connect(reminders=(60,))
    return made


async def erase(world: ScheduleWorld, moment: Any) -> str | None:
    world.clock.moment = moment
    await upkeep.apply(order("erase-phone", world.key("9001")), world)
    return (await world.appointment()).facts.phone


@pytest.mark.feature("F6.3", "F12.2", "F12.6")
@pytest.mark.parametrize(("minutes", "kept"), [(-60, PHONE), (59, PHONE), (60, None), (600, None)])
async def test_the_phone_leaves_an_hour_after_the_start(world: ScheduleWorld, minutes: int, kept: str | None) -> None:
    await world.heard(said("S12"))
    assert await erase(world, START + timedelta(minutes=minutes)) == kept


@pytest.mark.feature("F6.3", "F12.2", "F12.6")
@pytest.mark.parametrize("trigger", ["S15", "S26"])
async def test_the_phone_leaves_an_hour_after_word_of_a_cancellation_or_no_show(
    world: ScheduleWorld, trigger: str
) -> None:
    await world.heard(said("S12"), said(trigger, 5))
    assert await erase(world, NOW + timedelta(minutes=64)) == PHONE
    assert await erase(world, NOW + timedelta(minutes=65)) is None


@pytest.mark.feature("F6.3", "F12.2", "F12.6")
async def test_the_phone_is_gone_from_everything_that_is_remembered(world: ScheduleWorld) -> None:
    await world.heard(*(said("S14", minute) for minute in range(25)))
    await erase(world, START + timedelta(hours=1))
    assert PHONE not in (await world.appointment()).model_dump_json()


async def test_an_appointment_that_was_moved_ahead_keeps_its_phone(world: ScheduleWorld) -> None:
    await world.heard(said("S12"), said("S13", 5, start=LATER))
    assert await erase(world, START + timedelta(hours=1)) == PHONE


async def test_an_order_for_nothing_does_nothing(world: ScheduleWorld) -> None:
    for kind in ("erase-phone", "close", "erase-visit"):
        await upkeep.apply(order(kind, "unknown"), world)


@pytest.mark.feature("F5.9")
async def test_changed_intervals_replan_the_open_appointments_of_that_connection(world: ScheduleWorld) -> None:
    await world.heard(
        said("S12"), said("S12", 1, "9002"), said("S12", 2, "9003"), said("S15", 3, "9003"), said("S12", 4, "9004")
    )
    world.clock.moment = START - timedelta(hours=3)
    await world.heard(said("S13", 4300, "9004", start=START - timedelta(hours=4)))
    connection, _ = await world.connections.find(CONNECTION)
    usual = connection.own.sms.model_dump()
    sms = SmsSetup(**usual | {"reminders": (60, 120)})
    changed = connection.model_copy(update={"own": connection.own.model_copy(update={"sms": sms})})
    row = {"PartitionKey": str(connection.tenant), "RowKey": f"conn|{CONNECTION}"}
    await world.store.tables.put(Table.CONNECTIONS, row | {"settings": changed.model_dump_json()})
    before = await reminders(world)
    await upkeep.apply(order("replan", ""), world)
    fresh = {(world.key(csn), START - timedelta(minutes=120)) for csn in ("9001", "9002")}
    assert await reminders(world) - before == fresh


async def test_a_replan_waits_for_the_change_it_was_ordered_for_and_at_last_takes_it_for_never_written(
    world: ScheduleWorld,
) -> None:
    await world.heard(said("S12"))
    before = await reminders(world)
    early = order("replan", "").model_copy(update={"version": 2})
    for attempt in range(8):
        with pytest.raises(Later):
            await upkeep.apply(early.model_copy(update={"attempt": attempt}), world)
    await upkeep.apply(early.model_copy(update={"attempt": 8}), world)
    assert await reminders(world) == before


async def follow(world: ScheduleWorld) -> list[str]:
    """Work on a replan and on all that follows from it; the ids of what followed."""
    todo, ids = [order("replan", "")], list[str]()
    while todo:
        await upkeep.apply(todo.pop(), world)
        todo = await world.queued(Queue.UPKEEP)
        ids += [one.message_id for one in todo]
    return ids


@pytest.mark.feature("F5.9")
@pytest.mark.parametrize(("page", "messages"), [(2, 2), (5, 1), (6, 0)])
async def test_many_appointments_are_replanned_a_page_to_a_message(
    world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch, page: int, messages: int
) -> None:
    await world.heard(*(said("S12", minute, f"900{minute}") for minute in range(5)))
    before = await reminders(world)
    await world.store.tables.sweep(Table.DUE_WORK, "kind eq 'reminder'")
    monkeypatch.setattr(upkeep, "_PAGE", page)
    ids = await follow(world)
    assert (await reminders(world), len(ids), len(set(ids))) == (before, messages, messages)
    assert len(before) == 5


@pytest.mark.feature("F5.9")
async def test_a_replan_writes_reminders_of_booked_appointments_and_nothing_else(
    world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.heard(said("S12"), said("S12", 1, "9002"), said("S15", 2, "9002"))
    written = []
    monkeypatch.setattr(world.agenda, "plan", lambda entries: _kept(written, entries))
    await follow(world)
    assert [(due.key, due.kind) for due in written] == [(world.key("9001"), "reminder")]


async def _kept(written: list[Any], entries: Iterable[Any]) -> None:
    written += entries


async def reminders(world: ScheduleWorld) -> set[tuple[str, Any]]:
    return {(key, at) for kind, key, at in await world.agenda_now() if kind == "reminder"}
