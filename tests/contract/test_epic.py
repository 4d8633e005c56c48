"""The Epic stand-in refuses what Epic refuses. The connector does not run: a plain HTTP client breaks each rule."""

import base64
import hashlib
import html
import json
import re
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote_plus, urlsplit
from xml.etree import ElementTree as ET

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from sandbox import peer, world

PROVIDER, PATIENT, BACKEND = (world.EPIC_APPS["test", role] for role in ("provider", "patient", "backend"))
CSN, GROUP = "10000209577", "20000000001"
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
STATE = secrets.token_urlsafe(24)
PROVIDER_CONTEXT = (
    "csn=%CSN%&sessionId=%CSN%&fname=%USERFNAME%&lname=%USERLNAME%&userid=%EPICUSERID%&provid=%USERPROVID%"
    "&at=%EXTENSION;15354%&departmentId=%PERFDEPID;;; ; ;;NONE;%&dob=%DOB%&what=%NOBODYKNOWS%&role=provider"
)
PATIENT_CONTEXT = "csn=%CSN%&sessionId=%CSN%&userid=%EPICUSERID%&mrn=%PATID%&role=patient"
SCOPES = "launch openid fhirUser profile user/Appointment.read user/Encounter.read"
PATIENT_SCOPES = "launch openid fhirUser patient/Appointment.read patient/Encounter.read patient/Patient.read"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
WRITE_BACK = {
    "ConferenceID": CSN,
    "ExternalID": "19001",
    "ExternalIDType": "1",
    "VendorName": "Connector",
    "ConnectionStatus": "1",
}


class AppKeys:
    """The connector's JWKS URL, played by a small server; `reads` counts how often Epic came."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self.rsa = rsa.generate_private_key(65537, 2048)
        self.p256, self.p384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
        self.calm()
        keys = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keys.reads += 1
                body = json.dumps({"keys": keys.published}).encode()
                self.send_response(keys.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if keys.cache_control:
                    self.send_header("Cache-Control", keys.cache_control)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def calm(self) -> None:
        """The everyday key set: one key of each kind, kept as long as Epic likes."""
        self.reads, self.status, self.cache_control = 0, 200, ""
        self.published = [public(self.rsa, "rsa"), public(self.p256, "p256"), public(self.p384, "p384")]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def public(key: Any, kid: str, **more: str) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    jwk = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in jwk.items() if name != "key_ops"} | {"kid": kid, "use": "sig"} | more


@pytest.fixture(scope="module")
def peer_process(start_peer):
    return start_peer("epic")


@pytest.fixture(scope="module")
def key_server(plan) -> Iterator[AppKeys]:
    keys = AppKeys(plan.ports["app"], peer.server_tls(plan))
    yield keys
    keys.close()


@pytest.fixture
def keys(key_server) -> AppKeys:
    key_server.calm()
    return key_server


class Hospital:
    """One test's Epic and the steps of a launch, each of which a test may bend."""

    def __init__(self, running, keys: AppKeys) -> None:
        self.http, self.root, self.seen, self.keys = running.http, running.url, running.seen, keys
        self.app = running.plan.urls["app"]
        self.url = self.root + world.EPIC_INSTANCES["test"]
        self.iss = self.url + "/api/FHIR/R4"
        self.token_url = self.url + "/oauth2/token"
        self.callback = self.app + "/launch/callback"

    def control(self, method: str, path: str, *, want: int | None = None, **body: Any) -> Any:
        answer = self.http.request(method, f"{self.root}/_sandbox/{path}", json=body, timeout=10)
        assert want == answer.status_code if want else answer.ok, answer.text
        return answer.json() if answer.content else None

    def behave(self, **options: Any) -> None:
        self.control("PATCH", "instances/test", **options)

    def change(self, client_id: str, **members: Any) -> None:
        self.control("PATCH", f"apps/{client_id}", **members)

    def book(self, csn: str = CSN, **members: Any) -> dict[str, Any]:
        order = {"csn": csn, "patient": "pat", "practitioner": "paula", "start": "2031-04-20T20:00:00Z", "minutes": 15}
        return self.control("POST", "appointments", **order | members)

    def launch(self, user: str = "paula", csn: str = CSN, **members: Any) -> str:
        """The one-time token."""
        return self.control("POST", "launch", user=user, csn=csn, **members)["launch"]

    def asked(self, launch: str | None, client_id: str = PROVIDER, /, **changes: Any) -> dict[str, str]:
        """The parameters of authorize; None takes one out."""
        good = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": self.callback,
            "scope": PATIENT_SCOPES if client_id == PATIENT else SCOPES,
            "launch": launch,
            "aud": self.iss,
            "state": STATE,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def authorize(self, asked: dict[str, str], url: str | None = None):
        where = url or self.url + "/oauth2/authorize"
        return self.http.get(where, params=asked, allow_redirects=False, timeout=10)

    def code(self, user: str = "paula", client_id: str = PROVIDER, launch: str | None = None, **changes: Any) -> str:
        answer = self.authorize(self.asked(launch or self.launch(user), client_id, **changes))
        return back(answer)["code"]

    def assertion(self, client_id: str = PROVIDER, header: dict | None = None, key: Any = None, **claims: Any) -> str:
        now = int(time.time())
        good = {"iss": client_id, "sub": client_id, "aud": self.token_url, "jti": secrets.token_hex(16)}
        good |= {"iat": now, "nbf": now, "exp": now + 240}
        wanted = {name: value for name, value in (good | claims).items() if value is not None}
        head = {"alg": "RS384", "kid": "rsa"} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        # PyJWS: PyJWT itself would refuse to make some of these.
        return jwt.PyJWS().encode(
            json.dumps(wanted).encode(), self.keys.rsa if key is None else key, algorithm=head.pop("alg"), headers=head
        )

    def redeem(self, code: str, client_id: str = PROVIDER, /, auth: Any = None, **changes: Any):
        """The token request, by default with a signed assertion."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.callback}
        form["code_verifier"] = VERIFIER
        if not auth and "client_assertion" not in changes:
            changes |= {"client_assertion": self.assertion(client_id)}
        form |= {"client_assertion_type": ASSERTION} if changes.get("client_assertion") else {}
        form |= changes
        return self.token({name: value for name, value in form.items() if value is not None}, auth)

    def token(self, form: dict[str, str], auth: str | None = None, url: str | None = None):
        headers = {"Authorization": auth} if auth else {}
        return self.http.post(url or self.token_url, data=form, headers=headers, timeout=10)

    def tokens(self, user: str = "paula", client_id: str = PROVIDER, **changes: Any) -> dict[str, Any]:
        answer = self.redeem(self.code(user, client_id, **changes), client_id)
        assert answer.status_code == 200, self.seen("token")[-1]
        return answer.json()

    def backend(self, **claims: Any):
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
        return self.token(form | {"client_assertion": self.assertion(BACKEND, **claims)})

    def fhir(self, path: str, token: str | None, **params: str):
        headers = {"Accept": "application/fhir+json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        return self.http.get(f"{self.iss}/{path}", params=params, headers=headers, timeout=10)

    def write_back(self, auth: str | None = None, client_id: str | None = BACKEND, **changes: Any):
        given = {name: value for name, value in (WRITE_BACK | changes).items() if value is not None}
        headers = {"Authorization": emp() if auth is None else auth} | (
            {"Epic-Client-ID": client_id} if client_id else {}
        )
        return self.http.get(self.url + world.WRITE_BACK_PATH, params=given, headers=headers, timeout=10)


@pytest.fixture
def epic(peer_process, keys) -> Hospital:
    hospital = Hospital(peer_process, keys)
    peer_process.http.cookies.clear()
    hospital.control("POST", "reset")
    for role, client_id, context in (("provider", PROVIDER, PROVIDER_CONTEXT), ("patient", PATIENT, PATIENT_CONTEXT)):
        record = {"role": role, "launch_url": f"{hospital.app}/launch/{role}/c1", "client_id": client_id}
        hospital.control("POST", "fdi", **record, context=context)
        grouped = context.replace("sessionId=%CSN%", "sessionId=%CONFERENCEID%")
        hospital.control("POST", "fdi", **record, context=grouped, group=True)
    return hospital


@pytest.fixture
def visit(epic) -> dict[str, Any]:
    return epic.book()


def back(answer) -> dict[str, str]:
    """What the browser brings back to the app."""
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def emp(user: str = world.EPIC_WRITE_BACK_ACCOUNT[0], prefix: str = "emp$") -> str:
    return basic(f"{prefix}{user}:{world.EPIC_WRITE_BACK_ACCOUNT[1]}")


def refused(answer, error: str) -> None:
    """Epic's token errors are all alike and say no more than this (3.4)."""
    assert (answer.status_code, answer.json()) == (400, {"error": error, "error_description": None})


