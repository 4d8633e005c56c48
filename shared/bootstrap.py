"""Builds the real things, once per process. The only place that does.

Each is made when it is first asked for, and imported then: the hl7 app never loads what only `main` needs.
"""

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from shared import settings as app_settings
from shared.clock import Clock
from shared.settings import Settings
from shared.storage.agenda import Agenda
from shared.storage.appointments import Appointments
from shared.storage.audit import Audit
from shared.storage.brake import Brake
from shared.storage.connections import Connections
from shared.storage.launch_cookies import LaunchCookies
from shared.storage.lookups import Lookups
from shared.storage.onboarding import Onboarding
from shared.storage.opt_outs import OptOuts
from shared.storage.orders import Orders
from shared.storage.organisers import Organisers
from shared.storage.parked import Parked
from shared.storage.people import People
from shared.storage.queues import Queues
from shared.storage.sealing import KeyRing, Pseudonyms
from shared.storage.tables import Tables
from shared.storage.texts import Texts
from shared.storage.visits import Visits

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.clients.app_tokens import GraphTokens
    from shared.clients.directory import Directory
    from shared.clients.entra import AccessTokens, AppTokens
    from shared.clients.epic import Credential, Epic
    from shared.clients.graph import Graph
    from shared.clients.notifications import NotificationKeys
    from shared.clients.numbers import Numbers
    from shared.clients.outbound import Outbound
    from shared.clients.pace import Pace
    from shared.clients.sign_in import SignIn
    from shared.clients.sms import Sms
    from shared.clients.write_back import EpicStatus
    from shared.domain.connection import Connection, EpicSide
    from shared.domain.signing import SigningKeys


#: How long storage is waited for: a few seconds. An engine or a browser waits for us meanwhile, and who does not
#: gets `Later`. The SDKs would try for a minute or more.
_TIMEOUTS: dict[str, Any] = {"retry_total": 2, "connection_timeout": 5, "read_timeout": 10}
_QUEUES: dict[str, Any] = _TIMEOUTS | {"initial_backoff": 1, "increment_base": 2, "random_jitter_range": 1}
_TABLES: dict[str, Any] = _TIMEOUTS | {"retry_connect": 2, "retry_status": 2, "retry_backoff_factor": 0.5}


