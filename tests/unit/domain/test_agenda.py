"""What an appointment makes due follows from its row alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.agenda import announcement_ends, planned, spread
from shared.domain.appointment import Appointment, Facts, Told, replaced
from shared.domain.connection import SmsSetup

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
START = NOON + timedelta(days=3)
SMS = SmsSetup(reminders=(1440, 60))


def booked(**changes: object) -> Appointment:
    facts = Facts(start=START, phone="+16085550101")
    return Appointment(connection="c", key="k", csn="900100", facts=facts, version=1, versioned_at=NOON).model_copy(
        update=changes
    )


def kinds(appointment: Appointment, now: datetime = NOON) -> list[tuple[str, int, datetime]]:
    return [(due.kind, due.slot, due.at) for due in planned(appointment, SMS, now)]


@pytest.mark.feature("F5.9", "F5.16", "F6.3")
def test_a_booking_plans_its_meeting_each_reminder_and_the_end_of_its_phone_number() -> None:
    assert kinds(booked()) == [
        ("erase-phone", 0, START + timedelta(hours=1)),
        ("erase-visit", 0, START + timedelta(hours=1 + 72)),
        ("provision", 0, START - timedelta(days=1)),
        ("reminder", 1440, START - timedelta(days=1)),
        ("reminder", 60, START - timedelta(hours=1)),
    ]


def test_a_providers_name_is_erased_at_its_time_also_where_no_phone_was_known() -> None:
    nameless, named = (booked(facts=Facts(start=START, provider=name)) for name in (None, "TINA BEST"))
    assert "erase-phone" not in {kind for kind, _, _ in kinds(nameless)}
    assert ("erase-phone", 0, START + timedelta(hours=1)) in kinds(named)


def test_a_visit_booked_for_today_gets_its_meeting_at_the_next_tick() -> None:
    soon = booked(facts=Facts(start=NOON + timedelta(hours=2)))
    assert [at for kind, _, at in kinds(soon) if kind == "provision"] == [NOON]


def test_a_reminder_whose_time_has_passed_is_not_made_up() -> None:
    assert [slot for kind, slot, _ in kinds(booked(), START - timedelta(hours=2)) if kind == "reminder"] == [60]


@pytest.mark.parametrize(
    "facts",
    [
        {"standing": "cancelled"},
        {"standing": "no-show"},
        {"video": False},
        {"start": None},
    ],
)
def test_what_is_no_booked_video_visit_plans_no_reminder(facts: dict[str, object]) -> None:
    appointment = booked(facts=Facts.model_validate({"start": START, "phone": "+16085550101"} | facts))
    assert not [kind for kind, _, _ in kinds(appointment) if kind == "reminder"]


def test_a_moved_appointment_plans_nothing_but_its_erasure() -> None:
    assert [kind for kind, _, _ in kinds(replaced(booked(), "heir", (NOON, NOON, 0, "", "")))] == ["erase-visit"]


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({}, START),
        ({"quiet": "stale"}, None),
        ({"quiet": "initial-load"}, None),
        ({"moved_to": "heir"}, None),
        ({"told": Told(start=START, standing="booked")}, None),
        ({"told": Told(start=NOON, standing="booked")}, START),
        ({"facts": Facts(start=START, standing="cancelled")}, None),
        (
            {"facts": Facts(start=START, standing="cancelled"), "told": Told(start=START, standing="booked")},
            NOON + timedelta(hours=1),
        ),
        ({"facts": Facts(start=START, standing="no-show"), "told": Told(start=START, standing="booked")}, None),
    ],
)
def test_a_version_is_announced_only_while_it_is_news(changes: dict[str, object], ends: datetime | None) -> None:
    assert announcement_ends(booked(**changes)) == ends


@pytest.mark.feature("F5.7")
def test_connections_that_share_a_number_take_turns() -> None:
    turns = spread({"a": ["a1", "a2", "a3"], "b": ["b1"]}, per_minute=60)
    assert [(one, delay.total_seconds()) for one, delay in turns] == [("a1", 0), ("b1", 1), ("a2", 2), ("a3", 3)]


@given(st.dictionaries(st.text(max_size=3), st.lists(st.integers(), max_size=50), max_size=5), st.integers(1, 600))
def test_no_minute_gets_more_texts_than_the_number_may_send(waiting: dict[str, list[int]], per_minute: int) -> None:
    delays = [delay for _, delay in spread(waiting, per_minute)]
    assert len(delays) == sum(map(len, waiting.values()))
    for delay in delays:
        within = [other for other in delays if delay <= other < delay + timedelta(minutes=1)]
        assert len(within) <= per_minute + 1
