"""The links of a preflight that lead to Epic: discovery, our keys, the apps, token, FHIR read, write-back."""

import asyncio
import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol

from yarl import URL

from shared.clients.addresses import authority
from shared.clients.epic import Credential, Epic, KeyCredential, authorize_url
from shared.clients.oauth import known_error, pkce
from shared.clients.outbound import Outbound
from shared.clients.smart import SmartEndpoints
from shared.clients.write_back import EpicStatus, basic
from shared.clock import Clock
from shared.domain.configuration import WRITE_BACK, secret_name
from shared.domain.connection import Connection, EpicSide
from shared.domain.launch import LaunchRole
from shared.domain.preflight import Finding, Link
from shared.domain.preflight_findings import said
from shared.domain.preflight_urls import spoken, version_of
from shared.domain.signing import SigningKeys
from shared.errors import Code, ConnectorError, Refused
from shared.settings import Settings
from shared.storage.connections import Connections
from shared.workflows.bounded import left_out, linked
from shared.workflows.launch import scopes

#: Nobody's: an id that Epic cannot have, to be refused for.
_NOBODYS = "Appointment/TEST-PREFLIGHT"
_ROLES: tuple[LaunchRole, ...] = ("provider", "patient")


class Deps(Protocol):
    """What these links need of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def outbound(self) -> Outbound: ...
    @property
    def microsoft(self) -> Outbound: ...
    @property
    def signing(self) -> dict[str, SigningKeys]: ...
    @property
    def epic_status(self) -> EpicStatus: ...
    def new_epic(self) -> Epic: ...
    def launch_callback(self, connection_id: str) -> str: ...
    async def credential(self, connection: Connection, side: EpicSide, client_id: str) -> Credential: ...


@dataclass
class Run:
    """One preflight of a revision. `epic` remembers nothing of earlier ones; `token`: once Epic has issued one."""

    connection: Connection
    side: EpicSide
    deps: Deps
    epic: Epic
    token: str = field(default="", repr=False)

    @property
    def approved(self) -> bool:
        """The revision is the one that serves, so it may be shown what was given for it."""
        return self.side == self.connection.active

    @property
    def proven(self) -> bool:
        """The approver has signed in to this Epic for this backend app; before that it may be anybody's."""
        active = self.connection.active
        return active is not None and _backend_of(active) == _backend_of(self.side)


async def links(connection: Connection, side: EpicSide, deps: Deps) -> list[Link]:
    """All of them; what needs a link that failed is left out."""
    run, clock = Run(connection, side, deps, deps.new_epic()), deps.clock
    keys = asyncio.create_task(linked("keys", lambda: _keys(run), clock))
    discovery = await linked("discovery", lambda: _discovery(run), clock)
    if discovery.state == "failed":
        apps = [left_out("app", "discovery", role) for role in _ROLES]
        return [discovery, await keys, *apps, *_without("discovery")]
    apps = await asyncio.gather(*(linked("app", partial(_app, run, role), clock, role) for role in _ROLES))
    found = await keys
    return [discovery, found, *apps, *await _backend(run, missing=found.finding == "keys-missing")]


async def _backend(run: Run, *, missing: bool) -> list[Link]:
    clock = run.deps.clock
    if not run.proven:
        return _without("serving")
    if missing and run.side.authentication == "private_key_jwt":
        return _without("keys")
    token = await linked("backend-token", lambda: _token(run), clock)
    if token.state == "failed":
        return [token, left_out("fhir-read", "backend-token"), *await _own_account(run)]
    read = linked("fhir-read", lambda: _read(run), clock)
    return [token, *await asyncio.gather(read, linked("write-back", lambda: _write_back(run), clock))]


async def _own_account(run: Run) -> list[Link]:
    """Write-back by Basic needs no token."""
    sink = run.side.write_back
    if sink.sink == "log-only" or sink.authentication == "basic":
        return [await linked("write-back", lambda: _write_back(run), run.deps.clock)]
    return [left_out("write-back", "backend-token")]


def _without(needs: Literal["discovery", "keys", "serving"]) -> list[Link]:
    return [left_out("backend-token", needs), left_out("fhir-read", needs), left_out("write-back", needs)]


