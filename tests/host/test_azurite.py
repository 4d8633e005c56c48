"""The storage emulator's launcher, and the host against it in identity mode."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import jwt
import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.storage.queue import QueueServiceClient

from sandbox import node, plan
from tests.host.conftest import Process, Stage, elsewhere, eventually, run_azurite, running, spare

STS = "https://sts.windows.net/0f0f0f0f-0000-4000-8000-000000000001/"


def token() -> str:
    """Azurite looks at issuer, audience and dates, not at the signature."""
    now = int(time.time())
    claims = {"iss": STS, "aud": "https://storage.azure.com", "iat": now, "nbf": now - 60, "exp": now + 3600}
    return jwt.encode(claims, "a" * 32, "HS256")


class Static:
    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken(token(), int(time.time()) + 3600)

    def close(self) -> None: ...


@pytest.fixture
def identity(world: plan.Plan, tmp_path: Path) -> Iterator[plan.Plan]:
    made = elsewhere(world, tmp_path, identity=True)
    with running(run_azurite(made)) as process:
        ports = " ".join(str(spare(world, n)) for n in range(3))
        assert process.wait_ready() == f"READY azurite {ports} pid {process.popen.pid}"
        yield made
        assert process.stop() == 0


@pytest.fixture
async def tokens(world: plan.Plan) -> AsyncIterator[list[dict[str, str]]]:
    """App Service's identity endpoint; what it was asked."""
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append({**request.query, "header": request.headers["X-IDENTITY-HEADER"]})
        granted = {"access_token": token(), "expires_on": str(int(time.time()) + 3600)}
        return web.json_response({**granted, "resource": request.query["resource"], "token_type": "Bearer"})

    app = web.Application()
    app.router.add_get("/msi/token", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", spare(world, 3)).start()
    yield asked
    await runner.cleanup()


async def test_the_host_reads_a_queue_with_the_apps_identity(world, identity, tokens, stage: Stage, tmp_path):
    url, ca = identity.urls["queue"], str(identity.path("ca"))
    stage.world = identity
    stage.queues.close()
    stage.queues = QueueServiceClient(url, Static(), connection_verify=ca)
    stage.queue = stage.queues.create_queue(stage.queue_name)
    stage.put(b"hello")
    host = stage.start(
        Work="",
        Work__queueServiceUri=url,
        Work__clientId="the-client-id",
        IDENTITY_ENDPOINT=f"http://127.0.0.1:{spare(world, 3)}/msi/token",
        IDENTITY_HEADER="the-header",
    )
    await asyncio.to_thread(host.wait_ready)
    await asyncio.to_thread(eventually, lambda: stage.seen("end"))
    assert tokens[0]["resource"] == "https://storage.azure.com"
    assert (tokens[0]["client_id"], tokens[0]["header"]) == ("the-client-id", "the-header")


def test_a_taken_port_is_an_error_that_says_which(world, azurite):
    second = Process(
        "sandbox.azurite",
        output=Path(world.folder) / "second.log",
        env={"SANDBOX_PLAN": str(Path(world.folder) / "plan.json")},
    )
    assert second.wait() == 1
    ports = world.ports
    assert (
        second.text
        == f"azurite: port {ports['blob']} (blob), {ports['queue']} (queue), {ports['table']} (table) is taken\n"
    )


def test_azurite_goes_when_its_parent_is_killed(world, tmp_path):
    own = elsewhere(world, tmp_path)
    process = run_azurite(own)
    process.wait_ready()
    (child,) = _children(process.popen.pid)
    assert os.getpgid(child) == child
    process.popen.send_signal(signal.SIGKILL)
    process.wait()
    eventually(lambda: not Path(f"/proc/{child}").exists())


def test_what_was_stored_is_there_after_a_restart(world, tmp_path):
    own = elsewhere(world, tmp_path)
    for ask in ("create_queue", "delete_queue"):
        with running(run_azurite(own)) as process:
            process.wait_ready()
            with QueueServiceClient.from_connection_string(own.storage_connection) as queues:
                getattr(queues, ask)("kept")
            assert process.stop() == 0


def test_a_second_install_does_nothing():
    node.ensure()
    before = (node.HERE / "node_modules").stat().st_mtime_ns
    node.ensure()
    assert (node.HERE / "node_modules").stat().st_mtime_ns == before


def test_the_lock_names_integrity_and_no_address():
    lock = (node.HERE / "package-lock.json").read_text()
    assert '"integrity"' in lock
    assert "resolved" not in lock


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in listed.split()]
