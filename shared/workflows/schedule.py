"""What a scheduling event means: the appointment's row first, then every consequence from the row."""

import secrets
from datetime import timedelta
from typing import Protocol

from shared.clock import Clock
from shared.domain.agenda import announcement_ends, is_past, planned
from shared.domain.appointment import Appointment, Order, adopted, after, heard, order_of, replaced
from shared.domain.connection import Connection, SmsSetup
from shared.messages import SchedulingMessage, TextOrder, text_id
from shared.storage.agenda import Agenda
from shared.storage.appointments import Appointments
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.queues import Queues
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import settled
from shared.telemetry import outcome, traceparent

#: A link in a text outlives the visit by this much, so that a late tap gets a kind page (F8.12).
_LINK_STAYS = timedelta(days=2)


class Deps(Protocol):
    """What scheduling needs of the process."""

    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def appointments(self) -> Appointments: ...
    @property
    def agenda(self) -> Agenda: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...


async def apply(message: SchedulingMessage, deps: Deps) -> None:
    """Bring the appointment up to date and plan what follows.

    Safe to repeat, and in any order: the row is a fold of all it has heard, and what follows is made from the row
    again on every delivery, under ids that meet themselves.
    """
    connection, _ = await deps.connections.find(message.connection)
    stored = await settled(lambda: _hear(message, connection, deps))
    older = _key(connection, message.event.moved_from, deps)
    if older and older != stored.key:
        stored = await settled(lambda: _adopt(stored, older, order_of(message.event), deps))
    await emit(stored, connection.own.sms, deps)
    outcome("schedule", appointment=stored.key, version=stored.version, trigger=message.event.trigger)


async def emit(appointment: Appointment, sms: SmsSetup, deps: Deps) -> None:
    """Everything that follows from an appointment's row."""
    if appointment.join_token and appointment.facts.start and appointment.moved_to is None:
        ends = appointment.facts.start + _LINK_STAYS
        await deps.lookups.put(Kind.JOIN_TOKEN, appointment.join_token, appointment.key, ends)
    await deps.agenda.plan(planned(appointment, sms, deps.clock.now()))
    if order := _announcement(appointment):
        await deps.queues.put(order)


def _announcement(appointment: Appointment) -> TextOrder | None:
    ends = announcement_ends(appointment)
    if ends is None or appointment.versioned_at is None:
        return None
    return TextOrder(
        message_id=text_id(appointment.key, "confirmation", 0, appointment.version),
        traceparent=traceparent.get(),
        give_up_at=ends,
        connection=appointment.connection,
        appointment=appointment.key,
        kind="confirmation",
        slot=0,
        version=appointment.version,
        day=appointment.versioned_at.strftime("%Y%m%d"),
    )


async def _hear(message: SchedulingMessage, connection: Connection, deps: Deps) -> Appointment:
    key = deps.pseudonyms.of("csn", connection.id, message.event.csn)
    found = await deps.appointments.find(key)
    known, row = found or (_unheard(connection, key, message.event.csn), None)
    event = heard(message.event, connection.own.sms, loading=message.loading)
    changed = after(known, event, deps.clock.now())
    if changed is not known:
        changed = _revived(changed, message.event.csn, deps)
        await deps.appointments.save(changed, row)
    return changed


def _revived(appointment: Appointment, csn: str, deps: Deps) -> Appointment:
    """One that was erased and is given a new time, or was replaced and stands again, needs its id and a link again."""
    whole = appointment.csn and appointment.join_token
    if whole or appointment.moved_to or is_past(appointment, deps.clock.now()):
        return appointment
    token = appointment.join_token or secrets.token_urlsafe(16)
    return appointment.model_copy(update={"csn": csn, "join_token": token})


def _unheard(connection: Connection, key: str, csn: str) -> Appointment:
    return Appointment(connection=connection.id, key=key, csn=csn, join_token=secrets.token_urlsafe(16))


async def _adopt(stored: Appointment, older: str, by: Order, deps: Deps) -> Appointment:
    """The appointment takes over link and texts of the one it replaces; then the older one falls silent.

    An older one of which nothing has been heard yet gets a row as well: what comes late finds it silent. Where a newer
    message said the opposite, that counts.
    """
    current = await deps.appointments.find(stored.key)
    if current is None:
        return stored
    heir, row = current
    unheard = Appointment(connection=heir.connection, key=older, csn=None, versioned_at=deps.clock.now())
    former, former_row = await deps.appointments.find(older) or (unheard, None)
    silent = replaced(former, heir.key, by)
    if heir.moved_to == older or silent is former:  # a newer message says so, or it is done already
        return heir
    changed = adopted(heir, former)
    if changed != heir:
        await deps.appointments.save(changed, row)
    await deps.appointments.save(silent, former_row)
    return changed


def _key(connection: Connection, csn: str | None, deps: Deps) -> str | None:
    return deps.pseudonyms.of("csn", connection.id, csn) if csn else None
