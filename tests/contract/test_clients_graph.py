"""Our Graph client against the Graph and Entra stand-ins: meetings, subscriptions, notifications, attendance."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from sandbox import clock, peer, world
from shared.clients import app_tokens
from shared.clients.addresses import Trusted
from shared.clients.app_tokens import GraphTokens
from shared.clients.graph import Graph, OnlineMeeting, Wish
from shared.clients.notifications import NotificationKey, NotificationKeys
from shared.clients.outbound import Outbound
from shared.domain import roster
from shared.errors import Later
from tests.unit.workflows.visit_world import pem

ROOMS, NOBODY = world.USERS["rooms"].oid, world.USERS["paula"].oid
TENANT = world.LAMNA_TENANT
PEOPLE_MEND_IT = timedelta(minutes=5)


class Service:
    """The stand-in, our client for it, and a webhook that keeps what is delivered."""

    def __init__(self, running: Any, client: Graph) -> None:
        self.running = running
        self.client = client
        self.url = running.plan.urls["sink"]
        self.items: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.keys = NotificationKeys((("n1", pem("n1")),))

    @property
    def now(self) -> datetime:
        return clock.now(self.running.plan.path("clock")).replace(microsecond=0)

    @property
    def end(self) -> datetime:
        return self.now + timedelta(hours=1)

    async def meeting(self, key: str, organiser: str = ROOMS) -> OnlineMeeting:
        return await self.client.create_or_get(TENANT, organiser, key, self.now, self.end)

    def wish(self, key: NotificationKey | None = None, **changes: Any) -> Wish:
        usual = Wish(self.url, f"{self.url}/lifecycle", "key.proof", self.end, key or self.keys.current)
        return replace(usual, **changes)

    def control(self, method: str, path: str, **body: Any) -> Any:
        answer = self.running.http.request(method, f"{self.running.url}/_sandbox/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def shown(self, made: OnlineMeeting) -> dict[str, Any]:
        return next(one for one in self.control("GET", "meetings") if one["id"] == made.id)

    def living(self) -> list[dict[str, Any]]:
        return self.control("GET", "subscriptions")

    def teams(self, path: str, **body: Any) -> Any:
        answer = self.running.http.post(f"{self.running.url}/teams/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    async def told(self) -> dict[str, Any]:
        """The next item that arrives."""
        return await asyncio.wait_for(self.items.get(), 10)

    async def receive(self, request: web.Request) -> web.Response:
        if token := request.query.get("validationToken"):
            return web.Response(text=token)
        for item in (await request.json())["value"]:
            self.items.put_nowait(item)
        return web.Response(status=202)


@pytest.fixture(scope="module")
def running(start_peer: Any) -> Any:
    start_peer("entra")
    return start_peer("graph")


@pytest.fixture(autouse=True)
def trusted(running: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Our own way out reads the setting; azure-identity's transport has read it when aiohttp was imported."""
    monkeypatch.setenv("SSL_CERT_FILE", running.ca)
    monkeypatch.setitem(app_tokens._TIMEOUTS, "connection_verify", running.ca)
    settings = running.http.get(f"{running.url}/_sandbox/settings", timeout=10).json()
    yield
    running.http.patch(f"{running.url}/_sandbox/settings", json=settings, timeout=10).raise_for_status()


@asynccontextmanager
async def opened(running: Any, tokens: GraphTokens) -> AsyncIterator[Graph]:
    outbound = Outbound(Trusted())
    yield Graph(running.url, outbound, tokens.of)
    await outbound.close()
    for credential in tokens._credentials.values():
        await credential.close()


def tokens(running: Any, client: str = world.CONNECTOR_APP, authority: str | None = None) -> GraphTokens:
    certificate = running.plan.path("connector_both").read_text()
    return GraphTokens(authority or running.plan.urls["entra"], client, certificate)


