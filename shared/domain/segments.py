"""What a text costs: its letters, their encoding and the segments carriers make of it (microsoft-apis.md section 3)."""

import math
from dataclasses import dataclass
from typing import Literal

Encoding = Literal["GSM-7", "UCS-2"]
#: Letters that fit seven bits each (GSM 03.38): the basic set, and the extension, whose letters count twice.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€\f")


@dataclass(frozen=True)
class Counted:
    """A text as carriers count it. `outside`: its letters that GSM-7 has not, each once, as they come."""

    characters: int
    encoding: Encoding
    segments: int
    outside: str


def counted(text: str) -> Counted:
    """160 or 153 septets a segment in GSM-7, else 70 or 67 units of UCS-2."""
    outside = "".join(dict.fromkeys(letter for letter in text if letter not in _GSM | _GSM_TWICE))
    if outside:
        return Counted(len(text), "UCS-2", _parts(len(text.encode("utf-16-le")) // 2, 70, 67), outside)
    septets = sum(2 if letter in _GSM_TWICE else 1 for letter in text)
    return Counted(len(text), "GSM-7", _parts(septets, 160, 153), outside)


def segments(text: str) -> int:
    """How many segments the carrier makes of it."""
    return counted(text).segments


def _parts(length: int, single: int, part: int) -> int:
    return 1 if length <= single else math.ceil(length / part)
