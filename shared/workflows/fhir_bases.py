"""Whose a FHIR base URL is: one connection's, unless the operator lets a network share it (F1.13).

Epic stands behind IIS, where a path means the same in small and capital letters: so does a base URL here, or somebody
else could have a connection to a hospital's Epic under `/api/fhir/r4`.
"""

import json
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from shared.clock import Clock
from shared.domain.connection import Connection, EpicSide
from shared.domain.onboarding import SharedBase
from shared.errors import Code, Refused
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.tables import Conflict, Row

#: A claim is followed by its connection's row within one request.
_SAVED_WITHIN = timedelta(minutes=10)


class Deps(Protocol):
    """What claims need of the process."""

    @property
    def connections(self) -> Connections: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def clock(self) -> Clock: ...


async def claim(connection: Connection, side: EpicSide, deps: Deps) -> None:
    """Make a side's base URL, and what else it takes as `iss`, this connection's before the connection's row says so.

    Refuses what is another's: launches of one Epic never reach two connections, nor two environments.
    """
    await _claim(connection, side.fhir_base_url, "fhir_base_url", deps)
    for alias in side.accepted_iss:
        await _claim(connection, alias, "accepted_iss", deps)


async def _claim(connection: Connection, base: str, field: str, deps: Deps) -> None:
    name, now = await _name(connection, base, field, deps), deps.clock.now()
    if await deps.lookups.claim(Kind.FHIR_BASE, name, connection.id, at=now):
        return
    row = await deps.lookups.find(Kind.FHIR_BASE, name)
    if row and row["target"] == connection.id:
        return
    if row is None or not await _abandoned(row, spelling(base), now, deps):
        raise Refused(Code.FHIR_BASE_TAKEN, field)
    try:
        await deps.lookups.save(row | {"target": connection.id, "at": now})
    except Conflict:
        raise Refused(Code.FHIR_BASE_TAKEN, field) from None


async def free(before: Connection, after: Connection | None, deps: Deps) -> None:
    """Let go of the base URLs that a connection names no longer; None: it is no more."""
    for base in named(before) - (named(after) if after else set()):
        for name in (base, _childs(before.tenant, base)):
            row = await deps.lookups.find(Kind.FHIR_BASE, name)
            if row and row["target"] == before.id:
                await deps.lookups.drop(Kind.FHIR_BASE, name)


def spelling(base: str) -> str:
    """A base URL in the one spelling by which it is told from others."""
    return base.lower()


async def share(base: SharedBase, deps: Deps, expects: str | None = None) -> None:
    """The operator names who may use a base URL; without children it is shared no longer.

    Connections that stand on it already stay. `expects`: the tag of what is there, "" for nothing; refuses when it is
    something else, but for what is wanted.
    """
    name = spelling(base.fhir_base_url)
    known = await deps.lookups.find(Kind.SHARED_BASE, name)
    if expects is not None and (_shared(known).tag if known else "") not in {expects, base.tag}:
        raise Refused(Code.CHANGED_MEANWHILE)
    facts: dict[str, Any] = {
        "base": base.fhir_base_url,
        "environment": base.environment,
        "children": json.dumps([str(child) for child in base.children]),
    }
    if known is None:
        if base.children and not await deps.lookups.claim(Kind.SHARED_BASE, name, str(base.parent), **facts):
            raise Refused(Code.CHANGED_MEANWHILE)
        return
    try:
        if base.children:
            await deps.lookups.save(known | facts | {"target": str(base.parent)})
        else:
            await deps.lookups.remove(known)
    except Conflict:
        raise Refused(Code.CHANGED_MEANWHILE) from None


async def shared(deps: Deps) -> list[SharedBase]:
    """Every base URL that is shared."""
    return [_shared(row) for row in await deps.lookups.all(Kind.SHARED_BASE)]


async def _name(connection: Connection, base: str, field: str, deps: Deps) -> str:
    """Under this name the claim stands: a child's beside its parent's."""
    name = spelling(base)
    row = await deps.lookups.find(Kind.SHARED_BASE, name)
    if row is None:
        return name
    allowed = _shared(row)
    if not allowed.admits(connection):
        raise Refused(Code.FHIR_BASE_TAKEN, field)
    return name if connection.tenant == allowed.parent else _childs(connection.tenant, name)


def _childs(tenant: UUID, base: str) -> str:
    return f"{base}|{tenant}"


def _shared(row: Row) -> SharedBase:
    return SharedBase(
        fhir_base_url=row["base"],
        environment=row["environment"],
        parent=UUID(row["target"]),
        children=tuple(UUID(child) for child in json.loads(row["children"])),
    )


async def _abandoned(row: Row, base: str, now: datetime, deps: Deps) -> bool:
    """True for a claim whose connection was never saved with it: storage failed, or the process died in between."""
    if now - row["at"] < _SAVED_WITHIN:
        return False
    try:
        holder, _ = await deps.connections.find(row["target"])
    except Refused:
        return True
    return base not in named(holder)


def named(connection: Connection) -> set[str]:
    """The base URLs and other issuers that a connection names, serving or waiting, in the one spelling."""
    sides = (connection.active, connection.pending and connection.pending.epic)
    return {spelling(issuer) for side in sides if side for issuer in side.issuers}
