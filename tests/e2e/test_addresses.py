"""Architecture, rule 7: whatever address comes from outside, nobody inside is ever called.

Each address three ways: as a literal, as a name that leads inside (at once, or only later), as a redirect from a host
that may be called. Each test looks at two things: the connector's answer, and the inside, which saw no connection.
Names and the inside are those of tests/e2e/hospital.py; the connector is the real app with its real resolver code.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox import clock, world
from sandbox.ca import HOSPITAL
from sandbox.demo.api import Answer, call, change
from sandbox.demo.browser import Browser, Page
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.steps.set_up import ORGANISATION, epic_side
from shared.clients.addresses import Trusted
from shared.clients.graph import Graph
from shared.clients.outbound import Outbound
from shared.clients.sms import Sms, SmsOrder
from shared.domain.delivery import Verdict
from shared.errors import Later
from tests.e2e.conftest import add, approve, begin, finish, follow, free_base
from tests.e2e.hospital import (
    AUTHORIZE,
    BASE,
    INSIDE,
    KEYS,
    METADATA,
    OPENID,
    OUTSIDE,
    SMART,
    TOKEN,
    Hospital,
    Inside,
    resolve,
)
from tests.e2e.launch.launching import code, control, csn
from tests.e2e.visiting import Visit, clinic

#: Ways to write the inside's own address: each reaches it, for a client that does not look.
INSIDES = [INSIDE, f"[::ffff:{INSIDE}]", "[::ffff:7f00:2]", "2130706434", "0x7f000002", "0x7f.2", "127.2", "0177.0.0.2"]
#: What else is inside; nobody of ours can stand there.
ELSEWHERE = ["10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "168.63.129.16", "0.0.0.1",
             "224.0.0.1", "[::1]", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:2]", "[2002:7f00:2::1]"]  # fmt: skip
#: What a name that leads inside may resolve to.
ANSWERS = [[INSIDE], [OUTSIDE, INSIDE], [f"::ffff:{INSIDE}"], ["10.0.0.1"], ["169.254.169.254"], ["168.63.129.16"],
           ["::1"], ["fe80::1"]]  # fmt: skip
REDIRECTS = [301, 302, 303, 307, 308]


@pytest.fixture
async def inside(scene: Scene) -> AsyncIterator[Inside]:
    async with Inside(scene.plan).open() as made:
        yield made


@pytest.fixture
async def clear(scene: Scene) -> AsyncIterator[None]:
    """An enabled organisation; names and the base URLs of the test's connections are forgotten afterwards."""
    await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)
    yield
    await free_base(scene)
    scene.plan.path("names").unlink(missing_ok=True)


@pytest.fixture
async def hospital(scene: Scene, clear: None, request: pytest.FixtureRequest) -> AsyncIterator[Hospital]:
    """A hospital, by its name unless a test says otherwise; the scene's connection is a draft for it."""
    resolve(scene.plan, [OUTSIDE])
    async with Hospital(scene.plan, getattr(request, "param", HOSPITAL)).open() as made:
        await drafted(scene, made)
        yield made


async def drafted(scene: Scene, hospital: Hospital, **side: Any) -> None:
    """A connection for a hospital. Its presence is only logged: what is written back has its own test."""
    epic = epic_side(scene) | {"fhir_base_url": hospital.base, "write_back": {"sink": "log-only"}} | side
    added = await add(scene, epic=epic)
    assert added.status == 201, added.body
    scene.facts["connection"] = added.body["id"]


async def based(scene: Scene, url: str) -> Answer:
    """Another FHIR base URL, validated."""
    epic = epic_side(scene) | {"fhir_base_url": url, "write_back": {"sink": "log-only"}}
    proposed = await change(scene, "adam", "PUT", "/epic", epic)
    return await validate(scene) if proposed.status == 200 else proposed


async def validate(scene: Scene) -> Answer:
    return await change(scene, "adam", "POST", "/validation")


async def state(scene: Scene) -> str:
    """Where the waiting revision is."""
    found = await call(scene, "adam", "GET", f"/config/connections/{scene.facts['connection']}")
    return str(found.body["pending"]["state"])


async def returned(scene: Scene, hospital: Hospital) -> str:
    """An approval as far as the address that the hospital sends the approver back to."""
    assert (await validate(scene)).status == 200
    attempt = await begin(scene)
    assert attempt.status == 201, attempt.body
    scene.facts["attempt"] = attempt
    async with scene.http.get(hospital.at_hand(attempt.body["authorize_url"]), allow_redirects=False) as answer:
        return answer.headers["Location"]


