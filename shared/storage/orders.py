"""Orders of phone numbers, and which order each number belongs to.

The numbers are the operator's own, from one resource for the whole stamp: no patient's, so they rest in clear and in
backups, like the connections that text from them.
"""

from uuid import UUID

from shared.domain.numbers import Order, tenant_of
from shared.domain.receipts import number as one_spelling
from shared.errors import Code, Refused
from shared.storage.lookups import Kind, Lookups
from shared.storage.names import Table
from shared.storage.tables import Row, Tables


class Orders:
    """One row per order, in the partition of its tenant. They stay: they say what the tenant had bought."""

    def __init__(self, tables: Tables, lookups: Lookups) -> None:
        self._tables = tables
        self._lookups = lookups

    async def add(self, order: Order) -> bool:
        """Keep a new order; False when its id is taken."""
        return await self._tables.insert(Table.ORDERS, _row(order))

    async def find(self, order_id: str) -> tuple[Order, str]:
        """An order and its ETag; refuses when there is none."""
        row = await self._tables.get(Table.ORDERS, str(tenant_of(order_id)), order_id)
        if row is None:
            raise Refused(Code.NOT_FOUND)
        return Order.model_validate_json(row["order"]), row["etag"]

    async def save(self, order: Order, etag: str) -> None:
        """Write a change; `Conflict` when somebody else was faster."""
        await self._tables.replace(Table.ORDERS, _row(order) | {"etag": etag})

    async def of_tenant(self, tenant: UUID | None) -> list[Order]:
        """The orders of a tenant, or all: few, in the order they were made."""
        condition, values = "PartitionKey ge ''", dict[str, str]()
        if tenant is not None:
            condition, values = "PartitionKey eq @tenant", {"tenant": str(tenant)}
        rows = self._tables.query(Table.ORDERS, condition, **values)
        return [Order.model_validate_json(row["order"]) async for row in rows]

    async def claim(self, number: str, order_id: str) -> bool:
        """Let a number belong to the order that names it in its row; False when it belongs to another, of any tenant.

        A claim ends by itself, when the order that made it has ended or names the number no more.
        """
        name = one_spelling(number)
        if await self._lookups.claim(Kind.NUMBER, name, order_id):
            return True
        row = await self._lookups.find(Kind.NUMBER, name)
        if row is not None and row["target"] == order_id:
            return True
        if row is None or await self._keeps(row["target"], name):
            return False
        await self._lookups.save(row | {"target": order_id})
        return True

    async def _keeps(self, order_id: str, name: str) -> bool:
        """Whether the order that once claimed a number still has to do with it."""
        order, _ = await self.find(order_id)
        return order.counts and order.number is not None and one_spelling(order.number) == name


def _row(order: Order) -> Row:
    return {"PartitionKey": str(order.tenant), "RowKey": order.id, "order": order.model_dump_json()}
