"""The Graph stand-in refuses what Graph refuses and sends what Graph sends; asked with a plain HTTP client.

The connector does not run. Tokens come from the Entra stand-in; notifications arrive at a small https server here,
and are decrypted by code of this test that also opens the public vector of the corpus.
"""

import base64
import hashlib
import hmac
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from playwright.sync_api import Browser, expect, sync_playwright

from sandbox import clock, world
from sandbox import plan as sandbox_plan
from tests import chromium as tests_chromium
from tests.contract.conftest import RunningPeer

VECTOR = Path(__file__).parents[3] / "shared/corpus/graph/graph_encrypted_notification_vector.json"
ROOMS, ROOMS2, PAULA = (world.USERS[key].oid for key in ("rooms", "rooms2", "paula"))
ANOTHER_APP = "a0000000-0000-4000-8000-00000000ffff"
STATE = "visit-key.mac"
WITHIN_SECONDS = 10.0


# --- the far sides -------------------------------------------------------------------------------------------------


class Webhook:
    """A subscriber's endpoint: answers handshakes and keeps what is delivered.

    handshake  right | wrong | encoded | html | accepted | redirect | late (once `released`)
    statuses   answers to the next deliveries; 202 when none are left; None hangs up
    """

    def __init__(self, plan: sandbox_plan.Plan) -> None:
        self.url = plan.urls["sink"]
        self.handshake = "right"
        self.statuses: list[int | None] = []
        self.tokens: list[tuple[str, str]] = []
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.arrived = threading.Condition()
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", plan.ports["sink"]), Handler)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(plan.path("server_cert"), plan.path("server_key"))
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def forget(self) -> None:
        self.handshake, self.statuses, self.tokens, self.bodies = "right", [], [], []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        sent = request.rfile.read(int(request.headers["Content-Length"] or 0))
        parts = urlsplit(request.path)
        if "validationToken=" in parts.query:
            self._shake(request, parts.path, parts.query)
            return
        with self.arrived:
            self.bodies.append((parts.path, json.loads(sent)))
            status = self.statuses.pop(0) if self.statuses else 202
            self.arrived.notify_all()
        if status is None:
            request.close_connection = True
        else:
            self._send(request, status, "", b"")

    def _shake(self, request: BaseHTTPRequestHandler, path: str, query: str) -> None:
        token = parse_qs(query)["validationToken"][0]
        self.tokens.append((path, query))
        if self.handshake == "late":
            self.released.wait(WITHIN_SECONDS)
            request.close_connection = True
            return
        status, kind, body = {
            "right": (200, "text/plain", token),
            "wrong": (200, "text/plain", token + " "),
            "encoded": (200, "text/plain", query.partition("validationToken=")[2]),
            "html": (200, "text/html", token),
            "accepted": (202, "text/plain", token),
            "redirect": (307, "text/plain", token),
        }[self.handshake]
        self._send(request, status, kind, body.encode())

    def _send(self, request: BaseHTTPRequestHandler, status: int, kind: str, body: bytes) -> None:
        request.send_response(status)
        if kind:
            request.send_header("Content-Type", f"{kind}; charset=utf-8")
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Location", self.url)
        request.end_headers()
        request.wfile.write(body)

    def deliveries(self, count: int) -> list[dict[str, Any]]:
        """The first `count` bodies, as soon as they are here."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.bodies) >= count, WITHIN_SECONDS), (
                f"{len(self.bodies)} of {count} notifications came"
            )
            return [body for _, body in self.bodies[:count]]


class Api:
    """Graph as one application calls it, and its Teams page and control beside it."""

    def __init__(self, graph: RunningPeer, entra: RunningPeer) -> None:
        self.graph, self.entra = graph, entra
        self.token = self.mint()

    def mint(self, **order: Any) -> str:
        usual = {"kind": "app", "audience": "https://graph.microsoft.com", "roles": world.GRAPH_ROLES, "version": 1}
        answer = self.entra.http.post(f"{self.entra.url}/_sandbox/mint", json={**usual, **order}, timeout=10)
        assert answer.ok, answer.text
        return answer.json()["token"]

    def __call__(self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> Any:
        bearer = {"Authorization": f"Bearer {token or self.token}"}
        sent = {**bearer, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.graph.http.request(method, self.graph.url + path, json=body, headers=sent, timeout=30)

    def now(self) -> datetime:
        return clock.now(self.graph.plan.path("clock"))

    def move(self, **by: float) -> None:
        clock.move(self.graph.plan.path("clock"), timedelta(**by))

    def control(self, method: str, path: str, body: Any = None) -> Any:
        return self.graph.http.request(method, f"{self.graph.url}/_sandbox/{path}", json=body, timeout=10)

    def meeting(self, key: str, *, user: str = ROOMS, hours: float = 1, **options: Any) -> dict[str, Any]:
        """A meeting that starts now, with its options set as the connector would."""
        start, end = self.now().isoformat(), (self.now() + timedelta(hours=hours)).isoformat()
        body = {"externalId": key, "subject": "Visit", "startDateTime": start, "endDateTime": end}
        made = self("POST", f"/v1.0/users/{user}/onlineMeetings/createOrGet", body)
        assert made.status_code == 201, made.text
        if options:
            made = self("PATCH", f"/v1.0/users/{user}/onlineMeetings/{made.json()['id']}", options)
            assert made.status_code == 200, made.text
        return made.json()

    def join(self, meeting: dict[str, Any], who: str) -> dict[str, Any]:
        """As a user of the world, or as a guest of that name."""
        body = {"as": who} if who in world.USERS else {"as": None, "name": who}
        answer = self.teams(f"meetings/{meeting['id']}/join", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def teams(self, path: str, body: Any = None) -> Any:
        return self.graph.http.post(f"{self.graph.url}/teams/{path}", json=body or {}, timeout=10)

    def room(self, meeting: dict[str, Any]) -> dict[str, Any]:
        return self.graph.http.get(f"{self.graph.url}/teams/meetings/{meeting['id']}", timeout=10).json()


@pytest.fixture(scope="module")
def api(start_peer: Callable[[str], RunningPeer]) -> Api:
    return Api(start_peer("graph"), start_peer("entra"))


@pytest.fixture(scope="module")
def the_webhook(plan: sandbox_plan.Plan) -> Iterator[Webhook]:
    hook = Webhook(plan)
    yield hook
    hook.close()


@pytest.fixture
def hook(the_webhook: Webhook) -> Webhook:
    the_webhook.forget()
    return the_webhook


@pytest.fixture(autouse=True)
def _usual_settings(api: Api) -> Iterator[None]:
    usual = api.control("GET", "settings").json()
    yield
    assert api.control("PATCH", "settings", usual).ok


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def certificate(key: RSAPrivateKey, public: Any = None) -> str:
    """A certificate as base64 DER, signed by `key`; for that key, or for another public one."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "notifications")])
    now = datetime.now(UTC)
    draft = x509.CertificateBuilder(name, name, public or key.public_key(), 1, now, now + timedelta(days=9))
    return base64.b64encode(draft.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).decode()


def rsa_key_of(bits: int) -> rsa.RSAPublicKey:
    """A public key of that size; nobody holds the private half."""
    return rsa.RSAPublicNumbers(65537, (1 << bits) - 1).public_key()


def opened(content: dict[str, str], key: RSAPrivateKey) -> dict[str, Any]:
    """The document inside `encryptedContent`; ValueError for a wrong signature."""
    sha1 = hashes.SHA1()  # noqa: S303 - Graph's documented padding
    inner = key.decrypt(base64.b64decode(content["dataKey"]), OAEP(MGF1(sha1), sha1, None))
    data = base64.b64decode(content["data"])
    if hmac.new(inner, data, hashlib.sha256).digest() != base64.b64decode(content["dataSignature"]):
        raise ValueError("signature")
    decryptor, unpadder = Cipher(AES(inner), CBC(inner[:16])).decryptor(), PKCS7(128).unpadder()
    return json.loads(unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize())


