"""The minute's tick enqueues what is due and nothing else; late, missed, doubled or killed does no harm."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.agenda import Due
from shared.errors import Later
from shared.messages import MeetingRequest, TextOrder, UpkeepOrder, text_id
from shared.storage.names import Queue, Table
from shared.workflows import agenda
from tests.conftest import Store
from tests.unit.workflows.text_world import CONNECTION, NOW, Killed
from tests.unit.workflows.visit_world import VisitWorld

pytestmark = [pytest.mark.feature("F5.9"), pytest.mark.promise("P6")]


def due(kind: Any = "close", minutes: float = 0, key: str = "k", version: int = 0, slot: int = 0) -> Due:
    at = NOW + timedelta(minutes=minutes)
    return Due(at, at + timedelta(days=1), kind, CONNECTION, key, version, slot)


@pytest.fixture
async def world(store: Store) -> VisitWorld:
    made = VisitWorld(store)
    await made.connect()
    return made


async def left(world: VisitWorld) -> list[tuple[str, datetime]]:
    return [(kind, at) for kind, _, at in await world.agenda_now()]


async def test_each_kind_goes_to_its_queue_under_its_own_id(world: VisitWorld) -> None:
    kinds = ("provision", "subscribe", "close", "erase-visit", "erase-phone")
    await world.agenda.plan([*(due(kind) for kind in kinds), due("reminder", version=3, slot=60)])
    await agenda.dispatch(world)
    asked: list[MeetingRequest] = await world.queued(Queue.MEETING_REQUESTS)
    assert sorted(one.kind for one in asked) == ["provide", "subscribe"]
    upkeep: list[UpkeepOrder] = await world.queued(Queue.UPKEEP)
    assert sorted(one.kind for one in upkeep) == ["close", "erase-phone", "erase-visit"]
    [text] = await world.queued(Queue.SMS_OUTBOUND)
    assert isinstance(text, TextOrder)
    assert (text.message_id, text.give_up_at) == (text_id("k", "reminder", 60, 3), NOW + timedelta(days=1))
    assert await left(world) == []


@pytest.mark.parametrize(("minutes", "goes"), [(-600, True), (-1, True), (0, True), (0.9, True), (1, False)])
async def test_what_is_due_by_this_minute_goes_and_the_rest_stays(
    world: VisitWorld, minutes: float, goes: bool
) -> None:
    await world.agenda.plan([due(minutes=minutes)])
    await agenda.dispatch(world)
    assert (len(await world.queued(Queue.UPKEEP)), len(await left(world))) == ((1, 0) if goes else (0, 1))


async def test_an_entry_made_after_its_minute_goes_with_the_next_tick(world: VisitWorld) -> None:
    await agenda.dispatch(world)
    await world.agenda.plan([due(minutes=-5)])
    world.clock.moment += timedelta(minutes=1)
    await agenda.dispatch(world)
    assert len(await world.queued(Queue.UPKEEP)) == 1


async def test_missed_ticks_are_made_up_for(world: VisitWorld) -> None:
    await world.agenda.plan([due(minutes=minute, key=f"k{minute}") for minute in range(30)])
    world.clock.moment += timedelta(hours=2)
    await agenda.dispatch(world)
    assert len(await world.queued(Queue.UPKEEP)) == 30


async def test_two_ticks_at_once_send_the_same_ids_and_leave_nothing(world: VisitWorld) -> None:
    await world.agenda.plan([due(key=f"k{number}") for number in range(8)])
    await asyncio.gather(agenda.dispatch(world), agenda.dispatch(world))
    ids = {one.message_id for one in await world.queued(Queue.UPKEEP)}
    assert (len(ids), await left(world)) == (8, [])


@pytest.mark.promise("P1")
async def test_killed_between_enqueueing_and_deleting_the_next_tick_sends_the_same_again(
    world: VisitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: Any) -> None:
        raise Killed

    await world.agenda.plan([due(), due("reminder", slot=60)])
    with monkeypatch.context() as patch:
        patch.setattr(world.agenda, "done", dies)
        with pytest.raises(Killed):
            await agenda.dispatch(world)
    await agenda.dispatch(world)
    upkeep, texts = await world.queued(Queue.UPKEEP), await world.queued(Queue.SMS_OUTBOUND)
    assert [len({one.message_id for one in found}) for found in (upkeep, texts)] == [1, 1]
    assert await left(world) == []


async def test_a_queue_that_takes_nothing_keeps_everything_on_the_agenda(
    world: VisitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise Later("storage")

    await world.agenda.plan([due()])
    with monkeypatch.context() as patch:
        patch.setattr(world.queues, "put", away)
        with pytest.raises(Later):
            await agenda.dispatch(world)
    await agenda.dispatch(world)
    assert len(await world.queued(Queue.UPKEEP)) == 1


async def test_more_than_a_tick_takes_goes_with_the_next_oldest_first(
    world: VisitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agenda, "_MOST_PER_TICK", 5)
    await world.agenda.plan([due(minutes=-minute, key=f"k{minute}") for minute in range(8)])
    await agenda.dispatch(world)
    assert sorted(one.key for one in await world.queued(Queue.UPKEEP)) == ["k3", "k4", "k5", "k6", "k7"]
    await agenda.dispatch(world)
    assert sorted(one.key for one in await world.queued(Queue.UPKEEP)) == ["k0", "k1", "k2"]


@pytest.mark.feature("F5.7")
async def test_reminders_of_one_number_are_spread_by_what_it_may_send(world: VisitWorld) -> None:
    world.set(sms_per_minute=2)
    await world.agenda.plan([due("reminder", key=f"k{number}", slot=60) for number in range(5)])
    await agenda.dispatch(world)
    queue = world.store.raw_queue(Queue.SMS_OUTBOUND)
    shown = [message async for message in queue.receive_messages()]
    assert len(shown) == 1
    assert (await queue.get_queue_properties()).approximate_message_count == 5


async def test_the_minute_of_a_thousand_others_is_not_read(world: VisitWorld) -> None:
    await world.agenda.plan([due(minutes=60 + number, key=f"k{number}") for number in range(40)])
    await world.agenda.plan([due()])
    assert [entry.key async for entry in world.agenda.due(NOW)] == ["k"]


async def test_what_somebody_else_removed_does_not_stop_the_others(world: VisitWorld) -> None:
    entries = [due(key=f"k{number}") for number in range(3)]
    await world.agenda.plan(entries)
    await world.store.tables.delete(Table.DUE_WORK, NOW.strftime("%Y%m%d%H%M"), "close|k1|0|0")
    await world.agenda.done(entries)
    assert await left(world) == []
