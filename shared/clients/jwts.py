"""Tokens that others signed: the checks that Entra's and Epic's have in common.

RS256 and nothing else, by a published key named in the header; audience, expiry and issue time must be there and
right. What a claim means is for the caller to judge.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt

from shared.clients.keysets import KeySets
from shared.errors import Code, Refused

ALGORITHM = "RS256"
#: How far two clocks may be apart.
SKEW = timedelta(minutes=1)
_REQUIRED = ["aud", "exp", "iat", "iss"]


@dataclass(frozen=True)
class Verified:
    """Claims under a true signature; `key_issuer` is the issuer its key is limited to, if any."""

    claims: dict[str, Any] = field(repr=False)
    key_issuer: str | None

    def text(self, name: str) -> str:
        """A claim that is a string; empty when it is missing or something else."""
        value = self.claims.get(name)
        return value if isinstance(value, str) else ""


class Verifier:
    """Checks tokens; every fault is one refusal that does not say which."""

    def __init__(self, keysets: KeySets, refusal: Code) -> None:
        self._keysets = keysets
        self._refusal = refusal

    async def verify(
        self, token: str, keys_url: str, audiences: Collection[str], *, waited: timedelta = timedelta()
    ) -> Verified:
        """The token's claims. Raises `Refused`, or `Later` when the key set cannot be had.

        waited   how long the token lay with us since it was shown: it had to be good then
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise Refused(self._refusal) from None
        kid = header.get("kid")
        if header.get("alg") != ALGORITHM or not isinstance(kid, str):
            raise Refused(self._refusal)
        key = await self._keysets.key(keys_url, kid)
        if key is None:
            raise Refused(self._refusal)
        return Verified(self._claims(token, key.jwk, audiences, SKEW + max(waited, timedelta())), key.issuer)

    def _claims(self, token: str, key: jwt.PyJWK, audiences: Collection[str], leeway: timedelta) -> dict[str, Any]:
        try:
            return jwt.decode(
                token, key, [ALGORITHM], audience=list(audiences), leeway=leeway, options={"require": _REQUIRED}
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Refused(self._refusal) from None


def unverified(token: str) -> dict[str, Any]:
    """What a token claims, to choose where its key is looked up and for nothing else; empty if unreadable."""
    try:
        return jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return {}
