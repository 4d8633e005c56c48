"""CORS as App Service has it in front of the app: see sandbox/host/cors.py for what is known of it."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sandbox.host import cors

PORTAL = "https://portal.example"
ASKS = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match"}


async def app(_: web.Request) -> web.Response:
    """An app that would let anybody in, and shows a header."""
    return web.Response(text="hello", headers={"Access-Control-Allow-Origin": "*", "ETag": '"1"'})


@pytest.fixture
async def served():
    site = web.Application()
    site.router.add_route("*", "/{path:.*}", cors.behind((PORTAL,), app))
    async with TestClient(TestServer(site)) as client:
        yield client


def told(answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


async def test_a_preflight_of_the_portal_is_answered_before_the_app(served):
    answer = await served.options("/x", headers={"Origin": PORTAL, **ASKS})
    assert answer.status == 204
    assert told(answer) == {
        "Access-Control-Allow-Origin": PORTAL,
        "Access-Control-Allow-Methods": "PUT",
        "Access-Control-Allow-Headers": "authorization,if-match",
    }


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://portal.example", "https://portal.example.evil", "null"]
)
async def test_another_origin_is_told_nothing(served, origin: str):
    assert told(await served.options("/x", headers={"Origin": origin, **ASKS})) == {}
    assert told(await served.get("/x", headers={"Origin": origin})) == {}


async def test_an_answer_names_the_origin_and_exposes_nothing(served):
    answer = await served.get("/x", headers={"Origin": PORTAL})
    assert told(answer) == {"Access-Control-Allow-Origin": PORTAL}
    assert answer.headers["Vary"] == "Origin"


async def test_without_an_origin_the_app_answers_as_ever(served):
    answer = await served.get("/x")
    assert (await answer.text(), told(answer)) == ("hello", {})


async def test_options_that_are_no_preflight_reach_the_app(served):
    assert await (await served.options("/x", headers={"Origin": PORTAL})).text() == "hello"


def test_an_app_without_the_setting_stands_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(cors.SETTING, raising=False)
    assert cors.behind(cors.allowed_origins(), app) is app
