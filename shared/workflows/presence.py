"""Who is in a call: what Graph says becomes rows, what Epic must hear becomes work, what happened becomes audit."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from shared.clients.entra import AppTokens
from shared.clients.jwts import unverified
from shared.clients.notifications import NotificationKeys
from shared.clock import Clock
from shared.domain import agenda, roster
from shared.domain.configuration import tenant_of
from shared.domain.roster import Happened, Seen
from shared.domain.visit import Person, Sighting, Visit, plain_name
from shared.errors import Code, Refused
from shared.messages import CallEvent, MeetingRequest, WritebackOrder
from shared.settings import Settings
from shared.storage.agenda import Agenda
from shared.storage.audit import Audit, Fact
from shared.storage.people import People
from shared.storage.queues import Queues, TooLarge
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import Conflict, settled
from shared.storage.visits import Known, Visits
from shared.telemetry import alarm, outcome
from shared.workflows.call_watch import missed, proven

#: Microsoft Graph Change Tracking, the application that signs for notifications (microsoft-apis.md 2b).
CHANGE_TRACKING = "0bf30f3b-4a52-48df-9a82-234910c4a086"
#: More than Graph ever puts into one notification; each costs us an HMAC before anything is proven.
_MOST_ITEMS = 1000
#: One is enough, and a message has to hold the roster too; more are for what Graph may repeat.
_MOST_TOKENS = 3
#: How long an event is tried; Epic is told for as long.
GIVE_UP = timedelta(hours=72)


class Followers(Protocol):
    """What the consequences of a visit's rows need of the process."""

    @property
    def clock(self) -> Clock: ...
    @property
    def agenda(self) -> Agenda: ...
    @property
    def queues(self) -> Queues: ...


class Rows(Protocol):
    """Where visits are kept."""

    @property
    def visits(self) -> Visits: ...


