"""Graph is asked to tell of a call while the visit is open, and for as long as it may last."""

from datetime import timedelta
from typing import Any

import pytest

from shared.clients.notifications import NotificationKeys
from shared.domain.visit import Meeting, Subscription
from shared.errors import Later
from shared.messages import MeetingRequest
from shared.storage.names import Queue
from shared.workflows import call_watch, meetings
from shared.workflows.call_watch import client_state, proven
from tests.conftest import Store
from tests.unit.workflows.launch_world import TEAMS
from tests.unit.workflows.text_world import CONNECTION
from tests.unit.workflows.visit_world import END, KEY, START, VisitWorld, pem

pytestmark = pytest.mark.feature("F10.1")
ALIVE = Subscription(id="s1", expires=END + timedelta(minutes=90))


def request(kind: str = "subscribe") -> MeetingRequest:
    return MeetingRequest(
        message_id=f"{kind}|{KEY}", give_up_at=END + timedelta(hours=4), connection=CONNECTION, kind=kind, key=KEY
    )


@pytest.fixture
async def world(store: Store) -> VisitWorld:
    made = VisitWorld(store)
    await made.approved()
    return made


async def test_a_subscription_lives_until_well_after_the_end_and_is_kept_in_the_row(world: VisitWorld) -> None:
    await world.visit(subscription=None)
    await meetings.serve(request(), world)
    [(url, wish)] = world.graph.subscriptions.items()
    assert (url, wish.expires) == (TEAMS.format("m"), END + timedelta(minutes=90))
    assert (wish.notification_url, wish.lifecycle_url) == (
        "https://visits.example/graph/notifications",
        "https://visits.example/graph/lifecycle",
    )
    assert (len(wish.client_state) <= 128, proven(wish.client_state, world.pseudonyms)) == (True, KEY)
    assert (await world.stored()).subscription == Subscription(id=url, expires=wish.expires)


async def test_asked_again_while_it_lives_nothing_happens(world: VisitWorld) -> None:
    await world.visit(subscription=ALIVE)
    await meetings.serve(request(), world)
    assert world.graph.did == []


@pytest.mark.parametrize(
    "changes",
    [
        {"closed": START},
        {"meeting": None},
        {"meeting": Meeting(organiser="o", month="202603")},
    ],
)
async def test_what_is_closed_or_has_no_meeting_yet_is_not_listened_to(
    world: VisitWorld, changes: dict[str, Any]
) -> None:
    await world.visit(**{"subscription": None} | changes)
    for kind in ("subscribe", "renew", "forget"):
        await meetings.serve(request(kind), world)
    assert world.graph.did == []


async def test_a_request_that_is_too_late_does_nothing(world: VisitWorld) -> None:
    await world.visit(subscription=None)
    world.clock.moment = END + timedelta(hours=4)
    await meetings.serve(request(), world)
    assert world.graph.did == []


async def test_a_visit_that_was_moved_beyond_its_subscription_gets_a_longer_one(world: VisitWorld) -> None:
    """Otherwise Graph would fall silent in the middle of the call."""
    later = END + timedelta(hours=3)
    await world.visit(subscription=ALIVE, end=later)
    await meetings.serve(request(), world)
    assert (await world.stored()).subscription == Subscription(
        id=TEAMS.format("m"), expires=later + timedelta(minutes=90)
    )


async def test_renewing_prolongs_the_same_subscription(world: VisitWorld) -> None:
    await world.visit(subscription=ALIVE)
    world.clock.moment = END + timedelta(hours=1)
    await meetings.serve(request("renew"), world)
    stored = await world.stored()
    assert stored.subscription == Subscription(id="s1", expires=END + timedelta(hours=1, minutes=90))
    assert not stored.missed
    assert world.graph.did == ["renew"]


async def test_a_subscription_that_is_gone_is_made_anew_instead_of_renewed(world: VisitWorld) -> None:
    await world.visit(subscription=ALIVE)
    world.graph.renewable = False
    await meetings.serve(request("renew"), world)
    assert world.graph.did == ["subscribe"]
    assert (await world.stored()).missed  # until then Graph told nothing: closing asks who was there


async def test_a_subscription_that_graph_dropped_is_made_anew(world: VisitWorld) -> None:
    await world.visit(subscription=ALIVE)
    await meetings.serve(request("forget"), world)
    assert world.graph.did == ["subscribe"]
    assert (await world.stored()).missed


async def test_with_graph_away_it_is_tried_again(world: VisitWorld) -> None:
    await world.visit(subscription=None)
    world.graph.away = True
    with pytest.raises(Later):
        await meetings.serve(request(), world)


async def test_new_and_renewed_subscriptions_name_the_newest_certificate(world: VisitWorld) -> None:
    await world.visit(subscription=None)
    world.notification_keys = NotificationKeys((("n2", pem("n2")), ("n1", pem("n1"))))
    await meetings.serve(request(), world)
    await meetings.serve(request("renew"), world)
    assert {wish.key.id for wish in world.graph.subscriptions.values()} == {"n2"}


@pytest.mark.parametrize(
    ("minutes", "changes", "asked"),
    [
        (-46, {"subscription": None}, 0),
        (-45, {"subscription": None}, 1),
        (5, {"subscription": None}, 1),
        (5, {}, 0),
        (5, {"subscription": None, "closed": START}, 0),
    ],
)
async def test_a_subscription_is_wanted_shortly_before_the_start(
    world: VisitWorld, minutes: int, changes: dict[str, Any], asked: int
) -> None:
    visit = await world.visit(**changes)
    world.clock.moment = START + timedelta(minutes=minutes)
    await call_watch.want(visit, world)
    assert len(await world.queued(Queue.MEETING_REQUESTS)) == asked


@pytest.mark.parametrize("state", [None, 3, "", ".", KEY, f"{KEY}.", f"{KEY}.x", "ä", "\ud800"])
async def test_a_client_state_that_is_not_ours_proves_nothing(world: VisitWorld, state: object) -> None:
    assert proven(state, world.pseudonyms) is None


async def test_one_visits_client_state_does_not_speak_for_another(world: VisitWorld) -> None:
    proof = client_state(KEY, world.pseudonyms).partition(".")[2]
    assert proven(f"other.{proof}", world.pseudonyms) is None
