"""One meeting per visit, made ahead, whatever is repeated, moved or killed on the way."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.appointment import Appointment, Facts
from shared.domain.visit import Visit
from shared.errors import Later
from shared.messages import MeetingRequest
from shared.storage import organisers
from shared.storage.lookups import Kind
from shared.storage.names import Queue, Table
from shared.workflows import meetings
from tests.conftest import Store
from tests.unit.workflows.launch_world import POOL
from tests.unit.workflows.text_world import CONNECTION, NOW, Killed
from tests.unit.workflows.visit_world import LAMNA, VisitWorld

pytestmark = pytest.mark.promise("P3")

START = NOW + timedelta(hours=20)
LATER = START + timedelta(hours=3)


def request(version: int = 1, key: str = "k") -> MeetingRequest:
    return MeetingRequest(
        message_id=f"provision|{key}|{version}", give_up_at=START, connection=CONNECTION, key=key, version=version
    )


@pytest.fixture
async def world(store: Store) -> VisitWorld:
    made = VisitWorld(store)
    await made.approved()
    return made


async def booked(world: VisitWorld, key: str = "k", version: int = 1, **changes: Any) -> None:
    facts = {"start": START, "end": START + timedelta(minutes=30)} | changes.pop("facts", {})
    usual = {"connection": CONNECTION, "key": key, "csn": "9001", "version": version, "facts": Facts(**facts)}
    found = await world.appointments.find(key)
    await world.appointments.save(Appointment(**usual | changes), found[1] if found else None)


async def visit(world: VisitWorld, key: str = "k") -> Visit | None:
    return (await world.visits.find(key)).visit


async def test_a_booked_appointment_gets_its_meeting_and_its_agenda(world: VisitWorld) -> None:
    await booked(world)
    await meetings.serve(request(), world)
    made = await visit(world)
    assert made
    assert made.meeting
    assert (made.settled, made.session, made.start) == (True, "9001", START)
    assert {kind for kind, _, _ in await world.agenda_now()} == {"subscribe", "close", "erase-visit"}
    assert await world.queued(Queue.MEETING_REQUESTS) == []  # hours ahead nobody listens yet


async def test_a_meeting_leaves_no_row_that_never_ends(world: VisitWorld) -> None:
    await booked(world)
    await meetings.serve(request(), world)
    assert [row async for row in world.store.raw_table(Table.LOOKUPS).list_entities()] == []


async def test_the_same_request_again_calls_no_graph(world: VisitWorld) -> None:
    await booked(world)
    await meetings.serve(request(), world)
    asked = world.graph.asked
    await meetings.serve(request(), world)
    assert (world.graph.asked, await world.meetings_counted()) == (asked, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"facts": {"standing": "cancelled"}},
        {"facts": {"standing": "no-show"}},
        {"facts": {"video": False}},
        {"facts": {"start": None}},
        {"facts": {"start": NOW - timedelta(hours=2), "end": NOW - timedelta(hours=1)}},
        {"csn": None},
        {"moved_to": "heir"},
    ],
)
async def test_what_needs_no_meeting_gets_none(world: VisitWorld, changes: dict[str, Any]) -> None:
    await booked(world, **changes)
    await meetings.serve(request(), world)
    await meetings.serve(request(key="unknown"), world)
    assert (await visit(world), world.graph.asked) == (None, 0)


async def test_an_appointment_in_a_groups_room_gets_no_meeting_of_its_own(world: VisitWorld) -> None:
    await booked(world)
    await world.lookups.put(Kind.SESSION, "k", "room")
    await meetings.serve(request(), world)
    assert (await visit(world), world.graph.asked) == (None, 0)


async def test_a_moved_visit_keeps_its_meeting_and_gives_it_the_new_times(world: VisitWorld) -> None:
    await booked(world)
    await meetings.serve(request(), world)
    first = await visit(world)
    await booked(world, version=2, facts={"start": LATER, "end": LATER + timedelta(minutes=30)})
    await meetings.serve(request(2), world)
    await meetings.serve(request(1), world)
    made = await visit(world)
    assert made
    assert made.meeting
    assert first
    assert first.meeting
    assert (made.start, made.settled) == (LATER, True)
    assert (made.meeting.id, made.meeting.join_url) == (first.meeting.id, first.meeting.join_url)
    assert (len(world.graph.made), await world.meetings_counted()) == (1, 1)
    assert ("close", "k", LATER + timedelta(minutes=30, hours=4)) in await world.agenda_now()


async def test_eight_requests_at_once_make_one_meeting_and_count_one(world: VisitWorld) -> None:
    await booked(world)
    await asyncio.gather(*(meetings.serve(request(), world) for _ in range(8)))
    assert (len(world.graph.made), await world.meetings_counted()) == (1, 1)
    made = await visit(world)
    assert made
    assert made.settled


async def test_with_graph_away_the_row_stands_and_the_same_meeting_is_made_later(world: VisitWorld) -> None:
    await booked(world)
    world.graph.away = True
    with pytest.raises(Later):
        await meetings.serve(request(), world)
    before = await visit(world)
    assert before
    assert before.meeting
    assert not before.meeting.ready
    world.graph.away = False
    await meetings.serve(request(), world)
    assert world.graph.made == {(before.meeting.organiser, "k")}
    assert await world.meetings_counted() == 1


@pytest.mark.promise("P1")
@pytest.mark.parametrize("place", ["graph.create_or_get", "graph.guard", "agenda.plan"])
async def test_killed_anywhere_the_repetition_ends_the_same(
    world: VisitWorld, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    async def dies(*_: Any) -> None:
        raise Killed

    await booked(world)
    owner, name = place.split(".")
    with monkeypatch.context() as patch:
        patch.setattr(getattr(world, owner), name, dies)
        with pytest.raises(Killed):
            await meetings.serve(request(), world)
    await meetings.serve(request(), world)
    made = await visit(world)
    assert made
    assert made.settled
    assert (len(world.graph.made), await world.meetings_counted()) == (1, 1)
    assert {kind for kind, _, _ in await world.agenda_now()} == {"subscribe", "close", "erase-visit"}


async def test_the_door_is_set_before_the_address_is_given_out(world: VisitWorld, monkeypatch: Any) -> None:
    seen: list[bool] = []

    async def guard(*_: Any) -> None:
        made = await visit(world)
        assert made
        assert made.meeting
        seen.append(made.meeting.ready or made.meeting.join_url is not None)

    await booked(world)
    monkeypatch.setattr(world.graph, "guard", guard)
    await meetings.serve(request(), world)
    assert seen == [False]


async def test_an_ad_hoc_visit_is_listened_to_at_once(world: VisitWorld) -> None:
    wanted = Visit(connection=CONNECTION, key="k", session="9001", start=NOW, end=NOW + timedelta(hours=1))
    await meetings.ensure(wanted, world)
    assert [(one.kind, one.key) for one in await world.queued(Queue.MEETING_REQUESTS)] == [("subscribe", "k")]


# --- the pool


async def test_the_pool_is_used_evenly_and_no_account_beyond_its_limit(
    world: VisitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organisers, "MOST_PER_MONTH", 2)
    for number in range(4):
        await booked(world, key=f"k{number}")
        await meetings.serve(request(key=f"k{number}"), world)
    used = sorted(organiser for organiser, _ in world.graph.made)
    assert used == sorted([str(POOL[0]), str(POOL[1])] * 2)
    await booked(world, key="k5")
    with pytest.raises(Later) as later:
        await meetings.serve(request(key="k5"), world)
    assert later.value.peer == "organiser pool"
    assert await visit(world, "k5") is None


async def test_without_a_pool_the_request_waits(world: VisitWorld) -> None:
    connection, _ = await world.connections.find(CONNECTION)
    bare = connection.model_copy(update={"own": connection.own.model_copy(update={"organisers": ()})})
    row = {"PartitionKey": str(LAMNA.tenant), "RowKey": f"conn|{CONNECTION}"}
    await world.store.tables.put(Table.CONNECTIONS, row | {"settings": bare.model_dump_json()})
    await booked(world)
    with pytest.raises(Later):
        await meetings.serve(request(), world)


async def test_ten_at_once_take_ten(world: VisitWorld) -> None:
    pool = [str(oid) for oid in POOL]
    taken = await asyncio.gather(*(world.organisers.take("t", "202603", pool) for _ in range(10)))
    assert sorted(taken) == sorted(pool * 5)
    await world.organisers.give_back("t", "202603", pool[0])
    assert await world.organisers.take("t", "202603", pool) == pool[0]
