"""Where the endpoints are: smart-configuration, metadata, OpenID configuration, the published keys (1.4, 3.1)."""

from typing import Any

from aiohttp import web

from sandbox.epic import fhir_xml
from sandbox.epic.hospital import AT_INSTANCE, Instance, of
from sandbox.epic.records import AppRecord

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
#: As fhir.epic.com serves them; the scopes of resources are not listed there (3.1).
SCOPES = ["epic.scanning.dmsusername", "fhirUser", "launch", "openid", "profile"]
CAPABILITIES = [
    "launch-ehr", "launch-standalone", "client-public", "client-confidential-symmetric",
    "client-confidential-asymmetric", "context-ehr-patient", "context-ehr-encounter", "permission-v1", "permission-v2",
    "sso-openid-connect", "authorize-post",
]  # fmt: skip


async def smart_configuration(request: web.Request) -> web.Response:
    """R4 only, and only since August 2021."""
    epic, instance = of(request)
    client = _client(request, instance)
    epic.saw("discovery", document="smart-configuration", client_id=client.client_id if client else None)
    if not instance.options.smart_configuration:
        raise web.HTTPNotFound
    pkce = {"code_challenge_methods_supported": ["S256"]} if instance.options.pkce else {}
    return web.json_response(
        _openid(instance, client) | {"management_endpoint": instance.url, "capabilities": CAPABILITIES} | pkce
    )


async def openid_configuration(request: web.Request) -> web.Response:
    """OpenID discovery, below the issuer in force."""
    epic, instance = of(request)
    epic.saw("discovery", document="openid-configuration", client_id=request.headers.get("Epic-Client-ID"))
    if request.url.path != instance.issuer.removeprefix(epic.url) + "/.well-known/openid-configuration":
        raise web.HTTPNotFound
    return web.json_response(_openid(instance, _client(request, instance)))


async def metadata(request: web.Request) -> web.Response:
    """The capability statement, XML unless Accept asks for JSON."""
    epic, instance = of(request)
    client = _client(request, instance)
    epic.saw("discovery", document="metadata", client_id=client.client_id if client else None)
    r4 = request.match_info["version"] == "R4"
    statement = {
        "resourceType": "CapabilityStatement" if r4 else "Conformance",
        "status": "active",
        "kind": "instance",
        "fhirVersion": "4.0.1" if r4 else "1.0.2",
        "format": ["xml", "json"],
        "rest": [{"mode": "server", "security": _security(instance, client), "resource": _resources(r4=r4)}],
    }
    return fhir_xml.answer(request, statement)


async def keys(request: web.Request) -> web.Response:
    """What id_tokens are signed with."""
    epic, instance = of(request)
    epic.saw("discovery", document="keys", client_id=None)
    return web.json_response(instance.signing.public())


def _client(request: web.Request, instance: Instance) -> AppRecord | None:
    """The app named in Epic-Client-ID: optional here, but an unknown one is refused."""
    client_id = request.headers.get("Epic-Client-ID")
    if client_id is None:
        return None
    if client_id not in instance.apps:
        raise web.HTTPBadRequest(text="Epic-Client-ID")
    return instance.apps[client_id]


def _endpoints(instance: Instance, client: AppRecord | None) -> dict[str, str]:
    token = instance.token_url(client)
    return {"authorize": token.removesuffix("token") + "authorize", "token": token}


def _openid(instance: Instance, client: AppRecord | None) -> dict[str, Any]:
    endpoints = _endpoints(instance, client)
    return {
        "issuer": instance.issuer,
        "jwks_uri": instance.jwks_uri,
        "authorization_endpoint": endpoints["authorize"],
        "token_endpoint": endpoints["token"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "response_types_supported": ["code"],
        "scopes_supported": SCOPES,
        "id_token_signing_alg_values_supported": ["RS256"],
        "subject_types_supported": ["public"],
    }


def _security(instance: Instance, client: AppRecord | None) -> dict[str, Any]:
    uris = [{"url": name, "valueUri": url} for name, url in _endpoints(instance, client).items()]
    return {"extension": [{"url": OAUTH_URIS, "extension": uris}], "cors": True}


def _resources(*, r4: bool) -> list[dict[str, Any]]:
    offered = {"Appointment": ("read", "search-type"), "Encounter": ("read",), "Patient": ("read",)}
    offered |= {"Practitioner": ("read",)}
    return [{"type": name, "interaction": [{"code": code} for code in codes]} for name, codes in offered.items() if r4]


routes = [
    web.get(AT_INSTANCE + "/api/FHIR/R4/.well-known/smart-configuration", smart_configuration),
    web.get(AT_INSTANCE + "/api/FHIR/{version:R4|DSTU2}/metadata", metadata),
    web.get(AT_INSTANCE + "/oauth2/.well-known/openid-configuration", openid_configuration),
    web.get(AT_INSTANCE + "/oauth2/token/.well-known/openid-configuration", openid_configuration),
    web.get(AT_INSTANCE + "/api/epic/2019/Security/Open/PublicKeys/530027/OIDC", keys),
]
