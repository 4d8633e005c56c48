"""Quiet hours: when patients are left alone (F5.17), in the visit's time zone."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from shared.domain.model import Model

#: A text that waits must leave its reader this much time before the visit; else it does not wait.
USEFUL_BEFORE = timedelta(minutes=15)

ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class QuietHours(Model):
    """From `starts` to just before `ends`, by the clock of the visit's time zone; over midnight if they say so."""

    starts: ClockTime = Field(description="First minute of the quiet hours, such as 21:00.")
    ends: ClockTime = Field(description="First minute after them, such as 08:00.")

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.starts == self.ends:
            raise ValueError("must end at another time than they start")
        return self


def wait(quiet: QuietHours | None, now: datetime, useful_until: datetime, zone: str) -> timedelta:
    """How long a text has to wait: nothing outside quiet hours, nor where waiting would make it come too late."""
    if quiet is None:
        return timedelta()
    local = now.astimezone(ZoneInfo(zone))
    if not _within(quiet, local.time()):
        return timedelta()
    ends = _ends(quiet, local)
    return ends - now if ends <= useful_until - USEFUL_BEFORE else timedelta()


def _within(quiet: QuietHours, at: time) -> bool:
    starts, ends = time.fromisoformat(quiet.starts), time.fromisoformat(quiet.ends)
    return starts <= at < ends if starts < ends else not ends <= at < starts


def _ends(quiet: QuietHours, local: datetime) -> datetime:
    """The next time the clock shows their end."""
    ends = time.fromisoformat(quiet.ends)
    day = local.date() if local.time() < ends else local.date() + timedelta(days=1)
    return datetime.combine(day, ends, local.tzinfo).astimezone(UTC)
