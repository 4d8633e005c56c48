"""The key ring of one environment: what /jwks publishes and what proves us at Epic's token endpoint.

Pure. Epic's rules for client assertions are its OAuth 2.0 specification's: RS384 or ES384 with a JWKS URL,
RSA of at least 2048 bits, a `jti` never used before, at most five minutes from issue to expiry.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from shared.errors import Broken

type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_LIFETIME = timedelta(minutes=4)
#: Epic refuses what was issued in its future: this much may our clock be ahead.
_AHEAD = timedelta(seconds=30)
_SMALLEST_RSA = 2048


@dataclass(frozen=True)
class SigningKey:
    """One private key, its id and the algorithm it signs with."""

    kid: str
    key: PrivateKey
    algorithm: str

    def public(self) -> dict[str, Any]:
        """The public half as a JWK."""
        public = self.key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            members = RSAAlgorithm.to_jwk(public, as_dict=True)
        else:
            members = ECAlgorithm.to_jwk(public, as_dict=True)
        members.pop("key_ops", None)
        return {**members, "kid": self.kid, "alg": self.algorithm, "use": "sig"}


class SigningKeys:
    """The ring: the first key signs, all are published. Raises `Broken` for a key Epic would refuse."""

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        self._keys = tuple(_read(kid, pem) for kid, pem in keys)

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The JWK set to publish."""
        return {"keys": [key.public() for key in self._keys]}

    def assertion(self, client_id: str, token_url: str, now: datetime, jti: str) -> str:
        """A client assertion (RFC 7523) for one request to `token_url`; `now` in real time, `jti` fresh."""
        if not self._keys:
            raise Broken("this environment has no signing key")
        signer = self._keys[0]
        issued = now - _AHEAD
        claims = {"iss": client_id, "sub": client_id, "aud": token_url, "jti": jti}
        times = {"iat": issued, "nbf": issued, "exp": now + _LIFETIME}
        return jwt.encode({**claims, **times}, signer.key, signer.algorithm, headers={"kid": signer.kid})


def _read(kid: str, pem: str) -> SigningKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise Broken(f"signing key {kid} cannot be read") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _SMALLEST_RSA:
        return SigningKey(kid, key, "RS384")
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return SigningKey(kid, key, "ES384")
    raise Broken(f"signing key {kid} is neither RSA of 2048 bits or more nor P-384")
