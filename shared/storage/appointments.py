"""Appointments: row `appt` of the visit's partition."""

from collections.abc import AsyncIterator
from datetime import datetime

from shared.domain.agenda import time_over
from shared.domain.appointment import Appointment
from shared.storage.names import Table
from shared.storage.tables import Row, Tables

_ROW = "appt"


class Appointments:
    """Reads and writes appointments. In clear stand only what an operator needs and nobody's identity."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def find(self, key: str) -> tuple[Appointment, Row] | None:
        """An appointment and the row it was read from."""
        row = await self._tables.get(Table.VISITS, key, _ROW)
        return (Appointment.model_validate_json(row["appointment_sealed"]), row) if row else None

    async def booked_ahead(self, connection: str, now: datetime, after: str) -> AsyncIterator[Appointment]:
        """Booked appointments of a connection that have not begun and whose keys follow `after`, in order of keys.

        Reads the table from there on, a page at a time: for a change of settings only.
        """
        condition = (
            "PartitionKey gt @after and RowKey eq @row"
            " and connection eq @connection and standing eq @standing and start gt @now"
        )
        values = {"after": after, "row": _ROW, "connection": connection, "standing": "booked", "now": now}
        async for row in self._tables.query(Table.VISITS, condition, **values):
            yield Appointment.model_validate_json(row["appointment_sealed"])

    async def save(self, appointment: Appointment, read: Row | None) -> None:
        """Write an appointment over the row it was read from; `Conflict` when that changed, or now exists."""
        row = {
            "PartitionKey": appointment.key,
            "RowKey": _ROW,
            "connection": appointment.connection,
            "standing": appointment.facts.standing,
            "start": appointment.facts.start,
            "over": time_over(appointment),
            "version": appointment.version,
            "phone": "kept" if appointment.facts.phone else "none",
            "phone_note": appointment.facts.phone_note,
            "appointment_sealed": appointment.model_dump_json(),
        }
        if read:
            row["etag"] = read["etag"]
        await self._tables.save(Table.VISITS, row)