def without_none(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def call_events(meeting: dict[str, Any]) -> str:
    return f"communications/onlineMeetings(joinWebUrl='{quote(meeting['joinWebUrl'], safe='')}')/meetingCallEvents"


def wish(api: Api, hook: Webhook, key: Any, meeting: dict[str, Any], **other: Any) -> dict[str, Any]:
    """A subscription as Graph wants it; None takes a field away."""
    body = {
        "changeType": "updated",
        "notificationUrl": f"{hook.url}/notifications",
        "lifecycleNotificationUrl": f"{hook.url}/lifecycle",
        "resource": call_events(meeting),
        "includeResourceData": True,
        "encryptionCertificate": certificate(key),
        "encryptionCertificateId": "cert-1",
        "expirationDateTime": (api.now() + timedelta(hours=3)).isoformat(),
        "clientState": STATE,
    }
    return without_none({**body, **other})


def subscribe(api: Api, hook: Webhook, key: Any, meeting: dict[str, Any], **other: Any) -> dict[str, Any]:
    made = api("POST", "/beta/subscriptions", wish(api, hook, key, meeting, **other))
    assert made.status_code == 201, made.text
    return made.json()


def events(bodies: list[dict[str, Any]], key: RSAPrivateKey) -> list[dict[str, Any]]:
    return [opened(body["value"][0]["encryptedContent"], key) for body in bodies]


def kinds(bodies: list[dict[str, Any]], key: RSAPrivateKey) -> list[str]:
    return [event["EventType"] for event in events(bodies, key)]


def attempts(api: Api, made: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of the notifications of a subscription."""
    return [one for one in api.graph.seen("notification") if one["subscription"] == made["id"]]


def signature_fails(body: dict[str, Any], key: RSAPrivateKey) -> bool:
    try:
        opened(body["value"][0]["encryptedContent"], key)
    except ValueError:
        return True
    return False


def signed_by_entra(api: Api, token: str) -> bool:
    """Whether a validation token verifies with Entra's published keys, audience and time included."""
    url = f"{api.entra.url}/common/discovery/v2.0/keys"
    keys = jwt.PyJWKSet.from_dict(api.entra.http.get(url, timeout=10).json())
    try:
        jwt.decode(token, keys[jwt.get_unverified_header(token)["kid"]], ["RS256"], audience=world.CONNECTOR_APP)
    except jwt.InvalidSignatureError:
        return False
    return True


def until(fact: Callable[[], Any]) -> Any:
    """What `fact` says once it says something."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while not (found := fact()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return found


def refused(answer: Any, status: int, code: str) -> str:
    """Checks that this is Graph's own refusal; its sentence."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert set(error["innerError"]) == {"request-id", "client-request-id", "date"}
    return error["message"]


# --- tokens --------------------------------------------------------------------------------------------------------

BAD_TOKENS: dict[str, dict[str, Any]] = {
    "for another audience": {"audience": world.API_APP},
    "expired": {"expired": True},
    "without a signature": {"alg": "none"},
    "signed with the public key as a secret": {"alg": "HS256-with-public-key"},
    "signed by an unknown key": {"key": "unknown"},
    "of an unknown tenant": {"claims": {"tid": "99999999-0000-4000-8000-000000000009"}},
    "of another tenant than its issuer": {"claims": {"tid": world.FABRIKAM_TENANT}},
    "without a tenant": {"claims": {"tid": None}},
    "without an end": {"claims": {"exp": None}},
    "of no tenant that is text": {"claims": {"tid": 7}},
    "of a person": {"claims": {"scp": "User.Read"}},
    "without an application": {"claims": {"appid": None}},
}


@pytest.mark.parametrize("order", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_token_is_refused(api: Api, order: dict[str, Any]) -> None:
    answer = api("GET", f"/v1.0/users/{PAULA}", token=api.mint(**order))
    refused(answer, 401, "InvalidAuthenticationToken")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (None, "Access token is empty."),
        ("Bearer", "Access token is empty."),
        ("Basic eDp5", "Access token is empty."),
        ("Token {token}", "Access token is empty."),
        ("Bearer not.a.token", "CompactToken parsing failed."),
    ],
)
def test_what_is_no_bearer_token_is_refused(api: Api, sent: str | None, why: str) -> None:
    headers = {"Authorization": sent.format(token=api.token)} if sent else {}
    answer = api.graph.http.get(f"{api.graph.url}/v1.0/users/{PAULA}", headers=headers, timeout=10)
    assert refused(answer, 401, "InvalidAuthenticationToken") == why


def test_a_token_that_names_no_key_is_refused(api: Api) -> None:
    claims = jwt.decode(api.token, options={"verify_signature": False})
    unnamed = jwt.encode(claims, rsa.generate_private_key(65537, 2048), "RS256")
    answer = api("GET", f"/v1.0/users/{PAULA}", token=unnamed)
    assert refused(answer, 401, "InvalidAuthenticationToken").endswith("Invalid tenant or key.")


def test_without_entras_keys_a_token_with_a_new_one_cannot_be_judged(api: Api) -> None:
    api.entra.http.post(f"{api.entra.url}/_sandbox/keys", timeout=10).raise_for_status()
    fresh = api.mint()
    api.entra.fault(route="GET .*/keys", do="status", status=500)
    refused(api("GET", f"/v1.0/users/{PAULA}", token=fresh), 503, "ServiceUnavailable")
    api.entra.behave()
    assert api("GET", f"/v1.0/users/{PAULA}", token=fresh).status_code == 200


@pytest.mark.parametrize("version", [1, 2])
def test_tokens_of_both_versions_are_taken(api: Api, version: int) -> None:
    answer = api("GET", f"/v1.0/users/{PAULA}", token=api.mint(version=version))
    assert answer.json()["userPrincipalName"] == "paula@lamna.example"


def test_the_callers_request_id_comes_back(api: Api) -> None:
    answer = api("GET", "/v1.0/users/nobody", client_request_id="ours-1")
    assert refused(answer, 404, "Request_ResourceNotFound")
    assert answer.json()["error"]["innerError"]["client-request-id"] == "ours-1"


@pytest.mark.parametrize(
    ("method", "path", "granted"),
    [
        ("POST", "/v1.0/users/{rooms}/onlineMeetings/createOrGet", ["OnlineMeetings.Read.All"]),
        ("POST", "/v1.0/users/{rooms}/onlineMeetings", ["User.Read.All"]),
        ("GET", "/v1.0/users/{rooms}/onlineMeetings/x", ["User.Read.All"]),
        ("GET", "/v1.0/users/{rooms}/onlineMeetings/x/attendanceReports", ["OnlineMeetings.ReadWrite.All"]),
        ("GET", "/v1.0/communications/callRecords/x", ["OnlineMeetings.ReadWrite.All"]),
        ("POST", "/beta/subscriptions", ["User.Read.All"]),
        ("GET", "/v1.0/users/{rooms}", ["OnlineMeetings.ReadWrite.All"]),
        ("GET", "/v1.0/users/{rooms}", []),
    ],
)
def test_a_permission_is_needed(api: Api, method: str, path: str, granted: list[str]) -> None:
    answer = api(method, path.format(rooms=ROOMS), {}, token=api.mint(roles=granted))
    refused(answer, 403, "Authorization_RequestDenied")


def test_an_organiser_without_an_access_policy_is_refused_until_it_is_granted(api: Api) -> None:
    path, body = f"/v1.0/users/{PAULA}/onlineMeetings/createOrGet", {"externalId": "policy"}
    assert refused(api("POST", path, body), 403, "Forbidden") == "No application access policy found for this app"
    assert api.control("POST", "policies", {"user": "paula"}).status_code == 204
    assert api("POST", path, body).status_code == 201
    assert api.control("DELETE", "policies/paula").status_code == 204
    assert refused(api("POST", path, body), 403, "Forbidden")


@pytest.mark.parametrize("oid", [world.USERS["mallory"].oid, "rooms@lamna.example", "x"])
def test_an_organiser_is_an_object_id_of_the_tokens_tenant(api: Api, oid: str) -> None:
    answer = api("POST", f"/v1.0/users/{oid}/onlineMeetings/createOrGet", {"externalId": "k"})
    refused(answer, 404, "Request_ResourceNotFound")


@pytest.mark.parametrize(
    "path",
    [
        "/v1.0/$batch",
        "/beta/$batch",
        f"/beta/users/{ROOMS}/onlineMeetings",
        f"/v1.0/users/{ROOMS}/onlineMeetings/x/sendVirtualAppointmentSms",
        "/v1.0/me",
    ],
)
def test_what_is_not_played_is_refused(api: Api, path: str) -> None:
    refused(api("POST", path, {"requests": []}), 400, "BadRequest")
    answer = api.graph.http.post(f"{api.graph.url}{path}", json={"requests": []}, timeout=10)
    refused(answer, 401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    "path",
    [
        f"/v1.0/users/{PAULA}",
        f"/v1.0/users/{ROOMS}/onlineMeetings",
        f"/v1.0/users/{ROOMS}/onlineMeetings/{{meeting}}",
        f"/v1.0/users/{ROOMS}/onlineMeetings/{{meeting}}/attendanceReports",
        f"/v1.0/users/{ROOMS}/onlineMeetings/{{meeting}}/attendanceReports/{{report}}",
        f"/v1.0/users/{ROOMS}/onlineMeetings/{{meeting}}/attendanceReports/{{report}}/attendanceRecords",
        "/v1.0/communications/callRecords/{record}",
        "/beta/subscriptions",
    ],
)
def test_a_query_option_that_is_not_documented_is_refused(api: Api, ended: dict[str, str], path: str) -> None:
    wanted = f"$filter=JoinWebUrl eq '{quote(ended['url'], safe='')}'&" if path.endswith("onlineMeetings") else ""
    asked = f"{path.format(**ended)}?{wanted}"
    assert api("GET", asked).status_code == 200
    assert "$top" in refused(api("GET", f"{asked}$top=1"), 400, "BadRequest")


@pytest.fixture(scope="module")
def ended(api: Api) -> dict[str, str]:
    """A meeting whose call is over and reported."""
    meeting = api.meeting("queried", hours=9)
    api.join(meeting, "paula")
    api.teams(f"meetings/{meeting['id']}/end")
    api.move(minutes=16)
    held = next(one for one in api.control("GET", "meetings").json() if one["id"] == meeting["id"])
    (call,) = held["calls"]
    return {"meeting": held["id"], "url": held["joinWebUrl"], "report": call["report"], "record": call["record"]}


def test_a_method_that_a_path_does_not_have_is_a_bad_request(api: Api) -> None:
    refused(api("PUT", "/v1.0/subscriptions/x", {}), 400, "BadRequest")
    assert api.control("PUT", "settings", {}).status_code == 400


# --- meetings ------------------------------------------------------------------------------------------------------


def test_create_or_get_makes_one_meeting_per_organiser_and_key(api: Api) -> None:
    body = {"externalId": "one", "startDateTime": "2026-12-01T10:00:00.1234567+01:00", "subject": "Visit"}
    path = "/v1.0/users/{}/onlineMeetings/createOrGet"
    first, again = api("POST", path.format(ROOMS), body), api("POST", path.format(ROOMS), {"externalId": "one"})
    other = api("POST", path.format(ROOMS2), body)
    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 201]
    assert first.json() == again.json()
    assert other.json()["id"] != first.json()["id"]
    assert first.json()["startDateTime"] == "2026-12-01T09:00:00.1234560Z"
    assert first.json()["endDateTime"] == "2026-12-01T10:00:00.1234560Z"
    assert first.json()["lobbyBypassSettings"] == {"scope": "organization", "isDialInBypassEnabled": False}


