"""Texts of set-up: a preview, and a text to a number of the staff, marked as a test.

A trial text goes the way of every other: a message, a claim row before the call, the same id, FirstSent and words while
the provider would recognise them, a delivery report. It has no appointment and names nobody.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from shared.clients.entra import Caller
from shared.clients.sms import Sms, SmsOrder
from shared.clock import Clock
from shared.domain import delivery, phone, preview, texts, wording
from shared.domain.connection import Connection
from shared.domain.delivery import Verdict
from shared.domain.permission import Occasion, Skip
from shared.domain.preview import Preview
from shared.domain.receipts import number as one_spelling
from shared.domain.segments import segments
from shared.domain.texts import State, Text
from shared.domain.wording import Said, Wording
from shared.errors import Code, Later, Refused
from shared.messages import TrialText
from shared.settings import Settings
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.opt_outs import OptOuts
from shared.storage.queues import Queues
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import Row, settled
from shared.storage.texts import Texts, partition
from shared.telemetry import outcome, traceparent

_PEER = "communication-services"
_TRIED_FOR = timedelta(minutes=30)
_SHOWN_FOR = timedelta(days=7)
#: Stands before the words, in every language: nobody takes it for a visit.
MARK = "TEST: "

#: Test texts that an administrator may ask for in a minute.
_A_MINUTE = {"test": 5, "production": 1}


class Deps(Protocol):
    """What trial texts need of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def opt_outs(self) -> OptOuts: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...
    @property
    def sms(self) -> Sms: ...


async def shown(connection: Connection, occasion: Occasion, language: str, template: str | None, deps: Deps) -> Preview:
    """A text as it would be. `template`: one that is being written; None: what is sent now."""
    sample = await _sample(connection, occasion, language, deps.clock.now(), deps)
    said = Said(template, language) if template else wording.chosen(sample, connection.own.sms.texts)
    ours = wording.chosen(sample, {})
    return preview.preview(sample, said, own=said.template != ours.template)


async def ask(
    text_id: str, connection: Connection, number: str, occasion: Occasion, language: str, who: Caller, deps: Deps
) -> None:
    """Send a text to a number of the staff. In test only to the allow-list; so many a minute. Once for an id."""
    to = _e164(number, connection)
    if reason := _not_ready(connection):
        raise Refused(Code.TEXTS_NOT_READY, f"sms: {reason}")
    if _not_listed(connection, to, deps):
        raise Refused(Code.VALUE_REFUSED, f"number: {Skip.NOT_ALLOWED}")
    now = deps.clock.now()
    await _take_turn(connection, who, now, deps)
    order = TrialText(
        message_id=text_id,
        traceparent=traceparent.get(),
        give_up_at=now + _TRIED_FOR,
        connection=connection.id,
        phone=to,
        occasion=occasion,
        language=language,
        start=(await _sample(connection, occasion, language, now, deps)).start,
        day=f"{now:%Y%m%d}",
    )
    await deps.lookups.put(Kind.TEXT, order.message_id, partition(connection.id, order.day), now + _SHOWN_FOR)
    await deps.queues.put(order)
    outcome("trial text asked for", id=order.message_id, connection=connection.id, by=who.user)


async def _take_turn(connection: Connection, who: Caller, now: datetime, deps: Deps) -> None:
    """Texts cost money and are somebody's patience: so many a minute and administrator, whatever they ask for."""
    for turn in range(_A_MINUTE[connection.environment]):
        name = f"{who.user}|{now:%Y%m%d%H%M}|{turn}"
        if await deps.lookups.claim(Kind.TRIAL_TEXT, name, connection.id, now + timedelta(hours=1)):
            return
    raise Refused(Code.TOO_SOON)


async def find(connection: Connection, text_id: str, deps: Deps) -> Text:
    """How a trial text of this connection stands; one that waits in the queue is `new`."""
    found = await deps.lookups.find(Kind.TEXT, text_id)
    if found is None or not str(found["target"]).startswith(partition(connection.id, "")):
        raise Refused(Code.NOT_FOUND)
    stored = await deps.texts.find(found["target"], text_id)
    text = stored[0] if stored else _new()
    if text.kind != "trial":
        raise Refused(Code.NOT_FOUND)
    return text


