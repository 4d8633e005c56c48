"""Organisers: how many meetings a pool account has been given this month, against Graph's limit per user."""

from collections.abc import Sequence

from shared.errors import Later
from shared.storage.names import Table
from shared.storage.tables import Tables, settled

#: Graph allows 2,000 a user and month (microsoft-apis.md 1); what is left is for meetings people make themselves.
#: How Graph says that a month is full is not documented, and a 429 also means less: so an account is never exchanged
#: on Graph's word, only by this count.
MOST_PER_MONTH = 1900


class Organisers:
    """One row per account and month."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def take(self, tenant: str, month: str, pool: Sequence[str]) -> str:
        """The least used account of the pool, one meeting added to it; `Later` when all are full or there is none."""
        return await settled(lambda: self._take(f"{tenant}|{month}", pool))

    async def give_back(self, tenant: str, month: str, account: str) -> None:
        """One meeting less: somebody else's came first."""
        await settled(lambda: self._give_back(f"{tenant}|{month}", account))

    async def expire(self, tenant: str, month: str) -> int:
        """Remove a tenant's counts of all months (YYYYMM) before this one; how many."""
        condition = "PartitionKey ge @first and PartitionKey lt @last"
        months = {"first": f"{tenant}|", "last": f"{tenant}|{month}"}
        return await self._tables.sweep(Table.ORGANISERS, condition, **months)

    async def _give_back(self, partition: str, account: str) -> None:
        row = await self._tables.get(Table.ORGANISERS, partition, account)
        if row:
            await self._tables.save(Table.ORGANISERS, row | {"meetings": row["meetings"] - 1})

    async def _take(self, partition: str, pool: Sequence[str]) -> str:
        used = {row["RowKey"]: row for row in await self._tables.partition(Table.ORGANISERS, partition)}
        account = min(pool, key=lambda oid: used.get(oid, {"meetings": 0})["meetings"], default=None)
        if account is None:
            raise Later("organiser pool")
        row = used.get(account, {"PartitionKey": partition, "RowKey": account, "meetings": 0})
        if row["meetings"] >= MOST_PER_MONTH:
            raise Later("organiser pool")
        await self._tables.save(Table.ORGANISERS, row | {"meetings": row["meetings"] + 1})
        return account