# --- launch ---------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F7.1")
def test_a_launch_url_keeps_its_own_query_and_carries_iss_and_a_long_launch(epic, visit):
    epic.control("POST", "fdi", role="provider", launch_url=f"{epic.app}/launch?a=b", client_id=PROVIDER)
    started = epic.control("POST", "launch", user="paula", csn=CSN)
    query = parse_qs(urlsplit(started["url"]).query)
    assert query == {"a": ["b"], "iss": [epic.iss], "launch": [started["launch"]]}
    assert len(started["launch"]) > 500


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ({"user": "nobody"}, "unknown user"),
        ({"user": "mo"}, "not this patient's visit"),
        ({"user": "pat", "role": "provider"}, "this user does not see that button"),
        ({"user": "paula", "csn": "4711"}, "unknown CSN; ad_hoc says that there is no appointment"),
    ],
)
def test_epic_offers_no_button_for(epic, visit, order, why):
    answer = epic.control("POST", "launch", want=400, **{"csn": CSN} | order)
    assert answer == {"error": why}


def test_no_button_without_an_fdi_record_in_that_instance(epic):
    epic.book(instance="production")
    answer = epic.control("POST", "launch", want=400, user="paula", csn=CSN, instance="production")
    assert answer == {"error": "no FDI record for provider"}


def test_a_launch_can_be_sent_empty_and_from_the_dstu2_base(epic, visit):
    started = epic.control("POST", "launch", user="paula", csn=CSN, empty_launch=True, iss="DSTU2")
    assert (started["launch"], started["iss"]) == ("", epic.url + "/api/FHIR/DSTU2")
    assert started["url"].endswith("&launch=")
    assert back(epic.authorize(epic.asked(""))) == {"error": "invalid_request", "state": STATE}


@pytest.mark.parametrize("method", ["get", "post"])
def test_authorize_takes_a_get_or_a_form_and_asks_the_signed_in_user_nothing(epic, visit, method):
    asked = epic.asked(epic.launch())
    place = {"params": asked} if method == "get" else {"data": asked}
    answer = epic.http.request(method, epic.url + "/oauth2/authorize", allow_redirects=False, timeout=10, **place)
    assert answer.headers["Location"].startswith(epic.callback + "?code=")
    assert back(answer)["state"] == STATE
    assert len(back(answer)["code"]) > 500


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        ({"response_type": "token"}, "unsupported_response_type", "response_type is not code"),
        ({"response_type": None}, "unsupported_response_type", "response_type is not code"),
        ({"state": None}, "invalid_request", "state is missing or guessable"),
        ({"state": "a" * 21}, "invalid_request", "state is missing or guessable"),
        ({"aud": None}, "invalid_request", "aud is not this FHIR base"),
        ({"aud": "https://elsewhere.example/api/FHIR/R4"}, "invalid_request", "aud is not this FHIR base"),
        ({"scope": None}, "invalid_scope", "a scope is missing or unknown"),
        ({"scope": "openid fhirUser"}, "invalid_scope", "the launch scope is required"),
        ({"scope": "launch openid offline_access"}, "invalid_scope", "a scope is missing or unknown"),
        ({"scope": "launch user/Observation.read"}, "invalid_scope", "a scope is missing or unknown"),
        ({"scope": "launch system/Appointment.read"}, "invalid_scope", "a scope is missing or unknown"),
        ({"code_challenge": None}, "invalid_request", "PKCE with S256 is required"),
        (
            {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
            "invalid_request",
            "PKCE with S256 is required",
        ),
        ({"code_challenge_method": None}, "invalid_request", "PKCE with S256 is required"),
        ({"code_challenge": CHALLENGE[:42]}, "invalid_request", "PKCE with S256 is required"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request", "PKCE with S256 is required"),
        ({"launch": "made-up"}, "invalid_request", "launch is unknown, used, or another instance's"),
        ({"launch": ""}, "invalid_request", "launch is unknown, used, or another instance's"),
    ],
)
def test_authorize_sends_back_an_error_and_leaves_the_launch_unused(epic, visit, change, error, why):
    launch = epic.launch()
    answer = back(epic.authorize(epic.asked(launch, **change)))
    assert answer["error"] == error
    assert "code" not in answer
    assert epic.seen("authorize")[-1]["why"] == why
    assert epic.code(launch=launch)


@pytest.mark.parametrize("suffix", ["/", "/../DSTU2", "?x=1"])
def test_aud_is_compared_letter_for_letter(epic, visit, suffix):
    assert back(epic.authorize(epic.asked(epic.launch(), aud=epic.iss + suffix)))["error"] == "invalid_request"


def test_aud_must_be_the_iss_that_was_sent(epic, visit):
    dstu2 = epic.url + "/api/FHIR/DSTU2"
    assert back(epic.authorize(epic.asked(epic.launch(), aud=dstu2)))["error"] == "invalid_request"
    assert back(epic.authorize(epic.asked(epic.launch(iss="DSTU2"))))["error"] == "invalid_request"
    assert "code" in back(epic.authorize(epic.asked(epic.launch(iss="DSTU2"), aud=dstu2)))


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": None},
        {"client_id": "e0000000-0000-4000-8000-00000000dead"},
        {"client_id": world.EPIC_APPS["production", "provider"]},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/launch/callback"},
    ],
)
def test_authorize_never_redirects_to_an_address_it_does_not_know(epic, visit, change):
    answer = epic.authorize(epic.asked(epic.launch(), **change))
    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize("suffix", ["/", "?x=1", "#x", "/../callback"])
def test_a_redirect_uri_is_compared_letter_for_letter(epic, visit, suffix):
    assert epic.authorize(epic.asked(epic.launch(), redirect_uri=epic.callback + suffix)).status_code == 400


def test_a_parameter_that_comes_twice_is_refused(epic, visit):
    asked = [*epic.asked(epic.launch()).items(), ("aud", epic.iss)]
    assert epic.http.get(epic.url + "/oauth2/authorize", params=asked, timeout=10).status_code == 400


def test_a_form_with_parameters_in_the_query_too_is_refused(epic, visit):
    place, asked = epic.url + "/oauth2/authorize", epic.asked(epic.launch())
    answer = epic.http.post(place, params={"aud": epic.iss}, data=asked, allow_redirects=False, timeout=10)
    assert answer.status_code == 400
    assert "code" in back(epic.http.post(place, data=asked, allow_redirects=False, timeout=10))


def test_a_launch_works_once(epic, visit):
    launch = epic.launch()
    assert epic.code(launch=launch)
    assert back(epic.authorize(epic.asked(launch))) == {"error": "invalid_request", "state": STATE}


def test_a_launch_belongs_to_its_app_its_instance_and_its_moment(epic, visit):
    launch = epic.launch()
    assert back(epic.authorize(epic.asked(launch, PATIENT)))["error"] == "access_denied"
    production = epic.root + world.EPIC_INSTANCES["production"]
    foreign = epic.asked(launch, world.EPIC_APPS["production", "provider"], aud=production + "/api/FHIR/R4")
    assert back(epic.authorize(foreign, production + "/oauth2/authorize"))["error"] == "invalid_request"
    epic.behave(launch_seconds=0)
    assert back(epic.authorize(epic.asked(launch)))["error"] == "invalid_request"


def test_a_launch_is_for_its_own_app_even_where_another_takes_that_kind_of_user(epic, visit):
    launch = epic.launch("pat")
    epic.change(PROVIDER, user_types=["Practitioner", "Patient"])
    assert back(epic.authorize(epic.asked(launch)))["error"] == "access_denied"
    assert epic.code(client_id=PATIENT, launch=launch)


def test_an_app_takes_only_its_own_kind_of_user(epic, visit):
    """The analyst typed the patient app's id into the provider's record."""
    record = {"role": "provider", "launch_url": f"{epic.app}/launch/provider/c1", "client_id": PATIENT}
    epic.control("POST", "fdi", **record)
    assert back(epic.authorize(epic.asked(epic.launch("paula"), PATIENT)))["error"] == "access_denied"


