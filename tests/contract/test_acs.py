"""The Communication Services and Event Grid stand-in, each rule broken with a plain HTTP client.

What should work is tried with azure-communication-sms itself.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
import pytest
import requests
from azure.communication.sms import SmsClient
from azure.communication.sms.aio import SmsClient as AsyncSmsClient
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy

from sandbox import clock, world
from sandbox.peer import server_tls

pytestmark = pytest.mark.feature("F5.1")

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "eventgrid"
#: A fresh pair of numbers for each test, so that one process can serve them all.
PHONES = (f"+1206555{line:04}" for line in range(1000, 9999))
SMS = "/sms?api-version=2026-01-23"
NUMBERS = "api-version=2025-06-01"
SEARCH = {
    "phoneNumberType": "tollFree",
    "assignmentType": "application",
    "capabilities": {"calling": "none", "sms": "inbound+outbound"},
    "quantity": 1,
}


class Resource:
    """The stand-in as a plain HTTP client with the resource's key sees it."""

    def __init__(self, peer):
        self.peer = peer
        self.url = peer.url
        self.phone = next(PHONES)
        self.other_phone = next(PHONES)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **signing: Any):
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = sign(method, path, raw, host=urlsplit(self.url).netloc, **signing)
        both = {"Content-Type": "application/json"} | signed | (headers or {})
        return self.peer.http.request(method, self.url + path, data=raw, headers=both, timeout=10)

    def send(self, path: str = SMS, **changes: Any):
        return self.call("POST", path, self.body(**changes))

    def recipient(self, to: str | None = None, **changes: Any) -> dict[str, Any]:
        return recipient(self.now(), to or self.phone, **changes)

    def body(self, **changes: Any) -> dict[str, Any]:
        options = {"enableDeliveryReport": True, "tag": "text-1"}
        usual = {"from": world.ACS_NUMBER, "smsRecipients": [self.recipient()], "message": "Hello"}
        whole = usual | {"smsSendOptions": options} | changes
        return {key: value for key, value in whole.items() if value is not None}

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.peer.http.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=40)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def now(self) -> datetime:
        return clock.now(self.peer.plan.path("clock"))

    def move(self, by: timedelta) -> None:
        clock.move(self.peer.plan.path("clock"), by)

    def texts(self) -> list[dict[str, Any]]:
        return self.peer.http.get(f"{self.url}/_sandbox/texts", params={"to": self.phone}, timeout=10).json()


def sign(
    method: str, path: str, raw: bytes, host: str, *, key: str = world.ACS_ACCESS_KEY, at: datetime | None = None
) -> dict[str, str]:
    date = format_datetime(at or datetime.now(UTC), usegmt=True)
    content = base64.b64encode(hashlib.sha256(raw).digest()).decode()
    text = f"{method}\n{path}\n{date};{host};{content}"
    signature = base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), "sha256")).decode()
    proof = f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
    return {"x-ms-date": date, "x-ms-content-sha256": content, "Authorization": proof}


def recipient(now: datetime, to: str = "+12065550123", **changes: Any) -> dict[str, Any]:
    whole = {"to": to, "repeatabilityRequestId": str(uuid4()), "repeatabilityFirstSent": gmt(now)} | changes
    return {key: value for key, value in whole.items() if value is not None}


def gmt(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def only_item(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    [item] = answer.json()["value"]
    return item


def eventually[Found](look: Callable[[], Found]) -> Found:
    """What `look` finds, within five seconds."""
    deadline = time.monotonic() + 5
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


class Webhook:
    """A webhook on one of the plan's ports: keeps what it got, answers as told."""

    def __init__(self, plan):
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.statuses: list[int | None] = []  # None hangs up
        self.validation: Callable[[str], tuple[int, Any]] = lambda code: (200, {"validationResponse": code})
        self.allowed_origin: str | None = "*"
        self.options_status = 200
        self.url = f"{plan.urls['sink']}/sms/events"
        self._server = ThreadingHTTPServer(("127.0.0.1", plan.ports["sink"]), self._handler())
        self._server.socket = server_tls(plan).wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def events(self, kind: str = "Notification") -> list[dict[str, Any]]:
        bodies = [body for verb, _, headers, body in self.requests if headers.get("aeg-event-type") == kind]
        return [event for body in bodies for event in (body if isinstance(body, list) else [body])]

    def headers(self, kind: str) -> list[dict[str, str]]:
        return [headers for _, _, headers, _ in self.requests if headers.get("aeg-event-type") == kind]

    def answer(self, headers: dict[str, str], body: Any) -> tuple[int | None, Any]:
        if headers.get("aeg-event-type") == "SubscriptionValidation":
            return self.validation(body[0]["data"]["validationCode"])
        return self.statuses.pop(0) if self.statuses else 202, None

    def _handler(hook):  # noqa: N805 - the class inside has a self of its own
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = json.loads(self.rfile.read(int(headers["content-length"])))
                status, answer = hook.answer(headers, body)
                if status is None:
                    self.close_connection = True
                else:
                    self._reply(status, {"Content-Type": "application/json", "Location": "/elsewhere"}, answer)
                hook.requests.append(("POST", self.path, headers, body))

            def do_OPTIONS(self):
                hook.requests.append(("OPTIONS", self.path, {k.lower(): v for k, v in self.headers.items()}, None))
                allowed = {"WebHook-Allowed-Origin": hook.allowed_origin} if hook.allowed_origin else {}
                self._reply(hook.options_status, allowed, None)

            def _reply(self, status, headers, answer):
                raw = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(raw))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                """A webhook of a test writes no log."""

        return Handler


@pytest.fixture
def acs(start_peer) -> Resource:
    """The resource with its usual settings and nobody subscribed; the clock only ever moves on."""
    resource = Resource(start_peer("acs"))
    resource.control("POST", "carrier", {"per_minute": 10_000})
    for usual in ("reports", "numbers", "eventgrid"):
        resource.control("POST", usual, {})
    for subscription in resource.control("GET", "eventgrid")["subscriptions"]:
        resource.control("DELETE", f"eventgrid/subscriptions/{subscription['name']}")
    return resource


@pytest.fixture
def new_acs(acs) -> Resource:
    """A resource that has seen nothing yet: the rate and the quotas are unused."""
    acs.peer.restart()
    return acs


@pytest.fixture
def webhook(acs) -> Iterator[Webhook]:
    hook = Webhook(acs.peer.plan)
    yield hook
    hook.close()


@pytest.fixture
def subscribed(acs, webhook) -> Webhook:
    acs.control("POST", "eventgrid", {"retry_seconds": [0.05]})
    acs.control("POST", "eventgrid/subscriptions", subscription(webhook))
    return webhook


def subscription(webhook: Webhook, **changes: Any) -> dict[str, Any]:
    return {"name": "sms", "url": webhook.url, "auth": "secret", "secret": "key-1"} | changes


# Who may call


@pytest.mark.parametrize(
    "signing",
    [
        {"key": base64.b64encode(b"another key").decode()},
        {"at": datetime.now(UTC) - timedelta(hours=1)},
        {"at": datetime.now(UTC) + timedelta(hours=1)},
    ],
    ids=["another key", "too old", "too early"],
)
def test_a_wrong_signature_is_refused(acs, signing):
    answer = acs.call("POST", SMS, acs.body(), **signing)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Denied")
    assert acs.texts() == []


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-ms-content-sha256", base64.b64encode(hashlib.sha256(b"other").digest()).decode()),
        ("x-ms-date", "yesterday"),
        ("Authorization", "HMAC-SHA256 SignedHeaders=x-ms-date&Signature=AAAA"),
        ("Authorization", "Basic AAAA"),
        ("Authorization", "Bearer not-a-token"),
    ],
)
def test_a_request_whose_proof_was_changed_is_refused(acs, header, value):
    answer = acs.call("POST", SMS, acs.body(), headers={header: value})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Denied")


