"""The sandbox's certificates: one CA, and what each party shows.

`make` writes every certificate that the plan names; a run that finds them still good keeps them, so that a
certificate installed in a browser or an engine outlives a restart. The dates are real time, because TLS knows
no other.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox import plan

VALID = timedelta(days=365)
#: A run is refused the certificates of the last one when they end sooner than a demo moves the clock.
ENOUGH = timedelta(days=60)
#: A hospital that only the plan's `names` file resolves (sandbox.host.names).
HOSPITAL = "hospital.sandbox.example"
#: Certificates that sign themselves: none of these is believed for its issuer, only for its key.
SELF_SIGNED = ("engine", "stranger", "expired", "connector", "encryption")
ENDINGS = ("_cert", "_key", "_both", "_cer")
SERVER_NAMES = (x509.DNSName("localhost"), x509.DNSName(HOSPITAL), x509.IPAddress(IPv4Address("127.0.0.1")))


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    cert: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def cert_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.cert.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM (PKCS #8, no password)."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def make(world: plan.Plan) -> None:
    """Write the certificates of the plan, unless those that are there still serve."""
    if _still_good(world):
        return
    world.path("ca").parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    root = authority(now)
    world.path("ca").write_bytes(root.cert_pem)
    _write(world, "server", server(root, now))
    for who in SELF_SIGNED:
        ends = now - timedelta(days=1) if who == "expired" else now + VALID
        issued = self_signed(f"{who}.sandbox.example", ends - VALID - timedelta(days=2), ends)
        _write(world, who, issued)
    world.path("connector_both").touch(mode=0o600)
    both = world.path("connector_key").read_bytes() + world.path("connector_cert").read_bytes()
    world.path("connector_both").write_bytes(both)
    engine = x509.load_pem_x509_certificate(world.path("engine_cert").read_bytes())
    world.path("engine_cer").write_bytes(base64.encodebytes(engine.public_bytes(serialization.Encoding.DER)))


def authority(now: datetime) -> Issued:
    """A CA that may sign servers and nothing below it."""
    key = rsa.generate_private_key(65537, 2048)
    name = _name("Virtual visit sandbox CA")
    builder = _builder(name, name, key, now - timedelta(days=2), now + VALID)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return Issued(builder.sign(key, hashes.SHA256()), key)


def server(root: Issued, now: datetime) -> Issued:
    """What every server of the sandbox shows: it serves `SERVER_NAMES`."""
    key = rsa.generate_private_key(65537, 2048)
    builder = _builder(_name("localhost"), root.cert.subject, key, now - timedelta(days=2), now + VALID)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    builder = _leaf(builder, ExtendedKeyUsageOID.SERVER_AUTH).add_extension(issuer, critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(SERVER_NAMES), critical=False)
    return Issued(builder.sign(root.key, hashes.SHA256()), key)


def self_signed(name: str, starts: datetime, ends: datetime) -> Issued:
    """A certificate as an interface engine or an app registration carries it: its own issuer."""
    key = rsa.generate_private_key(65537, 2048)
    builder = _leaf(_builder(_name(name), _name(name), key, starts, ends), ExtendedKeyUsageOID.CLIENT_AUTH)
    return Issued(builder.sign(key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, starts: datetime, ends: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(starts).not_valid_after(ends)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _leaf(builder: x509.CertificateBuilder, purpose: x509.ObjectIdentifier) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    return builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(world: plan.Plan, who: str, issued: Issued) -> None:
    world.path(f"{who}_cert").write_bytes(issued.cert_pem)
    world.path(f"{who}_key").touch(mode=0o600)
    world.path(f"{who}_key").write_bytes(issued.key_pem)


def _still_good(world: plan.Plan) -> bool:
    """Whether all files are there and the server's certificate will not end during a run."""
    kept = [Path(path) for name, path in world.files.items() if name == "ca" or name.endswith(ENDINGS)]
    if not all(path.exists() for path in kept):
        return False
    shown = x509.load_pem_x509_certificate(world.path("server_cert").read_bytes())
    return shown.not_valid_after_utc - datetime.now(UTC) > ENOUGH
