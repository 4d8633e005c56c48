"""Entra's tokens that callers bring: people and programs at our API, and Microsoft's own services.

The order of the checks and both token formats are those of microsoft-apis.md, section 4. Keys come from the
`common` key sets, two fixed addresses, so a token cannot make us fetch anything; each key says for which issuer
it signs.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from shared.clients.jwts import Verified, Verifier, unverified
from shared.clients.keysets import KeySets
from shared.errors import Code, Refused

#: The one scope of our API.
SCOPE = "access_as_user"
_V1_ISSUER = "https://sts.windows.net/{tenantid}/"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Caller:
    """Who calls our API. The identity is (tenant, user); names and addresses are not kept.

    user     object id (`oid`) of the person or, when `app`, of the program's service principal
    roles    app roles of our API
    scopes   delegated scopes; none for a program
    app      True: a program acts for itself
    client   the application the token was issued to (`azp`)
    """

    tenant: str
    user: str
    roles: frozenset[str]
    scopes: frozenset[str]
    app: bool
    client: str


class AccessTokens:
    """Tokens for our API: v2, RS256, our audience. Which tenants may do what is the caller's question.

    A person's token is taken from the applications in `callers` alone, unless that is empty: consent is easily
    talked out of somebody, and any application with it could act for an administrator. A program's token needs roles
    of its own, which its tenant's administrator gave it.
    """

    def __init__(self, authority: str, audience: str, keysets: KeySets, callers: Collection[str] = frozenset()) -> None:
        self._tokens = _EntraTokens(authority, keysets)
        self._audience = audience
        self._callers = callers

    async def check(self, bearer: str) -> Caller:
        """Who holds this token (without the word Bearer). Raises `Refused(TOKEN_REFUSED)`."""
        token = await self._tokens.verify(bearer, {self._audience})
        scopes, roles = frozenset(token.text("scp").split()), token.claims.get("roles", [])
        app = "scp" not in token.claims and token.text("idtyp") == "app"
        user, client = token.text("oid"), token.text("azp")
        known = _GUID.fullmatch(user) and client and isinstance(roles, list)
        if token.text("ver") != "2.0" or not known or not (app or SCOPE in scopes):
            raise Refused(Code.TOKEN_REFUSED)
        if not app and self._callers and client not in self._callers:
            raise Refused(Code.TOKEN_REFUSED)
        held = frozenset(role for role in roles if isinstance(role, str))
        return Caller(token.text("tid"), user, held, scopes, app, client)


class AppTokens:
    """Tokens by which Microsoft's own services prove themselves: Event Grid, Graph's change notifications."""

    def __init__(self, authority: str, keysets: KeySets) -> None:
        self._tokens = _EntraTokens(authority, keysets)

    async def check(
        self,
        token: str,
        audience: str,
        app_ids: Collection[str],
        tenants: Collection[str] | None = None,
        *,
        waited: timedelta = timedelta(),
    ) -> str:
        """The tenant whose token this is, v1 or v2. Raises `Refused(TOKEN_REFUSED)`.

        audience   our application
        app_ids    the applications that may have asked for it (`appid` in v1, `azp` in v2)
        tenants    None: any
        waited     how long the token lay with us since it was shown
        """
        verified = await self._tokens.verify(token, {audience}, waited=waited)
        client = verified.text("azp" if verified.text("ver") == "2.0" else "appid")
        tenant = verified.text("tid")
        if client not in app_ids or (tenants is not None and tenant not in tenants):
            raise Refused(Code.TOKEN_REFUSED)
        return tenant


class _EntraTokens:
    """Signature, issuer and tenant of a token of either version."""

    def __init__(self, authority: str, keysets: KeySets) -> None:
        v2 = authority + "/{tenantid}/v2.0"
        self._issuers = {"1.0": _V1_ISSUER, "2.0": v2}
        common = f"{authority}/common/discovery"
        self._keys = {"1.0": f"{common}/keys", "2.0": f"{common}/v2.0/keys"}
        self._verifier = Verifier(keysets, Code.TOKEN_REFUSED)

    async def verify(self, token: str, audiences: Collection[str], *, waited: timedelta = timedelta()) -> Verified:
        version = unverified(token).get("ver")
        if not isinstance(version, str) or version not in self._issuers:
            raise Refused(Code.TOKEN_REFUSED)
        verified = await self._verifier.verify(token, self._keys[version], audiences, waited=waited)
        tenant = verified.text("tid")
        own = {name: template.replace("{tenantid}", tenant) for name, template in self._issuers.items()}
        signs_for = (verified.key_issuer or own[version]).replace("{tenantid}", tenant)
        # A key's issuer tells tenants apart; Entra writes it in one version's form in the sets of both.
        if not _GUID.fullmatch(tenant) or verified.text("iss") != own[version] or signs_for not in own.values():
            raise Refused(Code.TOKEN_REFUSED)
        return verified
