"""One HTTP body to scheduling events and the answer: what the door calls."""

from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.hl7v2 import answers, envelope, header, scheduling
from shared.domain.hl7v2.answers import Ack, NewId
from shared.domain.hl7v2.envelope import Envelope, RawMessage
from shared.domain.hl7v2.errors import Hl7Fault, Unreadable
from shared.domain.hl7v2.event import Ignored, SchedulingEvent
from shared.domain.hl7v2.settings import FieldMap

#: What is left of a body that is not in its character set: enough to split and answer it.
_READABLE_PART = "ascii"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message: an event, an ignored message, or a fault."""

    event: SchedulingEvent | Ignored | None
    fault: Hl7Fault | None

    @property
    def ack(self) -> Ack:
        """AA, AE or AR."""
        return answers.code(self.fault)


@dataclass(frozen=True, slots=True)
class Intake:
    """All of one body. The answer may leave only when every one of `events` is durable."""

    outcomes: tuple[Outcome, ...]
    answer: bytes = field(repr=False)
    content_type: str

    @property
    def events(self) -> tuple[SchedulingEvent, ...]:
        """What to act on, in the body's order."""
        return tuple(outcome.event for outcome in self.outcomes if isinstance(outcome.event, SchedulingEvent))


def receive(body: bytes, content_type: str, fields: FieldMap, arrived: datetime, new_id: NewId) -> Intake:
    """Read a body that arrived at `arrived` (aware). Raises UnsupportedMedia (HTTP 415) and nothing else.

    The answer is UTF-8 in the request's media type, one per message; a body without any message gets a single AE.
    """
    media = envelope.media(content_type, fields.content_types)
    answered_as = f"{media.type}; charset=utf-8"
    try:
        found, fault = _open(body, media.charset)
    except Unreadable as nothing:
        text = answers.answer(header.missing(), nothing, arrived, new_id)
        return Intake((Outcome(None, nothing),), text.encode(), answered_as)
    outcomes = tuple(Outcome(None, fault) if fault else _read(raw, fields, arrived) for raw in found.messages)
    pairs = zip(found.messages, outcomes, strict=True)
    acks = [answers.answer(raw.header, outcome.fault, arrived, new_id) for raw, outcome in pairs]
    text = answers.enclose(found, acks, arrived, new_id)
    return Intake(outcomes, text.encode(), answered_as)


def _open(body: bytes, charset: str) -> tuple[Envelope, Unreadable | None]:
    """The messages; with a fault if the body is not in its character set, so that each is answered by its id."""
    try:
        text, fault = envelope.decode(body, charset), None
    except Unreadable as unreadable:
        text, fault = body.decode(_READABLE_PART, "replace"), unreadable
    return envelope.split(text), fault


def _read(raw: RawMessage, fields: FieldMap, arrived: datetime) -> Outcome:
    try:
        return Outcome(scheduling.read(raw, fields, arrived), None)
    except Hl7Fault as fault:
        return Outcome(None, fault)
