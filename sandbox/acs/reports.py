"""What a carrier's report says, in each of its documented shapes.

Two shapes of the same facts: the event that Event Grid delivers (`from` without plus, `Tag` with a capital)
and the answer of GET /deliveryReports (both with plus, `tag`). Older events were PascalCase.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sandbox.acs.bodies import ControlBody, digits

DELIVERED = 2000
OPTED_OUT = 4007
NOT_VERIFIED = 4010
UNSUPPORTED = 4003
#: Codes of delivery reports (microsoft-apis.md section 3). Only the texts of 2000 and 4007 are documented.
CODES = {
    DELIVERED: "No Error",
    4002: "Invalid To phone number format.",
    UNSUPPORTED: "Destination is not supported.",
    4004: "Phone number does not exist.",
    4005: "Blocked by the carrier.",
    4006: "Phone number is not reachable.",
    OPTED_OUT: "Sender blocked for given recipient.",
    4008: "Rate limit exceeded.",
    4009: "Blocked as fraud.",
    NOT_VERIFIED: "Toll-free number is not verified.",
    4020: "Volumetric filter.",
    5000: "Transient failure.",
    5001: "Transient failure.",
    5002: "No report from the carrier.",
    9999: "Unknown failure.",
}
#: Letters that fit seven bits each (GSM 03.38, basic set); anything else makes the whole text UCS-2.
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)


class Style(ControlBody):
    """How events spell what the documents spell in several ways."""

    tag: Literal["Tag", "tag"] = "Tag"
    case: Literal["camel", "pascal"] = "camel"
    #: coded = "4007: Sender blocked ..." (as GET /deliveryReports), plain = the text alone ("No error.").
    details: Literal["coded", "plain"] = "coded"


@dataclass(frozen=True)
class Report:
    """What became of a text; `sender` and `to` are E.164."""

    message_id: str
    sender: str
    to: str
    code: int
    segments: int
    sent: datetime
    received: datetime
    tag: str

    def rest(self) -> dict[str, Any]:
        """The body of GET /deliveryReports/{messageId} (SMS spec 2026-01-23)."""
        return self._facts(f"{self.code}: {CODES[self.code]}") | {"from": self.sender} | self._tagged("tag")

    def event(self, style: Style) -> dict[str, Any]:
        """The `data` of SMSDeliveryReportReceived."""
        plain = "No error." if self.code == DELIVERED else CODES[self.code]
        details = plain if style.details == "plain" else f"{self.code}: {CODES[self.code]}"
        facts = self._facts(details) | {"from": digits(self.sender)}
        return (facts if style.case == "camel" else pascal(facts)) | self._tagged(style.tag)

    def _facts(self, details: str) -> dict[str, Any]:
        delivered = self.code == DELIVERED
        attempt = {
            "timestamp": stamp(self.sent),
            "segmentsSucceeded": self.segments if delivered else 0,
            "segmentsFailed": 0 if delivered else self.segments,
        }
        return {
            "messageId": self.message_id,
            "from": "",
            "to": self.to,
            "deliveryStatus": "Delivered" if delivered else "Failed",
            "deliveryStatusDetails": details,
            "receivedTimestamp": stamp(self.received),
            "deliveryAttempts": [attempt],
        }

    def _tagged(self, key: str) -> dict[str, str]:
        return {key: self.tag} if self.tag else {}


def segments(message: str) -> int:
    """How many parts the carrier makes of it: 160 or 153 letters in GSM-7, 70 or 67 in UCS-2."""
    single, part = (160, 153) if set(message) <= GSM else (70, 67)
    length = len(message) if single == 160 else len(message.encode("utf-16-le")) // 2
    return 1 if length <= single else math.ceil(length / part)


def stamp(moment: datetime) -> str:
    """A time with seven digits after the second, as Event Grid writes them."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def pascal(facts: Any) -> Any:
    """The same facts with capital first letters, as events of 2020 had them."""
    if isinstance(facts, dict):
        return {key[0].upper() + key[1:]: pascal(value) for key, value in facts.items()}
    return [pascal(fact) for fact in facts] if isinstance(facts, list) else facts
