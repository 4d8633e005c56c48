"""Public keys and tokens that others use to break verifiers (../shared/corpus/jwt)."""

import json
import os
from pathlib import Path

import jwt
import pytest

from shared.clients.jwts import Verifier, unverified
from shared.clients.keysets import KeySets, usable
from shared.errors import Code, Refused

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "jwt"
if not CORPUS.exists() and os.environ.get("CI") != "true":
    pytest.skip("../shared/corpus/jwt is not here", allow_module_level=True)

#: What Wycheproof wants refused for reasons of its own library's: a ROCA-weak modulus is not looked for here.
ROCA = "rejectsKeyWithRocaVulnerability"


def read(name):
    return json.loads((CORPUS / name).read_text())


def published(group):
    """The group's public keys, or, where it has only secrets, those."""
    keys = group.get("public") or group["private"]
    return keys.get("keys", [keys])


def cases(*names):
    for name in names:
        for group in read(name)["testGroups"]:
            for test in group["tests"]:
                if isinstance(test.get("jws"), str):
                    yield pytest.param(group, test, id=f"{name.split('_')[3]}-{group['comment']}-{test['tcId']}")


def verifies(keys, token):
    """Whether our rules find a key in the set for this token and its signature holds."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        return False
    key = usable(keys).get(header.get("kid"))
    try:
        if key:
            jwt.PyJWS().decode(token, key.jwk, [key.jwk.algorithm_name])
    except jwt.PyJWTError:
        return False
    return key is not None


@pytest.mark.parametrize(
    ("group", "test"),
    [
        case
        for case in cases("wycheproof_json_web_key_test.json", "wycheproof_json_web_crypto_test.json")
        if case.values[1]["comment"] != ROCA  # a weak modulus is the publisher's to avoid
    ],
)
def test_what_wycheproof_calls_invalid_never_verifies(group, test):
    asymmetric = all(key.get("kty") in {"RSA", "EC"} for key in published(group))
    assert verifies(published(group), test["jws"]) == (test["result"] == "valid" and asymmetric)


@pytest.mark.parametrize(
    ("name", "kids"),
    [
        ("jwk_keyset_only_unknown_alg.json", []),
        ("jwk_keyset_with_unknown_alg.json", ["U1MayerhVuRj8xtFR8hyMH9lCfVMKlb3TG7mbQAS19M"]),
    ],
)
def test_a_key_with_another_purpose_is_passed_over(name, kids):
    assert list(usable(read(f"pyjwt_keys/{name}")["keys"])) == kids


@pytest.mark.parametrize("path", sorted((CORPUS / "pyjwt_keys").glob("jwk_*_key*.json")), ids=lambda path: path.stem)
def test_a_published_private_key_becomes_a_public_one_or_nothing(path):
    for key in usable([json.loads(path.read_text()) | {"kid": "k"}]).values():
        assert not hasattr(key.jwk.key, "private_numbers")


@pytest.mark.parametrize("name", ["jwk_hmac.json", "jwk_okp_pub_Ed25519.json", "jwk_okp_pub_Ed448.json"])
def test_a_secret_or_another_kind_of_key_is_no_signing_key(name):
    assert usable([read(f"pyjwt_keys/{name}") | {"kid": "k"}]) == {}


def tokens():
    confused = [
        case["bad_HS256_over_public_key"] for case in read("pyjwt_GHSA-ffqj-6fqr-9h24_key_confusion.json")["cases"]
    ]
    return sorted({entry["token"] for entry in read("pyjwt_test_tokens.json")} | set(confused))


@pytest.mark.parametrize("token", tokens())
async def test_no_token_of_pyjwts_own_tests_is_a_token_for_us(far, outbound, clock, token):
    """Each is tried with every asymmetric public key of the corpus, under the id it asks for."""
    header = unverified_header(token)
    for name in ("rsa_pub", "ec_pub_P-256", "ec_pub_P-384", "ec_pub_P-521"):
        key = read(f"pyjwt_keys/jwk_{name}.json") | {"kid": header.get("kid", "k")}
        far.answers["/keys"] = {"keys": [key]}
        with pytest.raises(Refused) as refusal:
            await Verifier(KeySets(outbound, clock), Code.TOKEN_REFUSED).verify(token, f"{far.url}/keys", {"me"})
        assert refusal.value.code == Code.TOKEN_REFUSED
    assert isinstance(unverified(token), dict)


def unverified_header(token):
    try:
        return jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        return {}
