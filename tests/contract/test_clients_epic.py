"""The connector's Epic client against the Epic stand-in: discovery, launches, tokens, reads."""

import asyncio
import ipaddress
import logging
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox import peer as sandbox_peer
from sandbox import world
from shared.clients.addresses import Guarded
from shared.clients.epic import Epic, KeyCredential, SecretCredential, authorize_url
from shared.clients.keysets import KeySets
from shared.clients.oauth import Pkce, pkce
from shared.clients.outbound import Outbound
from shared.clients.pace import Pace
from shared.clock import Clock
from shared.domain.signing import SigningKeys
from shared.errors import Code, Later, Refused

PROVIDER, PATIENT, BACKEND = (world.EPIC_APPS["test", role] for role in ("provider", "patient", "backend"))
CSN = "10000209577"
STATE, NONCE = "a-state-of-128-bits-or-more", "a-nonce-of-this-launch"
SECRET = "a+b/c==&d e%f"
CONTEXT = "csn=%CSN%&SessionId=%CSN%&userid=%EPICUSERID%"
SCOPES = {
    PROVIDER: "launch openid fhirUser profile user/Appointment.read",
    PATIENT: "launch openid fhirUser patient/Appointment.read",
}


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text.decode()


RING = SigningKeys([("current", pem(rsa.generate_private_key(65537, 2048)))])
ECRING = SigningKeys([("curve", pem(ec.generate_private_key(ec.SECP384R1())))])


@pytest.fixture(scope="module")
def running(start_peer):
    return start_peer("epic")


