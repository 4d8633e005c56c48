"""A sign-in whose token is Entra's and yet not the one asked for."""

import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from sandbox import ca
from shared.clients.jwts import Verifier
from shared.clients.keysets import KeySets
from shared.clients.sign_in import SignedIn, SignIn
from shared.errors import Code, Refused
from tests.unit.clients.tokens import Issuer

TENANT, OTHER = "1a1a1a1a-0000-4000-8000-000000000002", "2b2b2b2b-0000-4000-8000-000000000003"
CLIENT, OID = "a0000000-0000-4000-8000-00000000a003", "c0000000-0000-4000-8000-000000000004"
issuer = Issuer("k1")
certificate = ca.self_signed("connector.example", datetime.now(UTC), datetime.now(UTC) + timedelta(days=1))


@pytest.fixture
def keysets(outbound, clock):
    return KeySets(outbound, clock)


@pytest.fixture
def redeem(far, outbound, keysets, clock):
    """Redeem a code for an id_token with these claims, signed by the tenant's key."""

    async def redeemed(jwks=None, **changes):
        now = int(time.time())
        claims = {"iss": f"{far.url}/{TENANT}/v2.0", "aud": CLIENT, "tid": TENANT, "oid": OID, "nonce": "n"}
        claims |= {"iat": now, "exp": now + 300} | changes
        token = issuer.sign({name: value for name, value in claims.items() if value is not None})
        far.answers |= {
            f"/{TENANT}/discovery/v2.0/keys": jwks or issuer.jwks(issuer=f"{far.url}/{{tenantid}}/v2.0"),
            f"/{TENANT}/oauth2/v2.0/token": {"id_token": token},
        }
        pem = (certificate.cert_pem + certificate.key_pem).decode()
        client = SignIn(far.url, CLIENT, pem, outbound, keysets, clock)
        return await client.redeem(TENANT, "code", "https://app.example/cb", "v", "n")

    return redeemed


async def test_the_tenants_own_token_signs_in(redeem):
    assert await redeem() == SignedIn(TENANT, OID)


@pytest.mark.parametrize(
    "changes",
    [
        {"tid": OTHER},
        {"tid": None},
        {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"},
        {"iss": None},
        {"aud": "a0000000-0000-4000-8000-00000000a001"},
        {"nonce": "of another launch"},
        {"nonce": None},
        {"oid": None},
        {"exp": 1},
    ],
    ids=str,
)
async def test_another_token_of_entras_does_not(redeem, changes):
    with pytest.raises(Refused) as refusal:
        await redeem(**changes)
    assert (refusal.value.code, refusal.value.fields) == (Code.SIGN_IN_REFUSED, ())


async def test_a_key_that_signs_for_another_tenant_does_not(far, redeem):
    with pytest.raises(Refused):
        await redeem(jwks=issuer.jwks(issuer=f"{far.url}/{OTHER}/v2.0"))


async def test_an_assertion_names_its_certificate_and_ends_soon(far, redeem):
    await redeem()
    form = await far.requests[0].post()
    assert form["client_id"] == CLIENT
    header = jwt.get_unverified_header(form["client_assertion"])
    assert (header["alg"], len(header["x5t#S256"])) == ("PS256", 43)
    audience = f"{far.url}/{TENANT}/oauth2/v2.0/token"
    key = certificate.key.public_key()
    claims = jwt.decode(form["client_assertion"], key, ["PS256"], audience=audience)
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize("how", ["none", "confused", "not-a-token"])
async def test_a_token_of_another_algorithm_does_not_even_fetch_keys(far, keysets, how):
    claims = {"aud": CLIENT}
    token = {
        "none": jwt.encode(claims, None, "none", headers={"kid": "k1"}),
        "confused": issuer.confused(claims),
        "not-a-token": "x",
    }[how]
    with pytest.raises(Refused):
        await Verifier(keysets, Code.TOKEN_REFUSED).verify(token, f"{far.url}/keys", {CLIENT})
    assert far.seen == []
