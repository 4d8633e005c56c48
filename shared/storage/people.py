"""People: which Entra account an EHR user signed in with, once. The one datum about staff that is kept."""

from datetime import datetime

from shared.storage.names import Table
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import Tables


class People:
    """One row per tenant and EHR user."""

    def __init__(self, tables: Tables, pseudonyms: Pseudonyms) -> None:
        self._tables = tables
        self._pseudonyms = pseudonyms

    async def find(self, tenant: str, user: str) -> str | None:
        """The Entra object id of an EHR user (by FHIR id); None before the first sign-in."""
        row = await self._tables.get(Table.PEOPLE, tenant, self._key(tenant, user))
        return str(row["oid"]) if row else None

    async def keep(self, tenant: str, user: str, oid: str, at: datetime) -> None:
        """Remember who an EHR user is in Entra; a later sign-in replaces an earlier one."""
        row = {"PartitionKey": tenant, "RowKey": self._key(tenant, user), "oid": oid, "signed_in": at}
        await self._tables.put(Table.PEOPLE, row | {"user_sealed": user})

    def _key(self, tenant: str, user: str) -> str:
        return self._pseudonyms.of("ehr-user", tenant, user)