def test_an_epic_of_2018_knows_no_pkce(epic, visit):
    epic.behave(pkce=False)
    code = epic.code(code_challenge=None, code_challenge_method=None)
    assert epic.redeem(code, code_verifier=None).status_code == 200
    assert "code_challenge_methods_supported" not in epic.http.get(epic.iss + "/.well-known/smart-configuration").json()


# --- standalone launch ----------------------------------------------------------------------------------------------


def sign_in_form(epic: Hospital) -> tuple[str, str]:
    """Epic's sign-in page: where it posts to, and its handle."""
    asked = epic.asked(None, redirect_uri=epic.app + "/config/epic-callback", scope="openid fhirUser")
    page = epic.authorize(asked)
    assert page.status_code == 200
    return re.search(r'action="([^"]+)"', page.text)[1], re.search(r'name="request" value="([^"]+)"', page.text)[1]


def sign_in(epic: Hospital, **form: str):
    action, handle = sign_in_form(epic)
    return epic.http.post(epic.root + action, data={"request": handle} | form, allow_redirects=False, timeout=10)


def test_a_standalone_launch_asks_for_epics_password_and_knows_no_visit(epic):
    answer = sign_in(epic, login="AANALYST", password="hyperspace")
    code = back(answer)["code"]
    assert answer.headers["Location"].startswith(epic.app + "/config/epic-callback?")
    tokens = epic.redeem(code, redirect_uri=epic.app + "/config/epic-callback").json()
    assert not {"encounter", "appointment", "location", "loginDepartment", "patient"} & tokens.keys()
    assert jwt.decode(tokens["id_token"], options={"verify_signature": False})["sub"] == "eAnaPractitioner0000003"


@pytest.mark.parametrize(
    "form",
    [
        {"login": "AANALYST", "password": "wrong"},
        {"login": "", "password": ""},
        {"login": "pat", "password": "mychart"},
    ],
)
def test_a_standalone_launch_lets_in_only_the_apps_own_kind_with_its_password(epic, form):
    assert sign_in(epic, **form).status_code == 401


def test_a_standalone_sign_in_can_be_cancelled_and_is_over_then(epic):
    action, handle = sign_in_form(epic)
    form = {"request": handle, "cancel": "1"}
    assert back(epic.http.post(epic.root + action, data=form, allow_redirects=False))["error"] == "access_denied"
    assert epic.http.post(epic.root + action, data=form, allow_redirects=False).status_code == 400


def test_a_sign_in_belongs_to_the_instance_that_asked_for_it(epic):
    action, handle = sign_in_form(epic)
    form = {"request": handle, "login": "AANALYST", "password": "hyperspace"}
    other = action.replace(world.EPIC_INSTANCES["test"], world.EPIC_INSTANCES["production"])
    assert epic.http.post(epic.root + other, data=form, allow_redirects=False).status_code == 400
    assert "code" in back(epic.http.post(epic.root + action, data=form, allow_redirects=False))


def parsed(xml: bytes) -> ET.Element:
    return ET.fromstring(xml)  # noqa: S314 - our own stand-in wrote it


# --- discovery ------------------------------------------------------------------------------------------------------


