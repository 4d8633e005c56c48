"""What Entra publishes about itself: configuration and keys, v1 and v2, per tenant and for `common`."""

from typing import Any

from aiohttp import web

from sandbox.entra import directory
from sandbox.entra.tokens import Tokens
from sandbox.peer import Peer

#: Anybody's browser may read these.
OPEN = {"Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=86400, private"}


class Discovery:
    """Serves the metadata and key documents."""

    def __init__(self, peer: Peer, tokens: Tokens) -> None:
        self.peer = peer
        self.tokens = tokens

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        return [
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self.configuration_v2),
            web.get("/{tenant}/.well-known/openid-configuration", self.configuration_v1),
            web.get("/{tenant}/discovery/v2.0/keys", self.keys_v2),
            web.get("/{tenant}/discovery/keys", self.keys_v1),
        ]

    async def configuration_v2(self, request: web.Request) -> web.Response:
        """Metadata of v2."""
        return self._configuration(request, 2, "/v2.0")

    async def configuration_v1(self, request: web.Request) -> web.Response:
        """Metadata of v1; its authorize and token endpoints are named, but not built."""
        return self._configuration(request, 1, "")

    async def keys_v2(self, request: web.Request) -> web.Response:
        """Keys for v2 tokens."""
        return self._keys(request, 2)

    async def keys_v1(self, request: web.Request) -> web.Response:
        """Keys for v1 tokens."""
        return self._keys(request, 1)

    def _configuration(self, request: web.Request, version: int, part: str) -> web.Response:
        tenant = directory.tenant(request.match_info["tenant"])
        self.peer.saw("configuration", tenant=tenant, version=version)
        root = f"{self.peer.url}/{tenant}"
        document: dict[str, Any] = {
            "issuer": self.tokens.issuer(_issuer_tenant(tenant), version),
            "authorization_endpoint": f"{root}/oauth2{part}/authorize",
            "token_endpoint": f"{root}/oauth2{part}/token",
            "end_session_endpoint": f"{root}/oauth2{part}/logout",
            "jwks_uri": f"{root}/discovery{part}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": list(directory.OPENID_SCOPES),
            "request_uri_parameter_supported": False,
        }
        return web.json_response(document, headers=OPEN)

    def _keys(self, request: web.Request, version: int) -> web.Response:
        tenant = directory.tenant(request.match_info["tenant"])
        self.peer.saw("keys", tenant=tenant, version=version)
        issuer = self.tokens.issuer(_issuer_tenant(tenant), version)
        return web.json_response(self.tokens.keys.document(issuer), headers=OPEN)


def _issuer_tenant(tenant: str) -> str:
    """`common` speaks for every tenant, so its issuer is a template."""
    return "{tenantid}" if tenant in directory.ANY_TENANT else tenant
