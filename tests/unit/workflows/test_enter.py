"""The last steps into a visit: one room, one meeting, and rows that a repetition does not change."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.launch import Place, Ticket
from shared.errors import Broken, Code, Refused
from shared.storage.names import Queue
from shared.storage.tables import Conflict
from shared.workflows import presence, rooms, writeback
from shared.workflows.enter import Preparing, SignInFirst, TooEarly, ToTeams, enter
from tests.conftest import Store
from tests.unit.domain.connections import LAMNA
from tests.unit.workflows.launch_world import LaunchWorld, ticket
from tests.unit.workflows.text_world import CONNECTION, NOW
from tests.unit.workflows.visit_world import VisitWorld, event, overtake, roster, user


@pytest.fixture
async def world(store: Store) -> LaunchWorld:
    made = LaunchWorld(store)
    await made.approved()
    return made


async def test_a_patient_comes_in_and_coming_again_changes_nothing(world: LaunchWorld):
    first = await enter(ticket(), world)
    asked = world.graph.asked
    assert isinstance(first, ToTeams)
    assert await enter(ticket(), world) == first
    assert world.graph.asked == asked


async def test_who_launches_again_stays_the_same_person_with_a_newer_launch(world: LaunchWorld):
    await enter(ticket(), world)
    later = NOW + timedelta(minutes=7)
    await enter(ticket(issued=later, external_id=None), world)
    key = world.pseudonyms.of("csn", CONNECTION, "9001")
    (person,) = (await world.visits.find(key)).people.values()
    assert (person.launched_at, person.external_id, person.role) == (later, "70001", "patient")


async def test_a_provider_whom_we_do_not_know_signs_in_first_and_leaves_no_trace(world: LaunchWorld):
    staff = ticket(role="staff", user="ePaula")
    assert isinstance(await enter(staff, world), SignInFirst)
    assert world.graph.asked == 0
    await world.people.keep(f"{LAMNA.tenant.hex}-bbbbbbbb", "ePaula", "whoever tests", NOW)  # another Epic's ePaula
    assert isinstance(await enter(staff, world), SignInFirst)
    await world.people.keep(CONNECTION, "ePaula", "oid", NOW)
    assert isinstance(await enter(staff, world), ToTeams)


@pytest.mark.parametrize(
    "url", ["https://teams.example/{}", "http://teams.microsoft.com/{}", "https://x@evil.example/{}"]
)
async def test_nobody_is_sent_to_an_address_that_is_none_of_teams(world: LaunchWorld, url: str):
    world.graph.url = url
    with pytest.raises(Broken):
        await enter(ticket(), world)


async def test_with_graph_away_the_person_waits_and_the_row_is_there_already(world: LaunchWorld):
    world.graph.away = True
    assert isinstance(await enter(ticket(), world), Preparing)
    assert len((await world.visits.find(world.pseudonyms.of("csn", CONNECTION, "9001"))).people) == 1
    world.graph.away = False
    assert isinstance(await enter(ticket(), world), ToTeams)


async def test_an_early_patient_leaves_no_trace(world: LaunchWorld):
    start = NOW + timedelta(hours=2)
    early = ticket(place=Place(csn="9001", start=start))
    found = await enter(early, world)
    assert isinstance(found, TooEarly)
    assert found.opens == start - timedelta(minutes=30)
    assert (await world.visits.find(world.pseudonyms.of("csn", CONNECTION, "9001"))).rows == {}


async def test_a_visit_that_is_over_lets_nobody_in(world: LaunchWorld):
    over = ticket(place=Place(csn="9001", start=NOW - timedelta(hours=6), end=NOW - timedelta(hours=5)))
    with pytest.raises(Refused) as refusal:
        await enter(over, world)
    assert refusal.value.code is Code.VISIT_OVER


@pytest.mark.promise("P3")
async def test_ten_at_once_make_one_meeting_and_count_one(world: LaunchWorld):
    tickets = [ticket(user=f"e{number}", id=str(number)) for number in range(10)]
    found = await asyncio.gather(*(enter(one, world) for one in tickets))
    assert len(set(found)) == 1
    assert len(world.graph.made) == 1
    assert await world.meetings_counted() == 1
    assert len((await world.visits.find(world.pseudonyms.of("csn", CONNECTION, "9001"))).people) == 10


@pytest.mark.promise("P3")
@pytest.mark.feature("F9.2")
async def test_a_whole_group_at_once_makes_one_meeting(world: LaunchWorld):
    tickets = [ticket(str(9000 + number), "77", user=f"e{number}", id=str(number)) for number in range(10)]
    found = await asyncio.gather(*(enter(one, world) for one in tickets))
    assert len(set(found)) == 1
    assert (len(world.graph.made), await world.meetings_counted()) == (1, 1)


async def test_a_groups_room_spans_the_times_of_its_appointments(world: LaunchWorld):
    times = [(0, 30), (10, 20), (-10, 25)]
    for number, (start, end) in enumerate(times):
        place = Place(
            csn=str(9000 + number),
            session="77",
            start=NOW + timedelta(minutes=start),
            end=NOW + timedelta(minutes=end),
        )
        await enter(ticket(place=place, user=f"e{number}"), world)
    visit = (await world.visits.find(world.pseudonyms.of("session", CONNECTION, "77"))).visit
    assert visit
    assert (visit.start, visit.end, visit.group) == (NOW - timedelta(minutes=10), NOW + timedelta(minutes=30), True)


async def test_without_scheduling_messages_the_times_are_those_epic_gives_now(world: LaunchWorld):
    for minutes in (0, 20):
        start = NOW + timedelta(minutes=minutes)
        await enter(ticket(place=Place(csn="9001", start=start)), world)
        visit = (await world.visits.find(world.pseudonyms.of("csn", CONNECTION, "9001"))).visit
        assert visit
        assert visit.start == start
    await enter(ticket(user="eLater"), world)
    assert (await world.visits.find(visit.key)).visit == visit


async def test_a_conference_whose_number_is_somebodys_csn_is_another_room(world: LaunchWorld):
    """The two count apart, so one number may be both; it must never join strangers."""
    alone = await enter(ticket("77"), world)
    group = await enter(ticket("9001", "77", user="eMo"), world)
    assert alone != group


# --- who was in Teams before


@pytest.fixture
async def early(store: Store) -> VisitWorld:
    """Pat has launched; Paula, whom we know in Entra, is in the call by Teams alone."""
    made = VisitWorld(store)
    await made.approved()
    await made.people.keep(CONNECTION, "ePaula", "oid-paula", NOW)
    await enter(ticket(), made)
    await joins(made, "t1")
    return made


async def joins(world: VisitWorld, participant: str, minute: float = 1) -> None:
    await presence.apply(event(world, roster(minute, user(participant, "oid-paula")), key(world)), world)


def key(world: LaunchWorld) -> str:
    return world.pseudonyms.of("csn", CONNECTION, "9001")


def paulas(**changes: Any) -> Ticket:
    return ticket(**{"role": "staff", "user": "ePaula", "external_id": "19001"} | changes)


async def staff(world: VisitWorld) -> list[tuple[str | None, list[str]]]:
    """Everybody of the staff: Epic's id, and the participants they were."""
    people = (await world.visits.find(key(world))).people.values()
    return [(one.external_id, list(one.participants)) for one in people if one.role == "staff"]


