"""Sending one text, at most once (architecture, section 6).

A claim row stands before the call; then the appointment learns what its patient is told, and only while it still
stands at the order's version. So whatever is killed when, a text is asked for again only under the same id and
FirstSent while the provider recognises it, or when it surely was not taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal, Protocol

from shared.clients.sms import Sms, SmsAnswer, SmsOrder
from shared.clock import Clock
from shared.domain import delivery, permission, quiet, texts, wording
from shared.domain.appointment import Appointment, confirmed, restless, to_tell
from shared.domain.connection import Connection
from shared.domain.delivery import Verdict
from shared.domain.permission import Scene, Skip
from shared.domain.receipts import number as one_spelling
from shared.domain.segments import segments
from shared.domain.texts import State, Text
from shared.domain.wording import Said, Wording
from shared.errors import Later
from shared.messages import TextOrder
from shared.settings import Settings
from shared.storage.appointments import Appointments
from shared.storage.brake import Admission, Brake
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.opt_outs import OptOuts
from shared.storage.queues import Queues
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import Row, settled
from shared.storage.texts import Texts, partition
from shared.telemetry import alarm, outcome

_PEER = "communication-services"
#: Delivery reports come within three days; the way from one to its text stays a little longer.
_REPORT_MAY_COME = timedelta(days=7)
#: How long a released text is tried.
_RELEASED_FOR = timedelta(days=1)

Decision = Literal["release", "drop"]


class Deps(Protocol):
    """What sending needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def appointments(self) -> Appointments: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def brake(self) -> Brake: ...
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


@dataclass(frozen=True)
class _Claim:
    """A text that may be asked for now. `before`: what the appointment said the patient knew."""

    sms: SmsOrder
    before: Appointment
    first_call: bool


async def send(order: TextOrder, deps: Deps) -> None:
    """Send a text if it is wanted, or say in its row why not. Safe to repeat; `Later` when the provider is away."""
    provider = deps.sms  # where it is not set up, that shows before anything is claimed
    claim = await settled(lambda: _claim(order, deps))
    if claim is None:
        return
    if not await settled(lambda: _tell(order, deps)):
        withdraw = texts.withheld if claim.first_call else _too_late
        _log(order, await _change(order, withdraw, deps))
        return
    answer = await provider.send(claim.sms)
    if answer.ours:
        alarm("texts refused by the provider", connection=order.connection, code=answer.code)
    text = await _change(order, lambda text: _answered(text, answer, claim), deps)
    _log(order, text, answer.code)
    if text.state in {State.THROTTLED, State.FAILED}:
        await settled(lambda: _untell(order, claim.before, deps))
    if answer.verdict in {Verdict.BUSY, Verdict.UNCERTAIN}:
        raise Later(_PEER, answer.after)


async def gave_up(order: TextOrder, deps: Deps, why: str) -> None:
    """Say in the text's row that nobody tries any more."""
    _log(order, await _change(order, lambda text: texts.given_up(text, why), deps))


async def reopen(order: TextOrder, deps: Deps) -> None:
    """Let a text that was given up be asked for again. One that may have been sent stays as it is."""
    await _change(order, texts.reopened, deps)


async def held(connection: Connection, deps: Deps) -> list[TextOrder]:
    """What the hourly brake holds back."""
    return await deps.brake.held(connection.id)


async def decide(connection: Connection, decision: Decision, deps: Deps) -> int:
    """Let go, or drop, everything the brake holds back; of how many that came true. Safe to repeat.

    What is let go is checked like any other text, but for the brake. A patient whose phone number is gone, as an hour
    after a cancellation, can be told nothing any more.
    """
    count, state = 0, State.RELEASED if decision == "release" else State.DROPPED
    for order in await deps.brake.held(connection.id):
        wanted: Callable[[Text], Text] = partial(_decided, becomes=state)
        if decision == "release" and not await _reachable(order, deps):
            wanted = _unreachable
        text = await _change(order, wanted, deps)
        if text.state is State.RELEASED:
            until = deps.clock.now() + _RELEASED_FOR
            await deps.queues.put(order.model_copy(update={"attempt": 0, "give_up_at": until}))
        count += text.state in {State.RELEASED, State.DROPPED}
        await deps.brake.forget(order)
    outcome("held texts", connection=connection.id, decision=decision, count=count)
    return count


