"""What falls due later for an appointment or a visit: phone numbers leave, agendas are made anew, visits end."""

from typing import Protocol

from shared.domain.agenda import planned
from shared.domain.appointment import phone_is_over, without_phone
from shared.errors import Later
from shared.messages import UpkeepOrder
from shared.storage.connections import Connections
from shared.storage.tables import settled
from shared.telemetry import outcome
from shared.workflows import closing

#: Appointments to a message; at some milliseconds for each reminder far below a queue's lease of ten minutes.
_PAGE = 1000
#: With the queue's delays about eight minutes: longer than a request runs that writes a change.
_TRIES_FOR_THE_CHANGE = 8


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
            await replan(order, deps)
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


async def replan(order: UpkeepOrder, deps: Deps) -> None:
    """Put the reminders of a connection's booked appointments down again, after their intervals changed.

    A page of them to a message, the next page to the next message, so that no message outlasts its lease however
    many there are. What else is due does not hang on the settings and stands already. Safe to repeat.
    It is ordered before the change is written: some minutes without it mean that nobody wrote it.
    """
    connection, _ = await deps.connections.find(order.connection)
    if connection.change < order.version:
        if order.attempt < _TRIES_FOR_THE_CHANGE:
            raise Later("configuration")
        return
    now, count = deps.clock.now(), 0
    async for appointment in deps.appointments.booked_ahead(connection.id, now, after=order.key):
        due = planned(appointment, connection.own.sms, now)
        await deps.agenda.plan(entry for entry in due if entry.kind == "reminder")
        count += 1
        if count == _PAGE:
            await deps.queues.put(_from(appointment.key, order))
            break
    outcome("replan", connection=connection.id, appointments=count)


def _from(key: str, order: UpkeepOrder) -> UpkeepOrder:
    """The same for the appointments that follow `key`."""
    following = {"message_id": f"replan|{order.connection}|{order.version}|{key}", "key": key, "attempt": 0}
    return order.model_copy(update=following)
