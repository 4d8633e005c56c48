"""A visit closes once nobody is there, and forgets its people once Epic knows all it will know."""

import json
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.clients.graph import Attendance
from shared.domain.agenda import ERASE_AT_LATEST
from shared.domain.appointment import Appointment, Facts, replaced
from shared.domain.visit import Change, Sighting, Subscription
from shared.errors import Later
from shared.messages import UpkeepOrder
from shared.storage.lookups import Kind
from shared.storage.names import Queue, Table
from shared.workflows import closing, meetings, presence, writeback
from shared.workflows.call_watch import client_state
from tests.conftest import Store
from tests.unit.workflows.text_world import CONNECTION
from tests.unit.workflows.visit_world import (
    END,
    KEY,
    START,
    VisitWorld,
    event,
    guest,
    happened,
    overtake,
    pat,
    paula,
    roster,
    user,
)

pytestmark = pytest.mark.feature("F7.8")

SILENCE = END + timedelta(hours=4)
LAST = END + ERASE_AT_LATEST


def minute(number: float) -> Any:
    return START + timedelta(minutes=number)


def order(kind: str = "close", key: str = KEY, **changes: Any) -> UpkeepOrder:
    usual = {
        "message_id": f"{kind}|{key}|0",
        "give_up_at": LAST + timedelta(days=7),
        "connection": CONNECTION,
        "kind": kind,
        "key": key,
        "version": 0,
    }
    return UpkeepOrder(**usual | changes)


@pytest.fixture
async def world(store: Store) -> VisitWorld:
    made = VisitWorld(store)
    await made.approved()
    return made


async def held(world: VisitWorld, *documents: Any) -> None:
    """A visit of Pat and Paula in which this happened."""
    await world.visit(pat(), paula())
    await told(world, *documents)


async def told(world: VisitWorld, *documents: Any) -> None:
    for document in documents:
        await presence.apply(event(world, document), world)


async def closed_at(world: VisitWorld, moment: Any, **changes: Any) -> bool:
    world.clock.moment = moment
    await closing.close(order(**changes), world)
    return (await world.stored()).closed is not None


CALL = (happened("callStarted", 1), roster(2, user("p", "oid-paula")), roster(3, guest("g", "in")))
OVER = happened("callEnded", 20)


# --- when


@pytest.mark.parametrize(
    ("documents", "moment", "expected"),
    [
        ((*CALL, OVER), minute(29), False),
        ((*CALL, OVER), minute(30), True),
        (CALL, minute(200), False),
        (CALL, SILENCE, True),
        ((), minute(200), False),
        ((), SILENCE, True),
        # the second call is on; it ends
        ((*CALL, OVER, happened("callStarted", 25)), minute(40), False),
        ((*CALL, OVER, happened("callStarted", 25), happened("callEnded", 35)), minute(44), False),
        ((*CALL, OVER, happened("callStarted", 25), happened("callEnded", 35)), minute(45), True),
        # back in the lobby, where no call is on
        ((*CALL, OVER, roster(25, guest("g2"))), minute(40), False),
        ((*CALL, OVER, roster(25, guest("g2")), roster(28, guest("g2", "left"))), minute(40), True),
        # the end is told before the start
        ((OVER, *CALL), minute(30), True),
    ],
)
async def test_a_visit_closes_when_nobody_is_there_any_more(
    world: VisitWorld, documents: Any, moment: Any, expected: bool
) -> None:
    await held(world, *documents)
    assert await closed_at(world, moment) is expected


async def test_who_launched_after_the_call_is_waited_for(world: VisitWorld) -> None:
    await held(world, *CALL, OVER)
    known = await world.visits.find(KEY)
    await world.visits.save(known, None, known.people["pat"].model_copy(update={"launched_at": minute(28)}))
    assert not await closed_at(world, minute(31))
    assert await closed_at(world, minute(38))


