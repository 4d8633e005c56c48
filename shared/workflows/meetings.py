"""One meeting per visit, whoever comes first; made ahead of time, so that a launch calls no Graph.

The row first: organiser and times are fixed in it before Graph is asked, so a repeated request asks for the very
same meeting (Graph knows it by organiser and external id). The address is given out only when the door is set.
"""

from typing import Protocol

from shared.domain import agenda
from shared.domain.appointment import to_tell
from shared.domain.configuration import tenant_of
from shared.domain.visit import Meeting, Visit, length
from shared.errors import Later
from shared.messages import MeetingRequest
from shared.storage.agenda import Agenda
from shared.storage.appointments import Appointments
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.organisers import Organisers
from shared.storage.tables import Conflict, settled
from shared.storage.visits import Known
from shared.telemetry import outcome
from shared.workflows import call_watch


class Deps(call_watch.Deps, Protocol):
    """What meetings need of the process."""

    @property
    def connections(self) -> Connections: ...
    @property
    def appointments(self) -> Appointments: ...
    @property
    def agenda(self) -> Agenda: ...
    @property
    def organisers(self) -> Organisers: ...
    @property
    def lookups(self) -> Lookups: ...


async def serve(request: MeetingRequest, deps: Deps) -> None:
    """One request of a visit to Graph."""
    match request.kind:
        case "provide":
            await provide(request, deps)
        case "reconcile":
            await call_watch.reconcile(request, deps)
        case _:
            await call_watch.look_after(request, deps)


async def provide(request: MeetingRequest, deps: Deps) -> None:
    """Make the meeting of a booked appointment, or give it the appointment's new times.

    A cancelled one keeps what it has: it may be reinstated, and an unused meeting expires by itself.
    """
    found = await deps.appointments.find(request.key)
    if found is None or found[0].version != request.version or found[0].csn is None or found[0].moved_to:
        return
    appointment = found[0]
    if to_tell(appointment.facts).standing != "booked" or appointment.facts.start is None:
        return
    joined = await deps.lookups.find(Kind.SESSION, request.key)
    if joined and joined["target"] != request.key:
        return  # a group's room has taken this appointment in
    wanted = Visit(
        connection=appointment.connection,
        key=appointment.key,
        session=appointment.csn,
        start=appointment.facts.start,
        end=length(appointment.facts.start, appointment.facts.end),
    )
    if wanted.end <= deps.clock.now():
        return
    await ensure(wanted, deps)


async def ensure(wanted: Visit, deps: Deps) -> Visit:
    """The visit with its meeting ready at the wanted times. Safe to repeat from anywhere, at the same time."""
    visit = await settled(lambda: _claim(wanted, deps))
    if visit.settled:
        await call_watch.want(visit, deps)
        return visit
    meeting = visit.meeting
    if meeting is None:
        raise Later("organiser pool")
    # Before the meeting is ready, so that whoever is killed on the way does it again; its end does not wait for Graph.
    await deps.agenda.plan(agenda.of_visit(visit))
    tenant = str(tenant_of(visit.connection))
    made = await deps.graph.create_or_get(tenant, meeting.organiser, visit.key, visit.start, visit.end)
    await deps.graph.guard(tenant, meeting.organiser, made.id, visit.start, visit.end)
    ready = meeting.model_copy(
        update={"id": made.id, "join_url": made.join_url, "ready": True, "start": visit.start, "end": visit.end}
    )
    visit = await settled(lambda: _store(visit.key, ready, deps))
    await call_watch.want(visit, deps)
    outcome("meeting ready", visit=visit.key)
    return visit


async def _claim(wanted: Visit, deps: Deps) -> Visit:
    """The visit's row with an organiser and the wanted times in it."""
    known = await deps.visits.find(wanted.key)
    visit = _opened(known.visit, wanted) if known.visit else wanted
    start, end = wanted.start, wanted.end
    if visit.group:  # the room of several appointments spans them all
        start, end = min(start, visit.start), max(end, visit.end)
    visit = visit.model_copy(update={"start": start, "end": end})
    if visit.meeting is None:
        return await _with_organiser(visit, known, deps)
    if visit != known.visit:
        await deps.visits.save(known, visit)
    return visit


def _opened(visit: Visit, wanted: Visit) -> Visit:
    """A visit that was closed, and whose appointment was then given a later time, will be held after all."""
    if visit.closed is None or wanted.start <= visit.closed:
        return visit
    return visit.model_copy(update={"closed": None, "erased": None, "subscription": None, "session": wanted.session})


async def _with_organiser(visit: Visit, known: Known, deps: Deps) -> Visit:
    """The visit's row with an account taken from the pool; who is too late gives theirs back."""
    connection, _ = await deps.connections.find(visit.connection)
    tenant, month = str(connection.tenant), visit.start.strftime("%Y%m")
    account = await deps.organisers.take(tenant, month, [str(oid) for oid in connection.own.organisers])
    visit = visit.model_copy(update={"meeting": Meeting(organiser=account, month=month)})
    try:
        await deps.visits.save(known, visit)
    except Conflict:
        await deps.organisers.give_back(tenant, month, account)
        raise
    return visit


async def _store(key: str, ready: Meeting, deps: Deps) -> Visit:
    known = await deps.visits.find(key)
    if known.visit is None or known.visit.meeting is None:
        raise Later("visit")
    visit = known.visit.model_copy(update={"meeting": ready})
    await deps.visits.save(known, visit)
    return visit