def test_a_signature_over_the_host_without_its_port_or_another_path_is_refused(acs):
    raw = json.dumps(acs.body()).encode()
    for path, host in ((SMS, "127.0.0.1"), ("/sms", urlsplit(acs.url).netloc)):
        headers = sign("POST", path, raw, host) | {"Content-Type": "application/json"}
        answer = acs.peer.http.post(acs.url + SMS, data=raw, headers=headers, timeout=10)
        assert answer.status_code == 401


def test_signatures_are_judged_by_real_time_when_the_sandbox_has_been_moved(acs):
    acs.move(timedelta(days=2))
    assert only_item(acs.send())["httpStatusCode"] == 202


@pytest.fixture
def entra(start_peer):
    return start_peer("entra")


def entra_token(entra, scope: str = "https://communication.azure.com//.default") -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": world.CONNECTOR_APP,
        "client_secret": world.CONNECTOR_SECRET,
        "scope": scope,
    }
    url = f"{entra.url}/{world.OPERATOR_TENANT}/oauth2/v2.0/token"
    answer = entra.http.post(url, data=form, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def test_a_token_for_communication_services_is_accepted(acs, entra):
    headers = {"Authorization": f"Bearer {entra_token(entra)}"}
    assert only_item(acs.call("POST", SMS, acs.body(), headers=headers))["successful"]


def test_a_token_for_another_service_is_refused(acs, entra):
    headers = {"Authorization": f"Bearer {entra_token(entra, 'https://graph.microsoft.com/.default')}"}
    assert acs.call("POST", SMS, acs.body(), headers=headers).status_code == 401


def minted(entra, **order: Any) -> str:
    """A token for Communication Services, of the operator's tenant unless `order` says otherwise."""
    usual = {"kind": "app", "tenant": world.OPERATOR_TENANT, "audience": "https://communication.azure.com"}
    answer = entra.http.post(f"{entra.url}/_sandbox/mint", json=usual | order, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()["token"]


def sent_with(acs, token: str) -> requests.Response:
    return acs.call("POST", SMS, acs.body(), headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    "order",
    [
        {"tenant": world.LAMNA_TENANT},
        {"claims": {"tid": world.LAMNA_TENANT}},
        {"claims": {"iss": "https://elsewhere.example/v2.0"}},
        {"claims": {"tid": None}},
        {"claims": {"exp": None}},
        {"expired": True},
        {"key": "unknown"},
    ],
    ids=str,
)
def test_a_token_must_be_of_the_resources_tenant_and_in_its_time(acs, entra, order):
    assert sent_with(acs, minted(entra)).status_code == 202
    assert sent_with(acs, minted(entra, **order)).status_code == 401
    assert len(acs.texts()) == 1


def test_without_entra_a_token_with_a_new_key_cannot_be_judged(acs, entra):
    entra.http.post(f"{entra.url}/_sandbox/keys", timeout=10).raise_for_status()
    token = minted(entra)
    entra.fault(route="GET .*/keys", do="status", status=500)
    assert sent_with(acs, token).status_code == 503
    entra.behave()
    assert sent_with(acs, token).status_code == 202


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256"])
def test_a_token_that_entra_did_not_sign_is_refused(acs, entra, algorithm, plan):
    token = entra_token(entra)
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    keys = {"none": "", "HS256": "x" * 64, "RS256": plan.path("stranger_key").read_text()}
    forged = jwt.encode(claims, keys[algorithm], algorithm, headers={"kid": header["kid"]})
    answer = acs.call("POST", SMS, acs.body(), headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401


# What a request must look like


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/sms", "ApiVersionUnspecified"),
        ("/sms?api-version=2020-07-20", "UnsupportedApiVersion"),
        ("/sms?api-version=2026-01-23&api-version=2021-03-07", "UnsupportedApiVersion"),
    ],
)
def test_an_unknown_version_is_refused(acs, path, code):
    answer = acs.send(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


NOW = datetime.now(UTC)
OPTIONS = {"enableDeliveryReport": True}


@pytest.mark.parametrize(
    "changes",
    [
        {"from": "+18335550199"},
        {"from": "+12065550123"},
        {"from": None},
        {"message": ""},
        {"message": "x" * 2049},
        {"message": None},
        {"smsRecipients": []},
        {"smsRecipients": [recipient(NOW)] * 101},
        {"smsRecipients": [recipient(NOW, language="en")]},
        {"extra": 1},
        {"smsSendOptions": OPTIONS | {"priority": "high"}},
        {"smsSendOptions": OPTIONS | {"tag": 7}},
        {"smsSendOptions": {"tag": "x"}},
        {"smsSendOptions": {"enableDeliveryReport": "true"}},
        {"smsSendOptions": OPTIONS | {"deliveryReportTimeoutInSeconds": 59}},
        {"smsSendOptions": OPTIONS | {"deliveryReportTimeoutInSeconds": 43201}},
        {"smsSendOptions": OPTIONS | {"messagingConnect": {"apiKey": "k", "partner": "p"}}},
    ],
    ids=str,
)
def test_a_body_that_the_spec_does_not_allow_is_refused(acs, changes):
    answer = acs.send(**changes)
    assert answer.status_code == 400
    assert acs.texts() == []


def test_the_older_version_does_not_know_the_reports_time_limit(acs):
    limited = {"smsSendOptions": OPTIONS | {"deliveryReportTimeoutInSeconds": 60}}
    assert only_item(acs.send(**limited))["successful"]
    assert acs.send("/sms?api-version=2021-03-07", **limited).status_code == 400


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[]"])
def test_what_is_not_a_json_object_is_refused(acs, raw):
    assert acs.call("POST", SMS, raw).status_code == 400


def test_a_body_that_is_not_called_json_is_refused(acs):
    assert acs.call("POST", SMS, acs.body(), headers={"Content-Type": "text/plain"}).status_code == 415


def test_a_hundred_recipients_are_served_and_each_bad_one_is_named(acs):
    good = [acs.recipient(f"+1206555{line:04}") for line in range(98)]
    bad = [acs.recipient(number) for number in ("+123", "+112345678901")]
    value = acs.send(smsRecipients=[*good, *bad]).json()["value"]
    assert [item["httpStatusCode"] for item in value] == [202] * 98 + [400] * 2
    assert [item["successful"] for item in value] == [True] * 98 + [False] * 2
    assert "messageId" not in value[-1]


# Repeatability


def test_the_same_request_again_is_the_same_text_once(acs):
    body = acs.body()
    first, second = (only_item(acs.call("POST", SMS, body)) for _ in range(2))
    assert first == second
    assert first["repeatabilityResult"] == "accepted"
    [text] = acs.texts()
    assert (text["messageId"], text["sent_times"]) == (first["messageId"], 2)


@pytest.mark.parametrize("change", [{"message": "Other"}, {"smsSendOptions": OPTIONS}], ids=["message", "options"])
def test_an_id_with_another_body_is_rejected(acs, change):
    body = acs.body()
    only_item(acs.call("POST", SMS, body))
    item = only_item(acs.call("POST", SMS, body | change))
    assert (item["httpStatusCode"], item["repeatabilityResult"], item["successful"]) == (400, "rejected", False)
    assert [text["message"] for text in acs.texts()] == ["Hello"]


def test_an_id_is_forgotten_after_the_window_and_the_same_one_texts_again(acs):
    """The service promises no more: who gives a text its id again hours later has texted twice."""
    body = acs.body()
    only_item(acs.call("POST", SMS, body))
    acs.move(timedelta(minutes=6))
    later = acs.body()
    recipient = later["smsRecipients"][0] | {
        "repeatabilityRequestId": body["smsRecipients"][0]["repeatabilityRequestId"]
    }
    assert only_item(acs.call("POST", SMS, later | {"smsRecipients": [recipient]}))["httpStatusCode"] == 202
    assert len(acs.texts()) == 2


@pytest.mark.parametrize(
    ("age", "status"), [(timedelta(minutes=4, seconds=50), 202), (timedelta(minutes=5, seconds=2), 412)]
)
def test_a_request_first_sent_more_than_five_minutes_ago_is_rejected(acs, age, status):
    body = acs.body()
    only_item(acs.call("POST", SMS, body))
    acs.move(age)
    item = only_item(acs.call("POST", SMS, body))
    assert item["httpStatusCode"] == status
    assert item["repeatabilityResult"] == ("accepted" if status == 202 else "rejected")
    assert len(acs.texts()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"repeatabilityRequestId": None},
        {"repeatabilityFirstSent": None},
        {"repeatabilityRequestId": None, "repeatabilityFirstSent": None},
        {"repeatabilityRequestId": "42"},
        {"repeatabilityRequestId": uuid4().hex},
        {"repeatabilityFirstSent": NOW.isoformat()},
        {"repeatabilityFirstSent": gmt(NOW).replace("GMT", "+0000")},
    ],
    ids=str,
)
def test_a_request_that_is_not_wholly_repeatable_is_rejected(acs, wrong):
    item = only_item(acs.send(smsRecipients=[acs.recipient(**wrong)]))
    assert (item["httpStatusCode"], item["repeatabilityResult"]) == (400, "rejected")
    assert acs.texts() == []


