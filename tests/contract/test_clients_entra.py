"""The connector's Entra clients against the Entra stand-in: who may call us, and a provider's one sign-in."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import pytest

from sandbox import world
from shared.clients.addresses import Trusted
from shared.clients.entra import AccessTokens, AppTokens, Caller
from shared.clients.keysets import KeySets
from shared.clients.oauth import Pkce, pkce
from shared.clients.outbound import Outbound
from shared.clients.sign_in import SignedIn, SignIn, read_certificate
from shared.clock import Clock
from shared.errors import Broken, Code, Later, Refused

LAMNA, FABRIKAM, OPERATOR = world.LAMNA_TENANT, world.FABRIKAM_TENANT, world.OPERATOR_TENANT
GRAPH, EVENT_GRID = {world.GRAPH_CHANGE_TRACKING_APP}, {world.EVENT_GRID_APP}
STATE, NONCE = "a-state-of-this-launch", "a-nonce-of-this-launch"


@pytest.fixture(scope="module")
def entra(start_peer):
    return start_peer("entra")


@pytest.fixture
async def outbound(entra, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", entra.ca)
    way = Outbound(Trusted())
    yield way
    await way.close()


@pytest.fixture
def keysets(outbound):
    return KeySets(outbound, Clock())


@pytest.fixture
def access(entra, keysets):
    return AccessTokens(entra.url, world.API_APP, keysets)


@pytest.fixture
def apps(entra, keysets):
    return AppTokens(entra.url, keysets)


@pytest.fixture
def mint(entra):
    def minted(kind, **order):
        answer = entra.http.post(f"{entra.url}/_sandbox/mint", json={"kind": kind, **order}, timeout=10)
        assert answer.ok, answer.text
        return answer.json()["token"]

    return minted


async def refused(call, code=Code.TOKEN_REFUSED):
    with pytest.raises(Refused) as refusal:
        await call
    assert refusal.value.code == code
    return refusal.value.fields


# --- tokens for our API ---------------------------------------------------------------------------------------------


async def test_an_administrator_is_known_by_tenant_and_object_id(access, mint):
    adam = world.USERS["adam"]
    assert await access.check(mint("user", user="adam")) == Caller(
        tenant=LAMNA,
        user=adam.oid,
        roles=frozenset({"ConfigAdmin"}),
        scopes=frozenset({"access_as_user"}),
        app=False,
        client=world.PORTAL_APP,
    )


async def test_somebody_without_a_role_is_a_caller_without_roles(access, mint):
    assert (await access.check(mint("user", user="paula"))).roles == frozenset()


async def test_a_program_is_known_by_its_roles_and_has_no_scope(access, mint):
    caller = await access.check(mint("app", roles=["ReportReader"]))
    assert (caller.tenant, caller.app, caller.roles, caller.scopes, caller.client) == (
        LAMNA, True, {"ReportReader"}, frozenset(), world.CONNECTOR_APP,
    )  # fmt: skip


async def test_a_caller_of_another_tenant_carries_that_tenant(access, mint):
    mallory = await access.check(mint("user", user="mallory"))
    assert (mallory.tenant, mallory.roles) == (FABRIKAM, {"ConfigAdmin", "Approver"})


@pytest.mark.parametrize(
    "order",
    [
        {"alg": "none"},
        {"alg": "HS256-with-public-key"},
        {"key": "unknown"},
        {"expired": True},
        {"audience": world.CONNECTOR_APP},
        {"audience": f"api://{world.API_APP}"},
        {"claims": {"aud": None}},
        {"claims": {"exp": None}},
        {"claims": {"iat": 32503680000}},
        {"claims": {"nbf": 32503680000}},
        {"claims": {"iss": f"https://sts.windows.net/{LAMNA}/"}},
        {"claims": {"iss": f"https://login.microsoftonline.com/{LAMNA}/v2.0"}},
        {"claims": {"iss": None}},
        {"tenant": FABRIKAM},  # tid says Fabrikam, iss still says Lamna
        {"claims": {"tid": None}},
        {"claims": {"tid": "{tenantid}"}},
        {"claims": {"tid": "../common"}},
        {"claims": {"ver": "1.0"}},
        {"claims": {"ver": None}},
        {"claims": {"ver": ["2.0"]}},
        {"claims": {"oid": None}},
        {"claims": {"oid": "adam@lamna.example"}},
        {"claims": {"azp": None}},
        {"claims": {"scp": None}},
        {"claims": {"scp": "User.Read"}},
        {"claims": {"scp": None, "idtyp": "user"}},
        {"claims": {"scp": "", "idtyp": "app"}},
        {"claims": {"roles": "Operator"}},
    ],
    ids=str,
)
async def test_a_false_token_is_refused_and_does_not_say_why(access, mint, order):
    assert await refused(access.check(mint("user", user="adam", **order))) == ()


async def test_only_the_applications_that_are_named_act_for_people(entra, keysets, mint):
    """A program acts for itself: the roles it needs are given by an administrator of its tenant."""
    named = AccessTokens(entra.url, world.API_APP, keysets, {world.PORTAL_APP})
    assert (await named.check(mint("user", user="adam"))).client == world.PORTAL_APP
    await refused(named.check(mint("user", user="adam", claims={"azp": world.CONNECTOR_APP})))
    assert (await named.check(mint("app", roles=["ReportReader"]))).client == world.CONNECTOR_APP


async def test_a_v1_token_for_our_api_is_refused(access, mint):
    claims = {"azp": world.CONNECTOR_APP}
    await refused(access.check(mint("app", roles=["ReportReader"], version=1, claims=claims)))


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "Bearer x", "....", "e30.e30.", "\u00e9.\u00e9.\u00e9", "a" * 100_000]
)
async def test_what_is_no_token_is_refused(access, token):
    await refused(access.check(token))


async def test_a_token_that_was_changed_on_its_way_is_refused(entra, access, mint):
    token = mint("user", user="adam")
    await access.check(token)
    head, body, signature = token.split(".")
    for broken in (f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body[:-2]}.{signature}"):
        await refused(access.check(broken))


async def test_a_flood_of_tokens_with_invented_keys_asks_entra_once(entra, access, mint):
    entra.restart()
    for _ in range(20):
        await refused(access.check(mint("user", user="adam", key="unknown")))
    assert len(entra.seen("keys")) == 1


async def test_entra_away_at_the_first_token_is_later_not_refused(entra, access, mint):
    token = mint("user", user="adam")
    entra.fault(route="GET .*/keys", do="throttle", retry_after="1.5")
    with pytest.raises(Later) as later:
        await access.check(token)
    assert later.value.after.total_seconds() == 1.5


# --- Microsoft's own services ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
async def test_graph_and_event_grid_prove_themselves_in_either_version(apps, mint, version):
    token = mint("graph-validation", version=version)
    assert await apps.check(token, world.CONNECTOR_APP, GRAPH) == LAMNA
    token = mint("event-grid", version=version)
    assert await apps.check(token, world.API_APP, EVENT_GRID, {OPERATOR}) == OPERATOR


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "order",
    [
        {"alg": "none"},
        {"alg": "HS256-with-public-key"},
        {"key": "unknown"},
        {"expired": True},
        {"audience": world.API_APP},
        {"claims": {"tid": FABRIKAM}},
        {"claims": {"iss": "https://sts.windows.net/common/"}},
        {"claims": {"azp": world.CONNECTOR_APP, "appid": world.CONNECTOR_APP}},
        {"claims": {"azp": None, "appid": None}},
        {"claims": {"ver": "3.0"}},
    ],
    ids=str,
)
async def test_a_token_that_is_not_graphs_is_refused(apps, mint, order, version):
    await refused(apps.check(mint("graph-validation", version=version, **order), world.CONNECTOR_APP, GRAPH))


async def test_the_client_of_one_version_does_not_count_in_the_other(apps, mint):
    swapped = {"azp": None, "appid": world.GRAPH_CHANGE_TRACKING_APP}
    await refused(apps.check(mint("graph-validation", version=2, claims=swapped), world.CONNECTOR_APP, GRAPH))


async def test_a_foreign_tenants_service_is_refused_where_tenants_are_named(apps, mint):
    token = mint("event-grid", tenant=FABRIKAM)
    assert await apps.check(token, world.API_APP, EVENT_GRID) == FABRIKAM
    await refused(apps.check(token, world.API_APP, EVENT_GRID, {OPERATOR}))


# --- a provider's sign-in -------------------------------------------------------------------------------------------


@dataclass
class Visit:
    """One provider's way through Entra; the browser is the stand-in's own session."""

    entra: object
    client: SignIn
    proof: Pkce

    @property
    def redirect_uri(self):
        return self.entra.plan.urls["app"] + world.CONNECTOR_REDIRECTS[0]

    def code(self, user="paula", tenant=LAMNA, nonce=NONCE):
        url = self.client.authorize_url(tenant, self.redirect_uri, STATE, nonce, self.proof.challenge)
        page = self.entra.http.get(url, timeout=10)
        action = re.search(r'action="([^"]+)"', page.text)[1].replace("&amp;", "&")
        answer = self.entra.http.post(self.entra.url + action, data={"user": user}, allow_redirects=False, timeout=10)
        back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
        assert back["state"] == STATE
        return back["code"]

    async def redeem(self, code, tenant=LAMNA, nonce=NONCE, verifier=None):
        return await self.client.redeem(tenant, code, self.redirect_uri, verifier or self.proof.verifier, nonce)


@pytest.fixture
def visit(entra, outbound, keysets):
    pem = entra.plan.path("connector_both").read_text()
    return Visit(entra, SignIn(entra.url, world.CONNECTOR_APP, pem, outbound, keysets, Clock()), pkce())


@pytest.mark.feature("F7.3")
async def test_a_provider_signs_in_once_and_is_known_by_tenant_and_object_id(entra, visit):
    assert await visit.redeem(visit.code()) == SignedIn(LAMNA, world.USERS["paula"].oid)
    assert entra.seen("token")[-1]["proof"] == "certificate"
    assert entra.seen("sign_in")[-1]["prompt"] == "select_account"


@pytest.mark.feature("F7.3")
async def test_the_account_is_picked_again_on_a_shared_machine(entra, visit):
    await visit.redeem(visit.code("paula"))
    assert await visit.redeem(visit.code("noor")) == SignedIn(LAMNA, world.USERS["noor"].oid)


async def test_a_code_is_good_once_and_only_with_its_verifier_and_nonce(visit):
    code = visit.code()
    await visit.redeem(code)
    assert await refused(visit.redeem(code), Code.SIGN_IN_REFUSED) == ("invalid_grant",)
    assert await refused(visit.redeem(visit.code(), verifier=pkce().verifier), Code.SIGN_IN_REFUSED)
    assert await refused(visit.redeem("invented"), Code.SIGN_IN_REFUSED)
    assert await refused(visit.redeem(visit.code(), nonce="another"), Code.SIGN_IN_REFUSED) == ()
    assert await refused(visit.redeem(visit.code(nonce=""), nonce=""), Code.SIGN_IN_REFUSED) == ()


async def test_somebody_of_another_hospital_cannot_sign_in_here(visit):
    code = visit.code("mallory", tenant=FABRIKAM)
    await refused(visit.redeem(code), Code.SIGN_IN_REFUSED)


async def test_entra_away_is_later(entra, visit):
    code = visit.code()
    entra.fault(route="POST .*/token", do="status", status=503)
    with pytest.raises(Later):
        await visit.redeem(code)


async def test_a_stranger_certificate_does_not_prove_us(entra, visit, outbound, keysets):
    plan = entra.plan
    pem = plan.path("stranger_cert").read_text() + plan.path("stranger_key").read_text()
    visit.client = SignIn(entra.url, world.CONNECTOR_APP, pem, outbound, keysets, Clock())
    assert await refused(visit.redeem(visit.code()), Code.SIGN_IN_REFUSED) == ("invalid_client",)


@pytest.mark.parametrize("parts", [(), ("connector_key",), ("connector_cert",), ("connector_key", "stranger_cert")])
def test_half_a_certificate_stops_the_start_and_is_not_shown(plan, parts):
    with pytest.raises(Broken) as broken:
        read_certificate("".join(plan.path(part).read_text() for part in parts))
    assert "BEGIN" not in str(broken.value)
