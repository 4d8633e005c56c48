"""A far side: an https server on loopback that answers what a test says and keeps what reached it."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from sandbox import ca
from sandbox import plan as sandbox_plan
from sandbox.peer import server_tls
from shared.clients.addresses import Guarded
from shared.clients.outbound import Lookup, Outbound
from shared.clock import Clock

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class MovedClock(Clock):
    """Real time that a test moves."""

    moved: list[timedelta] = field(default_factory=list)

    def real(self) -> datetime:
        return datetime.now(UTC) + sum(self.moved, timedelta())

    def move(self, by: timedelta) -> None:
        self.moved.append(by)


class FarSide:
    """`answers[path]` is a handler, or what to answer as JSON; `seen` are the paths that were asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Handler | Any] = {}
        self.seen: list[str] = []
        self.requests: list[web.Request] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path)
        self.requests.append(request)
        await request.read()
        answer = self.answers.get(request.path)
        if answer is None:
            raise web.HTTPNotFound
        return await answer(request) if callable(answer) else web.json_response(answer)

    def outbound(self, lookup: Lookup | None = None, *, loopback: bool = True) -> Outbound:
        """A guarded way out that may call this server."""
        return Outbound(Guarded(frozenset({443, self.port}), (LOOPBACK,) if loopback else ()), lookup or loopback_only)


async def loopback_only(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> sandbox_plan.Plan:
    world = sandbox_plan.make(tmp_path_factory.mktemp("clients"), 7720)
    ca.make(world)
    return world


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def far(certificates: sandbox_plan.Plan, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarSide]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.path("ca")))
    side = FarSide()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", side.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls(certificates))
    await site.start()
    side.port = runner.addresses[0][1]
    yield side
    await runner.cleanup()
    await asyncio.sleep(0.1)  # TLS says goodbye a moment later; else the closing loop finds open transports


@pytest.fixture
async def outbound(far: FarSide) -> AsyncIterator[Outbound]:
    way = far.outbound()
    yield way
    await way.close()