def test_twenty_at_once_make_one_meeting(api: Api) -> None:
    path = f"/v1.0/users/{ROOMS}/onlineMeetings/createOrGet"
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: api("POST", path, {"externalId": "race"}), range(20)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]


START, END = "2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z"
ATTENDEE = {"identity": {"user": {"id": PAULA}}, "role": "presenter"}
BAD_IN_ANY: dict[str, dict[str, Any]] = {
    "an end before the start": {"startDateTime": END, "endDateTime": START},
    "an end alone": {"startDateTime": None, "endDateTime": END},
    "a time without an offset": {"startDateTime": "2026-12-01T10:00:00", "endDateTime": END},
    "a time that is none": {"startDateTime": "soon", "endDateTime": END},
    "an unknown field": {"onlineMeetingProvider": "teamsForBusiness"},
    "an empty subject": {"subject": ""},
    "participants that are no object": {"participants": []},
    "an attendee who is nobody": {"participants": {"attendees": [{"role": "attendee"}]}},
    "attendees that are no list": {"participants": {"attendees": {}}},
    "an attendee with an unknown role": {"participants": {"attendees": [{**ATTENDEE, "role": "host"}]}},
    "a presenter from outside the directory": {
        "participants": {"attendees": [{"upn": "x@example.org", "role": "presenter"}]}
    },
    "an attendee whose id is no object id": {"participants": {"attendees": [{"identity": {"user": {"id": "paula"}}}]}},
}
BAD_OPTIONS: dict[str, dict[str, Any]] = {
    "a scope that does not exist": {"lobbyBypassSettings": {"scope": "organizerAndInvited"}},
    "a lobby setting that does not exist": {"lobbyBypassSettings": {"bypass": True}},
    "a lobby setting of the wrong type": {"lobbyBypassSettings": {"isDialInBypassEnabled": "no"}},
    "unknown presenters": {"allowedPresenters": "staff"},
    "presenters by role without a list": {"allowedPresenters": "roleIsPresenter"},
    "an unknown chat mode": {"allowMeetingChat": "off"},
    "a Boolean that is none": {"recordAutomatically": "true"},
}


@pytest.mark.parametrize(
    "bad",
    [*BAD_IN_ANY.values(), {"externalId": None}, {"externalId": 7}, {"lobbyBypassSettings": {"scope": "organizer"}}],
    ids=str,
)
def test_create_or_get_refuses(api: Api, bad: dict[str, Any]) -> None:
    body = without_none({"externalId": "bad", **bad})
    refused(api("POST", f"/v1.0/users/{ROOMS}/onlineMeetings/createOrGet", body), 400, "BadRequest")


@pytest.mark.parametrize(
    "bad",
    [
        *BAD_IN_ANY.values(),
        *BAD_OPTIONS.values(),
        {"externalId": "not known to be honoured here"},
        {"subject": None},
        {"endDateTime": None},
        {"joinMeetingIdSettings": {"passcode": "mine"}},
        {"joinMeetingIdSettings": {"isPasscodeRequired": "yes"}},
    ],
    ids=str,
)
def test_create_refuses(api: Api, bad: dict[str, Any]) -> None:
    body = without_none({"subject": "Visit", "startDateTime": START, "endDateTime": END, **bad})
    refused(api("POST", f"/v1.0/users/{ROOMS}/onlineMeetings", body), 400, "BadRequest")


@pytest.mark.parametrize(
    "bad",
    [
        *BAD_IN_ANY.values(),
        *BAD_OPTIONS.values(),
        {"startDateTime": START},
        {"externalId": "x"},
        {"joinMeetingIdSettings": {"isPasscodeRequired": False}},
        {"joinWebUrl": "https://elsewhere.example"},
        {"participants": {"organizer": {"identity": {"user": {"id": PAULA}}}}},
    ],
    ids=str,
)
def test_a_change_is_refused_and_changes_nothing(api: Api, bad: dict[str, Any]) -> None:
    made = api("POST", f"/v1.0/users/{ROOMS}/onlineMeetings/createOrGet", {"externalId": "patch"}).json()
    path = f"/v1.0/users/{ROOMS}/onlineMeetings/{made['id']}"
    refused(api("PATCH", path, without_none({"allowMeetingChat": "limited", **bad})), 400, "BadRequest")
    assert api("GET", path).json() == made


@pytest.mark.parametrize("body", ["", "[]", "{", '"x"'])
def test_a_body_that_is_no_json_object_is_refused(api: Api, body: str) -> None:
    headers = {"Authorization": f"Bearer {api.token}", "Content-Type": "application/json"}
    url = f"{api.graph.url}/v1.0/users/{ROOMS}/onlineMeetings/createOrGet"
    refused(api.graph.http.post(url, data=body, headers=headers, timeout=10), 400, "BadRequest")


def test_a_body_that_is_not_called_json_is_refused(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.token}", "Content-Type": "text/plain"}
    url = f"{api.graph.url}/v1.0/users/{ROOMS}/onlineMeetings/createOrGet"
    refused(api.graph.http.post(url, data='{"externalId": "x"}', headers=headers, timeout=10), 400, "BadRequest")


def test_a_change_keeps_what_it_does_not_name_and_replaces_the_attendees(api: Api) -> None:
    options = {"lobbyBypassSettings": {"scope": "organizer"}, "participants": {"attendees": [ATTENDEE]}}
    made = api.meeting("changed", **options)
    path = f"/v1.0/users/{ROOMS}/onlineMeetings/{made['id']}"
    assert made["lobbyBypassSettings"] == {"scope": "organizer", "isDialInBypassEnabled": False}
    assert [one["role"] for one in made["participants"]["attendees"]] == ["presenter"]
    shorter = {"startDateTime": START, "endDateTime": END, "participants": {"attendees": [{"upn": "x@example.org"}]}}
    changed = api("PATCH", path, shorter).json()
    assert [one["upn"] for one in changed["participants"]["attendees"]] == ["x@example.org"]
    assert changed["endDateTime"] == "2026-12-01T11:00:00.0000000Z"
    assert changed["lobbyBypassSettings"] == made["lobbyBypassSettings"]
    assert changed["subject"] == "Visit"
    assert api("GET", path).json() == changed


def test_newer_scopes_are_shown_to_those_who_ask(api: Api) -> None:
    made = api.meeting("hidden", lobbyBypassSettings={"scope": "invited"})
    path = f"/v1.0/users/{ROOMS}/onlineMeetings/{made['id']}"
    assert made["lobbyBypassSettings"]["scope"] == "unknownFutureValue"
    asked = api("GET", path, Prefer="include-unknown-enum-members").json()
    assert asked["lobbyBypassSettings"]["scope"] == "invited"


