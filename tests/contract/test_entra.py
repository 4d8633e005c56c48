"""The Entra stand-in: what it gives to those who do it right, and every way in which it says no.

Right is shown with Microsoft's own azure-identity and with PyJWT; wrong with a plain HTTP client.
"""

import base64
import hashlib
import hmac
import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential as SynchronousCertificateCredential
from azure.identity.aio import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from sandbox import clock, world

LAMNA, FABRIKAM, OPERATOR = world.LAMNA_TENANT, world.FABRIKAM_TENANT, world.OPERATOR_TENANT
GRAPH_SCOPE = "https://graph.microsoft.com/.default"
STORAGE_SCOPE = "https://storage.azure.com/.default"
API_SCOPES = f"openid profile api://{world.API_APP}/{world.API_SCOPE}"
VERIFIER = "correct-horse-battery-staple-correct-horse-battery"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


CHALLENGE = base64url(hashlib.sha256(VERIFIER.encode()).digest())


class Visitor:
    """A browser with its own cookies, and the client it came from."""

    def __init__(self, peer):
        self.peer = peer
        self.session = requests.Session()
        self.session.verify = peer.ca
        self.session.trust_env = False
        self.redirect_uri = peer.plan.urls["app"] + world.CONNECTOR_REDIRECTS[0]
        self.spa_redirect = peer.plan.urls["portal"] + world.PORTAL_REDIRECTS[0]

    def asking(self, **changes):
        """The parameters of the connector's authorization request; None leaves one out."""
        usual = {
            "client_id": world.CONNECTOR_APP,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid profile",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "state": "the-state",
            "nonce": "the-nonce",
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def authorize(self, tenant="organizations", **changes):
        url = f"{self.peer.url}/{tenant}/oauth2/v2.0/authorize"
        return self.session.get(url, params=self.asking(**changes), allow_redirects=False, timeout=10)

    def press(self, page, button, value):
        action = re.search(r'action="([^"]+)"', page.text)[1].replace("&amp;", "&")
        return self.session.post(self.peer.url + action, data={button: value}, allow_redirects=False, timeout=10)

    def code_for(self, user, **changes):
        answer = answered(self.press(self.authorize(**changes), "user", user))
        return answer["code"]

    def redeem(self, code, tenant="organizations", headers=None, **changes):
        usual = {
            "grant_type": "authorization_code",
            "client_id": world.CONNECTOR_APP,
            "client_secret": world.CONNECTOR_SECRET,
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
        }
        return self.token(tenant, headers=headers, **(usual | changes))

    def redeem_in_portal(self, code, **changes):
        origin = {"Origin": self.peer.plan.urls["portal"]}
        usual = {"client_id": world.PORTAL_APP, "client_secret": None, "redirect_uri": self.spa_redirect}
        return self.redeem(code, headers=origin, **(usual | changes))

    def token(self, tenant, headers=None, **fields):
        body = {name: value for name, value in fields.items() if value is not None}
        url = f"{self.peer.url}/{tenant}/oauth2/v2.0/token"
        return self.session.post(url, data=body, headers=headers, timeout=10)

    def app_token(self, tenant=LAMNA, **changes):
        usual = {
            "grant_type": "client_credentials",
            "client_id": world.CONNECTOR_APP,
            "client_secret": world.CONNECTOR_SECRET,
            "scope": GRAPH_SCOPE,
        }
        return self.token(tenant, **(usual | changes))


@pytest.fixture(scope="module")
def entra(start_peer):
    return start_peer("entra")


@pytest.fixture
def visitor(entra):
    visitor = Visitor(entra)
    yield visitor
    visitor.session.close()


def answered(redirect):
    """What a redirect brings back, from query or fragment."""
    assert redirect.status_code == 302, redirect.text
    parts = urlsplit(redirect.headers["Location"])
    return {name: values[0] for name, values in parse_qs(parts.fragment or parts.query).items()}


def assert_refused(response, number, error, status=400):
    body = response.json()
    assert (response.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert {"timestamp", "correlation_id"} <= body.keys()
    assert response.headers["Cache-Control"].startswith("no-store")


def verified(entra, token, audience, issuer, path="organizations/v2.0"):
    """The claims, once PyJWT has followed discovery to the keys and is content."""
    found = entra.http.get(f"{entra.url}/{path}/.well-known/openid-configuration", timeout=10).json()
    key = jwt.PyJWKClient(found["jwks_uri"], ssl_context=entra.tls).get_signing_key_from_jwt(token)
    return jwt.decode(token, key.key, ["RS256"], audience=audience, issuer=issuer)


def minted(entra, **order):
    answer = entra.http.post(f"{entra.url}/_sandbox/mint", json=order, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()["token"]


# Discovery


@pytest.mark.parametrize(
    ("tenant", "path", "issuer"),
    [
        (LAMNA, "/v2.0", "{entra}/" + LAMNA + "/v2.0"),
        (LAMNA, "", f"https://sts.windows.net/{LAMNA}/"),
        ("common", "/v2.0", "{entra}/{{tenantid}}/v2.0"),
        ("common", "", "https://sts.windows.net/{{tenantid}}/"),
        ("organizations", "/v2.0", "{entra}/{{tenantid}}/v2.0"),
    ],
)
def test_discovery_names_the_issuer_of_its_version_and_keys_that_say_the_same(entra, tenant, path, issuer):
    expected = issuer.format(entra=entra.url)
    found = entra.http.get(f"{entra.url}/{tenant}{path}/.well-known/openid-configuration", timeout=10).json()
    assert found["issuer"] == expected
    keys = entra.http.get(found["jwks_uri"], timeout=10).json()["keys"]
    assert {key["issuer"] for key in keys} == {expected}
    assert all(key["kid"] == key["x5t"] and key["kty"] == "RSA" and key["use"] == "sig" for key in keys)


def test_an_unknown_tenant_has_no_configuration(entra):
    url = f"{entra.url}/3c3c3c3c-0000-4000-8000-000000000009/v2.0/.well-known/openid-configuration"
    assert entra.http.get(url, timeout=10).json()["error_codes"] == [90002]


def test_a_published_certificate_holds_the_published_key(entra):
    for key in entra.http.get(f"{entra.url}/common/discovery/v2.0/keys", timeout=10).json()["keys"]:
        certificate = x509.load_der_x509_certificate(base64.b64decode(key["x5c"][0]))
        assert certificate.public_key() == jwt.PyJWK(key).key
        assert key["x5t"] == base64url(certificate.fingerprint(hashes.SHA1()))  # noqa: S303 - x5t is SHA-1 (RFC 7517)


def test_a_rolled_key_signs_at_once_and_a_retired_one_is_published_no_longer(entra):
    before = minted(entra, kind="app")
    fresh = entra.http.post(f"{entra.url}/_sandbox/keys", timeout=10).json()["kid"]
    after = minted(entra, kind="app")
    assert jwt.get_unverified_header(after)["kid"] == fresh != jwt.get_unverified_header(before)["kid"]
    issuer = f"{entra.url}/{LAMNA}/v2.0"
    verified(entra, before, world.API_APP, issuer)
    old = jwt.get_unverified_header(before)["kid"]
    assert entra.http.delete(f"{entra.url}/_sandbox/keys/{old}", timeout=10).status_code == 204
    verified(entra, after, world.API_APP, issuer)
    with pytest.raises(jwt.PyJWKClientError):
        verified(entra, before, world.API_APP, issuer)


def test_when_the_signing_key_is_retired_the_newest_of_the_rest_signs(entra):
    older, newer = (entra.http.post(f"{entra.url}/_sandbox/keys", timeout=10).json()["kid"] for _ in range(2))
    entra.http.delete(f"{entra.url}/_sandbox/keys/{newer}", timeout=10).raise_for_status()
    token = minted(entra, kind="app")
    assert jwt.get_unverified_header(token)["kid"] == older
    verified(entra, token, world.API_APP, f"{entra.url}/{LAMNA}/v2.0")


def test_the_last_key_cannot_be_retired(entra):
    keys = [key["kid"] for key in entra.http.get(f"{entra.url}/_sandbox/keys", timeout=10).json()]
    answers = [entra.http.delete(f"{entra.url}/_sandbox/keys/{kid}", timeout=10).status_code for kid in keys]
    assert answers == [204] * (len(keys) - 1) + [409]
    assert entra.http.get(f"{entra.url}/_sandbox/keys", timeout=10).json() == [{"kid": keys[-1], "signs": True}]
    assert entra.http.delete(f"{entra.url}/_sandbox/keys/unheard-of", timeout=10).status_code == 404


# Signing in


@pytest.mark.feature("F7.3")
def test_a_provider_signs_in_to_the_connector_and_gets_an_id_token(entra, visitor):
    back = answered(visitor.press(visitor.authorize(), "user", "paula"))
    assert back["state"] == "the-state"
    answer = visitor.redeem(back["code"])
    assert answer.headers["Cache-Control"].startswith("no-store")
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3599, "openid profile")
    claims = verified(entra, body["id_token"], world.CONNECTOR_APP, f"{entra.url}/{LAMNA}/v2.0")
    paula = world.USERS["paula"]
    assert {name: claims[name] for name in ("tid", "oid", "name", "preferred_username", "nonce", "ver")} == {
        "tid": LAMNA,
        "oid": paula.oid,
        "name": paula.name,
        "preferred_username": paula.upn,
        "nonce": "the-nonce",
        "ver": "2.0",
    }
    assert claims["exp"] - claims["iat"] == 3600
    assert "refresh_token" not in body
    assert entra.seen("sign_in")[-1]["user"] == "paula"


@pytest.mark.feature("F2.1")
def test_an_administrator_signs_in_to_the_portal_and_gets_an_access_token_for_the_api(entra, visitor):
    portal = {"client_id": world.PORTAL_APP, "redirect_uri": visitor.spa_redirect, "scope": API_SCOPES}
    page = visitor.authorize(**portal, response_mode="fragment")
    redirect = visitor.press(page, "user", "adam")
    assert "#" in redirect.headers["Location"]
    answer = visitor.redeem_in_portal(answered(redirect)["code"], client_info="1")
    assert answer.headers["Access-Control-Allow-Origin"] == entra.plan.urls["portal"]
    body = answer.json()
    claims = verified(entra, body["access_token"], world.API_APP, f"{entra.url}/{LAMNA}/v2.0")
    assert {name: claims[name] for name in ("azp", "scp", "roles", "oid", "tid", "ver")} == {
        "azp": world.PORTAL_APP,
        "scp": world.API_SCOPE,
        "roles": ["ConfigAdmin"],
        "oid": world.USERS["adam"].oid,
        "tid": LAMNA,
        "ver": "2.0",
    }
    identity = verified(entra, body["id_token"], world.PORTAL_APP, f"{entra.url}/{LAMNA}/v2.0")
    assert identity["sub"] != claims["sub"]
    assert "roles" not in identity
    assert body["client_info"]


def test_the_page_offers_the_tenants_people_and_the_hinted_one_first(visitor):
    page = visitor.authorize(LAMNA, login_hint="noor@lamna.example")
    assert page.headers["X-Frame-Options"] == "DENY"
    assert re.findall(r'name="user" value="(\w+)"', page.text)[0] == "noor"
    assert 'value="noor" autofocus' in page.text
    assert "Mallory" not in page.text


def test_without_a_session_a_silent_request_is_sent_back(visitor):
    back = answered(visitor.authorize(prompt="none"))
    assert (back["error"], back["state"]) == ("login_required", "the-state")


def test_a_session_answers_silently_until_the_user_signs_out(entra, visitor):
    visitor.code_for("paula")
    assert "code" in answered(visitor.authorize(prompt="none"))
    assert "code" in answered(visitor.authorize())
    assert visitor.authorize(prompt="select_account").status_code == 200
    assert answered(visitor.authorize(prompt="none", login_hint="noor@lamna.example"))["error"] == "login_required"
    assert answered(visitor.authorize(FABRIKAM, prompt="none"))["error"] == "login_required"
    target = {"post_logout_redirect_uri": visitor.spa_redirect}
    out = visitor.session.get(
        f"{entra.url}/common/oauth2/v2.0/logout", params=target, allow_redirects=False, timeout=10
    )
    assert out.headers["Location"] == visitor.spa_redirect
    assert answered(visitor.authorize(prompt="none"))["error"] == "login_required"


def test_signing_out_leads_to_no_stranger(entra, visitor):
    target = {"post_logout_redirect_uri": "https://elsewhere.example/"}
    out = visitor.session.get(
        f"{entra.url}/common/oauth2/v2.0/logout", params=target, allow_redirects=False, timeout=10
    )
    assert (out.status_code, out.headers.get("Location")) == (200, None)


def test_a_user_who_cancels_is_sent_back_without_a_code(visitor):
    back = answered(visitor.press(visitor.authorize(), "cancel", "1"))
    assert (back["error"], back["state"], "code" in back) == ("access_denied", "the-state", False)


@pytest.mark.parametrize(
    ("changes", "number", "error"),
    [
        ({"client_id": None}, 900144, "invalid_request"),
        ({"client_id": "a0000000-0000-4000-8000-00000000ffff"}, 700016, "unauthorized_client"),
        ({"redirect_uri": None}, 900144, "invalid_request"),
        ({"redirect_uri": "https://elsewhere.example/callback"}, 50011, "invalid_request"),
        ({"client_id": [world.CONNECTOR_APP, world.PORTAL_APP]}, 9000411, "invalid_request"),
        ({"tenant": "lamna"}, 90002, "invalid_request"),
    ],
)
def test_a_request_whose_way_back_is_not_known_good_is_refused_on_the_spot(visitor, changes, number, error):
    assert_refused(visitor.authorize(**changes), number, error)


@pytest.mark.parametrize("addition", ["/", "?x=1", "/../callback"])
def test_the_redirect_uri_has_to_match_to_the_letter(visitor, addition):
    assert_refused(visitor.authorize(redirect_uri=visitor.redirect_uri + addition), 50011, "invalid_request")


@pytest.mark.parametrize(
    ("changes", "number", "error"),
    [
        ({"response_type": None}, 900144, "invalid_request"),
        ({"response_type": "token"}, 70005, "unsupported_response_type"),
        ({"response_type": "code id_token"}, 70005, "unsupported_response_type"),
        ({"response_mode": "form_post"}, 70007, "invalid_request"),
        ({"prompt": "create"}, 90023, "invalid_request"),
        ({"scope": None}, 900144, "invalid_request"),
        ({"scope": " "}, 70011, "invalid_scope"),
        ({"scope": "openid Mail.Read"}, 650053, "invalid_client"),
        ({"scope": f"api://{world.API_APP}/{world.API_SCOPE}"}, 650053, "invalid_client"),
        ({"code_challenge": None}, 9002325, "invalid_request"),
        ({"code_challenge_method": "plain"}, 50149, "invalid_request"),
        ({"code_challenge_method": None}, 50149, "invalid_request"),
        ({"code_challenge": "short"}, 501491, "invalid_request"),
        ({"code_challenge": CHALLENGE + "="}, 501491, "invalid_request"),
        ({"nonce": ["one", "two"]}, 9000411, "invalid_request"),
    ],
)
def test_a_wrong_request_from_a_known_client_goes_back_to_it(entra, visitor, changes, number, error):
    back = answered(visitor.authorize(**changes))
    assert (back["error"], back["state"]) == (error, "the-state")
    assert back["error_description"].startswith(f"AADSTS{number}: ")
    assert entra.seen("refused")[-1]["number"] == number


def test_a_state_that_comes_twice_is_sent_back_as_an_error(visitor):
    back = answered(visitor.authorize(state=["the-state", "another"]))
    assert (back["error"], "code" in back) == ("invalid_request", False)
    assert back["error_description"].startswith("AADSTS9000411: ")


def test_a_user_of_another_tenant_cannot_be_picked(visitor):
    assert_refused(visitor.press(visitor.authorize(LAMNA), "user", "mallory"), 50020, "invalid_grant")


# Redeeming a code


@pytest.mark.parametrize(
    ("changes", "number", "error", "status"),
    [
        ({"grant_type": None}, 900144, "invalid_request", 400),
        ({"grant_type": "password"}, 70003, "unsupported_grant_type", 400),
        ({"grant_type": "refresh_token"}, 70003, "unsupported_grant_type", 400),
        ({"client_id": None}, 900144, "invalid_request", 400),
        ({"client_secret": None}, 7000218, "invalid_client", 401),
        ({"client_secret": "a guess"}, 7000215, "invalid_client", 401),
        ({"client_id": world.API_APP}, 7000215, "invalid_client", 401),
        ({"code": None}, 900144, "invalid_request", 400),
        ({"code": "made-up"}, 70000, "invalid_grant", 400),
        ({"redirect_uri": None}, 900144, "invalid_request", 400),
        ({"redirect_uri": "https://elsewhere.example/"}, 70000, "invalid_grant", 400),
        ({"code_verifier": None}, 900144, "invalid_request", 400),
        ({"code_verifier": "another-" + VERIFIER}, 50148, "invalid_grant", 400),
        ({"code_verifier": CHALLENGE}, 50148, "invalid_grant", 400),
        ({"headers": {"Origin": "https://localhost:1"}}, 9002326, "invalid_request", 400),
        ({"headers": {"Content-Type": "application/json"}}, 900144, "invalid_request", 400),
        ({"scope": f"api://{world.API_APP}/{world.API_SCOPE}"}, 70000, "invalid_grant", 400),
        ({"tenant": FABRIKAM}, 50020, "invalid_grant", 400),
        ({"code_verifier": [VERIFIER, VERIFIER]}, 9000411, "invalid_request", 400),
    ],
)
def test_a_code_is_not_redeemed_when(visitor, changes, number, error, status):
    answer = visitor.redeem(**({"code": visitor.code_for("paula")} | changes))
    assert_refused(answer, number, error, status)


def test_a_code_is_good_once(visitor):
    code = visitor.code_for("paula")
    assert visitor.redeem(code).status_code == 200
    assert_refused(visitor.redeem(code), 54005, "invalid_grant")


def test_a_code_is_spent_by_a_wrong_verifier(visitor):
    code = visitor.code_for("paula")
    visitor.redeem(code, code_verifier=VERIFIER[::-1])
    assert_refused(visitor.redeem(code), 54005, "invalid_grant")


def test_a_verifier_shorter_than_the_standard_allows_is_refused_though_it_fits(visitor):
    short = VERIFIER[:42]
    code = visitor.code_for("paula", code_challenge=base64url(hashlib.sha256(short.encode()).digest()))
    assert_refused(visitor.redeem(code, code_verifier=short), 50148, "invalid_grant")


def test_a_code_belongs_to_the_client_that_asked(visitor):
    answer = visitor.redeem(
        visitor.code_for("paula"),
        headers={"Origin": visitor.peer.plan.urls["app"]},
        client_id=world.PORTAL_APP,
        client_secret=None,
    )
    assert_refused(answer, 70000, "invalid_grant")


def test_an_old_code_is_refused(entra, visitor):
    code = visitor.code_for("paula")
    entra.fault(route="POST .*/token", do="expire_code", times=1)
    assert_refused(visitor.redeem(code), 70008, "invalid_grant")


def portal_code(visitor):
    return visitor.code_for("adam", client_id=world.PORTAL_APP, redirect_uri=visitor.spa_redirect, scope=API_SCOPES)


@pytest.mark.parametrize("origin", [None, "https://elsewhere.example", "null"])
def test_the_portals_code_is_redeemed_from_the_portals_origin_only(visitor, origin):
    headers = {"Origin": origin} if origin else {}
    answer = visitor.redeem(
        portal_code(visitor),
        headers=headers,
        client_id=world.PORTAL_APP,
        client_secret=None,
        redirect_uri=visitor.spa_redirect,
    )
    assert_refused(answer, 9002327, "invalid_request")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("proof", [{"client_secret": "any"}, {"client_assertion": "any"}], ids=str)
def test_a_public_client_that_shows_a_proof_is_refused(visitor, proof):
    answer = visitor.redeem_in_portal(portal_code(visitor), **proof)
    assert_refused(answer, 700025, "invalid_client", 401)


@pytest.mark.parametrize(("stranger", "allowed"), [(False, True), (True, False)])
def test_the_preflight_is_answered_for_the_portal_and_nobody_else(entra, stranger, allowed):
    origin = "https://elsewhere.example" if stranger else entra.plan.urls["portal"]
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = entra.http.options(f"{entra.url}/common/oauth2/v2.0/token", headers=headers, timeout=10)
    assert ("Access-Control-Allow-Origin" in answer.headers) is allowed


def test_an_address_that_entra_does_not_have_is_not_found_in_its_own_words(entra):
    answer = entra.http.get(f"{entra.url}/{LAMNA}/oauth2/v3.0/token", timeout=10)
    assert (answer.status_code, answer.json()) == (404, {"error": "not_found"})


def test_the_token_endpoint_takes_posts_only(entra):
    answer = entra.http.get(f"{entra.url}/{LAMNA}/oauth2/v2.0/token", timeout=10)
    assert_refused(answer, 900561, "invalid_request", 405)


# The connector as itself


def credential(entra, kind, tenant, **more):
    common = {"authority": entra.url, "disable_instance_discovery": True, "connection_verify": entra.ca}
    return kind(tenant, world.CONNECTOR_APP, **more, **common)


async def test_azure_identity_signs_in_with_the_certificate_and_may_act_on_graph(entra):
    both = entra.plan.files["connector_both"]
    async with credential(entra, CertificateCredential, LAMNA, certificate_path=both) as connector:
        token = await connector.get_token(GRAPH_SCOPE)
    issuer = f"https://sts.windows.net/{LAMNA}/"
    claims = verified(entra, token.token, "https://graph.microsoft.com", issuer, "common")
    assert (claims["appid"], claims["idtyp"], claims["tid"]) == (world.CONNECTOR_APP, "app", LAMNA)
    assert claims["roles"] == list(world.GRAPH_ROLES)
    assert "scp" not in claims
    assert 3500 < token.expires_on - time.time() <= 3600
    assert entra.seen("token")[-1]["proof"] == "certificate"


async def test_azure_identity_signs_in_with_the_secret(entra):
    secret = world.CONNECTOR_SECRET
    async with credential(entra, ClientSecretCredential, LAMNA, client_secret=secret) as connector:
        await connector.get_token(GRAPH_SCOPE)
    assert entra.seen("token")[-1]["proof"] == "secret"


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        ("https://communication.azure.com/.default", "https://communication.azure.com"),
        ("https://communication.azure.com//.default", "https://communication.azure.com/"),
        (STORAGE_SCOPE, "https://storage.azure.com"),
    ],
)
async def test_azure_identity_reaches_the_operators_services(entra, scope, audience):
    secret = world.CONNECTOR_SECRET
    async with credential(entra, ClientSecretCredential, OPERATOR, client_secret=secret) as connector:
        token = (await connector.get_token(scope)).token
    claims = verified(entra, token, audience, f"https://sts.windows.net/{OPERATOR}/", "common")
    assert (claims["idtyp"], claims["ver"]) == ("app", "1.0")


