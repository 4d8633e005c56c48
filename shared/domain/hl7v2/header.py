"""MSH (and FHS, BHS): the delimiters, and the fields an answer needs even when the rest is damaged."""

import re
import string
from dataclasses import dataclass

from shared.domain.hl7v2.errors import ErrorCode, Unreadable

_VERSION = re.compile(r"2\.([1-9])(?:\.\d)?", re.ASCII)

NULL = '""'

_MOST_DELIMITERS = 5  # component, repetition, escape, subcomponent, and truncation since v2.7


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @property
    def encoding(self) -> str:
        """MSH-2, in full."""
        return self.component + self.repetition + self.escape + self.subcomponent


@dataclass(frozen=True, slots=True)
class Header:
    """A header segment. `fields[n]` is field n as sent; `fault` says why the message cannot be read with it."""

    delimiters: Delimiters
    fields: tuple[str, ...]
    fault: Unreadable | None = None

    def field(self, number: int) -> str:
        """A whole field as sent, "" if the segment ends before it or it is null."""
        value = self.fields[number] if number < len(self.fields) else ""
        return "" if value == NULL else value

    def component(self, number: int, component: int) -> str:
        """One component of a field's first repetition, without surrounding blanks."""
        parts = self.field(number).split(self.delimiters.repetition)[0].split(self.delimiters.component)
        return parts[component - 1].strip() if component <= len(parts) else ""

    def version(self) -> tuple[int, ...]:
        """MSH-12 in numbers, (2, 5) for 2.5.1; () if it is missing or none we know."""
        match = _VERSION.fullmatch(self.component(12, 1))
        return (2, int(match[1])) if match else ()

    def line(self) -> str:
        """The segment with its delimiters written in full, as the parser needs them."""
        separator = self.delimiters.field
        return separator.join((self.fields[0], self.delimiters.encoding, *self.fields[3:]))


def read(line: str) -> Header:
    """Read a line that begins with MSH, FHS or BHS. Never raises: a fault is kept in the header."""
    name, separator = line[:3], line[3:4]
    given, *rest = line[4:].split(separator) if separator else [""]
    try:
        delimiters, fault = _delimiters(separator, given), None
    except Unreadable as unreadable:
        delimiters, fault = Delimiters(), unreadable
    return Header(delimiters, (name, delimiters.field, delimiters.encoding, *rest), fault)


def missing() -> Header:
    """Stands in where there is no header at all."""
    return read("MSH|")


def _delimiters(separator: str, given: str) -> Delimiters:
    """MSH-2 may be cut short, lack the escape character (`^~&`), or have it doubled by somebody's escaping."""
    standard = Delimiters()
    marks = re.sub(r"(.)\1+", r"\1", given)
    if marks == "^~&":
        marks = standard.encoding
    if len(marks) < len(standard.encoding):
        marks += standard.encoding[len(marks) :]
    every = separator + marks
    if not separator or len(marks) > _MOST_DELIMITERS or not _distinct_punctuation(every):
        raise Unreadable(ErrorCode.DATA_TYPE, "MSH", 2)
    return Delimiters(separator, *marks[:4])


def _distinct_punctuation(marks: str) -> bool:
    return len(set(marks)) == len(marks) and all(mark in string.punctuation for mark in marks)
