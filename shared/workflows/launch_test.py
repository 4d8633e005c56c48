"""A launch played without an Epic user and without a patient, hop by hop, through the code that real launches take.

Nothing of it stands among visits or in the audit. What only a real launch can show is said.
"""

import json
from dataclasses import dataclass, field
from typing import Protocol

from yarl import URL

from shared.clients import epic_tokens
from shared.clients.addresses import authority
from shared.clients.graph import Graph, GraphRefused
from shared.clients.outbound import Outbound
from shared.domain import launch as rules
from shared.domain.connection import Connection
from shared.domain.launch import LaunchRole
from shared.domain.model import Model
from shared.domain.preflight import Finding, Hop, HopId, LaunchTest, worst
from shared.domain.preflight_findings import said
from shared.domain.records.record import SHAPES, Kind, Member, context, records
from shared.domain.visit import may_send_to
from shared.errors import Later, Refused
from shared.settings import Settings
from shared.storage.organisers import Organisers
from shared.telemetry import outcome
from shared.workflows import launch
from shared.workflows.bounded import Check, bounded, millis
from shared.workflows.preflight_epic import asked_to_sign_in
from shared.workflows.preflight_microsoft import graph_said

#: What Epic would fill in: nobody can take these for anybody's.
_CSN, _CONFERENCE = "TEST-CSN-1", "TEST-CONFERENCE-1"
_INVENTED: dict[Member, str] = {
    "csn": _CSN,
    "session": _CSN,
    "conference": _CSN,
    "external_id": "TEST-USER-1",
    "department": "TEST-DEPARTMENT-1",
    "first_name": "Test",
    "last_name": "Person",
}
_OF_GROUP: tuple[Member, ...] = ("session", "conference")
#: Parameters that are this launch's secrets, or made to be.
_SECRET = frozenset({"state", "nonce", "launch", "code_challenge"})
_NOT_SHOWN = ("not-shown-launch", "not-shown-identity", "not-shown-context")


class Deps(launch.Deps, Protocol):
    """What a launch test needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def outbound(self) -> Outbound: ...
    @property
    def organisers(self) -> Organisers: ...
    @property
    def graph(self) -> Graph: ...


class Wanted(Model):
    """Which launch to play. `group`: by the records of group visits."""

    role: LaunchRole
    group: bool = False


@dataclass
class _Play:
    """One test on its way: what a hop leaves for the next."""

    wanted: Wanted
    connection: Connection
    deps: Deps
    hops: list[Hop] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    authorize: str = field(default="", repr=False)
    csn: str = ""
    organiser: str = ""
    join_url: str = field(default="", repr=False)

    @property
    def kind(self) -> Kind:
        kinds: dict[tuple[LaunchRole, bool], Kind] = {
            ("provider", False): "provider",
            ("provider", True): "provider-group",
            ("patient", False): "patient",
            ("patient", True): "patient-group",
        }
        return kinds[self.wanted.role, self.wanted.group]

    async def hop(self, hop: HopId, check: Check, *needs: HopId) -> None:
        """Take one hop, unless one that it needs failed or was left out itself."""
        stopped = [one.id for one in self.hops if one.id in needs and one.state in {"failed", "skipped"}]
        self.shown, clock = {}, self.deps.clock
        began = clock.real()
        found = said("needs", link=stopped[0]) if stopped else await bounded(check)
        took = millis(clock.real() - began)
        self.hops.append(Hop(**dict(found), id=hop, shown=self.shown, took_ms=took))


async def play(connection: Connection, wanted: Wanted, deps: Deps) -> LaunchTest:
    """Play one launch of the revision that serves."""
    now, one = deps.clock.now(), _Play(wanted, connection, deps)
    await one.hop("launch-url", lambda: _launch_url(one))
    await one.hop("authorize-url", lambda: _authorize_url(one), "launch-url")
    await one.hop("epic-authorize", lambda: _epic_authorize(one), "authorize-url")
    await one.hop("token", lambda: _token(one), "launch-url")
    await one.hop("visit", lambda: _visit(one), "token")
    await one.hop("organiser", lambda: _organiser(one))
    await one.hop("meeting", lambda: _meeting(one), "organiser")
    await one.hop("join-url", lambda: _join_url(one), "meeting")
    failed = " ".join(hop.finding for hop in one.hops if hop.state == "failed")
    outcome("launch test", connection=connection.id, role=wanted.role, group=wanted.group, failed=failed or None)
    not_shown = tuple(said(name) for name in _NOT_SHOWN)
    return LaunchTest(role=wanted.role, at=now, state=worst(one.hops), hops=tuple(one.hops), not_shown=not_shown)


async def _launch_url(play: _Play) -> Finding:
    """Epic's button, as the record has it, and our own route's judgement of it."""
    try:
        await launch.allowed(_asked(play), play.deps)
    except Refused as refusal:
        return said("launch-refused", code=refusal.code, title=refusal.entry.title)
    made = records(play.connection, play.deps.settings.public_url, "")
    record = next(one for one in made if one.kind == play.kind)
    play.shown = {name: record.value(name) for name in ("launch-url", "client-id", "context")}
    play.shown["iss"] = play.connection.approved.fhir_base_url
    return said("launch-url")


def _asked(play: _Play) -> launch.Asked:
    base = play.connection.approved.fhir_base_url if play.connection.active else ""
    return launch.Asked(play.wanted.role, play.connection.id, base, "TEST-LAUNCH")


async def _authorize_url(play: _Play) -> Finding:
    play.authorize, _ = await launch.begin(_asked(play), play.connection, play.deps)
    query = URL(play.authorize).query
    play.shown = {name: "(secret)" if name in _SECRET else value for name, value in query.items()}
    return said("authorize-url", host=authority(play.authorize))


async def _epic_authorize(play: _Play) -> Finding:
    """The same address without a launch: Epic can only ask who is there."""
    url = str(URL(play.authorize).without_query_params("launch"))
    back = play.deps.launch_callback(play.connection.id)
    return await asked_to_sign_in(url, back, play.wanted.role, play.deps.outbound)


def _response(play: _Play) -> bytes:
    """A token response as Epic would make it of the record's context (epic.md 1.3, 1.5)."""
    members = context(play.connection.own.launch, SHAPES[play.kind])
    filled = _INVENTED | (dict.fromkeys(_OF_GROUP, _CONFERENCE) if play.wanted.group else {})
    play.shown = {name: filled[member] for name, (member, _) in members.items()}
    usual = {"access_token": "TEST-TOKEN", "token_type": "bearer", "expires_in": 60, "scope": "launch"}
    return json.dumps(play.shown | usual).encode()  # Epic's own members win over a record's of the same name


