"""The token endpoint: POST /{tenant}/oauth2/v2.0/token, grants authorization_code and client_credentials.

Refresh tokens are not given out. A single-page application redeems its code cross-origin, so the endpoint
answers its preflight and nobody else's browser.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sandbox import world
from sandbox.entra import directory
from sandbox.entra.client_proof import ClientProof
from sandbox.entra.codes import Codes, Grant
from sandbox.entra.directory import ANY_TENANT, GRAPH, OPENID_SCOPES, OPERATED, Directory, Registration
from sandbox.entra.keys import base64url
from sandbox.entra.refusals import NOT_STORED, Refusal, needed, only
from sandbox.entra.tokens import LIFETIME_SECONDS, Tokens
from sandbox.peer import Peer

FORM = "application/x-www-form-urlencoded"
DEFAULT = "/.default"


class TokenEndpoint:
    """Turns codes and client credentials into tokens."""

    def __init__(self, peer: Peer, registered: Directory, codes: Codes, tokens: Tokens, proof: ClientProof) -> None:
        self.peer = peer
        self.directory = registered
        self.codes = codes
        self.tokens = tokens
        self.proof = proof

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        path = "/{tenant}/oauth2/v2.0/token"
        return [web.post(path, self.answer), web.options(path, self.preflight)]

    async def preflight(self, request: web.Request) -> web.Response:
        """A single-page application's browser asks whether it may post."""
        return web.Response(status=204, headers=self._shared(request) | {
            "Access-Control-Allow-Methods": "POST, OPTIONS",
            "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", ""),
        })  # fmt: skip

    async def answer(self, request: web.Request) -> web.Response:
        """Tokens, or a Refusal."""
        tenant = directory.tenant(request.match_info["tenant"])
        fields: Any = await request.post() if request.content_type == FORM else {}
        if not fields:
            raise Refusal(900144, "grant_type")
        grant_type = needed(fields, "grant_type")
        if grant_type not in {"authorization_code", "client_credentials"}:
            raise Refusal(70003)
        app = self.directory.registration(needed(fields, "client_id"))
        proved = self.proof.check(app, fields, f"{self.peer.url}{request.path}")
        if grant_type == "client_credentials":
            body = self._for_application(tenant, app, fields)
        else:
            body = self._for_user(tenant, app, fields, request)
        scope = only(fields, "scope")
        self.peer.saw("token", grant=grant_type, client_id=app.client_id, tenant=tenant, proof=proved, scope=scope)
        return web.json_response(body, headers=NOT_STORED | self._shared(request))

    def _for_application(self, tenant: str, app: Registration, fields: Any) -> dict[str, Any]:
        directory.one_tenant(tenant)
        if app.spa:
            raise Refusal(7000218)
        scope = needed(fields, "scope")
        if len(scope.split()) != 1 or not scope.endswith(DEFAULT):
            raise Refusal(1002012)
        audience = scope.removesuffix(DEFAULT)
        if tenant not in self.directory.granted:
            raise Refusal(7000229)
        principal = directory.principal(tenant, app.client_id, self._roles(tenant, audience))
        return self._bearer(self.tokens.application(principal, 1, audience))

    def _roles(self, tenant: str, audience: str) -> tuple[str, ...]:
        """The application's permissions on a service; the operator's services give theirs by Azure roles."""
        resource = audience.removesuffix("/")
        if resource == GRAPH:
            return self.directory.granted[tenant]
        if resource in OPERATED and tenant == world.OPERATOR_TENANT:
            return ()
        raise Refusal(500011, resource)

    def _for_user(self, tenant: str, app: Registration, fields: Any, request: web.Request) -> dict[str, Any]:
        code, redirect_uri = needed(fields, "code"), needed(fields, "redirect_uri")
        _same_kind_of_client(app, redirect_uri, request.headers.get("Origin"))
        if self.peer.faults_for(f"POST {request.path}", "expire_code"):
            self.codes.expire(code)
        verifier = needed(fields, "code_verifier")
        grant = self.codes.redeem(code, app.client_id, redirect_uri, verifier)
        if tenant not in (*ANY_TENANT, grant.user.tenant):
            raise Refusal(50020)
        return self._user_tokens(app, grant, _narrowed(grant, only(fields, "scope")), fields)

    def _user_tokens(self, app: Registration, grant: Grant, scopes: tuple[str, ...], fields: Any) -> dict[str, Any]:
        of_api = tuple(scope for scope in scopes if scope in app.scopes)
        given = tuple(scope for scope in scopes if scope != "offline_access")
        if of_api:
            body = self._bearer(self.tokens.api_user(grant.user, app.client_id))
        else:
            body = self._bearer(self.tokens.graph_user(grant.user, app.client_id, given))
        body["scope"] = " ".join(given)
        if "openid" in scopes:
            identity = self.tokens.identity(grant.user, app.client_id, scopes, grant.nonce)
            body["id_token"] = self.tokens.keys.signing.sign(identity)
        if only(fields, "client_info") == "1":
            account = {"uid": grant.user.oid, "utid": grant.user.tenant}
            body["client_info"] = base64url(json.dumps(account).encode())
        return body

    def _bearer(self, claims: dict[str, Any]) -> dict[str, Any]:
        lifetime = {"expires_in": LIFETIME_SECONDS - 1, "ext_expires_in": LIFETIME_SECONDS - 1}
        return {"token_type": "Bearer", **lifetime, "access_token": self.tokens.keys.signing.sign(claims)}

    def _shared(self, request: web.Request) -> dict[str, str]:
        """CORS headers, for origins of single-page applications."""
        origin = request.headers.get("Origin", "")
        allowed = {_origin(uri) for app in self.directory.registrations.values() if app.spa for uri in app.redirects}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin in allowed else {}


def _narrowed(grant: Grant, scope: str) -> tuple[str, ...]:
    """The scopes of the grant that the client still wants; none named means all. Raises Refusal."""
    wanted = tuple(scope.split()) or grant.scopes
    if set(wanted) - set(grant.scopes) - set(OPENID_SCOPES):
        raise Refusal(70000, "scope")
    return wanted


def _same_kind_of_client(app: Registration, redirect_uri: str, origin: str | None) -> None:
    """A single-page application redeems from its own origin, everybody else from no browser at all."""
    if app.spa and origin != _origin(redirect_uri):
        raise Refusal(9002327)
    if not app.spa and origin is not None:
        raise Refusal(9002326)


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"
