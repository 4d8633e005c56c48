"""One HL7v2 message to one scheduling event (epic.md section 4)."""

import re
from datetime import datetime, timedelta

from shared.domain.hl7v2 import contact, times, timing
from shared.domain.hl7v2.envelope import RawMessage
from shared.domain.hl7v2.errors import ErrorCode, Unreadable, WrongType
from shared.domain.hl7v2.event import Action, Ignored, Note, Order, SchedulingEvent
from shared.domain.hl7v2.header import Header
from shared.domain.hl7v2.language import language_code
from shared.domain.hl7v2.segments import Segments
from shared.domain.hl7v2.settings import FieldMap, IdField, StatusField
from shared.domain.hl7v2.timing import Timing

_ACTIONS = {
    "S12": Action.BOOK,
    "S13": Action.MOVE,
    "S14": Action.MODIFY,
    "S15": Action.CANCEL,
    "S16": Action.CANCEL,
    "S17": Action.CANCEL,
    "S26": Action.NO_SHOW,
}

#: Without a start these say nothing one could act on.
_NEEDS_START = frozenset({Action.BOOK, Action.MOVE})
#: What the status may outdo, if the connection says so; otherwise the trigger event counts.
_STATUS_MAY_DECIDE = frozenset({Action.BOOK, Action.MOVE, Action.MODIFY})

_EVENT = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_AHEAD = timedelta(minutes=10)  # architecture, section 3
#: An event must fit into a queue message whatever was sent.
_LONGEST_ID = 199  # MSH-10 since v2.7; ids of appointments are shorter still
_LONGEST_NAME = 227  # MSH-3 and MSH-4 since v2.3.1
_LONGEST_TOLD = 80


def read(message: RawMessage, fields: FieldMap, arrived: datetime) -> SchedulingEvent | Ignored:
    """Read one message that arrived at `arrived` (aware).

    Raises WrongType (answer AR) or Unreadable (answer AE), both naming the field.
    """
    if message.fault:
        raise message.fault
    header = message.header
    trigger, version = _trigger(header), _version(header)
    if header.component(11, 1) not in fields.processing_ids | {""}:
        raise WrongType(ErrorCode.UNSUPPORTED_PROCESSING_ID, "MSH", 11)
    control_id, sender = _control_id(header), _sender(header)
    if trigger not in _ACTIONS or trigger not in fields.triggers:
        return Ignored(trigger, sender, control_id)
    segments = Segments(message)
    notes: list[Note] = []
    action = _action(trigger, segments, fields, notes)
    when = timing.read(segments, version, fields.timezone)
    _require_start(action, when, segments, version)
    phone = contact.read(segments, fields)
    csn = _csn(segments, fields)
    sent, order = _order(message, control_id, fields, arrived, notes)
    types, video = _visit_types(segments, fields)
    return SchedulingEvent(
        trigger=trigger,
        action=action,
        csn=csn,
        placer_id=_id(segments, IdField.SCH_1),
        filler_id=_id(segments, IdField.SCH_2),
        moved_from=_moved_from(action, csn, segments, fields),
        start=when.start,
        start_said=when.said,
        end=when.end,
        minutes=when.minutes,
        phone=phone.number,
        phone_said=phone.said,
        phone_note=phone.note,
        language=_language(segments, notes),
        department=_department(segments, 1),
        department_name=_department(segments, 2),
        provider=_provider(segments) if fields.provider_name else None,
        visit_types=types,
        video=video,
        sent=sent,
        order=order,
        sender=sender,
        control_id=control_id,
        notes=(*notes, *when.notes),
    )


def _trigger(header: Header) -> str:
    if header.component(9, 1).upper() != "SIU":
        raise WrongType(ErrorCode.UNSUPPORTED_TYPE, "MSH", 9)
    trigger = header.component(9, 2).upper()
    if not _EVENT.fullmatch(trigger):
        raise WrongType(ErrorCode.UNSUPPORTED_EVENT, "MSH", 9)
    return trigger


def _version(header: Header) -> tuple[int, ...]:
    """MSH-12 in numbers; () if the segment ends before it, as Epic's own may."""
    version = header.version()
    if header.component(12, 1) and not version:
        raise WrongType(ErrorCode.UNSUPPORTED_VERSION, "MSH", 12)
    return version


def _control_id(header: Header) -> str:
    control_id = header.field(10).strip()
    if not control_id:
        raise Unreadable(ErrorCode.REQUIRED_FIELD, "MSH", 10)
    if len(control_id) > _LONGEST_ID:
        raise Unreadable(ErrorCode.DATA_TYPE, "MSH", 10)
    return control_id


