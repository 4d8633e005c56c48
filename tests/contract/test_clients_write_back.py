"""Our write-back client against the Epic stand-in: what is shown, what is refused for good, what waits."""

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from sandbox import peer as sandbox_peer
from sandbox import world
from shared.clients.addresses import Guarded
from shared.clients.epic import Epic, KeyCredential
from shared.clients.keysets import KeySets
from shared.clients.outbound import Outbound
from shared.clients.pace import Pace
from shared.clients.write_back import EpicStatus, NotLetIn, Status
from shared.clock import Clock
from shared.domain.advanced import FhirSetup
from shared.domain.connection import EpicSide, WriteBack
from shared.domain.signing import SigningKeys
from shared.domain.visit import Change
from shared.errors import Code, Later, Refused
from tests.unit.domain.connections import epic_side
from tests.unit.workflows.visit_world import pem

pytestmark = pytest.mark.feature("F10.3")

BACKEND = world.EPIC_APPS["test", "backend"]
CSN = "10000209577"
PAT, PAULA = (world.EPIC_USERS[key].external_id for key in ("pat", "paula"))
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACCOUNT = "Basic " + base64.b64encode(f"emp${':'.join(world.EPIC_WRITE_BACK_ACCOUNT)}".encode()).decode()
RING = SigningKeys([("k1", re.sub(r"-----BEGIN CERT.*", "", pem("backend"), flags=re.DOTALL))])


class Hospital:
    """The stand-in's test instance, our sink for it and our client for its tokens."""

    def __init__(self, running: Any, outbound: Outbound) -> None:
        self.running = running
        self.base = running.url + world.EPIC_INSTANCES["test"]
        self.sink = WriteBack(url=self.base + world.WRITE_BACK_PATH)
        pace = Pace(Clock())
        self.status = EpicStatus(outbound, pace)
        self.epic = Epic(outbound, KeySets(outbound, Clock()), Clock(), pace)

    def control(self, method: str, path: str, **body: Any) -> Any:
        answer = self.running.http.request(method, f"{self.running.url}/_sandbox/{path}", json=body or None, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def shown(self) -> list[tuple[str, str, str]]:
        found = self.control("GET", f"connections?csn={CSN}")
        return [(one["external_id"], one["external_id_type"], one["status"]) for one in found]

    async def tell(self, status: Status, authorization: str = ACCOUNT, **sink: Any) -> str:
        return await self.status.tell(self.side(sink), status, authorization)

    def side(self, sink: dict[str, Any], **changes: Any) -> EpicSide:
        to = WriteBack(**(self.sink.model_dump() | sink))
        return epic_side(backend_client_id=BACKEND, write_back=to, **changes)

    async def token(self) -> str:
        endpoints = await self.epic.discover(f"{self.base}/api/FHIR/R4", BACKEND)
        return await self.epic.backend_token(endpoints, KeyCredential(BACKEND, RING))


def status(who: str = PAT, role: Any = "patient", what: Any = "connected", conference: str = CSN) -> Status:
    return Status(conference, who, role, Change(status=what, at=NOON))


@pytest.fixture(scope="module")
def running(start_peer: Any) -> Any:
    return start_peer("epic")


@pytest.fixture
async def hospital(running: Any, plan: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hospital]:
    monkeypatch.setenv("SSL_CERT_FILE", running.ca)
    running.http.post(f"{running.url}/_sandbox/reset", timeout=10)
    port = urlsplit(running.url).port or 0
    outbound = Outbound(Guarded(frozenset({443, port}), (ip_network("127.0.0.0/8"),)))
    made = Hospital(running, outbound)
    booking = {"csn": CSN, "patient": "pat", "practitioner": "paula", "start": NOON.isoformat()}
    made.control("POST", "appointments", **booking)

    async def jwks(_: web.Request) -> web.Response:
        return web.json_response(RING.jwks(), headers={"Cache-Control": "no-store"})

    app = web.Application()
    app.router.add_get("/jwks/test", jwks)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", plan.ports["app"], ssl_context=sandbox_peer.server_tls(plan)).start()
    yield made
    await runner.cleanup()
    await asyncio.sleep(0.1)  # TLS says goodbye a moment later; else the closing loop finds open transports
    await outbound.close()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (status(), (PAT, "2", "1")),
        (status(what="disconnected"), (PAT, "2", "2")),
        (status(PAULA, "staff"), (PAULA, "1", "1")),
        (status(PAULA, "staff", "disconnected"), (PAULA, "1", "2")),
    ],
)
async def test_epic_shows_who_connects_and_disconnects(
    hospital: Hospital, told: Status, expected: tuple[str, str, str]
) -> None:
    assert await hospital.tell(told) == "ok"
    assert hospital.shown() == [expected]


async def test_with_a_backend_token_it_works_as_well(hospital: Hospital) -> None:
    assert await hospital.tell(status(), f"Bearer {await hospital.token()}") == "ok"
    assert len(hospital.shown()) == 1


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (status(conference="4711"), "INVALID-CONFERENCEID"),
        (status(who="4711"), "INVALID-EXTERNALID"),
        (status(PAULA, "patient"), "INVALID-EXTERNALID"),
    ],
)
async def test_a_refusal_of_the_command_is_its_code_and_nothing_of_its_stack_trace(
    hospital: Hospital, told: Status, code: str, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG, "connector")
    assert await hospital.tell(told) == code
    assert hospital.shown() == []
    for secret in ("StackTrace", "Frame0", "is not linked", told.external_id, told.conference):
        assert secret not in caplog.text