def test_a_request_first_sent_in_the_future_is_rejected(acs):
    ahead = gmt(acs.now() + timedelta(minutes=6))
    assert only_item(acs.send(smsRecipients=[acs.recipient(repeatabilityFirstSent=ahead)]))["httpStatusCode"] == 400


def test_a_stand_in_that_forgets_ids_texts_twice(acs):
    acs.peer.fault(route="POST /sms", do="forget", times=1)
    body = acs.body()
    ids = {only_item(acs.call("POST", SMS, body))["messageId"] for _ in range(2)}
    assert len(ids) == len(acs.texts()) == 2


# Throughput


def test_a_number_sends_so_many_texts_a_minute(new_acs):
    new_acs.control("POST", "carrier", {"per_minute": 2})
    three = [new_acs.recipient() for _ in range(3)]
    statuses = [item["httpStatusCode"] for item in new_acs.send(smsRecipients=three).json()["value"]]
    assert statuses == [202, 202, 429]
    refused = new_acs.send(smsRecipients=[three[2]])
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    new_acs.move(timedelta(seconds=61))
    assert only_item(new_acs.send())["successful"]


def test_a_repeated_request_is_answered_though_the_rate_is_used_up(new_acs):
    new_acs.control("POST", "carrier", {"per_minute": 1})
    body = new_acs.body()
    first, again = (only_item(new_acs.call("POST", SMS, body)) for _ in range(2))
    assert first == again


# The real client


