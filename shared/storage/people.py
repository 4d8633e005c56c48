"""People: which Entra account an EHR user signed in with, once. The one datum about staff that is kept."""

from datetime import datetime

from shared.domain.configuration import tenant_of
from shared.storage.names import Table
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import Tables


class People:
    """One row per connection and EHR user, in the partition of the tenant.

    An EHR user's id means somebody in one Epic only. The ids of a test system are often copies of production's: who
    signs in there as somebody is not that person here.
    """

    def __init__(self, tables: Tables, pseudonyms: Pseudonyms) -> None:
        self._tables = tables
        self._pseudonyms = pseudonyms

    async def find(self, connection: str, user: str) -> str | None:
        """The Entra object id of an EHR user (by FHIR id); None before the first sign-in."""
        row = await self._tables.get(Table.PEOPLE, *self._place(connection, user))
        return str(row["oid"]) if row else None

    async def keep(self, connection: str, user: str, oid: str, at: datetime) -> None:
        """Remember who an EHR user is in Entra; a later sign-in replaces an earlier one."""
        partition, key = self._place(connection, user)
        row = {"PartitionKey": partition, "RowKey": key, "oid": oid, "signed_in": at}
        await self._tables.put(Table.PEOPLE, row | {"user_sealed": user})

    async def forget(self, connection: str, oid: str) -> int:
        """Forget whom an Entra account stands for, so that the next launch asks again; how many EHR users it was."""
        partition = str(tenant_of(connection))
        rows = self._tables.query(Table.PEOPLE, "PartitionKey eq @tenant and oid eq @oid", tenant=partition, oid=oid)
        keys = [row["RowKey"] async for row in rows]
        await self._tables.delete_batch(Table.PEOPLE, partition, keys)
        return len(keys)

    async def forget_all(self, connection: str) -> int:
        """Forget everybody who ever signed in at a connection; how many EHR users it was.

        A row does not say whose it is: its key does, to who knows the user.
        """
        partition = str(tenant_of(connection))
        rows = self._tables.query(Table.PEOPLE, "PartitionKey eq @tenant", tenant=partition)
        keys = [row["RowKey"] async for row in rows if row["RowKey"] == self._place(connection, row["user_sealed"])[1]]
        await self._tables.delete_batch(Table.PEOPLE, partition, keys)
        return len(keys)

    def _place(self, connection: str, user: str) -> tuple[str, str]:
        return str(tenant_of(connection)), self._pseudonyms.of("ehr-user", connection, user)
