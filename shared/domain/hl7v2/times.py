"""HL7 times (DTM) to UTC.

`hl7.parse_datetime` is not used: it takes "2022-02-18" for the year alone, ignores what follows a valid beginning,
reads `-0030` as half an hour ahead, and does not say how precise a value was (0.4.5, checked by running).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from shared.domain.hl7v2.event import Note

#: YYYY[MM[DD[HH[MM[SS[.S+]]]]]][+-ZZZZ]; hundredths may follow without a point (Epic's own MSH-7 has 16 digits).
_DTM = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.(\d{1,6})\d*|(\d\d))?(Z|[+-]\d\d:?\d\d)?", re.ASCII)

#: Outside these years it is a placeholder or a mistake.
_YEARS = range(1900, 2200)

#: A year or month alone begins with its first day.
_DEFAULTS = (0, 1, 1, 0, 0, 0)

Precision = Literal["day", "hour", "minute", "second"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in UTC, how precisely it was written, and what was odd about it."""

    utc: datetime
    precision: Precision  # "day" also stands for a month or year alone
    note: Note | None


def read(text: str, zone: ZoneInfo, near: datetime | None = None) -> Moment | None:
    """Read one HL7 time; None if it is none.

    A time without offset belongs to `zone`. If the clock showed it twice, the one nearest to `near` counts, or
    the first; if it never showed it, the offset before the change counts (fold 0).
    """
    match = _DTM.fullmatch(text.strip())
    if not match:
        return None
    *digits, fraction, hundredths, offset = match.groups()
    try:
        written = _written(digits, fraction or hundredths or "", _offset(offset) or zone)
        utc, note = _to_utc(written, near)
    except (ValueError, OverflowError):
        return None
    return Moment(utc, _precision(digits), note)


def _written(digits: list[str | None], fraction: str, zone: tzinfo) -> datetime:
    year, month, day, hour, minute, second = (
        int(part or default) for part, default in zip(digits, _DEFAULTS, strict=True)
    )
    if year not in _YEARS:
        raise ValueError("year")
    microsecond = int(fraction.ljust(6, "0"))
    return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone)


def _offset(text: str | None) -> timezone | None:
    if not text:
        return None
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _precision(digits: list[str | None]) -> Precision:
    _, _, _, hour, minute, second = digits
    if second:
        return "second"
    if minute:
        return "minute"
    return "hour" if hour else "day"


def _to_utc(first: datetime, near: datetime | None) -> tuple[datetime, Note | None]:
    second = first.replace(fold=1)
    if first.utcoffset() == second.utcoffset():
        return first.astimezone(UTC), None
    candidates = first.astimezone(UTC), second.astimezone(UTC)
    if candidates[0] > candidates[1]:  # never shown: with the offset before the change it is the later one
        return candidates[0], Note.DST_GAP
    if near is None:
        return candidates[0], Note.DST_OVERLAP
    return min(candidates, key=lambda moment: abs(moment - near)), Note.DST_OVERLAP
