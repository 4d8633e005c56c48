"""What the stand-in remembers: two instances with their people, appointments, launches and tokens."""

import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from sandbox import plan, world
from sandbox.epic.assertion import KeySets
from sandbox.epic.records import AppointmentOrder, AppRecord, FdiRecord, Options, seed_apps
from sandbox.epic.signing import SigningKeys
from sandbox.peer import Peer, client_tls
from sandbox.world import EpicUser

#: The first part of every route of an instance.
AT_INSTANCE = "/{instance:" + "|".join(path.strip("/") for path in world.EPIC_INSTANCES.values()) + "}"


@dataclass
class Appointment:
    """A booked appointment and the FHIR ids Epic gave it and its encounter."""

    order: AppointmentOrder
    fhir_id: str = field(default_factory=lambda: "eAppt" + secrets.token_hex(12))
    encounter_id: str | None = None

    @property
    def patient(self) -> EpicUser:
        return world.EPIC_USERS[self.order.patient]

    @property
    def practitioner(self) -> EpicUser:
        return world.EPIC_USERS[self.order.practitioner]

    @property
    def conference(self) -> str:
        """A group's conference id, else the CSN."""
        return self.order.conference_id or self.order.csn

    @property
    def end(self) -> datetime:
        return self.order.start + timedelta(minutes=self.order.minutes)


@dataclass
class Launch:
    """A press of the button; `context` holds the FDI record's CONTEXT with its mnemonics replaced."""

    user: EpicUser
    client_id: str
    iss: str
    patient: EpicUser | None
    appointment: Appointment | None
    context: dict[str, str]
    omit: list[str]
    extra: dict[str, Any]
    issued: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Asked:
    """An authorize request that broke no rule; `challenge` is None where Epic knows no PKCE."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    nonce: str | None
    challenge: str | None


@dataclass(frozen=True)
class Grant:
    """What stands behind a code; `launch` is None for a standalone launch."""

    asked: Asked
    user: EpicUser
    launch: Launch | None
    issued: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Access:
    """An access token's rights. `patient` limits a MyChart user's token to that chart."""

    client_id: str
    apis: frozenset[str]
    patient: EpicUser | None
    expires: float


@dataclass(frozen=True)
class Connection:
    """One accepted SetExternalConnectionStatus."""

    n: int
    at: str
    conference_id: str
    external_id: str
    external_id_type: str
    user: str
    status: str
    vendor: str


@dataclass
class Instance:
    """One Epic environment under its path."""

    key: str
    url: str
    options: Options
    registered: dict[str, AppRecord]
    fdis: dict[tuple[str, bool], FdiRecord] = field(default_factory=dict)
    appointments: dict[str, Appointment] = field(default_factory=dict)
    #: Conference id -> keys of the patients who belong to it.
    conferences: dict[str, set[str]] = field(default_factory=dict)
    launches: dict[str, Launch] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    accesses: dict[str, Access] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    used_jtis: set[tuple[str, str]] = field(default_factory=set)
    signing: SigningKeys = field(default_factory=SigningKeys)

    @property
    def apps(self) -> dict[str, AppRecord]:
        """The apps that this Epic knows by now."""
        return {client_id: app for client_id, app in self.registered.items() if app.synced}

    @property
    def r4(self) -> str:
        """The FHIR base."""
        return f"{self.url}/api/FHIR/R4"

    @property
    def dstu2(self) -> str:
        return f"{self.url}/api/FHIR/DSTU2"

    @property
    def issuer(self) -> str:
        """`iss` of an id_token: two forms, before and since May 2020."""
        return f"{self.url}/oauth2" + ("/token" if self.options.id_token_iss == "2018" else "")

    @property
    def jwks_uri(self) -> str:
        return f"{self.url}/api/epic/2019/Security/Open/PublicKeys/530027/OIDC"

    def token_url(self, app: AppRecord | None) -> str:
        """Where this client gets its tokens: endpoints can be overridden per client id (1.4)."""
        return f"{self.url}/{app.oauth_folder if app else 'oauth2'}/token"

    def oid(self, suffix: str) -> str:
        """An Epic identifier system, e.g. `.7.3.698084.8` for the CSN (3.5)."""
        return f"urn:oid:1.2.840.114350.1.13.{self.options.cid}.{self.options.environment}{suffix}"


class Epic(Peer):
    """The stand-in."""

    def __init__(self, urls: plan.Plan) -> None:
        super().__init__("epic", urls)
        self.app[EPIC] = self
        self.reset()

    def reset(self) -> None:
        """Back to the day after registration: no appointment, no launch, no token, no behaviour of its own."""
        self.instances = {key: self._instance(key) for key in world.EPIC_INSTANCES}
        self.key_sets = KeySets(client_tls(self.plan), self.saw)
        self.sessions: dict[str, EpicUser] = {}
        self.sign_ins: dict[str, tuple[Instance, Asked]] = {}

    def _instance(self, key: str) -> Instance:
        options = Options(environment="2" if key == "production" else "3")
        return Instance(key, self.url + world.EPIC_INSTANCES[key], options, seed_apps(self.plan, key))


EPIC: web.AppKey[Epic] = web.AppKey("epic", Epic)


def of(request: web.Request) -> tuple[Epic, Instance]:
    """The stand-in and the instance a request is for."""
    epic = request.app[EPIC]
    path = "/" + request.match_info["instance"]
    return epic, next(found for found in epic.instances.values() if world.EPIC_INSTANCES[found.key] == path)