async def test_azure_identity_hears_that_a_hospital_has_not_consented(entra):
    secret = world.CONNECTOR_SECRET
    async with credential(entra, ClientSecretCredential, FABRIKAM, client_secret=secret) as connector:
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000229"):
            await connector.get_token(GRAPH_SCOPE)


@pytest.fixture
def inside_the_function_app(entra, monkeypatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{entra.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", world.MANAGED_IDENTITY_HEADER)


@pytest.mark.usefixtures("inside_the_function_app")
@pytest.mark.parametrize("client_id", [None, world.MANAGED_IDENTITY])
async def test_azure_identity_gets_the_managed_identitys_token_for_storage(entra, client_id):
    async with ManagedIdentityCredential(client_id=client_id, connection_verify=entra.ca) as identity:
        token = await identity.get_token(STORAGE_SCOPE)
    issuer = f"https://sts.windows.net/{OPERATOR}/"
    claims = verified(entra, token.token, "https://storage.azure.com", issuer, "common")
    assert (claims["appid"], claims["oid"]) == (world.MANAGED_IDENTITY, world.MANAGED_IDENTITY_OID)


@pytest.mark.usefixtures("inside_the_function_app")
async def test_azure_identity_uses_the_managed_identity_instead_of_a_certificate(entra):
    async with ManagedIdentityCredential(connection_verify=entra.ca) as identity:
        held = await identity.get_token("api://AzureADTokenExchange/.default")
    async with credential(entra, ClientAssertionCredential, LAMNA, func=lambda: held.token) as connector:
        token = (await connector.get_token(GRAPH_SCOPE)).token
    assert jwt.decode(token, options={"verify_signature": False})["appid"] == world.CONNECTOR_APP
    assert entra.seen("token")[-1]["proof"] == "federated"


@pytest.mark.parametrize(
    ("changes", "number", "error", "status"),
    [
        ({"tenant": FABRIKAM}, 7000229, "unauthorized_client", 400),
        ({"tenant": "organizations"}, 50059, "invalid_request", 400),
        ({"tenant": "common"}, 50059, "invalid_request", 400),
        ({"scope": None}, 900144, "invalid_request", 400),
        ({"scope": "https://graph.microsoft.com/User.Read.All"}, 1002012, "invalid_scope", 400),
        ({"scope": f"{GRAPH_SCOPE} {STORAGE_SCOPE}"}, 1002012, "invalid_scope", 400),
        ({"scope": f"openid {GRAPH_SCOPE}"}, 1002012, "invalid_scope", 400),
        ({"scope": "https://elsewhere.example/.default"}, 500011, "invalid_resource", 400),
        ({"scope": f"api://{world.API_APP}/.default"}, 500011, "invalid_resource", 400),
        ({"scope": STORAGE_SCOPE}, 500011, "invalid_resource", 400),
        ({"client_secret": "a guess"}, 7000215, "invalid_client", 401),
        ({"client_secret": None}, 7000218, "invalid_client", 401),
        ({"client_id": world.PORTAL_APP, "client_secret": None}, 7000218, "invalid_client", 401),
        ({"client_id": world.MANAGED_IDENTITY}, 700016, "unauthorized_client", 400),
    ],
)
def test_an_application_gets_no_token_when(visitor, changes, number, error, status):
    assert_refused(visitor.app_token(**changes), number, error, status)


def assertion_of(entra, tenant=LAMNA, alg="PS256", signer="connector", header=None, **changes):
    """A client assertion as azure-identity writes it; None takes a claim away."""
    now = int(time.time())
    usual = {
        "aud": f"{entra.url}/{tenant}/oauth2/v2.0/token",
        "iss": world.CONNECTOR_APP,
        "sub": world.CONNECTOR_APP,
        "jti": str(uuid4()),
        "nbf": now,
        "exp": now + 600,
    }
    claims = {name: value for name, value in (usual | changes).items() if value is not None}
    shown = x509.load_pem_x509_certificate(entra.plan.path("connector_cert").read_bytes())
    names = {"x5t#S256": base64url(shown.fingerprint(hashes.SHA256()))} if header is None else header
    return jwt.encode(claims, entra.plan.path(f"{signer}_key").read_bytes(), alg, headers=names)


def with_assertion(visitor, assertion, tenant=LAMNA, kind=BEARER, **changes):
    proof = {"client_secret": None, "client_assertion": assertion, "client_assertion_type": kind}
    return visitor.app_token(tenant, **proof | changes)


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_an_assertion_signed_with_the_registered_certificate_is_accepted(entra, visitor, alg):
    assert with_assertion(visitor, assertion_of(entra, alg=alg)).status_code == 200


def test_an_assertion_may_name_its_certificate_by_sha1(entra, visitor):
    shown = x509.load_pem_x509_certificate(entra.plan.path("connector_cert").read_bytes())
    sha1 = {"x5t": base64url(shown.fingerprint(hashes.SHA1()))}  # noqa: S303 - x5t is SHA-1 (RFC 7515)
    assert with_assertion(visitor, assertion_of(entra, header=sha1)).status_code == 200


def test_an_assertion_may_lack_nbf_and_be_sent_again_while_it_lasts_as_msal_does(entra, visitor):
    assertion = assertion_of(entra, nbf=None)
    assert [with_assertion(visitor, assertion).status_code for _ in range(2)] == [200, 200]


def test_msal_signs_in_with_the_certificate_and_one_assertion_for_two_services(entra):
    both = entra.plan.files["connector_both"]
    before = len(entra.seen("token"))
    with credential(entra, SynchronousCertificateCredential, OPERATOR, certificate_path=both) as connector:
        connector.get_token(GRAPH_SCOPE)
        connector.get_token(STORAGE_SCOPE)
    assert [entry["proof"] for entry in entra.seen("token")[before:]] == ["certificate", "certificate"]


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"aud": "https://login.microsoftonline.com/"}, 700023),
        ({"tenant": OPERATOR}, 700023),
        ({"aud": None}, 50027),
        ({"iss": world.PORTAL_APP}, 700021),
        ({"sub": world.PORTAL_APP}, 700021),
        ({"jti": None}, 50027),
        ({"exp": None}, 50027),
        ({"exp": 1}, 700024),
        ({"nbf": 4102444800}, 700024),
        ({"exp": 4102444800}, 700024),
        ({"signer": "stranger"}, 700027),
        ({"header": {}}, 700027),
        ({"header": {"x5t#S256": base64url(bytes(32))}}, 700027),
        ({"header": {"x5t": base64url(bytes(20))}}, 700027),
        ({"alg": "RS512"}, 700027),
    ],
)
def test_an_assertion_is_refused_when(entra, visitor, changes, number):
    answer = with_assertion(visitor, assertion_of(entra, **changes))
    assert_refused(answer, number, "invalid_client", 401)


