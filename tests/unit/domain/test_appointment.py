"""An appointment is what its events add up to, in whatever way they come."""

import random
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.appointment import Appointment, Heard, Told, after, phone_due, to_tell, without_ids, without_phone

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
START = NOON + timedelta(days=3)
NEW = Appointment(connection="c", key="k", csn="900100")


def event(minute: int, *, arrived: int | None = None, position: int = 0, control: str = "", **facts: object) -> Heard:
    at = NOON + timedelta(minutes=minute)
    here = at if arrived is None else NOON + timedelta(minutes=arrived)
    return Heard(
        sent=at, arrived=here, position=position, sender="EPIC|LH", control_id=control or f"M{minute}", facts=facts
    )


def booked(minute: int, **facts: object) -> Heard:
    return event(minute, **({"standing": "booked", "start": START, "phone": "+16085550101"} | facts))


def heard(*events: Heard, now: datetime = NOON) -> Appointment:
    appointment = NEW
    for one in events:
        appointment = after(appointment, one, now)
    return appointment


def test_a_booking_is_version_one() -> None:
    appointment = heard(booked(0))
    assert (appointment.version, to_tell(appointment.facts)) == (1, Told(start=START, standing="booked"))


@pytest.mark.parametrize(
    ("change", "version"),
    [
        ({"department": "CARD"}, 1),
        ({"provider": "TINA BEST", "visit_type": "Video visit", "department_name": "HEART"}, 1),
        ({"phone": "+16085550102"}, 1),
        ({"end": START + timedelta(minutes=30)}, 1),
        ({"start": START + timedelta(hours=1)}, 2),
        ({"standing": "cancelled"}, 2),
        ({"standing": "no-show"}, 2),
        ({"video": False}, 2),
    ],
)
def test_the_version_rises_only_when_the_patient_would_be_told_something_else(
    change: dict[str, object], version: int
) -> None:
    assert heard(booked(0), event(1, **change)).version == version


def test_a_reinstated_visit_is_a_third_version() -> None:
    assert heard(booked(0), event(1, standing="cancelled"), booked(2)).version == 3


def test_a_modification_does_not_reinstate_a_cancelled_visit() -> None:
    appointment = heard(booked(0), event(1, standing="cancelled"), event(2, start=START + timedelta(hours=2)))
    assert appointment.facts.standing == "cancelled"


def test_what_an_event_does_not_state_stays_as_it_was() -> None:
    appointment = heard(booked(0), event(1, standing="cancelled"))
    assert (appointment.facts.start, appointment.facts.phone) == (START, "+16085550101")


def test_a_known_control_id_never_changes_the_state_whenever_it_comes() -> None:
    appointment = heard(booked(0), event(5, standing="cancelled"))
    again = booked(9).model_copy(update={"control_id": "M0"})
    assert after(appointment, again, NOON) is appointment


def test_an_event_older_than_everything_remembered_is_not_heard() -> None:
    many = [event(minute, standing="booked", department=f"D{minute}") for minute in range(10, 40)]
    appointment = heard(*many)
    assert after(appointment, event(1, standing="cancelled"), NOON) is appointment


def test_without_ids_no_message_id_is_left_and_old_messages_still_change_nothing() -> None:
    known = heard(booked(0), event(10, control="900100S14"))
    left = without_ids(known)
    assert "900100" not in left.model_dump_json()
    assert (left.facts, left.version) == (without_phone(known).facts, known.version)
    assert after(left, event(5, standing="cancelled"), NOON) is left
    assert after(left, event(20, standing="cancelled"), NOON).facts.standing == "cancelled"


def test_the_last_word_on_announcing_belongs_to_the_event_that_made_the_version() -> None:
    quiet = booked(0).model_copy(update={"quiet": "initial-load"})
    assert heard(quiet).quiet == "initial-load"
    assert heard(quiet, event(1, department="X")).quiet == "initial-load"
    assert heard(quiet, event(1, start=START + timedelta(hours=1))).quiet is None


@pytest.mark.feature("F6.3")
def test_the_phone_is_gone_an_hour_after_the_start_and_does_not_come_back() -> None:
    late = heard(booked(0), now=START + timedelta(hours=1))
    assert late.facts.phone is None
    assert "5550101" not in late.model_dump_json()


@pytest.mark.feature("F6.3")
def test_the_phone_of_a_cancelled_visit_is_due_an_hour_after_the_word_came() -> None:
    appointment = heard(booked(0), event(30, standing="cancelled"))
    assert phone_due(appointment) == NOON + timedelta(minutes=90)


@pytest.mark.feature("F6.3")
@pytest.mark.parametrize("first", [[booked(0), event(30, start=None)], [event(30, phone="+16085550101")]])
def test_the_phone_of_an_appointment_without_a_start_is_due_an_hour_after_the_word_came(first: list[Heard]) -> None:
    appointment = heard(*first)
    assert phone_due(appointment) == NOON + timedelta(minutes=90)
    assert "5550101" not in without_ids(appointment).model_dump_json()


@pytest.mark.feature("F12.6")
def test_with_the_phone_the_providers_name_leaves_whatever_remembers_it() -> None:
    spoken = [event(minute, provider="TINA BEST", visit_type="Video visit") for minute in range(1, 40)]
    kept = heard(booked(0, provider="TINA BEST"), *spoken)
    assert "TINA" in kept.model_dump_json()
    left = without_phone(kept).model_dump_json()
    assert ("TINA" in left, "6085550101" in left, "Video visit" in left) == (False, False, True)


CHANGES = [
    {"standing": "booked", "start": START},
    {"standing": "cancelled"},
    {"start": START + timedelta(hours=1)},
    {"start": START},
    {"standing": "no-show"},
    {"phone": "+16085550103"},
    {"phone": None},
    {"video": False},
    {"video": True},
    {"department": "CARD", "language": "es"},
    {"provider": "TINA BEST", "visit_type": "Video visit"},
]


@st.composite
def deliveries(draw: st.DrawFn) -> list[Heard]:
    """Up to fifteen events, several in the same minute: ties in message time, arrival and position."""
    picks = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.sampled_from(CHANGES)), max_size=15))
    return [
        event(minute, arrived=5, position=position, control=f"C{number}", **facts)
        for number, (minute, position, facts) in enumerate(picks)
    ]


@pytest.mark.promise("P12")
@given(events=deliveries(), seed=st.integers())
def test_any_order_repetition_and_tie_ends_in_the_same_state(events: list[Heard], seed: int) -> None:
    shuffled = [*events, *events]
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - reproducible on purpose
    assert state(heard(*shuffled)) == state(heard(*events))


@pytest.mark.promise("P2")
@given(events=deliveries())
def test_a_version_never_falls_and_never_says_two_things(events: list[Heard]) -> None:
    appointment, said = NEW, dict[int, Told]()
    for one in events:
        before, appointment = appointment.version, after(appointment, one, NOON)
        assert appointment.version in {before, before + 1}
        assert said.setdefault(appointment.version, to_tell(appointment.facts)) == to_tell(appointment.facts)


def state(appointment: Appointment) -> dict[str, object]:
    """All but what tells how it came to be: the count of its versions, and when and by what the last one was made."""
    return appointment.model_dump(exclude={"version", "versioned_at", "quiet"})


@pytest.mark.promise("P12")
def test_every_order_of_a_booking_a_move_a_cancellation_and_a_rebooking_ends_the_same() -> None:
    events = [booked(0), event(1, start=START + timedelta(hours=1)), event(2, standing="cancelled"), booked(3)]
    ends = {str(state(heard(*order))) for order in permutations(events)}
    assert len(ends) == 1
