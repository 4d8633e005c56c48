"""The last steps into a visit: one room, one meeting, and rows that a repetition does not change."""

import asyncio
from datetime import timedelta

import pytest

from shared.domain.launch import Place
from shared.errors import Broken, Code, Refused
from shared.storage.tables import Conflict
from shared.workflows import rooms
from shared.workflows.enter import Preparing, SignInFirst, TooEarly, ToTeams, enter
from tests.conftest import Store
from tests.unit.domain.connections import LAMNA
from tests.unit.workflows.launch_world import LaunchWorld, ticket
from tests.unit.workflows.text_world import CONNECTION, NOW


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
