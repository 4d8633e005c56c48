"""What falls due later for an appointment or a visit: phone numbers leave, agendas are made anew, visits end."""

from typing import Protocol

from shared.domain.agenda import planned
from shared.domain.appointment import phone_is_over, without_phone
from shared.messages import UpkeepOrder
from shared.storage.connections import Connections
from shared.storage.tables import settled
from shared.telemetry import outcome
from shared.workflows import closing


class Deps(closing.Deps, Protocol):
    """What upkeep needs of the process."""

    @property
    def connections(self) -> Connections: ...


async def apply(order: UpkeepOrder, deps: Deps) -> None:
    """One piece of upkeep; looks at the row again, so an order that came early or twice does nothing."""
    match order.kind:
        case "erase-phone":
            await settled(lambda: erase_phone(order.key, deps))
        case "replan":
            await replan(order.connection, deps)
        case "close":
            await closing.close(order, deps)
        case "erase-visit":
            await closing.erase(order, deps)


async def erase_phone(key: str, deps: Deps) -> None:
    """Erase an appointment's phone number once no text can be sent any more."""
    found = await deps.appointments.find(key)
    if found is None or not phone_is_over(found[0], deps.clock.now()):
        return
    await deps.appointments.save(without_phone(found[0]), found[1])
    outcome("phone erased", appointment=key)


async def replan(connection_id: str, deps: Deps) -> None:
    """Put the agenda of all open appointments of a connection down again, after its reminders changed."""
    connection, _ = await deps.connections.find(connection_id)
    now = deps.clock.now()
    count = 0
    async for appointment in deps.appointments.open_ones(connection_id, now):
        await deps.agenda.plan(planned(appointment, connection.own.sms, now))
        count += 1
    outcome("replan", connection=connection_id, appointments=count)
