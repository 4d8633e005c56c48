"""DueWork: the agenda. Partition = the minute something falls due; what is left is what is due."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from shared.domain.agenda import Due
from shared.storage.names import Table
from shared.storage.tables import Row, Tables

_MINUTE = "%Y%m%d%H%M"


class Agenda:
    """Plans entries and takes them off. No watermark: an entry made late goes with the next tick."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def plan(self, entries: Iterable[Due]) -> None:
        """Put entries down; one that stands there already is the same one."""
        for due in entries:
            await self._tables.put(Table.DUE_WORK, _row(due))

    async def due(self, now: datetime) -> AsyncIterator[Due]:
        """Everything due by now, oldest first. Reads what is due and nothing else."""
        condition = "PartitionKey le @minute"
        async for row in self._tables.query(Table.DUE_WORK, condition, minute=now.strftime(_MINUTE)):
            yield _due(row)

    async def done(self, entries: Iterable[Due]) -> None:
        """Take entries off, a batch a minute."""
        minutes: dict[str, list[str]] = {}
        for due in entries:
            row = _row(due)
            minutes.setdefault(row["PartitionKey"], []).append(row["RowKey"])
        for minute, keys in minutes.items():
            await self._tables.delete_batch(Table.DUE_WORK, minute, keys)


def _row(due: Due) -> Row:
    return {
        "PartitionKey": due.at.strftime(_MINUTE),
        "RowKey": f"{due.kind}|{due.key}|{due.version}|{due.slot}",
        "at": due.at,
        "until": due.until,
        "kind": due.kind,
        "connection": due.connection,
        "key": due.key,
        "version": due.version,
        "slot": due.slot,
    }


def _due(row: Row) -> Due:
    fields = ("at", "until", "kind", "connection", "key", "version", "slot")
    return Due(**{field: row[field] for field in fields})
