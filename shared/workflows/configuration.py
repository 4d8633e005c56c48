"""Set-up: what an operator and an administrator do, step by step."""

from datetime import timedelta
from typing import Protocol
from uuid import UUID

from shared.clients.entra import Caller
from shared.clients.epic import Epic
from shared.clients.outbound import Outbound
from shared.clock import Clock
from shared.domain import configuration, difference, phone
from shared.domain.connection import (
    AppName,
    Connection,
    EngineCertificate,
    Environment,
    EpicSide,
    OwnSide,
    WriteBack,
)
from shared.domain.difference import Differences
from shared.errors import Code, Refused
from shared.messages import UpkeepOrder
from shared.storage.connections import Connections
from shared.storage.lookups import Lookups
from shared.storage.orders import Orders
from shared.storage.people import People
from shared.storage.queues import Queues
from shared.storage.sealing import Pseudonyms
from shared.telemetry import outcome
from shared.workflows import fhir_bases, numbers


class Deps(Protocol):
    """What set-up needs of the process."""

    @property
    def connections(self) -> Connections: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def clock(self) -> Clock: ...
    def new_epic(self) -> Epic: ...
    @property
    def outbound(self) -> Outbound: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...
    @property
    def people(self) -> People: ...
    @property
    def orders(self) -> Orders: ...


async def read(connection_id: str, who: Caller, deps: Deps) -> tuple[Connection, str]:
    """A connection of the caller's own tenant; to anybody else it does not exist."""
    connection, etag = await deps.connections.find(connection_id)
    if str(connection.tenant) != who.tenant:
        raise Refused(Code.CONNECTION_UNKNOWN)
    return connection, etag


async def draft(
    organisation_id: str, environment: Environment, epic: EpicSide, own: OwnSide, who: Caller, deps: Deps
) -> Connection:
    """Add a connection. One FHIR base URL belongs to one connection of one environment.

    Certificates have their own door; none comes in with the draft.
    """
    organisation = await deps.connections.organisation(UUID(who.tenant), organisation_id)
    configuration.check_apps(epic, "epic.")
    configuration.check_texts(own.sms, "own.")
    await numbers.check_link(organisation.tenant, own.sms.number, deps)
    unpinned = own.model_copy(update={"certificates": ()})
    connection = configuration.drafted(organisation, environment, epic, unpinned)
    try:
        await fhir_bases.claim(connection, epic, deps)
        await _save(connection, None, "drafted", who, deps)
    except Refused:
        await fhir_bases.free(connection, None, deps)
        raise
    return connection


async def propose(connection: Connection, etag: str, epic: EpicSide, who: Caller, deps: Deps) -> Connection:
    """Ask Epic's side to become something else; what serves goes on serving."""
    configuration.check_apps(epic)
    changed = configuration.proposed(connection, epic)
    try:
        await fhir_bases.claim(connection, epic, deps)
        await _save(changed, etag, "proposed", who, deps)
    except Refused:  # as when somebody else was faster: what only this proposal claimed is free again
        await fhir_bases.free(changed, await _current(connection, deps), deps)
        raise
    await fhir_bases.free(connection, changed, deps)
    return changed


async def _current(connection: Connection, deps: Deps) -> Connection | None:
    try:
        found, _ = await deps.connections.find(connection.id)
    except Refused:  # removed meanwhile
        return None
    return found


async def withdraw(connection: Connection, etag: str, who: Caller, deps: Deps) -> Connection:
    """Drop what waits."""
    changed = configuration.withdrawn(connection)
    await _save(changed, etag, "withdrawn", who, deps)
    await fhir_bases.free(connection, changed, deps)
    return changed


async def remove(connection: Connection, etag: str, who: Caller, deps: Deps) -> None:
    """Take a connection away, at once: it serves nobody, its secrets are gone, its base URL is free.

    Its history stays, and so does what it did, until its time is over. Work that is still planned for it finds no
    connection and ends.
    """
    if (await deps.connections.find(connection.id))[1] != etag:
        raise Refused(Code.CHANGED_MEANWHILE)
    await deps.people.forget_all(connection.id)
    await deps.connections.remove(configuration.ended(connection), etag, who=who.user, at=deps.clock.now())
    await fhir_bases.free(connection, None, deps)
    outcome("connection removed", connection=connection.id, by=who.user)


async def differences(connection: Connection, deps: Deps) -> Differences:
    """What the approver is asked to agree to, and what of the own side has changed since the last approval."""
    rows = await deps.connections.history(connection)
    last = next((row for row in reversed(rows) if row["did"] == "approved"), rows[0])
    before = Connection.model_validate_json(last["settings"])
    at_once = difference.between("own", before.own, connection.own)
    return Differences(waits=difference.waiting(connection), at_once=at_once)


def would_differ(connection: Connection, epic: EpicSide | None, own: OwnSide | None) -> Differences:
    """What would wait for the approver, and what would apply at once, if this were saved."""
    saved = _kept(connection, own) if own else connection.own
    at_once = difference.between("own", connection.own, saved)
    return Differences(waits=difference.waiting(connection, epic), at_once=at_once)


def _kept(connection: Connection, own: OwnSide) -> OwnSide:
    """An own side as it is saved: certificates and the allow-list have doors of their own and stay as they are."""
    sms = own.sms.model_copy(update={"allow_list": connection.own.sms.allow_list})
    return own.model_copy(update={"certificates": connection.own.certificates, "sms": sms})