def endpoints(metadata: dict[str, Any]) -> dict[str, str]:
    outer = metadata["rest"][0]["security"]["extension"][0]
    assert outer["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    return {inner["url"]: inner["valueUri"] for inner in outer["extension"]}


def test_smart_configuration_names_the_endpoints_and_can_be_missing(epic):
    found = epic.http.get(epic.iss + "/.well-known/smart-configuration").json()
    assert (found["authorization_endpoint"], found["token_endpoint"]) == (
        epic.url + "/oauth2/authorize",
        epic.token_url,
    )
    assert found["code_challenge_methods_supported"] == ["S256"]
    epic.behave(smart_configuration=False)
    assert epic.http.get(epic.iss + "/.well-known/smart-configuration").status_code == 404


@pytest.mark.parametrize("accept", [None, "*/*", "text/html"])
def test_metadata_is_xml_unless_accept_asks_for_json(epic, accept):
    answer = epic.http.get(epic.iss + "/metadata", headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith("application/fhir+xml")
    fhir = "{http://hl7.org/fhir}"
    inner = parsed(answer.content).iterfind(f".//{fhir}extension/{fhir}extension")
    found = {one.get("url"): one.find(f"{fhir}valueUri").get("value") for one in inner}
    assert found == {"authorize": epic.url + "/oauth2/authorize", "token": epic.token_url}


@pytest.mark.parametrize("accept", ["application/json", "application/fhir+json"])
def test_metadata_in_json_names_the_endpoints(epic, accept):
    answer = epic.http.get(epic.iss + "/metadata", headers={"Accept": accept})
    assert endpoints(answer.json())["token"] == epic.token_url


def test_a_dstu2_base_has_metadata_and_no_well_known(epic):
    base = epic.url + "/api/FHIR/DSTU2"
    assert epic.http.get(base + "/.well-known/smart-configuration").status_code == 404
    metadata = epic.http.get(base + "/metadata", headers={"Accept": "application/json"}).json()
    assert metadata["resourceType"] == "Conformance"
    assert endpoints(metadata)["token"] == epic.token_url


def test_endpoints_can_be_overridden_for_one_client_id(epic, visit):
    epic.change(PROVIDER, oauth_folder="oauth2-b")
    place, other = epic.iss + "/.well-known/smart-configuration", epic.url + "/oauth2-b/"
    found = epic.http.get(place, headers={"Epic-Client-ID": PROVIDER}).json()
    assert (found["authorization_endpoint"], found["token_endpoint"]) == (other + "authorize", other + "token")
    assert epic.http.get(place).json()["token_endpoint"] == epic.token_url
    metadata = epic.http.get(
        epic.iss + "/metadata", headers={"Epic-Client-ID": PROVIDER, "Accept": "application/json"}
    ).json()
    assert endpoints(metadata) == {"authorize": other + "authorize", "token": other + "token"}
    assert epic.authorize(epic.asked(epic.launch())).status_code == 400
    code = back(epic.authorize(epic.asked(epic.launch()), other + "authorize"))["code"]
    refused(epic.redeem(code), "invalid_client")
    assert epic.seen("token")[-1]["why"] == "unknown client, or not its endpoint"


def test_an_unknown_epic_client_id_is_refused(epic):
    headers = {"Epic-Client-ID": "e0000000-0000-4000-8000-00000000dead"}
    assert epic.http.get(epic.iss + "/.well-known/smart-configuration", headers=headers).status_code == 400


# --- token ----------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F7.1")
def test_a_provider_gets_every_member_and_the_context_of_the_fdi_record(epic, visit):
    tokens = epic.tokens()
    assert tokens["token_type"] == "bearer"
    assert tokens["scope"] == "launch openid fhirUser profile Appointment.read Appointment.search Encounter.read"
    expected = {
        "expires_in": 3240,
        "state": STATE,
        "patient": visit["patient"],
        "__epic.dstu2.patient": "T" + visit["patient"],
        "encounter": visit["encounter"],
        "appointment": visit["appointment"],
        "location": "eLocation10101",
        "loginDepartment": "eLocation10101",
        "csn": CSN,
        "sessionId": CSN,
        "fname": "Paula",
        "lname": "Provider",
        "userid": "19001",
        "provid": "E19001",
        "at": "04/20/2031 08:00 PM",
        "departmentId": "10101",
        "dob": "",
        "what": "",
        "role": "provider",
    }
    assert {name: tokens[name] for name in expected} == expected


@pytest.mark.feature("F8.1")
@pytest.mark.parametrize(("user", "external_id"), [("pat", "70001"), ("prue", "70003")])
def test_a_patient_or_proxy_gets_the_patients_chart_and_no_login_department(epic, visit, user, external_id):
    tokens = epic.tokens(user, PATIENT)
    assert (tokens["patient"], tokens["userid"], tokens["mrn"]) == (visit["patient"], external_id, "MRN70001")
    assert "loginDepartment" not in tokens


def test_a_group_visit_uses_its_own_fdi_record_with_the_conference_id(epic):
    epic.book(conference_id=GROUP)
    epic.book("10000209578", patient="mo", conference_id=GROUP)
    ids = [
        (epic.tokens(user, PATIENT, launch=epic.launch(user, csn)))
        for user, csn in (("pat", CSN), ("mo", "10000209578"))
    ]
    assert [(one["csn"], one["sessionId"]) for one in ids] == [(CSN, GROUP), ("10000209578", GROUP)]


def test_an_ad_hoc_visit_has_no_appointment_and_no_time(epic):
    tokens = epic.tokens(launch=epic.launch(csn="4711", ad_hoc=True, patient="pat"))
    assert (tokens["csn"], tokens["at"], tokens["departmentId"]) == ("4711", "", "")
    assert not {"appointment", "encounter", "location"} & tokens.keys()


def test_members_can_be_left_out_and_put_in(epic, visit):
    epic.behave(omit=["state", "encounter"])
    tokens = epic.tokens(launch=epic.launch(omit=["csn", "expires_in"], extra={"sessionId": "999", "odd": 1}))
    assert not {"state", "encounter", "csn", "expires_in"} & tokens.keys()
    assert (tokens["sessionId"], tokens["odd"]) == ("999", 1)


def test_the_trailing_comma_of_epics_example_can_be_switched_on(epic, visit):
    epic.behave(trailing_comma=True)
    text = epic.redeem(epic.code()).text
    assert text.endswith(",}")
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_scopes_can_keep_their_prefix(epic, visit):
    epic.behave(bare_scopes=False)
    assert epic.tokens()["scope"] == SCOPES


@pytest.mark.parametrize(
    "change",
    [
        {"code": "made-up"},
        {"code": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/launch/callback"},
        {"code_verifier": None},
        {"code_verifier": VERIFIER[:-1] + "~"},
        {"code_verifier": CHALLENGE},
    ],
)
def test_a_wrong_redemption_is_an_invalid_grant(epic, visit, change):
    refused(epic.redeem(epic.code(), **change), "invalid_grant")


def test_a_verifier_shorter_than_the_standard_allows_is_refused_though_it_fits(epic, visit):
    short = VERIFIER[:42]
    challenge = b64(hashlib.sha256(short.encode()).digest())
    refused(epic.redeem(epic.code(code_challenge=challenge), code_verifier=short), "invalid_grant")


def test_a_code_works_once_and_is_gone_after_a_wrong_try(epic, visit):
    code = epic.code()
    assert epic.redeem(code).status_code == 200
    refused(epic.redeem(code), "invalid_grant")
    code = epic.code()
    refused(epic.redeem(code, code_verifier="x" * 43), "invalid_grant")
    refused(epic.redeem(code), "invalid_grant")


def test_a_code_belongs_to_its_client_and_its_five_minutes(epic, visit):
    refused(epic.redeem(epic.code(), PATIENT), "invalid_grant")
    epic.behave(code_seconds=0)
    refused(epic.redeem(epic.code()), "invalid_grant")


def test_grants_and_forms_that_epic_does_not_know(epic, visit):
    refused(epic.redeem(epic.code(), grant_type="refresh_token"), "unsupported_grant_type")
    refused(epic.redeem(epic.code(), grant_type=None), "unsupported_grant_type")
    refused(epic.http.post(epic.token_url, json={"grant_type": "authorization_code"}), "invalid_request")
    twice = [("grant_type", "authorization_code"), ("grant_type", "authorization_code")]
    refused(epic.http.post(epic.token_url, data=twice), "invalid_request")
    good = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
    good |= {"client_assertion": epic.assertion(BACKEND)}
    refused(epic.http.post(epic.token_url, params={"scope": "x"}, data=good), "invalid_request")
    assert epic.token(good).status_code == 200
    assert epic.http.get(epic.token_url).status_code == 405


# --- who the client is ----------------------------------------------------------------------------------------------

SECRET = "a+b/c=d e&f%g"


def coded(secret: str = SECRET, client_id: str = PROVIDER) -> str:
    return basic(f"{quote_plus(client_id)}:{quote_plus(secret)}")


def test_a_url_encoded_secret_opens_the_door(epic, visit):
    epic.change(PROVIDER, secret=SECRET)
    assert epic.redeem(epic.code(), auth=coded()).status_code == 200
    posted = {"client_id": PROVIDER, "client_secret": SECRET, "client_assertion": None}
    assert epic.redeem(epic.code(), **posted).status_code == 200


@pytest.mark.parametrize("secret", ["a+b", "a/b", "a=b"])
def test_a_raw_plus_slash_or_equals_sign_in_basic_is_refused(epic, visit, secret):
    epic.change(PROVIDER, secret=secret)
    refused(epic.redeem(epic.code(), auth=basic(f"{PROVIDER}:{secret}")), "invalid_client")
    assert epic.redeem(epic.code(), auth=coded(secret)).status_code == 200


def test_basic_refuses_a_second_word_in_the_body(epic, visit):
    epic.change(PROVIDER, secret=SECRET)
    refused(epic.redeem(epic.code(), auth=coded(), client_id=PROVIDER), "invalid_client")
    refused(epic.redeem(epic.code(), auth=coded(), client_secret=SECRET), "invalid_client")
    refused(epic.redeem(epic.code(), auth=coded(), client_assertion=epic.assertion()), "invalid_client")


@pytest.mark.parametrize(
    "auth",
    [
        coded("wrong"),
        coded(client_id="e0000000-0000-4000-8000-00000000dead"),
        "Basic ???",
        coded().replace("Basic", "Digest"),
        "Bearer x",
        basic(PROVIDER),
    ],
)
def test_a_wrong_secret_is_an_invalid_client(epic, visit, auth):
    epic.change(PROVIDER, secret=SECRET)
    refused(epic.redeem(epic.code(), auth=auth), "invalid_client")


@pytest.mark.parametrize("raw", [f"{PROVIDER} :x", f"{PROVIDER}:a/b", ":x", f"{PROVIDER}:"])
def test_basic_is_url_encoded_on_both_sides_of_its_colon(epic, visit, raw):
    epic.change(PROVIDER, secret="x")
    refused(epic.redeem(epic.code(), auth=basic(raw)), "invalid_client")
    assert epic.seen("token")[-1]["why"] == "id and secret must be URL-encoded"


def test_an_app_without_a_secret_takes_none(epic, visit):
    refused(epic.redeem(epic.code(), auth=coded("None")), "invalid_client")


def test_only_a_public_app_comes_without_credentials_and_only_with_pkce(epic, visit):
    bare = {"client_id": PROVIDER, "client_assertion": None}
    refused(epic.redeem(epic.code(), **bare), "invalid_client")
    epic.change(PROVIDER, public=True)
    assert epic.redeem(epic.code(), **bare).status_code == 200
    refused(epic.redeem(epic.code(), **bare, code_verifier=None), "invalid_grant")
    epic.behave(pkce=False)
    refused(epic.redeem(epic.code(), **bare), "invalid_client")


def test_client_credentials_are_for_the_backend_app_and_need_no_scope(epic, visit):
    answer = epic.backend().json()
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 3600)
    assert "id_token" not in answer
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
    refused(epic.token(form | {"client_assertion": epic.assertion()}), "unauthorized_client")
    refused(epic.redeem(epic.code(), client_assertion=epic.assertion(BACKEND)), "unauthorized_client")
    wrong_scope = form | {"client_assertion": epic.assertion(BACKEND), "scope": "system/Everything.read"}
    refused(epic.token(wrong_scope), "invalid_scope")


def test_a_backend_app_needs_a_key_and_an_epic_user(epic):
    epic.change(BACKEND, secret=SECRET)
    refused(epic.token({"grant_type": "client_credentials"}, coded(client_id=BACKEND)), "invalid_client")
    epic.change(BACKEND, mapped_user=False)
    refused(epic.backend(), "invalid_client")


# --- client assertions (3.3) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alg", "kid"), [("RS256", "rsa"), ("RS384", "rsa"), ("RS512", "rsa"), ("ES256", "p256"), ("ES384", "p384")]
)
def test_the_algorithms_epic_takes(epic, alg, kid):
    assert epic.backend(header={"alg": alg, "kid": kid}, key=getattr(epic.keys, kid)).status_code == 200


SOON = 240


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": PROVIDER}, "iss and sub are not the same client"),
        ({"iss": None}, "iss and sub are not the same client"),
        ({"sub": PROVIDER}, "iss and sub are not the same client"),
        ({"sub": None}, "unknown client, or not its endpoint"),
        ({"aud": "https://fhir.example/oauth2/token"}, "aud is not exactly the token URL"),
        ({"aud": None}, "aud is not exactly the token URL"),
        ({"jti": None}, "jti is not a string of at most 151 characters"),
        ({"jti": ""}, "jti is not a string of at most 151 characters"),
        ({"jti": "j" * 152}, "jti is not a string of at most 151 characters"),
        ({"jti": 7}, "jti is not a string of at most 151 characters"),
        ({"exp": None}, "exp is missing, or a time is not a number"),
        ({"exp": lambda now: str(now + SOON)}, "exp is missing, or a time is not a number"),
        ({"exp": True}, "exp is missing, or a time is not a number"),
        ({"iat": "now"}, "exp is missing, or a time is not a number"),
        ({"exp": lambda now: now - 1}, "exp is past, or more than five minutes ahead"),
        ({"exp": lambda now: now + 330, "iat": None, "nbf": None}, "exp is past, or more than five minutes ahead"),
        ({"iat": lambda now: now + 60}, "nbf or iat is in the future"),
        ({"nbf": lambda now: now + 60}, "nbf or iat is in the future"),
        ({"iat": lambda now: now + SOON - 301}, "it lives longer than five minutes"),
        ({"nbf": lambda now: now + SOON - 301}, "it lives longer than five minutes"),
    ],
    ids=str,
)
def test_a_client_assertion_breaking_one_rule_is_refused_for_that_rule(epic, claims, why):
    now = int(time.time())
    made = {name: value(now) if callable(value) else value for name, value in claims.items()}
    refused(epic.backend(**made), "invalid_client")
    assert epic.seen("token")[-1]["why"] == why


