"""People: which Entra account an EHR user signed in with, once. The one datum about staff that is kept."""

from datetime import datetime

from shared.domain.configuration import tenant_of
from shared.storage.names import Table
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import Resealed, Tables


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
        row = await self._tables.get_in_clear(Table.PEOPLE, *self._place(connection, user))
        return str(row["oid"]) if row else None

    async def keep(self, connection: str, user: str, oid: str, at: datetime) -> None:
        """Remember who an EHR user is in Entra; a later sign-in replaces an earlier one."""
        partition, key = self._place(connection, user)
        row = {"PartitionKey": partition, "RowKey": key, "connection": connection, "oid": oid, "signed_in": at}
        await self._tables.put(Table.PEOPLE, row | {"user_sealed": user})

    async def forget(self, connection: str, oid: str) -> int:
        """Forget whom an Entra account stands for, so that the next launch asks again; how many EHR users it was."""
        tenant = str(tenant_of(connection))
        return await self._tables.sweep(Table.PEOPLE, "PartitionKey eq @tenant and oid eq @oid", tenant=tenant, oid=oid)

    async def forget_all(self, connection: str) -> int:
        """Forget everybody who ever signed in at a connection; how many EHR users it was."""
        condition = "PartitionKey eq @tenant and connection eq @connection"
        values = {"tenant": str(tenant_of(connection)), "connection": connection}
        return await self._tables.sweep(Table.PEOPLE, condition, **values)

    async def reseal(self, most: int) -> Resealed:
        """Seal rows again that an older key sealed."""
        return await self._tables.reseal(Table.PEOPLE, most)

    def _place(self, connection: str, user: str) -> tuple[str, str]:
        return str(tenant_of(connection)), self._pseudonyms.of("ehr-user", connection, user)