class Deps:
    """Everything a function group may need."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock(settings.clock_offset_file)

    @cached_property
    def _ring(self) -> KeyRing:
        """For what rests in tables and in browsers; the hl7 app has none."""
        return KeyRing(self.settings.data_keys)

    @cached_property
    def _queue_ring(self) -> KeyRing:
        """For messages under way."""
        return KeyRing(self.settings.queue_keys)

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(self.settings.stamp_secret)

    @cached_property
    def _identity(self) -> "AsyncTokenCredential":
        from azure.identity.aio import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=self.settings.storage.client_id)

    @cached_property
    def queues(self) -> Queues:
        storage, ring = self.settings.storage, self._queue_ring
        if storage.connection_string:
            return Queues(QueueServiceClient.from_connection_string(storage.connection_string, **_QUEUES), ring)
        return Queues(QueueServiceClient(storage.queue_uri, credential=self._identity, **_QUEUES), ring)

    @cached_property
    def tables(self) -> Tables:
        storage = self.settings.storage
        if storage.connection_string:
            return Tables(TableServiceClient.from_connection_string(storage.connection_string, **_TABLES), self._ring)
        return Tables(TableServiceClient(storage.table_uri, credential=self._identity, **_TABLES), self._ring)

    @cached_property
    def connections(self) -> Connections:
        return Connections(self.tables)

    @cached_property
    def onboarding(self) -> Onboarding:
        return Onboarding(self.tables)

    @cached_property
    def lookups(self) -> Lookups:
        return Lookups(self.tables, self.clock)

    @cached_property
    def appointments(self) -> Appointments:
        return Appointments(self.tables)

    @cached_property
    def agenda(self) -> Agenda:
        return Agenda(self.tables)

    @cached_property
    def texts(self) -> Texts:
        return Texts(self.tables)

    @cached_property
    def brake(self) -> Brake:
        return Brake(self.tables)

    @cached_property
    def opt_outs(self) -> OptOuts:
        return OptOuts(self.tables, self.pseudonyms)

    @cached_property
    def visits(self) -> Visits:
        return Visits(self.tables)

    @cached_property
    def organisers(self) -> Organisers:
        return Organisers(self.tables)

    @cached_property
    def orders(self) -> Orders:
        return Orders(self.tables, self.lookups)

    @cached_property
    def people(self) -> People:
        return People(self.tables, self.pseudonyms)

    @cached_property
    def launch_cookies(self) -> LaunchCookies:
        return LaunchCookies(self._ring)

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.tables, self.clock)

    @cached_property
    def parked(self) -> Parked:
        return Parked(self.tables, self.clock)

    # --- main only

    @cached_property
    def outbound(self) -> "Outbound":
        """For addresses that others wrote: a hospital's Epic and what it points to."""
        from shared.clients.addresses import Guarded
        from shared.clients.outbound import Outbound

        return Outbound(Guarded(self.settings.outbound_ports, self.settings.outbound_cidrs))

    @cached_property
    def microsoft(self) -> "Outbound":
        """For addresses from our own settings: Entra and Graph."""
        from shared.clients.addresses import Trusted
        from shared.clients.outbound import Outbound

        return Outbound(Trusted())

    @cached_property
    def access(self) -> "AccessTokens":
        from shared.clients.entra import AccessTokens
        from shared.clients.keysets import KeySets

        keysets = KeySets(self.microsoft, self.clock)
        settings = self.settings
        return AccessTokens(settings.entra_authority, settings.api_client_id, keysets, settings.api_callers)

    @cached_property
    def app_tokens(self) -> "AppTokens":
        from shared.clients.entra import AppTokens
        from shared.clients.keysets import KeySets

        return AppTokens(self.settings.entra_authority, KeySets(self.microsoft, self.clock))

    @cached_property
    def sms(self) -> "Sms":
        from azure.core.credentials import AzureKeyCredential

        from shared.clients.sms import Sms

        key = self.settings.acs_access_key
        return Sms(self.settings.acs_endpoint, AzureKeyCredential(key) if key else self._identity)

    @cached_property
    def numbers(self) -> "Numbers":
        from azure.core.credentials import AzureKeyCredential

        from shared.clients.communication import Communication
        from shared.clients.numbers import Numbers

        key = self.settings.acs_access_key
        credential = AzureKeyCredential(key) if key else self._identity
        return Numbers(Communication(self.settings.acs_endpoint, credential, self.microsoft))

    @cached_property
    def pace(self) -> "Pace":
        from shared.clients.pace import Pace

        return Pace(self.clock)

    @cached_property
    def epic(self) -> "Epic":
        return self.new_epic()

    def new_epic(self) -> "Epic":
        """One that remembers no endpoints, keys and tokens: for a check of what is so now."""
        from shared.clients.epic import Epic
        from shared.clients.keysets import KeySets

        return Epic(self.outbound, KeySets(self.outbound, self.clock), self.clock, self.pace)

    @cached_property
    def signing(self) -> "dict[str, SigningKeys]":
        from shared.domain.signing import SigningKeys

        return {environment: SigningKeys(keys) for environment, keys in self.settings.epic_keys.items()}

    @cached_property
    def graph_tokens(self) -> "GraphTokens":
        return self.new_graph_tokens()

    def new_graph_tokens(self) -> "GraphTokens":
        """Some that remember no token; whoever asks closes them."""
        from shared.clients.app_tokens import GraphTokens

        settings = self.settings
        return GraphTokens(settings.entra_authority, settings.connector_client_id, settings.connector_certificate)

    @cached_property
    def graph(self) -> "Graph":
        return self.graph_with(self.graph_tokens)

    def graph_with(self, tokens: "GraphTokens") -> "Graph":
        """Graph, asked with these tokens."""
        from shared.clients.graph import Graph

        return Graph(self.settings.graph_url, self.microsoft, tokens.of)

    @cached_property
    def directory(self) -> "Directory":
        from shared.clients.directory import Directory

        return Directory(self.settings.graph_url, self.microsoft, self.graph_tokens.of)

    @cached_property
    def sign_in(self) -> "SignIn":
        from shared.clients.keysets import KeySets
        from shared.clients.sign_in import SignIn

        return SignIn(
            self.settings.entra_authority,
            self.settings.connector_client_id,
            self.settings.connector_certificate,
            self.microsoft,
            KeySets(self.microsoft, self.clock),
            self.clock,
        )

    @cached_property
    def notification_keys(self) -> "NotificationKeys":
        from shared.clients.notifications import NotificationKeys

        return NotificationKeys(self.settings.notification_keys)

    @cached_property
    def epic_status(self) -> "EpicStatus":
        from shared.clients.write_back import EpicStatus

        return EpicStatus(self.outbound, self.pace)

    @property
    def epic_callback(self) -> str:
        return f"{self.settings.public_url}/config/epic-callback"

    @property
    def consent_callback(self) -> str:
        return f"{self.settings.public_url}/config/consent-callback"

    def launch_callback(self, connection_id: str) -> str:
        """Each connection has its own: a code that one Epic issued cannot be brought to another (ADR 0011)."""
        return f"{self.settings.public_url}/launch/callback/{connection_id}"

    @property
    def sign_in_callback(self) -> str:
        return f"{self.settings.public_url}/launch/sign-in/callback"

    async def credential(self, connection: "Connection", side: "EpicSide", client_id: str) -> "Credential":
        """How an app of a connection proves itself to Epic: a test connection never signs with production keys."""
        from shared.clients.epic import KeyCredential, SecretCredential
        from shared.domain.configuration import secret_name

        if side.authentication == "client_secret":
            return SecretCredential(client_id, await self.connections.secret(connection, secret_name(side, client_id)))
        return KeyCredential(client_id, self.signing[connection.environment])


@cache
def settings() -> Settings:
    """The settings of this process."""
    return app_settings.read()


@cache
def deps() -> Deps:
    """The dependencies of this process."""
    return Deps(settings())