def test_an_application_without_a_certificate_proves_nothing_with_one(entra, visitor):
    answer = with_assertion(visitor, assertion_of(entra), client_id=world.API_APP)
    assert_refused(answer, 700027, "invalid_client", 401)


@pytest.fixture
def with_certificate(entra):
    """Registers another certificate for the connector's key until the test is over."""
    place = entra.plan.path("connector_cert")
    registered = place.read_bytes()

    def register(begins, ends):
        shown = x509.load_pem_x509_certificate(registered)
        key = load_pem_private_key(entra.plan.path("connector_key").read_bytes(), None)
        draft = x509.CertificateBuilder(shown.issuer, shown.subject, key.public_key(), 7, begins, ends)
        place.write_bytes(draft.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
        entra.restart()

    yield register
    place.write_bytes(registered)
    entra.restart()


@pytest.mark.parametrize(("begins", "ends"), [(-9, -1), (1, 9)], ids=["over", "not begun"])
def test_a_registered_certificate_outside_its_dates_proves_nothing(entra, visitor, with_certificate, begins, ends):
    now = datetime.now(UTC)
    with_certificate(now + timedelta(days=begins), now + timedelta(days=ends))
    assert_refused(with_assertion(visitor, assertion_of(entra)), 1000502, "invalid_client", 401)


def test_an_assertion_that_is_no_token_is_refused(visitor):
    assert_refused(with_assertion(visitor, "no-token"), 50027, "invalid_client", 401)


def test_an_assertion_of_another_type_is_refused(entra, visitor):
    answer = with_assertion(visitor, assertion_of(entra), kind="urn:ietf:params:oauth:client-assertion-type:saml2")
    assert_refused(answer, 7000216, "invalid_client", 401)


EXCHANGE = {
    "aud": "fb60f99c-7a34-4190-8149-302f77469936",
    "sub": world.MANAGED_IDENTITY_OID,
}


@pytest.mark.parametrize(
    ("order", "number"),
    [
        ({"tenant": LAMNA}, 700211),
        ({"claims": EXCHANGE | {"aud": "https://storage.azure.com"}}, 700212),
        ({"claims": EXCHANGE | {"sub": str(uuid4())}}, 700213),
        ({"expired": True}, 700024),
        ({"key": "unknown"}, 700027),
        ({"alg": "none"}, 700027),
        ({"alg": "HS256-with-public-key"}, 700027),
    ],
)
def test_a_federated_assertion_is_refused_when(entra, visitor, order, number):
    assertion = minted(entra, **({"kind": "app", "tenant": OPERATOR, "claims": EXCHANGE} | order))
    assert_refused(with_assertion(visitor, assertion), number, "invalid_client", 401)


def test_only_the_connector_trusts_the_managed_identity(entra, visitor):
    assertion = minted(entra, kind="app", tenant=OPERATOR, claims=EXCHANGE)
    answer = with_assertion(visitor, assertion, client_id=world.API_APP)
    assert_refused(answer, 700211, "invalid_client", 401)


def test_a_federated_assertion_as_ordered_for_those_refusals_would_do(entra, visitor):
    assertion = minted(entra, kind="app", tenant=OPERATOR, claims=EXCHANGE)
    assert with_assertion(visitor, assertion).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"header": None}, 401),
        ({"header": "a guess"}, 401),
        ({"api-version": "2017-09-01"}, 400),
        ({"api-version": None}, 400),
        ({"resource": "https://graph.microsoft.com"}, 400),
        ({"resource": None}, 400),
        ({"client_id": world.CONNECTOR_APP}, 400),
        ({"mi_res_id": "/subscriptions/x"}, 400),
    ],
)
def test_the_managed_identity_endpoint_refuses(entra, changes, status):
    usual = {
        "header": world.MANAGED_IDENTITY_HEADER,
        "api-version": "2019-08-01",
        "resource": "https://storage.azure.com",
    }
    sent = {name: value for name, value in (usual | changes).items() if value is not None}
    headers = {"X-IDENTITY-HEADER": sent.pop("header")} if "header" in sent else {}
    answer = entra.http.get(f"{entra.url}/msi/token", params=sent, headers=headers, timeout=10)
    assert (answer.status_code, "access_token" in answer.json()) == (status, False)