class Repeatable(SansIOHTTPPolicy):
    """Sets our own id and FirstSent before the request is signed, as the connector must."""

    def __init__(self, key: str, first_sent: str) -> None:
        super().__init__()
        self.ours = {"repeatabilityRequestId": key, "repeatabilityFirstSent": first_sent}

    def on_request(self, request) -> None:
        body = json.loads(request.http_request.body)
        body["smsRecipients"] = [one | self.ours for one in body["smsRecipients"]]
        request.http_request.set_bytes_body(json.dumps(body).encode())
        request.http_request.body = json.dumps(body)


def test_microsofts_client_sends_with_our_own_id(acs):
    policy = Repeatable(str(uuid4()), gmt(acs.now()))
    key = AzureKeyCredential(world.ACS_ACCESS_KEY)
    client = SmsClient(acs.url, key, per_call_policies=[policy], connection_verify=acs.peer.ca)
    with client._sms_service_client:
        acs.peer.fault(route="POST /sms", do="throttle", retry_after="0.1", times=1)
        sent = [
            client.send(world.ACS_NUMBER, acs.phone, "Hi", enable_delivery_report=True, tag="t")[0] for _ in range(2)
        ]
    assert sent[0].message_id == sent[1].message_id
    [text] = acs.texts()
    assert (text["id"], text["tag"], text["sent_times"]) == (policy.ours["repeatabilityRequestId"], "t", 2)


async def test_microsofts_async_client_sends_with_our_own_id(acs):
    policy = Repeatable(str(uuid4()), gmt(acs.now()))
    key = AzureKeyCredential(world.ACS_ACCESS_KEY)
    client = AsyncSmsClient(acs.url, key, per_call_policies=[policy], connection_verify=acs.peer.ca)
    async with client:
        [result] = await client.send(world.ACS_NUMBER, acs.phone, "Hi", enable_delivery_report=True)
    assert (result.successful, result.http_status_code) == (True, 202)
    assert acs.texts()[0]["first_sent"] == policy.ours["repeatabilityFirstSent"]


def test_microsofts_client_with_a_wrong_key_or_number_gets_its_own_errors(acs):
    wrong_key = SmsClient(acs.url, AzureKeyCredential("AAAA"), connection_verify=acs.peer.ca)
    with wrong_key._sms_service_client, pytest.raises(ClientAuthenticationError):
        wrong_key.send(world.ACS_NUMBER, acs.phone, "Hi")
    right_key = SmsClient(acs.url, AzureKeyCredential(world.ACS_ACCESS_KEY), connection_verify=acs.peer.ca)
    with right_key._sms_service_client, pytest.raises(HttpResponseError, match="does not belong"):
        right_key.send("+18335550199", acs.phone, "Hi")


def test_microsofts_client_sends_with_an_entra_token(acs, entra):
    class Credential:
        def get_token(self, *scopes, **_):
            return AccessToken(entra_token(entra, scopes[0]), int(time.time()) + 3600)

    policy = Repeatable(str(uuid4()), gmt(acs.now()))
    client = SmsClient(acs.url, Credential(), per_call_policies=[policy], connection_verify=acs.peer.ca)
    with client._sms_service_client:
        assert client.send(world.ACS_NUMBER, acs.phone, "Hi")[0].successful


# Delivery reports


def the_report(acs, key: str) -> dict[str, Any]:
    def look() -> Any:
        answer = acs.call("GET", f"/deliveryReports/{key}?api-version=2026-01-23")
        return answer.json() if answer.status_code == 200 else None

    return eventually(look)


def test_a_delivered_text_is_reported_as_the_documents_show_it(acs, subscribed):
    item = only_item(acs.send())
    [event] = eventually(subscribed.events)
    assert event["eventType"] == "Microsoft.Communication.SMSDeliveryReportReceived"
    assert event["subject"] == "/phonenumber/18335550100"
    assert event["id"] == event["data"]["messageId"] == item["messageId"]
    assert (event["data"]["from"], event["data"]["to"], event["data"]["Tag"]) == ("18335550100", acs.phone, "text-1")
    assert event["data"]["deliveryStatus"] == "Delivered"
    report = the_report(acs, item["messageId"])
    assert (report["from"], report["tag"]) == (world.ACS_NUMBER, "text-1")
    assert report["deliveryStatusDetails"] == "2000: No Error"


def corpus(name: str) -> Any:
    if not CORPUS.exists():
        assert os.environ.get("CI") != "true", "the corpus is missing"
        pytest.skip("the corpus is not here")
    return json.loads((CORPUS / name).read_text())


@pytest.mark.parametrize(
    ("file", "style"),
    [
        ("sms_delivery_report_2025_camelCase.json", {"details": "plain"}),
        ("sms_delivery_report_2020_PascalCase.json", {"details": "plain", "case": "pascal"}),
    ],
)
def test_a_report_has_the_members_of_the_documents_sample(acs, subscribed, file, style):
    [sample] = corpus(file)
    acs.control("POST", "reports", style)
    untagged = None if style.get("case") else OPTIONS | {"tag": "visit"}
    acs.send(smsSendOptions=untagged or OPTIONS)
    [event] = eventually(subscribed.events)
    assert set(event) == set(sample)
    assert shape(event["data"]) == shape(sample["data"])
    details = {name.lower(): value for name, value in sample["data"].items()}["deliverystatusdetails"]
    assert details in event["data"].values()


def shape(facts: Any) -> Any:
    """The names in a document, without its values."""
    if isinstance(facts, dict):
        return {name: shape(value) for name, value in facts.items()}
    return [shape(fact) for fact in facts] if isinstance(facts, list) else type(facts).__name__


def test_an_inbound_text_has_the_members_of_the_documents_sample(acs, subscribed):
    [sample] = corpus("sms_received_2025.json")
    acs.control("POST", "inbound", {"from": acs.phone, "to": world.ACS_NUMBER, "text": "Hello"})
    [event] = eventually(subscribed.events)
    assert event["eventType"] == sample["eventType"]
    assert shape(event["data"]) == shape(sample["data"])


def test_the_tag_may_be_spelt_small(acs, subscribed):
    acs.control("POST", "reports", {"tag": "tag"})
    acs.send()
    [event] = eventually(subscribed.events)
    assert event["data"]["tag"] == "text-1"
    assert "Tag" not in event["data"]


