"""Which phone numbers can take a text message, by libphonenumber's numbering plans."""

import re
import unicodedata
from enum import StrEnum

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

#: What people write between digits: brackets, dots, slashes and every kind of dash. Letters are refused:
#: libphonenumber would read them as keypad digits or as an extension, and neither can take a text.
_WRITTEN = re.compile(r"\+?[\d().\-/\u2010-\u2015\u2212]{3,40}")

#: Plans that do not tell mobile from fixed (North America) say FIXED_LINE_OR_MOBILE.
_TEXTABLE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


class PhoneRefusal(StrEnum):
    """Why a number cannot be texted."""

    INVALID = "invalid"
    LANDLINE = "landline"
    UNSUPPORTED = "unsupported"


class NotTextable(ValueError):
    """No text can go to this; `reason` says why and the exception never holds the number."""

    def __init__(self, reason: PhoneRefusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


def is_region(region: str) -> bool:
    """Whether libphonenumber knows this ISO 3166 region ("US")."""
    return region in phonenumbers.SUPPORTED_REGIONS


def e164(written: str, region: str) -> str:
    """The number as `+16085550100`, read as someone in `region` writes it.

    Raises NotTextable: INVALID (not a number of that region's plan, nor an international one), LANDLINE, or
    UNSUPPORTED (toll-free, premium, pager, voice over IP: numbers that exist and take no texts).
    """
    digits = _without_blanks(written)
    if not _WRITTEN.fullmatch(digits):
        raise NotTextable(PhoneRefusal.INVALID)
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        raise NotTextable(PhoneRefusal.INVALID) from None  # its text may repeat the input
    if not phonenumbers.is_valid_number(number):
        raise NotTextable(PhoneRefusal.INVALID)
    _refuse_kind(phonenumbers.number_type(number))
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _refuse_kind(kind: int) -> None:
    if kind == PhoneNumberType.FIXED_LINE:
        raise NotTextable(PhoneRefusal.LANDLINE)
    if kind not in _TEXTABLE:
        raise NotTextable(PhoneRefusal.UNSUPPORTED)


def _without_blanks(written: str) -> str:
    """Drop white space and the invisible characters that come along when a number is copied."""
    return "".join(c for c in written if not c.isspace() and unicodedata.category(c) != "Cf")
