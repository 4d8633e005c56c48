"""A connection with a pool of organisers, a Graph that counts and an Epic that answers, over the real emulator."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.clients.graph import OnlineMeeting
from shared.domain.advanced import FhirSetup
from shared.domain.connection import Connection
from shared.domain.launch import Place, Ticket
from shared.errors import Code, Later, Refused
from shared.storage.agenda import Agenda
from shared.storage.names import Table
from shared.storage.organisers import Organisers
from shared.storage.people import People
from shared.storage.visits import Visits
from tests.conftest import Store
from tests.unit.domain.connections import LAMNA, epic_side, own_side
from tests.unit.workflows.text_world import CONNECTION, NOW, World

POOL = (UUID("c0000000-0000-4000-8000-000000000006"), UUID("c0000000-0000-4000-8000-000000000007"))
TEAMS = "https://teams.microsoft.com/l/meetup-join/{}"


@dataclass
class CountingGraph:
    """One meeting per organiser and external id; `away` answers nothing; `url` is a meeting's address."""

    away: bool = False
    url: str = TEAMS
    made: set[tuple[str, str]] = field(default_factory=set)
    asked: int = 0

    async def create_or_get(self, _: str, organiser: str, key: str, __: datetime, ___: datetime) -> OnlineMeeting:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise Later("graph")
        self.made.add((organiser, key))
        return OnlineMeeting(f"id-{organiser}-{key}", self.url.format(f"{organiser}-{key}"))

    async def guard(self, *_: Any) -> None:
        self.asked += 1


@dataclass
class Shelf:
    """An Epic that shows these resources, by reference."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    read_: list[str] = field(default_factory=list)

    async def read(self, base: str, token: str, reference: str, _: FhirSetup) -> dict[str, Any]:
        self.read_.append(reference)
        if reference not in self.resources:
            raise Refused(Code.EPIC_REFUSED, "403")
        return self.resources[reference]


class LaunchWorld(World):
    """The process's dependencies for whoever comes to a visit."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.visits = Visits(store.tables)
        self.organisers = Organisers(store.tables)
        self.people = People(store.tables, store.pseudonyms)
        self.agenda = Agenda(store.tables)
        self.graph: Any = CountingGraph()
        self.epic: Any = Shelf()

    async def approved(self, **own: Any) -> Connection:
        """A serving connection."""
        connection = Connection(
            tenant=LAMNA.tenant,
            id=CONNECTION,
            organisation=LAMNA.id,
            environment="test",
            own=own_side(organisers=POOL, **own),
            active=epic_side(),
        )
        row = {"PartitionKey": str(LAMNA.tenant), "RowKey": f"conn|{connection.id}"}
        await self.store.tables.put(Table.CONNECTIONS, row | {"settings": connection.model_dump_json()})
        return connection

    async def meetings_counted(self) -> int:
        """What the pool's monthly counts add up to."""
        rows = self.store.tables.query(Table.ORGANISERS, "RowKey ne ''")
        return sum([row["meetings"] async for row in rows])


def ticket(csn: str = "9001", session: str | None = None, **changes: Any) -> Ticket:
    """The right of a patient to come."""
    usual: dict[str, Any] = {
        "id": "ticket",
        "issued": NOW,
        "connection": CONNECTION,
        "place": Place(csn=csn, session=session),
        "role": "patient",
        "user": "ePat",
        "external_id": "70001",
    }
    return Ticket(**usual | changes)