async def approved(scene: Scene, hospital: Hospital) -> None:
    """The hospital's connection serves."""
    status, page = await follow(scene, await returned(scene, hospital))
    assert status == 200, page
    assert (await finish(scene, scene.facts["attempt"])).status == 200
    hospital.seen.clear()


async def launch(scene: Scene, hospital: Hospital, role: str = "patient", iss: str = "") -> Page:
    """A launch, to its last page of ours. The patient's app has not been discovered for yet."""
    query = urlencode({"iss": iss or hospital.base, "launch": "abc"})
    async with Browser(scene.plan) as browser:
        url = f"{scene.plan.urls['app']}/launch/{role}/{scene.facts['connection']}?{query}"
        page = await browser.ask("GET", url)
        if not page.location:
            return page
        back = (await browser.ask("GET", hospital.at_hand(page.location))).location
        return await browser.ask("GET", back)


def refused(answer: Answer, status: int, wanted: str, *fields: str) -> None:
    assert (answer.status, answer.body.get("code")) == (status, wanted), answer.body
    assert answer.body.get("fields", []) == list(fields)


def shown(page: Page, status: int, wanted: str) -> None:
    """A page of ours says this code and sends the browser nowhere."""
    assert (page.host, page.status, code(page), page.location) == ("app", status, wanted, "")


# --- the far sides do see who comes


@pytest.mark.parametrize("host", INSIDES)
async def test_the_inside_sees_whoever_calls_it(inside: Inside, host: str):
    """Else the other tests could not fail."""
    (family, kind, *_, address), *_ = socket.getaddrinfo(host.strip("[]"), inside.port, type=socket.SOCK_STREAM)
    with socket.socket(family, kind) as caller:
        caller.setblocking(False)
        await asyncio.get_running_loop().sock_connect(caller, address)
        assert await eventually(lambda: reached(inside), bool) == 1


async def reached(inside: Inside) -> int:
    return inside.reached


@pytest.mark.parametrize("hospital", [OUTSIDE, HOSPITAL], indirect=True)
async def test_a_hospital_outside_is_called_by_address_and_by_name(scene: Scene, hospital: Hospital):
    """What the other tests refuse is refused for where it leads, not for being a test's."""
    await approved(scene, hospital)
    hospital.answers[APPOINTMENT] = {"resourceType": "Appointment"}
    hospital.context = {"appointment": "eVa"}
    shown(await launch(scene, hospital), 404, "visit-unknown")
    assert hospital.seen == [SMART, AUTHORIZE, TOKEN, APPOINTMENT]  # the keys are known since the approval


# --- the FHIR base URL, when it is validated


@pytest.mark.parametrize("host", INSIDES + ELSEWHERE)
async def test_a_base_url_with_an_inside_address_is_refused(
    scene: Scene, hospital: Hospital, inside: Inside, host: str
):
    answer = await based(scene, f"https://{host}:{inside.port}/api/FHIR/R4")
    refused(answer, 422, "address-refused", *answer.body["fields"])
    assert set(answer.body["fields"]) <= {"address", "host"}  # the port is one that may be called
    assert (await state(scene), inside.reached) == ("draft", 0)


@pytest.mark.parametrize("addresses", ANSWERS, ids=str)
async def test_a_base_url_whose_name_leads_inside_is_refused(
    scene: Scene, hospital: Hospital, inside: Inside, addresses: list[str]
):
    """One wrong address among several is enough."""
    resolve(scene.plan, addresses)
    refused(await validate(scene), 422, "address-refused", "address")
    assert (await state(scene), hospital.seen, inside.reached) == ("draft", [], 0)


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_base_url_that_redirects_inside_is_not_followed(
    scene: Scene, hospital: Hospital, inside: Inside, status: int
):
    for path in (SMART, METADATA):
        hospital.redirects(path, inside.url + path, status)
    refused(await validate(scene), 422, "fhir-base-invalid", "fhirBaseUrl")
    assert (await state(scene), hospital.seen, inside.reached) == ("draft", [SMART, METADATA], 0)


async def test_a_name_is_asked_once_and_the_call_goes_where_it_was_judged(
    scene: Scene, hospital: Hospital, inside: Inside
):
    """A DNS that answers a second question otherwise gets no second question."""
    resolve(scene.plan, [OUTSIDE], [INSIDE])
    assert (await validate(scene)).status == 200
    assert (hospital.seen, inside.reached) == ([SMART], 0)


