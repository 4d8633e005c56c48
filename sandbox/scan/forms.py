"""The forms in which a value can lie somewhere, and where a form matches in bytes.

    plain     as it is; a name also as "Last, First", "Last^First" and so on
    digits    a phone number's digits, with and without country code
    national  a phone number as people of its country write it, with the usual separators
    url       percent-coded: what needs it, or all of it
    json      with \\uXXXX: what needs it, or all of it
    base64    of any of the above, at each of the three offsets, in both alphabets

Case does not matter, except in base64.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self
from urllib.parse import quote, quote_plus

import phonenumbers

type Kind = Literal["phone", "name", "csn", "token"]
FORMS = ("plain", "digits", "national", "url", "json", "base64")
#: Shorter values match by chance somewhere in a few megabytes of ciphertext.
SHORTEST = 6


@dataclass(frozen=True)
class Needle:
    """A value to look for. `label` says which in a report; `value` never appears in one.

    `ValueError` for a value that is too short to be told from chance, or a phone number not in E.164.
    """

    kind: Kind
    label: str
    value: str

    def __post_init__(self) -> None:
        if len(self.value) < SHORTEST:
            raise ValueError(f"{self.label}: too short to be told from chance")
        if self.kind == "phone" and not self.value.startswith("+"):
            raise ValueError(f"{self.label}: a phone number is given in E.164")

    @classmethod
    def guess(cls, n: int, value: str) -> Self:
        """A needle given by hand: its kind is seen from its looks, its label is its number."""
        kind: Kind = "phone" if value.startswith("+") else "name" if " " in value else "token"
        return cls(kind, f"needle {n}", value)

    def __repr__(self) -> str:
        return f"Needle({self.kind}, {self.label})"

    @cached_property
    def folded(self) -> dict[bytes, str]:
        """What to look for in lower-cased bytes -> its form."""
        patterns: dict[bytes, str] = {}
        for form, text in self._texts():
            for coded, how in ((text, form), *((t, "url") for t in _url(text)), *((t, "json") for t in _json(text))):
                patterns.setdefault(coded.encode().lower(), how)
        return patterns

    @cached_property
    def exact(self) -> dict[bytes, str]:
        """What to look for in bytes as they are -> its form."""
        coded = [c for _, text in self._texts() for c in (text, *_url(text), *_json(text))]
        return {pattern: "base64" for text in dict.fromkeys(coded) for pattern in _base64(text.encode())}

    def _texts(self) -> Iterator[tuple[str, str]]:
        for form, text in self._written():
            # Bytes can be folded in ASCII only, so that Ë and ë are two.
            yield from ((form, cased) for cased in dict.fromkeys((text, text.lower(), text.upper())))

    def _written(self) -> Iterator[tuple[str, str]]:
        yield "plain", self.value
        if self.kind == "phone":
            yield from _phone(self.value)
        elif self.kind == "name":
            yield from (("plain", text) for text in _name(self.value))


def _phone(value: str) -> Iterator[tuple[str, str]]:
    number = phonenumbers.parse(value)
    national = phonenumbers.national_significant_number(number)
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    world = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    yield "digits", value.removeprefix("+")
    yield "digits", national
    for text in (written, world.split(" ", 1)[1]):
        groups = "".join(c if c.isdigit() else " " for c in text).split()
        yield "national", text
        yield "national", text.replace(") ", ")")
        yield from (("national", separator.join(groups)) for separator in "-. /")


def _name(value: str) -> Iterator[str]:
    first, _, last = value.rpartition(" ")
    if first:
        yield from (f"{last}{between}{first}" for between in (", ", ",", "^", " "))
        yield from (f"{first}{between}{last}" for between in ("^", ".", "_", "-", ""))


def _url(text: str) -> Iterator[str]:
    for kept in ("", "!'()*"):  # strictly, and as encodeURIComponent does
        yield quote(text, safe=kept)
        yield quote_plus(text, safe=kept)
    yield "".join(f"%{byte:02x}" for byte in text.encode())


def _json(text: str) -> Iterator[str]:
    yield json.dumps(text)[1:-1]
    units = text.encode("utf-16-be")
    yield "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True))


def _base64(value: bytes) -> Iterator[bytes]:
    """The characters that must appear wherever `value` lies in a longer run of base64, whatever is around it."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + value)
        # Characters that also carry bits of a neighbour are left out, at both ends.
        start = (before * 8 + 5) // 6
        end = (before + len(value)) * 8 // 6
        run = coded[start:end]
        yield run
        yield run.translate(bytes.maketrans(b"+/", b"-_"))