def _backend_of(side: EpicSide) -> tuple[str, str]:
    return side.fhir_base_url, side.backend_client_id


async def _discovery(run: Run) -> Finding:
    side = run.side
    by_key = side.authentication == "private_key_jwt"
    return (await seen_at(side.fhir_base_url, run.epic, pkce=side.pkce, keys=by_key)).finding


@dataclass(frozen=True)
class Seen:
    """What discovery found at an address: `endpoints` are None where no FHIR server with SMART answers."""

    finding: Finding
    endpoints: SmartEndpoints | None = None
    version: str = ""


async def seen_at(base: str, epic: Epic, *, pkce: bool, keys: bool) -> Seen:
    """Ask an address as nobody in particular, and judge it by what is needed of it.

    Every server answers that; a client id may be too new.
    """
    status, version = await epic.fhir_version(base, "")
    try:
        endpoints = await epic.discover(base, "")
    except Refused as refusal:
        if refusal.code is not Code.FHIR_BASE_INVALID:
            raise
        return Seen(said("discovery-not-fhir", host=authority(base), status=status))
    return Seen(_judged(endpoints, version, pkce=pkce, keys=keys), endpoints, version)


def _judged(endpoints: SmartEndpoints, version: str, *, pkce: bool, keys: bool) -> Finding:
    speaks, suffix, host = spoken(version) or version, version_of(endpoints.base), authority(endpoints.base)
    if speaks and speaks != "R4":
        return said("discovery-not-r4", host=host, version=speaks)
    if endpoints.jwks is None:
        return said("discovery-no-keys")
    if suffix and speaks and suffix != speaks:
        return said("discovery-suffix-differs", suffix=suffix, version=speaks)
    if pkce and not endpoints.pkce:
        return said("discovery-no-pkce")
    if keys and endpoints.authentication and "private_key_jwt" not in endpoints.authentication:
        return said("discovery-no-key-authentication")
    return said("discovery", host=host, version=version or suffix)


async def _keys(run: Run) -> Finding:
    """Our key address as anybody may read it, and the key that signs in it."""
    environment, ring = run.connection.environment, run.deps.signing.get(run.connection.environment)
    ours = [str(key["kid"]) for key in ring.jwks()["keys"]] if ring else []
    if not ours:
        return said("keys-missing", environment=environment)
    url = f"{run.deps.settings.public_url}/jwks/{environment}"
    try:
        published = (await run.deps.microsoft.call("GET", url)).json().get("keys")
    except ConnectorError:
        return said("keys-unreachable", url=url)
    kids = {key.get("kid") for key in published if isinstance(key, dict)} if isinstance(published, list) else None
    if kids is None:
        return said("keys-unreachable", url=url)
    return said("keys" if ours[0] in kids else "keys-other", url=url, kid=ours[0])


async def _app(run: Run, role: LaunchRole) -> Finding:
    """Whether Epic knows one of the two apps that people launch."""
    side = run.side
    client_id = side.provider_client_id if role == "provider" else side.patient_client_id
    endpoints = await _for(run, client_id)
    if endpoints is None:
        return said("discovery-client-unknown", client=client_id)
    redirect_uri = run.deps.launch_callback(run.connection.id)
    url = authorize_url(
        endpoints,
        client_id=client_id,
        redirect_uri=redirect_uri,
        scope=scopes(role, side),
        state=secrets.token_urlsafe(24),
        aud=side.fhir_base_url,
        nonce=secrets.token_urlsafe(16),
        challenge=pkce().challenge if side.pkce else None,
        launch=None,
    )
    return await asked_to_sign_in(url, redirect_uri, role, run.deps.outbound)


async def asked_to_sign_in(url: str, redirect_uri: str, app: LaunchRole, outbound: Outbound) -> Finding:
    """What Epic's authorize endpoint shows somebody who has not signed in.

    A page with a password, or the way to one, means that it took client id and redirect URI.
    """
    answer = (await outbound.call("GET", url, headers={"Accept": "text/html"})).or_later()
    where = URL(answer.headers.get("Location", ""))
    if 300 <= answer.status < 400:
        back = str(where.with_query(None)) == redirect_uri
        return said("app-error", app=app, error=known_error(where.query.get("error"))) if back else said("app", app=app)
    if answer.status >= 400:
        return said("app-refused", app=app, status=answer.status, redirect_uri=redirect_uri)
    asks = b'type="password"' in answer.body.lower()
    return said("app", app=app) if asks else said("app-unclear", app=app, status=answer.status)


