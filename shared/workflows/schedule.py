"""What a scheduling event means: the appointment's row first, then every consequence from the row."""

from typing import Protocol

from shared.clock import Clock
from shared.domain.appointment import Appointment, after, heard
from shared.domain.connection import Connection
from shared.messages import SchedulingMessage
from shared.storage.appointments import Appointments
from shared.storage.connections import Connections
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import settled
from shared.telemetry import outcome


class Deps(Protocol):
    """What scheduling needs of the process."""

    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def appointments(self) -> Appointments: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...


async def apply(message: SchedulingMessage, deps: Deps) -> None:
    """Bring the appointment up to date. Safe to repeat, and in any order: the row is a fold of all it has heard."""
    connection, _ = await deps.connections.find(message.connection)
    stored = await settled(lambda: _hear(message, connection, deps))
    outcome("schedule", appointment=stored.key, version=stored.version, trigger=message.event.trigger)


async def _hear(message: SchedulingMessage, connection: Connection, deps: Deps) -> Appointment:
    key = deps.pseudonyms.of("csn", connection.id, message.event.csn)
    found = await deps.appointments.find(key)
    known, row = found or (Appointment(connection=connection.id, key=key, csn=message.event.csn), None)
    changed = after(known, heard(message.event, connection.own.sms), deps.clock.now())
    if changed is not known:
        await deps.appointments.save(changed, row)
    return changed