def test_the_audience_is_the_token_url_letter_for_letter(epic):
    for aud in (epic.token_url + "/", epic.url, [epic.token_url], epic.token_url.replace("-test", "-prod")):
        refused(epic.backend(aud=aud), "invalid_client")


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"kid": None}, "kid is missing"),
        ({"kid": ""}, "kid is missing"),
        ({"kid": "nobody"}, "kid is not in the key set"),
        ({"kid": "p256"}, "the key does not fit the algorithm, or is not public"),
        ({"alg": "PS256"}, "alg is not one Epic takes"),
        ({"jku": "https://evil.example/jwks"}, "jku is not the registered URL"),
    ],
)
def test_a_client_assertion_with_a_wrong_header_is_refused(epic, header, why):
    refused(epic.backend(header=header), "invalid_client")
    assert epic.seen("token")[-1]["why"] == why


def test_an_elliptic_key_is_for_the_algorithm_of_its_curve(epic):
    refused(epic.backend(header={"alg": "ES256", "kid": "p384"}, key=epic.keys.p256), "invalid_client")
    assert epic.seen("token")[-1]["why"] == "the key does not fit the algorithm, or is not public"


def test_a_longest_jti_and_a_registered_jku_are_fine_and_iat_and_nbf_may_be_missing(epic):
    jku = {"jku": epic.app + "/jwks/test"}
    assert epic.backend(jti="j" * 151, header=jku, iat=None, nbf=None).status_code == 200


def test_a_jti_is_never_used_twice_not_even_in_another_assertion(epic):
    assert epic.backend(jti="once").status_code == 200
    refused(epic.backend(jti="once"), "invalid_client")
    assert epic.seen("token")[-1]["why"] == "jti was used before"


def test_forged_signatures_are_refused(epic):
    refused(epic.backend(key=rsa.generate_private_key(65537, 2048)), "invalid_client")
    refused(epic.backend(header={"alg": "none"}, key=""), "invalid_client")
    refused(epic.backend(header={"alg": "HS256"}, key=b"a shared secret of thirty-two by"), "invalid_client")
    head, claims, signature = epic.assertion(BACKEND).split(".")
    other = epic.assertion(BACKEND).split(".")[1]
    for forged in (f"{head}.{other}.{signature}", f"{head}.{claims}."):
        refused(epic.token(as_backend(forged)), "invalid_client")
        assert epic.seen("token")[-1]["why"] == "the signature is false"


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"alg": "RS384", "kid": "rsa"}, []),
        ({"alg": "RS384", "kid": "rsa"}, "x"),
        ({"alg": "RS384", "kid": "rsa"}, {"sub": 7}),
        ({"alg": "RS384", "kid": 7}, {"sub": BACKEND}),
        ("RS384", {"sub": BACKEND}),
    ],
)
def test_an_assertion_that_cannot_be_read_names_nobody(epic, header, claims):
    made_by_hand = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
    for token in (f"{made_by_hand}.AAAA", "not-a-jwt"):
        refused(epic.token(as_backend(token)), "invalid_client")
        assert epic.seen("token")[-1]["why"] == "unknown client, or not its endpoint"


def as_backend(client_assertion: str) -> dict[str, str]:
    """The backend app's form with this assertion."""
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
    return form | {"client_assertion": client_assertion}


def test_the_assertion_type_and_a_client_id_beside_it_must_fit(epic, visit):
    refused(epic.redeem(epic.code(), client_assertion_type="jwt"), "invalid_client")
    refused(epic.redeem(epic.code(), client_id=PATIENT), "invalid_client")
    epic.change(PROVIDER, secret=SECRET)
    refused(epic.redeem(epic.code(), client_assertion=epic.assertion(), client_secret=SECRET), "invalid_client")
    assert epic.redeem(epic.code(), client_id=PROVIDER).status_code == 200


@pytest.mark.parametrize(
    ("published", "why"),
    [
        (lambda keys: public(keys.rsa, "rsa", use="enc"), "the key is meant for something else"),
        (lambda keys: public(keys.rsa, "rsa", alg="RS256"), "the key is meant for something else"),
        (lambda keys: public(keys.rsa, "rsa") | {"d": "AQAB"}, "the key does not fit the algorithm, or is not public"),
        (lambda _: {"kty": "oct", "kid": "rsa"}, "the key does not fit the algorithm, or is not public"),
        (lambda _: public(rsa.generate_private_key(65537, 2048), "rsa"), "the signature is false"),
    ],
    ids=["for encryption", "for another algorithm", "private", "of another kind", "somebody else's"],
)
def test_a_published_key_must_be_public_meant_for_signing_and_the_right_one(epic, published, why):
    epic.keys.published = [published(epic.keys)]
    refused(epic.backend(), "invalid_client")
    assert epic.seen("token")[-1]["why"] == why


def test_an_rsa_key_below_2048_bits_is_refused(epic):
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the point of the test
    epic.keys.published = [public(short, "short")]
    now = int(time.time())
    claims = {"iss": BACKEND, "sub": BACKEND, "aud": epic.token_url, "jti": "short", "exp": now + SOON}
    parts = ({"alg": "RS256", "kid": "short"}, claims)
    signed = ".".join(b64(json.dumps(part).encode()) for part in parts)
    token = f"{signed}.{b64(short.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": token}
    refused(epic.token(form), "invalid_client")
    assert epic.seen("token")[-1]["why"] == "the RSA key is shorter than 2048 bits"


def test_the_key_set_is_read_once_and_again_only_for_an_unknown_kid(epic):
    assert epic.backend().status_code == epic.backend().status_code == 200
    assert epic.keys.reads == 1
    refused(epic.backend(header={"kid": "new"}), "invalid_client")
    assert epic.keys.reads == 2
    epic.keys.published.append(public(epic.keys.rsa, "new"))
    assert epic.backend(header={"kid": "new"}).status_code == 200
    assert epic.keys.reads == 3


@pytest.mark.parametrize("cache_control", ["no-store", "no-cache", "max-age=0", "public, max-age=0"])
def test_the_key_set_is_kept_no_longer_than_cache_control_says(epic, cache_control):
    epic.keys.cache_control = cache_control
    epic.backend()
    epic.keys.published = []
    refused(epic.backend(), "invalid_client")
    assert epic.keys.reads == 2


def test_a_dropped_key_works_on_while_the_set_is_kept(epic):
    epic.backend()
    epic.keys.published = []
    assert epic.backend().status_code == 200


@pytest.mark.parametrize("status", [404, 500, 302])
def test_without_its_key_set_a_client_is_nobody(epic, status):
    epic.keys.status = status
    refused(epic.backend(), "invalid_client")


