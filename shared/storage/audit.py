"""Audit: what happened in visits. Rows are inserted and never changed; the same fact has the same key."""

import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.clock import Clock
from shared.storage.names import Table
from shared.storage.tables import Row, Tables


@dataclass(frozen=True)
class Fact:
    """One fact about a visit. Nobody is named: people stand as pseudonyms, with their role.

    what   lobby | in | left (seen by Graph), connected | disconnected (told to Epic, with how), closed, erased, ...
    at     when it happened, which may be long before it is written down
    """

    connection: str
    visit: str
    what: str
    at: datetime
    person: str = ""
    role: str = ""
    detail: str = ""


class Audit:
    """Partition = tenant and day of the fact."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def note(self, facts: Iterable[Fact]) -> None:
        """Write facts down; what stands there already stays as it is."""
        for fact in facts:
            await self._tables.insert(Table.AUDIT, _row(fact) | {"noted": self._clock.now()})

    async def of_visit(self, visit: str, tenant: str, day: str) -> AsyncIterator[Row]:
        """The facts of one visit on one day (YYYYMMDD)."""
        condition = "PartitionKey eq @partition and visit eq @visit"
        async for row in self._tables.query(Table.AUDIT, condition, partition=f"{tenant}|{day}", visit=visit):
            yield row

    async def expire(self, tenant: str, before: datetime) -> int:
        """Remove a tenant's facts of all days before this one; how many."""
        condition = "PartitionKey ge @first and PartitionKey lt @last"
        days = {"first": f"{tenant}|", "last": f"{tenant}|{before:%Y%m%d}"}
        return await self._tables.sweep(Table.AUDIT, condition, **days)


def _row(fact: Fact) -> Row:
    same = "\x1f".join((fact.visit, fact.person, fact.what, fact.at.isoformat(), fact.detail))
    return {
        # a connection's id starts with its tenant
        "PartitionKey": f"{fact.connection.partition('-')[0]}|{fact.at:%Y%m%d}",
        "RowKey": f"{fact.at:%H%M%S%f}|{hashlib.sha256(same.encode()).hexdigest()[:24]}",
        "connection": fact.connection,
        "visit": fact.visit,
        "person": fact.person,
        "role": fact.role,
        "what": fact.what,
        "detail": fact.detail,
        "at": fact.at,
    }