# Consent


@pytest.fixture
def without_fabrikam(entra):
    yield
    entra.http.delete(f"{entra.url}/_sandbox/consents/{FABRIKAM}", timeout=10).raise_for_status()


def consent_page(visitor, tenant="organizations", **changes):
    usual = {
        "client_id": world.CONNECTOR_APP,
        "redirect_uri": visitor.peer.plan.urls["app"] + world.CONNECTOR_REDIRECTS[1],
        "scope": GRAPH_SCOPE,
        "state": "the-state",
    }
    params = {name: value for name, value in (usual | changes).items() if value is not None}
    url = f"{visitor.peer.url}/{tenant}/v2.0/adminconsent"
    return visitor.session.get(url, params=params, timeout=10)


@pytest.mark.usefixtures("without_fabrikam")
def test_an_administrators_consent_lets_the_connector_in(visitor):
    assert visitor.app_token(FABRIKAM).status_code == 400
    back = answered(visitor.press(consent_page(visitor), "user", "mallory"))
    assert (back["admin_consent"], back["tenant"], back["state"]) == ("True", FABRIKAM, "the-state")
    assert visitor.app_token(FABRIKAM).status_code == 200


def test_an_administrator_who_cancels_grants_nothing(visitor):
    back = answered(visitor.press(consent_page(visitor), "cancel", "1"))
    assert (back["error"], "admin_consent" in back) == ("permission_denied", False)
    assert visitor.app_token(FABRIKAM).status_code == 400


