"""The Function Apps' managed identity, as App Service offers it (IDENTITY_ENDPOINT, IDENTITY_HEADER).

    GET /msi/token?api-version=2019-08-01&resource=R[&client_id=C]   header X-IDENTITY-HEADER

It serves storage, Communication Services, and the exchange token by which the connector's registration
trusts the identity instead of a certificate.
"""

import hmac
from typing import Any

from aiohttp import web

from sandbox import world
from sandbox.entra.directory import OPERATED, TOKEN_EXCHANGE, TOKEN_EXCHANGE_AUDIENCE, Principal
from sandbox.entra.refusals import NOT_STORED
from sandbox.entra.tokens import Tokens
from sandbox.peer import Peer

API_VERSION = "2019-08-01"
IDENTITY = Principal(world.OPERATOR_TENANT, world.MANAGED_IDENTITY, world.MANAGED_IDENTITY_OID)


class ManagedIdentity:
    """Hands tokens to whoever is inside the Function App."""

    def __init__(self, peer: Peer, tokens: Tokens) -> None:
        self.peer = peer
        self.tokens = tokens

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        return [web.get("/msi/token", self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        """A token, or why not."""
        resource = request.query.get("resource", "")
        shown = request.headers.get("X-IDENTITY-HEADER", "")
        if not hmac.compare_digest(shown.encode(), world.MANAGED_IDENTITY_HEADER.encode()):
            return self._refuse(401, "the identity header is missing or wrong", resource)
        if request.query.get("api-version") != API_VERSION:
            return self._refuse(400, "unsupported api-version", resource)
        if request.query.get("client_id", world.MANAGED_IDENTITY) != world.MANAGED_IDENTITY:
            return self._refuse(400, "no such managed identity", resource)
        if set(request.query) - {"resource", "api-version", "client_id"}:
            return self._refuse(400, "unknown parameter", resource)
        if resource.removesuffix("/") not in (*OPERATED, TOKEN_EXCHANGE):
            return self._refuse(400, "unknown resource", resource)
        self.peer.saw("managed_identity", resource=resource)
        return web.json_response(self._token(resource), headers=NOT_STORED)

    def _token(self, resource: str) -> dict[str, Any]:
        exchange = resource == TOKEN_EXCHANGE
        audience = TOKEN_EXCHANGE_AUDIENCE if exchange else resource
        claims = self.tokens.application(IDENTITY, 2 if exchange else 1, audience)
        return {
            "access_token": self.tokens.keys.signing.sign(claims),
            "client_id": world.MANAGED_IDENTITY,
            "expires_on": str(claims["exp"]),
            "resource": resource,
            "token_type": "Bearer",
        }

    def _refuse(self, status: int, reason: str, resource: str) -> web.Response:
        self.peer.saw("refused", path="/msi/token", status=status, reason=reason, resource=resource)
        return web.json_response({"statusCode": status, "message": reason}, status=status)
