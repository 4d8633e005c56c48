"""The last steps into a visit, the same for all who come: who, when, which room, then Teams.

May be repeated by the page that waits: the same ticket makes the same rows.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.domain import launch
from shared.domain.appointment import to_tell
from shared.domain.connection import Connection
from shared.domain.launch import Ticket
from shared.domain.visit import Person, Visit, length, may_send_to
from shared.errors import Broken, Code, Later, Refused
from shared.settings import Settings
from shared.storage.people import People
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import settled
from shared.storage.visits import Known
from shared.telemetry import outcome
from shared.workflows import meetings, rooms
from shared.workflows.presence import Told, tell_epic
from shared.workflows.rooms import Room


class Deps(meetings.Deps, rooms.Deps, Protocol):
    """What entering needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def people(self) -> People: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...


@dataclass(frozen=True)
class ToTeams:
    """In: the browser goes to the meeting."""

    url: str = field(repr=False)


@dataclass(frozen=True)
class SignInFirst:
    """A provider whom we do not know in Entra yet."""


@dataclass(frozen=True)
class TooEarly:
    """Not before `opens`; the visit begins at `start`, in the time zone `zone`."""

    opens: datetime
    start: datetime
    zone: str
    now: datetime


@dataclass(frozen=True)
class Preparing:
    """The meeting is not ready: look again in a moment."""


type Way = ToTeams | SignInFirst | TooEarly | Preparing


async def enter(ticket: Ticket, deps: Deps) -> Way:
    """Bring a person to the meeting, or say what they wait for. Raises `Refused`."""
    connection = await deps.connections.serving(ticket.connection)
    oid = await deps.people.find(connection.id, ticket.user) if ticket.role == "staff" else None
    if ticket.role == "staff" and oid is None:
        return SignInFirst()
    admitted = await settled(lambda: _admit(ticket, oid, connection, deps))
    if isinstance(admitted, TooEarly):
        return admitted
    try:
        visit = await meetings.ensure(admitted, deps)
    except Later as later:
        outcome("enter", visit=admitted.key, role=ticket.role, end=f"preparing:{later.peer}")
        return Preparing()
    outcome("enter", visit=visit.key, role=ticket.role, end="teams")
    return _to_teams(visit, deps)


def _to_teams(visit: Visit, deps: Deps) -> ToTeams:
    url = visit.meeting.join_url if visit.meeting else None
    if url is None or not may_send_to(url, deps.settings.teams_hosts):
        raise Broken("a meeting's address is none of Teams")
    return ToTeams(url)


async def _admit(ticket: Ticket, oid: str | None, connection: Connection, deps: Deps) -> Visit | TooEarly:
    """The visit with this person in it, as rows: before Graph is asked for anything."""
    now, setup = deps.clock.now(), connection.own.launch
    room = await rooms.find(connection.id, ticket.place, deps)
    known = await deps.visits.find(room.key)
    visit = await _visit(room, known, ticket, now, deps)
    match launch.moment(visit.start, visit.end, ticket.role, setup, now):
        case "over":
            raise Refused(Code.VISIT_OVER)
        case "early":
            return TooEarly(launch.opens(visit.start, setup), visit.start, connection.own.time_zone, now)
    await rooms.take(room, deps)
    person = _person(known, room, ticket, oid, deps)
    if visit != known.visit or person != known.people.get(person.id):
        await deps.visits.save(known, visit, person)
    await tell_epic(Told(visit, (person,)), deps)  # of who was in the call before Epic's launch said who they are
    return visit


async def _visit(room: Room, known: Known, ticket: Ticket, now: datetime, deps: Deps) -> Visit:
    """The visit as it should stand now that this person comes."""
    place = ticket.place
    start, end = await _times(room, known, ticket, now, deps)
    visit = known.visit or Visit(connection=ticket.connection, key=room.key, session=place.csn, start=start, end=end)
    if visit.closed:  # who comes back opens it again
        visit = visit.model_copy(update={"closed": None, "erased": None, "subscription": None})
    shared = place.room is not None and visit.session not in {None, place.csn}  # another appointment's room as well
    group = visit.group or place.session is not None or shared
    updates = {
        "group": group,
        "session": place.session or visit.session or place.csn,  # erased, and opened again
        "start": min(start, visit.start) if group else start,
        "end": max(end, visit.end) if group else end,
        "department": visit.department or place.department,
    }
    return visit.model_copy(update=updates)


async def _times(room: Room, known: Known, ticket: Ticket, now: datetime, deps: Deps) -> tuple[datetime, datetime]:
    """What scheduling messages said, else Epic's Appointment, else those the visit has; an ad hoc visit begins now."""
    found = await deps.appointments.find(room.appointment)
    if found and ticket.role != "staff" and to_tell(found[0].facts).standing == "cancelled":
        raise Refused(Code.VISIT_CANCELLED)  # staff may open the room all the same
    if found and found[0].facts.start:
        return found[0].facts.start, length(found[0].facts.start, found[0].facts.end)
    if ticket.place.start:
        return ticket.place.start, length(ticket.place.start, ticket.place.end)
    return (known.visit.start, known.visit.end) if known.visit else (now, length(now, None))


def _person(known: Known, room: Room, ticket: Ticket, oid: str | None, deps: Deps) -> Person:
    """The person's row; who comes again, or was in the call before, keeps what is known of them."""
    person_id = deps.pseudonyms.of("person", room.key, ticket.user)
    seen = (one for one in known.people.values() if oid and one.oid == oid and _may_be(one, ticket))
    person = known.people.get(person_id) or next(seen, None) or Person(id=person_id, role=ticket.role)
    updates = {
        "launched_at": ticket.issued,
        "external_id": ticket.external_id or person.external_id,
        "oid": oid,
        "name_key": ticket.name_key or person.name_key,
    }
    return person.model_copy(update=updates)


def _may_be(person: Person, ticket: Ticket) -> bool:
    """Two users of the EHR who share an account of Entra stay two."""
    return None in (person.external_id, ticket.external_id) or person.external_id == ticket.external_id