# --- the FHIR base URL, once its connection serves


@pytest.mark.parametrize("addresses", ANSWERS, ids=str)
async def test_a_launch_does_not_follow_a_name_that_now_leads_inside(
    scene: Scene, hospital: Hospital, inside: Inside, addresses: list[str]
):
    await approved(scene, hospital)
    resolve(scene.plan, addresses)
    shown(await launch(scene, hospital), 422, "address-refused")
    assert (hospital.seen, inside.reached) == ([], 0)


async def test_a_launch_does_not_follow_a_base_url_that_now_redirects(scene: Scene, hospital: Hospital, inside: Inside):
    await approved(scene, hospital)
    for path in (SMART, METADATA):
        hospital.redirects(path, inside.url + path)
    shown(await launch(scene, hospital), 422, "fhir-base-invalid")
    assert (hospital.seen, inside.reached) == ([SMART, METADATA], 0)


@pytest.mark.parametrize("accepted", [False, True])
async def test_the_iss_of_a_launch_is_compared_and_never_called(
    scene: Scene, clear: None, inside: Inside, *, accepted: bool
):
    iss = f"{inside.url}/api/FHIR/R4"
    async with Hospital(scene.plan).open() as hospital:
        await drafted(scene, hospital, accepted_iss=[iss] if accepted else [])
        await approved(scene, hospital)
        shown(await launch(scene, hospital, iss=iss), *(404, "visit-unknown") if accepted else (403, "issuer-unknown"))
        assert hospital.seen == ([SMART, AUTHORIZE, TOKEN] if accepted else [])
    assert inside.reached == 0


# --- what discovery names

MEMBERS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
DISCOVERED = [INSIDE, f"[::ffff:{INSIDE}]", "2130706434", "169.254.169.254", "elsewhere.sandbox.example"]


@pytest.mark.parametrize("host", DISCOVERED)
@pytest.mark.parametrize("member", MEMBERS)
async def test_a_discovered_address_inside_is_refused(
    scene: Scene, hospital: Hospital, inside: Inside, member: str, host: str
):
    """By address, and by a name: that leads inside, and would be refused wherever it led, as nobody approved it."""
    resolve(scene.plan, [INSIDE], name="elsewhere.sandbox.example")
    hospital.smart[member] = f"https://{host}:{inside.port}/x"
    answer = await validate(scene)
    refused(answer, 422, "address-refused", *answer.body["fields"])
    assert answer.body["fields"] in ([MEMBERS[member]], ["host"], ["address"])
    assert (await state(scene), hospital.seen, inside.reached) == ("draft", [SMART], 0)


@pytest.mark.parametrize("member", MEMBERS)
async def test_a_launch_refuses_an_address_that_discovery_now_names(
    scene: Scene, hospital: Hospital, inside: Inside, member: str
):
    """The browser is not sent there either."""
    await approved(scene, hospital)
    hospital.smart[member] = f"{inside.url}/x"
    shown(await launch(scene, hospital), 422, "address-refused")
    assert (hospital.seen, inside.reached) == ([SMART], 0)


@pytest.mark.parametrize("uri", ["authorize", "token"])
async def test_a_capability_statements_address_inside_is_refused(
    scene: Scene, hospital: Hospital, inside: Inside, uri: str
):
    own = {"authorize": hospital.url + AUTHORIZE, "token": hospital.url + TOKEN, uri: f"{inside.url}/x"}
    del hospital.answers[SMART]
    hospital.answers[METADATA] = statement(own)
    refused(await validate(scene), 422, "address-refused", uri)
    assert (await state(scene), hospital.seen, inside.reached) == ("draft", [SMART, METADATA], 0)


def statement(uris: dict[str, str]) -> dict[str, Any]:
    """A capability statement of before August 2021."""
    url = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    members = [{"url": name, "valueUri": value} for name, value in uris.items()]
    return {"rest": [{"security": {"extension": [{"url": url, "extension": members}]}}]}