def test_only_an_administrator_can_consent(visitor):
    assert_refused(visitor.press(consent_page(visitor, LAMNA), "user", "paula"), 90094, "access_denied")


@pytest.mark.parametrize(
    ("changes", "number", "error"),
    [
        ({"redirect_uri": "https://elsewhere.example/"}, 50011, "invalid_request"),
        ({"redirect_uri": None}, 900144, "invalid_request"),
        ({"scope": None}, 900144, "invalid_request"),
        ({"scope": "openid"}, 28002, "invalid_scope"),
        ({"client_id": str(uuid4())}, 700016, "unauthorized_client"),
        ({"tenant": "elsewhere"}, 90002, "invalid_request"),
    ],
)
def test_consent_is_not_asked_for_when(visitor, changes, number, error):
    assert_refused(consent_page(visitor, **changes), number, error)


def test_consent_is_asked_for_the_connector_and_for_no_other_application(visitor):
    answer = consent_page(visitor, client_id=world.PORTAL_APP, redirect_uri=visitor.spa_redirect)
    assert_refused(answer, 28002, "invalid_scope")


def test_a_hospital_that_removes_the_application_is_lost_at_once(entra, visitor):
    url = f"{entra.url}/_sandbox/consents/{LAMNA}"
    entra.http.delete(url, timeout=10).raise_for_status()
    refused = visitor.app_token()
    entra.http.put(url, timeout=10).raise_for_status()
    assert_refused(refused, 7000229, "unauthorized_client")
    assert visitor.app_token().status_code == 200


