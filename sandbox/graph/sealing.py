"""Encryption of resource data as change notifications carry it (microsoft-apis.md 2b).

A fresh AES-256 key per item; the key wrapped with RSA-OAEP (SHA-1) for the subscriber's certificate; the data in
AES-256-CBC with PKCS7 and the key's first 16 bytes as IV; HMAC-SHA256 under the same key over the ciphertext.
"""

import base64
import hashlib
import hmac
import os
from binascii import Error as NotBase64
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from sandbox.graph.refusal import bad_request

MIN_BITS, MAX_BITS = 2048, 4096
SHA1 = hashes.SHA1()  # noqa: S303 - Graph's documented padding


@dataclass(frozen=True)
class Receiver:
    """Whom data is sealed for: the certificate's key, its thumbprint, and the name its owner gave it."""

    key: RSAPublicKey
    thumbprint: str
    name: str


def receiver(encoded: object, name: str) -> Receiver:
    """A subscriber's certificate from base64 DER: RSA of 2048 to 4096 bits, self-signed or not."""
    try:
        found = x509.load_der_x509_certificate(base64.b64decode(str(encoded), validate=True))
        key = found.public_key()
    except (ValueError, NotBase64):
        raise bad_request("encryptionCertificate must be a base64-encoded X.509 certificate.") from None
    if not isinstance(key, RSAPublicKey) or not MIN_BITS <= key.key_size <= MAX_BITS:
        raise bad_request("encryptionCertificate must hold an RSA key of 2048 to 4096 bits.")
    return Receiver(key, found.fingerprint(SHA1).hex().upper(), name)


def seal(plaintext: bytes, to: Receiver) -> dict[str, str]:
    """The `encryptedContent` of one notification."""
    key = os.urandom(32)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(AES256(key), CBC(key[:16])).encryptor()
    data = encryptor.update(padder.update(plaintext) + padder.finalize()) + encryptor.finalize()
    return {
        "data": _text(data),
        "dataSignature": _text(hmac.new(key, data, hashlib.sha256).digest()),
        "dataKey": _text(to.key.encrypt(key, OAEP(MGF1(SHA1), SHA1, None))),
        "encryptionCertificateId": to.name,
        "encryptionCertificateThumbprint": to.thumbprint,
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