async def _reachable(order: TextOrder, deps: Deps) -> bool:
    found = await deps.appointments.find(order.appointment)
    return found is not None and found[0].facts.phone is not None


async def _claim(order: TextOrder, deps: Deps) -> _Claim | None:
    """Write the claim, or why there is none."""
    text, row = await _find(order, deps)
    if not text.open:
        return None
    scene = await _look(order, deps)
    reason = permission.why_not(scene) if scene else Skip.GONE
    if scene is None or reason:
        await _leave(order, texts.turned_down(text, reason or Skip.GONE), row, deps)
        return None
    if text.state is State.SENDING:
        return await _repeat(order, scene, text, row, deps)
    if await _waits(order, scene, deps):
        return None
    if text.untried and not await _admitted(order, scene, text, row, deps):
        return None
    text = texts.said(text, scene)
    wanted = await _wording(text, scene, deps)
    said = wording.chosen(wanted, scene.connection.own.sms.texts)
    words = wording.words(wanted, said)
    number = one_spelling(scene.connection.own.sms.number or "")
    text = text.model_copy(update={"template": said.template, "language": said.language})
    text = texts.claimed(text, scene.now, _fingerprint(scene, words, deps), number, segments(words))
    day = partition(order.connection, order.day)
    await deps.lookups.put(Kind.TEXT, order.message_id, day, scene.now + _REPORT_MAY_COME)
    await deps.texts.save(day, order.message_id, text, row)
    return _Claim(_sms(order, text, scene, words), scene.appointment, first_call=True)


async def _repeat(order: TextOrder, scene: Scene, text: Text, row: Row | None, deps: Deps) -> _Claim | None:
    """A claim whose outcome nobody knows: the very same again, by the template of its row, or never."""
    words = wording.words(await _wording(text, scene, deps), Said(text.template, text.language))
    if not texts.repeatable(text, scene.now, _fingerprint(scene, words, deps)):
        await _leave(order, texts.turned_down(text, "not repeatable"), row, deps)
        return None
    return _Claim(_sms(order, text, scene, words), scene.appointment, first_call=False)


async def _look(order: TextOrder, deps: Deps) -> Scene | None:
    """Everything that decides, as it is now."""
    found = await deps.appointments.find(order.appointment)
    if found is None:
        return None
    appointment, phone = found[0], found[0].facts.phone
    connection, _ = await deps.connections.find(order.connection)
    number = connection.own.sms.number
    return Scene(
        order,
        appointment,
        connection,
        deps.clock.now(),
        deps.pseudonyms.of("phone", connection.id, phone) if phone else None,
        opted_out=bool(phone and number) and await deps.opt_outs.out(one_spelling(number or ""), phone or ""),
    )


async def _waits(order: TextOrder, scene: Scene, deps: Deps) -> bool:
    """In quiet hours an order goes back to the queue until they end. A cancellation goes at once."""
    start = permission.known_start(scene)
    if start is None or permission.occasion(scene) == "cancelled":
        return False
    own = scene.connection.own
    left = quiet.wait(own.sms.quiet_hours, scene.now, start, own.time_zone)
    if not left:
        return False
    await deps.queues.put(order, after=left)
    outcome("text waits", id=order.message_id, kind=order.kind, why="quiet hours", seconds=round(left.total_seconds()))
    return True


async def _admitted(order: TextOrder, scene: Scene, text: Text, row: Row | None, deps: Deps) -> bool:
    """Ask the hourly brake about a confirmation; what has to wait is kept with its row."""
    if order.kind != "confirmation":
        return True
    if restless(scene.appointment, scene.now):
        alarm("text held: its appointment keeps changing", connection=order.connection, appointment=order.appointment)
    elif await _go(order, scene, deps):
        return True
    await deps.brake.hold(order, scene.now)
    await _leave(order, texts.held_back(text), row, deps)
    return False


async def _go(order: TextOrder, scene: Scene, deps: Deps) -> bool:
    limit = scene.connection.own.sms.hourly_brake
    admission = await deps.brake.admit(order.connection, order.message_id, limit, scene.now)
    if admission is Admission.FIRST_HELD:
        alarm("texts held by the hourly brake", connection=order.connection, limit=limit)
    return admission is Admission.GO


