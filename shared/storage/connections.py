"""Organisations and connections, with the history of every change."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from shared.domain.configuration import tenant_of
from shared.domain.connection import Connection, Organisation
from shared.domain.onboarding import Milestone
from shared.errors import Code, Refused
from shared.storage.names import Table
from shared.storage.tables import Conflict, Row, Tables

#: Bytes that a string property of a table holds.
_LARGEST = 65_536


class Connections:
    """Reads and changes connections. An ETag guards each change; its history row is written with it."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._reached: set[tuple[str, Milestone]] = set()

    async def find(self, connection_id: str) -> tuple[Connection, str]:
        """A connection and its ETag, by one point read; refuses when there is none."""
        row = await self._tables.get(Table.CONNECTIONS, str(tenant_of(connection_id)), f"conn|{connection_id}")
        if row is None:
            raise Refused(Code.CONNECTION_UNKNOWN)
        return Connection.model_validate_json(row["settings"]), row["etag"]

    async def serving(self, connection_id: str) -> Connection:
        """A connection that takes launches, messages and texts; refuses any other."""
        connection, _ = await self.find(connection_id)
        if not connection.serves:
            raise Refused(Code.CONNECTION_NOT_SERVING)
        return connection

    async def of_tenant(self, tenant: UUID) -> list[Connection]:
        """All connections of a tenant."""
        condition = "PartitionKey eq @tenant and RowKey ge 'conn|' and RowKey lt 'conn}'"
        rows = self._tables.query(Table.CONNECTIONS, condition, tenant=str(tenant))
        return [Connection.model_validate_json(row["settings"]) async for row in rows]

    async def every(self) -> list[Connection]:
        """All connections of the stamp. Reads the whole table: for timers only."""
        rows = self._tables.query(Table.CONNECTIONS, "RowKey ge 'conn|' and RowKey lt 'conn}'")
        return [Connection.model_validate_json(row["settings"]) async for row in rows]

    async def ever(self) -> list[Connection]:
        """As `every`, and those that were removed: what they left behind ends in its own time."""
        rows = self._tables.query(Table.CONNECTIONS, "RowKey ge 'gone|' and RowKey lt 'gone}'")
        return await self.every() + [Connection.model_validate_json(row["settings"]) async for row in rows]

    async def save(
        self,
        connection: Connection,
        etag: str | None,
        *,
        who: str,
        did: str,
        at: datetime,
        secret: tuple[str, str] | None = None,
    ) -> None:
        """Write a change and its history; refuses when somebody else was faster.

        who: the Entra object id of the person; did: the change's name, such as `approved`; secret: the name and value
        of one that is given with the change, so that neither stands without the other.
        """
        row = self._row(connection, f"conn|{connection.id}")
        if len(row["settings"].encode("utf-16-le")) > _LARGEST:
            raise Refused(Code.BODY_TOO_LARGE)
        if etag is not None:
            row["etag"] = etag
        given = [await self._given(connection, *secret)] if secret else []
        try:
            await self._tables.batch(Table.CONNECTIONS, [row, self._past(connection, who, did, at), *given])
        except Conflict:
            raise Refused(Code.CHANGED_MEANWHILE) from None

    async def remove(self, connection: Connection, etag: str, *, who: str, at: datetime) -> None:
        """Take a connection and its secrets away in one write; its history stays.

        connection: as history is to keep it, one change after what `etag` stands for.
        """
        current = self._row(connection, f"conn|{connection.id}") | {"etag": etag}
        condition = "PartitionKey eq @tenant and RowKey ge @first and RowKey lt @last"
        keys = {"first": f"secret|{connection.id}|", "last": f"secret|{connection.id}}}"}
        rows = self._tables.in_clear(Table.CONNECTIONS, condition, tenant=str(connection.tenant), **keys)
        secrets = [row async for row in rows]
        kept = [self._row(connection, f"gone|{connection.id}"), self._past(connection, who, "removed", at)]
        try:
            await self._tables.batch(Table.CONNECTIONS, kept, [current, *secrets])
        except Conflict:
            raise Refused(Code.CHANGED_MEANWHILE) from None

    async def histories(self, tenant: UUID) -> dict[str, list[Row]]:
        """Every change of a tenant's connections, removed ones too: by connection, oldest first."""
        condition = "PartitionKey eq @tenant and RowKey ge 'hist|' and RowKey lt 'hist}'"
        found: dict[str, list[Row]] = defaultdict(list)
        async for row in self._tables.query(Table.CONNECTIONS, condition, tenant=str(tenant)):
            found[row["RowKey"].split("|")[1]].append(row)
        return found

    async def reach(self, connection_id: str, milestone: Milestone, at: datetime) -> None:
        """Note that something has happened at a connection. What this process has noted costs nothing more."""
        if (connection_id, milestone) not in self._reached:
            row = {"PartitionKey": str(tenant_of(connection_id)), "RowKey": f"first|{connection_id}|{milestone}"}
            await self._tables.insert(Table.CONNECTIONS, row | {"at": at})
            self._reached.add((connection_id, milestone))

    async def reached(self, tenant: UUID) -> set[tuple[str, str]]:
        """What has happened at a tenant's connections: id and milestone."""
        condition = "PartitionKey eq @tenant and RowKey ge 'first|' and RowKey lt 'first}'"
        rows = self._tables.query(Table.CONNECTIONS, condition, tenant=str(tenant))
        return {tuple(row["RowKey"].split("|")[1:]) async for row in rows}

    async def history(self, connection: Connection) -> list[Row]:
        """Every change, oldest first: who, did, at and the settings after it."""
        condition = "PartitionKey eq @tenant and RowKey ge @first and RowKey lt @last"
        keys = {"first": f"hist|{connection.id}|", "last": f"hist|{connection.id}}}"}
        return [
            row async for row in self._tables.query(Table.CONNECTIONS, condition, tenant=str(connection.tenant), **keys)
        ]

    async def _given(self, connection: Connection, name: str, secret: str) -> Row:
        """The row of a secret, in place of the one that is there."""
        place = {"PartitionKey": str(connection.tenant), "RowKey": f"secret|{connection.id}|{name}"}
        condition = "PartitionKey eq @tenant and RowKey eq @key"
        keys = {"tenant": place["PartitionKey"], "key": place["RowKey"]}
        known = [row["etag"] async for row in self._tables.in_clear(Table.CONNECTIONS, condition, **keys)]
        return place | {"secret_sealed": secret} | ({"etag": known[0]} if known else {})

    async def secret(self, connection: Connection, name: str) -> str:
        """The secret of this name; refuses when none was given."""
        key = f"secret|{connection.id}|{name}"
        row = await self._tables.get(Table.CONNECTIONS, str(connection.tenant), key)
        if row is None:
            raise Refused(Code.WRONG_STATE, "secret")
        return str(row["secret_sealed"])

    async def enable(self, organisation: Organisation, expects: str | None = None) -> None:
        """Keep an organisation, or change its name and entitlement.

        expects   the tag of what is there, "" for nothing; refuses when it is something else
        """
        place = str(organisation.tenant), organisation.id
        row = {"PartitionKey": place[0], "RowKey": place[1], "settings": organisation.model_dump_json()}
        if expects is None:
            return await self._tables.put(Table.ORGANISATIONS, row)
        known = await self._tables.get(Table.ORGANISATIONS, *place)
        if (Organisation.model_validate_json(known["settings"]).tag if known else "") != expects:
            raise Refused(Code.CHANGED_MEANWHILE)
        try:
            return await self._tables.save(Table.ORGANISATIONS, row | ({"etag": known["etag"]} if known else {}))
        except Conflict:
            raise Refused(Code.CHANGED_MEANWHILE) from None

    async def organisations(self, tenant: UUID | None) -> list[Organisation]:
        """The organisations of a tenant, or all. Other rows of the table have a `|` in their key."""
        condition, values = "RowKey ge '-' and RowKey lt '{'", dict[str, str]()
        if tenant is not None:
            condition, values = f"PartitionKey eq @tenant and {condition}", {"tenant": str(tenant)}
        rows = self._tables.query(Table.ORGANISATIONS, condition, **values)
        return [Organisation.model_validate_json(row["settings"]) async for row in rows if "settings" in row]

    async def organisation(self, tenant: UUID, organisation_id: str) -> Organisation:
        """An enabled organisation of a tenant; refuses when there is none."""
        row = await self._tables.get(Table.ORGANISATIONS, str(tenant), organisation_id)
        if row is None:
            raise Refused(Code.ORGANISATION_UNKNOWN)
        return Organisation.model_validate_json(row["settings"])

    def _past(self, connection: Connection, who: str, did: str, at: datetime) -> Row:
        row = self._row(connection, f"hist|{connection.id}|{connection.change:08d}")
        return row | {"who": who, "did": did, "at": at}

    @staticmethod
    def _row(connection: Connection, key: str) -> Row:
        return {"PartitionKey": str(connection.tenant), "RowKey": key, "settings": connection.model_dump_json()}