@pytest.mark.feature("F10.1", "F10.3")
async def test_who_launches_out_of_a_running_call_is_one_person_of_whom_epic_hears_at_once(early: VisitWorld):
    await enter(paulas(), early)
    for order in await early.queued(Queue.EHR_WRITEBACK):
        await writeback.write(order, early)
    assert early.epic_status.told == [("19001", "connected", 1)]
    await enter(paulas(issued=NOW + timedelta(minutes=7), external_id=None), early)
    await joins(early, "t2", 8)
    assert await staff(early) == [("19001", ["t1", "t2"])]


async def test_who_launches_while_another_process_sees_them_join_is_one_person(early: VisitWorld):
    await early.visits.remove(key(early))
    await enter(ticket(), early)
    overtake(early, lambda elsewhere: joins(elsewhere, "t1"))
    await enter(paulas(), early)
    assert await staff(early) == [("19001", ["t1"])]


async def test_two_users_of_the_ehr_who_share_an_account_stay_two(early: VisitWorld):
    await early.people.keep(CONNECTION, "eOther", "oid-paula", NOW)
    await enter(paulas(), early)
    await enter(paulas(user="eOther", external_id="19002"), early)
    assert sorted(await staff(early)) == [("19001", ["t1"]), ("19002", [])]


async def test_a_launch_of_somebody_of_whom_epic_knows_all_tells_it_nothing(early: VisitWorld):
    await enter(ticket(user="eMo", external_id="70002"), early)
    assert await early.queued(Queue.EHR_WRITEBACK) == []


# --- rooms


GROUP, ONE = Place(csn="1", session="77"), Place(csn="1")


async def taken(world: LaunchWorld, place: Place) -> str:
    room = await rooms.find(CONNECTION, place, world)
    await rooms.take(room, world)
    return room.key


@pytest.mark.parametrize(
    "places",
    [
        [GROUP, ONE],
        [ONE, GROUP],
        [GROUP, Place(csn="2", session="77"), Place(csn="2")],
        [ONE, GROUP, Place(csn="2", session="77")],
        [Place(csn="2", session="77"), GROUP, ONE],
    ],
)
async def test_however_a_group_comes_it_meets_in_one_room(world: LaunchWorld, places: list[Place]):
    assert len({await taken(world, place) for place in places}) == 1


async def test_two_rooms_that_are_both_used_stay_where_they_are(world: LaunchWorld):
    """Nobody who was sent somewhere is left behind there."""
    alone = await taken(world, ONE)
    group = await taken(world, Place(csn="2", session="77"))
    assert alone != group
    assert await taken(world, GROUP) == alone
    assert await taken(world, Place(csn="3", session="77")) == group


async def test_to_look_for_a_room_takes_none(world: LaunchWorld):
    await rooms.find(CONNECTION, ONE, world)
    assert await taken(world, GROUP) == world.pseudonyms.of("session", CONNECTION, "77")


async def test_who_is_second_looks_again(world: LaunchWorld):
    one = await rooms.find(CONNECTION, ONE, world)
    group = await rooms.find(CONNECTION, GROUP, world)
    await rooms.take(one, world)
    with pytest.raises(Conflict):
        await rooms.take(group, world)