def test_a_meeting_is_found_by_its_join_address_and_deleted(api: Api) -> None:
    made = api.meeting("found")
    base = f"/v1.0/users/{ROOMS}/onlineMeetings"
    search = f"{base}?$filter=JoinWebUrl%20eq%20'{quote(made['joinWebUrl'], safe='')}'"
    assert [one["id"] for one in api("GET", search).json()["value"]] == [made["id"]]
    refused(api("GET", search.replace(ROOMS, ROOMS2, 1)), 404, "NotFound")
    refused(api("GET", f"{base}?$filter=JoinWebUrl eq '{made['joinWebUrl']}'"), 404, "NotFound")
    refused(api("GET", base), 400, "BadRequest")
    refused(api("GET", f"{base}?$filter=subject eq 'Visit'"), 400, "BadRequest")
    refused(api("GET", f"/v1.0/users/{ROOMS2}/onlineMeetings/{made['id']}"), 404, "NotFound")
    assert api("DELETE", f"{base}/{made['id']}").status_code == 204
    refused(api("GET", f"{base}/{made['id']}"), 404, "NotFound")
    refused(api("DELETE", f"{base}/{made['id']}"), 404, "NotFound")


def test_an_organisers_month_is_full_at_its_limit_and_existing_meetings_do_not_count(api: Api) -> None:
    path = f"/v1.0/users/{ROOMS2}/onlineMeetings/createOrGet"
    api("POST", path, {"externalId": "there"})
    made = sum(
        one["participants"]["organizer"]["upn"].startswith("rooms2") for one in api.control("GET", "meetings").json()
    )
    api.control("PATCH", "settings", {"meetings_per_month": made + 1})
    assert api("POST", path, {"externalId": "there"}).status_code == 200
    assert api("POST", path, {"externalId": "last of the month"}).status_code == 201
    over = api("POST", path, {"externalId": "one too many"})
    refused(over, 429, "TooManyRequests")
    assert float(over.headers["Retry-After"]) > 0
    api.move(days=32)
    assert api("POST", path, {"externalId": "one too many"}).status_code == 201


def test_a_meeting_expires_sixty_days_after_its_end(api: Api) -> None:
    made = api.meeting("old")
    path = f"/v1.0/users/{ROOMS}/onlineMeetings/{made['id']}"
    api.move(days=59)
    assert api("GET", path).status_code == 200
    api.move(days=2)
    refused(api("GET", path), 404, "NotFound")
    assert api.meeting("old")["id"] != made["id"]


