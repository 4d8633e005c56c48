"""The Epic client against a server that says what no honest Epic would, and answers the stand-in does not give."""

from datetime import timedelta

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.clients.epic import Epic, KeyCredential, SecretCredential, authorize_url
from shared.clients.keysets import KeySets
from shared.clients.pace import Pace
from shared.domain.signing import SigningKeys
from shared.errors import Code, Later, Refused

BASE, SMART = "/i/api/FHIR/R4", "/i/api/FHIR/R4/.well-known/smart-configuration"
CREDENTIAL = SecretCredential("c1", "s1")


def pem_key():
    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def epic(outbound, clock):
    return Epic(outbound, KeySets(outbound, clock), clock, Pace(clock))


@pytest.fixture
def smart(far):
    """A smart-configuration all of whose endpoints are the far side's own."""
    far.answers[SMART] = {
        "authorization_endpoint": f"{far.url}/i/oauth2/authorize",
        "token_endpoint": f"{far.url}/i/oauth2/token",
        "jwks_uri": f"{far.url}/i/keys",
    }
    return far.answers[SMART]


def answering(status, body, **headers):
    async def answer(_):
        return web.json_response(body, status=status, headers=headers)

    return answer


def outcome(code):
    return {"resourceType": "OperationOutcome", "issue": [{"details": {"coding": [{"code": code}]}}]}


async def refused(call, code=Code.EPIC_REFUSED):
    with pytest.raises(Refused) as refusal:
        await call
    assert refusal.value.code == code
    return refusal.value.fields


@pytest.mark.parametrize(
    ("member", "named"),
    [("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("jwks_uri", "jwks")],
)
@pytest.mark.parametrize("host", ["https://evil.example", "https://localhost", "https://localhost:1"])
async def test_each_endpoint_must_stand_on_the_bases_own_host(far, epic, smart, member, named, host):
    smart[member] = f"{host}/x"
    assert await refused(epic.discover(far.url + BASE, "c1"), Code.ADDRESS_REFUSED) == (named,)


@pytest.mark.parametrize(
    "form", ["http://localhost:{0}/x", "https://u:p@localhost:{0}/x", "javascript:alert(1)", "//x"]
)
async def test_a_browser_is_sent_to_https_only(far, epic, smart, form):
    smart["authorization_endpoint"] = form.format(far.port)
    await refused(epic.discover(far.url + BASE, "c1"), Code.ADDRESS_REFUSED)


async def test_an_issuer_elsewhere_is_not_believed(far, epic, smart):
    smart["issuer"] = "https://evil.example/oauth2"
    ends = await epic.discover(far.url + BASE, "c1")
    assert ends.issuers == {f"{far.url}/i/oauth2", f"{far.url}/i/oauth2/token"}


@pytest.mark.parametrize(
    "document",
    [{}, [], "x", {"authorization_endpoint": 1, "token_endpoint": []}, {"rest": [{"security": "x"}, 1]},
     {"rest": [{"security": {"extension": [{"url": "x"}, 5]}}]}],
)  # fmt: skip
async def test_nonsense_in_place_of_discovery_is_an_invalid_base(far, epic, document):
    far.answers |= {SMART: document or answering(200, {}), f"{BASE}/metadata": document or answering(200, {})}
    await refused(epic.discover(far.url + BASE, "c1"), Code.FHIR_BASE_INVALID)


async def test_discovery_follows_no_redirect(far, epic):
    far.answers[SMART] = answering(302, {}, Location=f"{far.url}/inside")
    await refused(epic.discover(far.url + BASE, "c1"), Code.FHIR_BASE_INVALID)
    assert far.seen == [SMART, f"{BASE}/metadata"]


async def test_every_client_names_itself_and_its_endpoints_are_kept_for_an_hour(far, epic, smart, clock):
    for client in ("c1", "c2", "c1"):
        await epic.discover(far.url + BASE + "/", client)
    assert [request.headers["Epic-Client-ID"] for request in far.requests] == ["c1", "c2"]
    clock.move(timedelta(hours=1))
    await epic.discover(far.url + BASE, "c1")
    assert len(far.seen) == 3


async def test_an_approval_taken_back_counts_at_once(far, epic, smart):
    smart["authorization_endpoint"] = "https://portal.example/authorize"
    assert await epic.discover(far.url + BASE, "c1", ["portal.example"])
    await refused(epic.discover(far.url + BASE, "c1"), Code.ADDRESS_REFUSED)


async def test_an_authorize_address_keeps_its_own_query_and_codes_ours(far, epic, smart):
    smart["authorization_endpoint"] += "?tenant=1"
    url = authorize_url(
        await epic.discover(far.url + BASE, "c1"),
        client_id="c1",
        redirect_uri="https://app.example/cb?a=1&b=2",
        scope="openid fhirUser",
        state="s+/=&",
        aud="https://x/R4",
        nonce="n",
        challenge=None,
        launch="a.b+c/d==",
    )
    far.answers["/i/oauth2/authorize"] = {}
    await epic._outbound.call("GET", url)
    assert dict(far.requests[-1].query) == {
        "tenant": "1",
        "response_type": "code",
        "client_id": "c1",
        "redirect_uri": "https://app.example/cb?a=1&b=2",
        "scope": "openid fhirUser",
        "state": "s+/=&",
        "aud": "https://x/R4",
        "nonce": "n",
        "launch": "a.b+c/d==",
    }


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (400, {"error": "invalid_grant", "error_description": None}, "invalid_grant"),
        (401, {"error": "invalid_client"}, "invalid_client"),
        (400, {"error": "Pat Quillfeather 5550100"}, "unknown_error"),
        (400, {"error": ["invalid_grant"]}, "unknown_error"),
        (400, {}, "unknown_error"),
        (404, "x", "404"),
        (302, "x", "302"),
    ],
)
async def test_the_token_endpoints_no_is_one_known_word(far, epic, smart, status, body, word):
    far.answers["/i/oauth2/token"] = answering(status, body)
    ends = await epic.discover(far.url + BASE, "c1")
    assert await refused(epic.backend_token(ends, CREDENTIAL)) == (word,)


