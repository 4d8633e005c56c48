"""Where an Epic's endpoints are and what it can do (epic.md 1.4, 3.1).

Every client sends its Epic-Client-ID, because a hospital may give one client other endpoints. A server from before
August 2021 knows no smart-configuration; its capability statement says the same. What is found must stand on the
FHIR base's own host or on one that was approved with it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.clients.addresses import Trusted, authority, checked_url
from shared.clients.outbound import Outbound, Unreadable
from shared.clock import Clock
from shared.errors import Code, Refused

FHIR_JSON = "application/fhir+json, application/json;q=0.9"
CLIENT_ID = "Epic-Client-ID"
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_VERSIONS = ("R4", "STU3", "DSTU2")
_KEPT = timedelta(hours=1)
_OK = 200
#: A capability statement lists every resource and search parameter of the server.
_METADATA_LIMIT = 8_000_000

type Document = dict[str, Any]


@dataclass(frozen=True)
class SmartEndpoints:
    """What discovery found for one client.

    issuers        what `iss` of an id_token may be: the form of before May 2020 and that of after
    jwks           None: the server publishes no keys, so its id_tokens cannot be believed
    pkce           S256 is announced
    fhir_version   R4, STU3 or DSTU2, as the base's last part says; empty when it does not
    authentication how a client may prove itself at the token endpoint; empty when the server does not say
    """

    base: str
    authorize: str
    token: str
    jwks: str | None
    issuers: frozenset[str]
    pkce: bool
    capabilities: frozenset[str]
    fhir_version: str
    authentication: frozenset[str] = frozenset()


class SmartDiscovery:
    """Finds endpoints and keeps them for an hour per base, client and approved hosts."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound = outbound
        self._clock = clock
        self._kept: dict[tuple[str, str, frozenset[str]], tuple[datetime, SmartEndpoints]] = {}

    async def discover(self, base: str, client_id: str, approved_hosts: Iterable[str] = ()) -> SmartEndpoints:
        """The endpoints for this client.

        approved_hosts   `host`, or `host:port` when the port is not 443
        Raises `Refused(FHIR_BASE_INVALID)` when nothing usable answers, `Refused(ADDRESS_REFUSED)` for a base that
        may not be called or an endpoint on a host that was not approved, `Later`.
        """
        base, hosts = base.rstrip("/"), frozenset(approved_hosts)
        found_at, found = self._kept.get((base, client_id, hosts), (None, None))
        now = self._clock.real()
        if found_at is None or found is None or now - found_at >= _KEPT:
            found = await self._look(base, client_id, hosts | {authority(base)})
            self._kept[base, client_id, hosts] = (now, found)
        return found

    async def fhir_version(self, base: str, client_id: str) -> tuple[int, str]:
        """HTTP status of the capability statement and its `fhirVersion`, empty when there is none.

        Raises `Refused(ADDRESS_REFUSED)`, `Later`.
        """
        url, headers = f"{base.rstrip('/')}/metadata", _headers(client_id, FHIR_JSON)
        answer = await self._outbound.call("GET", url, headers=headers, limit=_METADATA_LIMIT)
        try:
            return answer.status, _text(answer.or_later().json(), "fhirVersion")
        except Unreadable:
            return answer.status, ""

    async def _look(self, base: str, client_id: str, hosts: frozenset[str]) -> SmartEndpoints:
        smart = await self._document(f"{base}/.well-known/smart-configuration", client_id, "application/json")
        authorize, token = _text(smart, "authorization_endpoint"), _text(smart, "token_endpoint")
        if not authorize or not token:
            statement = await self._document(f"{base}/metadata", client_id, FHIR_JSON)
            uris = _oauth_uris(statement)
            authorize, token = uris.get("authorize", ""), uris.get("token", "")
        if not authorize or not token:
            raise Refused(Code.FHIR_BASE_INVALID, "fhirBaseUrl")
        _check_hosts(hosts, authorize=authorize, token=token)
        issuers = _issuers(base, token, _text(smart, "issuer"), hosts)
        return SmartEndpoints(
            base=base,
            authorize=authorize,
            token=token,
            jwks=await self._jwks(smart, issuers, client_id, hosts),
            issuers=frozenset(issuers),
            pkce="S256" in _texts(smart, "code_challenge_methods_supported"),
            capabilities=frozenset(_texts(smart, "capabilities")),
            fhir_version=next((name for name in _VERSIONS if base.upper().endswith(f"/{name}")), ""),
            authentication=frozenset(_texts(smart, "token_endpoint_auth_methods_supported")),
        )

    async def _jwks(self, smart: Document, issuers: list[str], client_id: str, hosts: frozenset[str]) -> str | None:
        found = _text(smart, "jwks_uri")
        for issuer in issuers:
            if found:
                break
            url = f"{issuer}/.well-known/openid-configuration"
            found = _text(await self._document(url, client_id, "application/json"), "jwks_uri")
        if found:
            _check_hosts(hosts, jwks=found)
        return found or None

    async def _document(self, url: str, client_id: str, accept: str) -> Document:
        """A JSON document, or an empty one when the server has none there."""
        headers = _headers(client_id, accept)
        answer = (await self._outbound.call("GET", url, headers=headers, limit=_METADATA_LIMIT)).or_later()
        try:
            return answer.json() if answer.status == _OK else {}
        except Unreadable:
            return {}


def _headers(client_id: str, accept: str) -> dict[str, str]:
    """Before the hospital has registered us there is no client id to send."""
    return {"Accept": accept} | ({CLIENT_ID: client_id} if client_id else {})


def _issuers(base: str, token: str, published: str, hosts: frozenset[str]) -> list[str]:
    """Both forms of `iss`, seen from the token endpoint, the FHIR base and what the server says of itself."""
    roots = [token.removesuffix("/token")]
    if "/api/FHIR/" in base:
        roots.append(base.partition("/api/FHIR/")[0] + "/oauth2")
    if published and authority(published) in hosts:
        roots.insert(0, published.rstrip("/").removesuffix("/token"))
    return [form for root in dict.fromkeys(roots) for form in (root, f"{root}/token")]


def _check_hosts(hosts: frozenset[str], **urls: str) -> None:
    for name, url in urls.items():
        checked_url(url, Trusted())  # https, no userinfo; Outbound checks again what we call ourselves
        if authority(url) not in hosts:
            raise Refused(Code.ADDRESS_REFUSED, name)


def _oauth_uris(statement: Document) -> dict[str, str]:
    """`authorize` and `token` from a capability statement's security extension."""
    for rest in _objects(statement, "rest"):
        security = rest.get("security")
        for extension in _objects(security if isinstance(security, dict) else {}, "extension"):
            if extension.get("url") == _OAUTH_URIS:
                return {_text(uri, "url"): _text(uri, "valueUri") for uri in _objects(extension, "extension")}
    return {}


def _text(document: Document, name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _texts(document: Document, name: str) -> Iterator[str]:
    value = document.get(name)
    return (each for each in value if isinstance(each, str)) if isinstance(value, list) else iter(())


def _objects(document: Document, name: str) -> Iterator[Document]:
    value = document.get(name)
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())
