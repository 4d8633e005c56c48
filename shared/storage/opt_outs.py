"""OptOuts: who wants no texts from a number of ours, by pseudonym of the phone."""

from datetime import datetime

from shared.storage.names import Table
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import Row, Tables, settled


class OptOuts:
    """The last word of each phone to each of our numbers. Older words change nothing; of two at once STOP wins."""

    def __init__(self, tables: Tables, pseudonyms: Pseudonyms) -> None:
        self._tables = tables
        self._pseudonyms = pseudonyms

    async def out(self, number: str, phone: str) -> bool:
        """Whether the phone wants no texts from this number."""
        row = await self._tables.get(Table.OPT_OUTS, number, self._key(number, phone))
        return row is not None and bool(row["out"])

    async def stop(self, number: str, phone: str, at: datetime, source: str) -> None:
        """The phone said STOP, or its carrier says that it has (source `report`)."""
        await self._hear(number, phone, {"out": True, "at": at, "source": source})

    async def start(self, number: str, phone: str, at: datetime) -> None:
        """The phone wants texts again."""
        await self._hear(number, phone, {"out": False, "at": at, "source": "start"})

    async def _hear(self, number: str, phone: str, said: Row) -> None:
        await settled(lambda: self._newer(number, self._key(number, phone), said))

    async def _newer(self, number: str, key: str, said: Row) -> None:
        known = await self._tables.get(Table.OPT_OUTS, number, key)
        if known and (known["at"], known["out"]) >= (said["at"], said["out"]):
            return
        row = {"PartitionKey": number, "RowKey": key} | said
        if known:
            row["etag"] = known["etag"]
        await self._tables.save(Table.OPT_OUTS, row)

    def _key(self, number: str, phone: str) -> str:
        return self._pseudonyms.of("opt-out", number, phone)
