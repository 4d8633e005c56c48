"""What is kept of a tenant on its way in: access requests, ticks of the checklist, admin consent."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

from shared.domain.onboarding import SOURCES, AccessRequest, Consent, PrerequisiteName, Tick, request_place
from shared.errors import Code, Refused
from shared.storage.names import Table
from shared.storage.tables import Resealed, Row, Tables

_CONSENT = "consent"


class Onboarding:
    """Rows beside the tenant's organisations, whose keys hold no `|`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def ask(self, request: AccessRequest) -> bool:
        """Keep a new request; False when its id is taken."""
        return await self._tables.insert(Table.ORGANISATIONS, _of_request(request))

    async def request(self, request_id: str) -> tuple[AccessRequest, Row]:
        """A request and its row; refuses when there is none."""
        tenant, number = request_place(request_id)
        row = await self._tables.get(Table.ORGANISATIONS, tenant, f"request|{number}")
        if row is None:
            raise Refused(Code.NOT_FOUND)
        return _request(row), row

    async def decide(self, request: AccessRequest, row: Row) -> None:
        """Write what became of a request; `Conflict` when somebody else did."""
        await self._tables.replace(Table.ORGANISATIONS, _of_request(request) | {"etag": row["etag"]})

    async def requests(self, tenant: UUID | None) -> list[AccessRequest]:
        """The requests of a tenant, or all."""
        condition, values = "RowKey ge 'request|' and RowKey lt 'request}'", {}
        if tenant is not None:
            condition, values = f"PartitionKey eq @tenant and {condition}", {"tenant": str(tenant)}
        return [_request(row) async for row in self._tables.query(Table.ORGANISATIONS, condition, **values)]

    async def tick(self, tenant: UUID, organisation: str | None, name: PrerequisiteName, tick: Tick) -> None:
        """Keep what somebody says of a prerequisite. No organisation: of the tenant as a whole."""
        row = {"PartitionKey": str(tenant), "RowKey": f"tick|{organisation or ''}|{name}"}
        await self._tables.put(Table.ORGANISATIONS, row | tick.model_dump())

    async def ticks(self, tenant: UUID, organisation: str | None) -> dict[PrerequisiteName, Tick]:
        """What was said of an organisation's prerequisites; else what was said of the whole tenant's."""
        found: dict[PrerequisiteName, Tick] = {}
        for whose in dict.fromkeys(("", organisation or "")):
            found |= {name: tick async for name, tick in self._ticks(tenant, whose)}
        return found

    async def consented(self, tenant: UUID, consent: Consent) -> None:
        """Admin consent has been proved."""
        row = {"PartitionKey": str(tenant), "RowKey": _CONSENT}
        await self._tables.put(Table.ORGANISATIONS, row | consent.model_dump())

    async def consent(self, tenant: UUID) -> Consent | None:
        """When admin consent was last proved; None: never."""
        row = await self._tables.get(Table.ORGANISATIONS, str(tenant), _CONSENT)
        return Consent(who=row["who"], at=row["at"]) if row else None

    async def reseal(self, most: int) -> Resealed:
        """Seal rows again that an older key sealed."""
        return await self._tables.reseal(Table.ORGANISATIONS, most)

    async def _ticks(self, tenant: UUID, whose: str) -> AsyncIterator[tuple[PrerequisiteName, Tick]]:
        condition = "PartitionKey eq @tenant and RowKey ge @first and RowKey lt @last"
        keys = {"first": f"tick|{whose}|", "last": f"tick|{whose}}}"}
        names = {str(name): name for name in SOURCES}
        async for row in self._tables.query(Table.ORGANISATIONS, condition, tenant=str(tenant), **keys):
            if name := names.get(row["RowKey"].rpartition("|")[2]):
                yield name, Tick(done=row["done"], who=row["who"], at=row["at"])


def _of_request(request: AccessRequest) -> Row:
    settings = request.model_dump_json(exclude={"contact"})
    tenant, number = request_place(request.id)
    row = {"PartitionKey": tenant, "RowKey": f"request|{number}"}
    return row | {"request": settings, "contact_sealed": request.contact}


def _request(row: Row) -> AccessRequest:
    return AccessRequest.model_validate(json.loads(row["request"]) | {"contact": row["contact_sealed"]})
