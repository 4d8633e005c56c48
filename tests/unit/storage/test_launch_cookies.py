"""What a browser carries for us: only we can read it, and only from the cookie it was made for."""

import base64
import re
from datetime import UTC, datetime

import pytest

from shared.domain.launch import Begun, SigningIn
from shared.storage.launch_cookies import LaunchCookies
from shared.storage.sealing import KeyRing

RING = LaunchCookies(KeyRing({"k2": bytes(32), "k1": bytes(31) + b"x"}))
BEGUN = Begun(
    state="s" * 32,
    issued=datetime(2026, 3, 2, tzinfo=UTC),
    verifier="verifier",
    nonce="nonce",
    connection="c",
    role="patient",
    token_url="https://epic.example/oauth2/token",
)
NAME = "__Host-l-abcdefgh"


def test_what_was_sealed_opens_again_and_is_fit_for_a_cookie():
    for padding in range(4):
        begun = BEGUN.model_copy(update={"nonce": "n" * padding})
        value = RING.seal(NAME, begun)
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", value)
        assert RING.open(NAME, value, Begun) == begun


def test_nothing_can_be_read_of_it():
    value = RING.seal(NAME, BEGUN)
    raw = base64.urlsafe_b64decode(value.partition(".")[2] + "==")
    assert b"verifier" not in raw
    assert "verifier" not in value


def test_the_same_content_never_looks_the_same():
    assert RING.seal(NAME, BEGUN) != RING.seal(NAME, BEGUN)


def test_a_value_opens_in_its_own_cookie_only():
    assert RING.open("__Host-l-ijklmnop", RING.seal(NAME, BEGUN), Begun) is None


def test_a_value_of_another_kind_does_not_open():
    assert RING.open(NAME, RING.seal(NAME, BEGUN), SigningIn) is None


def test_a_value_of_a_key_that_was_dropped_does_not_open_and_one_of_the_older_key_does():
    older = LaunchCookies(KeyRing({"k1": bytes(31) + b"x"})).seal(NAME, BEGUN)
    assert RING.open(NAME, older, Begun) == BEGUN
    assert LaunchCookies(KeyRing({"k2": bytes(32)})).open(NAME, older, Begun) is None


@pytest.mark.parametrize("value", [None, "", ".", "k2", "k2.", "k2.x", "k2." + "A" * 99, "é.é", "k2.é", "x" * 9000])
def test_junk_does_not_open(value: str | None):
    assert RING.open(NAME, value, Begun) is None
