"""Client authentication with a signed JWT, and the reading of an app's JWKS URL (3.3)."""

import json
import re
import ssl
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

#: Algorithm -> key type and curve.
ALGORITHMS = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
}
LONGEST_LIFE_SECONDS = 300
LONGEST_JTI = 151
LONGEST_CACHE_SECONDS = 29 * 3600
SMALLEST_RSA_BITS = 2048
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


class BadAssertion(Exception):
    """The client did not prove who it is; the text says which rule was broken."""


class KeySets:
    """The apps' key sets, kept as long as Cache-Control allows and at most 29 hours."""

    def __init__(self, tls: ssl.SSLContext, saw: Callable[..., None]) -> None:
        self._tls = tls
        self._saw = saw
        self._kept: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    async def find(self, url: str, kid: str) -> dict[str, Any]:
        """The key of this id. Reads the URL at most once per call, that is per presented JWT."""
        until, keys = self._kept.get(url, (0.0, []))
        if until > time.monotonic() and (found := _by_kid(keys, kid)):
            return found
        if found := _by_kid(await self._read(url), kid):
            return found
        raise BadAssertion("kid is not in the key set")

    async def _read(self, url: str) -> list[dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, ssl=self._tls, allow_redirects=False) as answer,
            ):
                self._saw("jwks", url=url, status=answer.status)
                if answer.status != 200:
                    raise BadAssertion("the JWKS URL does not answer 200")
                keys = [dict(key) for key in (await answer.json())["keys"]]
                lives = cache_seconds(answer.headers.get("Cache-Control", ""))
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            self._saw("jwks", url=url, status=None)
            raise BadAssertion("the JWKS URL could not be read") from error
        self._kept[url] = (time.monotonic() + lives, keys)
        return keys


def cache_seconds(cache_control: str) -> float:
    """How long a key set may be kept: 29 hours unless the header says less."""
    if re.search(r"\bno-(store|cache)\b", cache_control):
        return 0
    age = re.search(r"\bmax-age=(\d+)", cache_control)
    return min(int(age[1]), LONGEST_CACHE_SECONDS) if age else LONGEST_CACHE_SECONDS


async def check(
    token: str, client_id: str, *, jwks_url: str, audience: str, key_sets: KeySets, used: set[tuple[str, str]]
) -> None:
    """Raise BadAssertion unless every rule of 3.3 holds; remembers the jti.

    The token is one that `subject` could read: a JWT with an object of claims, whose sub is `client_id`.
    """
    header = jwt.get_unverified_header(token)
    claims = _verified(token, header, await key_sets.find(jwks_url, _kid(header, jwks_url)))
    if claims.get("iss") != client_id:
        raise BadAssertion("iss and sub are not the same client")
    if claims.get("aud") != audience:
        raise BadAssertion("aud is not exactly the token URL")
    _check_times(claims, time.time())
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        raise BadAssertion("jti is not a string of at most 151 characters")
    if (client_id, jti) in used:
        raise BadAssertion("jti was used before")
    used.add((client_id, jti))


def subject(token: str) -> str | None:
    """Whom an assertion speaks for, unproven."""
    try:
        named = jwt.decode(token, options={"verify_signature": False}).get("sub")
    except jwt.InvalidTokenError:
        return None
    return named if isinstance(named, str) else None


def _kid(header: dict[str, Any], jwks_url: str) -> str:
    if header.get("alg") not in ALGORITHMS:
        raise BadAssertion("alg is not one Epic takes")
    if header.get("jku", jwks_url) != jwks_url:
        raise BadAssertion("jku is not the registered URL")
    if not header.get("kid"):
        raise BadAssertion("kid is missing")
    return str(header["kid"])


def _verified(token: str, header: dict[str, Any], jwk: dict[str, Any]) -> dict[str, Any]:
    """The claims, once the signature holds under a key fit for the algorithm."""
    kind, curve = ALGORITHMS[header["alg"]]
    if jwk.get("kty") != kind or jwk.get("crv") != curve or PRIVATE_MEMBERS & jwk.keys():
        raise BadAssertion("the key does not fit the algorithm, or is not public")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", header["alg"]) != header["alg"]:
        raise BadAssertion("the key is meant for something else")
    try:
        key = jwt.PyJWK(jwk, header["alg"]).key
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA_BITS:
            raise BadAssertion("the RSA key is shorter than 2048 bits")
        # The signature only: PyJWT's own claim checks are lenient where Epic's are not.
        claims: dict[str, Any] = json.loads(jwt.PyJWS().decode(token, key, algorithms=[header["alg"]]))
    except (jwt.PyJWTError, ValueError) as error:
        raise BadAssertion("the signature is false") from error
    return claims


def _check_times(claims: dict[str, Any], now: float) -> None:
    if "exp" not in claims or not all(_is_number(claims[name]) for name in ("exp", "nbf", "iat") if name in claims):
        raise BadAssertion("exp is missing, or a time is not a number")
    exp = claims["exp"]
    if not now < exp <= now + LONGEST_LIFE_SECONDS:
        raise BadAssertion("exp is past, or more than five minutes ahead")
    for start in (claims[name] for name in ("nbf", "iat") if name in claims):
        if start > now:
            raise BadAssertion("nbf or iat is in the future")
        if exp - start > LONGEST_LIFE_SECONDS:
            raise BadAssertion("it lives longer than five minutes")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _by_kid(keys: list[dict[str, Any]], kid: str) -> dict[str, Any] | None:
    return next((key for key in keys if key.get("kid") == kid), None)
