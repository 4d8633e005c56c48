"""The carrier: accepts texts once, carries them to phones, reports, and honours STOP.

Windows are measured on the sandbox's clock, the delay before a delivery in real seconds.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sandbox.acs import reports
from sandbox.acs.bodies import E164, ControlBody, rfc1123
from sandbox.acs.reports import Report
from sandbox.peer import Peer

#: How long a repeatable request is remembered (microsoft-apis.md section 3, the sister services' five minutes).
REPEATABILITY_WINDOW = timedelta(minutes=5)
#: Texts per minute and toll-free number (microsoft-apis.md section 3, limits).
TOLL_FREE_PER_MINUTE = 200
#: Words the carrier of a toll-free number acts on, alone in a text; others are only relayed.
STOP_WORDS = {"STOP"}
START_WORDS = {"START", "UNSTOP"}


@dataclass(frozen=True)
class Order:
    """One recipient's share of a request; equal orders are the same request."""

    sender: str
    to: str
    message: str
    id: str
    first_sent: str
    tag: str
    wants_report: bool
    report_timeout: int | None = None


@dataclass
class Text:
    """An accepted text. `requests` counts the requests that carried it; the phone gets it once."""

    order: Order
    message_id: str
    at: datetime
    requests: int = 1
    code: int | None = None
    report: Report | None = None

    def facts(self) -> dict[str, Any]:
        """As GET /_sandbox/texts lists it; `code` is null until the carrier is done with it."""
        order = self.order
        return {
            "to": order.to, "from": order.sender, "message": order.message, "id": order.id,
            "first_sent": order.first_sent, "tag": order.tag, "at": self.at.isoformat(),
            "messageId": self.message_id, "sent_times": self.requests, "code": self.code,
        }  # fmt: skip


@dataclass(frozen=True)
class Item:
    """The answer for one recipient."""

    to: str
    status: int
    message_id: str | None = None
    repeatability: str | None = None
    error: str | None = None

    def json(self) -> dict[str, Any]:
        """An SmsSendResponseItem; what is not known is left out."""
        whole = {
            "to": self.to, "messageId": self.message_id, "httpStatusCode": self.status,
            "repeatabilityResult": self.repeatability, "errorMessage": self.error, "successful": self.status == 202,
        }  # fmt: skip
        return {key: value for key, value in whole.items() if value is not None}


class Behaviour(ControlBody):
    """What happens to texts to a number: they arrive, fail with a code, or nobody ever reports."""

    number: str
    do: Literal["delivered", "failed", "silent"]
    code: int = 4006


class Handling(ControlBody):
    """How the carrier works: keeps everything back, waits before delivering, texts per minute and sender."""

    hold: bool = False
    delay: float = 0.0
    per_minute: int = TOLL_FREE_PER_MINUTE


