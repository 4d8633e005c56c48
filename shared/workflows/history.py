"""Who changed or approved what, and when."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.clients.entra import Caller
from shared.domain import difference
from shared.domain.connection import Connection
from shared.domain.difference import Difference
from shared.storage.connections import Connections
from shared.storage.tables import Row


class Deps(Protocol):
    """What history needs of the process."""

    @property
    def connections(self) -> Connections: ...


@dataclass(frozen=True)
class Change:
    """One entry of the history. `differences`: the fields it touched; `at`: ISO 8601, UTC."""

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


async def of_connection(connection: Connection, deps: Deps) -> list[Entry]:
    """Who did what and when, oldest first."""
    return _entries(await deps.connections.history(connection))


async def of_tenant(who: Caller, deps: Deps) -> list[Entry]:
    """The same for all connections of the caller's tenant, those that were removed too; in no order."""
    found = await deps.connections.histories(UUID(who.tenant))
    return [entry for rows in found.values() for entry in _entries(rows)]


def _entries(rows: list[Row]) -> list[Entry]:
    return [Entry(row, before) for row, before in zip(rows, [None, *rows[:-1]], strict=True)]