def test_an_app_whose_key_set_is_missing_unreachable_or_no_key_set_is_nobody(epic):
    for jwks_url, why in (
        (None, "the app has no JWKS URL"),
        ("https://127.0.0.1:1/jwks", "the JWKS URL could not be read"),
    ):
        epic.change(BACKEND, jwks_url=jwks_url)
        refused(epic.backend(), "invalid_client")
        assert epic.seen("token")[-1]["why"] == why
    epic.change(BACKEND, jwks_url=epic.app + "/jwks/test")
    epic.keys.published = "not a list"
    refused(epic.backend(), "invalid_client")


# --- id_token -------------------------------------------------------------------------------------------------------


def verified(epic: Hospital, id_token: str, **expected: Any) -> dict[str, Any]:
    """As a client should check it, with the keys the instance publishes."""
    jwks_uri = epic.http.get(epic.iss + "/.well-known/smart-configuration").json()["jwks_uri"]
    published = jwt.PyJWKSet.from_dict(epic.http.get(jwks_uri).json())
    key = published[jwt.get_unverified_header(id_token)["kid"]]
    return jwt.decode(
        id_token, key, algorithms=["RS256"], **{"audience": PROVIDER, "issuer": epic.url + "/oauth2"} | expected
    )


@pytest.mark.parametrize(
    ("user", "client_id", "kind"),
    [("paula", PROVIDER, "Practitioner"), ("pat", PATIENT, "Patient"), ("prue", PATIENT, "RelatedPerson")],
)
def test_an_id_token_names_one_of_three_kinds_for_five_minutes(epic, visit, user, client_id, kind):
    claims = verified(epic, epic.tokens(user, client_id, nonce="n-0S6")["id_token"], audience=client_id)
    fhir_id = world.EPIC_USERS[user].fhir_id
    assert (claims["sub"], claims["nonce"], claims["exp"] - claims["iat"]) == (fhir_id, "n-0S6", 300)
    assert claims["fhirUser"].startswith("https://")
    assert claims["fhirUser"].split("/")[-2:] == [kind, fhir_id]
    assert abs(claims["iat"] - time.time()) < 30


@pytest.mark.parametrize(
    ("scope", "present"),
    [
        ("launch openid fhirUser profile", {"fhirUser", "preferred_username"}),
        ("launch openid profile", {"preferred_username"}),
        ("launch openid", set()),
    ],
)
def test_an_id_token_says_what_was_asked_for(epic, visit, scope, present):
    claims = verified(epic, epic.tokens(scope=scope)["id_token"])
    assert claims.keys() & {"fhirUser", "preferred_username", "nonce"} == present


def test_without_openid_there_is_no_id_token_and_a_dstu2_app_has_no_fhir_user(epic, visit):
    assert "id_token" not in epic.tokens(scope="launch")
    epic.change(PROVIDER, fhir_version="DSTU2")
    assert "fhirUser" not in verified(epic, epic.tokens()["id_token"])


@pytest.mark.parametrize(("form", "path"), [("2020", "/oauth2"), ("2018", "/oauth2/token")])
def test_the_issuer_has_an_old_and_a_new_form_and_openid_configuration_stands_below_it(epic, visit, form, path):
    epic.behave(id_token_iss=form)
    claims = verified(epic, epic.tokens()["id_token"], issuer=epic.url + path)
    found = epic.http.get(claims["iss"] + "/.well-known/openid-configuration")
    assert found.json()["issuer"] == claims["iss"]
    other = epic.url + ("/oauth2" if path == "/oauth2/token" else "/oauth2/token")
    assert epic.http.get(other + "/.well-known/openid-configuration").status_code == 404


@pytest.mark.parametrize("signature", ["none", "hs256", "stranger"])
def test_a_false_signature_can_be_ordered_and_fails_the_check(epic, visit, signature):
    epic.behave(id_token_signature=signature)
    id_token = epic.tokens()["id_token"]
    with pytest.raises(jwt.InvalidTokenError):
        verified(epic, id_token)


def test_claims_can_be_bent_and_keys_turned_over(epic, visit):
    before = epic.tokens()["id_token"]
    epic.control("POST", "instances/test/keys")
    epic.behave(id_token_claims={"nonce": "another", "fhirUser": None, "aud": "someone-else"})
    after = epic.tokens(nonce="mine")["id_token"]
    assert verified(epic, before)["sub"] == world.EPIC_USERS["paula"].fhir_id
    claims = verified(epic, after, audience="someone-else")
    assert claims["nonce"] == "another"
    assert "fhirUser" not in claims
    kids = {jwt.get_unverified_header(one)["kid"] for one in (before, after)}
    assert len(kids) == 2


# --- FHIR -----------------------------------------------------------------------------------------------------------


def outcome_code(answer) -> str:
    return answer.json()["issue"][0]["details"]["coding"][0]["code"]


@pytest.mark.feature("F7.1")
def test_an_appointment_has_the_shape_of_epics_own_example(epic, visit):
    epic.behave(cid="9876")
    answer = epic.fhir(f"Appointment/{visit['appointment']}", epic.tokens()["access_token"])
    assert answer.json() == {
        "resourceType": "Appointment",
        "id": visit["appointment"],
        "identifier": [{"system": "urn:oid:1.2.840.114350.1.13.9876.3.7.3.698084.8", "value": CSN}],
        "status": "booked",
        "serviceCategory": [
            {
                "coding": [
                    {
                        "system": "http://open.epic.com/FHIR/StructureDefinition/appointment-service-category",
                        "code": "appointment",
                    }
                ]
            }
        ],
        "serviceType": [
            {
                "coding": [
                    {
                        "system": "urn:oid:1.2.840.114350.1.13.9876.3.7.2.808267",
                        "code": "6",
                        "display": "Office Visit",
                    }
                ]
            }
        ],
        "appointmentType": {"coding": [{"system": "urn:oid:2.16.840.1.113883.5.4", "code": "AMB"}]},
        "start": "2031-04-20T20:00:00Z",
        "end": "2031-04-20T20:15:00Z",
        "minutesDuration": 15,
        "participant": [
            {
                "actor": {"reference": f"Patient/{visit['patient']}", "display": "Quillfeather, Pat"},
                "required": "required",
                "status": "accepted",
                "period": {},
            },
            {"actor": {"reference": f"Practitioner/{visit['practitioner']}"}},
            {"actor": {"reference": "Location/eLocation10101"}},
        ],
    }


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("datetime", {"start": "2031-04-20T20:00:00Z", "end": "2031-04-20T20:15:00Z"}),
        ("date", {"start": "2031-04-20", "end": "2031-04-20"}),
    ],
)
def test_an_encounter_has_epics_class_and_a_period_that_may_be_days(epic, visit, period, expected):
    epic.behave(encounter_period=period)
    found = epic.fhir(f"Encounter/{visit['encounter']}", epic.tokens()["access_token"]).json()
    assert found["period"] == expected
    assert found["class"]["system"] == "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260"
    assert found["subject"]["display"] == "Quillfeather, Pat"


def test_fhir_answers_xml_unless_asked_for_json(epic, visit):
    headers = {"Authorization": f"Bearer {epic.tokens()['access_token']}", "Accept": "*/*"}
    answer = epic.http.get(f"{epic.iss}/Appointment/{visit['appointment']}", headers=headers)
    assert parsed(answer.content).tag == "{http://hl7.org/fhir}Appointment"


def test_fhir_needs_a_token_of_this_instance_that_is_not_over(epic, visit):
    place = f"Appointment/{visit['appointment']}"
    assert epic.fhir(place, None).status_code == 401
    assert epic.fhir(place, "made-up").status_code == 401
    token = epic.tokens()["access_token"]
    assert epic.http.get(f"{epic.iss}/{place}", headers={"Authorization": f"Token {token}"}).status_code == 401
    other = f"{epic.root}{world.EPIC_INSTANCES['production']}/api/FHIR/R4/{place}"
    assert epic.http.get(other, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    epic.behave(expires_in=-1)
    assert epic.fhir(place, epic.tokens()["access_token"]).status_code == 401


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("launch openid", "Appointment/{appointment}"),
        ("launch user/Appointment.read", "Encounter/{encounter}"),
        ("launch user/Appointment.r", "Appointment?_id={appointment}"),
        ("launch user/Appointment.s", "Appointment/{appointment}"),
        ("launch user/Appointment.read", "Patient/{patient}"),
    ],
)
def test_a_scope_opens_its_own_call_only(epic, visit, scope, path):
    answer = epic.fhir(path.format(**visit), epic.tokens(scope=scope)["access_token"])
    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_scope", error_description="The access token provided is valid, but is not '
        'authorized for this service"'
    )