# Tokens to order


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (
            {"kind": "graph-validation"},
            {"aud": world.CONNECTOR_APP, "azp": world.GRAPH_CHANGE_TRACKING_APP, "tid": LAMNA},
        ),
        ({"kind": "event-grid"}, {"aud": world.API_APP, "azp": world.EVENT_GRID_APP, "tid": OPERATOR}),
        ({"kind": "user", "user": "ana"}, {"aud": world.API_APP, "roles": ["Approver"], "scp": world.API_SCOPE}),
        ({"kind": "app", "roles": ["Operator"]}, {"aud": world.API_APP, "roles": ["Operator"], "idtyp": "app"}),
        ({"kind": "app", "audience": "x", "client": "y"}, {"aud": "x", "azp": "y"}),
        ({"kind": "app", "tenant": FABRIKAM, "claims": {"aud": "z"}}, {"aud": "z", "tid": FABRIKAM}),
    ],
)
def test_a_minted_token_holds_what_was_ordered_and_verifies(entra, order, expected):
    token = minted(entra, **order)
    tid = jwt.decode(token, options={"verify_signature": False})["tid"]
    claims = verified(entra, token, expected["aud"], f"{entra.url}/{tid}/v2.0")
    assert {name: claims[name] for name in expected} == expected


def test_graphs_validation_token_can_be_had_in_v1(entra):
    token = minted(entra, kind="graph-validation", version=1)
    issuer = f"https://sts.windows.net/{LAMNA}/"
    claims = verified(entra, token, world.CONNECTOR_APP, issuer, "common")
    assert (claims["appid"], "azp" in claims) == (world.GRAPH_CHANGE_TRACKING_APP, False)