async def test_a_backend_token_is_fetched_again_a_minute_before_its_end(far, epic, smart, clock):
    far.answers["/i/oauth2/token"] = {"access_token": "t", "token_type": "bearer", "expires_in": 300}
    ends = await epic.discover(far.url + BASE, "c1")
    counts = []
    for seconds in (0, 239, 2):
        clock.move(timedelta(seconds=seconds))
        await epic.backend_token(ends, CREDENTIAL)
        counts.append(far.seen.count("/i/oauth2/token"))
    assert counts == [1, 1, 2]


async def test_a_kept_token_is_for_those_alone_who_prove_to_be_that_client(far, epic, smart):
    """Several bases stand on one token endpoint (DSTU2, R4), and a client id is no secret: anybody may name it."""
    far.answers["/i/oauth2/token"] = {"access_token": "t", "token_type": "bearer", "expires_in": 300}
    ends = await epic.discover(far.url + BASE, "c1")
    assert await epic.backend_token(ends, CREDENTIAL) == "t"
    far.answers["/i/oauth2/token"] = answering(401, {"error": "invalid_client"})
    assert await refused(epic.backend_token(ends, SecretCredential("c1", "guessed"))) == ("invalid_client",)
    other_environment = KeyCredential("c1", SigningKeys([("k", pem_key())]))
    assert await refused(epic.backend_token(ends, other_environment)) == ("invalid_client",)
    assert await epic.backend_token(ends, SecretCredential("c1", "s1")) == "t"


@pytest.mark.parametrize("expires", [None, "3600", 0, -5, 30])
async def test_a_token_without_a_usable_life_is_not_kept(far, epic, smart, expires):
    far.answers["/i/oauth2/token"] = {"access_token": "t", "expires_in": expires}
    ends = await epic.discover(far.url + BASE, "c1")
    for _ in range(2):
        assert await epic.backend_token(ends, CREDENTIAL) == "t"
    assert far.seen.count("/i/oauth2/token") == 2


@pytest.mark.parametrize(
    ("status", "body", "fields"),
    [
        (200, outcome("4101"), ("200", "4101")),
        (400, outcome("4100"), ("400", "4100")),
        (403, outcome("Pat Quillfeather"), ("403",)),
        (404, {"resourceType": "OperationOutcome", "issue": "x"}, ("404",)),
        (302, {}, ("302",)),
        (401, [], ("401",)),
    ],
)
async def test_an_outcome_is_refused_with_its_numbers_alone(far, epic, status, body, fields):
    far.answers[f"{BASE}/Appointment/a"] = answering(status, body)
    assert await refused(epic.read(far.url + BASE, "t", "Appointment/a")) == fields


async def test_an_epic_that_says_try_tomorrow_is_asked_tomorrow(far, epic):
    far.answers[f"{BASE}/Appointment/a"] = answering(403, outcome("4135"))
    with pytest.raises(Later) as later:
        await epic.read(far.url + BASE, "t", "Appointment/a")
    assert later.value.after == timedelta(days=1)


async def test_a_page_of_a_proxy_in_place_of_a_resource_is_later(far, epic):
    async def page(_):
        return web.Response(text="<html>", content_type="text/html")

    far.answers[f"{BASE}/Appointment/a"] = page
    with pytest.raises(Later):
        await epic.read(far.url + BASE, "t", "Appointment/a")
