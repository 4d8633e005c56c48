"""Who is in a call is what its events add up to, in whatever way they come."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import roster
from shared.domain.roster import Seen
from shared.domain.visit import Person, Presence, Sighting
from shared.errors import Broken

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PAT = Person(id="pat", role="patient", external_id="70001", launched_at=NOON)
LINK = Person(id="link", role="patient", launched_at=NOON)
PAULA = Person(id="paula", role="staff", external_id="19001", oid="oid-paula", launched_at=NOON)
#: Paula as she was seen in Teams before she launched.
PLAIN = Person(id="plain", role="staff", oid="oid-paula")


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def told(person: Person, *sightings: tuple[str, float, Presence]) -> Person:
    for participant, minute, presence in sightings:
        person = roster.after(person, participant, Sighting(at=at(minute), presence=presence))
    return person


def changes(person: Person) -> list[tuple[str, float]]:
    return [(change.status, (change.at - NOON).total_seconds() / 60) for change in person.changes]


@pytest.mark.feature("F10.1", "F10.4")
@pytest.mark.parametrize(
    ("sightings", "expected"),
    [
        ([("p", 1, "lobby")], [("connected", 1)]),
        ([("p", 1, "lobby"), ("p", 2, "in")], [("connected", 1)]),
        ([("p", 2, "in"), ("p", 1, "lobby")], [("connected", 2)]),
        ([("p", 1, "in"), ("p", 2, "left")], [("connected", 1), ("disconnected", 2)]),
        (
            [("p", 1, "in"), ("p", 2, "left"), ("q", 3, "lobby")],
            [("connected", 1), ("disconnected", 2), ("connected", 3)],
        ),
        ([("p", 1, "in"), ("q", 2, "in"), ("p", 3, "left")], [("connected", 1)]),
        ([("p", 2, "left")], []),
        ([("p", 2, "left"), ("p", 1, "in")], [("connected", 1), ("disconnected", 2)]),
        ([("p", 1, "in"), ("p", 1, "in")], [("connected", 1)]),
        # the second device was there all along: its late event fills the gap, and the last word is told again
        (
            [("p", 1, "in"), ("p", 2, "left"), ("q", 1.5, "in")],
            [("connected", 1), ("disconnected", 2), ("connected", 1)],
        ),
    ],
)
def test_connects_and_disconnects_follow_from_what_was_seen(
    sightings: list[tuple[str, float, Presence]], expected: list[tuple[str, float]]
) -> None:
    assert changes(told(PAT, *sightings)) == expected


SIGHTINGS = st.lists(
    st.tuples(st.sampled_from("pqr"), st.integers(0, 20), st.sampled_from(["lobby", "in", "left"])), max_size=12
)


@pytest.mark.feature("F10.4")
@given(sightings=SIGHTINGS, seed=st.integers())
def test_any_order_and_repetition_ends_in_the_same_story_and_the_same_last_word(
    sightings: list[tuple[str, float, Presence]], seed: int
) -> None:
    shuffled = [*sightings, *sightings]
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - reproducible on purpose
    straight, mixed = told(PAT, *sightings), told(PAT, *shuffled)
    assert straight.story == mixed.story
    assert [one.status for one in straight.changes[-1:]] == [one.status for one in mixed.changes[-1:]]


@given(sightings=SIGHTINGS)
def test_what_epic_is_told_alternates_and_begins_with_a_connect(sightings: list[tuple[str, float, Presence]]) -> None:
    statuses = [change.status for change in told(PAT, *sightings).changes]
    assert statuses == [("connected", "disconnected")[place % 2] for place in range(len(statuses))]


@given(sightings=SIGHTINGS)
def test_everybody_has_left_once_the_call_is_over(sightings: list[tuple[str, float, Presence]]) -> None:
    assert not roster.is_connected(roster.gone(told(PAT, *sightings), at(30)))


@pytest.mark.parametrize(
    ("sightings", "expected"),
    [
        ([("p", 2, "in")], [("connected", 2), ("disconnected", 20)]),
        ([("p", 2, "in"), ("p", 9, "left")], [("connected", 2), ("disconnected", 9)]),
        ([("p", 2, "in"), ("p", 25, "in")], [("connected", 2), ("disconnected", 20), ("connected", 25)]),
        ([("p", 2, "in"), ("p", 30, "left")], [("connected", 2), ("disconnected", 20)]),
        ([("p", 25, "in")], [("connected", 25)]),
    ],
)
def test_an_end_that_is_heard_late_ends_what_began_before_it_and_nothing_else(
    sightings: list[tuple[str, float, Presence]], expected: list[tuple[str, float]]
) -> None:
    story = roster.ended(told(PAT, *sightings), at(20)).story
    assert [(one.status, (one.at - NOON).total_seconds() / 60) for one in story] == expected


def guest(participant: str = "g1", name_key: str | None = None) -> Seen:
    return Seen(participant=participant, presence="lobby", name_key=name_key)


@pytest.mark.feature("F10.1")
@pytest.mark.parametrize(
    ("seen", "people", "group", "expected"),
    [
        (guest(), [PAT, PAULA], False, "pat"),
        (guest(), [PAT, PAULA], True, None),
        (guest(name_key="n"), [PAT.model_copy(update={"name_key": "n"}), PAULA], True, "pat"),
        (guest(name_key="other"), [PAT.model_copy(update={"name_key": "n"}), PAULA], True, None),
        (guest(), [PAULA], False, None),
        (guest(), [PAT, PAT.model_copy(update={"id": "prue", "role": "proxy"})], False, None),
        (guest(), [told(PAT, ("other", 0, "in")), PAULA], False, None),
        # left again: without a new launch only the same name brings the patient back
        (guest(), [told(PAT, ("old", 0, "in"), ("old", 0.5, "left")), PAULA], False, None),
        (guest(name_key="n"), [told(PAT, ("old", 0, "left")).model_copy(update={"shown_key": "n"})], True, "pat"),
        # a second device, or a leave that Graph tells later than the next join
        (guest(name_key="n"), [told(PAT, ("old", 0, "in")).model_copy(update={"shown_key": "n"})], False, "pat"),
        # the text's link was pressed while the patient is in through MyChart: the next guest is neither
        (guest(), [told(PAT, ("other", 0, "in")), LINK], False, None),
        (guest(), [LINK, PAULA], False, "link"),
        (guest("known"), [told(PAT, ("known", 0, "in")), PAULA], True, "pat"),
        (Seen(participant="s", presence="in", oid="oid-paula"), [PAT, PAULA], False, "paula"),
        (Seen(participant="s", presence="in", oid="oid-else"), [PAT, PAULA], False, None),
        # two rows of one account: the participant's own, else the one that Epic knows
        (Seen(participant="s", presence="in", oid="oid-paula"), [PLAIN, PAULA], False, "paula"),
        (Seen(participant="s", presence="in", oid="oid-paula"), [PLAIN], False, "plain"),
        (Seen(participant="t", presence="in", oid="oid-paula"), [PAULA, told(PLAIN, ("t", 0, "in"))], False, "plain"),
    ],
)
def test_nobody_is_guessed(seen: Seen, people: list[Person], group: bool, expected: str | None) -> None:
    found = roster.whose(seen, people, at(1), group=group)
    assert (found.id if found else None) == expected


@pytest.mark.parametrize("minutes", [-5, 31])
def test_a_guest_long_after_or_before_the_launch_is_not_the_patient(minutes: float) -> None:
    assert roster.whose(guest(), [PAT], at(minutes), group=False) is None


PASCAL = {
    "Id": "e1",
    "EventType": "rosterUpdated",
    "EventDateTime": "2026-03-02T12:00:00.1234567Z",
    "Participants@delta": [
        {"Id": "p1", "IsInLobby": True, "Info": {"Identity": {"Guest": {"Id": "g", "DisplayName": "Pat"}}}},
        {"Id": "p2", "Info": {"Identity": {"User": {"Id": "o", "TenantId": "t", "DisplayName": "Paula"}}}},
        {"Id": "p3", "RemovedState": {"Reason": "gone"}, "Info": {"Identity": {"Phone": {"Id": "+1"}}}},
    ],
}


def test_an_event_is_read_in_any_case() -> None:
    happened = roster.read(PASCAL)
    assert happened == roster.read(json.loads(json.dumps(PASCAL).replace("Id", "id").replace("Info", "info")))
    assert [(seen.participant, seen.presence, seen.oid, seen.name) for seen in happened.seen] == [
        ("p1", "lobby", None, "Pat"),
        ("p2", "in", "o", "Paula"),
        ("p3", "left", None, None),
    ]


@pytest.mark.parametrize("junk", [None, [], {}, {"eventType": "rosterUpdated"}, {"id": "x", "eventType": "odd"}])
def test_what_is_no_call_event_is_a_bug_and_loud(junk: object) -> None:
    with pytest.raises(Broken):
        roster.read(junk)


CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "graph"


@pytest.mark.parametrize("name", ["meeting_callStarted.json", "meeting_callEnded.json"])
def test_the_events_of_the_older_form_are_read(name: str) -> None:
    if not CORPUS.exists():
        pytest.skip("the corpus of public samples is not beside the project")
    assert roster.read(json.loads((CORPUS / name).read_text())).kind in {"started", "ended"}