async def send(order: TrialText, deps: Deps) -> None:
    """Send a trial text, or say in its row why not. Safe to repeat; `Later` when the provider is away."""
    provider = deps.sms
    claim = await settled(lambda: _claim(order, deps))
    if claim is None:
        return
    sms, first_call = claim
    answer = await provider.send(sms)
    text = await _change(
        order,
        lambda text: delivery.answered(text, answer.verdict, answer.message_id, answer.code, first_call=first_call),
        deps,
    )
    _log(order, text)
    if answer.verdict in {Verdict.BUSY, Verdict.UNCERTAIN}:
        raise Later(_PEER, answer.after)


async def gave_up(order: TrialText, deps: Deps, why: str) -> None:
    """Say in the text's row that nobody tries any more."""
    _log(order, await _change(order, lambda text: texts.given_up(text, why), deps))


async def reopen(order: TrialText, deps: Deps) -> None:
    """Let a text that was given up be asked for again."""
    await _change(order, texts.reopened, deps)


async def _claim(order: TrialText, deps: Deps) -> tuple[SmsOrder, bool] | None:
    """Write the claim, or why there is none; what to ask for, and whether it is the first time."""
    text, row = await _find(order, deps)
    if not text.open:
        return None
    connection, _ = await deps.connections.find(order.connection)
    if reason := await _why_not(order, connection, deps):
        await _save(order, texts.turned_down(text, reason), row, deps)
        return None
    now = deps.clock.now()
    repeated = text.state is State.SENDING
    wanted = await _wanted(order, connection, deps)
    said = Said(text.template, text.language) if repeated else wording.chosen(wanted, connection.own.sms.texts)
    words = MARK + wording.words(wanted, said)
    fingerprint = deps.pseudonyms.of("text", connection.id, f"{order.phone}\x1f{words}")
    if repeated and not texts.repeatable(text, now, fingerprint):
        await _save(order, texts.turned_down(text, "not repeatable"), row, deps)
        return None
    if not repeated:
        number = one_spelling(connection.own.sms.number or "")
        fixed = {"template": said.template, "language": said.language}
        text = texts.claimed(text.model_copy(update=fixed), now, fingerprint, number, segments(words))
        await _save(order, text, row, deps)
    return SmsOrder(order.message_id, text.first_sent or now, text.number, order.phone, words), not repeated


async def _why_not(order: TrialText, connection: Connection, deps: Deps) -> Skip | None:
    if reason := _not_ready(connection):
        return reason
    if _not_listed(connection, order.phone, deps):
        return Skip.NOT_ALLOWED
    number = one_spelling(connection.own.sms.number or "")
    return Skip.OPTED_OUT if await deps.opt_outs.out(number, order.phone) else None


def _not_ready(connection: Connection) -> Skip | None:
    if connection.off or connection.suspended:
        return Skip.NOT_SERVING
    if not connection.own.sms.consented:
        return Skip.NO_CONSENT
    return Skip.NO_NUMBER if connection.own.sms.number is None else None


def _not_listed(connection: Connection, to: str, deps: Deps) -> bool:
    listed = deps.pseudonyms.of("phone", connection.id, to) in connection.own.sms.allow_list
    return connection.environment == "test" and not listed


def _e164(number: str, connection: Connection) -> str:
    try:
        return phone.e164(number, connection.own.region)
    except phone.NotTextable as fault:
        raise Refused(Code.VALUE_REFUSED, f"number: {fault.reason}") from None


async def _sample(connection: Connection, occasion: Occasion, language: str, now: datetime, deps: Deps) -> Wording:
    organisation = await deps.connections.organisation(connection.tenant, connection.organisation)
    zone, address = connection.own.time_zone, deps.settings.public_url
    return preview.sample(occasion, organisation.name, zone, language, address, now)


async def _wanted(order: TrialText, connection: Connection, deps: Deps) -> Wording:
    made = await _sample(connection, order.occasion, order.language, deps.clock.now(), deps)
    return replace(made, start=order.start)


async def _find(order: TrialText, deps: Deps) -> tuple[Text, Row | None]:
    return await deps.texts.find(partition(order.connection, order.day), order.message_id) or (_new(), None)


def _new() -> Text:
    return Text(appointment="none", kind="trial", slot=0, version=0)


async def _save(order: TrialText, text: Text, row: Row | None, deps: Deps) -> None:
    await deps.texts.save(partition(order.connection, order.day), order.message_id, text, row)


async def _change(order: TrialText, change: Callable[[Text], Text], deps: Deps) -> Text:
    return await deps.texts.change(partition(order.connection, order.day), order.message_id, _new(), change)


def _log(order: TrialText, text: Text) -> None:
    outcome("trial text", id=order.message_id, state=text.state, reason=text.reason or None, code=text.code or None)
