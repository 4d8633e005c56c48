"""How far an organisation has come: five stages, each derived from what is stored, and the prerequisites (F1)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.domain.connection import Connection, Environment, Https, Organisation, OrganisationId
from shared.domain.model import Model
from shared.errors import Code, Refused

#: The vendor's names of the stages (F1.2), in their order.
StageName = Literal["request-app-access", "app-enablement", "connector-configuration", "epic-configuration", "testing"]
StageState = Literal["open", "waiting", "done"]
Party = Literal["administrator", "operator", "approver", "epic"]
#: What happens once to a connection and shows how far it is.
Milestone = Literal["provider-launch", "patient-launch", "visit-held"]
MILESTONES: tuple[Milestone, ...] = ("provider-launch", "patient-launch", "visit-held")
#: F1.5 to F1.7 and F13.1. The last two follow from what is stored.
PrerequisiteName = Literal[
    "integration-guide",
    "epic-version",
    "licences",
    "teams-in-use",
    "system-requirements",
    "teams-administrator",
    "admin-consent",
    "production-entitlement",
]
#: Who can say that a prerequisite is met: people only, preflight as well, or what is stored.
Source = Literal["person", "preflight", "connector"]
SOURCES: dict[PrerequisiteName, Source] = {
    "integration-guide": "person",
    "epic-version": "preflight",
    "licences": "preflight",
    "teams-in-use": "person",
    "system-requirements": "person",
    "teams-administrator": "person",
    "admin-consent": "connector",
    "production-entitlement": "connector",
}
RequestState = Literal["requested", "enabled", "declined"]
_REQUEST = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{4})")


class Wanted(Model):
    """What an administrator sends to ask for access (F1.3). The tenant is the caller's own.

    contact   address of the Epic technical contact
    """

    organisation: str = Field(min_length=1, max_length=100)
    contact: Annotated[str, Field(pattern=r"^[^@\s\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,120}$", repr=False)]
    geography: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z -]{0,59}$")


class AccessRequest(Wanted):
    """A request as it stands. `who` and `decided_by` are Entra object ids.

    enabled_as   the organisation's id, once it is let in
    reason       why the operator declined
    """

    id: str
    tenant: UUID
    state: RequestState = "requested"
    who: str
    at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    enabled_as: str | None = None
    reason: str | None = None


class Stage(Model):
    """A stage. `waits_for`: whose turn it is, of the one that is `waiting`; those after it are `open`."""

    name: StageName
    state: StageState
    waits_for: Party | None = None


class Tick(Model):
    """Somebody has said of a prerequisite whether it is met. `who`: an Entra object id, or `preflight`."""

    done: bool
    who: str
    at: datetime


class Prerequisite(Model):
    """One line of the checklist. Whoever has not ticked it has no name and no time."""

    name: PrerequisiteName
    source: Source
    done: bool
    who: str | None = None
    at: datetime | None = None


class Consent(Model):
    """The tenant's administrator has let the connector in, and a call to Graph has proved it."""

    who: str
    at: datetime


class Onboarding(Model):
    """How far the caller's tenant, or one organisation of it, has come.

    organisation   None: none is enabled yet; what is ticked now holds for the whole tenant
    consent        None: not proved
    """

    tenant: UUID
    organisation: OrganisationId | None
    requests: tuple[AccessRequest, ...]
    consent: Consent | None
    stages: tuple[Stage, ...]
    prerequisites: tuple[Prerequisite, ...]


class SharedBase(Model):
    """A FHIR base URL of one organisation's Epic that others of its network use too (F1.13).

    parent     the tenant that runs this Epic
    children   tenants that may have a connection of their own to it, in the same environment
    """

    fhir_base_url: Https
    environment: Environment
    parent: UUID
    children: tuple[UUID, ...] = Field(max_length=100)

    def admits(self, connection: Connection) -> bool:
        """A connection may stand on this base URL."""
        return connection.environment == self.environment and connection.tenant in {self.parent, *self.children}


@dataclass(frozen=True)
class Facts:
    """What is stored of an organisation.

    asked         there is a request that was not declined
    organisation  None: not enabled
    connections   the organisation's
    reached       what has happened at any of them
    """

    asked: bool
    organisation: Organisation | None
    consented: bool
    connections: tuple[Connection, ...]
    reached: frozenset[Milestone]

    @property
    def enabled(self) -> bool:
        """The operator has let the organisation in."""
        return self.organisation is not None and self.organisation.enabled


def request_id(tenant: UUID, number: int) -> str:
    """The id of a tenant's request; they are counted."""
    return f"{tenant}.{number:04d}"


def request_place(id_: str) -> tuple[str, str]:
    """Tenant and number of a request's id; refuses what is none."""
    found = _REQUEST.fullmatch(id_)
    if found is None:
        raise Refused(Code.NOT_FOUND)
    return found[1], found[2]


def stages(facts: Facts) -> tuple[Stage, ...]:
    """The five stages. The first that is not done waits for somebody."""
    launched = {"provider-launch", "patient-launch"} <= facts.reached
    findings: tuple[tuple[StageName, bool, Party], ...] = (
        ("request-app-access", facts.asked or facts.organisation is not None, "administrator"),
        ("app-enablement", facts.enabled and facts.consented, "administrator" if facts.enabled else "operator"),
        ("connector-configuration", any(one.active for one in facts.connections), _configures(facts)),
        ("epic-configuration", launched, "epic"),
        ("testing", "visit-held" in facts.reached, "administrator"),
    )
    current = next((name for name, done, _ in findings if not done), None)
    return tuple(_stage(name, party, done=done, current=name == current) for name, done, party in findings)


def prerequisites(
    facts: Facts, ticks: dict[PrerequisiteName, Tick], consent: Consent | None
) -> tuple[Prerequisite, ...]:
    """The checklist: what people or preflight have ticked, and what follows from what is stored."""
    entitled = facts.organisation is not None and facts.organisation.production
    return tuple(_line(name, source, ticks.get(name), consent, entitled=entitled) for name, source in SOURCES.items())


def _line(
    name: PrerequisiteName, source: Source, tick: Tick | None, consent: Consent | None, *, entitled: bool
) -> Prerequisite:
    if name == "admin-consent" and consent:
        return Prerequisite(name=name, source=source, done=True, who=consent.who, at=consent.at)
    if name == "production-entitlement":
        return Prerequisite(name=name, source=source, done=entitled)
    if tick is None:
        return Prerequisite(name=name, source=source, done=False)
    return Prerequisite(name=name, source=source, done=tick.done, who=tick.who, at=tick.at)


def _configures(facts: Facts) -> Party:
    """Whose turn it is with the connections: the approver's as soon as one awaits approval."""
    states = {one.pending.state for one in facts.connections if one.pending}
    return "approver" if "needs-approval" in states else "administrator"


def _stage(name: StageName, party: Party, *, done: bool, current: bool) -> Stage:
    state: StageState = "done" if done else "waiting" if current else "open"
    return Stage(name=name, state=state, waits_for=party if current else None)
