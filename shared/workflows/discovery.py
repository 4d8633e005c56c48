"""Inline validation of a FHIR base URL: asked for real, what was found said, mistakes corrected by trying.

Nothing is stored. Of other organisations nothing is said but that an address is taken.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from pydantic import Field

from shared.clients.addresses import authority
from shared.clients.epic import Epic
from shared.clients.smart import SmartEndpoints
from shared.domain import preflight_urls as urls
from shared.domain.connection import ClientId, Environment
from shared.domain.model import Model
from shared.domain.preflight import Finding, State, worst
from shared.domain.preflight_findings import said
from shared.domain.preflight_urls import Mistake, Suggestion
from shared.errors import Code, Refused
from shared.storage.lookups import Kind
from shared.telemetry import outcome
from shared.workflows import fhir_bases
from shared.workflows.bounded import bounded
from shared.workflows.preflight_epic import seen_at

#: Findings after which another address may have been meant.
_MISTAKEN = frozenset({"url-unreadable", "discovery-not-fhir", "discovery-not-r4"})
_MOST_TRIED = 3
_CORRECTED: dict[Mistake, str] = {
    "scheme": "url-scheme",
    "query": "url-query",
    "metadata": "url-metadata",
    "sign-in-address": "url-sign-in-address",
    "trailing-path": "url-trailing-path",
    "version-missing": "url-version-missing",
    "version-old": "url-version-old",
    "version-case": "url-version-case",
}


class Deps(fhir_bases.Deps, Protocol):
    """What discovery needs of the process."""

    def new_epic(self) -> Epic: ...


class Wanted(Model):
    """What somebody typed. `client_id`: of the provider app, where there is one already."""

    fhir_base_url: str = Field(min_length=1, max_length=2000)
    environment: Environment
    client_id: ClientId | None = None


class Server(Model):
    """What answers at an address.

    fhir_base_url            as a connection keeps it
    fhir_version, speaks     as the capability statement says: `4.0.1` is R4
    suffix                   R4, STU3 or DSTU2, as the address ends
    authorize_host, token_host, keys_host   where people are sent, codes are redeemed, id tokens are checked
    """

    fhir_base_url: str
    fhir_version: str
    speaks: str
    suffix: str
    capabilities: tuple[str, ...]
    pkce: bool
    authentication: tuple[str, ...]
    authorize_host: str
    token_host: str
    keys_host: str | None


class Suggested(Model):
    """Another address, which works: what was wrong with the one that was typed."""

    mistake: Mistake
    server: Server


class Discovered(Model):
    """What was found. `usable`: the address can be saved as it was typed."""

    usable: bool
    state: State
    server: Server | None
    suggestion: Suggested | None
    findings: tuple[Finding, ...]


@dataclass
class _Look:
    """One address, asked."""

    url: str
    epic: Epic
    server: Server | None = None

    async def judge(self) -> Finding:
        """By what a connection needs by default: PKCE and signed assertions."""
        seen = await seen_at(self.url, self.epic, pkce=True, keys=True)
        if seen.endpoints:
            self.server = _server(seen.endpoints, seen.version)
        return seen.finding


async def discover(wanted: Wanted, tenant: str, deps: Deps) -> Discovered:
    """Everything that can be said of an address before it is saved."""
    epic, base = deps.new_epic(), urls.base_url(wanted.fhir_base_url)
    look = _Look(base, epic) if base else None
    findings = [await bounded(look.judge) if look else said("url-unreadable")]
    suggestion = await _suggested(wanted.fhir_base_url, epic) if findings[0].finding in _MISTAKEN else None
    if suggestion:
        findings.append(said(_CORRECTED[suggestion.mistake], suggestion=suggestion.server.fhir_base_url))
    if look and look.server and wanted.client_id:
        findings += await _client(look.url, wanted.client_id, epic)
    if meant := suggestion.server.fhir_base_url if suggestion else base:
        findings += await _whose(meant, wanted.environment, UUID(tenant), deps)
    outcome("discovery", tenant=tenant, found=",".join(one.finding for one in findings))
    return Discovered(
        usable=all(one.state != "failed" for one in findings),
        state=worst(findings),
        server=look.server if look else None,
        suggestion=suggestion,
        findings=tuple(findings),
    )


async def _suggested(text: str, epic: Epic) -> Suggested | None:
    """The first correction that works."""
    for one in urls.suggestions(text)[:_MOST_TRIED]:
        if (found := await _works(one, epic)) is not None:
            return Suggested(mistake=one.mistake, server=found)
    return None


async def _works(one: Suggestion, epic: Epic) -> Server | None:
    base = urls.base_url(one.url)
    if base is None:
        return None
    look = _Look(base, epic)
    return look.server if (await bounded(look.judge)).state != "failed" else None


async def _client(base: str, client_id: str, epic: Epic) -> list[Finding]:
    async def known() -> Finding:
        try:
            await epic.discover(base, client_id)
        except Refused as refusal:
            if refusal.code is Code.FHIR_BASE_INVALID:
                return said("discovery-client-unknown", client=client_id)
            raise
        return said("discovery-client", client=client_id)

    return [await bounded(known)]


async def _whose(base: str, environment: Environment, tenant: UUID, deps: Deps) -> list[Finding]:
    """Whether the address can still be had (F2.12)."""
    found, name = [], fhir_bases.spelling(base)
    if word := urls.other_environment(base, environment):
        found.append(said("url-looks-other", word=word, environment=environment))
    own = await deps.connections.of_tenant(tenant)
    for one in own:
        if name in fhir_bases.named(one):
            same = one.environment == environment
            finding = "url-taken-here" if same else "url-other-environment"
            found.append(said(finding, connection=one.id, environment=one.environment))
        elif one.environment != environment and urls.server(base) in map(urls.server, fhir_bases.named(one)):
            found.append(said("url-same-server", connection=one.id, environment=one.environment))
    if not any(name in fhir_bases.named(one) for one in own) and await _foreign(name, tenant, deps):
        found.append(said("url-taken"))
    return found


async def _foreign(name: str, tenant: UUID, deps: Deps) -> bool:
    """Another tenant's connection has it, and nobody said that it is shared with this one (F1.13)."""
    shared = [one for one in await fhir_bases.shared(deps) if fhir_bases.spelling(one.fhir_base_url) == name]
    if any(tenant in {one.parent, *one.children} for one in shared):
        return False
    row = await deps.lookups.find(Kind.FHIR_BASE, name)
    if row is None:
        return bool(shared)
    try:
        holder, _ = await deps.connections.find(str(row["target"]))
    except Refused:  # claimed by a connection that was never saved
        return False
    return holder.tenant != tenant and name in fhir_bases.named(holder)


def _server(endpoints: SmartEndpoints, version: str) -> Server:
    return Server(
        fhir_base_url=endpoints.base,
        fhir_version=version,
        speaks=urls.spoken(version),
        suffix=urls.version_of(endpoints.base),
        capabilities=tuple(sorted(endpoints.capabilities)),
        pkce=endpoints.pkce,
        authentication=tuple(sorted(endpoints.authentication)),
        authorize_host=authority(endpoints.authorize),
        token_host=authority(endpoints.token),
        keys_host=authority(endpoints.jwks) if endpoints.jwks else None,
    )
