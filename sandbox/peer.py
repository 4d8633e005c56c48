"""What the stand-ins have in common: they keep what reached them and can be told to misbehave.

A stand-in is one aiohttp application in one process, speaking https under the sandbox's CA. Beside the
routes of the service it imitates it answers, on the same port:

    GET    /_sandbox/seen[?kind=K]   what reached it, oldest first: [{"n", "at", "kind", ...facts}]
    GET    /_sandbox/faults          the faults in force
    POST   /_sandbox/faults          add one (see `Fault`)
    DELETE /_sandbox/faults          behave again

A stand-in refuses whatever the real service is known to refuse, and, where that is not known, refuses.
It keeps everything in memory and writes no request to a log: what it holds is a patient's.
"""

import asyncio
import os
import re
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from sandbox import clock, plan

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CONTROL = "/_sandbox/"


@dataclass
class Fault:
    """One way to misbehave, for requests whose `METHOD /path` matches `route` (a regular expression).

    do       status    answer `status` (503) with an empty JSON object
             throttle  answer 429 with Retry-After `retry_after`, which may be fractional
             delay     wait `seconds`, then answer as usual
             drop      close the connection before anything happened
             lost      do the work, then close the connection without an answer
             other words belong to one stand-in (repeat, reorder, ...), which asks `faults_for`
    times    how often; None = until deleted
    """

    route: str
    do: str
    status: int = 503
    retry_after: str | None = None
    seconds: float = 0.0
    times: int | None = None


class Peer:
    """A stand-in service: its routes, what it saw, its faults."""

    def __init__(self, name: str, world: plan.Plan) -> None:
        self.name = name
        self.plan = world
        self.url = world.urls[name]
        self.app = web.Application(middlewares=[self._misbehave], client_max_size=4 * 1024**2)
        self.log: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.app.router.add_get(CONTROL + "seen", self._seen)
        self.app.router.add_get(CONTROL + "faults", self._list_faults)
        self.app.router.add_post(CONTROL + "faults", self._add_fault)
        self.app.router.add_delete(CONTROL + "faults", self._clear_faults)

    def now(self) -> datetime:
        """The sandbox's present."""
        return clock.now(self.plan.path("clock"))

    def saw(self, kind: str, **facts: Any) -> None:
        """Remember that something reached this stand-in, accepted or refused."""
        self.log.append({"n": len(self.log), "at": self.now().isoformat(), "kind": kind, **facts})

    def faults_for(self, what: str, do: str) -> Fault | None:
        """The first fault of this kind for `what`; taking it uses it up once."""
        for fault in self.faults:
            if fault.do == do and re.search(fault.route, what):
                return self._use(fault)
        return None

    def _use(self, fault: Fault) -> Fault:
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
        return fault

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(CONTROL):
            return await handler(request)
        what = f"{request.method} {request.path}"
        for do in ("status", "throttle", "delay", "drop", "lost"):
            if fault := self.faults_for(what, do):
                return await self._act(fault, request, handler)
        return await handler(request)

    async def _act(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.saw("fault", do=fault.do, route=f"{request.method} {request.path}")
        if fault.do == "status":
            return web.json_response({}, status=fault.status)
        if fault.do == "throttle":
            return web.json_response({}, status=429, headers={"Retry-After": fault.retry_after or "1"})
        if fault.do == "delay":
            await asyncio.sleep(fault.seconds)
            return await handler(request)
        if fault.do == "lost":
            await handler(request)
        if request.transport is not None:
            request.transport.close()
        raise ConnectionResetError("fault")

    async def _seen(self, request: web.Request) -> web.Response:
        kind = request.query.get("kind")
        return web.json_response([entry for entry in self.log if kind in (None, entry["kind"])])

    async def _list_faults(self, _: web.Request) -> web.Response:
        return web.json_response([asdict(fault) for fault in self.faults])

    async def _add_fault(self, request: web.Request) -> web.Response:
        self.faults.append(Fault(**await request.json()))
        return web.json_response(len(self.faults), status=201)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.Response(status=204)


def server_tls(world: plan.Plan) -> ssl.SSLContext:
    """TLS as the sandbox's servers speak it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(world.path("server_cert"), world.path("server_key"))
    return context


def client_tls(world: plan.Plan) -> ssl.SSLContext:
    """TLS for a stand-in that calls out: it trusts the sandbox's CA and nothing else."""
    return ssl.create_default_context(cafile=str(world.path("ca")))


async def serve(peer: Peer) -> None:
    """Answer until SIGTERM; says READY when the port is open."""
    runner = web.AppRunner(peer.app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    port = peer.plan.ports[peer.name]
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=server_tls(peer.plan)).start()
    sys.stdout.write(f"READY {peer.name} {port} pid {os.getpid()}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await stop.wait()
    await runner.cleanup()