def test_the_incoming_apis_of_the_record_gate_as_well_as_the_scope(epic, visit):
    epic.change(PROVIDER, incoming_apis=["Encounter.Read"])
    token = epic.tokens()["access_token"]
    assert epic.fhir(f"Encounter/{visit['encounter']}", token).status_code == 200
    assert epic.fhir(f"Appointment/{visit['appointment']}", token).status_code == 403


def test_a_bad_id_is_4102_a_locked_chart_4130_another_patients_4118(epic, visit):
    other = epic.book("10000209578", patient="mo")
    token = epic.tokens()["access_token"]
    bad = epic.fhir("Appointment/eNothing", token)
    assert (bad.status_code, outcome_code(bad)) == (404, "4102")
    epic.behave(break_the_glass=[visit["patient"]])
    locked = epic.fhir(f"Appointment/{visit['appointment']}", token)
    assert (locked.status_code, outcome_code(locked)) == (403, "4130")
    patients = epic.tokens("pat", PATIENT)["access_token"]
    foreign = epic.fhir(f"Appointment/{other['appointment']}", patients)
    assert (foreign.status_code, outcome_code(foreign)) == (403, "4118")


SYSTEM = "urn:oid:1.2.840.114350.1.13.5325.3.7.3.698084.8"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"identifier": f"{SYSTEM}|{CSN}"}, 1),
        ({"identifier": CSN}, 1),
        ({"identifier": f"urn:oid:1.2.3|{CSN}"}, 0),
        ({"patient": "ePatPatient000000000001"}, 1),
        ({"patient": "Patient/ePatPatient000000000001", "date": "2031-04-20"}, 1),
        ({"patient": "ePatPatient000000000001", "date": "ge2031-04-21"}, 0),
        ({"patient": "ePatPatient000000000001", "date": "lt2031-04-20T20:00:00Z"}, 0),
        ({"patient": "ePatPatient000000000001", "status": "cancelled"}, 0),
    ],
    ids=str,
)
def test_a_search_finds_or_says_4101(epic, visit, query, found):
    answer = epic.fhir("Appointment", epic.tokens()["access_token"], **query).json()
    assert (answer["resourceType"], answer["total"]) == ("Bundle", found)
    first = answer["entry"][0]["resource"]
    if found:
        assert first["id"] == visit["appointment"]
    else:
        assert first["issue"][0]["details"]["coding"][0]["code"] == "4101"
        assert first["issue"][0]["severity"] == "warning"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "4111"),
        ({"date": "2031-04-20"}, "4111"),
        ({"identifier": CSN, "practitioner": "x"}, "4100"),
        ({"identifier": CSN, "date": "soon"}, "4100"),
        ({"identifier": CSN, "_count": "0"}, "4100"),
        ({"identifier": CSN, "_count": "101"}, "4100"),
        ({"identifier": CSN, "_count": "many"}, "4100"),
        ({"identifier": [CSN, CSN]}, "4100"),
    ],
    ids=str,
)
def test_a_search_that_is_too_wide_or_unknown_is_refused(epic, visit, query, code):
    answer = epic.fhir("Appointment", epic.tokens()["access_token"], **query)
    assert (answer.status_code, outcome_code(answer)) == (400, code)


def test_a_search_over_a_locked_chart_is_4130_and_one_with_too_many_results_4127(epic, visit):
    epic.book("10000209578")
    token, query = epic.tokens()["access_token"], {"patient": visit["patient"]}
    many = epic.fhir("Appointment", token, **query, _count="1")
    assert (many.status_code, outcome_code(many)) == (400, "4127")
    assert epic.fhir("Appointment", token, **query, _count="2").json()["total"] == 2
    epic.behave(break_the_glass=[visit["patient"]])
    locked = epic.fhir("Appointment", token, **query)
    assert (locked.status_code, outcome_code(locked)) == (403, "4130")


def test_a_patient_finds_only_their_own_appointments(epic, visit):
    epic.book("10000209578", patient="mo")
    token = epic.tokens("pat", PATIENT)["access_token"]
    assert epic.fhir("Appointment", token, identifier="10000209578").json()["total"] == 0
    assert epic.fhir("Appointment", token, identifier=CSN).json()["total"] == 1


def test_an_appointment_can_change_and_have_no_encounter(epic):
    visit = epic.book(encounter=False)
    assert visit["encounter"] is None
    epic.control("PATCH", f"appointments/{CSN}", status="arrived", start="2031-04-21T20:00:00Z")
    found = epic.fhir(f"Appointment/{visit['appointment']}", epic.tokens()["access_token"]).json()
    assert (found["status"], found["start"]) == ("arrived", "2031-04-21T20:00:00Z")


# --- write-back -----------------------------------------------------------------------------------------------------


@pytest.mark.feature("F10.1", "F10.3")
def test_accepted_statuses_are_kept_in_order(epic, visit):
    for who, kind, status in (("19001", "1", "1"), ("70001", "2", "1"), ("70003", "2", "1"), ("19001", "1", "2")):
        answer = epic.write_back(ExternalID=who, ExternalIDType=kind, ConnectionStatus=status)
        assert (answer.status_code, answer.text) == (200, "")
    kept = epic.http.get(f"{epic.root}/_sandbox/connections", params={"csn": CSN}).json()
    assert [(one["user"], one["status"]) for one in kept] == [
        ("paula", "1"),
        ("pat", "1"),
        ("prue", "1"),
        ("paula", "2"),
    ]
    assert epic.http.get(f"{epic.root}/_sandbox/connections", params={"csn": "1"}).json() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        *[({name: given}, f"NO-{name.upper()}") for name in WRITE_BACK for given in (None, "", ["1", "1"])],
        ({"ConferenceID": "999"}, "INVALID-CONFERENCEID"),
        ({"ExternalID": "99999"}, "INVALID-EXTERNALID"),
        ({"ExternalID": "70001"}, "INVALID-EXTERNALID"),
        ({"ExternalIDType": "2"}, "INVALID-EXTERNALID"),
        ({"ExternalID": "70002", "ExternalIDType": "2"}, "INVALID-EXTERNALID"),
        ({"ExternalIDType": "3"}, "INVALID-EXTERNALIDTYPE"),
        ({"ConnectionStatus": "0"}, "INVALID-CONNECTIONSTATUS"),
        ({"ConnectionStatus": "3"}, "INVALID-CONNECTIONSTATUS"),
        ({"ConnectionStatus": "connected"}, "INVALID-CONNECTIONSTATUS"),
        ({"SessionID": "1"}, "INVALID-PARAMETER"),
    ],
    ids=str,
)
def test_a_wrong_status_gets_epics_error_envelope_and_is_not_kept(epic, visit, change, code):
    envelope(epic.write_back(**change), code)
    assert epic.http.get(f"{epic.root}/_sandbox/connections").json() == []


def envelope(answer, code: str) -> None:
    assert answer.status_code == 400
    body = answer.json()
    assert body.keys() == {"Message", "ExceptionMessage", "ExceptionType", "StackTrace"}
    assert body["ExceptionMessage"].startswith(f"An error occurred while executing the command: {code} details: ")
    assert body["ExceptionType"] == "Epic.ServiceModel.Internal.ServiceCommandException"
    assert len(body["StackTrace"]) > 4000


@pytest.mark.parametrize("client_id", [None, "e0000000-0000-4000-8000-00000000dead"])
def test_the_epic_client_id_header_is_mandatory_and_known(epic, visit, client_id):
    envelope(epic.write_back(client_id=client_id), "INVALID-CLIENT-ID")


@pytest.mark.parametrize(
    "auth",
    [
        "",
        emp(prefix=""),
        emp("SOMEONE"),
        emp(prefix="EMP$"),
        emp().replace("Basic", "Digest"),
        "Basic ???",
        "Basic 4pyT/w==",
        "Bearer made-up",
    ],
    ids=str,
)
def test_the_write_back_account_must_prove_itself(epic, visit, auth):
    assert epic.write_back(auth).status_code == 401


def test_the_backend_apps_bearer_works_and_another_apps_does_not(epic, visit):
    token = f"Bearer {epic.backend().json()['access_token']}"
    assert epic.write_back(token).status_code == 200
    assert epic.write_back(token, client_id=PROVIDER).status_code == 401
    assert epic.write_back(f"Bearer {epic.tokens()['access_token']}", client_id=PROVIDER).status_code == 403
    epic.change(BACKEND, incoming_apis=[])
    assert epic.write_back(token).status_code == 403


