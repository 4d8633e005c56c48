"""The HL7 answer to each message: AA, AE or AR (epic.md 4.4, architecture section 7).

`hl7.Message.create_ack` is not used: it fails without MSH-9.2, makes no ERR and writes a local-looking UTC time.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from shared.domain.hl7v2.envelope import Envelope
from shared.domain.hl7v2.errors import ERROR_TEXT, Hl7Fault, WrongType
from shared.domain.hl7v2.header import Delimiters, Header

NewId = Callable[[], str]  # a fresh MSH-10, at most 20 characters for v2.3


class Ack(StrEnum):
    """MSA-1, table 0008."""

    ACCEPTED = "AA"
    ERROR = "AE"
    REJECTED = "AR"


_EVENT = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_ERL_SINCE = (2, 5)  # before, ERR-1 holds place and code together
_NOT_NAMED = {11: "P", 12: "2.3"}  # MSH-11 and MSH-12 are required, also in the answer to a sender who left them out
_BATCH_ID, _BATCH_REFERENCE = 11, 12


def code(fault: Hl7Fault | None) -> Ack:
    """Which answer an outcome gets."""
    if fault is None:
        return Ack.ACCEPTED
    return Ack.REJECTED if isinstance(fault, WrongType) else Ack.ERROR


def answer(header: Header, fault: Hl7Fault | None, now: datetime, new_id: NewId) -> str:
    """The ACK to the message with this (perhaps damaged) MSH, in its delimiters; each segment ends in CR."""
    marks = header.delimiters
    fields = _reversed_route(header, now)
    fields += ["", _type(header), new_id(), *(_echo(header, number) or _NOT_NAMED[number] for number in (11, 12))]
    lines = [marks.field.join(fields), marks.field.join(("MSA", code(fault), _echo(header, 10)))]
    if fault:
        lines.append(_err(header, fault))
    return "".join(f"{line}\r" for line in lines)


def enclose(envelope: Envelope, acks: Sequence[str], now: datetime, new_id: NewId) -> str:
    """One answer per message, batched and filed as the messages were."""
    parts = []
    for batch, group in groupby(zip(envelope.messages, acks, strict=True), key=lambda pair: pair[0].batch):
        texts = [ack for _, ack in group]
        header = None if batch is None else envelope.batches[batch]
        parts.append(_wrapped(header, "BTS", texts, now, new_id))
    return _wrapped(envelope.file, "FTS", parts, now, new_id)


def _wrapped(header: Header | None, trailer: str, parts: Sequence[str], now: datetime, new_id: NewId) -> str:
    if header is None:
        return "".join(parts)
    separator = header.delimiters.field
    fields = [*_reversed_route(header, now), "", "", "", new_id(), _echo(header, _BATCH_ID)]
    return f"{separator.join(fields)}\r{''.join(parts)}{trailer}{separator}{len(parts)}\r"


def _reversed_route(header: Header, now: datetime) -> list[str]:
    """Fields 1 to 7 of MSH, FHS or BHS: theirs, with sender and receiver changed over and a time with offset."""
    route = [_echo(header, number) for number in (5, 6, 3, 4)]
    return [header.fields[0], header.delimiters.encoding, *route, f"{now:%Y%m%d%H%M%S%z}"]


def _echo(header: Header, number: int) -> str:
    """A field as sent. If its delimiters could not be read, only what is none under the standard ones."""
    value = header.field(number)
    marks = Delimiters()
    if header.fault and any(mark in value for mark in marks.field + marks.encoding):
        return ""
    return value


def _type(header: Header) -> str:
    event = header.component(9, 2)
    return header.delimiters.component.join(("ACK", event, "ACK")) if _EVENT.fullmatch(event) else "ACK"


def _err(header: Header, fault: Hl7Fault) -> str:
    marks = header.delimiters
    wording = (fault.code.value, ERROR_TEXT[fault.code], "HL70357")
    place = fault.place.parts()
    if header.version() >= _ERL_SINCE:
        return marks.field.join(("ERR", "", marks.component.join(place), marks.component.join(wording), "E"))
    in_full = (*place, "")[:3]
    return marks.field.join(("ERR", marks.component.join((*in_full, marks.subcomponent.join(wording)))))