async def test_who_launches_at_the_moment_of_the_close_is_waited_for_too(world: VisitWorld) -> None:
    await held(world, *CALL, OVER)

    async def launches(elsewhere: VisitWorld) -> None:
        known = await elsewhere.visits.find(KEY)
        pat_again = known.people["pat"].model_copy(update={"launched_at": minute(30)})
        await elsewhere.visits.save(known, known.visit, pat_again)

    overtake(world, launches)
    assert not await closed_at(world, minute(30))
    assert await closed_at(world, minute(41))


async def test_an_opened_again_visit_is_not_closed_by_the_first_calls_end(world: VisitWorld) -> None:
    await held(world, *CALL, OVER)
    assert await closed_at(world, minute(30))
    known = await world.visits.find(KEY)
    again = {"closed": None, "subscription": None}
    person = known.people["pat"].model_copy(update={"launched_at": minute(40)})
    assert known.visit
    await world.visits.save(known, known.visit.model_copy(update=again), person)
    await told(world, roster(41, guest("g3")))
    assert not await closed_at(world, minute(60))
    assert (await world.person("pat")).changes[-1].status == "connected"


# --- what


async def test_closing_ends_everybody_asks_graph_for_nothing_more_and_plans_the_erasure(world: VisitWorld) -> None:
    await held(world, *CALL)
    assert await closed_at(world, SILENCE)
    for name in ("pat", "paula"):
        person = await world.person(name)
        assert (person.changes[-1], person.shown_name) == (Change(status="disconnected", at=SILENCE), None)
    assert world.graph.did[-1] == "unsubscribe"
    assert ("erase-visit", KEY, SILENCE + timedelta(minutes=30)) in await world.agenda_now()
    assert {one.person for one in await world.queued(Queue.EHR_WRITEBACK)} == {"pat", "paula"}
    assert [row["at"] for row in await world.facts("closed")] == [SILENCE]


async def test_closing_twice_closes_once(world: VisitWorld) -> None:
    await held(world, *CALL, OVER)
    await closed_at(world, minute(30))
    before = [await world.stored(), await world.person("pat"), len(await world.facts())]
    await closed_at(world, minute(50))
    assert [await world.stored(), await world.person("pat"), len(await world.facts())] == before


async def test_with_graph_away_epic_hears_of_the_end_all_the_same(world: VisitWorld) -> None:
    await held(world, *CALL, OVER)
    world.graph.away = True
    with pytest.raises(Later):
        await closed_at(world, minute(30))
    assert {one.person for one in await world.queued(Queue.EHR_WRITEBACK)} == {"pat", "paula"}
    world.graph.away = False
    assert await closed_at(world, minute(31))
    assert world.graph.did == ["unsubscribe"]


@pytest.mark.feature("F10.4")
async def test_attendance_tells_of_staff_whose_events_were_lost(world: VisitWorld) -> None:
    """Of a guest's record nobody knows whose it is."""
    await held(world)
    spans = ((minute(2), minute(9)), (minute(11), minute(18)))
    world.graph.records = [Attendance("oid-paula", "oid-paula", spans), Attendance("g", "g", spans)]
    assert await closed_at(world, SILENCE)
    paulas = [(one.status, one.at) for one in (await world.person("paula")).changes]
    assert paulas == [
        ("connected", minute(2)),
        ("disconnected", minute(9)),
        ("connected", minute(11)),
        ("disconnected", minute(18)),
    ]
    assert (await world.person("pat")).changes == ()


async def test_attendance_says_when_somebody_whose_leaving_was_lost_has_left(world: VisitWorld) -> None:
    await held(world, *CALL)
    world.graph.records = [Attendance("oid-paula", "oid-paula", ((minute(2), minute(18)),))]
    await closed_at(world, SILENCE)
    assert (await world.person("paula")).changes[-1] == Change(status="disconnected", at=minute(18))