@pytest.fixture
async def jwks(plan):
    """The connector's own /jwks, where Epic's stand-in looks for its keys."""
    published = {"keys": RING.jwks()["keys"] + ECRING.jwks()["keys"]}

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(published, headers={"Cache-Control": "no-store"})

    app = web.Application()
    app.router.add_get("/jwks/test", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", plan.ports["app"], ssl_context=sandbox_peer.server_tls(plan)).start()
    yield published
    await runner.cleanup()
    await asyncio.sleep(0.1)  # TLS says goodbye a moment later; else the closing loop finds open transports


@pytest.fixture
async def outbound(running, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", running.ca)
    port = urlsplit(running.url).port
    way = Outbound(Guarded(frozenset({443, port}), (ipaddress.ip_network("127.0.0.0/8"),)))
    yield way
    await way.close()


@dataclass
class Hospital:
    """The stand-in's test instance and the connector's client for it."""

    running: Any
    epic: Epic
    proof: Pkce

    @property
    def base(self) -> str:
        return self.running.url + world.EPIC_INSTANCES["test"] + "/api/FHIR/R4"

    @property
    def callback(self) -> str:
        return self.running.plan.urls["app"] + "/launch/callback"

    def control(self, method: str, path: str, **body: Any) -> Any:
        answer = self.running.http.request(method, f"{self.running.url}/_sandbox/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def behave(self, **options: Any) -> None:
        self.control("PATCH", "instances/test", **options)

    async def ends(self, client_id: str = PROVIDER):
        return await self.epic.discover(self.base, client_id)

    async def code(self, client_id: str = PROVIDER, user: str = "paula", *, standalone: bool = False, **launch) -> str:
        """Begin a visit in Epic's browser and bring back the code."""
        ends = await self.ends(client_id)
        started = None if standalone else self.control("POST", "launch", user=user, csn=CSN, **launch)
        url = authorize_url(
            ends,
            client_id=client_id,
            redirect_uri=self.callback,
            scope=SCOPES[client_id].removeprefix("launch ") if standalone else SCOPES[client_id],
            state=STATE,
            aud=started["iss"] if started else self.base,
            nonce=NONCE,
            challenge=self.proof.challenge if ends.pkce else None,
            launch=started["launch"] if started else None,
        )
        answer = self.running.http.get(url, allow_redirects=False, timeout=10)
        if standalone:
            answer = self.sign_in(answer.text, user)
        back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
        assert back["state"] == STATE
        return back["code"]

    def sign_in(self, page: str, user: str) -> Any:
        handle = re.search(r'name="request" value="([^"]+)"', page)[1]
        action = re.search(r'action="([^"]+)"', page)[1]
        who = world.EPIC_USERS[user]
        form = {"request": handle, "login": who.login, "password": who.password}
        return self.running.http.post(self.running.url + action, data=form, allow_redirects=False, timeout=10)

    async def redeem(self, code: str, credential: Any = None, client_id: str = PROVIDER, **changes: Any):
        ends = await self.ends(client_id)
        verifier = changes.pop("verifier", self.proof.verifier if ends.pkce else None)
        credential = credential or KeyCredential(client_id, RING)
        return await self.epic.redeem(ends, code, self.callback, verifier, credential, **{"nonce": NONCE} | changes)


@pytest.fixture
def hospital(running, outbound):
    here = Hospital(running, Epic(outbound, KeySets(outbound, Clock()), Clock(), Pace(Clock())), pkce())
    running.http.cookies.clear()
    here.control("POST", "reset")
    for role, client_id in (("provider", PROVIDER), ("patient", PATIENT)):
        url = f"{running.plan.urls['app']}/launch/{role}/c1"
        here.control("POST", "fdi", role=role, launch_url=url, client_id=client_id, context=CONTEXT)
    return here


@pytest.fixture
def booked(hospital, jwks):
    order = {"csn": CSN, "patient": "pat", "practitioner": "paula", "start": "2031-04-20T20:00:00Z", "minutes": 15}
    return hospital.control("POST", "appointments", **order)


async def refused(call, code=Code.EPIC_REFUSED):
    with pytest.raises(Refused) as refusal:
        await call
    assert refusal.value.code == code
    return refusal.value.fields


# --- discovery ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smart", [True, False], ids=["smart-configuration", "metadata"])
@pytest.mark.parametrize("iss", ["2018", "2020"])
async def test_old_and_new_epics_are_discovered_alike(hospital, smart, iss):
    hospital.behave(smart_configuration=smart, id_token_iss=iss)
    ends, root = await hospital.ends(), hospital.base.removesuffix("/api/FHIR/R4")
    assert (ends.authorize, ends.token) == (f"{root}/oauth2/authorize", f"{root}/oauth2/token")
    assert ends.jwks == f"{root}/api/epic/2019/Security/Open/PublicKeys/530027/OIDC"
    assert ends.issuers == {f"{root}/oauth2", f"{root}/oauth2/token"}
    assert (ends.pkce, ends.fhir_version) == (smart, "R4")
    assert ("launch-ehr" in ends.capabilities) == smart


@pytest.mark.parametrize("smart", [True, False])
async def test_a_client_with_endpoints_of_its_own_gets_those(hospital, smart):
    hospital.behave(smart_configuration=smart)
    hospital.control("PATCH", f"apps/{PATIENT}", oauth_folder="oauth2-portal")
    root = hospital.base.removesuffix("/api/FHIR/R4")
    assert (await hospital.ends(PATIENT)).token == f"{root}/oauth2-portal/token"
    assert (await hospital.ends(PROVIDER)).token == f"{root}/oauth2/token"
    assert f"{root}/oauth2" in (await hospital.ends(PATIENT)).issuers
    assert (await hospital.ends(PATIENT)).jwks


async def test_what_was_discovered_is_kept(hospital):
    before = len(hospital.running.seen("discovery"))
    for _ in range(5):
        await hospital.ends()
    assert len(hospital.running.seen("discovery")) == before + 1


async def test_a_dstu2_base_is_discovered_by_its_conformance_statement(hospital):
    ends = await hospital.epic.discover(hospital.base.replace("R4", "DSTU2"), PROVIDER)
    assert (ends.fhir_version, ends.pkce, bool(ends.jwks)) == ("DSTU2", False, True)


@pytest.mark.feature("F2.10")
async def test_where_no_fhir_server_answers_the_base_is_invalid(hospital):
    url = hospital.running.url + "/nowhere/api/FHIR/R4"
    assert await refused(hospital.epic.discover(url, PROVIDER), Code.FHIR_BASE_INVALID) == ("fhirBaseUrl",)


async def test_endpoints_on_a_host_that_was_not_approved_are_refused(hospital):
    """The server is called by another name than the one its endpoints bear."""
    base = hospital.base.replace("127.0.0.1", "localhost")
    approved = {urlsplit(hospital.base).netloc}
    assert await refused(hospital.epic.discover(base, PROVIDER), Code.ADDRESS_REFUSED) == ("authorize",)
    assert (await hospital.epic.discover(base, PROVIDER, approved)).token.startswith(hospital.running.url)
    await refused(hospital.epic.discover(base, PROVIDER, {"127.0.0.1"}), Code.ADDRESS_REFUSED)


@pytest.mark.parametrize(
    "base", ["https://10.0.0.1/api/FHIR/R4", "http://127.0.0.1/R4", "https://169.254.169.254/R4", "x"]
)
async def test_a_base_that_leads_inside_is_refused(hospital, base):
    await refused(hospital.epic.discover(base, PROVIDER), Code.ADDRESS_REFUSED)


@pytest.mark.parametrize("fault", [{"do": "status", "status": 502}, {"do": "drop"}, {"do": "throttle"}], ids=str)
async def test_an_epic_that_is_away_is_later(hospital, fault):
    hospital.running.fault(route="GET .*", **fault)
    with pytest.raises(Later):
        await hospital.ends()


# --- launches -------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F7.1")
@pytest.mark.parametrize("iss", ["2018", "2020"])
async def test_a_provider_launches_from_hyperspace(hospital, booked, iss):
    hospital.behave(id_token_iss=iss)
    tokens = await hospital.redeem(await hospital.code())
    paula = world.EPIC_USERS["paula"]
    assert (tokens.id.kind, tokens.id.fhir_id, tokens.id.subject) == ("Practitioner", paula.fhir_id, paula.fhir_id)
    assert tokens.id.preferred_username == paula.login
    assert (tokens.patient, tokens.appointment, tokens.encounter) == (
        booked["patient"], booked["appointment"], booked["encounter"],
    )  # fmt: skip
    assert tokens.login_department
    assert (tokens.extras["csn"], tokens.extras["sessionid"]) == (CSN, CSN)


@pytest.mark.feature("F8.1")
@pytest.mark.parametrize(("user", "kind"), [("pat", "Patient"), ("prue", "RelatedPerson")])
async def test_a_patient_and_a_proxy_launch_from_mychart(hospital, booked, user, kind):
    tokens = await hospital.redeem(await hospital.code(PATIENT, user), client_id=PATIENT)
    assert (tokens.id.kind, tokens.id.fhir_id) == (kind, world.EPIC_USERS[user].fhir_id)
    assert (tokens.login_department, tokens.id.preferred_username) == (None, None)


@pytest.mark.feature("F3.1")
async def test_an_approver_signs_in_to_epic_without_a_launch(hospital, jwks):
    tokens = await hospital.redeem(await hospital.code(user="ana", standalone=True))
    assert tokens.id.fhir_id == world.EPIC_USERS["ana"].fhir_id
    assert (tokens.appointment, tokens.encounter) == (None, None)


@pytest.mark.parametrize("ring", [RING, ECRING], ids=["RS384", "ES384"])
async def test_either_kind_of_key_proves_the_connector(hospital, booked, ring):
    assert await hospital.redeem(await hospital.code(), KeyCredential(PROVIDER, ring))
    assert hospital.running.seen("token")[-1]["proof"] == "key"


async def test_a_key_is_added_used_and_dropped_without_a_launch_failing(hospital, booked, jwks):
    """The ring's life at an Epic that reads the key set again only for a key it does not know."""
    old, new = (
        ("old", pem(rsa.generate_private_key(65537, 2048))),
        ("new", pem(rsa.generate_private_key(65537, 2048))),
    )
    for ring in (SigningKeys([old]), SigningKeys([old, new]), SigningKeys([new, old]), SigningKeys([new])):
        jwks["keys"] = ring.jwks()["keys"]
        assert await hospital.redeem(await hospital.code(), KeyCredential(PROVIDER, ring))
    dropped = KeyCredential(PROVIDER, SigningKeys([old]))
    assert await refused(hospital.redeem(await hospital.code(), dropped)) == ("invalid_client",)


async def test_a_secret_with_every_awkward_character_proves_the_connector(hospital, booked):
    hospital.control("PATCH", f"apps/{PROVIDER}", secret=SECRET, jwks_url=None)
    assert await hospital.redeem(await hospital.code(), SecretCredential(PROVIDER, SECRET))
    assert hospital.running.seen("token")[-1]["proof"] == "secret"
    code = await hospital.code()
    assert await refused(hospital.redeem(code, SecretCredential(PROVIDER, "wrong"))) == ("invalid_client",)


async def test_a_key_that_is_not_published_does_not_prove_the_connector(hospital, booked):
    stranger = SigningKeys([("current", pem(rsa.generate_private_key(65537, 2048)))])
    code = await hospital.code()
    assert await refused(hospital.redeem(code, KeyCredential(PROVIDER, stranger))) == ("invalid_client",)


async def test_a_code_is_good_once_and_only_with_its_verifier(hospital, booked):
    code = await hospital.code()
    await hospital.redeem(code)
    assert await refused(hospital.redeem(code)) == ("invalid_grant",)
    assert await refused(hospital.redeem(await hospital.code(), verifier=pkce().verifier)) == ("invalid_grant",)
    assert await refused(hospital.redeem("invented")) == ("invalid_grant",)


async def test_an_epic_without_pkce_and_with_a_trailing_comma_launches(hospital, booked):
    hospital.behave(pkce=False, trailing_comma=True)
    assert not (await hospital.ends()).pkce
    assert (await hospital.redeem(await hospital.code())).extras["csn"] == CSN


async def test_a_launch_that_says_nothing_of_the_visit_still_says_who(hospital, booked):
    hospital.behave(omit=["patient", "encounter", "appointment", "location", "loginDepartment", "csn", "token_type"])
    tokens = await hospital.redeem(await hospital.code())
    assert (tokens.patient, tokens.encounter, tokens.appointment, tokens.location) == (None, None, None, None)
    assert tokens.id.kind == "Practitioner"
    hospital.behave(omit=["id_token"])
    assert (await hospital.redeem(await hospital.code())).id is None


@pytest.mark.parametrize("how", ["none", "hs256", "stranger"])
async def test_an_id_token_that_epic_did_not_sign_is_refused(hospital, booked, how):
    hospital.behave(id_token_signature=how)
    await refused(hospital.redeem(await hospital.code()))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": PATIENT},
        {"aud": None},
        {"iss": "https://127.0.0.1/oauth2"},
        {"iss": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 32503680000},
        {"nonce": "of another launch"},
        {"nonce": None},
        {"sub": None},
    ],
    ids=str,
)
async def test_an_id_token_with_a_false_claim_is_refused(hospital, booked, claims):
    hospital.behave(id_token_claims=claims)
    await refused(hospital.redeem(await hospital.code()))


async def test_a_missing_nonce_is_forgiven_only_where_that_is_said(hospital, booked):
    hospital.behave(id_token_claims={"nonce": None})
    tokens = await hospital.redeem(await hospital.code(), nonce_rule="if-sent")
    assert tokens.id.kind == "Practitioner"


async def test_any_of_several_published_keys_may_sign(hospital, booked):
    hospital.control("POST", "instances/test/keys")
    assert (await hospital.redeem(await hospital.code())).id.kind == "Practitioner"


async def test_an_epic_that_fails_at_the_token_endpoint_is_later(hospital, booked):
    code = await hospital.code()
    hospital.running.fault(route="POST .*/token", do="throttle", retry_after="0.5")
    with pytest.raises(Later) as later:
        await hospital.redeem(code)
    assert later.value.after == timedelta(seconds=0.5)


@pytest.mark.feature("F12.10")
async def test_no_token_or_code_reaches_a_log_or_a_refusal(hospital, booked, caplog):
    caplog.set_level(logging.DEBUG)
    code = await hospital.code()
    tokens = await hospital.redeem(code)
    with pytest.raises(Refused) as refusal:
        await hospital.redeem(code)
    ours = [record for record in caplog.records if not record.name.startswith("urllib3")]  # the test's own browser
    kept = str(refusal.value) + repr(tokens) + "".join(record.getMessage() for record in ours)
    for secret in (code, tokens.access_token, hospital.proof.verifier, CSN):
        assert secret not in kept
    assert refusal.value.__cause__ is None


# --- the connector's own token, and reads ---------------------------------------------------------------------------


async def test_the_connectors_own_token_is_kept_until_it_ends(hospital, jwks):
    ends, credential = await hospital.ends(BACKEND), KeyCredential(BACKEND, RING)
    before = len(hospital.running.seen("token"))
    tokens = {await hospital.epic.backend_token(ends, credential) for _ in range(3)}
    assert (len(tokens), len(hospital.running.seen("token"))) == (1, before + 1)


async def test_a_backend_without_an_epic_user_gets_no_token(hospital, jwks):
    hospital.control("PATCH", f"apps/{BACKEND}", mapped_user=False)
    ends = await hospital.ends(BACKEND)
    assert await refused(hospital.epic.backend_token(ends, KeyCredential(BACKEND, RING))) == ("invalid_client",)


@pytest.fixture
async def backend(hospital, booked):
    return await hospital.epic.backend_token(await hospital.ends(BACKEND), KeyCredential(BACKEND, RING))


async def test_an_appointment_is_read(hospital, booked, backend):
    read = await hospital.epic.read(hospital.base, backend, f"Appointment/{booked['appointment']}")
    assert (read["resourceType"], read["id"]) == ("Appointment", booked["appointment"])


async def test_what_epic_refuses_to_show_is_refused_with_its_numbers(hospital, booked, backend):
    epic, base = hospital.epic, hospital.base
    reference = f"Appointment/{booked['appointment']}"
    assert await refused(epic.read(base, "wrong", reference)) == ("401",)
    assert await refused(epic.read(base, backend, "Appointment/unknown")) == ("404", "4102")
    hospital.behave(break_the_glass=[booked["patient"]])
    assert await refused(epic.read(base, backend, reference)) == ("403", "4130")
    hospital.control("PATCH", f"apps/{BACKEND}", incoming_apis=[])
    assert await refused(epic.read(base, backend, reference)) == ("403",)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "Appointment",
        "Appointment/",
        "Appointment/../Patient",
        "Appointment/a/b",
        "Appointment/..",
        "Appointment/a?b",
        "/Appointment/a",
        "Appointment/a%2f",
        "a/b",
    ],
)
async def test_an_id_cannot_lead_to_another_path(hospital, reference):
    assert await refused(hospital.epic.read(hospital.base, "t", reference), Code.VALUE_REFUSED) == ("reference",)


async def test_a_busy_fhir_server_is_later(hospital, booked, backend):
    hospital.running.fault(route="GET .*/Appointment/.*", do="status", status=500)
    with pytest.raises(Later):
        await hospital.epic.read(hospital.base, backend, f"Appointment/{booked['appointment']}")
