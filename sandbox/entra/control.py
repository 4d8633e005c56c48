"""What tests and the other stand-ins ask of this one, which the real Entra has no counterpart for.

GET    /_sandbox/token?user=KEY        {"token", "expires_on"}: the portal's access token for that user
POST   /_sandbox/mint                  {"token", "claims"}: any token, true or false (see `Order`)
GET    /_sandbox/keys                  [{"kid", "signs"}], oldest first
POST   /_sandbox/keys                  publish a fresh key and sign with it
DELETE /_sandbox/keys/{kid}            stop publishing a key
GET    /_sandbox/consents              {tenant: [permissions]}
PUT    /_sandbox/consents/{tenant}     as if an administrator had consented
DELETE /_sandbox/consents/{tenant}     as if an administrator had removed the application
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web

from sandbox import world
from sandbox.entra import directory
from sandbox.entra.directory import Directory
from sandbox.entra.keys import base64url, generate
from sandbox.entra.tokens import LIFETIME_SECONDS, Claims, Tokens
from sandbox.peer import CONTROL, Peer

#: The role that lets Event Grid deliver to a webhook protected by Entra.
EVENT_GRID_ROLE = "AzureEventGridSecureWebhookSubscriber"


@dataclass(frozen=True)
class Order:
    """A token to mint.

    kind      graph-validation  Graph's change tracking to the connector (audience: the connector)
              event-grid        Event Grid's delivery to the API
              user              `user` (a key of the world) to the API
              app               `client` with `roles` to `audience`
              raw               nothing but `claims`
    tenant    whose token; by default Lamna's, Event Grid's the operator's, a user's their own
    version   1 or 2: the token's format, except for `user` and `raw`
    claims    put over the usual ones; null takes one away
    alg       RS256, none, or HS256-with-public-key (key confusion)
    expired   ended an hour ago
    key       current, or unknown (published nowhere)
    """

    kind: str
    tenant: str = ""
    audience: str = ""
    version: int = 2
    user: str = ""
    client: str = world.CONNECTOR_APP
    roles: tuple[str, ...] = ()
    claims: Claims = field(default_factory=dict)
    alg: str = "RS256"
    expired: bool = False
    key: str = "current"


class Control:
    """The control routes."""

    def __init__(self, peer: Peer, registered: Directory, tokens: Tokens) -> None:
        self.peer = peer
        self.directory = registered
        self.tokens = tokens
        self._unknown = generate()
        self._kinds: dict[str, Callable[[Order], Claims]] = {
            "graph-validation": self._graph_validation,
            "event-grid": self._event_grid,
            "user": self._user,
            "app": self._app,
            "raw": lambda _: {},
        }

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        return [
            web.get(CONTROL + "token", self.user_token),
            web.post(CONTROL + "mint", self.mint),
            web.get(CONTROL + "keys", self.keys),
            web.post(CONTROL + "keys", self.roll),
            web.delete(CONTROL + "keys/{kid}", self.retire),
            web.get(CONTROL + "consents", self.consents),
            web.put(CONTROL + "consents/{tenant}", self.consent),
            web.delete(CONTROL + "consents/{tenant}", self.withdraw),
        ]

    async def user_token(self, request: web.Request) -> web.Response:
        """An ordinary token for the API, as the portal would hold it."""
        if (user := world.USERS.get(request.query.get("user", ""))) is None:
            return _wrong("no such user")
        claims = self.tokens.api_user(user, world.PORTAL_APP)
        return web.json_response({"token": self.tokens.keys.signing.sign(claims), "expires_on": claims["exp"]})

    async def mint(self, request: web.Request) -> web.Response:
        """A token to order."""
        try:
            order = Order(**await request.json())
            claims = _altered(self._kinds[order.kind](order), order)
            token = self._signed(claims, order)
        except (TypeError, KeyError, ValueError) as bad:
            return _wrong(f"{type(bad).__name__}: {bad}")
        self.peer.saw("mint", of=order.kind, alg=order.alg, key=order.key, expired=order.expired)
        return web.json_response({"token": token, "claims": claims})

    async def keys(self, _: web.Request) -> web.Response:
        """The published keys."""
        ring = self.tokens.keys
        return web.json_response([{"kid": kid, "signs": kid == ring.signing.kid} for kid in ring.published])

    async def roll(self, _: web.Request) -> web.Response:
        """A fresh key signs from now on."""
        return web.json_response({"kid": self.tokens.keys.roll().kid}, status=201)

    async def retire(self, request: web.Request) -> web.Response:
        """A key is published no longer."""
        try:
            self.tokens.keys.retire(request.match_info["kid"])
        except KeyError:
            return web.json_response({"error": "no such key"}, status=404)
        except ValueError as last:
            return web.json_response({"error": str(last)}, status=409)
        return web.Response(status=204)

    async def consents(self, _: web.Request) -> web.Response:
        """Where the connector may act."""
        return web.json_response(self.directory.granted)

    async def consent(self, request: web.Request) -> web.Response:
        """Let it act there."""
        self.directory.consent(directory.one_tenant(request.match_info["tenant"]))
        return web.Response(status=204)

    async def withdraw(self, request: web.Request) -> web.Response:
        """Let it act there no longer."""
        self.directory.granted.pop(request.match_info["tenant"], None)
        return web.Response(status=204)

    def _graph_validation(self, order: Order) -> Claims:
        tenant = order.tenant or world.LAMNA_TENANT
        return self._service(order, tenant, order.audience or world.CONNECTOR_APP, world.GRAPH_CHANGE_TRACKING_APP, ())

    def _event_grid(self, order: Order) -> Claims:
        tenant, roles = order.tenant or world.OPERATOR_TENANT, order.roles or (EVENT_GRID_ROLE,)
        return self._service(order, tenant, order.audience or world.API_APP, world.EVENT_GRID_APP, roles)

    def _app(self, order: Order) -> Claims:
        tenant = order.tenant or world.LAMNA_TENANT
        return self._service(order, tenant, order.audience or world.API_APP, order.client, order.roles)

    def _user(self, order: Order) -> Claims:
        return self.tokens.api_user(world.USERS[order.user], world.PORTAL_APP)

    def _service(self, order: Order, tenant: str, audience: str, client: str, roles: tuple[str, ...]) -> Claims:
        principal = directory.principal(tenant, client, tuple(roles))
        return self.tokens.application(principal, order.version, audience)

    def _signed(self, claims: Claims, order: Order) -> str:
        key = {"current": self.tokens.keys.signing, "unknown": self._unknown}[order.key]
        if order.alg == "none":
            return jwt.encode(claims, "", "none", headers={"kid": key.kid})
        if order.alg == "HS256-with-public-key":
            return _confused(claims, key.kid, key.public_pem())
        if order.alg != "RS256":
            raise ValueError("alg is RS256, none or HS256-with-public-key")
        return key.sign(claims)


def _altered(claims: Claims, order: Order) -> Claims:
    """The usual claims with the order's own tenant, audience, dates and overrides; null takes a claim away."""
    if order.kind == "user":
        claims |= {"tid": order.tenant} if order.tenant else {}
        claims |= {"aud": order.audience} if order.audience else {}
    if order.expired:
        past = 2 * LIFETIME_SECONDS
        claims |= {name: claims[name] - past for name in ("iat", "nbf", "exp") if name in claims}
    return {name: value for name, value in (claims | order.claims).items() if value is not None}


def _confused(claims: Claims, kid: str, public_pem: bytes) -> str:
    """HS256 with the public key as its secret; by hand, because libraries refuse to."""
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    body = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{body}.{base64url(hmac.new(public_pem, body.encode(), hashlib.sha256).digest())}"


def _wrong(reason: Any) -> web.Response:
    return web.json_response({"error": str(reason)}, status=400)
