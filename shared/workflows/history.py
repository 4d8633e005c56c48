"""Who changed or approved what, and when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.clients.entra import Caller
from shared.domain import difference
from shared.domain.connection import Connection
from shared.domain.difference import Difference
from shared.storage.connections import Connections
from shared.storage.onboarding import Onboarding
from shared.storage.orders import Orders
from shared.storage.tables import Row


class Deps(Protocol):
    """What history needs of the process."""

    @property
    def connections(self) -> Connections: ...
    @property
    def onboarding(self) -> Onboarding: ...
    @property
    def orders(self) -> Orders: ...


@dataclass(frozen=True)
class Change:
    """One entry of the history; `at`: ISO 8601, UTC.

    connection    empty for what concerns the organisation itself
    differences   the fields it touched
    """

    connection: str
    change: int
    who: str
    did: str
    at: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Entry:
    """A row of the history with the one before it: what it changed is worked out for those that are shown."""

    row: Row
    before: Row | None

    @property
    def key(self) -> str:
        """In order of time; unique."""
        return f"{self.row['at'].isoformat()}|{self.row['RowKey']}"

    def told(self) -> Change:
        """Who did what to which fields."""
        row, after = self.row, Connection.model_validate_json(self.row["settings"])
        before = Connection.model_validate_json(self.before["settings"]) if self.before else None
        touched = difference.changed(before, after) if row["did"] != "removed" else ()
        return Change(after.id, after.change, row["who"], row["did"], row["at"].isoformat(), touched)


@dataclass(frozen=True)
class Step:
    """Something on the organisation's way, at no connection: what is stored of it says who did it, and when."""

    who: str
    did: str
    at: datetime
    about: str

    @property
    def key(self) -> str:
        """In order of time; unique."""
        return f"{self.at.isoformat()}|{self.about}|{self.did}"

    def told(self) -> Change:
        """The same without connection and fields."""
        return Change("", 0, self.who, self.did, self.at.isoformat(), ())


async def of_connection(connection: Connection, deps: Deps) -> list[Entry]:
    """Who did what and when, oldest first."""
    return _entries(await deps.connections.history(connection))


async def of_tenant(who: Caller, deps: Deps) -> list[Entry | Step]:
    """All of the caller's tenant: its connections, those that were removed too, and its own way; in no order."""
    tenant = UUID(who.tenant)
    found = await deps.connections.histories(tenant)
    entries = [entry for rows in found.values() for entry in _entries(rows)]
    return [*entries, *await _way_in(tenant, deps), *await _numbers(tenant, deps)]


async def _way_in(tenant: UUID, deps: Deps) -> list[Step]:
    """Requests for access, what the operator said, and consent."""
    steps = []
    for request in await deps.onboarding.requests(tenant):
        steps.append(Step(request.who, "access requested", request.at, request.id))
        if request.decided_by and request.decided_at:
            said = "let in by the operator" if request.state == "enabled" else "declined by the operator"
            steps.append(Step(request.decided_by, said, request.decided_at, request.id))
    if consent := await deps.onboarding.consent(tenant):
        steps.append(Step(consent.who, "consent proved", consent.at, "consent"))
    return steps


async def _numbers(tenant: UUID, deps: Deps) -> list[Step]:
    """Phone numbers ordered, assigned and given back."""
    steps = []
    for order in await deps.orders.of_tenant(tenant):
        assigned = order.source == "assigned"
        did = "number assigned by the operator" if assigned else "number ordered"
        steps.append(Step(order.who, did, order.at, order.id))
        if order.ended_by and order.state in {"releasing", "released"}:
            steps.append(Step(order.ended_by, "number given back", order.since, order.id))
    return steps


def _entries(rows: list[Row]) -> list[Entry]:
    return [Entry(row, before) for row, before in zip(rows, [None, *rows[:-1]], strict=True)]