@pytest.mark.parametrize("code", [4004, 4005, 4006, 4007, 5002])
def test_a_number_can_be_made_to_fail(acs, subscribed, code):
    acs.control("POST", "recipients", {"number": acs.phone, "do": "failed", "code": code})
    item = only_item(acs.send())
    [event] = eventually(subscribed.events)
    assert event["data"]["deliveryStatus"] == "Failed"
    assert event["data"]["deliveryStatusDetails"].startswith(f"{code}: ")
    assert event["data"]["deliveryAttempts"][0]["segmentsFailed"] == 1
    assert the_report(acs, item["messageId"])["deliveryStatus"] == "Failed"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("recipients", {"number": "+12065550123", "do": "failed", "code": 1}),
        ("recipients", {"number": "+12065550123", "do": "perhaps"}),
        ("carrier", {"held": True}),
        ("inbound", {"from": "+12065550123", "to": world.ACS_NUMBER, "text": ""}),
        ("eventgrid", {"retry_seconds": []}),
    ],
    ids=["an unknown code", "an unknown way", "an unknown member", "an empty text", "no waits"],
)
def test_an_order_that_the_control_interface_does_not_know_is_refused(acs, path, body):
    assert acs.peer.http.post(f"{acs.url}/_sandbox/{path}", json=body, timeout=5).status_code == 400


def test_a_silent_number_never_reports_and_an_unasked_report_is_not_made(acs, subscribed):
    acs.control("POST", "recipients", {"number": acs.phone, "do": "silent"})
    other = [acs.recipient(acs.other_phone)]
    silent = only_item(acs.send())
    unasked = only_item(acs.send(smsRecipients=other, smsSendOptions={"enableDeliveryReport": False}))
    asked = only_item(acs.send(smsRecipients=[acs.recipient(acs.other_phone)]))
    assert the_report(acs, asked["messageId"])["deliveryStatus"] == "Delivered"
    for item in (silent, unasked):
        assert acs.call("GET", f"/deliveryReports/{item['messageId']}?api-version=2026-01-23").status_code == 404
    assert [event["data"]["messageId"] for event in eventually(subscribed.events)] == [asked["messageId"]]


def test_a_text_that_nobody_sent_has_no_report(acs):
    assert acs.call("GET", "/deliveryReports/none?api-version=2026-01-23").status_code == 404


def test_what_the_carrier_keeps_back_is_delivered_when_it_is_let_go(acs, subscribed):
    acs.control("POST", "carrier", {"hold": True})
    item = only_item(acs.send())
    report = f"/deliveryReports/{item['messageId']}?api-version=2026-01-23"
    assert acs.call("GET", report).status_code == 404
    assert acs.texts()[0]["code"] is None
    acs.control("POST", "carrier", {"hold": False})
    assert len(eventually(subscribed.events)) == 1
    assert acs.texts()[0]["code"] == 2000


@pytest.mark.feature("F5.12")
def test_a_toll_free_number_that_is_not_verified_is_blocked(acs, subscribed):
    only_item(acs.send(**{"from": world.ACS_UNVERIFIED_NUMBER}))
    [event] = eventually(subscribed.events)
    assert event["data"]["deliveryStatusDetails"].startswith("4010")


def test_a_text_beyond_north_america_is_not_supported(acs):
    item = only_item(acs.send(smsRecipients=[acs.recipient("+442079460123")]))
    assert the_report(acs, item["messageId"])["deliveryStatusDetails"].startswith("4003")


@pytest.mark.parametrize(
    ("message", "count"), [("a" * 160, 1), ("a" * 161, 2), ("ж" * 70, 1), ("ж" * 71, 2), ("a" * 2048, 14)]
)
def test_a_report_counts_segments(acs, message, count):
    item = only_item(acs.send(message=message))
    assert the_report(acs, item["messageId"])["deliveryAttempts"][0]["segmentsSucceeded"] == count


# Opting out


def inbound(acs, text: str) -> None:
    acs.control("POST", "inbound", {"from": acs.phone, "to": world.ACS_NUMBER, "text": text})


@pytest.mark.feature("F5.14")
def test_stop_blocks_that_pair_until_start(acs, subscribed):
    inbound(acs, " stop ")
    blocked = only_item(acs.send())
    assert the_report(acs, blocked["messageId"])["deliveryStatusDetails"] == "4007: Sender blocked for given recipient."
    other = only_item(acs.send(smsRecipients=[acs.recipient(acs.other_phone)]))
    assert the_report(acs, other["messageId"])["deliveryStatus"] == "Delivered"
    inbound(acs, "START")
    assert the_report(acs, only_item(acs.send())["messageId"])["deliveryStatus"] == "Delivered"
    relayed = eventually(lambda: [e for e in subscribed.events() if e["eventType"].endswith("SMSReceived")][1:])
    assert relayed[0]["data"]["message"] == "START"


def test_a_text_that_only_contains_stop_blocks_nothing(acs):
    inbound(acs, "please stop by")
    assert the_report(acs, only_item(acs.send())["messageId"])["deliveryStatus"] == "Delivered"


def test_a_phone_cannot_text_a_number_that_is_not_ours(acs):
    body = {"from": acs.phone, "to": "+18335550199", "text": "STOP"}
    assert acs.peer.http.post(f"{acs.url}/_sandbox/inbound", json=body, timeout=5).status_code == 400


def opt_outs(acs, verb: str, *numbers: str, **changes: Any):
    body = {"from": world.ACS_NUMBER, "recipients": [{"to": number} for number in numbers]} | changes
    return acs.call("POST", f"/sms/optouts:{verb}?api-version=2026-01-23", body)


def is_opted_out(acs) -> bool:
    return opt_outs(acs, "check", acs.phone).json()["value"][0]["isOptedOut"]


def test_the_opt_out_list_is_kept_per_sender_and_recipient(acs):
    assert not is_opted_out(acs)
    added = opt_outs(acs, "add", acs.phone, "+123").json()["value"]
    assert [item["httpStatusCode"] for item in added] == [200, 400]
    assert is_opted_out(acs)
    assert the_report(acs, only_item(acs.send())["messageId"])["deliveryStatusDetails"].startswith("4007")
    opt_outs(acs, "remove", acs.phone)
    assert not is_opted_out(acs)


