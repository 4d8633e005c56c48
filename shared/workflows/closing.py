"""The end of a visit: it closes, Epic hears that everybody has left, and what patients own is erased."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from shared.clients.graph import Attendance, Graph
from shared.domain import roster
from shared.domain.agenda import CLOSE_AFTER_END, CLOSE_AFTER_SILENCE, ERASE_AT_LATEST, is_past
from shared.domain.appointment import without_ids
from shared.domain.configuration import tenant_of
from shared.domain.visit import Person, Sighting, Visit
from shared.errors import Later
from shared.messages import UpkeepOrder
from shared.storage.appointments import Appointments
from shared.storage.audit import Audit, Fact
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.tables import settled
from shared.storage.visits import Visits
from shared.telemetry import alarm, outcome
from shared.workflows.presence import Followers, Told, emit

#: Graph is asked this often for who was there: through a short outage, not until a missing permission is granted.
_TRIES_FOR_ATTENDANCE = 5


class Deps(Followers, Protocol):
    """What closing needs of the process."""

    @property
    def connections(self) -> Connections: ...
    @property
    def appointments(self) -> Appointments: ...
    @property
    def visits(self) -> Visits: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def graph(self) -> Graph: ...


async def close(order: UpkeepOrder, deps: Deps) -> None:
    """Close a visit whose call has ended, or of which nothing more is heard. Safe to repeat.

    A call that began again, or a visit whose end moved, is left alone: another entry of the agenda stands for it.
    """
    known, now = await deps.visits.find(order.key), deps.clock.now()
    visit = known.visit
    if visit is None or visit.erased or not _is_over(visit, known.people.values(), now):
        return
    missed = await _attendance(visit, order.attempt, deps)
    told = await settled(lambda: _close(order.key, missed, deps))
    if told is None:
        return
    await emit(told, deps)
    await deps.audit.note([Fact(visit.connection, visit.key, "closed", told.visit.closed or now)])
    if roster.was_held(told.people):
        await deps.connections.reach(visit.connection, "visit-held", now)
    if told.visit.subscription:  # last: Epic's news do not wait for Graph
        await deps.graph.unsubscribe(str(tenant_of(visit.connection)), told.visit.subscription.id)
    outcome("visit closed", visit=visit.key, people=len(told.people), attendance=len(missed))


async def erase(order: UpkeepOrder, deps: Deps) -> None:
    """Erase what patients own, once Epic has heard everything or will hear no more. Safe to repeat.

    An appointment that never became a visit has only its own row, and the agenda's last entry.
    """
    found = await deps.visits.find(order.key)
    visit, now = found.visit, deps.clock.now()
    if visit and visit.erased is None:
        at_last = now >= visit.end + ERASE_AT_LATEST
        waiting = [person for person in found.people.values() if roster.for_epic(person)]
        if not at_last and (visit.closed is None or waiting):
            return  # the agenda's last entry comes for it
        if waiting:
            alarm("erased before Epic heard everything", visit=visit.key, people=len(waiting))
    await settled(lambda: _erase_appointment(order.key, deps))
    if visit is None:
        return
    erased = await settled(lambda: _erase(order.key, deps))
    await deps.audit.note([Fact(visit.connection, visit.key, "erased", erased)])
    outcome("visit erased", visit=visit.key)


def _is_over(visit: Visit, people: Iterable[Person], now: datetime) -> bool:
    """Nobody is there and nobody is on the way, or nothing more is heard.

    Who launched after the call's end, or waits in the lobby, may begin another.
    """
    if visit.closed or now >= visit.end + CLOSE_AFTER_SILENCE:
        return True
    if visit.call_started or visit.call_ended is None:
        return False
    everybody = list(people)
    last = max([visit.call_ended, *(person.launched_at for person in everybody if person.launched_at)])
    return now >= last + CLOSE_AFTER_END and not any(roster.is_connected(person) for person in everybody)


async def _attendance(visit: Visit, attempt: int, deps: Deps) -> list[Attendance]:
    """Graph's attendance reports, for a visit of whose call it did not tell everything. Epic does not wait for ever."""
    heard = visit.call_ended and not visit.missed
    if heard or visit.meeting is None or visit.meeting.id is None:
        return []
    tenant = str(tenant_of(visit.connection))
    try:
        return await deps.graph.attendance(tenant, visit.meeting.organiser, visit.meeting.id)
    except Later:
        if attempt < _TRIES_FOR_ATTENDANCE:
            raise
        alarm("closed without attendance", visit=visit.key)
        return []


async def _close(key: str, missed: list[Attendance], deps: Deps) -> Told | None:
    """Everybody has left: at the call's end, as attended, or at the latest now. None: somebody has just come."""
    known = await deps.visits.find(key)
    if known.visit is None:
        raise ValueError("a visit that was read is gone")
    if not _is_over(known.visit, known.people.values(), deps.clock.now()):
        return None
    closed = known.visit.closed or deps.clock.now()
    visit = known.visit.model_copy(update={"closed": closed, "call_started": None})
    people = {id_: _attended(person, missed) for id_, person in known.people.items()}
    gone = [roster.told_once(known.people[id_], roster.gone(person, closed)) for id_, person in people.items()]
    left = [_without_name(person) for person in gone]
    changed = [person for person in left if person != known.people[person.id]]
    if changed or visit != known.visit:
        await deps.visits.save(known, visit, *changed)
    return Told(visit, tuple(left))


def _attended(person: Person, missed: list[Attendance]) -> Person:
    """A member of staff was in when the attendance report says so. A guest's record names nobody.

    After the last time that it knows of they were not in any more, whatever else is missing.
    """
    for record in missed:
        if person.oid is None or record.oid != person.oid:
            continue
        for joined, left in record.intervals:
            person = roster.after(person, f"attendance {record.record}", Sighting(at=joined, presence="in"))
            person = roster.after(person, f"attendance {record.record}", Sighting(at=left, presence="left"))
            person = roster.ended(person, left)
    return person


def _without_name(person: Person) -> Person:
    return person.model_copy(update={"shown_name": None, "shown_key": None})


async def _erase(key: str, deps: Deps) -> datetime:
    """When the visit was erased; now, unless it was before."""
    known = await deps.visits.find(key)
    if known.visit is None:
        raise ValueError("a visit that was read is gone")
    if known.visit.erased:
        return known.visit.erased
    erased = deps.clock.now()
    visit = known.visit.model_copy(update={"session": None, "erased": erased})
    people = [_nobody(person) for person in known.people.values()]
    await deps.lookups.drop(Kind.SESSION, key)
    await deps.visits.save(known, visit, *people)
    return erased


def _nobody(person: Person) -> Person:
    """Times and role stay for reports; who it was does not."""
    gone = {"external_id": None, "name_key": None, "written": len(person.changes)}
    return _without_name(person).model_copy(update=gone)


async def _erase_appointment(key: str, deps: Deps) -> None:
    found = await deps.appointments.find(key)
    if found is None or found[0].csn is None or not is_past(found[0], deps.clock.now()):
        return
    appointment = found[0]
    if appointment.join_token:
        await deps.lookups.drop(Kind.JOIN_TOKEN, appointment.join_token)
    await deps.lookups.drop(Kind.SESSION, key)
    await deps.appointments.save(without_ids(appointment), found[1])