async def test_attendance_that_never_comes_does_not_keep_a_visit_open(world: VisitWorld, caplog: Any) -> None:
    """A missing permission may be missing for months."""
    await held(world, *CALL)
    world.graph.attendance = _away
    for attempt in (0, 4):
        with pytest.raises(Later):
            await closed_at(world, SILENCE, attempt=attempt)
    assert await closed_at(world, SILENCE, attempt=5)
    assert "closed without attendance" in caplog.text


async def _away(*_: str) -> list[Attendance]:
    raise Later("graph")


async def test_what_graph_missed_is_made_up_for_though_the_end_was_heard(world: VisitWorld) -> None:
    """Paula's leave and return were lost; Otto's join and leave too. Of Pat, a guest, the report says nothing."""
    otto = paula(id="otto", external_id="19002", oid="oid-otto")
    await world.visit(pat(), paula(), otto)
    await told(world, *CALL)
    await missed(world)
    await told(world, OVER)
    world.graph.records = [
        Attendance("a1", "oid-paula", ((minute(2), minute(9)), (minute(11), minute(20)))),
        Attendance("a2", "oid-otto", ((minute(5), minute(15)),)),
    ]
    assert await closed_at(world, minute(30))
    expected = {
        "pat": [("connected", 3), ("disconnected", 20)],
        "paula": [("connected", 2), ("disconnected", 9), ("connected", 11), ("disconnected", 20)],
        "otto": [("connected", 5), ("disconnected", 15)],
    }
    people = (await world.visits.find(KEY)).people
    assert {id_: [(one.status, _minutes(one.at)) for one in person.story] for id_, person in people.items()} == expected
    await _written_back(world)
    assert [(world.epic_status.of(person.external_id or "")) for person in people.values()] == [
        [one.status for one in person.story] for person in people.values()
    ]
    assert len([row for row in await world.facts("connected") if row["detail"] == "ok"]) == 4


async def test_a_report_that_says_what_was_heard_changes_nothing(world: VisitWorld) -> None:
    """The clocks of events and reports need not agree to the second."""
    await held(world, *CALL)
    await missed(world)
    await told(world, OVER)
    world.graph.records = [Attendance("a1", "oid-paula", ((minute(2.01), minute(20.02)),))]
    before = (await world.person("paula")).changes
    await closed_at(world, minute(30))
    assert "attendance" in world.graph.did
    assert (await world.person("paula")).changes == before


async def missed(world: VisitWorld) -> None:
    """Graph says that it could not deliver something, and this is worked on."""
    item = {"clientState": client_state(KEY, world.pseudonyms), "lifecycleEvent": "missed", "subscriptionId": "s1"}
    await presence.accept_lifecycle(json.dumps({"value": [item]}).encode(), world)
    for request in await world.queued(Queue.MEETING_REQUESTS):
        await meetings.serve(request, world)


def _minutes(moment: datetime) -> float:
    return (moment - START).total_seconds() / 60


async def _written_back(world: VisitWorld) -> None:
    for one in await world.queued(Queue.EHR_WRITEBACK):
        await writeback.write(one, world)


async def test_after_the_calls_end_nobody_asks_for_attendance(world: VisitWorld) -> None:
    await held(world, *CALL, OVER)
    await closed_at(world, minute(30))
    assert "attendance" not in world.graph.did


# --- erasure


async def booked(world: VisitWorld, key: str = KEY, **changes: Any) -> Appointment:
    appointment = Appointment(
        **{
            "connection": CONNECTION,
            "key": key,
            "csn": "9001",
            "facts": Facts(start=START, end=END),
            "version": 1,
            "join_token": f"link-{key}",
        }
        | changes
    )
    await world.appointments.save(appointment, None)
    if appointment.join_token:
        await world.lookups.put(Kind.JOIN_TOKEN, appointment.join_token, key)
    return appointment


async def csn(world: VisitWorld, key: str = KEY) -> str | None:
    found = await world.appointments.find(key)
    assert found
    return found[0].csn


