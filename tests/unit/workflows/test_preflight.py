"""Checks of a chain: what trouble becomes, and what Epic's answers mean. The chain: tests/e2e/test_preflight.py."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.clients.outbound import Answer
from shared.clients.smart import SmartEndpoints
from shared.domain.preflight import Finding
from shared.domain.preflight_findings import said
from shared.domain.signing import SigningKeys
from shared.errors import Code, Later, Refused
from shared.workflows import bounded, preflight_epic
from tests.conftest import StandingClock

BASE = "https://epic.example/x/api/FHIR/R4"


# --- trouble


async def found(trouble: Exception) -> Finding:
    async def check() -> Finding:
        raise trouble

    return await bounded.bounded(check)


@pytest.mark.parametrize(
    ("trouble", "finding", "parameters"),
    [
        (Refused(Code.ADDRESS_REFUSED, "write_back.url", "port"), "address-refused", {"part": "port"}),
        (Refused(Code.ADDRESS_REFUSED), "address-refused", {"part": "address"}),
        (Later("epic.example"), "away", {"peer": "epic.example"}),
    ],
)
async def test_expected_trouble_is_a_finding(trouble: Exception, finding: str, parameters: dict[str, str]):
    one = await found(trouble)
    assert (one.finding, one.parameters) == (finding, parameters)


async def test_what_nobody_expected_says_where_and_nothing_of_what(caplog: pytest.LogCaptureFixture):
    one = await found(KeyError("a patient's name"))
    assert one.finding == "unexpected"
    assert "patient" not in one.model_dump_json() + caplog.text


async def test_a_check_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bounded, "_SECONDS", 0)

    async def check() -> Finding:
        await asyncio.Event().wait()
        return said("entitled", environment="test")

    assert (await bounded.bounded(check)).finding == "too-slow"


# --- our keys


class Published:
    """Stands for the internet: what our own address publishes."""

    def __init__(self, *kids: str, status: int = 200) -> None:
        body = '{"keys": [' + ", ".join(f'{{"kid": "{kid}"}}' for kid in kids) + "]}"
        self._answer = Answer(status, {}, body.encode() if status == 200 else b"oops", "app.example")

    async def call(self, *_: Any) -> Answer:
        return self._answer


@pytest.mark.parametrize(
    ("published", "finding"),
    [
        (Published("old", "ours"), "keys"),
        (Published("another-stamps"), "keys-other"),
        (Published(), "keys-other"),
        (Published(status=502), "keys-unreachable"),
    ],
)
async def test_our_signing_key_must_be_among_those_we_publish(published: Published, finding: str, epic_pem: str):
    assert (await keys(published, [("ours", epic_pem)])).finding == finding


async def test_without_a_signing_key_nothing_is_asked():
    assert (await keys(Published("ours"), [])).finding == "keys-missing"


async def keys(published: Published, ring: list[tuple[str, str]]) -> Finding:
    deps: Any = SimpleNamespace(
        settings=SimpleNamespace(public_url="https://app.example"),
        microsoft=published,
        signing={"test": SigningKeys(ring)},
        clock=StandingClock(),
    )
    run: Any = SimpleNamespace(deps=deps, connection=SimpleNamespace(environment="test"))
    return await preflight_epic._keys(run)


@pytest.fixture(scope="session")
def epic_pem() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


# --- what discovery found


def endpoints(**changes: Any) -> SmartEndpoints:
    usual: dict[str, Any] = {
        "base": BASE,
        "authorize": "https://epic.example/x/oauth2/authorize",
        "token": "https://epic.example/x/oauth2/token",
        "jwks": "https://epic.example/keys",
        "issuers": frozenset(),
        "pkce": True,
        "capabilities": frozenset(),
        "fhir_version": "R4",
        "authentication": frozenset({"private_key_jwt"}),
    }
    return SmartEndpoints(**usual | changes)


@pytest.mark.feature("F2.10", "F2.12")
@pytest.mark.parametrize(
    ("changes", "version", "finding"),
    [
        ({}, "4.0.1", "discovery"),
        ({}, "", "discovery"),
        ({"base": BASE.replace("R4", "FHDST")}, "4.0.1", "discovery"),
        ({}, "1.0.2", "discovery-not-r4"),
        ({}, "5.0.0", "discovery-not-r4"),
        ({"base": BASE.replace("R4", "DSTU2")}, "4.0.1", "discovery-suffix-differs"),
        ({"jwks": None}, "4.0.1", "discovery-no-keys"),
        ({"pkce": False}, "4.0.1", "discovery-no-pkce"),
        ({"authentication": frozenset({"client_secret_basic"})}, "4.0.1", "discovery-no-key-authentication"),
        ({"authentication": frozenset()}, "4.0.1", "discovery"),
    ],
)
def test_what_discovery_found_is_held_against_what_is_needed(changes: dict[str, Any], version: str, finding: str):
    assert preflight_epic._judged(endpoints(**changes), version, pkce=True, keys=True).finding == finding


def test_what_the_settings_do_not_ask_for_is_not_missed():
    weak = endpoints(pkce=False, authentication=frozenset({"client_secret_basic"}))
    assert preflight_epic._judged(weak, "4.0.1", pkce=False, keys=False).finding == "discovery"


# --- Epic's answers


@pytest.mark.parametrize(
    ("status", "codes", "finding"),
    [
        ("404", ["4102"], "fhir-read"),
        ("400", ["4102"], "fhir-read"),
        ("200", ["4101"], "fhir-read"),
        ("401", [], "fhir-read-token"),
        ("403", [], "fhir-read-scope"),
        ("403", ["4118"], "fhir-read-user"),
        ("404", [], "fhir-read-unclear"),
    ],
)
def test_what_the_answer_to_a_read_means(status: str, codes: list[str], finding: str):
    assert preflight_epic._not_read(status, codes).finding == finding


@pytest.mark.feature("F10.3")
@pytest.mark.parametrize(
    ("status", "code", "finding"),
    [
        (400, "INVALID-CONFERENCEID", "write-back"),
        (400, "INVALID-CLIENT-ID", "write-back-client"),
        (200, "", "write-back-taken"),
        (401, "", "write-back-not-let-in"),
        (403, "", "write-back-scope"),
        (404, "", "write-back-no-address"),
        (405, "", "write-back-no-address"),
        (400, "", "write-back-unclear"),
        (302, "", "write-back-unclear"),
        (503, "", "away"),
    ],
)
def test_what_the_answer_to_a_status_of_nobody_means(status: int, code: str, finding: str):
    assert preflight_epic._answered(status, code, "epic.example", "bearer").finding == finding


# --- Epic's sign-in page

BACK = "https://app.example/launch/callback/c"


@pytest.mark.parametrize(
    ("status", "location", "body", "finding"),
    [
        (200, "", b'<input type="password">', "app"),
        (200, "", b"<script>", "app-unclear"),
        (302, "https://epic.example/login", b"", "app"),
        (302, f"{BACK}?error=invalid_scope&state=s", b"", "app-error"),
        (302, f"{BACK}.evil?error=invalid_scope", b"", "app"),
        (400, "", b"", "app-refused"),
        (404, "", b"", "app-refused"),
    ],
)
async def test_what_epics_authorize_endpoint_shows_a_stranger(status: int, location: str, body: bytes, finding: str):
    class Epic:
        async def call(self, *_: Any, **__: Any) -> Answer:
            return Answer(status, {"Location": location}, body, "epic.example")

    one = await preflight_epic.asked_to_sign_in("https://epic.example/a", BACK, "provider", Epic())  # type: ignore[arg-type]
    assert one.finding == finding
