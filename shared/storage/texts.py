"""Texts: one row per text, in the partition of its connection and of the day it was planned for."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from shared.domain.texts import Text
from shared.storage.names import Table
from shared.storage.tables import Row, Tables, settled


def partition(connection: str, day: str) -> str:
    """Where the texts of a connection's day lie; `day` (YYYYMMDD) is the order's, never the clock's."""
    return f"{connection}|{day}"


class Texts:
    """Reads and writes texts. No row holds a phone number or words."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def find(self, day: str, text_id: str) -> tuple[Text, Row] | None:
        """A text of a partition, and the row it was read from."""
        row = await self._tables.get(Table.TEXTS, day, text_id)
        if row is None:
            return None
        return Text.model_validate({name: row[name] for name in Text.model_fields if name in row}), row

    async def save(self, day: str, text_id: str, text: Text, read: Row | None) -> None:
        """Write a text over the row it was read from; `Conflict` when that changed, or now exists."""
        row = {"PartitionKey": day, "RowKey": text_id} | _columns(text)
        if read:
            row["etag"] = read["etag"]
        await self._tables.save(Table.TEXTS, row)

    async def change(self, day: str, text_id: str, new: Text, change: Callable[[Text], Text]) -> Text:
        """Change a text whoever writes it meanwhile; `new`: what it is before it has a row. The text as it is then."""

        async def attempt() -> Text:
            text, row = await self.find(day, text_id) or (new, None)
            changed = change(text)
            if changed != text:
                await self.save(day, text_id, changed, row)
            return changed

        return await settled(attempt)

    async def recent(self, connection: str, now: datetime) -> list[Row]:
        """Rows of a connection's texts of today and the two days before."""
        days = [f"{now - timedelta(days=ago):%Y%m%d}" for ago in range(3)]
        found = [await self._tables.partition(Table.TEXTS, partition(connection, day)) for day in days]
        return [row for rows in found for row in rows]

    async def expire(self, connection: str, before: datetime) -> int:
        """Remove a connection's texts of all days before this one; how many."""
        condition = "PartitionKey ge @first and PartitionKey lt @last"
        days = {"first": partition(connection, ""), "last": partition(connection, f"{before:%Y%m%d}")}
        return await self._tables.sweep(Table.TEXTS, condition, **days)


def _columns(text: Text) -> Row:
    return {name: _plain(value) for name, value in text.model_dump().items() if value not in {None, ""}}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