@pytest.mark.parametrize("issuer", ["{inside}/oauth2", "https://elsewhere.sandbox.example:{port}/oauth2"])
async def test_an_issuer_inside_is_not_asked_for_its_configuration(
    scene: Scene, hospital: Hospital, inside: Inside, issuer: str
):
    """It is passed over: the hospital's own is asked, which has none. So nobody's id_token can be believed."""
    resolve(scene.plan, [INSIDE], name="elsewhere.sandbox.example")
    hospital.smart["issuer"] = issuer.format(inside=inside.url, port=inside.port)
    del hospital.smart["jwks_uri"]
    status, page = await follow(scene, await returned(scene, hospital))
    assert (status, "<small>epic-refused</small>" in page) == (502, True), page
    assert OPENID in hospital.seen
    assert inside.reached == 0


async def test_an_openid_configuration_that_names_keys_inside_is_refused(
    scene: Scene, hospital: Hospital, inside: Inside
):
    del hospital.smart["jwks_uri"]
    hospital.answers[OPENID] = {"jwks_uri": f"{inside.url}/keys"}
    refused(await validate(scene), 422, "address-refused", "jwks")
    assert (await state(scene), hospital.seen, inside.reached) == ("draft", [SMART, OPENID], 0)


async def test_an_openid_configuration_whose_name_now_leads_inside_is_refused(
    scene: Scene, hospital: Hospital, inside: Inside
):
    del hospital.smart["jwks_uri"]
    hospital.then[SMART] = lambda: resolve(scene.plan, [INSIDE])
    refused(await validate(scene), 422, "address-refused", "address")
    assert (await state(scene), hospital.seen, inside.reached) == ("draft", [SMART], 0)


async def test_an_openid_configuration_that_redirects_is_not_followed(scene: Scene, hospital: Hospital, inside: Inside):
    del hospital.smart["jwks_uri"]
    hospital.redirects(OPENID, f"{inside.url}/x")
    assert (await validate(scene)).status == 200
    assert (OPENID in hospital.seen, inside.reached) == (True, 0)


# --- the token endpoint and the keys, where codes and secrets go


async def test_an_approvals_code_does_not_go_where_the_name_now_leads(scene: Scene, hospital: Hospital, inside: Inside):
    hospital.then[AUTHORIZE] = lambda: resolve(scene.plan, [INSIDE])
    status, page = await follow(scene, await returned(scene, hospital))
    assert (status, "<small>address-refused</small>" in page) == (422, True), page
    assert (TOKEN in hospital.seen, inside.reached) == (False, 0)


@pytest.mark.parametrize(
    ("after", "asked"), [(AUTHORIZE, [SMART, AUTHORIZE]), (TOKEN, [SMART, AUTHORIZE, TOKEN])], ids=["token", "jwks"]
)
async def test_a_launch_does_not_fetch_where_the_name_leads_by_then(
    scene: Scene, hospital: Hospital, inside: Inside, after: str, asked: list[str]
):
    """The name changes just before the token endpoint is called, or the keys."""
    await approved(scene, hospital)
    hospital.smart["jwks_uri"] += "-others"  # the approval has fetched the usual ones
    hospital.then[after] = lambda: resolve(scene.plan, [INSIDE])
    shown(await launch(scene, hospital), 422, "address-refused")
    assert (hospital.seen, inside.reached) == (asked, 0)


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_token_endpoint_that_redirects_gets_the_code_once_and_nobody_else_does(
    scene: Scene, hospital: Hospital, inside: Inside, status: int
):
    await approved(scene, hospital)
    hospital.redirects(TOKEN, f"{inside.url}/token", status)
    shown(await launch(scene, hospital), 502, "epic-refused")
    assert (hospital.seen, inside.reached) == ([SMART, AUTHORIZE, TOKEN], 0)


async def test_keys_that_redirect_are_not_followed(scene: Scene, hospital: Hospital, inside: Inside):
    """Keys that cannot be had are had later: the launch may be tried again."""
    await approved(scene, hospital)
    hospital.smart["jwks_uri"] += "-others"
    hospital.redirects(f"{KEYS}-others", f"{inside.url}/keys")
    shown(await launch(scene, hospital), 503, "busy")
    assert (hospital.seen, inside.reached) == ([SMART, AUTHORIZE, TOKEN, f"{KEYS}-others"], 0)


async def test_an_id_tokens_own_header_names_no_keys(scene: Scene, hospital: Hospital, inside: Inside):
    await approved(scene, hospital)
    hospital.key = rsa.generate_private_key(65537, 2048)
    hospital.header = {"jku": f"{inside.url}/keys", "x5u": f"{inside.url}/x5u"}
    shown(await launch(scene, hospital), 502, "epic-refused")
    assert inside.reached == 0


