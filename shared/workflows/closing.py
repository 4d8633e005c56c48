"""The end of a visit: it closes, Epic hears that everybody has left, and what patients own is erased."""

from datetime import datetime
from typing import Protocol

from shared.clients.graph import Attendance, Graph
from shared.domain import roster
from shared.domain.agenda import CLOSE_AFTER_END, CLOSE_AFTER_SILENCE, ERASE_AT_LATEST, is_past
from shared.domain.configuration import tenant_of
from shared.domain.visit import Person, Sighting, Visit
from shared.messages import UpkeepOrder
from shared.storage.appointments import Appointments
from shared.storage.audit import Audit, Fact
from shared.storage.lookups import Kind, Lookups
from shared.storage.tables import settled
from shared.storage.visits import Visits
from shared.telemetry import alarm, outcome
from shared.workflows.presence import Followers, Told, emit


class Deps(Followers, Protocol):
    """What closing needs of the process."""

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
    visit = (await deps.visits.find(order.key)).visit
    if visit is None or visit.erased or not _is_over(visit, deps.clock.now()):
        return
    missed = await _attendance(visit, deps)
    told = await settled(lambda: _close(order.key, missed, deps))
    tenant = str(tenant_of(visit.connection))
    if told.visit.subscription:
        await deps.graph.unsubscribe(tenant, told.visit.subscription.id)
    await emit(told, deps)
    closed = told.visit.closed or deps.clock.now()
    await deps.audit.note([Fact(visit.connection, visit.key, "closed", closed)])
    outcome("visit closed", visit=visit.key, people=len(told.people), attendance=len(missed))


async def erase(order: UpkeepOrder, deps: Deps) -> None:
    """Erase what patients own, once Epic has heard everything or will hear no more. Safe to repeat.

    An appointment that never became a visit has only its own row, and the agenda's last entry.
    """
    found = await deps.visits.find(order.key)
    visit, now = found.visit, deps.clock.now()
    if visit is None:
        await settled(lambda: _erase_appointment(order.key, deps))
        return
    if visit.erased:
        return
    at_last = now >= visit.end + ERASE_AT_LATEST
    waiting = [person for person in found.people.values() if roster.for_epic(person)]
    if not at_last and (visit.closed is None or waiting):
        return  # the agenda's last entry comes for it
    if waiting:
        alarm("erased before Epic heard everything", visit=visit.key, people=len(waiting))
    await settled(lambda: _erase_appointment(visit.key, deps))
    await settled(lambda: _erase(order.key, deps))
    await deps.audit.note([Fact(visit.connection, visit.key, "erased", now)])
    outcome("visit erased", visit=visit.key)


def _is_over(visit: Visit, now: datetime) -> bool:
    if visit.closed or visit.call_started:
        return visit.closed is not None or now >= visit.end + CLOSE_AFTER_SILENCE
    ended = visit.call_ended is not None and now >= visit.call_ended + CLOSE_AFTER_END
    return ended or now >= visit.end + CLOSE_AFTER_SILENCE


async def _attendance(visit: Visit, deps: Deps) -> list[Attendance]:
    """Graph's attendance reports, for a visit whose call's end it never told us."""
    if visit.call_ended or visit.meeting is None or visit.meeting.id is None:
        return []
    tenant = str(tenant_of(visit.connection))
    return await deps.graph.attendance(tenant, visit.meeting.organiser, visit.meeting.id)


async def _close(key: str, missed: list[Attendance], deps: Deps) -> Told:
    """Everybody has left: as told, as attended, or at the latest now."""
    known = await deps.visits.find(key)
    if known.visit is None:
        raise ValueError("a visit that was read is gone")
    closed = known.visit.closed or deps.clock.now()
    visit = known.visit.model_copy(update={"closed": closed, "call_started": None})
    people = {id_: _attended(person, missed) for id_, person in known.people.items()}
    left = [_without_name(roster.gone(person, _last_heard(visit, closed))) for person in people.values()]
    changed = [person for person in left if person != known.people[person.id]]
    if changed or visit != known.visit:
        await deps.visits.save(known, visit, *changed)
    return Told(visit, tuple(left))


def _last_heard(visit: Visit, closed: datetime) -> datetime:
    return visit.call_ended or closed


def _attended(person: Person, missed: list[Attendance]) -> Person:
    """A member of staff was in when the attendance report says so. A guest's record names nobody."""
    for record in missed:
        if person.oid is None or record.oid != person.oid:
            continue
        for joined, left in record.intervals:
            person = roster.after(person, f"attendance {record.record}", Sighting(at=joined, presence="in"))
            person = roster.after(person, f"attendance {record.record}", Sighting(at=left, presence="left"))
    return person


def _without_name(person: Person) -> Person:
    return person.model_copy(update={"shown_name": None, "shown_key": None})


async def _erase(key: str, deps: Deps) -> None:
    known = await deps.visits.find(key)
    if known.visit is None:
        return
    visit = known.visit.model_copy(update={"session": None, "erased": deps.clock.now()})
    people = [_nobody(person) for person in known.people.values()]
    await deps.visits.save(known, visit, *people)
    await deps.lookups.drop(Kind.SESSION, key)


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
    emptied = appointment.model_copy(update={"csn": None, "join_token": None})
    await deps.appointments.save(emptied, found[1])
