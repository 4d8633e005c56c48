"""HTTP functions through the host: what reaches the app, what comes back."""

import io
import ssl
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from sandbox import plan
from tests.host.conftest import MASTER_KEY, Process, Stage, spare


@pytest.fixture(scope="module")
def host(world: plan.Plan, azurite: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(world, tmp_path_factory.mktemp("http"), spare(world, 5))
    stage.ready(**{"AzureWebJobs.off.Disabled": "true"})
    yield stage
    stage.close()


@pytest.fixture
async def web(host: Stage) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(host.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.mark.parametrize(
    ("path", "by"),
    [("/echo/word", "echo"), ("/echo/known", "literal"), ("/ECHO/Known/", "literal"), ("/number/12", "number")],
)
async def test_the_most_exact_route_answers(web, path, by):
    async with web.get(path) as answer:
        assert (await answer.json())["by"] == by


@pytest.mark.parametrize("path", ["/", "/nowhere", "/number/twelve", "/number/1/2/3", "/echo", "/echo//", "/off"])
async def test_an_unknown_route_and_a_disabled_function_are_404_without_a_body(web, path):
    async with web.get(path) as answer:
        assert (answer.status, await answer.read()) == (404, b"")


async def test_a_method_the_function_does_not_take_is_404(web):
    async with web.delete("/echo/word") as answer:
        assert answer.status == 404


async def test_head_answers_with_headers_and_no_body(web):
    async with web.head("/echo/word") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_the_app_gets_what_the_worker_protocol_carries(web):
    headers = [("X-Mixed-Case", "a"), ("X-Mixed-Case", "b")]
    async with web.post("/echo/a%2Fb%20c?x=1&x=2&empty=", data=b"\x00\xff", headers=headers) as answer:
        seen = await answer.json()
    assert seen["headers"]["x-mixed-case"] == "a,b"
    assert seen["query"] == {"x": "1,2"}
    assert seen["route"] == {"word": "a%2Fb c"}
    assert seen["body"] == "00ff"
    assert seen["url"].endswith("/echo/a%2Fb%20c?x=1&x=2&empty=")


async def test_optional_route_parts_may_be_missing(web):
    async with web.get("/number/7/tail") as full, web.get("/number/7") as short:
        assert [(await one.json())["route"] for one in (full, short)] == [{"n": "7", "rest": "tail"}, {"n": "7"}]


async def test_every_cookie_keeps_every_attribute(web):
    async with web.get("/cookies") as answer:
        assert answer.headers.getall("Set-Cookie") == [
            "__Host-a=1; max-age=60; path=/; secure; samesite=none; httponly",
            "b=2; expires=Sat, 01 Jan 2050 00:00:00 GMT; domain=example.org; path=/x; samesite=strict",
            "c=x%2By; max-age=0; path=/",
        ]


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("wrong", 401), (MASTER_KEY, 200)])
async def test_a_keyed_function_wants_the_key(web, key, status):
    headers = {"x-functions-key": key} if key else {}
    async with web.get("/keyed", headers=headers) as answer:
        assert answer.status == status


async def test_an_exception_is_500_without_a_body_and_in_the_log(web, host):
    async with web.get("/broken") as answer:
        assert (answer.status, await answer.read()) == (500, b"")
    assert "ValueError: what went wrong" in host.hosts[0].text


async def test_a_body_above_the_limit_is_413(web):
    async with web.post("/echo/word", data=io.BytesIO(bytes(100 * 1024**2 + 1))) as answer:
        assert answer.status == 413


async def test_the_log_names_the_route_and_never_what_came_in(web, host):
    secret = "s3cr3t"
    url = f"/echo/{secret}?token={secret}"
    async with web.post(url, data=secret, headers={"Authorization": secret}) as answer:
        assert secret in await answer.text()
    assert "HTTP POST /echo/{word} -> 200" in host.hosts[0].text
    assert secret not in host.hosts[0].text


async def test_tls_speaks_with_the_plans_certificate(stage, world):
    stage.ready("--tls")
    context = ssl.create_default_context(cafile=str(world.path("ca")))
    url = f"https://localhost:{stage.port}/echo/x"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as answer:
        assert (await answer.json())["url"] == url


def test_the_ready_line_names_port_pid_and_functions(host):
    line = host.hosts[0].wait_ready()
    start, _, names = line.partition(" [")
    assert start == f"READY host {host.port} pid {host.hosts[0].popen.pid}"
    assert {"echo", "work", "tick"} < set(names.rstrip("]").split())
