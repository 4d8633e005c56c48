"""What the tokens hold: claims of v1 and v2 access tokens and of id tokens.

Microsoft's own services get v1 tokens (issuer sts.windows.net, client in `appid`), the connector's API gets
v2 (issuer this stand-in's address, client in `azp`), as its registration asks for.
"""

import hashlib
import time
from typing import Any
from uuid import uuid4

from sandbox import world
from sandbox.entra import directory
from sandbox.entra.directory import Principal
from sandbox.entra.keys import KeyRing, base64url

LIFETIME_SECONDS = 3600
Claims = dict[str, Any]


class Tokens:
    """Signs tokens with the key ring of this stand-in."""

    def __init__(self, address: str, keys: KeyRing) -> None:
        self.address = address
        self.keys = keys

    def issuer(self, tenant: str, version: int) -> str:
        """The issuer of a tenant's tokens; the v1 one is Microsoft's own, because storage emulators insist."""
        return f"https://sts.windows.net/{tenant}/" if version == 1 else f"{self.address}/{tenant}/v2.0"

    def stamp(self, tenant: str, version: int, audience: str) -> Claims:
        """What every token holds. Real time: signatures know no moved clock."""
        now = int(time.time())
        return {
            "aud": audience,
            "iss": self.issuer(tenant, version),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "tid": tenant,
            "uti": base64url(uuid4().bytes),
            "ver": f"{version}.0",
        }

    def identity(self, user: world.User, client_id: str, scopes: tuple[str, ...], nonce: str) -> Claims:
        """An id token for the client; `nonce` is empty when none was sent."""
        claims = self.stamp(user.tenant, 2, client_id) | _person(user, client_id)
        if "profile" not in scopes:
            claims = {name: value for name, value in claims.items() if name not in {"name", "preferred_username"}}
        return claims | ({"nonce": nonce} if nonce else {})

    def api_user(self, user: world.User, client_id: str) -> Claims:
        """A user's access token for the connector's API; `roles` is absent for somebody without any."""
        claims = self.stamp(user.tenant, 2, world.API_APP) | _person(user, world.API_APP)
        claims |= {"azp": client_id, "azpacr": "0", "scp": world.API_SCOPE}
        return claims | ({"roles": list(user.roles)} if user.roles else {})

    def graph_user(self, user: world.User, client_id: str, scopes: tuple[str, ...]) -> Claims:
        """What a client that asked for OpenID scopes alone gets: a token for Graph's userinfo."""
        claims = self.stamp(user.tenant, 1, directory.GRAPH) | _person(user, directory.GRAPH)
        return claims | {"appid": client_id, "scp": " ".join(scopes)}

    def application(self, principal: Principal, version: int, audience: str) -> Claims:
        """An application's own token: no `scp`, `idtyp` app; `roles` is absent without permissions."""
        claims = self.stamp(principal.tenant, version, audience)
        claims |= {"appid" if version == 1 else "azp": principal.client_id, "idtyp": "app"}
        claims |= {"oid": principal.oid, "sub": principal.oid}
        return claims | ({"roles": list(principal.roles)} if principal.roles else {})


def _person(user: world.User, audience: str) -> Claims:
    """A user's claims; `sub` differs from one audience to the next, `oid` does not."""
    sub = base64url(hashlib.sha256(f"{audience}/{user.oid}".encode()).digest())
    return {"oid": user.oid, "sub": sub, "name": user.name, "preferred_username": user.upn}