def test_an_overridden_claim_is_set_and_a_null_one_is_gone(entra):
    token = minted(entra, kind="user", user="adam", claims={"roles": None, "scp": "other"})
    claims = jwt.decode(token, options={"verify_signature": False})
    assert ("roles" in claims, claims["scp"]) == (False, "other")


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"expired": True}, jwt.ExpiredSignatureError),
        ({"key": "unknown"}, jwt.PyJWKClientError),
        ({"alg": "none"}, jwt.InvalidAlgorithmError),
        ({"alg": "HS256-with-public-key"}, jwt.InvalidAlgorithmError),
    ],
)
def test_a_false_token_fails_for_the_reason_ordered_and_no_other(entra, order, error):
    token = minted(entra, kind="user", user="adam", **order)
    with pytest.raises(error):
        verified(entra, token, world.API_APP, f"{entra.url}/{LAMNA}/v2.0")


def test_a_confused_token_is_signed_with_the_public_key(entra):
    token = minted(entra, kind="user", user="adam", alg="HS256-with-public-key")
    header, payload, signature = token.split(".")
    keys = entra.http.get(f"{entra.url}/common/discovery/v2.0/keys", timeout=10).json()["keys"]
    (key,) = (jwt.PyJWK(key).key for key in keys if key["kid"] == jwt.get_unverified_header(token)["kid"])
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert signature == base64url(hmac.digest(pem, f"{header}.{payload}".encode(), "sha256"))