@pytest.fixture
async def service(running: Any) -> AsyncIterator[Service]:
    async with opened(running, tokens(running)) as client:
        made = Service(running, client)
        for one in made.living():
            await client.unsubscribe(TENANT, one["id"])
        app = web.Application()
        app.router.add_post("/{path:.*}", made.receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        tls = peer.server_tls(running.plan)
        await web.TCPSite(runner, "127.0.0.1", running.plan.ports["sink"], ssl_context=tls).start()
        yield made
        await runner.cleanup()
        await asyncio.sleep(0.1)  # TLS says goodbye a moment later; else the closing loop finds open transports


# --- meetings


@pytest.mark.promise("P3")
async def test_asking_twice_for_a_visits_meeting_makes_one(service: Service) -> None:
    made = await service.meeting("twice")
    again = await service.client.create_or_get(
        TENANT, ROOMS, "twice", service.now + timedelta(hours=3), service.end + timedelta(hours=3)
    )
    assert again == made
    assert [one["externalId"] for one in service.control("GET", "meetings")].count("twice") == 1


@pytest.mark.feature("F8.5")
async def test_the_door_lets_staff_in_and_keeps_everybody_else_in_the_lobby(service: Service) -> None:
    made = await service.meeting("door")
    later = service.now + timedelta(hours=5)
    await service.client.guard(TENANT, ROOMS, made.id, later, later + timedelta(minutes=30))
    shown = service.shown(made)
    assert shown["lobbyBypassSettings"] == {"scope": "organization", "isDialInBypassEnabled": False}
    assert shown["allowedPresenters"] == "organization"
    assert datetime.fromisoformat(shown["startDateTime"]) == later
    assert service.teams(f"meetings/{made.id}/join", **{"as": None, "name": "Pat"})["state"] == "lobby"
    assert service.teams(f"meetings/{made.id}/join", **{"as": "paula"})["state"] == "in"


@pytest.mark.feature("F9.5")
async def test_a_meeting_names_nobody(service: Service) -> None:
    shown = service.shown(await service.meeting("subject"))
    assert (shown["subject"], shown["participants"]["attendees"]) == ("Virtual visit", [])


async def test_without_an_access_policy_an_administrator_is_called_and_it_waits(service: Service, caplog: Any) -> None:
    with pytest.raises(Later) as later:
        await service.meeting("policy", NOBODY)
    assert later.value.after == PEOPLE_MEND_IT
    assert "graph status=403 code=Forbidden" in caplog.text


async def test_an_organiser_whose_month_is_full_says_for_how_long(service: Service) -> None:
    service.control("PATCH", "settings", meetings_per_month=0)
    with pytest.raises(Later) as later:
        await service.meeting("full")
    assert later.value.after == timedelta(hours=1)


@pytest.mark.promise("P5")
async def test_a_throttled_call_waits_for_as_long_as_graph_says_fractions_too(service: Service) -> None:
    service.running.fault(route="POST .*createOrGet", do="throttle", retry_after="2.128", times=1)
    with pytest.raises(Later) as later:
        await service.meeting("throttled")
    assert later.value.after == timedelta(seconds=2.128)
    await service.meeting("throttled")


@pytest.mark.promise("P3", "P5")
@pytest.mark.parametrize("fault", [{"do": "status"}, {"do": "status", "status": 500}, {"do": "drop"}, {"do": "lost"}])
async def test_whatever_graph_fails_with_the_next_try_gets_the_one_meeting(service: Service, fault: Any) -> None:
    service.running.fault(route="POST .*createOrGet", times=1, **fault)
    with pytest.raises(Later):
        await service.meeting(f"fails{fault}")
    made = await service.meeting(f"fails{fault}")
    assert await service.meeting(f"fails{fault}") == made
    assert [one["id"] for one in service.control("GET", "meetings")].count(made.id) == 1


# --- subscriptions


@pytest.mark.feature("F10.1")
async def test_a_subscription_brings_sealed_events_that_our_keys_open(service: Service) -> None:
    made = await service.meeting("told")
    subscription = await service.client.subscribe(TENANT, made.join_url, service.wish())
    assert [one["id"] for one in service.living()] == [subscription.id]
    service.teams(f"meetings/{made.id}/join", **{"as": None, "name": "Pat Quillfeather"})
    item = await service.told()
    assert item["clientState"] == "key.proof"
    happened = roster.read(service.keys.open(sealed(item)))
    assert [(seen.presence, seen.name) for seen in happened.seen] == [("lobby", "Pat Quillfeather")]


async def test_a_second_subscription_takes_the_first_over(service: Service) -> None:
    made = await service.meeting("conflict")
    first = await service.client.subscribe(TENANT, made.join_url, service.wish())
    later = service.end + timedelta(hours=2)
    second = await service.client.subscribe(TENANT, made.join_url, service.wish(expires=later))
    assert (second.id, second.expires, len(service.living())) == (first.id, later, 1)


async def test_a_renewed_subscription_seals_for_the_new_certificate_and_the_old_events_still_open(
    service: Service,
) -> None:
    """Two keys live: what was sealed before the renewal is opened by the old one."""
    made = await service.meeting("rotated")
    subscription = await service.client.subscribe(TENANT, made.join_url, service.wish())
    pat = service.teams(f"meetings/{made.id}/join", **{"as": None, "name": "Pat"})
    before = await service.told()
    ring = NotificationKeys((("n2", pem("n2")), ("n1", pem("n1"))))
    renewed = await service.client.renew(TENANT, subscription.id, service.wish(ring.current))
    assert renewed
    service.teams(f"participants/{pat['participant']}/leave")
    after = await service.told()
    named = [item["encryptedContent"]["encryptionCertificateId"] for item in (before, after)]
    assert named == ["n1", "n2"]
    assert [roster.read(ring.open(sealed(item))).seen[0].presence for item in (before, after)] == ["lobby", "left"]


async def test_a_subscription_that_is_gone_is_not_renewed_and_not_missed(service: Service) -> None:
    made = await service.meeting("gone")
    subscription = await service.client.subscribe(TENANT, made.join_url, service.wish())
    for _ in range(2):
        await service.client.unsubscribe(TENANT, subscription.id)
    assert service.living() == []
    assert await service.client.renew(TENANT, subscription.id, service.wish()) is None


async def test_over_the_quota_it_waits_and_alarms(service: Service, caplog: Any) -> None:
    made = await service.meeting("quota")
    service.control("PATCH", "settings", subscription_quota=0)
    with pytest.raises(Later) as later:
        await service.client.subscribe(TENANT, made.join_url, service.wish())
    assert later.value.after == PEOPLE_MEND_IT
    assert "graph status=403" in caplog.text


@pytest.mark.parametrize("trouble", [{"notification_url": "https://127.0.0.1:1/"}, {"client_state": "x" * 129}])
async def test_what_graph_refuses_is_an_alarm_and_tried_again(service: Service, trouble: Any, caplog: Any) -> None:
    made = await service.meeting("refused")
    with pytest.raises(Later):
        await service.client.subscribe(TENANT, made.join_url, service.wish(**trouble))
    assert "graph status=400" in caplog.text
    assert service.living() == []


# --- attendance


@pytest.mark.feature("F10.4")
async def test_attendance_has_each_stay_of_staff_and_guests(service: Service) -> None:
    made = await service.meeting("attended")
    assert await service.client.attendance(TENANT, ROOMS, made.id) == []
    paula = service.teams(f"meetings/{made.id}/join", **{"as": "paula"})
    if paula["state"] == "lobby":
        service.teams(f"participants/{paula['participant']}/admit")
    service.control("POST", f"meetings/{made.id}/close")
    service.control("PATCH", "settings", report_minutes=0.0)
    [record] = await service.client.attendance(TENANT, ROOMS, made.id)
    assert (record.oid, len(record.intervals)) == (world.USERS["paula"].oid, 1)
    joined, left = record.intervals[0]
    assert joined <= left


# --- tokens


async def test_an_app_that_entra_does_not_know_waits_and_alarms(running: Any, caplog: Any) -> None:
    async with opened(running, tokens(running, client="a0000000-0000-4000-8000-00000000dead")) as client:
        with pytest.raises(Later) as later:
            await client.unsubscribe(TENANT, "s")
    assert later.value.peer == "entra"
    assert "graph token refused" in caplog.text


@pytest.mark.parametrize("fault", [{"do": "status", "status": 503}, {"do": "drop"}, {"do": "status", "status": 500}])
async def test_with_entra_in_trouble_it_waits(running: Any, start_peer: Any, fault: Any) -> None:
    start_peer("entra").fault(route="POST .*/token", **fault)
    async with opened(running, tokens(running)) as client:
        with pytest.raises(Later):
            await client.unsubscribe(TENANT, "s")


async def test_with_nobody_at_entras_address_it_waits_a_few_seconds_only(running: Any) -> None:
    nowhere = f"https://127.0.0.1:{running.plan.ports['portal']}"
    async with opened(running, tokens(running, authority=nowhere)) as client, asyncio.timeout(10):
        with pytest.raises(Later):
            await client.unsubscribe(TENANT, "s")


@pytest.mark.feature("F12.10")
async def test_nothing_of_a_call_is_logged(service: Service, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    made = await service.meeting("quiet")
    with pytest.raises(Later):
        await service.meeting("policy", NOBODY)
    assert made.join_url not in caplog.text
    assert "eyJ" not in caplog.text  # how every token begins
    assert made.join_url not in repr(made)
    assert "key.proof" not in repr(service.wish())


def sealed(item: dict[str, Any]) -> dict[str, str]:
    content = item["encryptedContent"]
    return {
        "certificate_id": content["encryptionCertificateId"],
        "data_key": content["dataKey"],
        "data_signature": content["dataSignature"],
        "data": content["data"],
    }
