"""What Event Grid says about texts, in our terms (microsoft-apis.md section 3).

Events come camelCased (2025) and PascalCased (2020), with `Tag` or `tag`, with and without a plus sign. What a
patient wrote is reduced to one word here and goes no further.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Word = Literal["stop", "start", "help", "other"]

REPORT = "Microsoft.Communication.SMSDeliveryReportReceived"
INBOUND = "Microsoft.Communication.SMSReceived"
_NUMBER = re.compile(r"\+?(\d{3,15})")
_TEXT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CODED = re.compile(r"(\d{4}):")
#: Details that come without their code.
_DETAILS = {"no error.": "2000", "no error": "2000", "sender blocked for given recipient.": "4007"}
#: Short codes have five or six digits and are written without a plus sign.
_LONGEST_SHORT_CODE = 6
#: What carriers take for a refusal (CTIA's list and ACS's for short codes), and the French word of Canada's list.
_WORDS: dict[str, Word] = {
    **dict.fromkeys(
        ("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT"), "stop"
    ),
    **dict.fromkeys(("ARRET", "ARRÊT"), "stop"),
    **dict.fromkeys(("START", "UNSTOP"), "start"),
    **dict.fromkeys(("HELP", "INFO"), "help"),
}


@dataclass(frozen=True)
class Reading:
    """One event as far as we need it; the fields are those of messages.Receipt."""

    kind: Literal["report", "stop", "start", "help", "other"]
    happened: datetime
    number: str
    other: str = field(repr=False)
    text: str = ""
    provider_message: str = ""
    status: str = ""
    code: str = ""


class Unreadable(ValueError):
    """An event of a known type lacks what we need; the text names the member only."""


def read(event: Mapping[str, Any]) -> Reading | None:
    """A report or an inbound text; None for a type we do not know. Raises `Unreadable`."""
    kind = event.get("eventType") or event.get("type")
    if kind not in {REPORT, INBOUND}:
        return None
    data = _lowered(event.get("data"))
    return _report(data) if kind == REPORT else _inbound(data)


def _report(data: dict[str, Any]) -> Reading:
    tag = _text(data, "tag").lower()
    return Reading(
        kind="report",
        happened=_tried(data) or _time(data, "receivedtimestamp"),
        number=number(_text(data, "from")),
        other=number(_text(data, "to")),
        text=tag if _TEXT_ID.fullmatch(tag) else "",
        provider_message=_text(data, "messageid")[:200],
        status=_text(data, "deliverystatus").lower()[:40],
        code=_code(_text(data, "deliverystatusdetails")),
    )


def _inbound(data: dict[str, Any]) -> Reading:
    return Reading(
        kind=reduced(_text(data, "message")),
        happened=_time(data, "receivedtimestamp"),
        number=number(_text(data, "to")),
        other=number(_text(data, "from")),
    )


def number(written: str) -> str:
    """A number in one spelling: E.164 with its plus sign, a short code without."""
    found = _NUMBER.fullmatch(written)
    if found is None:
        raise Unreadable("number")
    digits = found[1]
    return digits if len(digits) <= _LONGEST_SHORT_CODE else f"+{digits}"


def reduced(message: str) -> Word:
    """What an inbound text means: only a text that is nothing but the word counts."""
    text = unicodedata.normalize("NFC", message).upper()
    plain = "".join(letter if letter.isalnum() else " " for letter in text)
    return _WORDS.get(" ".join(plain.split()), "other")


def _code(details: str) -> str:
    coded = _CODED.match(details)
    return coded[1] if coded else _DETAILS.get(details.strip().lower(), "")


def _tried(data: dict[str, Any]) -> datetime | None:
    """When the carrier last tried: a report that is late is still about that moment."""
    attempts = data.get("deliveryattempts")
    if not isinstance(attempts, list) or not attempts:
        return None
    return max(_time(_lowered(attempt), "timestamp") for attempt in attempts)


def _lowered(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise Unreadable("data")
    return {str(name).lower(): value for name, value in data.items()}


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name, "")
    if not isinstance(value, str):
        raise Unreadable(name)
    return value


def _time(data: dict[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(data, name))
    except ValueError:
        raise Unreadable(name) from None
    if moment.tzinfo is None:
        raise Unreadable(name)
    return moment
