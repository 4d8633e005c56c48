"""Certificates of interface engines: what may be pinned, and who is let in."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

from shared.domain import certificates
from shared.domain.connection import EngineCertificate
from shared.errors import Code, Refused

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
RSA = rsa.generate_private_key(65537, 2048)
SMALL_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what must be refused
EC, SMALL_EC, OTHER_EC = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP192R1(), ec.SECP256R1()))
ED = ed25519.Ed25519PrivateKey.generate()


def certificate(
    key: Any = EC, start: datetime = NOW - timedelta(days=1), end: datetime = NOW + timedelta(days=1)
) -> x509.Certificate:
    """A self-signed certificate."""
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine")])
    builder = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), start, end)
    return builder.sign(key, None if key is ED else hashes.SHA256())


def der(made: x509.Certificate) -> bytes:
    return made.public_bytes(Encoding.DER)


def header(made: x509.Certificate) -> str:
    """As App Service writes it."""
    return base64.b64encode(der(made)).decode()


def pin(made: x509.Certificate) -> EngineCertificate:
    return certificates.uploaded(der(made), NOW)


FORMS = {
    "DER": der,
    "PEM": lambda made: made.public_bytes(Encoding.PEM),
    "PEM with text before": lambda made: b"Bag Attributes\r\n" + made.public_bytes(Encoding.PEM),
    "base64": lambda made: base64.b64encode(der(made)),
    "base64 in lines": lambda made: base64.encodebytes(der(made)).replace(b"\n", b"\r\n"),
}


@pytest.mark.feature("F6.2")
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("key", [RSA, EC], ids=["rsa", "ec"])
def test_a_cer_file_is_read_in_its_forms(form: Any, key: Any):
    made = certificate(key)
    found = certificates.uploaded(form(made), NOW)
    assert found.spki == certificates.spki(made)
    assert (found.not_before, found.not_after) == (made.not_valid_before_utc, made.not_valid_after_utc)


PRIVATE = EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("upload", "why"),
    [
        (PRIVATE, "private key"),
        (certificate().public_bytes(Encoding.PEM) + PRIVATE, "private key"),
        (der(certificate(SMALL_RSA)), "weak"),
        (der(certificate(SMALL_EC)), "weak"),
        (der(certificate(ED)), "weak"),
        (der(certificate(end=NOW)), "expired"),
        (der(certificate())[:-5], "read"),
        (b"", "read"),
        (b"\x30", "read"),
        (b"hello", "read"),
        (b"\xff" * 100, "read"),
        (b"-----BEGIN CERTIFICATE-----", "read"),
        (EC.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "private key"),
        (EC.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()), "private key"),
        (RSA.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()), "private key"),
        (base64.encodebytes(RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())), "private key"),
        (pkcs12.serialize_key_and_certificates(None, RSA, certificate(RSA), None, NoEncryption()), "private key"),
    ],
)
def test_what_cannot_be_pinned_is_refused_with_the_reason(upload: bytes, why: str):
    with pytest.raises(Refused) as refused:
        certificates.uploaded(upload, NOW)
    assert refused.value.code == Code.VALUE_REFUSED
    assert why in refused.value.fields[0]


@pytest.mark.feature("F6.5")
def test_the_holder_of_a_pinned_key_is_let_in():
    certificates.check_presented(header(certificate()), [pin(certificate())], NOW)


def test_a_renewed_certificate_of_the_same_key_is_let_in_within_the_pins_dates():
    renewed = certificate(start=NOW - timedelta(hours=1), end=NOW + timedelta(days=365))
    certificates.check_presented(header(renewed), [pin(certificate())], NOW)


@pytest.mark.feature("F6.2")
def test_either_of_two_pins_lets_in():
    pins = [pin(certificate(EC)), pin(certificate(RSA))]
    for key in (EC, RSA):
        certificates.check_presented(header(certificate(key)), pins, NOW)


@pytest.mark.parametrize("shown", [None, ""])
def test_without_a_certificate_it_is_named_missing(shown: str | None):
    with pytest.raises(Refused) as refused:
        certificates.check_presented(shown, [pin(certificate())], NOW)
    assert refused.value.code == Code.CERTIFICATE_MISSING


REFUSED = {
    "another key": header(certificate(OTHER_EC)),
    "junk": "junk",
    "no base64": "%%%",
    "cut": header(certificate())[:-8],
    "expired": header(certificate(end=NOW)),
    "not yet valid": header(certificate(start=NOW + timedelta(seconds=1))),
    "nul": "\x00",
}


@pytest.mark.feature("F6.5")
@pytest.mark.parametrize("shown", REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused(shown: str):
    with pytest.raises(Refused) as refused:
        certificates.check_presented(shown, [pin(certificate())], NOW)
    assert refused.value.code == Code.CERTIFICATE_REFUSED


def test_nobody_is_let_in_where_nothing_is_pinned():
    with pytest.raises(Refused):
        certificates.check_presented(header(certificate()), [], NOW)


@pytest.mark.parametrize("days", [-2, 2])
def test_a_pin_is_good_within_its_own_dates_only(days: int):
    """The key may live on in a later certificate; what was uploaded says for how long it was trusted."""
    lasting = certificate(start=NOW - timedelta(days=30), end=NOW + timedelta(days=30))
    with pytest.raises(Refused):
        certificates.check_presented(header(lasting), [pin(certificate())], NOW + timedelta(days=days))


def test_a_key_of_a_kind_nobody_knows_is_refused_and_breaks_nothing():
    """The algorithm's identifier is replaced by one that is not assigned; the rest still parses."""
    known, unknown = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d7f7f")
    odd = der(certificate()).replace(known, unknown)
    with pytest.raises(Refused) as refused:
        certificates.check_presented(base64.b64encode(odd).decode(), [pin(certificate())], NOW)
    assert refused.value.code == Code.CERTIFICATE_REFUSED
    with pytest.raises(Refused):
        certificates.uploaded(odd, NOW)
