"""Organisations and connections, with the history of every change, and the secrets of connections.

Secrets have a table of their own, because the hl7 app reads table Connections and must not read them. No write spans
two tables, so the connection's row decides and its secrets follow:

    given     the row says so; then the secret is written; then the row is looked at again, and where it has gone
              meanwhile, so does the secret
    removed   the row goes; then its secrets

Who dies in between leaves, when giving, the secret that was there before, if any, and a caller without an answer, who
gives it once more; when removing, a secret that nothing leads to. That one goes with the next `sweep_secrets`.
"""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from shared.domain.configuration import tenant_of
from shared.domain.connection import Connection, Organisation
from shared.domain.onboarding import Milestone
from shared.errors import Code, Refused
from shared.storage.names import Table
from shared.storage.tables import Conflict, Resealed, Row, Tables, settled

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
        of one that is given with the change. Whose change is refused gives none.
        """
        row = self._row(connection, f"conn|{connection.id}")
        if len(row["settings"].encode("utf-16-le")) > _LARGEST:
            raise Refused(Code.BODY_TOO_LARGE)
        if etag is not None:
            row["etag"] = etag
        try:
            await self._tables.batch(Table.CONNECTIONS, [row, self._past(connection, who, did, at)])
        except Conflict:
            raise Refused(Code.CHANGED_MEANWHILE) from None
        if secret:
            await self._give(connection, *secret)

    async def remove(self, connection: Connection, etag: str, *, who: str, at: datetime) -> None:
        """Take a connection away, and then its secrets; its history stays.

        connection: as history is to keep it, one change after what `etag` stands for.
        """
        current = self._row(connection, f"conn|{connection.id}") | {"etag": etag}
        kept = [self._row(connection, f"gone|{connection.id}"), self._past(connection, who, "removed", at)]
        try:
            await self._tables.batch(Table.CONNECTIONS, kept, [current])
        except Conflict:
            raise Refused(Code.CHANGED_MEANWHILE) from None
        await self._forget_secrets(connection.id)

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

    async def secret(self, connection: Connection, name: str) -> str:
        """The secret of this name; refuses when none was given."""
        row = await self._tables.get(Table.SECRETS, connection.id, name)
        if row is None:
            raise Refused(Code.WRONG_STATE, "secret")
        return str(row["secret_sealed"])

    async def sweep_secrets(self) -> int:
        """Remove the secrets of connections that are no more; how many. Reads the whole table: for timers only."""
        rows = self._tables.in_clear(Table.SECRETS, "PartitionKey ge ''")
        kept = {row["PartitionKey"] async for row in rows}
        gone = kept - {one.id for one in await self.every()}  # read later: a connection is there before its secrets
        return sum([await self._forget_secrets(one) for one in gone])

    async def reseal_secrets(self, most: int) -> Resealed:
        """Seal secrets again that an older key sealed."""
        return await self._tables.reseal(Table.SECRETS, most)

    async def _give(self, connection: Connection, name: str, secret: str) -> None:
        await settled(lambda: self._replace_secret(connection, name, secret))
        key = f"conn|{connection.id}"
        if await self._tables.get(Table.CONNECTIONS, str(connection.tenant), key) is None:
            await self._forget_secrets(connection.id)
            raise Refused(Code.CHANGED_MEANWHILE)

    async def _replace_secret(self, connection: Connection, name: str, secret: str) -> None:
        """Put a secret in the place of an older one; one that came with a later change stays."""
        place = {"PartitionKey": connection.id, "RowKey": name}
        rows = self._tables.in_clear(
            Table.SECRETS, "PartitionKey eq @id and RowKey eq @name", id=connection.id, name=name
        )
        known = [row async for row in rows]
        if known and known[0]["change"] > connection.change:
            return
        given = place | {"change": connection.change, "secret_sealed": secret}
        await self._tables.save(Table.SECRETS, given | ({"etag": known[0]["etag"]} if known else {}))

    async def _forget_secrets(self, connection_id: str) -> int:
        return await self._tables.sweep(Table.SECRETS, "PartitionKey eq @id", id=connection_id)

    async def enable(self, organisation: Organisation, expects: str | None = None) -> None:
        """Keep an organisation, or change its name and entitlement.

        expects   the tag of what is there, "" for nothing; refuses when it is something else, but for what is wanted
        """
        place = str(organisation.tenant), organisation.id
        row = {"PartitionKey": place[0], "RowKey": place[1], "settings": organisation.model_dump_json()}
        if expects is None:
            return await self._tables.put(Table.ORGANISATIONS, row)
        known = await self._tables.get(Table.ORGANISATIONS, *place)
        there = Organisation.model_validate_json(known["settings"]).tag if known else ""
        if there not in {expects, organisation.tag}:
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
