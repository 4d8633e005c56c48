"""Certificates of interface engines: pinned by the SHA-256 of the public key (epic.md 4.6).

Azure's front end lets any certificate through whose key the client holds; who is let in is decided here.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.domain.connection import EngineCertificate
from shared.errors import Code, Refused

_WEAKEST_RSA = 2048
_WEAKEST_EC = 256
#: Tags of DER (X.690).
_SEQUENCE, _INTEGER = b"\x30", b"\x02"


def uploaded(cer: bytes, now: datetime) -> EngineCertificate:
    """The pin of an uploaded `.cer` (PEM, Base64 or DER); refuses private keys, weak and expired ones."""
    if b"PRIVATE KEY" in cer or _is_private(cer):
        raise Refused(Code.VALUE_REFUSED, "certificate: holds a private key")
    try:
        certificate = _load(cer)
    except Refused:
        raise Refused(Code.VALUE_REFUSED, "certificate: cannot be read") from None
    if not _strong(certificate):
        raise Refused(Code.VALUE_REFUSED, "certificate: key too weak")
    if certificate.not_valid_after_utc <= now:
        raise Refused(Code.VALUE_REFUSED, "certificate: expired")
    return EngineCertificate(
        spki=spki(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def check_presented(header: str | None, pinned: Iterable[EngineCertificate], now: datetime) -> None:
    """Let the engine in that holds a pinned key, within the dates of what it shows and of what was pinned.

    header   X-ARR-ClientCert as App Service sets it: base64 of the DER
    """
    if not header:
        raise Refused(Code.CERTIFICATE_MISSING)
    shown = _load(header.encode())
    key = spki(shown)
    pin = next((pin for pin in pinned if pin.spki == key), None)
    if pin is None:
        raise Refused(Code.CERTIFICATE_REFUSED)
    if not (shown.not_valid_before_utc <= now < shown.not_valid_after_utc and pin.not_before <= now < pin.not_after):
        raise Refused(Code.CERTIFICATE_REFUSED)


def ends(pem: str) -> datetime:
    """When the certificate in a PEM text ends, beside its private key or not."""
    _, begin, rest = pem.partition("-----BEGIN CERTIFICATE-----")
    return x509.load_pem_x509_certificate(f"{begin}{rest}".encode()).not_valid_after_utc


def spki(certificate: x509.Certificate) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, in hex."""
    info = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).hexdigest()


def _load(raw: bytes) -> x509.Certificate:
    """A certificate whose key can be read: some parse, and hold a key of a kind that nobody knows."""
    try:
        certificate = _parsed(raw)
        certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused(Code.CERTIFICATE_REFUSED) from None
    return certificate


def _parsed(raw: bytes) -> x509.Certificate:
    if b"BEGIN CERTIFICATE" in raw:
        return x509.load_pem_x509_certificate(raw)
    return x509.load_der_x509_certificate(_der(raw))


def _der(raw: bytes) -> bytes:
    return raw if raw[:1] == _SEQUENCE else base64.b64decode(b"".join(raw.split()), validate=True)


def _is_private(cer: bytes) -> bool:
    """PKCS#8, PKCS#1, SEC1 and PKCS#12 begin with a version, a number; a certificate begins with a structure."""
    try:
        der = _der(cer)
    except ValueError:
        return False
    lengths = der[1] & 0x7F if len(der) > 1 and der[1] & 0x80 else 0
    return der[:1] == _SEQUENCE and der[2 + lengths : 3 + lengths] == _INTEGER


def _strong(certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey):
        return key.key_size >= _WEAKEST_RSA
    return isinstance(key, EllipticCurvePublicKey) and key.key_size >= _WEAKEST_EC
