"""Keys and tokens for tests: an issuer that signs what it is told."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class Issuer:
    """RSA keys by id; the first signs."""

    def __init__(self, *kids: str) -> None:
        self.keys = {kid: rsa.generate_private_key(65537, 2048) for kid in kids}

    def jwks(self, **more: Any) -> dict[str, Any]:
        return {"keys": [public(key, kid) | more for kid, key in self.keys.items()]}

    def sign(self, claims: dict[str, Any], kid: str | None = None) -> str:
        kid = kid or next(iter(self.keys))
        return jwt.encode(claims, self.keys[kid], "RS256", headers={"kid": kid})

    def confused(self, claims: dict[str, Any]) -> str:
        """HS256 with the public key as its secret, which libraries refuse to make."""
        kid, key = next(iter(self.keys.items()))
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        body = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": kid}, claims))
        return f"{body}.{b64(hmac.digest(pem, body.encode(), hashlib.sha256))}"


def public(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    members = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: members[name] for name in ("kty", "n", "e")} | {"kid": kid, "use": "sig"}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