def test_throttling_may_ask_for_a_fraction_of_a_second(api: Api) -> None:
    api.graph.fault(route="POST /v1.0/users/.*", do="throttle", retry_after="2.128", times=1)
    answers = [api("POST", f"/v1.0/users/{ROOMS}/onlineMeetings/createOrGet", {"externalId": "t"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 201]
    assert answers[0].headers["Retry-After"] == "2.128"


# --- subscriptions -------------------------------------------------------------------------------------------------

BAD_WISHES: dict[str, dict[str, Any]] = {
    "another change type": {"changeType": "created,updated"},
    "one change type twice": {"changeType": "updated,updated"},
    "no address": {"notificationUrl": None},
    "an address without a host": {"notificationUrl": "https:///x"},
    "an address with a fragment": {"notificationUrl": "https://127.0.0.1/x#y"},
    "an address that cannot be read": {"notificationUrl": "https://[::1/x"},
    "an http address": {"notificationUrl": "http://127.0.0.1/x"},
    "an http lifecycle address": {"lifecycleNotificationUrl": "http://127.0.0.1/x"},
    "no lifecycle address for three hours": {"lifecycleNotificationUrl": None},
    "no resource data": {"includeResourceData": False},
    "resource data, perhaps": {"includeResourceData": 1},
    "no certificate": {"encryptionCertificate": None},
    "a certificate that is none": {"encryptionCertificate": "AAAA"},
    "no certificate id": {"encryptionCertificateId": None},
    "a long certificate id": {"encryptionCertificateId": "c" * 129},
    "a long client state": {"clientState": "s" * 129},
    "an empty client state": {"clientState": ""},
    "no expiry": {"expirationDateTime": None},
    "an expiry in the past": {"expirationDateTime": "2026-01-01T00:00:00Z"},
    "an unknown field": {"secret": "x"},
    "another resource": {"resource": "users"},
    "an address of no meeting": {"resource": "communications/onlineMeetings(joinWebUrl='x')/meetingCallEvents"},
}


@pytest.mark.parametrize("bad", BAD_WISHES.values(), ids=BAD_WISHES.keys())
def test_a_subscription_is_refused_before_anyone_is_called(
    api: Api, hook: Webhook, key: RSAPrivateKey, bad: dict[str, Any]
) -> None:
    body = wish(api, hook, key, api.meeting(f"wish {bad}"), **bad)
    assert "validation" not in refused(api("POST", "/beta/subscriptions", body), 400, "BadRequest")
    assert not hook.tokens


def test_call_events_are_beta_only_and_name_the_address_encoded(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("beta")
    body = wish(api, hook, key, meeting)
    refused(api("POST", "/v1.0/subscriptions", body), 400, "BadRequest")
    raw = f"communications/onlineMeetings(joinWebUrl='{meeting['joinWebUrl']}')/meetingCallEvents"
    refused(api("POST", "/beta/subscriptions", {**body, "resource": raw}), 400, "BadRequest")
    old = f"communications/onlineMeetings/?$filter=JoinWebUrl eq '{meeting['joinWebUrl']}'"
    refused(api("POST", "/beta/subscriptions", {**body, "resource": old}), 400, "BadRequest")
    elsewhere = api.mint(tenant=world.FABRIKAM_TENANT)
    refused(api("POST", "/beta/subscriptions", body, token=elsewhere), 400, "BadRequest")


def test_an_expiry_is_at_most_4230_minutes_away(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("long")
    far = (api.now() + timedelta(minutes=4231)).isoformat()
    near = (api.now() + timedelta(minutes=4230)).isoformat()
    refused(
        api("POST", "/beta/subscriptions", wish(api, hook, key, meeting, expirationDateTime=far)), 400, "BadRequest"
    )
    made = subscribe(api, hook, key, meeting, expirationDateTime=near)
    refused(api("PATCH", f"/beta/subscriptions/{made['id']}", {"expirationDateTime": far}), 400, "BadRequest")


UNFIT_KEYS = {
    "RSA of 1024 bits": lambda: rsa_key_of(1024),
    "RSA of 2047 bits": lambda: rsa_key_of(2047),
    "RSA of 8192 bits": lambda: rsa_key_of(8192),
    "of Edwards' curve": lambda: ed25519.Ed25519PrivateKey.generate().public_key(),
    "elliptic": lambda: ec.generate_private_key(ec.SECP256R1()).public_key(),
}


@pytest.mark.parametrize("unfit", UNFIT_KEYS)
def test_a_certificate_must_hold_a_suitable_rsa_key(api: Api, hook: Webhook, key: RSAPrivateKey, unfit: str) -> None:
    sent = certificate(key, UNFIT_KEYS[unfit]())
    body = wish(api, hook, key, api.meeting(f"unfit {unfit}"), encryptionCertificate=sent)
    assert "RSA key" in refused(api("POST", "/beta/subscriptions", body), 400, "BadRequest")
    fit = wish(api, hook, key, api.meeting(f"fit {unfit}"), encryptionCertificate=certificate(key, rsa_key_of(4096)))
    assert api("POST", "/beta/subscriptions", fit).status_code == 201


def test_a_certificate_in_pem_is_refused(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    pem = x509.load_der_x509_certificate(base64.b64decode(certificate(key))).public_bytes(Encoding.PEM).decode()
    body = wish(api, hook, key, api.meeting("pem"), encryptionCertificate=pem)
    assert "base64" in refused(api("POST", "/beta/subscriptions", body), 400, "BadRequest")


@pytest.mark.parametrize("answer", ["wrong", "encoded", "html", "accepted", "redirect"])
def test_a_handshake_needs_the_decoded_token_as_plain_text_with_200(
    api: Api, hook: Webhook, key: RSAPrivateKey, answer: str
) -> None:
    hook.handshake = answer
    body = wish(api, hook, key, api.meeting(f"handshake {answer}"))
    assert "validation" in refused(api("POST", "/beta/subscriptions", body), 400, "BadRequest")
    hook.handshake = "right"
    assert api("POST", "/beta/subscriptions", body).status_code == 201


def test_a_handshake_asks_both_addresses_with_characters_that_must_be_decoded(
    api: Api, hook: Webhook, key: RSAPrivateKey
) -> None:
    subscribe(api, hook, key, api.meeting("both"), notificationUrl=f"{hook.url}/notifications?a=b")
    assert [path for path, _ in hook.tokens] == ["/notifications", "/lifecycle"]
    query = hook.tokens[0][1]
    assert query.startswith("a=b&validationToken=")
    assert {"<", ">", "&", "+", "%"} <= set(parse_qs(query)["validationToken"][0])


def test_an_address_where_nobody_answers_is_refused(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    silent = f"https://127.0.0.1:{api.graph.plan.ports['sink'] + 1}/x"
    body = wish(api, hook, key, api.meeting("silent"), lifecycleNotificationUrl=silent)
    assert "reached" in refused(api("POST", "/beta/subscriptions", body), 400, "BadRequest")
    kept = [one["lifecycleNotificationUrl"] for one in api.control("GET", "subscriptions").json()]
    assert silent not in kept


def test_an_address_that_answers_too_late_is_refused(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    api.control("PATCH", "settings", {"handshake_seconds": 0.2})
    hook.handshake = "late"
    answer = api("POST", "/beta/subscriptions", wish(api, hook, key, api.meeting("too late")))
    hook.released.set()
    assert "in time" in refused(answer, 400, "BadRequest")


def test_call_events_need_a_permission_for_meetings(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    body, only_records = wish(api, hook, key, api.meeting("permission")), api.mint(roles=["CallRecords.Read.All"])
    refused(api("POST", "/beta/subscriptions", body, token=only_records), 403, "Authorization_RequestDenied")
    assert not hook.tokens


def test_one_subscription_per_application_and_meeting(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("once")
    first = subscribe(api, hook, key, meeting)
    hook.tokens.clear()
    refused(api("POST", "/beta/subscriptions", wish(api, hook, key, meeting)), 409, "Conflict")
    assert not hook.tokens
    other = api.mint(client=ANOTHER_APP)
    assert api("POST", "/beta/subscriptions", wish(api, hook, key, meeting), token=other).status_code == 201
    refused(api("DELETE", f"/beta/subscriptions/{first['id']}", token=other), 404, "NotFound")
    assert api("DELETE", f"/beta/subscriptions/{first['id']}").status_code == 204
    subscribe(api, hook, key, meeting)


def test_of_five_subscriptions_at_once_one_is_made(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    body = wish(api, hook, key, api.meeting("five at once"))
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: api("POST", "/beta/subscriptions", body).status_code, range(5)))
    assert sorted(answers) == [201, 409, 409, 409, 409]


def test_over_the_quota_a_subscription_is_refused(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    there = [one for one in api.control("GET", "subscriptions").json() if one["applicationId"] == world.CONNECTOR_APP]
    api.control("PATCH", "settings", {"subscription_quota": len(there)})
    refused(api("POST", "/beta/subscriptions", wish(api, hook, key, api.meeting("quota"))), 403, "Forbidden")


def test_a_subscription_is_renewed_reauthorised_and_ends(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    made = subscribe(api, hook, key, api.meeting("renewed"))
    path = f"/beta/subscriptions/{made['id']}"
    assert made["clientState"] == STATE
    assert api("GET", path).json()["clientState"] is None
    later = (api.now() + timedelta(hours=5)).isoformat()
    assert api("PATCH", path, {"expirationDateTime": later}).json()["expirationDateTime"] > made["expirationDateTime"]
    refused(api("PATCH", path, {"expirationDateTime": later, "clientState": "x"}), 400, "BadRequest")
    refused(api("PATCH", path, {"encryptionCertificateId": "c"}), 400, "BadRequest")
    refused(api("PATCH", path.replace("beta", "v1.0"), {"expirationDateTime": later}), 404, "NotFound")
    assert api("POST", f"{path}/reauthorize").status_code == 204
    assert made["id"] in [one["id"] for one in api("GET", "/beta/subscriptions").json()["value"]]
    api.move(hours=6)
    refused(api("PATCH", path, {"expirationDateTime": later}), 404, "NotFound")
    refused(api("GET", path), 404, "NotFound")


# --- notifications -------------------------------------------------------------------------------------------------


def test_the_public_vector_opens_with_the_same_code_as_ours() -> None:
    if not VECTOR.exists():
        assert os.environ.get("CI") != "true", "the corpus is missing"
        pytest.skip("../shared/corpus/graph is absent")
    vector = json.loads(VECTOR.read_text())
    stored, password = base64.b64decode(vector["pkcs12_base64"]), vector["pkcs12_password"].encode()
    private = pkcs12.load_key_and_certificates(stored, password)[0]
    assert isinstance(private, RSAPrivateKey)
    found = opened(vector["encryptedContent"], private)
    assert found["etag"] == vector["expect"]["etag"]
    assert found["body"]["content"] == vector["expect"]["body.content"]


@pytest.mark.feature("F7.4", "F7.7", "F7.8", "F8.5")
def test_a_visit_is_told_event_by_event(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("told")
    made = subscribe(api, hook, key, meeting)
    patient, provider = api.join(meeting, "Pat"), api.join(meeting, "paula")
    assert [patient["state"], provider["state"]] == ["lobby", "in"]
    api.teams(f"participants/{patient['participant']}/admit", {"by": provider["participant"]})
    api.teams(f"participants/{patient['participant']}/leave")
    api.teams(f"meetings/{meeting['id']}/end", {"by": provider["participant"]})
    bodies = hook.deliveries(7)
    item = bodies[0]["value"][0]
    assert item["subscriptionId"] == made["id"]
    assert item["clientState"] == STATE
    assert item["tenantId"] == item["organizationId"] == world.LAMNA_TENANT
    assert item["encryptedContent"]["encryptionCertificateId"] == "cert-1"
    told = events(bodies, key)
    roster, started, ended = "rosterUpdated", "callStarted", "callEnded"
    assert [one["EventType"] for one in told] == [roster, started, roster, roster, roster, roster, ended]
    assert [one["EventDateTime"] for one in told] == sorted({one["EventDateTime"] for one in told})
    assert item["resourceData"] == {"@odata.type": "#microsoft.graph.callevent", "id": told[0]["Id"]}
    waiting, _, joined, admitted, left, gone, _ = (one.get("Participants@delta", [None])[0] for one in told)
    guest = {"Guest": {"Id": patient["participant"], "DisplayName": "Pat"}}
    who = {"Id": patient["participant"], "Info": {"Identity": guest}}
    assert waiting == {**who, "IsInLobby": True}
    assert admitted == {**who, "IsInLobby": False}
    assert left == {**admitted, "RemovedState": {"Reason": "Participant has left the meeting call."}}
    assert joined["Info"]["Identity"]["User"]["Id"] == PAULA == gone["Info"]["Identity"]["User"]["Id"]


def test_the_validation_token_is_graphs_and_for_the_subscribing_application(
    api: Api, hook: Webhook, key: RSAPrivateKey
) -> None:
    meeting = api.meeting("token")
    subscribe(api, hook, key, meeting)
    api.join(meeting, "Pat")
    api.control("PATCH", "settings", {"token_version": 1})
    hook.deliveries(1)
    api.join(meeting, "Mo")
    tokens = [body["validationTokens"][0] for body in hook.deliveries(2)]
    v2, v1 = (json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")) for token in tokens)
    assert v2["aud"] == v1["aud"] == world.CONNECTOR_APP
    assert v2["azp"] == v1["appid"] == world.GRAPH_CHANGE_TRACKING_APP
    assert v1["iss"] == f"https://sts.windows.net/{world.LAMNA_TENANT}/"


def test_the_casing_can_be_the_documented_one(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("camel")
    subscribe(api, hook, key, meeting)
    api.control("PATCH", "settings", {"casing": "camel"})
    api.join(meeting, "Pat")
    (told,) = events(hook.deliveries(1), key)
    assert told["eventType"] == "rosterUpdated"
    assert told["participants@delta"][0]["info"]["identity"]["guest"]["displayName"] == "Pat"


def test_a_renewal_may_bring_another_certificate(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting, second = api.meeting("rollover"), rsa.generate_private_key(65537, 3072)
    made = subscribe(api, hook, key, meeting)
    api.join(meeting, "Pat")
    hook.deliveries(1)
    expires = (api.now() + timedelta(hours=3)).isoformat()
    swap = {"encryptionCertificate": certificate(second), "encryptionCertificateId": "cert-2"}
    assert api("PATCH", f"/beta/subscriptions/{made['id']}", {"expirationDateTime": expires, **swap}).ok
    api.join(meeting, "Mo")
    old, new = (body["value"][0]["encryptedContent"] for body in hook.deliveries(2))
    assert opened(old, key)
    assert opened(new, second)
    assert new["encryptionCertificateId"] == "cert-2"


def test_a_delivery_is_tried_again_until_it_is_taken(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("retried")
    made = subscribe(api, hook, key, meeting)
    hook.statuses = [503, 301, None, 202]
    api.join(meeting, "Pat")
    first, *others = hook.deliveries(4)
    assert others == [first] * 3
    until(lambda: len(attempts(api, made)) == 4)
    assert [one["outcome"] for one in attempts(api, made)] == ["503", "301", "unreachable", "202"]


def test_a_delivery_is_given_up_in_the_end(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("given up")
    api.control("PATCH", "settings", {"retry_seconds": 1.5})
    made = subscribe(api, hook, key, meeting)
    hook.statuses = [500] * 9
    api.join(meeting, "Pat")
    until(lambda: any(one["outcome"] == "given up" for one in attempts(api, made)))
    assert [one["outcome"] for one in attempts(api, made)] == ["500", "500", "500", "given up"]


def test_a_deleted_subscription_is_not_tried_again(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("deleted")
    made = subscribe(api, hook, key, meeting)
    hook.statuses = [500]
    api.join(meeting, "Pat")
    hook.deliveries(1)
    assert api("DELETE", f"/beta/subscriptions/{made['id']}").status_code == 204
    until(lambda: len(attempts(api, made)) == 2)
    assert [one["outcome"] for one in attempts(api, made)] == ["500", "subscription gone"]
    assert len(hook.bodies) == 1


def test_an_expired_subscription_hears_nothing(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting, other = api.meeting("expired", hours=9), api.meeting("living", hours=9)
    made = subscribe(api, hook, key, meeting)
    api.move(hours=4)
    subscribe(api, hook, key, other)
    api.join(meeting, "Pat")
    api.join(other, "Pat")
    hook.deliveries(1)
    assert attempts(api, made) == []


FAULTS = {"bad_signature", "bad_client_state", "bad_token"}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_notification_can_be_false(api: Api, hook: Webhook, key: RSAPrivateKey, fault: str) -> None:
    meeting = api.meeting(fault)
    subscribe(api, hook, key, meeting)
    api.graph.fault(route="NOTIFY rosterUpdated", do=fault, times=1)
    api.join(meeting, "Pat")
    hook.deliveries(1)
    api.join(meeting, "Mo")
    false, true = hook.deliveries(2)
    found = {
        "bad_signature": signature_fails(false, key),
        "bad_client_state": false["value"][0]["clientState"] != STATE,
        "bad_token": not signed_by_entra(api, false["validationTokens"][0]),
    }
    assert {name for name, wrong in found.items() if wrong} == {fault}
    assert not signature_fails(true, key)
    assert true["value"][0]["clientState"] == STATE
    assert signed_by_entra(api, true["validationTokens"][0])


def test_a_notification_can_come_twice(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("twice")
    subscribe(api, hook, key, meeting)
    api.graph.fault(route="NOTIFY callStarted", do="repeat", times=1)
    api.join(meeting, "paula")
    told = events(hook.deliveries(3), key)
    assert [one["EventType"] for one in told] == ["callStarted", "callStarted", "rosterUpdated"]
    assert told[0] == told[1]


def test_notifications_can_come_in_another_order(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("order")
    subscribe(api, hook, key, meeting)
    api.graph.fault(route="NOTIFY callStarted", do="reorder", times=1)
    api.join(meeting, "paula")
    told = events(hook.deliveries(2), key)
    assert [one["EventType"] for one in told] == ["rosterUpdated", "callStarted"]
    assert told[1]["EventDateTime"] < told[0]["EventDateTime"]


def test_one_body_can_hold_items_of_several_applications(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("merged")
    subscribe(api, hook, key, meeting)
    other = api("POST", "/beta/subscriptions", wish(api, hook, key, meeting), token=api.mint(client=ANOTHER_APP))
    assert other.status_code == 201
    api.graph.fault(route="NOTIFY rosterUpdated", do="merge", times=1)
    api.join(meeting, "Pat")
    (body,) = hook.deliveries(1)
    assert len({item["subscriptionId"] for item in body["value"]}) == 2
    assert len({opened(item["encryptedContent"], key)["Id"] for item in body["value"]}) == 2
    claims = [jwt.decode(token, options={"verify_signature": False}) for token in body["validationTokens"]]
    assert {one["aud"] for one in claims} == {world.CONNECTOR_APP, ANOTHER_APP}


def test_a_notification_can_get_lost(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("lost")
    made = subscribe(api, hook, key, meeting)
    api.graph.fault(route="NOTIFY callStarted", do="lost_event", times=1)
    api.join(meeting, "paula")
    assert kinds(hook.deliveries(1), key) == ["rosterUpdated"]
    assert attempts(api, made)[0]["outcome"] == "lost"


def test_a_notification_can_be_late_and_overtaken(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("late")
    subscribe(api, hook, key, meeting)
    api.graph.fault(route="NOTIFY callStarted", do="delay", seconds=0.5, times=1)
    api.join(meeting, "paula")
    assert kinds(hook.deliveries(2), key) == ["rosterUpdated", "callStarted"]


def test_fifty_joins_in_a_second_are_fifty_events(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("crowd")
    subscribe(api, hook, key, meeting)
    for number in range(50):
        api.join(meeting, f"Guest {number}")
    told = events(hook.deliveries(50), key)
    assert len({one["Id"] for one in told}) == len({one["Participants@delta"][0]["Id"] for one in told}) == 50


@pytest.mark.parametrize("event", ["reauthorizationRequired", "missed", "subscriptionRemoved"])
def test_lifecycle_events_go_to_their_own_address(api: Api, hook: Webhook, key: RSAPrivateKey, event: str) -> None:
    made = subscribe(api, hook, key, api.meeting(event))
    assert api.control("POST", "lifecycle", {"event": event, "subscription": made["id"]}).status_code == 202
    (body,) = hook.deliveries(1)
    assert hook.bodies[0][0] == "/lifecycle"
    assert body == {
        "value": [
            {
                "subscriptionId": made["id"],
                "clientState": STATE,
                "tenantId": world.LAMNA_TENANT,
                "subscriptionExpirationDateTime": made["expirationDateTime"],
                "lifecycleEvent": event,
            }
        ]
    }
    left = api("GET", f"/beta/subscriptions/{made['id']}").status_code
    assert left == (404 if event == "subscriptionRemoved" else 200)


def test_a_lifecycle_event_needs_its_name_a_living_subscription_and_an_address(
    api: Api, hook: Webhook, key: RSAPrivateKey
) -> None:
    soon = (api.now() + timedelta(minutes=30)).isoformat()
    addressed = subscribe(api, hook, key, api.meeting("life"))["id"]
    silent = subscribe(api, hook, key, api.meeting("no life"), lifecycleNotificationUrl=None, expirationDateTime=soon)[
        "id"
    ]
    for event, one, status in (("renamed", addressed, 400), ("missed", "nobody", 400), ("missed", silent, 409)):
        assert api.control("POST", "lifecycle", {"event": event, "subscription": one}).status_code == status
    assert hook.bodies == []


# --- the Teams page ------------------------------------------------------------------------------------------------

WHO_WAITS = {
    # scope: who goes straight in, of the organiser, staff, a listed coorganiser, another tenant's user, a guest
    "organizer": "rooms noor",
    "invited": "rooms noor",
    "organization": "rooms paula noor",
    "organizationExcludingGuests": "rooms paula noor",
    "organizationAndFederated": "rooms paula noor mallory",
    "everyone": "rooms paula noor mallory Pat",
}


@pytest.mark.feature("F8.4", "F8.5")
@pytest.mark.parametrize("scope", WHO_WAITS)
def test_the_lobby_holds_those_whom_its_scope_names(api: Api, scope: str) -> None:
    listed = [{"identity": {"user": {"id": world.USERS["noor"].oid}}, "role": "coorganizer"}]
    meeting = api.meeting(f"scope {scope}", lobbyBypassSettings={"scope": scope}, participants={"attendees": listed})
    straight = [who for who in ("rooms", "paula", "noor", "mallory", "Pat") if api.join(meeting, who)["state"] == "in"]
    assert straight == WHO_WAITS[scope].split()


def test_a_guest_who_returns_is_somebody_new_and_a_user_is_not(api: Api) -> None:
    meeting = api.meeting("return", lobbyBypassSettings={"scope": "everyone"})
    ids: dict[str, list[str]] = {"Pat": [], "paula": []}
    for who, mine in ids.items():
        for _ in range(2):
            mine.append(api.join(meeting, who)["participant"])
            assert api.teams(f"participants/{mine[-1]}/leave").status_code == 200
    assert len(set(ids["Pat"])) == 2
    assert len(set(ids["paula"])) == 1


def test_a_user_in_two_tabs_is_in_once(api: Api) -> None:
    meeting = api.meeting("tabs")
    assert api.join(meeting, "paula") == api.join(meeting, "paula")
    assert [one["state"] for one in api.room(meeting)["participants"]] == ["in"]


@pytest.mark.feature("F7.7", "F7.8")
def test_only_presenters_inside_admit_and_end(api: Api) -> None:
    meeting = api.meeting("rights", allowedPresenters="organizer", lobbyBypassSettings={"scope": "organization"})
    patient = api.join(meeting, "Pat")["participant"]
    assert api.teams(f"participants/{patient}/admit").status_code == 403
    paula = api.join(meeting, "paula")["participant"]
    for path in (f"participants/{patient}/admit", f"participants/{patient}/deny", f"meetings/{meeting['id']}/end"):
        assert api.teams(path).status_code == 403
    rooms = api.join(meeting, "rooms")["participant"]
    assert api.teams(f"participants/{patient}/admit", {"by": paula}).status_code == 403
    assert api.teams(f"participants/{patient}/admit", {"by": rooms}).json()["state"] == "in"
    assert api.teams(f"meetings/{meeting['id']}/end", {"by": patient}).status_code == 403
    assert api.teams(f"meetings/{meeting['id']}/end", {"by": rooms}).json()["state"] == "ended"
    assert {one["state"] for one in api.room(meeting)["participants"]} == {"removed"}


def test_admitting_can_be_kept_to_organisers(api: Api) -> None:
    meeting = api.meeting("narrow", allowedLobbyAdmitters="organizerAndCoOrganizers")
    patient, paula = api.join(meeting, "Pat")["participant"], api.join(meeting, "paula")["participant"]
    assert api.teams(f"participants/{patient}/admit", {"by": paula}).status_code == 403
    rooms = api.join(meeting, "rooms")["participant"]
    assert api.teams(f"participants/{patient}/admit", {"by": rooms}).json()["state"] == "in"


def test_who_has_left_admits_and_ends_no_more(api: Api) -> None:
    meeting = api.meeting("left")
    patient, paula = api.join(meeting, "Pat")["participant"], api.join(meeting, "paula")["participant"]
    api.join(meeting, "noor")
    api.teams(f"participants/{paula}/leave")
    for path in (f"participants/{patient}/admit", f"meetings/{meeting['id']}/end"):
        assert api.teams(path, {"by": paula}).status_code == 403


@pytest.mark.parametrize("body", ["{", "[]", '"paula"'])
def test_the_page_takes_json_objects_only(api: Api, body: str) -> None:
    url = f"{api.graph.url}/teams/meetings/{api.meeting(f'body {body}')['id']}/join"
    answer = api.graph.http.post(url, data=body, timeout=10)
    assert (answer.status_code, set(answer.json())) == (400, {"error"})


def test_what_makes_no_sense_is_refused(api: Api) -> None:
    meeting = api.meeting("nonsense")
    paula, patient = api.join(meeting, "paula")["participant"], api.join(meeting, "Pat")["participant"]
    assert api.teams(f"participants/{paula}/admit").status_code == 409
    assert api.teams(f"participants/{patient}/deny").json()["state"] == "removed"
    assert api.teams(f"participants/{patient}/leave").status_code == 409
    assert api.teams("participants/nobody/leave").status_code == 404
    assert api.teams("meetings/none/join", {"as": "paula"}).status_code == 404
    for body in ({"as": "nobody"}, {"name": " "}, {"name": "n" * 257}, {}):
        assert api.teams(f"meetings/{meeting['id']}/join", body).status_code == 400
    assert api.teams(f"meetings/{api.meeting('no call')['id']}/end").status_code == 409


@pytest.mark.feature("F7.8")
def test_leaving_does_not_end_the_call_but_its_time_does(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    meeting = api.meeting("over")
    subscribe(api, hook, key, meeting)
    who = api.join(meeting, "paula")["participant"]
    api.teams(f"participants/{who}/leave")
    assert kinds(hook.deliveries(3), key) == ["callStarted", "rosterUpdated", "rosterUpdated"]
    assert api.room(meeting)["state"] == "live"
    api.join(meeting, "paula")
    hook.deliveries(4)
    api.teams(f"participants/{who}/leave")
    hook.deliveries(5)
    api.move(minutes=61)
    assert kinds(hook.deliveries(6), key)[-1] == "callEnded"
    assert api.room(meeting)["state"] == "ended"


def test_an_empty_call_ends_when_told(api: Api) -> None:
    meeting = api.meeting("told to end")
    api.teams(f"participants/{api.join(meeting, 'paula')['participant']}/leave")
    assert api.control("POST", f"meetings/{meeting['id']}/close").status_code == 204
    assert api.room(meeting)["state"] == "ended"
    assert api.control("POST", f"meetings/{meeting['id']}/close").status_code == 404
    assert api.control("POST", "meetings/none/close").status_code == 404


def test_the_page_stands_at_the_join_address_and_nowhere_else(api: Api) -> None:
    meeting = api.meeting("page", subject="<b>Visit</b>")
    page = api.graph.http.get(meeting["joinWebUrl"] + "&as=paula", timeout=10)
    assert page.headers["Content-Security-Policy"] == "default-src 'self'; img-src data:"
    assert "&lt;b&gt;Visit" in page.text
    assert "<b>" not in page.text
    assert '<option value="paula" selected>' in page.text
    for asset in ("page.js", "page.css"):
        assert api.graph.http.get(f"{api.graph.url}/teams/{asset}", timeout=10).status_code == 200
    bare, other = meeting["joinWebUrl"].partition("?")[0], meeting["joinWebUrl"].replace("meeting_", "meeting_x")
    anothers = meeting["joinWebUrl"].replace(ROOMS, ROOMS2)
    assert [api.graph.http.get(url, timeout=10).status_code for url in (bare, other, anothers)] == [404] * 3


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """Whichever Chromium there is; without one a named skip, with CI=true a failure."""
    installed = tests_chromium.found()
    if installed is None:
        assert os.environ.get("CI") != "true", tests_chromium.HOW
        pytest.skip(tests_chromium.HOW)
    switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=installed, args=switches)
        yield running
        running.close()


@pytest.mark.feature("F7.7", "F7.8", "F8.3", "F8.4", "F8.5")
def test_two_people_hold_a_visit_by_clicking(api: Api, hook: Webhook, key: RSAPrivateKey, chromium: Browser) -> None:
    meeting = api.meeting("clicked")
    subscribe(api, hook, key, meeting)
    patient, provider = (chromium.new_context(ignore_https_errors=True).new_page() for _ in range(2))
    problems: list[str] = []
    for page in (patient, provider):
        page.on("pageerror", lambda problem: problems.append(str(problem)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    patient.goto(meeting["joinWebUrl"])
    patient.get_by_label("Your name").fill("Pat <i>Quill</i>")
    patient.get_by_role("button", name="Join now").click()
    expect(patient.get_by_role("status")).to_have_text("You are in the lobby")
    provider.goto(meeting["joinWebUrl"] + "&as=paula")
    expect(provider.get_by_label("Your name")).to_be_hidden()
    provider.get_by_role("button", name="Join now").click()
    lobby = provider.locator("#lobby")
    expect(lobby).to_contain_text("Waiting in lobby")
    expect(lobby).to_contain_text("Pat <i>Quill</i> (Unverified)")
    lobby.get_by_role("button", name="Admit").click()
    expect(patient.get_by_role("status")).to_have_text("You are in the meeting")
    expect(patient.get_by_role("button", name="End meeting")).to_be_hidden()
    patient.reload()
    patient.get_by_role("button", name="Leave").click()
    expect(patient.get_by_role("status")).to_have_text("You left the meeting")
    patient.get_by_label("Your name").fill("Pat")
    patient.get_by_role("button", name="Join now").click()
    provider.get_by_role("button", name="Deny").click()
    expect(patient.get_by_role("status")).to_have_text("You were removed from the meeting")
    provider.get_by_role("button", name="End meeting").click()
    expect(provider.get_by_role("status")).to_have_text("The meeting has ended")
    provider.goto(api.meeting("next")["joinWebUrl"])
    expect(provider.get_by_label("Signed in as")).to_have_value("paula")
    told = kinds(hook.deliveries(9), key)
    assert told == ["rosterUpdated", "callStarted", *["rosterUpdated"] * 6, "callEnded"]
    assert problems == []


# --- after the call ------------------------------------------------------------------------------------------------


def test_attendance_is_reported_per_session_after_a_while(api: Api) -> None:
    meeting = api.meeting("attendance")
    patient = api.join(meeting, "Pat")["participant"]
    api.move(minutes=2)
    paula = api.join(meeting, "paula")["participant"]
    api.teams(f"participants/{patient}/admit")
    api.move(minutes=10)
    api.teams(f"participants/{paula}/leave")
    api.move(minutes=1)
    api.join(meeting, "paula")
    api.move(minutes=5)
    api.teams(f"meetings/{meeting['id']}/end")
    base = f"/v1.0/users/{ROOMS}/onlineMeetings/{meeting['id']}/attendanceReports"
    assert api("GET", base).json()["value"] == []
    api.move(minutes=5)
    (report,) = api("GET", base).json()["value"]
    assert report["totalParticipantCount"] == 2
    assert report["attendanceRecords"] == []
    expanded = api("GET", f"{base}/{report['id']}?$expand=attendanceRecords").json()["attendanceRecords"]
    assert expanded == api("GET", f"{base}/{report['id']}/attendanceRecords").json()["value"]
    provider, guest = expanded
    assert [round(one["durationInSeconds"] / 60) for one in provider["attendanceIntervals"]] == [10, 5]
    assert [round(one["durationInSeconds"] / 60) for one in guest["attendanceIntervals"]] == [16]
    assert round(provider["totalAttendanceInSeconds"] / 60) == 15
    assert provider["identity"] == {"id": PAULA, "displayName": "Paula Provider", "tenantId": world.LAMNA_TENANT}
    assert (provider["role"], guest["role"]) == ("Presenter", "Attendee")
    assert guest["identity"] == {"id": patient, "displayName": "Pat", "tenantId": None}
    api.join(meeting, "paula")
    api.teams(f"meetings/{meeting['id']}/end")
    api.move(minutes=5)
    assert len(api("GET", base).json()["value"]) == 2
    refused(api("GET", f"{base}/x"), 404, "NotFound")
    refused(api("GET", f"{base}/{report['id']}?$expand=all"), 400, "BadRequest")


def test_a_call_record_appears_is_told_and_goes(api: Api, hook: Webhook, key: RSAPrivateKey) -> None:
    body = wish(
        api, hook, key, {"joinWebUrl": ""}, resource="/communications/callRecords", changeType="created,updated"
    )
    refused(api("POST", "/v1.0/subscriptions", body), 400, "BadRequest")  # it knows no resource data
    plain = ("includeResourceData", "encryptionCertificate", "encryptionCertificateId")
    body = {name: value for name, value in body.items() if name not in plain}
    refused(api("POST", "/beta/subscriptions", body), 400, "BadRequest")
    refused(api("POST", "/v1.0/subscriptions", {**body, "resource": "users"}), 400, "BadRequest")
    far = {"expirationDateTime": (api.now() + timedelta(hours=3)).isoformat()}
    made = api("POST", "/v1.0/subscriptions", {**body, **far})
    assert made.status_code == 201, made.text
    refused(api("POST", "/v1.0/subscriptions", {**body, **far}), 409, "Conflict")
    keyed = {**far, "encryptionCertificate": certificate(key), "encryptionCertificateId": "c"}
    refused(api("PATCH", f"/v1.0/subscriptions/{made.json()['id']}", keyed), 400, "BadRequest")
    meeting = api.meeting("record")
    api.join(meeting, "paula")
    api.teams(f"meetings/{meeting['id']}/end")
    (call,) = next(one for one in api.control("GET", "meetings").json() if one["id"] == meeting["id"])["calls"]
    path = f"/v1.0/communications/callRecords/{call['record']}"
    refused(api("GET", path), 404, "NotFound")
    api.move(minutes=15)
    told = until(lambda: [one for _, one in hook.bodies if call["record"] in json.dumps(one)])[0]
    assert told["value"][0]["resource"] == f"communications/callRecords/{call['record']}"
    assert "validationTokens" not in told
    record = api("GET", f"{path}?$expand=sessions($expand=segments)").json()
    assert record["joinWebUrl"] == meeting["joinWebUrl"]
    assert record["organizer"]["user"]["id"] == ROOMS
    (session,) = record["sessions"]
    assert session["caller"]["identity"]["user"]["id"] == PAULA
    streams = session["segments"][0]["media"][0]["streams"]
    assert {one["streamDirection"] for one in streams} == {"callerToCallee", "calleeToCaller"}
    assert streams[0]["averageJitter"] == "PT0.007S"
    assert "sessions" not in api("GET", path).json()
    refused(api("GET", f"{path}?$expand=everything"), 400, "BadRequest")
    refused(api("GET", path, token=api.mint(tenant=world.FABRIKAM_TENANT)), 404, "NotFound")
    api("DELETE", f"/v1.0/subscriptions/{made.json()['id']}")
    api.move(days=30)
    refused(api("GET", path), 404, "NotFound")


# --- people --------------------------------------------------------------------------------------------------------


def test_people_are_searched_in_the_tokens_tenant(api: Api) -> None:
    search = '/v1.0/users?$search="displayName:virtual"'
    refused(api("GET", search), 400, "BadRequest")
    found = api("GET", search, ConsistencyLevel="eventual").json()["value"]
    assert [one["id"] for one in found] == [ROOMS, ROOMS2]
    refused(api("GET", "/v1.0/users", ConsistencyLevel="eventual"), 400, "BadRequest")
    refused(api("GET", f"{search}&$filter=x", ConsistencyLevel="eventual"), 400, "BadRequest")
    elsewhere = api.mint(tenant=world.FABRIKAM_TENANT)
    assert api("GET", search, token=elsewhere, ConsistencyLevel="eventual").json() == {"value": []}
    refused(api("GET", f"/v1.0/users/{PAULA}", token=elsewhere), 404, "Request_ResourceNotFound")


SEARCHES: list[tuple[str, list[str]]] = [
    ('"displayName:an"', ["Ana Analyst"]),
    ('"displayName:ANALYST ana"', ["Ana Analyst"]),
    ('"displayName:nalyst"', []),
    ('"displayName:VirtualVisits 2"', ["Virtual Visits 2"]),
    ('"userPrincipalName:ana@"', ["Ana Analyst"]),
    ('"userPrincipalName:lamna"', []),
    ('"displayName:ana" OR "mail:noor"', ["Ana Analyst", "Noor Nurse"]),
    ('"displayName:virtual" AND "mail:rooms2"', ["Virtual Visits 2"]),
    ('"displayName:x\\" OR \\"displayName:a"', []),
    ('"displayName:\\\\"', []),
]


@pytest.mark.parametrize(("search", "names"), SEARCHES)
def test_people_are_searched_as_graph_documents_it(api: Api, search: str, names: list[str]) -> None:
    asked = f"/v1.0/users?{urlencode({'$search': search, '$select': 'displayName', '$top': '10'})}"
    found = api("GET", asked, ConsistencyLevel="eventual").json()["value"]
    assert found == [{"displayName": name} for name in names]


@pytest.mark.parametrize(
    "search",
    [
        "",
        "ana",
        "displayName:ana",
        '"ana"',
        '"displayName:"',
        '"oid:ana"',
        '"displayName:a"b"',
        '"displayName:a\\"',
        '"displayName:a\\b"',
        '"displayName:a" or "mail:a"',
        '"displayName:a""mail:a"',
        '"displayName:a" OR ',
        '("displayName:a")',
    ],
)
def test_a_search_that_breaks_the_syntax_is_refused(api: Api, search: str) -> None:
    asked = f"/v1.0/users?{urlencode({'$search': search})}"
    refused(api("GET", asked, ConsistencyLevel="eventual"), 400, "BadRequest")


@pytest.mark.parametrize("query", ["$top=0", "$top=1000", "$top=x", "$top=1&$select=password", "$top=1&$skip=1"])
def test_a_list_of_people_is_refused_when(api: Api, query: str) -> None:
    refused(api("GET", f"/v1.0/users?{query}"), 400, "BadRequest")


def test_a_list_of_people_ends_at_its_top(api: Api) -> None:
    assert len(api("GET", "/v1.0/users?$top=2&$select=id").json()["value"]) == 2


def test_what_reached_it_is_kept_with_its_answer(api: Api) -> None:
    api("GET", "/v1.0/users/nobody")
    last = api.graph.seen("request")[-1]
    assert last["status"] == 404
    assert (last["method"], last["path"], last["app"]) == ("GET", "/v1.0/users/nobody", world.CONNECTOR_APP)


@pytest.mark.parametrize(
    "wrong", [{"casing": "snake"}, {"nothing": 1}, {"meetings_per_month": "2"}, {"token_version": 3}]
)
def test_a_setting_that_does_not_exist_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    before = api.control("GET", "settings").json()
    assert api.control("PATCH", "settings", wrong).status_code == 400
    assert api.control("GET", "settings").json() == before


def test_a_policy_is_for_somebody_the_world_knows(api: Api) -> None:
    before = api.control("GET", "policies").json()
    assert api.control("POST", "policies", {"user": "nobody"}).status_code == 400
    assert api.control("POST", "policies", ["paula"]).status_code == 400
    assert api.control("DELETE", "policies/nobody").status_code == 400
    assert api.control("GET", "policies").json() == before