class Deps(Followers, Rows, Protocol):
    """What presence needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def people(self) -> People: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...
    @property
    def app_tokens(self) -> AppTokens: ...
    @property
    def notification_keys(self) -> NotificationKeys: ...


@dataclass(frozen=True)
class Told:
    """A visit and its people as stored after an event, and whom of them it was about."""

    visit: Visit
    people: tuple[Person, ...]


async def accept(body: bytes, deps: Deps) -> None:
    """Enqueue every item of a notification that carries a client state of ours; the rest is dropped and counted.

    One that no message holds, of some seventy people and more, stops none of the others: the visit counts as one of
    which Graph did not tell everything.
    """
    for message, item in _items(body, deps):
        try:
            await deps.queues.put(message)
        except TooLarge:
            alarm("call event too large", visit=message.key)
            await _ask("reconcile", message.key, item, deps)


async def accept_lifecycle(body: bytes, deps: Deps) -> None:
    """Graph wants a subscription looked after. What it may have missed, the attendance report brings."""
    kinds = {"reauthorizationRequired": "renew", "subscriptionRemoved": "forget", "missed": "reconcile"}
    for item in _notifications(body)[0]:
        key = proven(item.get("clientState"), deps.pseudonyms)
        kind = kinds.get(str(item.get("lifecycleEvent")))
        if key and kind:
            await _ask(kind, key, item, deps)
        else:
            outcome("lifecycle", end="dropped")


async def _ask(kind: str, key: str, item: Mapping[str, Any], deps: Deps) -> None:
    """Have somebody see to an item's visit.

    Word of a subscription that the visit does not have (any more) is dropped: it came late, or from somebody else.
    """
    visit = (await deps.visits.find(key)).visit
    held = visit.subscription if visit else None
    if visit is None or held is None or held.id != item.get("subscriptionId"):
        outcome("lifecycle", end="dropped")
        return
    until = deps.clock.now() + timedelta(hours=4)
    request = {"message_id": f"{kind}|{visit.key}", "give_up_at": until, "connection": visit.connection}
    await deps.queues.put(MeetingRequest.model_validate(request | {"kind": kind, "key": visit.key}))


async def apply(event: CallEvent, deps: Deps) -> None:
    """Bring the visit's people up to date and tell Epic and the audit what changed.

    Safe to repeat and in any order: people's rows carry what was seen of them, and what is sent on follows from
    the stored rows, not from the event.
    """
    tenants = await _senders(event, deps)  # before the turn: Entra may be slow
    async with deps.visits.turn(event.key):
        first = await deps.visits.find(event.key)
        if first.visit is None or first.visit.erased:
            return
        if str(tenant_of(first.visit.connection)) not in tenants:
            raise Refused(Code.TOKEN_REFUSED)
        happened = roster.read(deps.notification_keys.open(event.model_dump()))
        told = await _folded(event.key, first, happened, deps)
    if told.visit.erased:
        return
    await tell_epic(told, deps)
    if told.visit.call_ended:  # until then stands what was planned with the meeting
        await deps.agenda.plan(agenda.of_visit(told.visit))
    await deps.audit.note(_facts(told, happened))
    outcome("call event", visit=event.key, kind=happened.kind, seen=len(happened.seen))


async def gave_up(event: CallEvent, deps: Rows, _: str) -> None:
    """What an event would have told, the close asks for."""
    await missed(event.key, deps.visits)


async def emit(told: Told, deps: Followers) -> None:
    """What follows from the stored rows: Epic's write-backs, and the visit's own agenda."""
    await tell_epic(told, deps)
    await deps.agenda.plan(agenda.of_visit(told.visit))


async def tell_epic(told: Told, deps: Followers) -> None:
    """Work for everybody of whom Epic has something to hear."""
    until = deps.clock.now() + GIVE_UP
    for person in told.people:
        if roster.for_epic(person):
            await deps.queues.put(_order(told.visit, person, until))


def _order(visit: Visit, person: Person, until: Any) -> WritebackOrder:
    return WritebackOrder(
        message_id=f"{visit.key}|{person.id}|{len(person.changes)}",
        give_up_at=until,
        connection=visit.connection,
        key=visit.key,
        person=person.id,
    )


async def _senders(event: CallEvent, deps: Deps) -> set[str]:
    """For which tenants Graph's change tracking sent this, to us; one of them has to be the visit's.

    One body may bring items of several tenants and applications, with a token for each. A token must have been good
    when it came: how long the event then waited in the queue is our affair.
    """
    audience, waited = deps.settings.connector_client_id, deps.clock.real() - event.arrived
    proven_for = set[str]()
    for token in event.tokens:
        with suppress(Refused):
            proven_for.add(await deps.app_tokens.check(token, audience, {CHANGE_TRACKING}, waited=waited))
    if not proven_for:
        raise Refused(Code.TOKEN_REFUSED if event.tokens else Code.TOKEN_MISSING)
    return proven_for


async def _folded(key: str, first: Known, happened: Happened, deps: Deps) -> Told:
    """The event in the rows: on top of what was read already, or anew when somebody else wrote meanwhile."""

    async def anew() -> Told:
        return await _fold(await deps.visits.find(key), happened, deps)

    try:
        return await _fold(first, happened, deps)
    except Conflict:
        return await settled(anew)


async def _fold(known: Known, happened: Happened, deps: Deps) -> Told:
    """Always with the visit's row: who read it before the call ended or the visit closed folds again, after it."""
    if known.visit is None:
        raise Refused(Code.VISIT_UNKNOWN)
    if known.visit.erased:
        return Told(known.visit, ())
    people = dict(known.people)
    for seen in happened.seen:
        person = await _person(seen, known.visit, people, happened, deps)
        sighting = Sighting(at=happened.at, presence=seen.presence)
        people[person.id] = roster.after(person, seen.participant, sighting)
    visit = _visit_after(known.visit, happened)
    for end in sorted(moment for moment in (visit.call_ended, visit.closed) if moment):
        people = {id_: roster.ended(person, end) for id_, person in people.items()}
    people = {id_: roster.told_once(known.people.get(id_), person) for id_, person in people.items()}
    changed = [person for id_, person in people.items() if person != known.people.get(id_)]
    if changed or visit != known.visit:
        await deps.visits.save(known, visit, *changed)
    touched = {person.id for person in changed} | {id_ for id_, one in people.items() if _is_about(one, happened)}
    return Told(visit, tuple(people[id_] for id_ in sorted(touched)))


def _visit_after(visit: Visit, happened: Happened) -> Visit:
    """A call that began after the last end is on; an end ends what began before it."""
    if happened.kind == "started" and (visit.call_ended is None or happened.at > visit.call_ended):
        return visit.model_copy(update={"call_started": max(happened.at, visit.call_started or happened.at)})
    if happened.kind == "ended" and (visit.call_ended is None or happened.at > visit.call_ended):
        still_on = visit.call_started if visit.call_started and visit.call_started > happened.at else None
        return visit.model_copy(update={"call_ended": happened.at, "call_started": still_on})
    return visit


