"""The sandbox's certificates hold where they should and nowhere else."""

import base64
import ssl
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography import x509

from sandbox import ca

WHO = ("server", *ca.SELF_SIGNED)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from sandbox import plan  # noqa: PLC0415 - `plan` is a fixture of this folder

    here = plan.make(tmp_path_factory.mktemp("certs"), 7700)
    ca.make(here)
    return here


def chains(here, who):
    """Whether OpenSSL, by its strict rules, follows the certificate to the sandbox's CA."""
    command = ["openssl", "verify", "-x509_strict", "-CAfile", here.files["ca"], here.files[f"{who}_cert"]]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - our own files


def cert(here, who):
    return x509.load_pem_x509_certificate(here.path(f"{who}_cert").read_bytes())


def test_the_servers_certificate_chains_to_the_ca_by_the_strict_rules(made):
    assert chains(made, "server")
    names = cert(made, "server").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", ca.HOSPITAL]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


@pytest.mark.parametrize("who", ca.SELF_SIGNED)
def test_nobody_else_chains_to_the_ca(made, who):
    assert not chains(made, who)


@pytest.mark.parametrize("who", WHO)
def test_each_key_belongs_to_its_certificate_and_is_readable_by_its_owner_only(made, who):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.path(f"{who}_cert"), made.path(f"{who}_key"))  # raises on a mismatch
    assert made.path(f"{who}_key").stat().st_mode & 0o077 == 0


def test_only_the_expired_one_is_expired(made):
    now = datetime.now(UTC)
    assert {who for who in WHO if cert(made, who).not_valid_after_utc < now} == {"expired"}
    assert all(cert(made, who).not_valid_before_utc < now for who in WHO)


def test_every_party_has_a_key_of_its_own(made):
    assert len({cert(made, who).public_key().public_numbers().n for who in WHO}) == len(WHO)


def test_the_engines_cer_is_its_certificate_in_base64(made):
    der = base64.b64decode(made.path("engine_cer").read_text())
    assert x509.load_der_x509_certificate(der) == cert(made, "engine")


def test_a_second_run_keeps_the_certificates_and_a_missing_one_brings_fresh_ones(made):
    before = cert(made, "server")
    ca.make(made)
    assert cert(made, "server") == before
    made.path("stranger_key").unlink()
    ca.make(made)
    assert cert(made, "server") != before
