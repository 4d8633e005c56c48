"""Visits: one partition each, with rows `visit` and `person|<id>` beside the appointment's `appt`.

One partition read gives a launch, or the live panel, all there is.
"""

from dataclasses import dataclass, field

from shared.domain.visit import Person, Visit
from shared.storage.names import Table
from shared.storage.tables import Row, Tables

_VISIT = "visit"
_PERSON = "person|"


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

    async def find(self, key: str) -> Known:
        """Everything of one visit, by one partition read."""
        rows = {row["RowKey"]: row for row in await self._tables.partition(Table.VISITS, key)}
        visit = Visit.model_validate_json(rows[_VISIT]["visit_sealed"]) if _VISIT in rows else None
        found = [row for name, row in rows.items() if name.startswith(_PERSON)]
        people = [Person.model_validate_json(row["person_sealed"]) for row in found]
        return Known(visit, {person.id: person for person in people}, rows)

    async def save(self, known: Known, visit: Visit | None = None, *people: Person) -> None:
        """Write the visit and some of its people in one batch; `Conflict` when one of them changed since."""
        rows = [self._visit_row(visit)] if visit else []
        rows += [self._person_row(_key(known, visit), person) for person in people]
        for row in rows:
            if read := known.rows.get(row["RowKey"]):
                row["etag"] = read["etag"]
        await self._tables.batch(Table.VISITS, rows)

    @staticmethod
    def _visit_row(visit: Visit) -> Row:
        return {
            "PartitionKey": visit.key,
            "RowKey": _VISIT,
            "connection": visit.connection,
            "start": visit.start,
            "end": visit.end,
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