def test_taking_a_number_off_the_list_does_not_undo_its_stop(acs):
    inbound(acs, "STOP")
    opt_outs(acs, "remove", acs.phone)
    assert is_opted_out(acs)


@pytest.mark.parametrize(
    "changes",
    [
        {"from": "+18335550199"},
        {"recipients": []},
        {"recipients": [{"to": ""}]},
        {"recipients": [{"to": "+12065550123"}] * 101},
        {"why": "asked"},
    ],
    ids=["another's number", "nobody", "an empty number", "too many", "an unknown member"],
)
def test_a_wrong_opt_out_request_is_refused(acs, changes):
    assert opt_outs(acs, "add", acs.phone, **changes).status_code == 400


def test_the_older_version_has_no_opt_outs_and_no_reports(acs):
    body = {"from": world.ACS_NUMBER, "recipients": [{"to": acs.phone}]}
    assert acs.call("POST", "/sms/optouts:add?api-version=2021-03-07", body).status_code == 400
    assert acs.call("GET", "/deliveryReports/x?api-version=2021-03-07").status_code == 400


# Phone numbers


def search(acs, **changes: Any):
    return acs.call("POST", f"/availablePhoneNumbers/countries/US/:search?{NUMBERS}", SEARCH | changes)


def found(acs, **changes: Any) -> dict[str, Any]:
    """A search that has ended."""
    begun = search(acs, **changes)
    assert begun.status_code == 202, begun.text
    acs.move(timedelta(seconds=2))
    return acs.call("GET", f"{begun.headers['Location']}?{NUMBERS}").json()


def purchase(acs, key: str, **changes: Any):
    body = {"searchId": key, "agreeToNotResell": False} | changes
    return acs.call("POST", f"/availablePhoneNumbers/:purchase?{NUMBERS}", body)


def owned(acs) -> list[str]:
    page = acs.call("GET", f"/phoneNumbers?skip=0&top=100&{NUMBERS}").json()
    return [number["phoneNumber"] for number in page["phoneNumbers"]]


@pytest.mark.feature("F5.4")
def test_a_number_is_searched_bought_listed_verified_used_and_released(new_acs):
    begun = search(new_acs)
    assert begun.status_code == 202
    operation = begun.headers["Operation-Location"] + f"?{NUMBERS}"
    assert new_acs.call("GET", operation).json()["status"] == "running"
    assert new_acs.call("GET", f"{begun.headers['Location']}?{NUMBERS}").status_code == 404
    new_acs.move(timedelta(seconds=2))
    assert new_acs.call("GET", operation).json()["status"] == "succeeded"
    result = new_acs.call("GET", f"{begun.headers['Location']}?{NUMBERS}").json()
    [number] = result["phoneNumbers"]
    bought = purchase(new_acs, result["searchId"])
    assert bought.status_code == 202
    new_acs.move(timedelta(seconds=2))
    assert number in owned(new_acs)
    assert new_acs.call("GET", f"{bought.headers['Operation-Location']}?{NUMBERS}").json()["status"] == "succeeded"
    assert report_code(new_acs, number) == "4010"
    new_acs.control("POST", "numbers/verification", {"number": number})
    assert report_code(new_acs, number) == "2000"
    assert new_acs.call("DELETE", f"/phoneNumbers/{number}?{NUMBERS}").status_code == 202
    new_acs.move(timedelta(seconds=2))
    assert number not in owned(new_acs)
    assert new_acs.send(**{"from": number}).status_code == 400


def bought(acs, **changes: Any) -> str:
    """A number that was searched for, bought and is there."""
    result = found(acs, **changes)
    assert purchase(acs, result["searchId"]).status_code == 202
    acs.move(timedelta(seconds=2))
    [number] = result["phoneNumbers"]
    return number


@pytest.mark.parametrize("sms", ["none", "inbound"])
def test_a_number_that_cannot_send_texts_sends_none(new_acs, sms):
    number = bought(new_acs, capabilities={"calling": "none", "sms": sms})
    assert number in owned(new_acs)
    assert new_acs.send(**{"from": number}).status_code == 400


def test_a_text_on_its_way_when_its_number_is_released_is_blocked(new_acs):
    number = bought(new_acs)
    new_acs.control("POST", "numbers/verification", {"number": number})
    new_acs.control("POST", "carrier", {"hold": True})
    item = only_item(new_acs.send(**{"from": number}))
    assert new_acs.call("DELETE", f"/phoneNumbers/{number}?{NUMBERS}").status_code == 202
    new_acs.move(timedelta(seconds=2))
    assert number not in owned(new_acs)
    new_acs.control("POST", "carrier", {"hold": False})
    assert the_report(new_acs, item["messageId"])["deliveryStatusDetails"].startswith("4010")


def test_more_numbers_than_are_in_stock_are_not_found(new_acs):
    assert search(new_acs, quantity=91).json()["error"]["code"] == "OutOfStock"
    assert search(new_acs, quantity=90).status_code == 202


def report_code(acs, sender: str) -> str:
    item = only_item(acs.send(**{"from": sender}))
    return the_report(acs, item["messageId"])["deliveryStatusDetails"][:4]


def test_a_search_is_bought_once(new_acs):
    new_acs.control("POST", "numbers", {"purchases": 5})
    key = found(new_acs)["searchId"]
    assert purchase(new_acs, key).status_code == 202
    assert purchase(new_acs, key).status_code == 400


def test_a_search_that_has_expired_is_unknown_or_not_agreed_to_is_not_bought(new_acs):
    key = found(new_acs)["searchId"]
    assert purchase(new_acs, str(uuid4())).status_code == 404
    assert new_acs.call("POST", f"/availablePhoneNumbers/:purchase?{NUMBERS}", {"searchId": key}).status_code == 400
    new_acs.move(timedelta(minutes=16))
    assert purchase(new_acs, key).status_code == 400
    assert len(owned(new_acs)) == 2