async def _for(run: Run, client_id: str) -> SmartEndpoints | None:
    """The endpoints of one app; None when Epic, which answers others, does not answer to it."""
    try:
        return await run.epic.discover(run.side.fhir_base_url, client_id)
    except Refused as refusal:
        if refusal.code is not Code.FHIR_BASE_INVALID:
            raise
        return None


async def _token(run: Run) -> Finding:
    client_id = run.side.backend_client_id
    endpoints = await _for(run, client_id)
    if endpoints is None:
        return said("discovery-client-unknown", client=client_id)
    try:
        credential = await run.deps.credential(run.connection, run.side, client_id)
        run.token = await run.epic.backend_token(endpoints, credential)
    except Refused as refusal:
        return _no_token(refusal, run)
    by_key = isinstance(credential, KeyCredential)
    return said("backend-token" if by_key else "backend-token-by-secret")


def _no_token(refusal: Refused, run: Run) -> Finding:
    if refusal.code is Code.WRONG_STATE:
        return said("backend-secret-missing")
    if refusal.code is not Code.EPIC_REFUSED:
        raise refusal
    error = refusal.fields[0] if refusal.fields else ""
    if error == "invalid_client":
        jwks = f"{run.deps.settings.public_url}/jwks/{run.connection.environment}"
        return said("backend-token-invalid-client", error=error, jwks=jwks)
    return said("backend-token-refused", error=error)


async def _read(run: Run) -> Finding:
    """A read that needs the right to read, of an appointment that is nobody's."""
    try:
        await run.epic.read(run.side.fhir_base_url, run.token, _NOBODYS)
    except Refused as refusal:
        if refusal.code is not Code.EPIC_REFUSED:
            raise
        status, *codes = refusal.fields
        return _not_read(status, codes)
    return said("fhir-read")


def _not_read(status: str, codes: list[str]) -> Finding:
    """epic.md 3.4: 4101 and 4102 are said only to who may read."""
    if {"4101", "4102"} & set(codes):
        return said("fhir-read")
    if status == "401":
        return said("fhir-read-token")
    if status == "403":
        return said("fhir-read-user", codes=" ".join(codes)) if codes else said("fhir-read-scope")
    return said("fhir-read-unclear", status=status, codes=" ".join(codes))


async def _write_back(run: Run) -> Finding:
    """Before approval only Epic's own host is shown a token: the address is a proposal like any other."""
    sink = run.side.write_back
    if sink.url is None or sink.sink == "log-only":
        return said("write-back-log-only")
    await run.deps.outbound.judge(sink.url)
    if not run.approved and authority(sink.url) != authority(run.side.fhir_base_url):
        return said("write-back-not-approved")
    try:
        authorization = await _authorization(run)
    except Refused:
        return said("write-back-no-account")
    status, code = await run.deps.epic_status.probe(sink, run.side.backend_client_id, authorization)
    return _answered(status, code, authority(sink.url), sink.authentication)


async def _authorization(run: Run) -> str:
    if run.side.write_back.authentication == "bearer":
        return f"Bearer {run.token}"
    return basic(await run.deps.connections.secret(run.connection, secret_name(run.side, WRITE_BACK)))


def _answered(status: int, code: str, host: str, authentication: str) -> Finding:
    if status >= 500:
        return said("away", peer=host)
    if status < 300:
        return said("write-back-taken")
    if code:
        return said("write-back-client", code=code) if "CLIENT" in code else said("write-back", host=host, code=code)
    if status == 401:
        return said("write-back-not-let-in", proof="token" if authentication == "bearer" else "account")
    names = {403: "write-back-scope", 404: "write-back-no-address", 405: "write-back-no-address"}
    return said(names.get(status, "write-back-unclear"), status=status)