@pytest.mark.parametrize("order", [{"kind": "other"}, {"kind": "app", "typo": 1}, {"kind": "app", "alg": "ES256"}, {}])
def test_an_order_that_is_not_understood_mints_nothing(entra, order):
    assert entra.http.post(f"{entra.url}/_sandbox/mint", json=order, timeout=10).status_code == 400


def test_an_ordinary_token_for_a_user_is_one_request_away(entra):
    answer = entra.http.get(f"{entra.url}/_sandbox/token", params={"user": "olivia"}, timeout=10).json()
    claims = verified(entra, answer["token"], world.API_APP, f"{entra.url}/{OPERATOR}/v2.0")
    assert (claims["roles"], claims["azp"]) == (["Operator"], world.PORTAL_APP)
    assert entra.http.get(f"{entra.url}/_sandbox/token?user=nobody", timeout=10).status_code == 400


# Time and trouble


def test_tokens_live_in_real_time_even_when_the_sandbox_has_moved(entra):
    clock.move(entra.plan.path("clock"), timedelta(hours=30))
    try:
        token = minted(entra, kind="user", user="adam")
    finally:
        entra.plan.path("clock").unlink()
    verified(entra, token, world.API_APP, f"{entra.url}/{LAMNA}/v2.0")


def test_nothing_secret_is_kept_of_what_was_seen(entra, visitor):
    code = visitor.code_for("paula")
    tokens = visitor.redeem(code).json()
    seen = str(entra.seen())
    for secret in (code, VERIFIER, world.CONNECTOR_SECRET, tokens["access_token"], tokens["id_token"]):
        assert secret not in seen


def test_it_can_be_told_to_throttle(entra, visitor):
    entra.fault(route="POST .*/token", do="throttle", retry_after="0.5", times=1)
    assert visitor.app_token().headers["Retry-After"] == "0.5"
    assert visitor.app_token().status_code == 200
