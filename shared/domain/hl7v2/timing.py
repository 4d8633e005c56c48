"""When an appointment starts and ends: the order we read in (epic.md 4.2, "The order we read in")."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.domain.hl7v2 import times
from shared.domain.hl7v2.event import Note, Said
from shared.domain.hl7v2.segments import Segments
from shared.domain.hl7v2.times import Moment

#: SCH-10, lower case, as seen in real feeds; a blank unit is read as minutes.
_UNIT_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("", "m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
}

_SHORTEST, _LONGEST = timedelta(minutes=5), timedelta(hours=12)
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,3})?", re.ASCII)

#: TQ1 carries the times since v2.5; SCH-11 is then kept for compatibility and may hold something else.
TQ1_SINCE = (2, 5)

#: Where the resources' own start stands, if neither TQ1 nor SCH-11 has one.
_RESOURCE_STARTS = (("AIS", 4), ("AIG", 8), ("AIL", 6), ("AIP", 6))


@dataclass(frozen=True, slots=True)
class Timing:
    """Start and end in UTC, what was said about the start, and what was odd."""

    start: datetime | None
    said: Said
    end: datetime | None
    notes: tuple[Note, ...]

    @property
    def minutes(self) -> int | None:
        """The length in whole minutes."""
        return int((self.end - self.start).total_seconds() // 60) if self.start and self.end else None


@dataclass(frozen=True, slots=True)
class _Source:
    """A segment that holds a start and an end, as (segment, field, component)."""

    start: tuple[str, int, int]
    end: tuple[str, int, int]


_TQ1 = _Source(("TQ1", 7, 1), ("TQ1", 8, 1))
_SCH = _Source(("SCH", 11, 4), ("SCH", 11, 5))


def read(message: Segments, version: tuple[int, ...], zone: ZoneInfo) -> Timing:
    """Read the start, then the end that belongs to it. `version` is MSH-12 in numbers, () if missing."""
    notes: list[Note] = []
    for source in (_TQ1, _SCH) if version >= TQ1_SINCE else (_SCH,):
        if message.deletes(*source.start):
            return Timing(None, Said.DELETED, None, tuple(notes))
        if start := _usable(message.text(*source.start), zone, notes):
            return _with_end(message, start, times.read(message.text(*source.end), zone), notes)
    starts = [
        start for place in _RESOURCE_STARTS for text in message.texts(*place) if (start := _usable(text, zone, notes))
    ]
    if starts:
        return _with_end(message, min(starts, key=lambda moment: moment.utc), None, notes)
    return Timing(None, Said.UNUSABLE if notes else Said.ABSENT, None, tuple(dict.fromkeys(notes)))


def _usable(text: str, zone: ZoneInfo, notes: list[Note]) -> Moment | None:
    if not text:
        return None
    moment = times.read(text, zone)
    if moment is None:
        notes.append(Note.START_MALFORMED)
    elif moment.precision == "day":
        notes.append(Note.START_WITHOUT_HOUR)
    else:
        return moment
    return None


def _with_end(message: Segments, start: Moment, end: Moment | None, notes: list[Note]) -> Timing:
    if start.note:
        notes.append(start.note)
    lengths = [end.utc - start.utc if end and end.precision != "day" else None, _duration(message), _plain(message)]
    for length in lengths:
        if length is not None and _SHORTEST <= length <= _LONGEST:
            return Timing(start.utc, Said.GIVEN, start.utc + length, tuple(dict.fromkeys(notes)))
        if length:
            notes.append(Note.LENGTH_IGNORED)
    return Timing(start.utc, Said.GIVEN, None, tuple(dict.fromkeys(notes)))


def _duration(message: Segments) -> timedelta | None:
    """SCH-9 in SCH-10 units; 0 and blank mean none."""
    seconds = _UNIT_SECONDS.get(message.text("SCH", 10).lower())
    number = _number(message.text("SCH", 9))
    return timedelta(seconds=number * seconds) if number and seconds else None


def _plain(message: Segments) -> timedelta | None:
    """SCH-11.3 as older feeds fill it: a plain number of minutes."""
    number = _number(message.text("SCH", 11, 3))
    return timedelta(minutes=number) if number else None


def _number(text: str) -> float:
    return float(text) if _NUMBER.fullmatch(text) else 0.0
