"""The routes for Event Grid and for held texts: who may knock, and what each gets."""

import json
from typing import Any

import azure.functions as func
import pytest

from functions import sms
from shared import access, api
from shared.clients.entra import Caller
from shared.errors import Later
from shared.storage.names import Queue
from shared.workflows import texts
from tests.conftest import Store
from tests.unit.workflows.text_world import CONNECTION, World, order

URL = "https://app.example/sms/events"


class People:
    """Who signs in; tests/contract asks the real checks."""

    roles: frozenset[str] = frozenset({"ConfigAdmin"})
    tenant = "1a1a1a1a-0000-4000-8000-000000000002"

    async def check(self, _: str) -> Caller:
        return Caller(self.tenant, "c0000000-0000-4000-8000-000000000002", self.roles, frozenset(), False, "portal")


@pytest.fixture
async def world(store: Store, monkeypatch: pytest.MonkeyPatch) -> World:
    made: Any = World(store)
    made.access = People()
    made.set(event_grid_secret="event-grid-secret")
    await made.connect()
    await made.book()
    for module in (sms, access, api):
        monkeypatch.setattr(module, "deps", lambda: made)
    return made


async def ask(route: Any, method: str, body: Any = None, **more: Any) -> func.HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = func.HttpRequest(method, URL, body=raw, **more)
    answer: func.HttpResponse = await route.build().get_user_function()(request)
    return answer


async def events(body: Any, code: str = "event-grid-secret") -> func.HttpResponse:
    return await ask(sms.sms_events, "POST", body, params={"code": code})


def error_code(answer: func.HttpResponse) -> Any:
    return json.loads(answer.get_body())["code"]


async def test_the_handshake_is_answered_at_once(world: World) -> None:
    data = {"validationCode": "CODE", "validationUrl": "https://elsewhere.example/"}
    answer = await events([{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": data}])
    assert (answer.status_code, json.loads(answer.get_body())) == (200, {"validationResponse": "CODE"})


async def test_unknown_events_are_taken_so_that_nobody_repeats_them(world: World) -> None:
    answer = await events([{"eventType": "Microsoft.Communication.Something", "data": {}}])
    assert (answer.status_code, await world.queued(Queue.SMS_RECEIPTS)) == (202, [])


@pytest.mark.parametrize(
    ("body", "secret", "status", "word"),
    [
        ([], "wrong", 401, "token-refused"),
        ([], "", 401, "token-missing"),
        (b"{", "event-grid-secret", 400, "body-unreadable"),
        (b"[" + b" " * 1_200_000 + b"]", "event-grid-secret", 413, "body-too-large"),
    ],
)
async def test_what_is_refused_says_why(world: World, body: Any, secret: str, status: int, word: str) -> None:
    answer = await events(body, secret)
    assert (answer.status_code, error_code(answer)) == (status, word)


async def test_a_queue_that_takes_nothing_is_503(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise Later("storage")

    monkeypatch.setattr(world.queues, "put", away)
    answer = await events([])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


@pytest.mark.parametrize(
    ("origin", "allowed"), [("eventgrid.azure.net", "eventgrid.azure.net"), ("elsewhere.example", None)]
)
async def test_only_event_grid_is_allowed_to_send_cloud_events(world: World, origin: str, allowed: str | None) -> None:
    answer = await ask(sms.sms_events_allowed, "OPTIONS", headers={"WebHook-Request-Origin": origin})
    assert (answer.status_code, answer.headers.get("WebHook-Allowed-Origin")) == (200, allowed)


async def held(world: World, method: str, body: Any = None) -> func.HttpResponse:
    route = sms.show_held_texts if method == "GET" else sms.decide_held_texts
    signed_in = {"Authorization": "Bearer token"}
    return await ask(route, method, body, headers=signed_in, route_params={"connection": CONNECTION})


async def test_the_administrator_sees_and_releases_what_is_held(world: World) -> None:
    await world.connect(hourly_brake=0)
    await texts.send(order(), world)
    shown = json.loads((await held(world, "GET")).get_body())
    assert (shown["count"], shown["items"][0]["kind"]) == (1, "confirmation")
    assert json.loads((await held(world, "POST", {"decision": "release"})).get_body()) == {"count": 1}
    [again] = await world.queued(Queue.SMS_OUTBOUND)
    await texts.send(again, world)
    assert (len(world.sms.phones), json.loads((await held(world, "GET")).get_body())["count"]) == (1, 0)


@pytest.mark.parametrize(
    ("body", "who", "status"),
    [
        ({"decision": "burn"}, {}, 422),
        ({}, {}, 422),
        ({"decision": "drop"}, {"roles": frozenset({"Approver"})}, 403),
        ({"decision": "drop"}, {"tenant": "2b2b2b2b-0000-4000-8000-000000000003"}, 404),
    ],
)
async def test_nobody_else_and_nothing_else_decides(world: World, body: Any, who: Any, status: int) -> None:
    await world.connect(hourly_brake=0)
    await texts.send(order(), world)
    for name, value in who.items():
        setattr(world.access, name, value)
    assert (await held(world, "POST", body)).status_code == status
    assert await world.state(order()) == "held"
