"""The key ring against Epic's rules for client assertions (epic.md 3.3)."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from shared.domain.signing import SigningKeys
from shared.errors import Broken

TOKEN_URL = "https://epic.example/oauth2/token"
NOW = datetime(2031, 4, 20, 20, 0, tzinfo=UTC)


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


RSA, P384 = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS384"), (P384, "ES384")])
def test_an_assertion_keeps_every_rule_and_verifies_with_the_published_key(key, algorithm):
    ring = SigningKeys([("new", pem(key)), ("old", pem(RSA))])
    token = ring.assertion("client", TOKEN_URL, NOW, "jti-1")
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "typ": "JWT", "kid": "new"}
    published = jwt.PyJWKSet.from_dict(ring.jwks())["new"]
    claims = jwt.decode(
        token,
        published,
        [algorithm],
        audience=TOKEN_URL,
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert (claims["iss"], claims["sub"], claims["jti"]) == ("client", "client", "jti-1")
    expires, issued, starts = (datetime.fromtimestamp(claims[name], UTC) for name in ("exp", "iat", "nbf"))
    assert NOW < expires <= NOW + timedelta(minutes=5)
    assert issued <= NOW
    assert max(expires - issued, expires - starts) <= timedelta(minutes=5)


def test_the_published_set_holds_all_keys_and_no_private_half():
    keys = SigningKeys([("a", pem(RSA)), ("b", pem(P384))]).jwks()["keys"]
    assert [sorted(key) for key in keys] == [
        ["alg", "e", "kid", "kty", "n", "use"],
        ["alg", "crv", "kid", "kty", "use", "x", "y"],
    ]
    assert [(key["kid"], key["alg"], key["use"]) for key in keys] == [("a", "RS384", "sig"), ("b", "ES384", "sig")]


def test_an_environment_without_keys_publishes_none_and_cannot_sign():
    assert SigningKeys(()).jwks() == {"keys": []}
    with pytest.raises(Broken):
        SigningKeys(()).assertion("client", TOKEN_URL, NOW, "jti")


@pytest.mark.parametrize(
    "text",
    [
        "no key",
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - must be refused
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["nonsense", "rsa-1024", "p-256", "ed25519"],
)
def test_a_key_that_epic_would_refuse_stops_the_start_and_is_not_shown(text):
    with pytest.raises(Broken) as broken:
        SigningKeys([("kid-1", text)])
    assert "kid-1" in str(broken.value)
    assert "PRIVATE" not in str(broken.value)
    assert broken.value.__cause__ is None
