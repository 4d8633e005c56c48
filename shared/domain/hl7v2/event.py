"""What a scheduling message says, in our terms: the few fields that survive the door (architecture, rule 5)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


class Action(StrEnum):
    """What an event asks of an appointment (epic.md 4.1)."""

    BOOK = "book"
    MOVE = "move"
    MODIFY = "modify"
    CANCEL = "cancel"
    NO_SHOW = "no-show"


class Said(StrEnum):
    """What a message says about one field. Only ABSENT leaves what we knew as it is."""

    ABSENT = "absent"  # nothing: keep the old value
    DELETED = "deleted"  # HL7 null "": the value is gone
    GIVEN = "given"  # there is a value
    UNUSABLE = "unusable"  # something new is there that we cannot use: the old value no longer holds


class PhoneNote(StrEnum):
    """How the phone was found, or why there is none."""

    TYPED = "typed"
    UNTYPED = "untyped"
    HOME = "home"
    WORK = "work"
    NONE = "none"
    DELETED = "deleted"
    HOME_ONLY = "home only"
    WORK_ONLY = "work only"
    SEVERAL_UNTYPED = "several untyped"
    INVALID = "invalid"
    LANDLINE = "landline"
    UNSUPPORTED = "unsupported"


class Note(StrEnum):
    """Something odd about a message, for counters and logs: codes only, never content."""

    SENT_MISSING = "sent_missing"
    SENT_MALFORMED = "sent_malformed"
    SENT_IMPRECISE = "sent_imprecise"
    SENT_AHEAD = "sent_ahead"
    START_WITHOUT_HOUR = "start_without_hour"
    START_MALFORMED = "start_malformed"
    DST_GAP = "dst_gap"
    DST_OVERLAP = "dst_overlap"
    LENGTH_IGNORED = "length_ignored"
    LANGUAGE_UNKNOWN = "language_unknown"
    STATUS_DECIDED = "status_decided"


@dataclass(frozen=True, order=True, slots=True)
class Order:
    """The place of an event among all events of its appointment (architecture, section 3).

    `sent` is MSH-7, or the arrival where MSH-7 cannot be trusted. The control id only breaks a tie between two
    messages that arrived in the same microsecond, so that the order is total.
    """

    sent: datetime
    arrived: datetime
    position: int
    control_id: str

    def __str__(self) -> str:
        """A text that sorts as the order does, for positions below a million."""
        sent, arrived = (f"{moment.astimezone(UTC):%Y%m%d%H%M%S.%f}" for moment in (self.sent, self.arrived))
        return f"{sent}/{arrived}/{self.position:06}/{self.control_id}"


@dataclass(frozen=True, slots=True)
class SchedulingEvent:
    """One S12-S17 or S26. Times are UTC. What identifies the patient or the visit stays out of `repr`."""

    trigger: str
    action: Action
    csn: str = field(repr=False)
    placer_id: str | None = field(repr=False)  # SCH-1.1
    filler_id: str | None = field(repr=False)  # SCH-2.1
    moved_from: str | None = field(repr=False)  # an older appointment id that an S13 or S14 names
    start: datetime | None
    start_said: Said
    end: datetime | None
    minutes: int | None
    phone: str | None = field(repr=False)  # E.164
    phone_said: Said
    phone_note: PhoneNote
    language: str | None  # ISO 639-1
    department: str | None  # its code, or whatever stands in its place
    visit_types: tuple[
        str, ...
    ]  # those of the connection's video visit types that the message names; names before codes
    video: bool | None  # None: the message names no visit type
    sent: datetime | None  # MSH-7, if it tells the minute at least
    order: Order
    sender: str  # MSH-3|MSH-4
    control_id: str
    notes: tuple[Note, ...]
    # what a text may tell; messages of an earlier version of the code lack them
    department_name: str | None = None
    provider: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A scheduling message we accept, count and do not act on (S18-S24 and unknown SIU)."""

    trigger: str
    sender: str
    control_id: str
