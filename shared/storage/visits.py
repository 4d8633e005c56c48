"""Visits: one partition each, with rows `visit` and `person|<id>` beside the appointment's `appt`.

One partition read gives the live panel, or an event, all there is.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from weakref import WeakValueDictionary

from shared.domain.visit import Person, Visit
from shared.storage.names import Table
from shared.storage.tables import Resealed, Row, Tables

_VISIT = "visit"
_PERSON = "person|"
#: The service takes no more rows in one transaction.
_BATCH = 100


@dataclass(frozen=True)
class Known:
    """A visit as it stands: its row and its people's, each with the row it was read from."""

    visit: Visit | None
    people: dict[str, Person]
    rows: dict[str, Row] = field(repr=False)


class Visits:
    """Reads and writes visits and people. What could name anybody is sealed."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, key: str) -> asyncio.Lock:
        """Who holds it is alone with a visit in this process: of fifty who come at once nobody has to read again.

        Other processes know nothing of it and meet at the rows' ETags.
        """
        return self._turns.setdefault(key, asyncio.Lock())

    async def find(self, key: str) -> Known:
        """Everything of one visit, by one partition read."""
        rows = {row["RowKey"]: row for row in await self._tables.partition(Table.VISITS, key)}
        visit = Visit.model_validate_json(rows[_VISIT]["visit_sealed"]) if _VISIT in rows else None
        found = [row for name, row in rows.items() if name.startswith(_PERSON)]
        people = [Person.model_validate_json(row["person_sealed"]) for row in found]
        return Known(visit, {person.id: person for person in people}, rows)

    async def save(self, known: Known, visit: Visit | None = None, *people: Person) -> None:
        """Write the visit and some of its people together; `Conflict` when one of them changed since.

        More than a batch takes go in several: each is whole, and whoever was killed between two does it all again.
        """
        rows = [self._visit_row(visit)] if visit else []
        rows += [self._person_row(_key(known, visit), person) for person in people]
        for row in rows:
            if read := known.rows.get(row["RowKey"]):
                row["etag"] = read["etag"]
        for batch in batched(rows, _BATCH, strict=False):
            await self._tables.batch(Table.VISITS, batch)

    async def over(self, before: datetime) -> AsyncIterator[str]:
        """Keys of all visits and appointments that were over by then. Reads the whole table: for timers only."""
        last = ""
        async for row in self._tables.in_clear(Table.VISITS, "over lt @before", before=before):
            key = row["PartitionKey"]
            if key != last and not await self._goes_on(key, before):
                yield key
            last = key

    async def _goes_on(self, key: str, after: datetime) -> bool:
        condition = "PartitionKey eq @key and over ge @after"
        return bool([row async for row in self._tables.in_clear(Table.VISITS, condition, key=key, after=after)])

    async def remove(self, key: str) -> int:
        """Remove all rows of one visit; how many."""
        return await self._tables.sweep(Table.VISITS, "PartitionKey eq @key", key=key)

    async def reseal(self, most: int) -> Resealed:
        """Seal the rows of visits and appointments again that an older key sealed."""
        return await self._tables.reseal(Table.VISITS, most)

    @staticmethod
    def _visit_row(visit: Visit) -> Row:
        return {
            "PartitionKey": visit.key,
            "RowKey": _VISIT,
            "connection": visit.connection,
            "start": visit.start,
            "end": visit.end,
            "over": visit.end,
            "ready": visit.settled,
            "visit_sealed": visit.model_dump_json(),
        }

    @staticmethod
    def _person_row(key: str, person: Person) -> Row:
        return {
            "PartitionKey": key,
            "RowKey": f"{_PERSON}{person.id}",
            "role": person.role,
            "launched": person.launched_at,
            "connected": bool(person.story) and person.story[-1].status == "connected",
            "unwritten": len(person.changes) - person.written,
            "person_sealed": person.model_dump_json(),
        }


def _key(known: Known, visit: Visit | None) -> str:
    of = visit or known.visit
    if of is None:
        raise ValueError("people are saved with their visit")
    return of.key
