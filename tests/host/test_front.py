"""The TLS front of `hl7`, asked with certificates it has never heard of; behind it a plain HTTP server."""

import base64
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from sandbox import plan
from tests.host.conftest import Process, eventually, running, spare


def run_front(world: plan.Plan, output: Path) -> Process:
    env = {"SANDBOX_PLAN": str(Path(world.folder) / "plan.json")}
    return Process("sandbox.front", output=output, env=env)


@pytest.fixture(scope="module")
def front(world: plan.Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running(run_front(world, tmp_path_factory.mktemp("front") / "front.log")) as process:
        process.wait_ready()
        yield process
        assert process.stop() == 0


@pytest.fixture
async def behind(world: plan.Plan) -> AsyncIterator[list[web.Request]]:
    """What arrives at the host's port; the body's length comes back, and two cookies."""
    arrived: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        arrived.append(request)
        response = web.Response(status=202, text=str(len(await request.read())))
        response.headers.extend([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return response

    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", world.ports["hl7_host"]).start()
    yield arrived
    await runner.cleanup()


def tls(world: plan.Plan, who: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(world.path("ca")))
    if who:
        context.load_cert_chain(world.path(f"{who}_cert"), world.path(f"{who}_key"))
    return context


def der(world: plan.Plan, who: str) -> str:
    return base64.b64encode(ssl.PEM_cert_to_DER_cert(world.path(f"{who}_cert").read_text())).decode()


async def post(world: plan.Plan, who: str | None, data: object = b"MSH", path: str = "/hl7/x?y=1", **headers: str):
    async with (
        aiohttp.ClientSession() as session,
        session.post(world.urls["hl7"] + path, data=data, headers=headers, ssl=tls(world, who)) as answer,
    ):
        return answer.status, await answer.text(), answer.headers


async def test_without_a_certificate_nobody_gets_in(world, front, behind):
    status, _, _ = await post(world, None)
    assert (status, behind) == (403, [])


@pytest.mark.parametrize("who", ["engine", "stranger", "expired"])
async def test_any_certificate_passes_and_is_handed_on_whole(world, front, behind, who):
    status, body, headers = await post(world, who)
    (request,) = behind
    assert (status, body) == (202, "3")
    assert request.headers.getall("X-ARR-ClientCert") == [der(world, who)]
    assert request.raw_path == "/hl7/x?y=1"
    assert headers.getall("Set-Cookie") == ["a=1", "b=2"]


async def test_a_forged_certificate_header_is_replaced(world, front, behind):
    forged = {"x-arr-clientcert": der(world, "engine"), "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "http"}
    await post(world, "stranger", **forged)
    headers = behind[0].headers
    assert headers.getall("X-ARR-ClientCert") == [der(world, "stranger")]
    assert headers.getall("X-Forwarded-Proto") == ["https"]
    assert headers["X-Forwarded-For"].startswith("10.0.0.1, 127.0.0.1:")
    assert headers["Host"] == f"localhost:{world.ports['hl7']}"


async def test_a_certificate_without_its_key_proves_nothing(world):
    """The client's own library refuses such a pair, so nobody can present a pinned certificate that leaked."""
    context = tls(world)
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        context.load_cert_chain(world.path("engine_cert"), world.path("stranger_key"))


async def test_a_large_body_streams_through(world, front, behind):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(256 * 1024)

    status, body, _ = await post(world, "engine", pieces())
    assert (status, body) == (202, str(16 * 1024**2))
    assert behind[0].headers["Transfer-Encoding"] == "chunked"


async def test_a_host_that_is_away_is_503(world, front):
    assert (await post(world, "engine"))[0] == 503


async def test_a_second_request_on_the_same_session_carries_the_certificate_too(world, front, behind):
    context = tls(world, "engine")
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.post(world.urls["hl7"], ssl=context, headers={"Connection": "close"}) as answer:
                assert answer.status == 202
    assert [request.headers["X-ARR-ClientCert"] for request in behind] == [der(world, "engine")] * 2


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_1_1_is_refused(world, front):
    context = tls(world, "engine")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    address = ("127.0.0.1", world.ports["hl7"])
    with (
        socket.create_connection(address, 5) as plain,
        pytest.raises(ssl.SSLError),
        context.wrap_socket(plain, server_hostname="localhost"),
    ):
        pass


async def test_nothing_of_a_request_is_logged(world, front, behind):
    await post(world, "engine", path="/hl7/s3cr3t?token=s3cr3t")
    assert front.text.splitlines() == [front.wait_ready()]


def test_a_taken_port_is_an_error_that_says_which(world, front, tmp_path):
    second = run_front(world, tmp_path / "front.log")
    assert second.wait() == 1
    assert second.text == f"front: port {world.ports['hl7']} (hl7) is taken\n"
    assert front.popen.poll() is None


def test_node_goes_when_its_parent_is_killed(world, tmp_path):
    free = {**world.ports, "hl7": spare(world, 4)}
    own = plan.Plan(str(tmp_path), free, world.urls, world.files)
    own.save()
    process = run_front(own, tmp_path / "front.log")
    assert process.wait_ready() == f"READY front {free['hl7']} pid {process.popen.pid}"
    process.popen.send_signal(signal.SIGKILL)
    process.wait()
    eventually(lambda: _is_free(free["hl7"]))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
