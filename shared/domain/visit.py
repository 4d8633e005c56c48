"""A visit: one session, with its meeting and the people who came through us.

For one patient and one clinician the session is the appointment's CSN; a group has Epic's conference id and every
patient keeps a CSN of their own (epic.md 1.3, 1.7).
"""

import unicodedata
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from shared.domain.model import Model

#: A meeting made without an appointment, or for one whose end is unknown, lasts this long.
USUAL_LENGTH = timedelta(hours=1)
#: Hosts whose join addresses we send people to; a stamp in a sovereign cloud adds its own.
TEAMS_HOSTS = frozenset({"teams.microsoft.com", "teams.live.com", "gov.teams.microsoft.us", "dod.teams.microsoft.us"})

Role = Literal["staff", "patient", "proxy", "guest"]
Presence = Literal["lobby", "in", "left"]
#: What `fhirUser` says about who launched (epic.md 1.5).
ROLES: dict[str, Role] = {"Practitioner": "staff", "Patient": "patient", "RelatedPerson": "proxy"}


class Meeting(Model):
    """The Teams meeting of a visit. Nobody gets the address before `ready`: until then it has no lobby."""

    organiser: str
    month: str
    id: str | None = None
    join_url: str | None = None
    ready: bool = False
    #: The times the meeting was last given; another time in the visit means Graph must hear of it.
    start: datetime | None = None
    end: datetime | None = None


class Subscription(Model):
    """Graph's promise to tell what happens in the meeting's call, until it expires."""

    id: str
    expires: datetime


class Visit(Model):
    """One session of a connection.

    key          pseudonym of the session, the partition of all its rows
    session      Epic's id of the session, for write-back; gone after erasure
    department   as the launch record says (F4.8)
    call_started   when the call that is on began; None while there is none
    call_ended     when the last call ended
    missed         not everything was heard of its calls: Graph lost events, or one was too large for us
    closed         when the visit was closed: nobody is in any more, and nothing is asked of Graph
    erased         when all that patients own was erased
    """

    connection: str
    key: str
    session: str | None
    group: bool = False
    start: datetime
    end: datetime
    department: str | None = None
    meeting: Meeting | None = None
    subscription: Subscription | None = None
    call_started: datetime | None = None
    call_ended: datetime | None = None
    missed: bool = False
    closed: datetime | None = None
    erased: datetime | None = None

    @property
    def settled(self) -> bool:
        """The meeting is ready and has the visit's times."""
        made = self.meeting
        return made is not None and made.ready and (made.start, made.end) == (self.start, self.end)


class Sighting(Model):
    """One thing Graph said about one participant."""

    at: datetime
    presence: Presence


class Change(Model):
    """One connect or disconnect of a person, as Epic is to be told."""

    status: Literal["connected", "disconnected"]
    at: datetime


class Person(Model):
    """Somebody in a visit: who launched, or whom Graph saw.

    id             pseudonym, in this visit, of the EHR user, else of the Entra user or the participant
    role           guest: in the call without having come through us
    external_id    Epic's id for write-back (type 1 staff, 2 patient); None when no launch named one
    oid            Entra object id, staff only
    name_key       pseudonym of the name the launch gave, to tell patients of a group apart
    shown_name     as the roster shows it, and its pseudonym; gone when the visit closes
    participants   what was seen of each of their participants in the call
    story          the connects and disconnects that follow from it
    changes        what Epic is to be told, in order; only ever grows. `written` of them are done
    unheard_from   the first of `changes` that was given up; an operator may have it told again, with all after it
    """

    id: str
    role: Role
    external_id: str | None = None
    oid: str | None = None
    launched_at: datetime | None = None
    name_key: str | None = None
    shown_name: str | None = None
    shown_key: str | None = None
    participants: dict[str, tuple[Sighting, ...]] = Field(default_factory=dict)
    story: tuple[Change, ...] = ()
    changes: tuple[Change, ...] = ()
    written: int = 0
    unheard_from: int | None = None
    lease: str | None = None
    lease_until: datetime | None = None


def heard_of(visit: Visit, now: datetime) -> bool:
    """Graph tells us about this visit's call, and will until its end: one that was moved needs a longer promise."""
    return visit.subscription is not None and visit.subscription.expires > max(now, visit.end)


def length(start: datetime, end: datetime | None) -> datetime:
    """The end of a visit whose end may be unknown."""
    return end if end is not None and end > start else start + USUAL_LENGTH


def may_send_to(join_url: str, more_hosts: frozenset[str]) -> bool:
    """True for an https address on a known Teams host: the only place a launch ends at."""
    if not join_url.isascii() or not join_url.isprintable() or "\\" in join_url:
        return False  # a browser takes a backslash for a slash and ends the host there
    parts = urlsplit(join_url)
    return parts.scheme == "https" and parts.netloc.lower() in TEAMS_HOSTS | more_hosts


def plain_name(name: str) -> str:
    """A name without case, marks and order of its parts, for comparing."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    words = "".join(one if one.isalnum() else " " for one in letters if not unicodedata.combining(one)).split()
    return " ".join(sorted(words))
