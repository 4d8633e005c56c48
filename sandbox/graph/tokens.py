"""Who calls: access tokens of the Entra stand-in, checked as Graph checks them (microsoft-apis.md section 4)."""

from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
from aiohttp import web

from sandbox import world
from sandbox.graph.refusal import Refusal

AUDIENCE = "https://graph.microsoft.com"
FETCH_SECONDS = 5


@dataclass(frozen=True)
class Caller:
    """An application acting in a tenant with the application permissions it was granted there."""

    tenant: str
    app: str
    roles: frozenset[str]

    def must_have_one_of(self, *roles: str) -> None:
        """Refuse unless the token carries at least one of these permissions."""
        if self.roles.isdisjoint(roles):
            message = "Insufficient privileges to complete the operation."
            raise Refusal(403, "Authorization_RequestDenied", message)


def unauthorized(message: str) -> Refusal:
    """401 with Graph's code for any fault of the token."""
    return Refusal(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": 'Bearer realm=""'})


class Gate:
    """Checks bearer tokens against the keys that Entra publishes per tenant; lifetimes are in real time."""

    def __init__(self, entra: str) -> None:
        self._entra = entra
        self._keys: dict[tuple[str, str], jwt.PyJWK] = {}

    async def caller(self, request: web.Request, http: aiohttp.ClientSession) -> Caller:
        """The application behind the request; `Refusal` 401 for anything wrong with its token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("Access token is empty.")
        tenant, kid = _unverified(token)
        claims = self._verified(token, await self._key(tenant, kid, http), tenant)
        app = claims.get("azp") or claims.get("appid")
        if "scp" in claims or not isinstance(app, str):
            raise unauthorized("Only application tokens are accepted here.")
        return Caller(tenant, app, frozenset(claims.get("roles", [])))

    def _verified(self, token: str, key: jwt.PyJWK, tenant: str) -> dict[str, Any]:
        issuers = [f"{self._entra}/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"]
        try:
            return jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=AUDIENCE,
                issuer=issuers,
                options={"require": ["exp", "iss", "aud", "tid"]},
            )
        except jwt.ExpiredSignatureError:
            raise unauthorized("Lifetime validation failed, the token is expired.") from None
        except jwt.InvalidAudienceError:
            raise unauthorized("Access token validation failure. Invalid audience.") from None
        except jwt.InvalidTokenError:
            raise unauthorized("Access token validation failure.") from None

    async def _key(self, tenant: str, kid: str, http: aiohttp.ClientSession) -> jwt.PyJWK:
        if (tenant, kid) not in self._keys:
            self._keys |= {(tenant, key.key_id): key for key in await self._published(tenant, http) if key.key_id}
        if found := self._keys.get((tenant, kid)):
            return found
        raise unauthorized("Access token validation failure. Unknown signing key.")

    async def _published(self, tenant: str, http: aiohttp.ClientSession) -> list[jwt.PyJWK]:
        url = f"{self._entra}/{tenant}/discovery/v2.0/keys"
        try:
            async with http.get(url, timeout=aiohttp.ClientTimeout(FETCH_SECONDS)) as answer:
                answer.raise_for_status()
                return list(jwt.PyJWKSet.from_dict(await answer.json()).keys)
        except (aiohttp.ClientError, TimeoutError, ValueError, jwt.PyJWTError):
            raise Refusal(503, "ServiceUnavailable", "The signing keys could not be read.") from None


def _unverified(token: str) -> tuple[str, str]:
    """Tenant and key id that the token names; they only choose the key it is then checked with."""
    try:
        tenant = jwt.decode(token, options={"verify_signature": False}).get("tid")
        kid = jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError:
        raise unauthorized("CompactToken parsing failed.") from None
    if tenant not in world.TENANTS or not isinstance(kid, str):
        raise unauthorized("Access token validation failure. Invalid tenant or key.")
    return str(tenant), kid
