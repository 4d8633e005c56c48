"""Which of a patient's phones may be texted: PID-13, PID-14 and, since v2.7, PID-40 (epic.md 4.2, "Phone")."""

from dataclasses import dataclass
from enum import Enum

from shared.domain import phone
from shared.domain.hl7v2.event import PhoneNote, Said
from shared.domain.hl7v2.segments import Repetition, Segments
from shared.domain.hl7v2.settings import FieldMap
from shared.domain.phone import NotTextable

_MOBILE = frozenset({"CP", "CELL", "MOBILE"})  # table 0202 has CP; senders write words, also in component 2
_NO_VOICE = frozenset({"NET", "INTERNET", "X.400", "FX", "BP", "MD", "TDD", "TTY"})  # tables 0201 and 0202
_WORK = frozenset({"WPN", "WORK", "W"})


@dataclass(frozen=True, slots=True)
class Contact:
    """The number to text (E.164) if there is one, and how it was found or why not."""

    number: str | None
    said: Said
    note: PhoneNote


class _Kind(Enum):
    MOBILE = 1
    UNTYPED = 2
    HOME = 3
    WORK = 4
    NO_PHONE = 5


@dataclass(frozen=True, slots=True)
class _Listed:
    kind: _Kind
    spellings: tuple[str, ...]  # the same number as the sender wrote it in one piece and in parts


def read(message: Segments, fields: FieldMap) -> Contact:
    """Choose the phone: typed mobile, else the only untyped one, else home or work if the connection allows it."""
    repetitions = [*message.repetitions("PID", 13), *message.repetitions("PID", 40)]
    listed = [_listed(repetition) for repetition in repetitions]
    work = [_as_work(_listed(repetition)) for repetition in message.repetitions("PID", 14)]
    phones = [found for found in (*listed, *work) if found.kind is not _Kind.NO_PHONE]
    candidates = _candidates(phones, fields)
    if candidates:
        return _first_textable(candidates, fields.region)
    if not any(repetition.says_something() for repetition in repetitions):
        return _nothing_said(message, phones)
    return Contact(None, Said.UNUSABLE, _why_none(phones))


def _candidates(phones: list[_Listed], fields: FieldMap) -> list[tuple[PhoneNote, _Listed]]:
    def of(kind: _Kind) -> list[_Listed]:
        return [found for found in phones if found.kind is kind]

    untyped = of(_Kind.UNTYPED)
    chosen = [(PhoneNote.TYPED, found) for found in of(_Kind.MOBILE)]
    if len(untyped) == 1:
        chosen += [(PhoneNote.UNTYPED, untyped[0])]
    if fields.home_phone:
        chosen += [(PhoneNote.HOME, found) for found in (*of(_Kind.HOME), *untyped)]  # PID-13 is the home phone
    if fields.work_phone:
        chosen += [(PhoneNote.WORK, found) for found in of(_Kind.WORK)]
    return chosen


def _first_textable(candidates: list[tuple[PhoneNote, _Listed]], region: str) -> Contact:
    refusals = []
    for note, found in candidates:
        for spelling in found.spellings:
            try:
                return Contact(phone.e164(spelling, region), Said.GIVEN, note)
            except NotTextable as refused:
                refusals.append(PhoneNote(refused.reason.value))
    return Contact(None, Said.UNUSABLE, refusals[0])


def _why_none(phones: list[_Listed]) -> PhoneNote:
    kinds = {found.kind for found in phones}
    if _Kind.UNTYPED in kinds:
        return PhoneNote.SEVERAL_UNTYPED
    if _Kind.HOME in kinds:
        return PhoneNote.HOME_ONLY
    return PhoneNote.WORK_ONLY if _Kind.WORK in kinds else PhoneNote.NONE


def _nothing_said(message: Segments, phones: list[_Listed]) -> Contact:
    if message.deletes("PID", 13) or message.deletes("PID", 40):
        return Contact(None, Said.DELETED, PhoneNote.DELETED)
    return Contact(None, Said.ABSENT, _why_none(phones))


def _listed(repetition: Repetition) -> _Listed:
    spellings = _spellings(repetition)
    return _Listed(_kind(repetition) if spellings else _Kind.NO_PHONE, spellings)


def _as_work(found: _Listed) -> _Listed:
    return found if found.kind is _Kind.NO_PHONE else _Listed(_Kind.WORK, found.spellings)


def _kind(repetition: Repetition) -> _Kind:
    types = {repetition.component(number).upper() for number in (2, 3)} - {""}
    if types & _NO_VOICE:
        return _Kind.NO_PHONE
    if types & _MOBILE:
        return _Kind.MOBILE
    if types & _WORK:
        return _Kind.WORK
    return _Kind.HOME if types else _Kind.UNTYPED


def _spellings(repetition: Repetition) -> tuple[str, ...]:
    """Component 1 in one piece, 12 likewise since v2.7, or country, area and local number in 5, 6 and 7."""
    country, area, local = (repetition.component(number) for number in (5, 6, 7))
    parts = (f"+{country}{area}{local}" if country else area + local) if local else ""
    return tuple(spelling for spelling in (repetition.component(1), repetition.component(12), parts) if spelling)
