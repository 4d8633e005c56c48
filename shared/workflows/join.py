"""The link in a text: what its page shows, and the way in behind its button."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from shared.clock import Clock
from shared.domain import launch
from shared.domain.appointment import Appointment, to_tell
from shared.domain.connection import Connection
from shared.domain.launch import Place, Ticket
from shared.domain.visit import length
from shared.errors import Code, Refused
from shared.storage.appointments import Appointments
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups

#: An appointment that was moved leads to the next; more moves than this are a circle.
_MOST_MOVES = 20


class Deps(Protocol):
    """What the link needs of the process."""

    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def appointments(self) -> Appointments: ...
    @property
    def lookups(self) -> Lookups: ...


@dataclass(frozen=True)
class Invitation:
    """What a link leads to, as it stands now.

    start, opens   UTC; shown in `zone`
    language       the patient's, as the hospital's messages say; None: they did not
    """

    state: Literal["early", "open", "over", "cancelled"]
    organisation: str
    start: datetime
    opens: datetime
    now: datetime
    zone: str
    language: str | None


async def look(token: str, deps: Deps) -> Invitation:
    """The page's content; changes nothing. A link that is unknown and one that is over end the same way."""
    appointment, connection = await _behind(token, deps)
    facts, setup, now = appointment.facts, connection.own.launch, deps.clock.now()
    if facts.start is None:
        raise Refused(Code.LINK_UNKNOWN)
    organisation = await deps.connections.organisation(connection.tenant, connection.organisation)
    moment = launch.moment(facts.start, length(facts.start, facts.end), "patient", setup, now)
    return Invitation(
        state="cancelled" if to_tell(facts).standing == "cancelled" else moment,
        organisation=organisation.name,
        start=facts.start,
        opens=launch.opens(facts.start, setup),
        now=now,
        zone=connection.own.time_zone,
        language=facts.language,
    )


async def ticket(token: str, deps: Deps) -> Ticket:
    """The right of whoever holds the link: a patient of this appointment, and nobody by name."""
    appointment, connection = await _behind(token, deps)
    if appointment.csn is None:
        raise Refused(Code.LINK_UNKNOWN)
    return Ticket(
        id=secrets.token_urlsafe(6),
        issued=deps.clock.now(),
        connection=connection.id,
        place=Place(csn=appointment.csn),
        role="patient",
        user=f"link|{token}",
        language=appointment.facts.language,
    )


async def _behind(token: str, deps: Deps) -> tuple[Appointment, Connection]:
    row = await deps.lookups.find(Kind.JOIN_TOKEN, token)
    key = str(row["target"]) if row else None
    for _ in range(_MOST_MOVES):
        found = await deps.appointments.find(key) if key else None
        if found is None:
            break
        if found[0].moved_to is None:
            return found[0], await deps.connections.serving(found[0].connection)
        key = found[0].moved_to
    raise Refused(Code.LINK_UNKNOWN)