# --- FHIR reads

APPOINTMENT = f"{BASE}/Appointment/eVa"


@pytest.mark.parametrize("member", ["appointment", "encounter"])
@pytest.mark.parametrize("form", ["{0}/Appointment/eVa", "//{1}/x", "@{1}/x", "../../{0}", "..", "a?x={0}", "a#{0}"])
async def test_a_reference_that_is_an_address_is_not_read(
    scene: Scene, hospital: Hospital, inside: Inside, member: str, form: str
):
    await approved(scene, hospital)
    hospital.context = {member: form.format(inside.url, inside.url.removeprefix("https://"))}
    shown(await launch(scene, hospital), 404, "visit-unknown")
    assert (hospital.seen, inside.reached) == ([SMART, AUTHORIZE, TOKEN], 0)


async def test_a_read_does_not_go_where_the_name_leads_by_then(scene: Scene, hospital: Hospital, inside: Inside):
    await approved(scene, hospital)
    hospital.context = {"appointment": "eVa"}
    hospital.then[TOKEN] = lambda: resolve(scene.plan, [INSIDE])
    shown(await launch(scene, hospital), 404, "visit-unknown")
    assert (hospital.seen, inside.reached) == ([SMART, AUTHORIZE, TOKEN], 0)


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_read_that_redirects_is_not_followed(scene: Scene, hospital: Hospital, inside: Inside, status: int):
    await approved(scene, hospital)
    hospital.context = {"appointment": "eVa"}
    hospital.redirects(APPOINTMENT, inside.url, status)
    shown(await launch(scene, hospital), 404, "visit-unknown")
    assert (hospital.seen, inside.reached) == ([SMART, AUTHORIZE, TOKEN, APPOINTMENT], 0)


@pytest.mark.parametrize("kind", ["Appointment", "Bundle"])
async def test_nothing_that_a_resource_links_to_is_read(scene: Scene, hospital: Hospital, inside: Inside, kind: str):
    """No pages and no references: of a resource only its own few fields are read."""
    await approved(scene, hospital)
    hospital.context = {"appointment": "eVa"}
    hospital.answers[APPOINTMENT] = {
        "resourceType": kind,
        "implicitRules": f"{inside.url}/rules",
        "meta": {"profile": [f"{inside.url}/profile"]},
        "link": [{"relation": "next", "url": f"{inside.url}/next"}],
        "participant": [{"actor": {"reference": f"{inside.url}/Patient/x"}, "status": "accepted"}],
        "supportingInformation": [{"reference": f"{hospital.url}/Binary/x"}],
    }
    shown(await launch(scene, hospital), 404, "visit-unknown")
    assert (hospital.seen, inside.reached) == ([SMART, AUTHORIZE, TOKEN, APPOINTMENT], 0)


# --- the write-back address


@pytest.mark.parametrize("host", INSIDES + ELSEWHERE)
async def test_a_write_back_address_inside_is_refused(scene: Scene, hospital: Hospital, inside: Inside, host: str):
    await sink(scene, hospital.base, f"https://{host}:{inside.port}/status")
    answer = await validate(scene)
    refused(answer, 422, "address-refused", *answer.body["fields"])
    assert answer.body["fields"] in (["write_back.url", "address"], ["write_back.url", "host"])
    assert (await state(scene), inside.reached) == ("draft", 0)


@pytest.mark.parametrize("addresses", ANSWERS, ids=str)
async def test_a_write_back_name_that_leads_inside_is_refused(
    scene: Scene, hospital: Hospital, inside: Inside, addresses: list[str]
):
    resolve(scene.plan, addresses, name="elsewhere.sandbox.example")
    await sink(scene, hospital.base, f"https://elsewhere.sandbox.example:{inside.port}/status")
    refused(await validate(scene), 422, "address-refused", "write_back.url", "address")
    assert (await state(scene), inside.reached) == ("draft", 0)


async def sink(scene: Scene, base: str, url: str, authentication: str = "bearer") -> None:
    proposed = epic_side(scene) | {
        "fhir_base_url": base,
        "write_back": {"url": url, "authentication": authentication},
    }
    answer = await change(scene, "adam", "PUT", "/epic", proposed)
    assert answer.status == 200, answer.body


