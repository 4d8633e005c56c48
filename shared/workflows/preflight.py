"""A preflight: each link of the chain is tried for real, in a bounded time, and none hides another.

What it leaves behind: ticks of the checklist. A meeting it makes is removed, a text it does not send, and Epic is told
of nobody.
"""

import asyncio
from functools import partial
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from shared.domain.connection import Connection, EngineCertificate, EpicSide
from shared.domain.onboarding import PrerequisiteName, Tick
from shared.domain.preflight import Finding, Link, LinkId, Preflight, in_order, worst
from shared.domain.preflight_findings import said
from shared.errors import Code, Refused
from shared.storage.onboarding import Onboarding
from shared.telemetry import outcome
from shared.workflows import preflight_epic, preflight_microsoft
from shared.workflows.bounded import linked
from shared.workflows.preflight_microsoft import SOON, day

Revision = Literal["active", "pending"]


#: What is met once every link of a kind has been found in order (F1.6): R4 and SMART are of November 2018 or later.
_SHOWS: dict[LinkId, PrerequisiteName] = {"discovery": "epic-version", "organiser": "licences"}


class Deps(preflight_epic.Deps, preflight_microsoft.Deps, Protocol):
    """What a preflight needs of the process."""

    @property
    def onboarding(self) -> Onboarding: ...


async def run(connection: Connection, revision: Revision | None, deps: Deps) -> Preflight:
    """Try every link of a revision: the one that serves unless another is asked for, else the one that waits.

    Raises `Refused(WRONG_STATE)` when there is no such revision.
    """
    which = revision or ("active" if connection.active else "pending")
    side = _side(connection, which)
    began = deps.clock.now()
    groups = await asyncio.gather(
        _own_links(connection, which, deps),
        preflight_epic.links(connection, side, deps),
        preflight_microsoft.graph_links(connection, deps),
        preflight_microsoft.text_links(connection, deps),
        _message_links(connection, deps),
    )
    links = in_order(link for group in groups for link in group)
    failed = " ".join(sorted({link.finding for link in links if link.state == "failed"}))
    outcome("preflight", connection=connection.id, revision=which, failed=failed or None)
    await _tick(connection, links, deps)
    return Preflight(revision=which, at=began, state=worst(links), links=links)


async def _tick(connection: Connection, links: tuple[Link, ...], deps: Deps) -> None:
    """Tick what was found in order; nothing is ever unticked here."""
    met = await deps.onboarding.ticks(connection.tenant, connection.organisation)
    for link, name in _SHOWS.items():
        found = {one.state for one in links if one.id == link}
        if found == {"ok"} and not (name in met and met[name].done):
            tick = Tick(done=True, who="preflight", at=deps.clock.now())
            await deps.onboarding.tick(connection.tenant, connection.organisation, name, tick)


def _side(connection: Connection, which: Revision) -> EpicSide:
    pending = connection.pending.epic if connection.pending else None
    side = connection.active if which == "active" else pending
    if side is None:
        raise Refused(Code.WRONG_STATE, which)
    return side


async def _own_links(connection: Connection, which: Revision, deps: Deps) -> list[Link]:
    return [
        await linked("serving", lambda: _serving(connection, which), deps.clock),
        await linked("entitlement", lambda: _entitlement(connection, deps), deps.clock),
    ]


async def _serving(connection: Connection, which: Revision) -> Finding:
    if which == "pending":
        return said("serving-not-approved")
    return said("serving", revision=connection.revision) if connection.serves else said("serving-suspended")


async def _entitlement(connection: Connection, deps: Deps) -> Finding:
    organisation = await deps.connections.organisation(connection.tenant, connection.organisation)
    entitled = connection.environment == "test" or organisation.production
    return said("entitled", environment=connection.environment) if entitled else said("entitlement-missing")


async def _message_links(connection: Connection, deps: Deps) -> list[Link]:
    clock, pinned = deps.clock, connection.own.certificates
    pins = [await linked("hl7-certificate", partial(_pin, pin, deps), clock, pin.spki[:16]) for pin in pinned]
    none = [] if pinned else [await linked("hl7-certificate", _no_pin, clock)]
    return [*pins, *none, await linked("hl7-times", lambda: _times(connection, deps), clock)]


async def _pin(pin: EngineCertificate, deps: Deps) -> Finding:
    now, ends = deps.clock.now(), day(pin.not_after)
    if pin.not_after <= now:
        return said("hl7-certificate-over", ends=ends)
    if pin.not_before > now:
        return said("hl7-certificate-early", starts=day(pin.not_before))
    return said("hl7-certificate-ends" if pin.not_after - now < SOON else "hl7-certificate", ends=ends)


async def _no_pin() -> Finding:
    return said("hl7-certificate-none")


async def _times(connection: Connection, deps: Deps) -> Finding:
    zone = connection.own.time_zone
    local = deps.clock.now().astimezone(ZoneInfo(zone))
    return said("hl7-times", zone=zone, local=f"{local:%Y-%m-%d %H:%M}")
