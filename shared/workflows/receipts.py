"""What comes back about texts: Event Grid knocks, each event becomes one message, each message changes a row."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from shared.clients.entra import AppTokens
from shared.clock import Clock
from shared.domain import delivery, receipts
from shared.domain.receipts import Unreadable
from shared.errors import Code, Later, Refused
from shared.messages import Receipt
from shared.settings import Settings
from shared.storage.lookups import Kind, Lookups
from shared.storage.opt_outs import OptOuts
from shared.storage.queues import Queues
from shared.storage.tables import settled
from shared.storage.texts import Texts
from shared.telemetry import outcome, traceparent

_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_GIVE_UP = timedelta(days=1)
#: The code of a delivery report that says: the recipient has opted out of our number.
_OPTED_OUT = "4007"


class Deps(Protocol):
    """What receipts need of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def app_tokens(self) -> AppTokens: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def opt_outs(self) -> OptOuts: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def queues(self) -> Queues: ...


@dataclass(frozen=True)
class Proof:
    """How the sender shows that it is our Event Grid: its Entra token, or the secret of the subscription's URL."""

    token: str | None = field(repr=False)
    secret: str | None = field(repr=False)


async def accept(proof: Proof, body: Any, deps: Deps) -> str | None:
    """Enqueue what the events say. Answers the code of a handshake, which comes alone, else None.

    body   a list of events, or one CloudEvent. Raises `Refused` without a proof, `Later` when the queue takes nothing.
    """
    await _prove(proof, deps)
    events = [event for event in (body if isinstance(body, list) else [body]) if isinstance(event, dict)]
    if code := _handshake(events):
        return code
    messages = list(_messages(events, deps))
    await deps.queues.put(*messages)
    outcome("sms events", received=len(events), enqueued=len(messages))
    return None


async def apply(receipt: Receipt, deps: Deps) -> None:
    """One report, or one word of a patient. Safe to repeat and in any order."""
    if receipt.kind == "report":
        await _report(receipt, deps)
    elif receipt.kind == "stop":
        await deps.opt_outs.stop(receipt.number, receipt.other, receipt.happened, "inbound")
    elif receipt.kind == "start":
        await deps.opt_outs.start(receipt.number, receipt.other, receipt.happened)
    outcome("receipt", kind=receipt.kind, code=receipt.code or None)


async def _prove(proof: Proof, deps: Deps) -> None:
    settings = deps.settings
    if proof.token and settings.event_grid_audience:
        tenants = {settings.operator_tenant}
        await deps.app_tokens.check(proof.token, settings.event_grid_audience, {settings.event_grid_app}, tenants)
    elif proof.secret and settings.event_grid_secret:
        if not hmac.compare_digest(proof.secret.encode(), settings.event_grid_secret.encode()):
            raise Refused(Code.TOKEN_REFUSED)
    else:
        raise Refused(Code.TOKEN_MISSING)


def _handshake(events: list[dict[str, Any]]) -> str | None:
    """The validation code to send back. The validation URL that comes with it is never opened."""
    for event in events:
        data = event.get("data")
        if event.get("eventType") == _VALIDATION and isinstance(data, dict):
            return str(data.get("validationCode", ""))
    return None


def _messages(events: Iterable[Mapping[str, Any]], deps: Deps) -> Iterable[Receipt]:
    """What is readable of the events; the rest is counted, as nobody can mend it."""
    for event in events:
        try:
            reading = receipts.read(event)
        except Unreadable as fault:
            outcome("sms event", end="unreadable", member=str(fault))
            continue
        if reading is None:
            outcome("sms event", end="unknown type")
            continue
        yield Receipt(
            message_id=_id(event, reading),
            traceparent=traceparent.get(),
            give_up_at=deps.clock.now() + _GIVE_UP,
            **asdict(reading),
        )


def _id(event: Mapping[str, Any], reading: receipts.Reading) -> str:
    name = "\x1f".join((str(event.get("id")), reading.kind, reading.status, reading.code))
    return hashlib.sha256(name.encode()).hexdigest()[:32]


async def _report(receipt: Receipt, deps: Deps) -> None:
    if receipt.code == _OPTED_OUT:
        await deps.opt_outs.stop(receipt.number, receipt.other, receipt.happened, "report")
    found = await deps.lookups.find(Kind.TEXT, receipt.text) if receipt.text else None
    if found is None:
        outcome("receipt", end="unknown text")
        return
    await settled(lambda: _settle(receipt, found["target"], deps))


async def _settle(receipt: Receipt, day: str, deps: Deps) -> None:
    found = await deps.texts.find(day, receipt.text)
    if found is None:
        raise Later("texts")  # the report was faster than our own write
    text, row = found
    changed = delivery.reported(text, receipt.status, receipt.code, receipt.happened, receipt.provider_message)
    if changed != text:
        await deps.texts.save(day, receipt.text, changed, row)
    outcome("text", id=receipt.text, state=changed.state, code=changed.code or None)
