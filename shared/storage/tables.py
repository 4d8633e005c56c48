"""Tables: the only code that speaks to them. Rows are plain dictionaries.

A property whose name ends in `_sealed` is encrypted on the way in and decrypted on the way out, bound to its
table, row and name; nothing else needs to think of it, and a backup knows what to leave out. What is too long for one
property goes on in others: `visit_sealed`, `visit_1_sealed`, `visit_2_sealed`. `sealed_with` beside it names the key,
so that what an older one sealed is found when keys change.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.errors import Broken, ConnectorError, Later
from shared.storage.names import Table
from shared.storage.sealing import KeyRing

Row = dict[str, Any]
SEALED = "_sealed"
_SEALED_WITH = "sealed_with"
#: Bytes in one property: sealed they are 32,038 characters and the key's name, and the service takes 32,768.
_PIECE = 24_000
_FURTHER = re.compile(rf".+_\d+{SEALED}")
_TRIES = 10
#: The service takes no more rows in one transaction.
_BATCH = 100


class Conflict(ConnectorError):
    """Somebody else wrote the row meanwhile; read it again."""


@dataclass(frozen=True)
class Resealed:
    """What became of rows that an older key had sealed.

    rows     sealed again, under the newest
    missed   not sealed again, because somebody else wrote them meanwhile
    broken   do not open
    """

    rows: int
    missed: int
    broken: int


class Tables:
    """Point reads, guarded writes and partition queries over all tables of the stamp."""

    def __init__(self, service: TableServiceClient, ring: KeyRing) -> None:
        self._service = service
        self._ring = ring
        self._clients: dict[Table, TableClient] = {}

    async def get(self, table: Table, partition: str, row: str) -> Row | None:
        """One row, or None. Its ETag is kept under the key `etag`."""
        with _translated():
            try:
                return self._read(table, await self._client(table).get_entity(partition, row))
            except ResourceNotFoundError:
                return None

    async def get_in_clear(self, table: Table, partition: str, row: str) -> Row | None:
        """As `get`, but sealed properties stay out: where none is needed, a key that has left the ring does no harm."""
        with _translated():
            try:
                return _in_clear(await self._client(table).get_entity(partition, row))
            except ResourceNotFoundError:
                return None

    async def insert(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Write a new row; False when it is there already."""
        with _translated():
            try:
                await self._client(table).create_entity(self._write(table, row))
            except ResourceExistsError:
                return False
            return True

    async def replace(self, table: Table, row: Row) -> None:
        """Write over the row that was read; `Conflict` when it changed since."""
        with _translated():
            try:
                await self._client(table).update_entity(
                    self._write(table, row),
                    mode=UpdateMode.REPLACE,
                    etag=row["etag"],
                    match_condition=MatchConditions.IfNotModified,
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                raise Conflict(table) from None

    async def save(self, table: Table, row: Row) -> None:
        """Insert a row that was never read, replace one that was; `Conflict` when the world moved on."""
        if "etag" in row:
            await self.replace(table, row)
        elif not await self.insert(table, row):
            raise Conflict(table)

    async def put(self, table: Table, row: Mapping[str, Any]) -> None:
        """Write, whatever was there: for rows whose content follows from their key."""
        with _translated():
            await self._client(table).upsert_entity(self._write(table, row), mode=UpdateMode.REPLACE)

    async def delete(self, table: Table, partition: str, row: str) -> None:
        """Remove a row; nothing happens when there is none."""
        with _translated():
            await self._client(table).delete_entity(partition, row)

    async def batch(self, table: Table, rows: Iterable[Row], removed: Iterable[Row] = ()) -> None:
        """Save, and remove, rows of one partition all together or not at all; `Conflict` when one of them changed."""
        steps = [*(self._step(table, row) for row in rows), *map(_removal, removed)]
        with _translated():
            try:
                await self._client(table).submit_transaction(steps)
            except TableTransactionError as refusal:
                if refusal.status_code in {404, 409, 412}:
                    raise Conflict(table) from None
                raise

    async def delete_batch(self, table: Table, partition: str, keys: list[str]) -> None:
        """Remove rows of one partition, a hundred at a time; what somebody else removed is skipped."""
        for start in range(0, len(keys), _BATCH):
            part = keys[start : start + _BATCH]
            steps = [("delete", {"PartitionKey": partition, "RowKey": key}) for key in part]
            with _translated():
                try:
                    await self._client(table).submit_transaction(steps)
                except TableTransactionError:
                    for key in part:
                        await self.delete(table, partition, key)

    async def query(self, table: Table, condition: str, **values: Any) -> AsyncIterator[Row]:
        """Rows that match an OData condition with @parameters, in key order, page by page."""
        with _translated():
            async for entity in self._client(table).query_entities(condition, parameters=values):
                yield self._read(table, entity)

    async def in_clear(self, table: Table, condition: str, **values: Any) -> AsyncIterator[Row]:
        """As `query`, but sealed properties stay out: for lists, and for rows whose key has left the ring."""
        with _translated():
            async for entity in self._client(table).query_entities(condition, parameters=values):
                yield _in_clear(entity)

    async def reseal(self, table: Table, most: int) -> Resealed:
        """Seal rows under the newest key that another one sealed, `most` of them, and change nothing else of them."""
        rows = missed = broken = 0
        with _translated():
            found = self._client(table).query_entities(f"{_SEALED_WITH} ne @kid", parameters={"kid": self._ring.newest})
            async for entity in found:
                if rows == most:
                    break
                try:
                    again = self._again(table, entity)
                except Broken:
                    broken += 1
                    continue
                if await self._merge(table, again | {"etag": entity.metadata["etag"]}):
                    rows += 1
                else:
                    missed += 1
        return Resealed(rows, missed, broken)

    async def sweep(self, table: Table, condition: str, **values: Any) -> int:
        """Remove every row that matches, unopened; how many there were."""
        partition, keys, count = "", list[str](), 0
        with _translated():
            select = ["PartitionKey", "RowKey"]
            async for entity in self._client(table).query_entities(condition, parameters=values, select=select):
                if entity["PartitionKey"] != partition or len(keys) == _BATCH:
                    await self.delete_batch(table, partition, keys)
                    partition, keys = entity["PartitionKey"], []
                keys.append(entity["RowKey"])
                count += 1
        await self.delete_batch(table, partition, keys)
        return count

    async def partition(self, table: Table, partition: str) -> list[Row]:
        """All rows of one partition."""
        return [row async for row in self.query(table, "PartitionKey eq @p", p=partition)]

    async def _merge(self, table: Table, row: Row) -> bool:
        """Write some properties of a row that was read; False when it changed since."""
        entity = {name: value for name, value in row.items() if name != "etag"}
        unchanged = MatchConditions.IfNotModified
        try:
            await self._client(table).update_entity(
                entity, mode=UpdateMode.MERGE, etag=row["etag"], match_condition=unchanged
            )
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        return True

    def _client(self, table: Table) -> TableClient:
        if table not in self._clients:
            self._clients[table] = self._service.get_table_client(table)
        return self._clients[table]

    def _step(self, table: Table, row: Row) -> tuple[str, Row] | tuple[str, Row, dict[str, Any]]:
        entity = self._write(table, row)
        if "etag" not in row:
            return ("create", entity)
        guard = {"mode": UpdateMode.REPLACE, "etag": row["etag"], "match_condition": MatchConditions.IfNotModified}
        return ("update", entity, guard)

    def _write(self, table: Table, row: Mapping[str, Any]) -> Row:
        place = (table, row["PartitionKey"], row["RowKey"])
        entity = {name: value for name, value in row.items() if name != "etag" and value is not None}
        for name in [name for name in entity if name.endswith(SEALED)]:
            entity |= self._sealed(entity[name].encode(), *place, name) | {_SEALED_WITH: self._ring.newest}
        return entity

    def _read(self, table: Table, entity: TableEntity) -> Row:
        return _in_clear(entity) | self._opened(table, entity)

    def _opened(self, table: Table, entity: Mapping[str, Any]) -> Row:
        place = (table, entity["PartitionKey"], entity["RowKey"])
        opened = {name: b"" for name in entity if name.endswith(SEALED) and not _FURTHER.fullmatch(name)}
        for name in opened:
            for piece in takewhile(entity.__contains__, _pieces(name)):
                opened[name] += self._ring.open_bytes(entity[piece], *place, piece)
        return {name: value.decode() for name, value in opened.items()}

    def _sealed(self, plain: bytes, table: Table, partition: str, row: str, name: str) -> Row:
        starts = range(0, max(len(plain), 1), _PIECE)
        return {
            piece: self._ring.seal_bytes(plain[start : start + _PIECE], table, partition, row, piece)
            for piece, start in zip(_pieces(name), starts, strict=False)
        }

    def _again(self, table: Table, entity: Mapping[str, Any]) -> Row:
        """A row's key and its sealed properties, under the newest key; `Broken` when they do not open."""
        key = {name: entity[name] for name in ("PartitionKey", "RowKey")}
        return self._write(table, key | self._opened(table, entity))


def _pieces(name: str) -> Iterator[str]:
    """The names under which a sealed property goes on, the first its own."""
    return (f"{name.removesuffix(SEALED)}_{number}{SEALED}" if number else name for number in count())


def _in_clear(entity: TableEntity) -> Row:
    """A row without what is sealed; its ETag under the key `etag`."""
    plain = {name: value for name, value in entity.items() if name != _SEALED_WITH and not name.endswith(SEALED)}
    return plain | {"etag": entity.metadata["etag"]}


def _removal(row: Row) -> tuple[str, Row, dict[str, Any]]:
    guard = {"etag": row["etag"], "match_condition": MatchConditions.IfNotModified}
    return ("delete", {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}, guard)


async def settled[T](attempt: Callable[[], Awaitable[T]]) -> T:
    """Do `attempt` until no one else writes in between: ten tries, then `Later`."""
    for number in range(_TRIES):
        try:
            return await attempt()
        except Conflict:
            await asyncio.sleep(random.uniform(0, 0.02 * 2**number))  # noqa: S311 - jitter, no secret
    raise Later("storage")


@contextmanager
def _translated() -> Any:
    """Errors of the SDK become ours here and nowhere else; no text of theirs goes on, it may quote a row."""
    try:
        yield
    except HttpResponseError as error:
        if error.status_code is None or error.status_code in {408, 429} or error.status_code >= 500:
            raise Later("storage") from None
        raise Broken(f"table storage refused: {error.status_code}") from None
    except AzureError:
        raise Later("storage") from None
