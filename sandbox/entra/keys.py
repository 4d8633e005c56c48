"""The keys Entra signs with: several are published at a time, one signs, and they roll over."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

VALID = timedelta(days=365)


def base64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class SigningKey:
    """One key with the self-signed certificate it is published in; `kid` is the certificate's thumbprint."""

    kid: str
    private: rsa.RSAPrivateKey
    certificate: bytes

    def sign(self, claims: dict[str, Any]) -> str:
        """An RS256 token as Entra's look: kid in the header."""
        return jwt.encode(claims, self.private, "RS256", headers={"kid": self.kid})

    def public_pem(self) -> bytes:
        """The public half as PEM: what a key-confusion attacker uses as an HMAC secret."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def published(self, issuer: str) -> dict[str, Any]:
        """The key's entry in the key document."""
        return {
            **jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True),
            "kid": self.kid,
            "use": "sig",
            "x5t": self.kid,
            "x5c": [base64.b64encode(self.certificate).decode()],
            "cloud_instance_name": "127.0.0.1",
            "issuer": issuer,
        }


def generate() -> SigningKey:
    """A fresh key."""
    private = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "accounts.accesscontrol.windows.net")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(now).not_valid_after(now + VALID).sign(private, hashes.SHA256())
    der = certificate.public_bytes(serialization.Encoding.DER)
    return SigningKey(base64url(hashlib.sha1(der, usedforsecurity=False).digest()), private, der)


class KeyRing:
    """The published keys, and which of them signs."""

    def __init__(self) -> None:
        standby = generate()
        self.signing = generate()
        self.published = {key.kid: key for key in (standby, self.signing)}

    def roll(self) -> SigningKey:
        """Publish a fresh key and sign with it; the older ones stay published."""
        self.signing = generate()
        self.published[self.signing.kid] = self.signing
        return self.signing

    def retire(self, kid: str) -> None:
        """Stop publishing a key. When it was the signing one, the newest of the rest signs.

        Raises KeyError for an unknown key, ValueError for the last one.
        """
        if kid in self.published and len(self.published) == 1:
            raise ValueError("the last key stays")
        del self.published[kid]
        if kid == self.signing.kid:
            self.signing = list(self.published.values())[-1]

    def document(self, issuer: str) -> dict[str, Any]:
        """A JWKS whose keys say which issuer they serve."""
        return {"keys": [key.published(issuer) for key in self.published.values()]}