async def _wording(text: Text, scene: Scene, deps: Deps) -> Wording:
    connection, appointment, facts = scene.connection, scene.appointment, scene.appointment.facts
    organisation = await deps.connections.organisation(connection.tenant, connection.organisation)
    token = appointment.join_token
    return Wording(
        occasion=text.occasion or "booked",
        organisation=organisation.name,
        start=text.start or scene.now,
        zone=connection.own.time_zone,
        language=facts.language,
        link=f"{deps.settings.public_url}/j?t={token}" if token else None,
        first=text.first,
        department=facts.department_name or facts.department,
        provider=facts.provider,
        visit_type=facts.visit_type,
    )


def _fingerprint(scene: Scene, words: str, deps: Deps) -> str:
    return deps.pseudonyms.of("text", scene.connection.id, f"{scene.appointment.facts.phone}\x1f{words}")


def _sms(order: TextOrder, text: Text, scene: Scene, words: str) -> SmsOrder:
    phone = scene.appointment.facts.phone or ""
    return SmsOrder(order.message_id, text.first_sent or scene.now, text.number, phone, words)


async def _tell(order: TextOrder, deps: Deps) -> bool:
    """Note what the patient is about to be told; False when the appointment has moved on meanwhile.

    Whoever changes the appointment afterwards reads this first, by the row's ETag.
    """
    found = await deps.appointments.find(order.appointment)
    if found is None or found[0].version != order.version or found[0].moved_to:
        return False
    appointment = found[0]
    told = _told(appointment, order)
    if told.told_version != appointment.told_version:
        told = confirmed(told, deps.clock.now())
    if told != appointment:
        await deps.appointments.save(told, found[1])
    return True


async def _untell(order: TextOrder, before: Appointment, deps: Deps) -> None:
    """Surely not sent: the patient knows what was known before, unless another text has spoken since."""
    found = await deps.appointments.find(order.appointment)
    if found is None or found[0].told != _told(before, order).told:
        return
    earlier = {name: getattr(before, name) for name in ("told", "told_version", "confirmed")}
    restored = found[0].model_copy(update=earlier)
    if restored != found[0]:
        await deps.appointments.save(restored, found[1])


def _told(appointment: Appointment, order: TextOrder) -> Appointment:
    """A reminder tells the time as well, but leaves the version to confirmations."""
    version = order.version if order.kind == "confirmation" else appointment.told_version
    return appointment.model_copy(update={"told": to_tell(appointment.facts), "told_version": version})


def _answered(text: Text, answer: SmsAnswer, claim: _Claim) -> Text:
    return delivery.answered(text, answer.verdict, answer.message_id, answer.code, first_call=claim.first_call)


def _too_late(text: Text) -> Text:
    return texts.turned_down(text, Skip.ANOTHER_VERSION)


def _decided(text: Text, becomes: State) -> Text:
    return text.model_copy(update={"state": becomes}) if text.state in {State.NEW, State.HELD, becomes} else text


def _unreachable(text: Text) -> Text:
    waits = text.state in {State.NEW, State.HELD, State.RELEASED}
    return texts.turned_down(text, Skip.NO_PHONE) if waits else text


async def _find(order: TextOrder, deps: Deps) -> tuple[Text, Row | None]:
    found = await deps.texts.find(partition(order.connection, order.day), order.message_id)
    return found or (texts.ordered(order.appointment, order), None)


async def _leave(order: TextOrder, text: Text, row: Row | None, deps: Deps) -> None:
    await deps.texts.save(partition(order.connection, order.day), order.message_id, text, row)
    _log(order, text)


async def _change(order: TextOrder, change: Callable[[Text], Text], deps: Deps) -> Text:
    new = texts.ordered(order.appointment, order)
    return await deps.texts.change(partition(order.connection, order.day), order.message_id, new, change)


def _log(order: TextOrder, text: Text, code: str = "") -> None:
    facts = {"state": text.state, "reason": text.reason or None, "code": code or None}
    outcome("text", id=order.message_id, kind=order.kind, **facts)