async def erased_at(world: VisitWorld, moment: Any, key: str = KEY) -> bool:
    world.clock.moment = moment
    await closing.erase(order("erase-visit", key), world)
    visit = (await world.visits.find(key)).visit
    return visit is not None and visit.erased is not None


WAITING = (Change(status="connected", at=START),)


@pytest.mark.feature("F12.2")
@pytest.mark.parametrize(
    ("visit", "person", "moment", "expected"),
    [
        ({"closed": minute(30)}, {}, minute(60), True),
        ({"closed": minute(30)}, {"changes": WAITING, "written": 1}, minute(60), True),
        ({"closed": minute(30)}, {"changes": WAITING}, minute(60), False),
        ({"closed": minute(30)}, {"changes": WAITING, "external_id": None}, minute(60), True),
        ({}, {}, minute(60), False),
        ({"closed": minute(30)}, {"changes": WAITING}, LAST, True),
        ({}, {"changes": WAITING}, LAST, True),
    ],
)
async def test_a_visit_is_erased_when_epic_knows_all_or_at_the_latest_after_72_hours(
    world: VisitWorld, visit: Any, person: Any, moment: Any, expected: bool
) -> None:
    await world.visit(pat(name_key="n", shown_name="Pat", **person), **visit)
    assert await erased_at(world, moment) is expected
    row = await world.person("pat")
    assert [row.external_id, row.name_key, row.shown_name, row.shown_key] == (
        [None] * 4 if expected else [pat(**person).external_id, "n", "Pat", None]
    )
    assert ((await world.stored()).session is None) is expected


async def test_erasure_takes_the_appointments_id_its_link_and_its_lookups_too(world: VisitWorld) -> None:
    await booked(world)
    await world.lookups.put(Kind.SESSION, KEY, KEY)
    await world.visit(pat(), closed=minute(30))
    assert await erased_at(world, minute(60))
    assert await csn(world) is None
    assert await world.lookups.find(Kind.JOIN_TOKEN, f"link-{KEY}") is None
    assert await world.lookups.find(Kind.SESSION, KEY) is None


async def test_what_epic_never_heard_before_the_erasure_raises_an_alarm(world: VisitWorld, caplog: Any) -> None:
    await world.visit(pat(changes=WAITING), closed=minute(30))
    await erased_at(world, LAST)
    assert "erased before Epic heard everything" in caplog.text
    assert (await world.person("pat")).written == 1


async def test_erasing_twice_erases_once_and_a_fact_that_was_lost_on_the_way_is_noted(world: VisitWorld) -> None:
    await world.visit(pat(), closed=minute(30))
    await erased_at(world, minute(60))
    for row in await world.facts("erased"):
        await world.store.tables.delete(Table.AUDIT, row["PartitionKey"], row["RowKey"])
    await erased_at(world, minute(90))
    assert [row["at"] for row in await world.facts("erased")] == [minute(60)]


@pytest.mark.feature("F12.2")
async def test_an_appointment_that_never_became_a_visit_is_erased_after_its_time(world: VisitWorld) -> None:
    await booked(world)
    await erased_at(world, START)
    assert await csn(world) == "9001"
    await erased_at(world, LAST)
    assert await csn(world) is None


async def test_an_appointment_that_was_moved_ahead_keeps_its_id(world: VisitWorld) -> None:
    later = LAST + timedelta(days=1)
    await booked(world, facts=Facts(start=later, end=later + timedelta(hours=1)))
    await erased_at(world, LAST)
    assert await csn(world) == "9001"


async def test_an_appointment_that_came_again_after_its_visit_was_erased_is_erased_again(world: VisitWorld) -> None:
    await world.visit(pat(), closed=minute(30))
    await erased_at(world, minute(60))
    await booked(world)
    await erased_at(world, LAST)
    assert await csn(world) is None


async def test_the_link_of_an_appointment_that_was_replaced_stays_with_the_next(world: VisitWorld) -> None:
    former = await booked(world)
    found = await world.appointments.find(KEY)
    assert found
    await world.appointments.save(replaced(former, "heir", (LAST, LAST, 0, "", "")), found[1])
    await erased_at(world, LAST)
    assert await csn(world) is None
    assert await world.lookups.find(Kind.JOIN_TOKEN, f"link-{KEY}") is not None