def test_searches_and_purchases_are_counted_per_week(new_acs):
    keys = [found(new_acs)["searchId"] for _ in range(5)]
    assert search(new_acs).status_code == 429
    assert purchase(new_acs, keys[3]).status_code == 202
    assert purchase(new_acs, keys[4]).status_code == 429
    new_acs.move(timedelta(days=8))
    assert search(new_acs).status_code == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"phoneNumberType": "geographic"},
        {"assignmentType": "person"},
        {"capabilities": {"calling": "none"}},
        {"quantity": 0},
        {"colour": "red"},
    ],
    ids=str,
)
def test_what_is_not_on_sale_is_refused(acs, changes):
    assert search(acs, **changes).status_code == 400


def test_numbers_need_proof_and_their_version(acs):
    assert acs.peer.http.get(f"{acs.url}/phoneNumbers?{NUMBERS}", timeout=5).status_code == 401
    assert acs.call("GET", "/phoneNumbers?api-version=2021-03-07").status_code == 400
    assert acs.call("DELETE", f"/phoneNumbers/+18335550199?{NUMBERS}").status_code == 404
    assert acs.call("GET", f"/phoneNumbers/operations/none?{NUMBERS}").status_code == 404


def test_the_list_of_numbers_comes_in_pages(new_acs):
    page = new_acs.call("GET", f"/phoneNumbers?skip=0&top=1&{NUMBERS}").json()
    rest = new_acs.call("GET", page["nextLink"]).json()
    assert [n["phoneNumber"] for n in page["phoneNumbers"] + rest["phoneNumbers"]] == [
        world.ACS_NUMBER,
        world.ACS_UNVERIFIED_NUMBER,
    ]
    assert "nextLink" not in rest


@pytest.mark.parametrize("query", ["skip=-1", "skip=x", "top=x", "top=0", "top=101"])
def test_a_page_of_the_list_has_its_limits(acs, query):
    assert acs.call("GET", f"/phoneNumbers?{query}&{NUMBERS}").status_code == 400


def test_only_a_number_of_ours_can_be_verified(acs):
    place, body = f"{acs.url}/_sandbox/numbers/verification", {"number": "+18335550199"}
    assert acs.peer.http.post(place, json=body, timeout=5).status_code == 404


# Event Grid


def subscribe(acs, asked: dict[str, Any]) -> requests.Response:
    return acs.peer.http.post(f"{acs.url}/_sandbox/eventgrid/subscriptions", json=asked, timeout=40)


def deliveries(acs) -> list[dict[str, Any]]:
    """Tries to deliver an event about this test's phone."""
    ids = {text["messageId"] for text in acs.texts()}
    return [one for one in acs.control("GET", "eventgrid")["deliveries"] if one["id"] in ids]


def dead_letters(acs) -> list[dict[str, Any]]:
    letters = acs.control("GET", "eventgrid")["dead_letters"]
    return [letter for letter in letters if letter["event"]["data"]["to"] == acs.phone]