async def _token(play: _Play) -> Finding:
    read = epic_tokens.tokens(epic_tokens.read(_response(play)), None)
    return said("token", members=len(read.extras))


async def _visit(play: _Play) -> Finding:
    """The real selector, over the same response."""
    read = epic_tokens.tokens(epic_tokens.read(_response(play)), None)
    play.shown = {}
    setup = play.connection.own.launch
    known = rules.context(read.extras, setup.context)
    try:
        place = rules.place(known, None, None, None, rules.key(setup.meeting_key, None, None))
    except Refused:
        return said("visit-unknown")
    meets = play.wanted.group and setup.meeting_key in _OF_GROUP
    if place.csn != _CSN or (place.session is not None) != meets:
        return said("visit-unknown")
    found = {"csn": place.csn, "session": place.session, "department": place.department}
    play.shown = {name: value for name, value in found.items() if value}
    return said("visit")


async def _organiser(play: _Play) -> Finding:
    """As for a visit; its meeting counts, because Graph counts it."""
    connection = play.connection
    pool = [str(oid) for oid in connection.own.organisers]
    try:
        play.organiser = await play.deps.organisers.take(str(connection.tenant), _month(play), pool)
    except Later:
        return said("organiser-full" if pool else "organiser-none")
    play.shown = {"organiser": play.organiser}
    return said("launch-organiser")


async def _meeting(play: _Play) -> Finding:
    connection, deps = play.connection, play.deps
    name = f"launch-test-{connection.id}-{play.wanted.role}"
    try:
        play.join_url, gone = await deps.graph.try_meeting(
            str(connection.tenant), play.organiser, name, deps.clock.now()
        )
    except Later as later:
        await deps.organisers.give_back(str(connection.tenant), _month(play), play.organiser)
        if isinstance(later, GraphRefused):
            return graph_said(later, deps.settings.connector_client_id)
        raise
    return said("meeting" if gone else "meeting-left")


async def _join_url(play: _Play) -> Finding:
    host = authority(play.join_url)
    return said(
        "join-url" if may_send_to(play.join_url, play.deps.settings.teams_hosts) else "join-url-refused", host=host
    )


def _month(play: _Play) -> str:
    return f"{play.deps.clock.now():%Y%m}"
