"""Lookups: small rows that lead from a hash to something, and end by themselves.

A row that must not be made twice (a used launch state, a FHIR base URL) is an insert that may fail.
"""

import hashlib
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.clock import Clock
from shared.storage.names import Table
from shared.storage.tables import Conflict, Resealed, Row, Tables

#: A row is removed this long after it has expired: nobody writes one any more that was so nearly over.
_GRACE = timedelta(days=1)


class Kind(StrEnum):
    """What a lookup leads from."""

    FHIR_BASE = "fhir-base"
    APPROVAL = "approval"
    APPROVAL_STATE = "approval-state"
    LAUNCH_STATE = "launch-state"
    JOIN_TOKEN = "join-token"  # noqa: S105 - the name of a row, no secret
    SESSION = "session"
    TEXT = "text"
    IDEMPOTENCY = "idempotency"
    CONSENT = "consent"
    SHARED_BASE = "shared-base"
    NUMBER = "number"
    TRIAL_TEXT = "trial-text"


class Lookups:
    """One row per (kind, name). A name may be a secret: only its hash is stored."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def claim(self, kind: Kind, name: str, target: str, expires: datetime | None = None, **facts: Any) -> bool:
        """Make the row; False when it exists, whoever made it. One that has expired is none."""
        row = self._row(kind, name, target, expires) | facts
        if await self._tables.insert(Table.LOOKUPS, row):
            return True
        return expires is not None and await self._succeed(row)

    async def _succeed(self, row: Row) -> bool:
        """Write over a row that has expired; False when it has not, or somebody else was faster."""
        before = await self._tables.get(Table.LOOKUPS, row["PartitionKey"], row["RowKey"])
        if before is None or not before.get("expires") or before["expires"] > self._clock.now():
            return False
        with suppress(Conflict):
            await self._tables.replace(Table.LOOKUPS, row | {"etag": before["etag"]})
            return True
        return False

    async def put(self, kind: Kind, name: str, target: str, expires: datetime | None = None, **facts: Any) -> None:
        """Make the row or let it lead elsewhere."""
        await self._tables.put(Table.LOOKUPS, self._row(kind, name, target, expires) | facts)

    async def find(self, kind: Kind, name: str) -> Row | None:
        """The row, unless it has expired."""
        partition, key = place(kind, name)
        row = await self._tables.get(Table.LOOKUPS, partition, key)
        if row and row.get("expires") and row["expires"] <= self._clock.now():
            return None
        return row

    async def all(self, kind: Kind) -> list[Row]:
        """Every row of a kind of which there are few and which do not expire."""
        condition = "PartitionKey ge @first and PartitionKey lt @last"
        rows = self._tables.query(Table.LOOKUPS, condition, first=f"{kind}|", last=f"{kind}}}")
        return [row async for row in rows]

    async def save(self, row: Row) -> None:
        """Write back a row that was read; `Conflict` when it changed."""
        await self._tables.replace(Table.LOOKUPS, row)

    async def remove(self, row: Row) -> None:
        """Remove a row that was read; `Conflict` when it changed."""
        await self._tables.batch(Table.LOOKUPS, [], [row])

    async def drop(self, kind: Kind, name: str) -> None:
        """Remove the row."""
        await self._tables.delete(Table.LOOKUPS, *place(kind, name))

    async def end(self, kind: Kind, now: datetime) -> int:
        """Remove what has expired of one kind, without the days that `expire` leaves; how many."""
        condition = "PartitionKey ge @first and PartitionKey lt @last and expires lt @now"
        return await self._tables.sweep(Table.LOOKUPS, condition, first=f"{kind}|", last=f"{kind}}}", now=now)

    async def expire(self, now: datetime) -> int:
        """Remove what has expired, the brake's rows too; how many."""
        return await self._tables.sweep(Table.LOOKUPS, "expires lt @before", before=now - _GRACE)

    async def reseal(self, most: int) -> Resealed:
        """Seal rows again that an older key sealed."""
        return await self._tables.reseal(Table.LOOKUPS, most)

    @staticmethod
    def _row(kind: Kind, name: str, target: str, expires: datetime | None) -> Row:
        partition, key = place(kind, name)
        return {"PartitionKey": partition, "RowKey": key, "target": target, "expires": expires}


def place(kind: Kind, name: str) -> tuple[str, str]:
    """Partition and row of a lookup: rows of a kind are spread by the first hex digits of the hash."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{kind}|{digest[:2]}", digest