def test_a_webhook_that_answers_the_handshake_gets_events(acs, webhook):
    answer = subscribe(acs, subscription(webhook))
    assert (answer.status_code, answer.json()["state"]) == (201, "Succeeded")
    [event] = webhook.events("SubscriptionValidation")
    assert event["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent"
    assert {"validationCode", "validationUrl"} == set(event["data"])
    assert webhook.headers("SubscriptionValidation")[0]["aeg-subscription-name"] == "SMS"
    acs.send()
    eventually(webhook.events)
    [headers] = webhook.headers("Notification")
    assert headers["aeg-delivery-count"] == "0"
    assert parse_qs(urlsplit(webhook.requests[-1][1]).query) == {"code": ["key-1"]}


@pytest.mark.parametrize(
    "validation",
    [
        lambda code: (202, {"validationResponse": code}),
        lambda code: (200, {"validationResponse": "another"}),
        lambda code: (401, None),
        lambda code: (500, {"validationResponse": code}),
    ],
    ids=["202", "another code", "401", "500"],
)
def test_a_wrong_handshake_makes_no_subscription(acs, webhook, validation):
    webhook.validation = validation
    answer = subscribe(acs, subscription(webhook))
    assert (answer.status_code, answer.json()["state"]) == (400, "Failed")
    the_report(acs, only_item(acs.send())["messageId"])
    assert deliveries(acs) == []


def test_a_webhook_may_be_validated_by_opening_the_address(acs, webhook):
    webhook.validation = lambda code: (200, None)
    assert subscribe(acs, subscription(webhook)).status_code == 202
    url = webhook.events("SubscriptionValidation")[0]["data"]["validationUrl"]
    for wrong in (f"{url}x", url.replace("name=sms", "name=other"), url.partition("&code=")[0]):
        assert acs.peer.http.get(wrong, timeout=5).status_code == 400
    assert acs.peer.http.get(url, timeout=5).status_code == 200
    assert acs.peer.http.get(url, timeout=5).status_code == 400
    assert acs.control("GET", "eventgrid")["subscriptions"][0]["state"] == "Succeeded"


def test_a_webhook_that_is_not_there_is_no_subscription(acs):
    asked = {"name": "sms", "url": acs.peer.plan.urls["sink"], "auth": "secret", "secret": "s"}
    assert subscribe(acs, asked).status_code == 400


@pytest.mark.parametrize(("allowed", "status"), [("*", 201), ("eventgrid.azure.net", 201), ("evil", 400), (None, 400)])
def test_cloud_events_are_allowed_by_origin(acs, webhook, allowed, status):
    webhook.allowed_origin = allowed
    assert subscribe(acs, subscription(webhook, schema="cloudevents")).status_code == status
    verb, _, headers, _ = webhook.requests[0]
    assert (verb, headers["webhook-request-origin"]) == ("OPTIONS", "eventgrid.azure.net")


def test_an_origin_is_allowed_with_200_only(acs, webhook):
    webhook.options_status = 202
    assert subscribe(acs, subscription(webhook, schema="cloudevents")).status_code == 400


def test_a_cloud_event_is_one_object_with_the_same_data(acs, webhook):
    subscribe(acs, subscription(webhook, schema="cloudevents"))
    acs.send()
    [event] = eventually(webhook.events)
    assert event["specversion"] == "1.0"
    assert event["type"] == "Microsoft.Communication.SMSDeliveryReportReceived"
    assert event["data"]["Tag"] == "text-1"
    assert webhook.headers("Notification")[0]["content-type"].startswith("application/cloudevents+json")


def test_a_secured_webhook_gets_event_grids_token(acs, webhook, entra):
    subscribe(acs, subscription(webhook, auth="entra", audience=world.API_APP)).raise_for_status()
    acs.send()
    eventually(webhook.events)
    for kind in ("SubscriptionValidation", "Notification"):
        scheme, token = webhook.headers(kind)[0]["authorization"].split()
        claims = jwt.decode(token, options={"verify_signature": False})
        assert (scheme, claims["aud"], claims["tid"]) == ("Bearer", world.API_APP, world.OPERATOR_TENANT)
        assert world.EVENT_GRID_APP in (claims.get("azp"), claims.get("appid"))
    assert "code=" not in webhook.requests[0][1]


def test_an_event_that_is_not_taken_comes_again(acs, subscribed):
    subscribed.statuses = [503, None, 500]
    acs.send()
    eventually(lambda: len(subscribed.events()) == 4)
    assert [headers["aeg-delivery-count"] for headers in subscribed.headers("Notification")] == ["0", "1", "2", "3"]
    eventually(lambda: deliveries(acs)[3:])
    tries = [(one["attempt"], one["status"]) for one in deliveries(acs)]
    assert tries == [(1, 503), (2, "ServerDisconnectedError"), (3, 500), (4, 202)]


@pytest.mark.parametrize("status", [400, 413])
def test_an_event_the_webhook_calls_wrong_is_a_dead_letter_at_once(acs, subscribed, status):
    subscribed.statuses = [status]
    acs.send()
    [letter] = eventually(lambda: dead_letters(acs))
    assert letter["reason"] == f"Status {status}"
    eventually(lambda: acs.control("GET", "eventgrid")["busy"] == 0)
    assert len(subscribed.events()) == 1


def test_a_redirect_is_not_followed_and_not_taken(acs, subscribed):
    subscribed.statuses = [302]
    acs.send()
    eventually(lambda: deliveries(acs)[1:])
    assert [one["status"] for one in deliveries(acs)] == [302, 202]


def test_an_event_is_given_up_after_thirty_tries(acs, subscribed):
    acs.control("POST", "eventgrid", {"retry_seconds": [0]})
    subscribed.statuses = [500] * 40
    acs.send()
    [letter] = eventually(lambda: dead_letters(acs))
    assert letter["reason"] == "MaxDeliveryAttemptsExceeded"
    assert len(subscribed.events()) == 30


def test_events_can_be_repeated_reordered_and_lost(acs, subscribed):
    def send(do: str, tag: str) -> None:
        if do:
            acs.peer.fault(route="EVENT SMSDeliveryReportReceived", do=do, times=1)
        acs.send(smsSendOptions=OPTIONS | {"tag": tag})

    send("lost_event", "a")
    send("reorder", "b")
    send("repeat", "c")
    events = eventually(lambda: subscribed.events()[2:])
    assert [event["data"]["Tag"] for event in subscribed.events()] == ["c", "c", "b"]
    assert len(events) == 1


@pytest.mark.parametrize("do", ["reorder", "delay"])
def test_an_event_that_is_kept_back_comes_in_the_end(acs, subscribed, do):
    acs.peer.fault(route="EVENT SMSReceived", do=do, seconds=0.3, times=1)
    inbound(acs, "Hello")
    assert subscribed.events() == []
    [event] = eventually(subscribed.events)
    assert event["data"]["message"] == "Hello"


def test_a_subscription_that_was_deleted_gets_nothing_and_is_not_found_again(acs, subscribed):
    acs.control("DELETE", "eventgrid/subscriptions/sms")
    again = acs.peer.http.delete(f"{acs.url}/_sandbox/eventgrid/subscriptions/sms", timeout=5)
    assert again.status_code == 404
    the_report(acs, only_item(acs.send())["messageId"])
    assert deliveries(acs) == []


# The phone


def test_the_phone_shows_its_texts_with_links_and_nothing_that_was_blocked(acs):
    link = "https://localhost:7400/j?t=abc&x=1"
    only_item(acs.send(message=f"<b>Your visit</b>: {link}. Bye"))
    inbound(acs, "STOP")
    acs.control("POST", "inbound", {"from": acs.other_phone, "to": world.ACS_NUMBER, "text": "STOP"})
    only_item(acs.send(smsRecipients=[acs.recipient(acs.other_phone)]))
    page = eventually(lambda: shown(acs, acs.phone) if "Your visit" in shown(acs, acs.phone) else "")
    assert f'<a href="{link.replace("&", "&amp;")}" rel="noreferrer">' in page
    assert "&lt;b&gt;Your visit" in page
    assert "No texts yet" in shown(acs, acs.other_phone)
    assert f"/phone/{acs.phone[1:]}" in acs.peer.http.get(f"{acs.url}/phone", timeout=5).text


def test_a_reply_from_the_phone_page_reaches_the_carrier(acs):
    the_report(acs, only_item(acs.send())["messageId"])
    answer = acs.peer.http.post(f"{acs.url}/phone/{acs.phone}", data={"text": "Stop"}, timeout=5)
    assert answer.status_code == 200
    assert is_opted_out(acs)


def shown(acs, number: str) -> str:
    return acs.peer.http.get(f"{acs.url}/phone/{number}", timeout=5).text


# What is kept


def test_every_text_is_kept_with_what_was_asked(acs):
    body = acs.body()
    item = only_item(acs.call("POST", SMS, body))
    [asked] = body["smsRecipients"]
    [text] = acs.texts()
    assert text | {"at": "", "code": None} == {
        "to": acs.phone,
        "from": world.ACS_NUMBER,
        "message": "Hello",
        "id": asked["repeatabilityRequestId"],
        "first_sent": asked["repeatabilityFirstSent"],
        "tag": "text-1",
        "at": "",
        "messageId": item["messageId"],
        "sent_times": 1,
        "code": None,
    }


def test_a_refusal_is_seen_without_the_body(acs):
    acs.send(message="x" * 3000)
    refusal = acs.peer.seen("refused")[-1]
    assert (refusal["route"], refusal["status"], refusal["code"]) == ("POST /sms", 400, "BadRequest")
    assert refusal["message"] == "Invalid: message"