async def test_presence_is_not_told_to_an_address_that_redirects_or_now_leads_inside(
    draft: Scene, clear: None, inside: Inside
):
    """Paula's change meets the redirect, Pat's the changed name; both wait for people to mend it."""
    resolve(draft.plan, [OUTSIDE])
    async with Hospital(draft.plan, HOSPITAL).open() as hospital:
        hospital.redirects("/status", f"{inside.url}/status", 307)
        # By Basic, which asks Epic's discovery nothing: it keeps what it learnt for an hour, other tests' too.
        await sink(draft, epic_side(draft)["fhir_base_url"], f"{hospital.url}/status", "basic")
        assert (await change(draft, "adam", "PUT", "/secrets/write-back", {"secret": "account:word"})).status == 200
        visit = await held(draft)
        before = len(log(draft))
        paula = await visit.joined("paula")
        assert await logged(draft, before, "write-back was not taken status=307")
        assert await logged(draft, before, f"ehr-writeback end=later:{HOSPITAL}")
        resolve(draft.plan, [INSIDE])
        await visit.joined(None)
        assert await logged(draft, before, "write-back cannot be tried", "code=address-refused")
        assert await logged(draft, before, "ehr-writeback end=later:epic")
        assert (hospital.seen, inside.reached) == (["/status"], 0)
        assert await visit.audit("connected") == []
        await mended(visit, hospital, paula)
    assert inside.reached == 0
    await draft.queues.get_queue_client("ehr-writeback").clear_messages()  # the two that waited have nothing to say


async def mended(visit: Visit, hospital: Hospital, paula: str) -> None:
    """The address is right again: with the end of the call Epic hears everything, the first changes too."""
    hospital.answers["/status"] = {}
    resolve(visit.scene.plan, [OUTSIDE])
    await visit.over(paula)
    for what in ("connected", "disconnected"):
        told = await eventually(lambda what=what: visit.audit(what), lambda rows: len(rows) == 2)
        assert [row["detail"] for row in told] == ["ok", "ok"]
    assert await visit.closed()


async def held(draft: Scene) -> Visit:
    """A visit that both have launched and nobody has joined."""
    pinned = await change(draft, "adam", "POST", "/certificates", draft.plan.path("engine_cer").read_bytes())
    assert pinned.status == 201, pinned.body
    assert (await approve(draft)).status == 200
    await clinic(draft, phones=1)
    visit = await Visit.at_epic(draft, 0)
    await visit.announced()
    await visit.planned()
    await draft.run_timer("dispatch_due")
    assert await eventually(visit.ready, bool)
    assert await visit.launched() == ["graph", "graph"]
    return visit


def log(scene: Scene) -> list[str]:
    """What the app has logged so far."""
    return scene.stack.log("app").read_text().splitlines()


async def logged(scene: Scene, before: int, *parts: str) -> bool:
    """A line after the first `before` has all of these parts, soon."""

    async def look() -> bool:
        return any(all(part in line for part in parts) for line in log(scene)[before:])

    return await eventually(look, bool)


# --- what Event Grid and bearers bring


