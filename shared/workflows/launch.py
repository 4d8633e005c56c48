"""A SMART launch: from Epic's button to a ticket that says who comes to which visit (epic.md 1.4, 1.5)."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from shared.clients.epic import Credential, Epic, authorize_url
from shared.clients.epic_tokens import IdToken, Tokens
from shared.clients.oauth import known_error, pkce
from shared.clock import Clock
from shared.domain import launch
from shared.domain.booked import Booked, booked, is_video
from shared.domain.connection import Connection, EpicSide
from shared.domain.launch import KINDS, SIGN_IN_WITHIN, Begun, Context, LaunchRole, Place, Ticket
from shared.domain.onboarding import Milestone
from shared.domain.visit import ROLES
from shared.errors import Code, Refused
from shared.storage.appointments import Appointments
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.sealing import Pseudonyms
from shared.telemetry import outcome

#: To read is asked for what names the visit when the launch record does not; `{}` is how SMART calls a read.
_SCOPES: dict[LaunchRole, str] = {
    "provider": "launch openid fhirUser user/Appointment.{0} user/Encounter.{0}",
    "patient": "launch openid fhirUser patient/Appointment.{0} patient/Encounter.{0}",
}
_READ = {"v1": "read", "v2": "r"}
#: That Epic's records work shows at the first launch.
_MILESTONES: dict[LaunchRole, Milestone] = {"provider": "provider-launch", "patient": "patient-launch"}
#: A used state is remembered for as long as its cookie could be good, and a little.
_REMEMBERED = SIGN_IN_WITHIN + timedelta(minutes=5)


class Deps(Protocol):
    """What a launch needs of the process."""

    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def appointments(self) -> Appointments: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...
    @property
    def epic(self) -> Epic: ...
    def launch_callback(self, connection_id: str) -> str: ...
    async def credential(self, connection: Connection, side: EpicSide, client_id: str) -> Credential: ...


@dataclass(frozen=True)
class Asked:
    """A launch as it came."""

    role: LaunchRole
    connection: str
    iss: str
    launch: str = field(repr=False)


@dataclass(frozen=True)
class Returned:
    """What Epic sent the browser back with; `begun` is None when its cookie is not there or not ours."""

    connection: str
    state: str = field(repr=False)
    code: str = field(repr=False)
    error: str
    begun: Begun | None = field(repr=False)


def scopes(role: LaunchRole, side: EpicSide) -> str:
    """What a launch asks for."""
    return _SCOPES[role].format(_READ[side.fhir.scopes])


async def allowed(asked: Asked, deps: Deps) -> Connection:
    """The connection of a launch from an Epic it was approved for. Raises `Refused`."""
    connection = await deps.connections.serving(asked.connection)
    if asked.iss.removesuffix("/") not in connection.approved.issuers:
        raise Refused(Code.ISSUER_UNKNOWN)
    if not asked.launch:  # Epic's launch simulator may send none; nobody says then which visit is meant
        raise Refused(Code.LAUNCH_EMPTY)
    return connection


async def begin(asked: Asked, connection: Connection, deps: Deps) -> tuple[str, Begun]:
    """Where the browser goes, and what it must bring back."""
    side = connection.approved
    endpoints = await deps.epic.discover(side.fhir_base_url, _client_id(side, asked.role))
    proof = pkce() if side.pkce else None
    begun = Begun(
        state=secrets.token_urlsafe(24),
        issued=deps.clock.now(),
        verifier=proof.verifier if proof else None,
        nonce=secrets.token_urlsafe(16),
        connection=connection.id,
        role=asked.role,
        token_url=endpoints.token,
    )
    url = authorize_url(
        endpoints,
        client_id=_client_id(side, asked.role),
        redirect_uri=deps.launch_callback(connection.id),
        scope=scopes(asked.role, side),
        state=begun.state,
        aud=asked.iss,
        challenge=proof.challenge if proof else None,
        launch=asked.launch,
        nonce=begun.nonce,
    )
    outcome("launch begun", connection=connection.id, role=asked.role)
    return url, begun


async def arrive(back: Returned, deps: Deps) -> Ticket:
    """Who came, to which visit. The state is used up first, so nothing can be redeemed twice."""
    begun, now = back.begun, deps.clock.now()
    if begun is None or not launch.still_good(begun.state, back.state, begun.issued, now):
        raise Refused(Code.LAUNCH_STALE)
    if begun.connection != back.connection:  # another Epic's return: a mix-up, or somebody tries one
        raise Refused(Code.LAUNCH_STALE)
    if not await deps.lookups.claim(Kind.LAUNCH_STATE, begun.state, "launch", now + _REMEMBERED):
        raise Refused(Code.LAUNCH_REPLAYED)
    if back.error or not back.code:
        raise Refused(Code.EPIC_REFUSED, known_error(back.error))
    connection = await deps.connections.serving(begun.connection)
    tokens = await _redeem(back.code, begun, connection, deps)
    who = _who(tokens, begun.role)
    known = launch.context(tokens.extras, connection.own.launch.context)
    place = await _place(tokens, who, known, connection, deps)
    outcome("launch arrived", connection=connection.id, role=begun.role, group=place.session is not None)
    await deps.connections.reach(connection.id, _MILESTONES[begun.role], now)
    name = known.name if begun.role == "patient" else None
    return Ticket(
        id=secrets.token_urlsafe(6),
        issued=now,
        connection=connection.id,
        place=place,
        role=ROLES[who.kind or ""],
        user=who.fhir_id or "",
        external_id=known.external_id,
        name_key=deps.pseudonyms.of("name", connection.id, name) if name else None,
    )


async def _redeem(code: str, begun: Begun, connection: Connection, deps: Deps) -> Tokens:
    side = connection.approved
    client_id = _client_id(side, begun.role)
    endpoints = await deps.epic.discover(side.fhir_base_url, client_id)
    if endpoints.token != begun.token_url:  # the code goes where the launch began, or nowhere
        raise Refused(Code.LAUNCH_STALE)
    return await deps.epic.redeem(
        endpoints,
        code=code,
        redirect_uri=deps.launch_callback(connection.id),
        verifier=begun.verifier,
        credential=await deps.credential(connection, side, client_id),
        nonce=begun.nonce,
        fhir=side.fhir,
    )


def _who(tokens: Tokens, role: LaunchRole) -> IdToken:
    """Who launched, if this launch is theirs (epic.md 1.5)."""
    if tokens.id is None or tokens.id.kind is None:
        raise Refused(Code.EPIC_REFUSED, "fhirUser")
    if tokens.id.kind not in KINDS[role]:
        raise Refused(Code.LAUNCH_ROLE)
    return tokens.id


async def _place(tokens: Tokens, who: IdToken, known: Context, connection: Connection, deps: Deps) -> Place:
    """The visit, from the context; what that does not say is read at Epic, unless a scheduling message said it."""
    setup = connection.own.launch
    key = launch.key(setup.meeting_key, tokens.encounter, tokens.appointment)
    announced = known.csn and deps.pseudonyms.of("csn", connection.id, known.csn)
    if announced and not setup.video_only and await deps.appointments.find(announced):
        return launch.place(known, None, None, None, key)
    found = await _read(tokens, connection, deps)
    if found is None:
        return launch.place(known, None, None, None, key)
    if who.kind != "Practitioner" and not found.people & _chart(tokens, who):
        raise Refused(Code.VISIT_UNKNOWN)  # a visit of somebody else (F4.12)
    if known.csn and found.csn != known.csn:  # the context speaks of another visit than the open chart
        return launch.place(known, None, None, None, key)
    if is_video(found, setup) is False:
        raise Refused(Code.VISIT_NOT_VIDEO)
    return launch.place(known, found.csn, found.start, found.end, key)


def _chart(tokens: Tokens, who: IdToken) -> set[str]:
    """Whose visit it must be: the user's own, or that of the chart that Epic says a proxy has open."""
    return {f"{who.kind}/{who.fhir_id}", f"Patient/{tokens.patient or who.fhir_id}"}


async def _read(tokens: Tokens, connection: Connection, deps: Deps) -> Booked | None:
    """The Appointment of the launch, else its Encounter, with the launch's own token; None when Epic shows neither."""
    side, setup = connection.approved, connection.own.launch
    named = [("Appointment", tokens.appointment), ("Encounter", tokens.encounter)]
    if setup.video_encounter_types and not setup.video_visit_types:
        named.reverse()
    for kind, fhir_id in named:
        if fhir_id is None:
            continue
        try:
            resource = await deps.epic.read(side.fhir_base_url, tokens.access_token, f"{kind}/{fhir_id}", side.fhir)
        except Refused as refusal:
            outcome("launch read", connection=connection.id, kind=kind, end=f"refused:{'/'.join(refusal.fields)}")
            continue
        found = booked(resource, side.fhir.csn_systems)
        outcome("launch read", connection=connection.id, kind=kind, end="read", conforms=found.conforms)
        if found.csn:
            return found
    return None


def _client_id(side: EpicSide, role: LaunchRole) -> str:
    return side.provider_client_id if role == "provider" else side.patient_client_id