@dataclass
class Carrier:
    """Everything sent, by message id, and who must not be texted.

    `verified` says which senders have passed toll-free verification; `reported` is told of each report.
    """

    peer: Peer
    verified: Callable[[str], bool]
    reported: Callable[[Report], None]
    texts: dict[str, Text] = field(default_factory=dict)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    handling: Handling = field(default_factory=Handling)
    #: (sender, recipient): said STOP to the carrier; listed by optouts:add.
    stopped: set[tuple[str, str]] = field(default_factory=set)
    listed: set[tuple[str, str]] = field(default_factory=set)
    _by_id: dict[str, Text] = field(default_factory=dict)
    _recent: dict[str, deque[datetime]] = field(default_factory=dict)
    _held: list[Text] = field(default_factory=list)

    def take(self, order: Order) -> Item:
        """Accept a text, or say why not."""
        if not E164.fullmatch(order.to):
            return Item(order.to, 400, error="Invalid To phone number format.")
        if refused := self._unrepeatable(order):
            return refused
        known = self._remembered(order.id.lower())
        if known and not self.peer.faults_for("POST /sms", "forget"):
            return self._again(known, order)
        if self.seconds_until_free(order.sender):
            return Item(order.to, 429, error="TooManyRequests")
        return self._accept(order)

    def seconds_until_free(self, sender: str) -> int:
        """How long until this number may send again; 0 when it may now."""
        now, recent = self.peer.now(), self._recent.setdefault(sender, deque())
        while recent and now - recent[0] >= timedelta(minutes=1):
            recent.popleft()
        if len(recent) < self.handling.per_minute:
            return 0
        oldest = recent[0] if recent else now
        return max(1, round((oldest + timedelta(minutes=1) - now).total_seconds()))

    def handle(self, handling: Handling) -> None:
        """Work like this from now on; what was kept back leaves when `hold` is lifted."""
        self.handling = handling
        if not handling.hold:
            ready, self._held = self._held, []
            for text in ready:
                self._carry(text)

    def inbound(self, sender: str, to: str, text: str) -> None:
        """A phone texts one of our numbers; STOP and START are the carrier's business first."""
        word = text.strip().upper()
        if word in STOP_WORDS:
            self.stopped.add((to, sender))
        if word in START_WORDS:
            self.stopped.discard((to, sender))
            self.listed.discard((to, sender))

    def blocked(self, sender: str, to: str) -> bool:
        """Whether the recipient has opted out of this sender's texts."""
        return (sender, to) in self.stopped | self.listed

    def _unrepeatable(self, order: Order) -> Item | None:
        """Both repeatability members are required here: without them a redelivery would text twice."""
        if not is_guid(order.id):
            return Item(order.to, 400, repeatability="rejected", error="Invalid repeatability-request-id.")
        try:
            age = self.peer.now() - rfc1123(order.first_sent)
        except ValueError:
            error = (
                "Request sent with Invalid DateTime value for repeatability-first-sent. "
                "Expected is DateTime ,RFC1123 pattern."
            )
            return Item(order.to, 400, repeatability="rejected", error=error)
        if age > REPEATABILITY_WINDOW:
            return Item(order.to, 412, repeatability="rejected", error="repeatability-first-sent is too old.")
        if age < -REPEATABILITY_WINDOW:
            return Item(order.to, 400, repeatability="rejected", error="repeatability-first-sent is in the future.")
        return None

    def _remembered(self, id_: str) -> Text | None:
        """An id is recognised for the window; later the same one is a text like any other."""
        known = self._by_id.get(id_)
        return known if known and self.peer.now() - known.at <= REPEATABILITY_WINDOW else None

    def _again(self, known: Text, order: Order) -> Item:
        if known.order != order:
            return Item(order.to, 400, repeatability="rejected", error="The id belongs to another request.")
        known.requests += 1
        return Item(order.to, 202, known.message_id, repeatability="accepted")

    def _accept(self, order: Order) -> Item:
        now = self.peer.now()
        text = Text(order, f"Outgoing_{now:%Y%m%d%H%M%S}{uuid.uuid4()}", now)
        self.texts[text.message_id] = self._by_id[order.id.lower()] = text
        self._recent[order.sender].append(now)
        if self.handling.hold:
            self._held.append(text)
        else:
            self._carry(text)
        return Item(order.to, 202, text.message_id, repeatability="accepted")

    def _carry(self, text: Text) -> None:
        asyncio.get_running_loop().call_later(self.handling.delay, self._settle, text)

    def _settle(self, text: Text) -> None:
        order, behaviour = text.order, self.behaviours.get(text.order.to)
        text.code = self._outcome(order, behaviour)
        if not order.wants_report or (behaviour and behaviour.do == "silent"):
            return
        count, now = reports.segments(order.message), self.peer.now()
        text.report = Report(text.message_id, order.sender, order.to, text.code, count, text.at, now, order.tag)
        self.reported(text.report)

    def _outcome(self, order: Order, behaviour: Behaviour | None) -> int:
        if not self.verified(order.sender):
            return reports.NOT_VERIFIED
        if not order.to.startswith("+1"):
            return reports.UNSUPPORTED  # toll-free numbers reach the United States, Canada and Puerto Rico
        if self.blocked(order.sender, order.to):
            return reports.OPTED_OUT
        return behaviour.code if behaviour and behaviour.do == "failed" else reports.DELIVERED


def is_guid(text: str) -> bool:
    """A GUID of 36 characters, in upper or lower case."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