def _sender(header: Header) -> str:
    for number in (3, 4):
        if len(header.field(number)) > _LONGEST_NAME:
            raise Unreadable(ErrorCode.DATA_TYPE, "MSH", number)
    return f"{header.field(3)}|{header.field(4)}"


def _action(trigger: str, segments: Segments, fields: FieldMap, notes: list[Note]) -> Action:
    action = _ACTIONS[trigger]
    decided = fields.status_actions.get(segments.text(*_place(fields.status_field)), action)
    if action not in _STATUS_MAY_DECIDE or decided is action:
        return action
    notes.append(Note.STATUS_DECIDED)
    return decided


def _require_start(action: Action, when: Timing, segments: Segments, version: tuple[int, ...]) -> None:
    if action not in _NEEDS_START or when.start:
        return
    code = ErrorCode.DATA_TYPE if when.notes else ErrorCode.REQUIRED_FIELD
    if version >= timing.TQ1_SINCE and segments.text("TQ1", 7):
        raise Unreadable(code, "TQ1", 7)
    raise Unreadable(code, "SCH", 11)


def _csn(segments: Segments, fields: FieldMap) -> str:
    """The first filled field of the connection's list: the key that joins appointment and launch."""
    for source in fields.csn_fields:
        if found := _id(segments, source):
            return found
    raise Unreadable(ErrorCode.REQUIRED_FIELD, *_place((*fields.csn_fields, IdField.PV1_19)[0]))


def _id(segments: Segments, source: IdField) -> str | None:
    segment, number = _place(source)
    text = segments.text(segment, number)
    if len(text) > _LONGEST_ID:
        raise Unreadable(ErrorCode.DATA_TYPE, segment, number)
    return text or None


def _place(source: IdField | StatusField) -> tuple[str, int]:
    segment, _, number = source.partition("-")
    return segment, int(number)


def _moved_from(action: Action, csn: str, segments: Segments, fields: FieldMap) -> str | None:
    if fields.moved_from is None or action not in {Action.MOVE, Action.MODIFY}:
        return None
    older = _id(segments, fields.moved_from)
    return older if older != csn else None


def _order(
    message: RawMessage, control_id: str, fields: FieldMap, arrived: datetime, notes: list[Note]
) -> tuple[datetime | None, Order]:
    """MSH-7 as far as it tells an age, and the order: by it, unless it is missing, imprecise or from the future."""
    text = message.header.component(7, 1)
    sent = times.read(text, fields.timezone, near=arrived)
    if sent is None:
        notes.append(Note.SENT_MALFORMED if text else Note.SENT_MISSING)
        return None, Order(arrived, arrived, message.position, control_id)
    if sent.note:
        notes.append(sent.note)
    known = sent.utc if sent.precision in {"second", "minute"} else None
    doubt = (
        Note.SENT_IMPRECISE if sent.precision != "second" else Note.SENT_AHEAD if sent.utc > arrived + _AHEAD else None
    )
    if doubt:
        notes.append(doubt)
    return known, Order(arrived if doubt else sent.utc, arrived, message.position, control_id)


def _language(segments: Segments, notes: list[Note]) -> str | None:
    text = segments.text("PID", 15)
    code = language_code(text)
    if text and code is None:
        notes.append(Note.LANGUAGE_UNKNOWN)
    return code


def _department(segments: Segments, component: int) -> str | None:
    """Code (1) or name (2) where the department stands; of AIL-3 and PV1-3 the second component is a room."""
    places = (("RGS", 3), ("AIL", 3), ("PV1", 3))
    segment, number = next((place for place in places if segments.text(*place)), places[0])
    return _told("" if segment != "RGS" and component == 2 else segments.text(segment, number, component))


def _provider(segments: Segments) -> str | None:
    """Prefix, first and last name of who sees the patient (XCN), as the sender writes them."""
    places = (("AIP", 3), ("PV1", 7))
    names = (" ".join(filter(None, (segments.text(*place, part) for part in (6, 3, 2)))) for place in places)
    return _told(next(filter(None, names), ""))


def _told(text: str) -> str | None:
    return text if 0 < len(text) <= _LONGEST_TOLD else None


def _visit_types(segments: Segments, fields: FieldMap) -> tuple[tuple[str, ...], bool | None]:
    """Those of the configured video visit types that the message names, by code or name.

    SCH-7 may hold the reason for the visit in free text, so nothing else of these fields is kept.
    """
    named = [
        text
        for part in (2, 1)
        for text in (segments.text("SCH", 7, part), segments.text("SCH", 8, part), *segments.texts("AIS", 3, part))
        if text
    ]
    found = tuple(dict.fromkeys(name for name in named if name in fields.video_visit_types))
    if not fields.video_visit_types:
        return (), True
    return found, bool(found) if named else None