async def test_what_comes_late_for_an_erased_visit_brings_nobody_back(world: VisitWorld) -> None:
    await world.visit(pat(), closed=minute(30))
    await erased_at(world, minute(60))
    await told(world, roster(5, guest("g")))
    assert (await world.person("pat")).participants == {}


async def test_an_erased_visit_of_an_appointment_with_a_new_time_is_held_after_all(world: VisitWorld) -> None:
    """Nobody came; the visit closed and was erased; then the hospital gave the appointment another day."""
    await world.visit(closed=minute(30), subscription=Subscription(id="old", expires=LAST))
    await erased_at(world, minute(60))
    later = START + timedelta(days=7)
    world.clock.moment = later - timedelta(minutes=20)
    wanted = (await world.stored()).model_copy(
        update={"session": "9001", "start": later, "end": later + timedelta(minutes=30), "closed": None, "erased": None}
    )
    visit = await meetings.ensure(wanted, world)
    assert (visit.closed, visit.erased, visit.session, visit.settled) == (None, None, "9001", True)
    assert ("close", KEY, visit.end + timedelta(hours=4)) in await world.agenda_now()
    assert [one.kind for one in await world.queued(Queue.MEETING_REQUESTS)] == ["subscribe"]


@pytest.mark.feature("F12.10")
async def test_closing_and_erasing_log_and_note_nobody(world: VisitWorld, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    await held(world, *CALL, OVER)
    await booked(world)
    await closed_at(world, minute(30))
    await erased_at(world, LAST)
    for secret in ("70001", "19001", "9001", "Quillfeather", "Umberslade", "oid-paula", "link-"):
        assert secret not in await world.in_clear(), secret
        assert secret not in caplog.text, secret


async def test_a_sighting_from_before_the_close_that_comes_late_ends_there_too(world: VisitWorld) -> None:
    await held(world, *CALL)
    await closed_at(world, SILENCE)
    await told(world, roster(60, user("p2", "oid-paula")))
    person = await world.person("paula")
    assert person.story[-1] == Change(status="disconnected", at=SILENCE)
    assert Sighting(at=SILENCE, presence="left") in person.participants["p2"]


# --- what comes while it closes, or after


async def shown(world: VisitWorld) -> list[tuple[str, str | None, str | None]]:
    """Of everybody the last status, and what their row keeps of their name."""
    people = (await world.visits.find(KEY)).people.values()
    return [(one.story[-1].status, one.shown_name, one.shown_key) for one in people]


async def test_who_joins_while_another_process_closes_the_visit_has_left_and_has_no_name(world: VisitWorld) -> None:
    await world.visit()
    world.clock.moment = SILENCE
    overtake(world, lambda elsewhere: closing.close(order(), elsewhere))
    await told(world, roster(10, guest("g", "in")))
    assert await shown(world) == [("disconnected", None, None)]


async def test_a_name_that_comes_after_the_close_is_not_kept(world: VisitWorld) -> None:
    await held(world, *CALL, OVER)
    await closed_at(world, minute(30))
    await told(world, roster(5, guest("g9", "in", "Xenia Late")))
    assert set(await shown(world)) == {("disconnected", None, None)}
    assert len(await shown(world)) == 3


async def test_what_meets_the_erasure_on_the_way_brings_nobody_back(world: VisitWorld) -> None:
    await world.visit(closed=minute(30))
    world.clock.moment = LAST
    overtake(world, lambda elsewhere: closing.erase(order("erase-visit"), elsewhere))
    await told(world, roster(5, guest("g9", "in", "Xenia Late")))
    assert (await world.stored()).erased == LAST
    assert (await world.visits.find(KEY)).people == {}
    assert [row["what"] for row in await world.facts()] == ["erased"]
