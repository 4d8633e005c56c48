"""What Graph seals for us opens, with any key of the ring; what was changed on the way does not."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clients.notifications import NotificationKeys
from shared.errors import Broken, Refused
from tests.unit.workflows.visit_world import pem, sealed

pytestmark = pytest.mark.feature("F10.1")

VECTOR = Path(__file__).parents[4] / "shared" / "corpus" / "graph" / "graph_encrypted_notification_vector.json"
RING = NotificationKeys((("n1", pem("n1")), ("n2", pem("n2"))))
EVENT = {"id": "e1", "eventType": "callStarted"}


def content(**changes: str) -> dict[str, str]:
    """One sealed event in our message's words."""
    made = sealed(EVENT, RING.current.certificate, "n1")
    usual = {
        "certificate_id": made["encryptionCertificateId"],
        "data_key": made["dataKey"],
        "data_signature": made["dataSignature"],
        "data": made["data"],
    }
    return usual | changes


def test_what_is_sealed_for_us_opens() -> None:
    assert RING.open(content()) == EVENT


def test_each_key_of_the_ring_opens_its_own_and_the_first_is_given_out() -> None:
    other = NotificationKeys((("n2", pem("n2")),))
    made = sealed(EVENT, other.current.certificate, "n2")
    theirs = content(
        certificate_id="n2", data_key=made["dataKey"], data_signature=made["dataSignature"], data=made["data"]
    )
    assert RING.open(theirs) == EVENT
    assert RING.current.id == "n1"


def _flipped(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(bytes(raw)).decode()


@pytest.mark.parametrize("member", ["data_key", "data_signature", "data"])
def test_one_changed_bit_is_refused(member: str) -> None:
    made = content()
    with pytest.raises(Refused):
        RING.open(made | {member: _flipped(made[member])})


@pytest.mark.parametrize("name", ["n2", "n3", ""])
def test_under_another_keys_name_it_does_not_open(name: str) -> None:
    with pytest.raises(Refused):
        RING.open(content(certificate_id=name))


@settings(max_examples=60)
@given(junk=st.text(max_size=40), member=st.sampled_from(["data_key", "data_signature", "data", "certificate_id"]))
def test_junk_is_refused_and_nothing_else(junk: str, member: str) -> None:
    with pytest.raises(Refused):
        RING.open(content() | {member: junk})


def test_a_key_that_is_none_of_aes_is_refused() -> None:
    public = RING.current.key.public_key()
    short = public.encrypt(os.urandom(5), OAEP(MGF1(SHA1()), SHA1(), None))  # noqa: S303 - as Graph does
    with pytest.raises(Refused):
        RING.open(content(data_key=base64.b64encode(short).decode()))


def test_without_a_key_there_is_nothing_to_subscribe_with() -> None:
    with pytest.raises(Broken):
        NotificationKeys(()).current  # noqa: B018 - reading it is the test


@pytest.mark.parametrize("text", ["", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_with_a_certificate_is_named_without_its_content(text: str) -> None:
    with pytest.raises(Broken, match="notification key n9"):
        NotificationKeys((("n9", text),))


def vector() -> dict[str, Any]:
    if not VECTOR.exists():
        if os.environ.get("CI"):
            pytest.fail("the corpus of public samples is not beside the project")
        pytest.skip("the corpus of public samples is not beside the project")
    found: dict[str, Any] = json.loads(VECTOR.read_text())
    return found


def test_graphs_own_published_example_opens_with_our_ring() -> None:
    example = vector()
    stored, password = base64.b64decode(example["pkcs12_base64"]), example["pkcs12_password"].encode()
    key, certificate, _ = pkcs12.load_key_and_certificates(stored, password)
    assert key
    assert certificate
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    name = example["encryptedContent"]["encryptionCertificateId"]
    ring = NotificationKeys(((name, private + certificate.public_bytes(Encoding.PEM).decode()), ("n1", pem("n1"))))
    given = example["encryptedContent"]
    theirs = {"certificate_id": name, "data": given["data"], "data_key": given["dataKey"]}
    found = ring.open(theirs | {"data_signature": given["dataSignature"]})
    assert found == example["checked_here"]["plaintext"]
    with pytest.raises(Refused):
        RING.open(theirs | {"data_signature": given["dataSignature"], "certificate_id": "n1"})
