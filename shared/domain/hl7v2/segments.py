"""The fields of one message, read with the `hl7` library.

What it is kept from, because it would log content or fail (hl7 0.4.5, checked by running): damaged headers, segments
nobody asked for, and its `unescape`, which logs the field it cannot read and repeats `\\.sp999999999\\` as told.
"""

import re
from itertools import islice
from typing import Any

import hl7

from shared.domain.hl7v2.envelope import RawMessage
from shared.domain.hl7v2.header import NULL, Delimiters

#: The segments a scheduling event is read from. The rest is not even parsed.
_READ = frozenset({"SCH", "TQ1", "PID", "PV1", "RGS", "AIS", "AIG", "AIL", "AIP"})

#: More than any appointment has; the rest of a message beyond them is not read.
_MOST_SEGMENTS = 200
_MOST_REPETITIONS = 20


class Repetition:
    """One repetition of a field."""

    def __init__(self, parsed: Any, delimiters: Delimiters) -> None:
        self._parsed = [parsed] if isinstance(parsed, str) else parsed
        self._delimiters = delimiters

    def component(self, number: int) -> str:
        """A component's text (its first subcomponent), "" if it is absent or null."""
        text = self._raw(number)
        return "" if text == NULL else unescape(text, self._delimiters).strip()

    def deletes(self, number: int) -> bool:
        """Whether the component, or the field as a whole, is HL7 null."""
        return self._raw(number) == NULL or (self._raw(1) == NULL and len(self._parsed) == 1)

    def says_something(self) -> bool:
        """Whether any component has a value."""
        return any(self.component(number) for number in range(1, len(self._parsed) + 1))

    def _raw(self, number: int) -> str:
        if number > len(self._parsed):
            return ""
        part = self._parsed[number - 1]
        return part if isinstance(part, str) else str(part[0])


class Segments:
    """The segments of a readable message, by name and field."""

    def __init__(self, message: RawMessage) -> None:
        separator = message.header.delimiters.field
        wanted = (text for text in message.segments if text.partition(separator)[0] in _READ)
        parsed = hl7.parse("\r".join([message.header.line(), *islice(wanted, _MOST_SEGMENTS)]))
        self._delimiters = message.header.delimiters
        self._named: dict[str, list[Any]] = {}
        for segment in parsed:
            self._named.setdefault(str(segment[0]), []).append(segment)

    def repetitions(self, segment: str, field: int) -> list[Repetition]:
        """All repetitions of a field in the first segment of that name; none if the segment ends before it."""
        return [found for first in self._named.get(segment, [])[:1] for found in self._repetitions(first, field)]

    def text(self, segment: str, field: int, component: int = 1) -> str:
        """A component of the field's first repetition in the first segment of that name, or ""."""
        return next((found.component(component) for found in self.repetitions(segment, field)), "")

    def texts(self, segment: str, field: int, component: int = 1) -> list[str]:
        """The same of every segment of that name, without the empty ones."""
        firsts = (self._repetitions(parsed, field)[:1] for parsed in self._named.get(segment, []))
        return [text for first in firsts for found in first if (text := found.component(component))]

    def deletes(self, segment: str, field: int, component: int = 1) -> bool:
        """Whether the sender says that the value is gone (HL7 null)."""
        return any(found.deletes(component) for found in self.repetitions(segment, field)[:1])

    def _repetitions(self, segment: Any, field: int) -> list[Repetition]:
        found = segment[field][:_MOST_REPETITIONS] if field < len(segment) else ()
        return [Repetition(parsed, self._delimiters) for parsed in found]


def unescape(text: str, delimiters: Delimiters) -> str:
    r"""Undo `\F\ \S\ \T\ \R\ \E\ \X..\`; line breaks (`\.br\`) become a blank, other formatting goes."""
    if delimiters.escape not in text:
        return text
    mark = re.escape(delimiters.escape)
    return re.sub(f"{mark}([^{mark}]*){mark}", lambda match: _unescaped(match[1], delimiters), text)


def _unescaped(sequence: str, delimiters: Delimiters) -> str:
    marks = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        ".br": " ",
    }
    if sequence.startswith("X"):
        return _from_hex(sequence[1:])
    return marks.get(sequence, "")


def _from_hex(digits: str) -> str:
    try:
        return bytes.fromhex(digits).decode("utf-8", "replace")
    except ValueError:
        return ""