async def validate(connection: Connection, etag: str, who: Caller, deps: Deps) -> Connection:
    """Ask the FHIR base URL itself: SMART endpoints must answer there. Then approval can begin.

    The write-back address is judged and not called: there is nothing to tell it yet.
    """
    if connection.pending is None:
        raise Refused(Code.WRONG_STATE, "pending")
    epic = connection.pending.epic
    await deps.new_epic().discover(epic.fhir_base_url, epic.provider_client_id)  # what was kept proves nothing now
    await _judge(epic.write_back, deps)
    changed = configuration.validated(connection)
    await _save(changed, etag, "validated", who, deps)
    return changed


async def _judge(sink: WriteBack, deps: Deps) -> None:
    if sink.url is None:
        return
    try:
        await deps.outbound.judge(sink.url)
    except Refused as refusal:
        raise Refused(refusal.code, "write_back.url", *refusal.fields) from None


async def set_own_side(connection: Connection, etag: str, own: OwnSide, who: Caller, deps: Deps) -> Connection:
    """Change what applies at once. A number that is linked already may stay.

    Other intervals make the agenda anew. That is asked for before the row is written, because who dies in between is
    not asked again; the replan waits until it finds this change or a later one.
    """
    configuration.check_texts(own.sms)
    if own.sms.number != connection.own.sms.number:
        await numbers.check_link(connection.tenant, own.sms.number, deps)
    changed = configuration.with_own_side(connection, _kept(connection, own))
    if connection.own.sms.reminders != own.sms.reminders:
        await deps.queues.put(_replan(changed, deps))
    await _save(changed, etag, "own side changed", who, deps)
    return changed


def _replan(connection: Connection, deps: Deps) -> UpkeepOrder:
    return UpkeepOrder(
        message_id=f"replan|{connection.id}|{connection.change}",
        give_up_at=deps.clock.now() + timedelta(days=1),
        connection=connection.id,
        kind="replan",
        key="",
        version=connection.change,
    )


async def set_certificates(
    connection: Connection, etag: str, certificates: tuple[EngineCertificate, ...], who: Caller, deps: Deps
) -> Connection:
    """Pin the interface engine's certificates, two at most."""
    own = connection.own.model_copy(update={"certificates": certificates})
    changed = configuration.with_own_side(connection, OwnSide.model_validate(own.model_dump()))
    await _save(changed, etag, "certificates changed", who, deps)
    return changed


async def set_secret(
    connection: Connection, etag: str, app: AppName, secret: str, who: Caller, deps: Deps, *, serving: bool = False
) -> Connection:
    """Keep the client secret of one of the apps; the history says who gave it, nothing shows it.

    serving   of the revision that serves, although another one waits
    """
    changed, name = configuration.with_secret(connection, app, who.user, deps.clock.now(), serving=serving)
    did, at = f"secret of {app} set", deps.clock.now()
    await deps.connections.save(changed, etag, who=who.user, did=did, at=at, secret=(name, secret))
    return changed


async def allow_number(connection: Connection, etag: str, number: str, who: Caller, deps: Deps) -> Connection:
    """Let a test connection text this number. Only its pseudonym is kept."""
    try:
        pseudonym = deps.pseudonyms.of("phone", connection.id, phone.e164(number, connection.own.region))
    except phone.NotTextable as fault:
        raise Refused(Code.VALUE_REFUSED, f"number: {fault.reason}") from None
    sms = connection.own.sms
    allowed = tuple(dict.fromkeys((*sms.allow_list, pseudonym)))
    own = connection.own.model_copy(update={"sms": sms.model_copy(update={"allow_list": allowed})})
    changed = configuration.with_own_side(connection, OwnSide.model_validate(own.model_dump()))
    await _save(changed, etag, "allow-list changed", who, deps)
    return changed


async def disallow_number(connection: Connection, etag: str, pseudonym: str, who: Caller, deps: Deps) -> Connection:
    """Take a number off the allow-list, by the pseudonym that the connection shows."""
    sms = connection.own.sms
    if pseudonym not in sms.allow_list:
        raise Refused(Code.NOT_FOUND)
    left = tuple(one for one in sms.allow_list if one != pseudonym)
    own = connection.own.model_copy(update={"sms": sms.model_copy(update={"allow_list": left})})
    changed = configuration.with_own_side(connection, own)
    await _save(changed, etag, "allow-list changed", who, deps)
    return changed


async def forget_sign_in(connection: Connection, oid: str, who: Caller, deps: Deps) -> int:
    """Undo a clinician's one-time sign-in, as when the wrong account was picked on a shared machine."""
    count = await deps.people.forget(connection.id, oid)
    outcome("sign-in forgotten", connection=connection.id, by=who.user, count=count)
    return count


async def suspend(connection: Connection, etag: str, who: Caller, deps: Deps, *, stopped: bool) -> Connection:
    """Stop or resume at once."""
    changed = configuration.suspended(connection, stopped=stopped)
    await _save(changed, etag, "suspended" if stopped else "resumed", who, deps)
    return changed


async def _save(connection: Connection, etag: str | None, did: str, who: Caller, deps: Deps) -> None:
    await deps.connections.save(connection, etag, who=who.user, did=did, at=deps.clock.now())
