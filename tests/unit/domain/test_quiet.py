"""Quiet hours: which texts wait, until when, and which do not."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.domain.quiet import QuietHours, wait

pytestmark = pytest.mark.feature("F5.17")

NIGHT, NOON = QuietHours(starts="21:00", ends="08:00"), QuietHours(starts="12:00", ends="13:00")
ZONE = "America/Chicago"


def utc(text: str) -> datetime:
    """A local time of the visit's zone."""
    return datetime.fromisoformat(f"{text}-06:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("quiet", "now", "visit", "hours"),
    [
        (None, "2026-03-02T23:00", "2026-03-04T09:00", 0),
        (NIGHT, "2026-03-02T20:59", "2026-03-04T09:00", 0),
        (NIGHT, "2026-03-02T21:00", "2026-03-04T09:00", 11),
        (NIGHT, "2026-03-03T00:00", "2026-03-04T09:00", 8),
        (NIGHT, "2026-03-03T08:00", "2026-03-04T09:00", 0),
        (NOON, "2026-03-03T12:30", "2026-03-04T09:00", 0.5),
        (NOON, "2026-03-03T13:00", "2026-03-04T09:00", 0),
        (NIGHT, "2026-03-03T07:00", "2026-03-03T08:15", 1),
        (NIGHT, "2026-03-03T07:00", "2026-03-03T08:14", 0),
        (NIGHT, "2026-03-02T23:00", "2026-03-02T23:30", 0),
    ],
)
def test_a_text_waits_for_the_end_unless_the_visit_is_too_near(
    quiet: QuietHours | None, now: str, visit: str, hours: float
) -> None:
    assert wait(quiet, utc(now), utc(visit), ZONE) == timedelta(hours=hours)


def test_the_night_of_the_change_of_clocks_is_as_long_as_it_is() -> None:
    """8 March 2026: at two o'clock it is three."""
    assert wait(NIGHT, utc("2026-03-07T22:00"), utc("2026-03-10T09:00"), ZONE) == timedelta(hours=9)


@pytest.mark.parametrize("hours", [("08:00", "08:00"), ("8:00", "09:00"), ("24:00", "09:00"), ("", "09:00")])
def test_hours_that_are_none_are_refused(hours: tuple[str, str]) -> None:
    with pytest.raises(ValidationError):
        QuietHours(starts=hours[0], ends=hours[1])
