"""The hourly brake: how many confirmations a connection has begun in an hour, and those held back by it.

Rows of table Lookups, because they are small and end by themselves. One partition per connection and hour holds
the count and a row per counted text, so both change in one batch and no text counts twice. Held orders lie in a
partition of their connection; they name no patient.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from shared.messages import TextOrder
from shared.storage.names import Table
from shared.storage.tables import Row, Tables

_COUNT = "count"
_KEPT = timedelta(days=2)
_HELD_KEPT = timedelta(days=31)


class Admission(StrEnum):
    """What the brake says: go, wait, or wait and be the first of this hour who has to."""

    GO = "go"
    HELD = "held"
    FIRST_HELD = "first held"


class Brake:
    """Counts claims and keeps what has to wait."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def admit(self, connection: str, text_id: str, limit: int, now: datetime) -> Admission:
        """Count a text once in this hour, unless the hour is full. `Conflict`: another one was counted meanwhile."""
        hour = f"brake|{connection}|{now:%Y%m%d%H}"
        if await self._tables.get(Table.LOOKUPS, hour, text_id):
            return Admission.GO
        row = await self._tables.get(Table.LOOKUPS, hour, _COUNT)
        count: Row = row or {"PartitionKey": hour, "RowKey": _COUNT, "count": 0, "full": False}
        count["expires"] = now + _KEPT
        if count["count"] >= limit:
            return await self._full(count)
        member = {"PartitionKey": hour, "RowKey": text_id, "expires": now + _KEPT}
        await self._tables.batch(Table.LOOKUPS, [count | {"count": count["count"] + 1}, member])
        return Admission.GO

    async def _full(self, count: Row) -> Admission:
        if count["full"]:
            return Admission.HELD
        await self._tables.save(Table.LOOKUPS, count | {"full": True})
        return Admission.FIRST_HELD

    async def hold(self, order: TextOrder, now: datetime) -> None:
        """Keep an order until somebody decides."""
        row = {
            "PartitionKey": _held(order.connection),
            "RowKey": order.message_id,
            "order": order.model_dump_json(),
            "since": now,
            "expires": now + _HELD_KEPT,
        }
        await self._tables.put(Table.LOOKUPS, row)

    async def held(self, connection: str) -> list[TextOrder]:
        """Everything of a connection that waits."""
        rows = await self._tables.partition(Table.LOOKUPS, _held(connection))
        return [TextOrder.model_validate_json(row["order"]) for row in rows]

    async def forget(self, order: TextOrder) -> None:
        """Somebody has decided about this one."""
        await self._tables.delete(Table.LOOKUPS, _held(order.connection), order.message_id)


def _held(connection: str) -> str:
    return f"held|{connection}"
