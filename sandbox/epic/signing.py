"""The keys an instance signs its id_tokens with, and the opaque tokens it hands out."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


class SigningKeys:
    """A ring of RSA keys: all are published, the newest signs. The first is made when it is first needed."""

    def __init__(self) -> None:
        self._ring: dict[str, rsa.RSAPrivateKey] = {}

    def add(self) -> str:
        """A new key signs from now on; answers its kid."""
        kid = secrets.token_hex(8)
        self._ring[kid] = _rsa()
        return kid

    def public(self) -> dict[str, Any]:
        """The key set as it is published."""
        keys = []
        self._newest()
        for kid, key in self._ring.items():
            jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            keys.append({"kty": "RSA", "use": "sig", "kid": kid, "n": jwk["n"], "e": jwk["e"]})
        return {"keys": keys}

    def sign(self, claims: dict[str, Any], how: str) -> str:
        """A JWT; `how` as in Options.id_token_signature."""
        kid, key = self._newest()
        if how == "none":
            return jwt.encode(claims, "", algorithm="none", headers={"kid": kid})
        if how == "hs256":
            return _confused(claims, kid, key.public_key())
        return jwt.encode(claims, _rsa() if how == "stranger" else key, algorithm="RS256", headers={"kid": kid})

    def _newest(self) -> tuple[str, rsa.RSAPrivateKey]:
        if not self._ring:
            self.add()
        return list(self._ring.items())[-1]


def opaque(kind: str) -> str:
    """A long token that looks like a JWT and means nothing to anyone but us, as Epic's do (1.4)."""
    parts = (b'{"alg":"RS256","typ":"JWT"}', json.dumps({"epic.tokentype": kind}).encode() + secrets.token_bytes(240))
    return ".".join(_b64(part) for part in (*parts, secrets.token_bytes(256)))


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _confused(claims: dict[str, Any], kid: str, key: rsa.RSAPublicKey) -> str:
    """Signed as HS256 with the public key as the secret; jwt.encode rightly refuses to make this."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    signed = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{_b64(hmac.digest(pem, signed.encode(), hashlib.sha256))}"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
