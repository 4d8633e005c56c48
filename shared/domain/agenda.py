"""What an appointment makes due, and when. Pure functions of the stored row (architecture, rule 4).

Every delivery emits all of it again: ids follow from appointment, kind, slot and version, so a repetition meets
itself. What has become stale is not withdrawn; whoever receives it sees another version in the row and drops it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Literal

from shared.domain.appointment import PHONE_STAYS, Appointment, phone_due, to_tell
from shared.domain.connection import SmsSetup
from shared.domain.visit import Visit, length

DueKind = Literal["reminder", "erase-phone", "provision", "subscribe", "close", "erase-visit"]
#: Meetings are made this long before the start: early enough for any launch, late enough to spare cancelled visits.
PROVISION_AHEAD = timedelta(hours=24)
#: Graph is asked to tell of a call this long before it (microsoft-apis.md 2a).
SUBSCRIBE_AHEAD = timedelta(minutes=45)
#: A call that has ended may begin again within this time before the visit is closed.
CLOSE_AFTER_END = timedelta(minutes=10)
#: A visit of which nothing more is heard closes this long after its end.
CLOSE_AFTER_SILENCE = timedelta(hours=4)
#: When a closed visit is looked at for erasure, and when it is erased whatever is left to do (rule 5).
ERASE_AFTER_CLOSE = timedelta(minutes=30)
ERASE_AT_LATEST = timedelta(hours=72)


@dataclass(frozen=True)
class Due:
    """One entry of the agenda.

    at     when; the agenda works by the minute
    until  past this it is of no use
    slot   tells entries of one kind apart: for a reminder the configured interval in minutes. It is a name, not a
           time: the text is sent only while the connection has this interval
    """

    at: datetime
    until: datetime
    kind: DueKind
    connection: str
    key: str
    version: int
    slot: int = 0


def planned(appointment: Appointment, sms: SmsSetup, now: datetime) -> Iterator[Due]:
    """Everything that falls due for an appointment as it stands. A reminder whose time has passed is not made up."""
    facts = appointment.facts
    if (facts.phone or facts.provider) and (erase := phone_due(appointment)):
        yield _due(appointment, "erase-phone", erase, erase + timedelta(days=7))
    if appointment.csn and (last := time_over(appointment)):
        yield _due(appointment, "erase-visit", last + ERASE_AT_LATEST, last + ERASE_AT_LATEST + timedelta(days=7))
    if facts.start is None or to_tell(facts).standing != "booked" or appointment.moved_to:
        return
    ends = length(facts.start, facts.end)
    if ends > now:
        yield _due(appointment, "provision", max(facts.start - PROVISION_AHEAD, appointment.versioned_at or now), ends)
    for minutes in sms.reminders:
        at = facts.start - timedelta(minutes=minutes)
        if at > now:
            yield _due(appointment, "reminder", at, facts.start, minutes)


def is_past(appointment: Appointment, now: datetime) -> bool:
    """The appointment's time is over; one that was moved ahead again is not."""
    last = time_over(appointment)
    return last is not None and last <= now


def time_over(appointment: Appointment) -> datetime | None:
    """When an appointment's time is over; one without a time ends with the last word about it."""
    facts = appointment.facts
    return length(facts.start, facts.end) if facts.start else appointment.versioned_at


def of_visit(visit: Visit) -> Iterator[Due]:
    """What falls due for a visit: its subscription, its end by silence, and its erasure."""
    if visit.erased:
        return
    last = visit.end + ERASE_AT_LATEST + timedelta(days=7)
    if visit.closed is None:
        yield _of(visit, "subscribe", visit.start - SUBSCRIBE_AHEAD, visit.end)
        yield _of(visit, "close", visit.end + CLOSE_AFTER_SILENCE, last)
        if visit.call_ended:
            yield _of(visit, "close", visit.call_ended + CLOSE_AFTER_END, last)
    else:
        yield _of(visit, "erase-visit", visit.closed + ERASE_AFTER_CLOSE, last)
    yield _of(visit, "erase-visit", visit.end + ERASE_AT_LATEST, last)


def _of(visit: Visit, kind: DueKind, at: datetime, until: datetime) -> Due:
    return Due(at, until, kind, visit.connection, visit.key, 0)


def announcement_ends(appointment: Appointment) -> datetime | None:
    """Until when word of this version is worth sending; None when there is nothing to say.

    What is said is decided again when its turn comes; this only spares the queue what cannot be sent anyway.
    """
    wanted = to_tell(appointment.facts)
    if appointment.quiet or appointment.moved_to or wanted == appointment.told or appointment.versioned_at is None:
        return None
    if wanted.standing == "booked":
        return wanted.start
    if wanted.standing == "cancelled" and appointment.told:
        return appointment.versioned_at + PHONE_STAYS
    return None


def spread[T](by_connection: Mapping[str, Iterable[T]], per_minute: int) -> Iterator[tuple[T, timedelta]]:
    """Texts of one number, one connection after the other, each with its delay: no faster than `per_minute`."""
    turns = zip_longest(*by_connection.values())
    queue = (one for turn in turns for one in turn if one is not None)
    for place, one in enumerate(queue):
        yield one, timedelta(seconds=place * 60 // per_minute)


def _due(appointment: Appointment, kind: DueKind, at: datetime, until: datetime, slot: int = 0) -> Due:
    return Due(at, until, kind, appointment.connection, appointment.key, appointment.version, slot)
