"""Every public key and encrypted token: only RSA and EC keys are used, and nothing encrypted passes for signed."""

import json

import pytest

from shared.clients.jwts import unverified
from shared.clients.keysets import usable
from tests.corpus.location import CORPUS, require

KEYS = sorted(path.name for path in (CORPUS / "jwt" / "pyjwt_keys").glob("jwk*.json")) or ["absent"]


@pytest.mark.parametrize("name", KEYS)
def test_of_a_published_set_only_rsa_and_ec_keys_are_used(name: str) -> None:
    document = json.loads((require("jwt") / "pyjwt_keys" / name).read_text() or "{}")  # one of them is empty
    published = document.get("keys", [document]) if isinstance(document, dict) else document
    kinds = {one.get("kid"): one.get("kty") for one in published if isinstance(one, dict)}
    assert {kinds[kid] for kid in usable(published)} <= {"RSA", "EC"}


def test_no_encrypted_token_is_taken_for_a_signed_one() -> None:
    groups = json.loads((require("jwt") / "wycheproof_json_web_encryption_test.json").read_text())["testGroups"]
    tokens = [test["jwe"] for group in groups for test in group["tests"] if isinstance(test.get("jwe"), str)]
    assert len(tokens) > 50
    for token in tokens:
        assert unverified(token) == {}
