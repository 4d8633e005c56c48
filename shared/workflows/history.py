"""Who changed or approved what, and when."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.clients.entra import Caller
from shared.domain import difference
from shared.domain.connection import Connection
from shared.storage.connections import Connections
from shared.storage.tables import Row


class Deps(Protocol):
    """What history needs of the process."""

    @property
    def connections(self) -> Connections: ...


@dataclass(frozen=True)
class Change:
    """One entry of the history. `paths`: the fields it touched; `at`: ISO 8601, UTC."""

    connection: str
    change: int
    who: str
    did: str
    at: str
    paths: tuple[str, ...]


async def of_connection(connection: Connection, deps: Deps) -> list[Change]:
    """Who did what and when, oldest first."""
    return _changes(await deps.connections.history(connection))


async def of_tenant(who: Caller, deps: Deps) -> list[Change]:
    """The same for all connections of the caller's tenant, those that were removed too; in no order."""
    found = await deps.connections.histories(UUID(who.tenant))
    return [change for rows in found.values() for change in _changes(rows)]


def _changes(rows: list[Row]) -> list[Change]:
    settings = [Connection.model_validate_json(row["settings"]) for row in rows]
    pairs = zip(rows, [None, *settings[:-1]], settings, strict=True)
    return [_change(row, before, after) for row, before, after in pairs]


def _change(row: Row, before: Connection | None, after: Connection) -> Change:
    paths = difference.changed(before, after) if row["did"] != "removed" else ()
    return Change(after.id, after.change, row["who"], row["did"], row["at"].isoformat(), paths)
