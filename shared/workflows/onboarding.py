"""The way in: access requests, what the operator decides about them, the stages and the checklist (F1)."""

from functools import partial
from typing import Protocol
from uuid import UUID

from shared.clients.entra import Caller
from shared.clock import Clock
from shared.domain import configuration, onboarding
from shared.domain.connection import Connection, Organisation
from shared.domain.onboarding import (
    MILESTONES,
    SOURCES,
    AccessRequest,
    Facts,
    Milestone,
    PrerequisiteName,
    Tick,
    Wanted,
)
from shared.errors import Code, Refused
from shared.storage.connections import Connections
from shared.storage.lookups import Lookups
from shared.storage.onboarding import Onboarding
from shared.storage.tables import Conflict, settled
from shared.telemetry import outcome


class Deps(Protocol):
    """What onboarding needs of the process."""

    @property
    def connections(self) -> Connections: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def onboarding(self) -> Onboarding: ...
    @property
    def clock(self) -> Clock: ...


async def ask(wanted: Wanted, who: Caller, deps: Deps) -> AccessRequest:
    """Ask for access for the caller's own tenant. One request at a time."""
    tenant = UUID(who.tenant)
    earlier = await deps.onboarding.requests(tenant)
    if any(one.state == "requested" for one in earlier):
        raise Refused(Code.WRONG_STATE, "request: another one is open")
    id_ = onboarding.request_id(tenant, len(earlier) + 1)
    request = AccessRequest(**dict(wanted), id=id_, tenant=tenant, who=who.user, at=deps.clock.now())
    if not await deps.onboarding.ask(request):
        raise Refused(Code.WRONG_STATE, "request: another one is open")
    outcome("access requested", request=id_)
    return request


async def decline(request_id: str, reason: str, who: Caller, deps: Deps) -> AccessRequest:
    """The operator says no, and why."""
    request, row = await deps.onboarding.request(request_id)
    if request.state != "requested":
        raise Refused(Code.WRONG_STATE, "request")
    decision = {"state": "declined", "reason": reason, "decided_by": who.user, "decided_at": deps.clock.now()}
    declined = request.model_copy(update=decision)
    try:
        await deps.onboarding.decide(declined, row)
    except Conflict:
        raise Refused(Code.WRONG_STATE, "request") from None
    return declined


async def let_in(organisation: Organisation, who: Caller, deps: Deps, expects: str | None = None) -> None:
    """The operator lets an organisation in, changes its entitlement, or switches it off and on. Safe to repeat.

    expects   the tag of the organisation as the operator read it, "" for a new one; None: whatever it is

    The organisation's row comes first, so a connection that is added meanwhile is refused or switched as well.
    """
    known = {one.id for one in await deps.connections.organisations(organisation.tenant)}
    await deps.connections.enable(organisation, expects)
    for connection in await deps.connections.of_tenant(organisation.tenant):
        if connection.organisation == organisation.id and connection.off == organisation.enabled:
            await settled(partial(_switch, connection.id, organisation, who, deps))
    for request in await deps.onboarding.requests(organisation.tenant):
        if request.state == "requested" and (organisation.id not in known or request.organisation == organisation.name):
            await settled(partial(_enabled, request.id, organisation, who, deps))


async def view(organisation_id: str | None, who: Caller, deps: Deps) -> onboarding.Onboarding:
    """How far an organisation of the caller's tenant has come; without a name, its first one."""
    tenant = UUID(who.tenant)
    organisation = await _organisation(tenant, organisation_id, deps)
    id_ = organisation.id if organisation else None
    requests = await deps.onboarding.requests(tenant)
    consent = await deps.onboarding.consent(tenant)
    facts = await _facts(organisation, requests, tenant, deps, consented=consent is not None)
    ticks = await deps.onboarding.ticks(tenant, id_)
    return onboarding.Onboarding(
        tenant=tenant,
        organisation=id_,
        requests=tuple(requests),
        consent=consent,
        stages=onboarding.stages(facts),
        prerequisites=onboarding.prerequisites(facts, ticks, consent),
    )


async def tick(name: str, organisation_id: str | None, who: Caller, deps: Deps, *, done: bool) -> None:
    """Say of a prerequisite whether it is met; those that follow from what is stored cannot be ticked."""
    known: dict[str, PrerequisiteName] = {str(one): one for one, source in SOURCES.items() if source != "connector"}
    if name not in known:
        raise Refused(Code.NOT_FOUND)
    organisation = await _organisation(UUID(who.tenant), organisation_id, deps)
    said = Tick(done=done, who=who.user, at=deps.clock.now())
    id_ = organisation.id if organisation else None
    await deps.onboarding.tick(UUID(who.tenant), id_, known[name], said)


async def _organisation(tenant: UUID, organisation_id: str | None, deps: Deps) -> Organisation | None:
    if organisation_id is not None:
        return await deps.connections.organisation(tenant, organisation_id)
    found = await deps.connections.organisations(tenant)
    return min(found, key=lambda one: one.id, default=None)


async def _facts(
    organisation: Organisation | None, requests: list[AccessRequest], tenant: UUID, deps: Deps, *, consented: bool
) -> Facts:
    connections = await deps.connections.of_tenant(tenant) if organisation else []
    theirs = tuple(one for one in connections if organisation and one.organisation == organisation.id)
    return Facts(
        asked=any(one.state != "declined" for one in requests),
        organisation=organisation,
        consented=consented,
        connections=theirs,
        reached=await _reached(theirs, tenant, deps) if theirs else frozenset(),
    )


async def _reached(connections: tuple[Connection, ...], tenant: UUID, deps: Deps) -> frozenset[Milestone]:
    ids = {one.id for one in connections}
    reached = {milestone for id_, milestone in await deps.connections.reached(tenant) if id_ in ids}
    return frozenset(milestone for milestone in MILESTONES if milestone in reached)


async def _switch(connection_id: str, organisation: Organisation, who: Caller, deps: Deps) -> None:
    connection, etag = await deps.connections.find(connection_id)
    off = not organisation.enabled
    if connection.off == off:
        return
    changed = configuration.switched(connection, off=off)
    did = "switched off by the operator" if off else "switched on by the operator"
    try:
        await deps.connections.save(changed, etag, who=who.user, did=did, at=deps.clock.now())
    except Refused:
        raise Conflict(connection_id) from None


async def _enabled(request_id: str, organisation: Organisation, who: Caller, deps: Deps) -> None:
    request, row = await deps.onboarding.request(request_id)
    if request.state != "requested":
        return
    now = deps.clock.now()
    decision = {"state": "enabled", "enabled_as": organisation.id, "decided_by": who.user, "decided_at": now}
    await deps.onboarding.decide(request.model_copy(update=decision), row)