async def test_an_instance_with_other_values_is_told_in_its_own_words(hospital: Hospital) -> None:
    await hospital.tell(status(), vendor_name="Lamna & Söhne")
    [seen] = [one for one in hospital.running.seen("write-back") if one["accepted"]][-1:]
    assert seen["VendorName"] == "Lamna & Söhne"
    assert await hospital.tell(status(), connected="7") == "INVALID-CONNECTIONSTATUS"


async def test_the_headers_that_an_epic_asks_for_are_sent(hospital: Hospital) -> None:
    wanted = {"Epic-User-ID": "TEAMS1", "Epic-User-IDType": "EXTERNAL"}
    hospital.control("PATCH", "instances/test", write_back_headers=wanted)
    assert await hospital.tell(status()) == "MISSING-HEADER"
    assert await hospital.tell(status(), headers=wanted) == "ok"
    assert hospital.shown() == [(PAT, "2", "1")]


IN_BODY = {"success_member": "Result.Success", "success_value": "true"}


async def test_an_epic_that_says_no_with_status_200_is_understood_by_the_member_that_says_so(
    hospital: Hospital,
) -> None:
    hospital.control("PATCH", "instances/test", write_back_in_body=True)
    assert await hospital.tell(status(conference="4711")) == "ok"  # by the status alone, as without the setting
    with pytest.raises(Later) as later:
        await hospital.tell(status(conference="4711"), **IN_BODY)
    assert later.value.after == timedelta(minutes=5)
    assert hospital.shown() == []
    assert await hospital.tell(status(), **IN_BODY) == "ok"
    assert hospital.shown() == [(PAT, "2", "1")]


async def test_an_answer_without_the_member_is_no_success(hospital: Hospital) -> None:
    with pytest.raises(Later):
        await hospital.tell(status(), **IN_BODY)  # accepted, and answered without a body


async def test_a_code_that_passes_by_itself_is_told_again(hospital: Hospital) -> None:
    hospital.control("PATCH", "instances/test", write_back_code="RECORD-LOCKED")
    assert await hospital.tell(status()) == "RECORD-LOCKED"
    with pytest.raises(Later) as later:
        await hospital.tell(status(), retryable_codes=("RECORD-LOCKED",))
    assert later.value.after == timedelta(minutes=5)
    hospital.control("PATCH", "instances/test", write_back_code=None)
    assert await hospital.tell(status(), retryable_codes=("RECORD-LOCKED",)) == "ok"


async def test_no_more_calls_than_agreed_reach_epic_in_a_minute(hospital: Hospital) -> None:
    side = hospital.side({}, fhir=FhirSetup(calls_per_minute=2))
    before = len(hospital.running.seen("write-back"))
    for _ in range(2):
        assert await hospital.status.tell(side, status(), ACCOUNT) == "ok"
    with pytest.raises(Later) as later:
        await hospital.status.tell(side, status(), ACCOUNT)
    assert later.value.after
    assert timedelta(seconds=3) < later.value.after <= timedelta(minutes=1)
    assert len(hospital.running.seen("write-back")) - before == 2
    assert await hospital.tell(status()) == "ok"  # without the setting there is no limit


@pytest.mark.parametrize("authorization", ["Bearer spent", "Basic bm9ib2R5", ""])
async def test_an_account_or_token_that_epic_does_not_take_is_not_the_end_of_a_change(
    hospital: Hospital, authorization: str
) -> None:
    with pytest.raises(NotLetIn):
        await hospital.tell(status(), authorization)
    assert await hospital.tell(status()) == "ok"


async def test_a_forgotten_token_is_asked_for_anew(hospital: Hospital) -> None:
    first = await hospital.token()
    assert await hospital.token() == first
    hospital.epic.forget("another")
    assert await hospital.token() == first
    hospital.epic.forget(first)
    assert await hospital.token() != first


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("fault", "after"),
    [
        ({"do": "status", "status": 503}, None),
        ({"do": "status", "status": 500}, None),
        ({"do": "throttle", "retry_after": "2.5"}, timedelta(seconds=2.5)),
        ({"do": "drop"}, None),
        # not the command's refusal: a proxy's, or a record that people must mend
        ({"do": "status", "status": 400}, timedelta(minutes=5)),
        ({"do": "status", "status": 403}, timedelta(minutes=5)),
        ({"do": "status", "status": 404}, timedelta(minutes=5)),
        ({"do": "status", "status": 302}, timedelta(minutes=5)),
    ],
)
async def test_everything_else_waits(hospital: Hospital, fault: dict[str, Any], after: timedelta | None) -> None:
    hospital.running.fault(route="GET .*SetExternalConnectionStatus", **fault)
    with pytest.raises(Later) as later:
        await hospital.tell(status())
    assert later.value.after == after
    assert hospital.shown() == []
    hospital.running.behave()
    assert await hospital.tell(status()) == "ok"


async def test_a_lost_answer_waits_and_is_told_again(hospital: Hospital) -> None:
    """At least once: Epic may be told more than once (aiohttp asks a GET again by itself), never not at all."""
    hospital.running.fault(route="GET .*SetExternalConnectionStatus", do="lost")
    with pytest.raises(Later):
        await hospital.tell(status())
    hospital.running.behave()
    assert await hospital.tell(status()) == "ok"
    assert set(hospital.shown()) == {(PAT, "2", "1")}
    assert len(hospital.shown()) > 1


async def test_an_address_that_points_inside_is_refused_before_anybody_is_asked(hospital: Hospital) -> None:
    before = len(hospital.running.seen("write-back"))
    with pytest.raises(Refused) as refusal:
        await hospital.tell(status(), url="https://169.254.169.254/latest")
    assert refusal.value.code is Code.ADDRESS_REFUSED
    assert len(hospital.running.seen("write-back")) == before


def test_a_status_shows_nobody() -> None:
    shown = repr(status())
    assert PAT not in shown
    assert CSN not in shown