def test_the_error_code_can_be_chosen_and_trouble_ordered(epic, visit, peer_process):
    epic.behave(write_back_code="NO-SUCH-THING")
    envelope(epic.write_back(), "NO-SUCH-THING")
    epic.behave(write_back_code=None)
    peer_process.fault(route="SetExternalConnectionStatus", do="status", status=500, times=1)
    assert epic.write_back().status_code == 500
    assert epic.write_back().status_code == 200


def test_a_group_conference_knows_all_its_patients_and_no_csn(epic):
    epic.book(conference_id=GROUP)
    epic.book("10000209578", patient="mo", conference_id=GROUP)
    assert epic.write_back(ConferenceID=GROUP, ExternalID="70002", ExternalIDType="2").status_code == 200
    envelope(epic.write_back(ConferenceID=CSN), "INVALID-CONFERENCEID")


# --- the pages ------------------------------------------------------------------------------------------------------


def sit_down(epic: Hospital, place: str, user: str, query: str = ""):
    epic.http.post(f"{epic.root}/{place}/sign-in{query}", data={"user": user}, allow_redirects=False)
    return epic.http.get(f"{epic.root}/{place}{query}").text


def typed(epic: Hospital, what: str, **form: str):
    return epic.http.post(f"{epic.root}/records/{what}", data=form)


def test_the_analyst_types_records_on_a_page_and_a_visit_launches_by_them(epic):
    record = {"client_id": PROVIDER, "launch_url": "https://connector.example/launch", "context": "csn=%CSN%"}
    assert "connector.example" in typed(epic, "fdi", role="provider", **record).text
    assert typed(epic, "appointment", csn=CSN, patient="pat", practitioner="paula", minutes="10").status_code == 200
    sit_down(epic, "hyperspace", "paula")
    begun = epic.http.get(f"{epic.root}/hyperspace/begin?csn={CSN}", allow_redirects=False)
    assert begun.headers["Location"].startswith("https://connector.example/launch?iss=")


def test_redirect_uris_typed_on_the_page_replace_those_of_the_app(epic):
    uris = "https://connector.example/a\r\nhttps://connector.example/b"
    assert "connector.example/b" in typed(epic, "app", client_id=PROVIDER, redirect_uris=uris).text
    apps = epic.http.get(f"{epic.root}/_sandbox/apps").json()
    assert apps[PROVIDER]["redirect_uris"] == ["https://connector.example/a", "https://connector.example/b"]


@pytest.mark.parametrize(
    ("what", "form", "why"),
    [
        ("app", {"client_id": "unknown"}, "client_id is not an app"),
        ("fdi", {"role": "provider", "launch_url": "https://c.example/", "client_id": "unknown"}, "not an app"),
        ("fdi", {"role": "nurse", "launch_url": "no address", "client_id": PROVIDER}, "launch_url: "),
        ("appointment", {"csn": "x", "patient": "pat", "practitioner": "paula", "minutes": "1"}, "csn: "),
        ("appointment", {"csn": "7", "patient": "pat", "practitioner": "paula"}, "minutes: "),
        ("appointment", {"csn": "7", "patient": "paula", "practitioner": "paula", "minutes": "1"}, "not a patient"),
        ("appointment", {"csn": "7", "patient": "nobody", "practitioner": "paula", "minutes": "1"}, "not a patient"),
    ],
)
def test_what_the_page_does_not_understand_is_refused_with_the_reason(epic, what, form, why):
    answer = typed(epic, what, **form)
    assert answer.status_code == 400
    assert why in answer.text


def test_a_csn_is_typed_once(epic, soon):
    again = typed(epic, "appointment", csn=CSN, patient="pat", practitioner="paula", minutes="10")
    assert (again.status_code, "taken" in again.text) == (400, True)


@pytest.fixture
def soon(epic) -> dict[str, Any]:
    return epic.book(start=(datetime.now(UTC) + timedelta(minutes=10)).isoformat())


@pytest.mark.feature("F7.1", "F7.4")
def test_the_schedule_begins_a_visit_and_shows_who_is_connected(epic, soon):
    page = sit_down(epic, "hyperspace", "paula")
    assert "connected" not in page.lower().replace("<th>connected", "")
    link = html.unescape(re.search(r'href="([^"]+)"', page)[1])
    begun = epic.http.get(epic.root + link, allow_redirects=False)
    launch = dict(parse_qsl(urlsplit(begun.headers["Location"]).query))["launch"]
    assert epic.tokens(launch=launch)["csn"] == CSN
    epic.write_back(ExternalID="70001", ExternalIDType="2")
    assert "Quillfeather, Pat connected" in epic.http.get(f"{epic.root}/hyperspace").text
    epic.write_back(ExternalID="70001", ExternalIDType="2", ConnectionStatus="2")
    assert "Quillfeather, Pat disconnected" in epic.http.get(f"{epic.root}/hyperspace").text


@pytest.mark.feature("F8.1")
def test_mychart_shows_a_patient_their_own_visits_only(epic, soon):
    epic.book("10000209578", patient="mo", start=datetime.now(UTC).isoformat())
    page = sit_down(epic, "mychart", "pat")
    assert f'data-csn="{CSN}"' in page
    assert "10000209578" not in page
    assert epic.http.get(f"{epic.root}/mychart/begin?csn=10000209578", allow_redirects=False).status_code == 409
    for user in ("paula", "nobody"):
        assert epic.http.post(f"{epic.root}/mychart/sign-in", data={"user": user}).status_code == 403


def test_a_visit_can_begin_by_post_and_inside_a_frame(epic, soon):
    page = sit_down(epic, "hyperspace", "paula", "?frame=1")
    assert '<iframe name="visit"' in page
    assert 'target="visit"' in page
    form = epic.http.get(f"{epic.root}/hyperspace/begin?csn={CSN}&how=post").text
    assert f'method="post" action="{epic.app}/launch/provider/c1"' in form
    assert f'name="iss" value="{epic.iss}"' in form


@pytest.mark.parametrize("place", ["hyperspace", "mychart/begin"])
def test_an_instance_that_epic_does_not_have_has_no_pages(epic, place):
    assert epic.http.get(f"{epic.root}/{place}?instance=training").status_code == 404


def test_nobody_begins_a_visit_without_signing_in(epic, soon):
    assert epic.http.get(f"{epic.root}/hyperspace/begin?csn={CSN}", allow_redirects=False).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "fdi", {"role": "provider", "launch_url": "https://x.example", "client_id": "unknown"}),
        ("POST", "launch", {"user": "paula"}),
        ("POST", "appointments", {"csn": "1", "patient": "paula", "practitioner": "pat", "start": "2031-01-01T00:00Z"}),
        ("POST", "appointments", {"csn": "1", "patient": "x", "practitioner": "paula", "start": "2031-01-01T00:00Z"}),
        ("POST", "appointments", {"csn": "1", "patient": "pat", "practitioner": "paula", "start": "2031-01-01T00:00"}),
        ("POST", "appointments", {"csn": CSN, "patient": "pat", "practitioner": "paula", "start": "2031-01-01T00:00Z"}),
        ("PATCH", f"appointments/{CSN}", {"csn": "1"}),
        ("PATCH", "instances/test", {"pkcee": False}),
        ("PATCH", "instances/test", {"write_back_code": "no such thing"}),
        ("PATCH", f"apps/{PROVIDER}", {"oauth_folder": "oauth2/elsewhere"}),
        ("PATCH", f"appointments/{CSN}", {"minutes": 0}),
        ("PATCH", f"appointments/{CSN}", {"department": "main street"}),
        ("PATCH", f"apps/{PROVIDER}", {"role": "backend"}),
    ],
)
def test_an_order_that_cannot_be_read_is_not_guessed_at(epic, visit, method, path, body):
    assert "error" in epic.control(method, path, want=400, **body)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "appointments/4711", {"status": "arrived"}),
        ("PATCH", "apps/e0000000-0000-4000-8000-00000000dead", {"public": True}),
        ("PATCH", "instances/training", {"pkce": False}),
        ("GET", "apps?instance=training", {}),
    ],
)
def test_what_the_control_interface_does_not_know_is_not_found(epic, visit, method, path, body):
    assert epic.http.request(method, f"{epic.root}/_sandbox/{path}", json=body, timeout=10).status_code == 404