async def _person(seen: Seen, visit: Visit, people: dict[str, Person], happened: Happened, deps: Deps) -> Person:
    """Who this participant is: somebody of the visit, or somebody new whom nobody guesses."""
    tenant = str(tenant_of(visit.connection))
    name = plain_name(seen.name or "")
    ours = seen.model_copy(
        update={
            "oid": seen.oid if seen.tenant in {None, tenant} else None,
            "name_key": name and deps.pseudonyms.of("name", visit.connection, name),
        }
    )
    found = roster.whose(ours, people.values(), happened.at, group=visit.group)
    if found is None:
        name = f"{ours.tenant}|{ours.oid}" if ours.oid else seen.participant
        id_ = deps.pseudonyms.of("person", visit.key, name)
        found = people.get(id_) or Person(id=id_, role="staff" if ours.oid else "guest", oid=ours.oid)
    shown = {"shown_name": ours.name, "shown_key": ours.name_key} if ours.name and not visit.closed else {}
    return found.model_copy(update=shown)


def _is_about(person: Person, happened: Happened) -> bool:
    return any(seen.participant in person.participants for seen in happened.seen) or happened.kind == "ended"


def _facts(told: Told, happened: Happened) -> Iterator[Fact]:
    if happened.kind != "roster":
        yield Fact(told.visit.connection, told.visit.key, f"call {happened.kind}", happened.at)
    for seen in happened.seen:
        for person in told.people:
            if seen.participant in person.participants:
                yield Fact(
                    told.visit.connection,
                    told.visit.key,
                    seen.presence,
                    happened.at,
                    person=person.id,
                    role=person.role,
                    detail=hashlib.sha256(seen.participant.encode()).hexdigest()[:16],
                )


def _items(body: bytes, deps: Deps) -> Iterator[tuple[CallEvent, dict[str, Any]]]:
    """The items that carry a client state of ours, each with the message it becomes."""
    items, tokens = _notifications(body)
    keys = [proven(item.get("clientState"), deps.pseudonyms) for item in items]
    ours = [(key, item) for key, item in zip(keys, items, strict=True) if key and _is_sealed(item)]
    if dropped := len(items) - len(ours):  # one line for all of them: anybody can send a million
        outcome("notification", end="dropped", count=dropped)
    claims = {token: unverified(token) for token in tokens} if ours else {}
    for key, item in ours:
        yield _event(key, item, _likely(claims, item.get("tenantId"), deps), deps), item


def _is_sealed(item: dict[str, Any]) -> bool:
    return isinstance(item.get("encryptedContent"), dict)


def _event(key: str, item: dict[str, Any], tokens: tuple[str, ...], deps: Deps) -> CallEvent:
    sealed = item["encryptedContent"]
    signature = str(sealed.get("dataSignature"))
    return CallEvent(
        message_id=hashlib.sha256(f"{key}|{signature}".encode()).hexdigest()[:32],
        give_up_at=deps.clock.now() + GIVE_UP,
        arrived=deps.clock.real(),
        key=key,
        tokens=tokens,
        data=str(sealed.get("data")),
        data_key=str(sealed.get("dataKey")),
        data_signature=signature,
        certificate_id=str(sealed.get("encryptionCertificateId")),
    )


def _likely(claims: Mapping[str, dict[str, Any]], tenant: object, deps: Deps) -> tuple[str, ...]:
    """The tokens to prove an item with: those that best claim to be for us and its tenant. None is believed yet."""
    wanted = {"aud": deps.settings.connector_client_id, "tid": tenant}.items()
    fit = {token: sum(said.get(name) == value for name, value in wanted) for token, said in claims.items()}
    best = max(fit.values(), default=0)
    return tuple(token for token in fit if fit[token] == best)[:_MOST_TOKENS]


def _notifications(body: bytes) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Items and tokens of a notification; nothing of what is none."""
    try:
        document = json.loads(body)
        items = [item for item in document["value"] if isinstance(item, dict)]
        tokens = tuple(str(token) for token in document.get("validationTokens") or ())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        outcome("notification", end="unreadable")
        return [], ()
    if max(len(items), len(tokens)) > _MOST_ITEMS:
        raise Refused(Code.BODY_TOO_LARGE)
    return items, tokens