@pytest.mark.parametrize("where", [INSIDE, OUTSIDE, HOSPITAL])
async def test_event_grids_validation_address_is_never_opened(
    scene: Scene, hospital: Hospital, inside: Inside, where: str
):
    """Not even one that might be: the code in the answer is the whole handshake."""
    url = f"https://{where}:{inside.port}{hospital.root}/validate"
    event = {"id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {}}
    event["data"] = {"validationCode": "CODE", "validationUrl": url}
    token = await minted(scene, kind="event-grid")
    headers = {"Authorization": f"Bearer {token}", "aeg-event-type": "SubscriptionValidation"}
    async with scene.http.post(f"{scene.plan.urls['app']}/sms/events", json=[event], headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, {"validationResponse": "CODE"})
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Callback": url}
    async with scene.http.options(f"{scene.plan.urls['app']}/sms/events", headers=asked) as answer:
        assert answer.status == 200
    assert (hospital.seen, inside.reached) == ([], 0)


async def minted(scene: Scene, **order: Any) -> str:
    async with scene.http.post(f"{scene.plan.urls['entra']}/_sandbox/mint", json=order) as answer:
        answer.raise_for_status()
        return str((await answer.json())["token"])


async def test_a_bearers_own_header_names_no_keys(scene: Scene, hospital: Hospital, inside: Inside):
    """The claims are right; the keys stand where the header says, outside and inside."""
    claims = jwt.decode(await scene.token("adam"), options={"verify_signature": False})
    for url in (hospital.url + KEYS, f"{inside.url}/keys"):
        forged = jwt.encode(claims, hospital.key, "RS256", headers={"kid": "k1", "jku": url, "x5u": url})
        headers = {"Authorization": f"Bearer {forged}"}
        async with scene.http.get(f"{scene.plan.urls['app']}/config/connections", headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "token-refused")
    assert (hospital.seen, inside.reached) == ([], 0)


# --- where the browser is sent: Graph's join address


@pytest.mark.parametrize("site", ["https://{0}:{1}", "https://169.254.169.254", "https://{2}@{0}:{1}", "http://{2}"])
async def test_a_join_address_that_is_none_of_teams_is_given_to_nobody(
    scene: Scene, hospital: Hospital, inside: Inside, site: str
):
    """No caller's fault but an answer that no contract allows: an alarm, and the one fixed sentence."""
    await approved(scene, hospital)
    hospital.context = {"csn": csn()}
    teams = scene.plan.urls["graph"].removeprefix("https://")
    before = len(log(scene))
    await control(scene, "graph", "PATCH", "settings", {"join_site": site.format(INSIDE, inside.port, teams)})
    page = await launch(scene, hospital)
    await control(scene, "graph", "PATCH", "settings", {"join_site": ""})
    shown(page, 500, "unexpected")
    assert await logged(scene, before, "ERROR", "launch_returned end=unexpected error=Broken at=_to_teams")
    assert inside.reached == 0


# --- Microsoft's services, through our clients: the stand-ins have no way to send us inside

REPORTS = "/v1.0/users/o/onlineMeetings/m/attendanceReports"


@pytest.fixture
async def graph(scene: Scene, hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Graph]:
    """Our client with the test's far side as Graph."""
    monkeypatch.setenv("SSL_CERT_FILE", str(scene.plan.path("ca")))

    async def token(_: str) -> str:
        return "t"

    outbound = Outbound(Trusted())
    yield Graph(hospital.at_hand(hospital.url), outbound, token)
    await outbound.close()


@pytest.mark.parametrize(
    "link", ["https://{0}:{1}/next", "https://[::ffff:{0}]:{1}/next", "https://localhost:{1}/next",
             "https://127.0.0.1:{1}@{0}:{1}/next", "https://127.0.0.1:{1}.sandbox.example/next", "//{0}:{1}/next"],
)  # fmt: skip
async def test_graphs_next_link_is_followed_to_graph_alone(graph: Graph, hospital: Hospital, inside: Inside, link: str):
    hospital.answers[REPORTS] = {"value": [], "@odata.nextLink": link.format(INSIDE, inside.port)}
    assert await graph.attendance("t", "o", "m") == []
    assert (hospital.seen, inside.reached) == ([REPORTS], 0)


async def test_graphs_own_next_link_is_followed(graph: Graph, hospital: Hospital):
    link = f"{hospital.at_hand(hospital.url)}/page-2"
    hospital.answers |= {REPORTS: {"value": [], "@odata.nextLink": link}, "/page-2": {"value": []}}
    assert await graph.attendance("t", "o", "m") == []
    assert hospital.seen == [REPORTS, "/page-2"]


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_graph_that_redirects_is_not_followed(graph: Graph, hospital: Hospital, inside: Inside, status: int):
    """Not an answer: 3xx has no value to read."""
    hospital.redirects(REPORTS, f"{inside.url}/x", status)
    with pytest.raises(Later):
        await graph.attendance("t", "o", "m")
    assert (hospital.seen, inside.reached) == ([REPORTS], 0)


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_text_does_not_go_where_a_redirect_points(
    scene: Scene, hospital: Hospital, inside: Inside, status: int
):
    """The far side is Communication Services here; a text and its number go to it alone."""
    hospital.redirects("/sms", f"{inside.url}/sms", status)
    order = SmsOrder(str(uuid4()), clock.now(scene.plan.path("clock")), world.ACS_NUMBER, "+16085550142", "words")
    client = Sms(hospital.at_hand(hospital.url), AzureKeyCredential(world.ACS_ACCESS_KEY), scene.plan.files["ca"])
    answer = await client.send(order)
    await client.close()
    assert (answer.verdict, answer.code) == (Verdict.UNCERTAIN, str(status))
    assert (set(hospital.seen), inside.reached) == ({"/sms"}, 0)
