"""Published signing keys of others, cached (microsoft-apis.md 4, "Key rollover"; architecture, rule 7).

A set is read again each hour and at most a day old. When its address does not answer the last good one serves on.
A key id we do not know makes one more request, at most one in five minutes and address: a flood of invented ids
costs the peer nothing.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.clients.addresses import authority
from shared.clients.outbound import Outbound, Unreadable
from shared.clock import Clock
from shared.errors import ConnectorError, Later

_REFRESH_AFTER = timedelta(hours=1)
_USABLE_FOR = timedelta(hours=24)
_AT_MOST_EVERY = timedelta(minutes=5)
_OK = 200
_ALGORITHMS = {"RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "EC": ("ES256", "ES384", "ES512")}
#: The members of a public key. A set that publishes more (a private half, certificates) gives us no more.
_PUBLIC = ("kty", "kid", "alg", "use", "n", "e", "crv", "x", "y")
_SMALLEST_RSA = 2048
_SMALLEST_EXPONENT = 3


@dataclass(frozen=True)
class VerificationKey:
    """A key somebody signs with; `issuer` is the one it is limited to, as Entra's common set says."""

    jwk: jwt.PyJWK
    issuer: str | None


@dataclass
class _Cached:
    keys: dict[str, VerificationKey]
    fetched: datetime
    tried: datetime


class KeySets:
    """Key sets by address."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound = outbound
        self._clock = clock
        self._sets: dict[str, _Cached] = {}
        self._flights: dict[str, asyncio.Task[None]] = {}

    async def key(self, url: str, kid: str) -> VerificationKey | None:
        """The key `kid` of the set at `url`, or None when the set has no such key.

        Raises `Later` when there is no set to look in, and what `Outbound.call` raises for the address.
        """
        now = self._clock.real()
        cached = self._sets.get(url)
        if cached is None or now - cached.fetched >= _USABLE_FOR:
            await self._fetched(url)
        elif now - cached.tried >= _AT_MOST_EVERY and (
            now - cached.fetched >= _REFRESH_AFTER or kid not in cached.keys
        ):
            await self._tried(url, cached, now)
        return self._sets[url].keys.get(kid)

    async def _tried(self, url: str, cached: _Cached, now: datetime) -> None:
        """Fetch, and keep the last good set when that fails. Those who come meanwhile use what is there."""
        cached.tried = now
        try:
            await self._fetched(url)
        except ConnectorError:
            return

    async def _fetched(self, url: str) -> None:
        """Fetch once, however many ask at the same time."""
        if url not in self._flights:
            flight = asyncio.create_task(self._fetch(url))
            self._flights[url] = flight
            flight.add_done_callback(lambda _: self._flights.pop(url, None))
        await asyncio.shield(self._flights[url])

    async def _fetch(self, url: str) -> None:
        answer = (await self._outbound.call("GET", url)).or_later()
        if answer.status != _OK:
            raise Later(authority(url))
        published = answer.json().get("keys")
        keys = usable(published if isinstance(published, list) else [])
        if not keys:
            raise Unreadable(authority(url))
        now = self._clock.real()
        self._sets[url] = _Cached(keys, fetched=now, tried=now)


def usable(published: Iterable[Any]) -> dict[str, VerificationKey]:
    """Signing keys by id: RSA and EC with a known algorithm. All else in a set is passed over."""
    found = (_usable(entry) for entry in published if isinstance(entry, dict))
    return {str(key.jwk.key_id): key for key in found if key}


def _usable(entry: dict[str, Any]) -> VerificationKey | None:
    known = _ALGORITHMS.get(str(entry.get("kty")), ())
    if not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
        return None
    if entry.get("alg") is not None and entry["alg"] not in known:
        return None
    try:
        jwk = jwt.PyJWK({name: entry[name] for name in _PUBLIC if entry.get(name) is not None})
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    issuer = entry.get("issuer")
    return VerificationKey(jwk, issuer if isinstance(issuer, str) else None) if _strong(jwk.key) else None


def _strong(key: object) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _SMALLEST_RSA and key.public_numbers().e >= _SMALLEST_EXPONENT
    return isinstance(key, ec.EllipticCurvePublicKey)
