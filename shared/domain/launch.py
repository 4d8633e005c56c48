"""A launch: who comes to which visit, and what a browser carries for us on the way. Pure.

Who it is comes from Epic's id_token, which visit from the token response: back channel both, never from a query.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from shared.domain.advanced import MeetingKey
from shared.domain.connection import ContextNames, LaunchSetup
from shared.domain.model import Model
from shared.domain.visit import Role, plain_name
from shared.errors import Code, Refused

LaunchRole = Literal["provider", "patient"]
#: From leaving for Epic, or Entra, to coming back.
SIGN_IN_WITHIN = timedelta(minutes=10)
#: How long a person may wait on our page before they must begin again.
TICKET_LASTS = timedelta(hours=2)
#: Who may come in by which launch (epic.md 1.5).
KINDS: Mapping[LaunchRole, frozenset[str]] = {
    "provider": frozenset({"Practitioner"}),
    "patient": frozenset({"Patient", "RelatedPerson"}),
}
#: An id as Epic writes it. A mnemonic that was left unfilled, or anything else, is none.
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,128}")
#: How many characters of a state name its cookie; the rest stays a secret of more than 128 bits.
_NAMED_BY = 8


class Begun(Model):
    """A launch on its way through Epic's authorize endpoint: the content of its cookie.

    verifier    None for an Epic without PKCE
    token_url   the only place the code may go to
    """

    state: str
    issued: datetime
    verifier: str | None
    nonce: str
    connection: str
    role: LaunchRole
    token_url: str


class Place(Model):
    """Which visit a person comes to.

    csn          of the person's own appointment
    session      Epic's conference id when a group meets, else None
    room         what else the room is known by, such as `encounter/eVa-Ad`, where the hospital's meeting key says so
    start, end   what Epic's Appointment said; only used when no scheduling message did
    """

    csn: str
    session: str | None = None
    room: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    department: str | None = None


class Ticket(Model):
    """The right of one person to come to one visit, for a while: what a browser carries while it waits.

    id         names its cookie; no secret
    user       FHIR id of who launched; for a link from a text, a name made of the link
    name_key   pseudonym of the name the launch gave
    language   the patient's, as the hospital's messages say; None: nobody said
    """

    id: str
    issued: datetime
    connection: str
    place: Place
    role: Role
    user: str
    external_id: str | None = None
    name_key: str | None = None
    language: str | None = None


class SigningIn(Model):
    """A provider on the way through Entra, with the launch that waits: the content of its cookie."""

    state: str
    issued: datetime
    verifier: str
    nonce: str
    ticket: Ticket


@dataclass(frozen=True)
class Context:
    """What the hospital's launch record put beside the token. All of it is optional."""

    csn: str | None = field(repr=False)
    session: str | None = field(repr=False)
    external_id: str | None = field(repr=False)
    department: str | None
    name: str | None = field(repr=False)
    conference: str | None = field(default=None, repr=False)


def context(extras: Mapping[str, str], names: ContextNames) -> Context:
    """The members of a token response by the hospital's names; keys of `extras` are in lower case.

    An external id may carry a leading `+` or space (epic.md 1.6).
    """
    first, last = (extras.get(name.lower(), "").strip() for name in (names.first_name, names.last_name))
    return Context(
        csn=_id(extras, names.csn),
        session=_id(extras, names.session),
        external_id=_id(extras, names.external_id),
        department=_id(extras, names.department),
        name=plain_name(f"{first} {last}") if first and last else None,
        conference=_id(extras, names.conference),
    )


def _id(extras: Mapping[str, str], name: str) -> str | None:
    value = extras.get(name.lower(), "").strip().lstrip("+ ")
    return value if _ID.fullmatch(value) else None


@dataclass(frozen=True)
class Key:
    """What decides who meets whom, and its FHIR id where it is an Encounter or an Appointment."""

    by: MeetingKey = "session"
    fhir_id: str | None = field(default=None, repr=False)


def key(by: MeetingKey, encounter: str | None, appointment: str | None) -> Key:
    """The hospital's meeting key, with the id that Epic's token response has for it."""
    found = {"encounter": encounter, "appointment": appointment}.get(by)
    return Key(by, found if found and _FHIR_ID.fullmatch(found) else None)


def place(known: Context, csn: str | None, start: datetime | None, end: datetime | None, key: Key = Key()) -> Place:
    """The visit, from the context and from what was read at Epic; a session that differs from the CSN is a group's.

    Without a CSN nothing is guessed: a session id alone may be a conference or an appointment, and the two count
    apart, so one number can be both. Raises `Refused(VISIT_UNKNOWN)`.
    """
    found = known.csn or csn
    if found is None:
        raise Refused(Code.VISIT_UNKNOWN)
    named = {"session": known.session, "conference": known.conference}.get(key.by)
    return Place(
        csn=found,
        session=named if named != found else None,
        room=f"{key.by}/{key.fhir_id}" if key.fhir_id else None,
        start=start,
        end=end,
        department=known.department,
    )


def still_good(state: str, returned: str, issued: datetime, now: datetime) -> bool:
    """The state that came back is the one that was sent, lately enough."""
    same = hmac.compare_digest(state.encode(), returned.encode())
    return same and timedelta() <= now - issued <= SIGN_IN_WITHIN


def cookie_of(state: str) -> str:
    """The part of a state that names its cookie, so that two tabs do not disturb each other."""
    return state[:_NAMED_BY] if re.fullmatch(r"[A-Za-z0-9_-]{32}", state) else ""


Moment = Literal["early", "open", "over"]


def moment(start: datetime, end: datetime, role: Role, setup: LaunchSetup, now: datetime) -> Moment:
    """Whether a person may come in now (F8.12). Staff may be early: somebody has to open the room."""
    if now > end + timedelta(minutes=setup.late_minutes):
        return "over"
    return "early" if role != "staff" and now < opens(start, setup) else "open"


def opens(start: datetime, setup: LaunchSetup) -> datetime:
    """From when patients may come in."""
    return start - timedelta(minutes=setup.patient_early_minutes)
