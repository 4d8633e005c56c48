"""Graph's change notifications: who sent them, and what is inside (microsoft-apis.md 2b)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from shared.errors import Broken, Code, Refused


@dataclass(frozen=True)
class NotificationKey:
    """A key pair for Graph to seal for: the certificate goes into subscriptions, under `id`."""

    id: str
    key: RSAPrivateKey
    certificate: str


class NotificationKeys:
    """A ring: the first is given to new subscriptions, all open what comes."""

    def __init__(self, pems: tuple[tuple[str, str], ...]) -> None:
        """Pairs of id and PEM with private key and certificate."""
        self._keys = {kid: _read(kid, pem) for kid, pem in pems}

    @property
    def current(self) -> NotificationKey:
        """What new and renewed subscriptions name."""
        try:
            return next(iter(self._keys.values()))
        except StopIteration:
            raise Broken("there is no key for notifications") from None

    def open(self, sealed: Mapping[str, str]) -> Any:
        """The event inside; refuses what is not sealed for us or was changed on the way.

        sealed   certificate_id, data_key, data_signature, data: all but the first base64
        """
        key = self._keys.get(sealed["certificate_id"])
        if key is None:
            raise Refused(Code.BODY_UNREADABLE, "encryptionCertificateId")
        try:
            secret = key.key.decrypt(_bytes(sealed["data_key"]), _OAEP)
            data = _bytes(sealed["data"])
            signed = hmac.new(secret, data, hashlib.sha256).digest()
            if not hmac.compare_digest(signed, _bytes(sealed["data_signature"])):
                raise Refused(Code.BODY_UNREADABLE, "dataSignature")
            return json.loads(_unsealed(secret, data))
        except ValueError:
            raise Refused(Code.BODY_UNREADABLE, "encryptedContent") from None


#: OAEP with SHA-1 is what Graph uses; the padding does not rest on SHA-1 resisting collisions.
_OAEP = OAEP(MGF1(SHA1()), SHA1(), None)  # noqa: S303 - no choice of ours


def _unsealed(secret: bytes, data: bytes) -> bytes:
    """AES-CBC with PKCS7; the IV is the key's first 16 bytes."""
    decryptor = Cipher(AES(secret), CBC(secret[:16])).decryptor()
    unpadder = PKCS7(128).unpadder()
    padded = decryptor.update(data) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _read(kid: str, pem: str) -> NotificationKey:
    try:
        key = load_pem_private_key(pem.encode(), None)
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise Broken(f"notification key {kid} is no PEM with key and certificate") from None
    if not isinstance(key, RSAPrivateKey):
        raise Broken(f"notification key {kid} is no RSA key")
    return NotificationKey(kid, key, base64.b64encode(certificate.public_bytes(Encoding.DER)).decode())
