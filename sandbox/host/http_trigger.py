"""HTTP functions and the admin endpoint, on one port.

What reaches the app is what the real host's gRPC conversion lets through: header names in lower case, repeated
headers and query values joined by a comma, empty query values dropped, one body of bytes.
"""

import asyncio
import hmac
import logging
import re
import time
from collections.abc import Mapping

from aiohttp import web

from sandbox.host import cors, rpc, worker
from sandbox.host.cookies import set_cookie
from sandbox.host.settings import HostSettings
from sandbox.host.timer_trigger import TimerListener
from sandbox.host.triggers import HttpTrigger

BODY_LIMIT = 100 * 1024**2  # FUNCTIONS_REQUEST_BODY_SIZE_LIMIT's default
_ADMIN = re.compile(r"/admin/functions/(?P<name>[\w-]+)", re.IGNORECASE)
#: The server writes these itself.
_OURS = {"content-length", "transfer-encoding", "connection"}
log = logging.getLogger("sandbox.host")


class HttpListener:
    """Answers every request of the app's port. Logs route templates and names only: never a path, a query, a
    header or a body."""

    def __init__(
        self, triggers: list[HttpTrigger], settings: HostSettings, timers: Mapping[str, TimerListener], known: set[str]
    ) -> None:
        self._triggers = sorted(triggers, key=lambda trigger: trigger.route.rank)
        self._master_key = settings.master_key
        self._timers = timers
        self._known = known
        self.admin_runs: set[asyncio.Task[bool]] = set()

    def runner(self, drain_seconds: float) -> web.AppRunner:
        """The server, not yet started; limits as Kestrel's. A compressed body is the app's own business."""
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", cors.behind(cors.allowed_origins(), self._answer))
        return web.AppRunner(
            app, access_log=None, shutdown_timeout=drain_seconds, auto_decompress=False, max_field_size=32 * 1024
        )

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if admin := _ADMIN.fullmatch(path):
            return await self._run_timer(request, admin["name"])
        for trigger in self._triggers:
            values = trigger.route.match(path)
            if values is not None and (not trigger.methods or request.method in trigger.methods):
                return await self._run(request, trigger, values)
        log.info("HTTP %s: no such route, 404", request.method)
        return web.Response(status=404)

    async def _run(self, request: web.Request, trigger: HttpTrigger, values: dict[str, str]) -> web.Response:
        started = time.monotonic()
        if trigger.level != "anonymous" and not self._is_master(request):
            response = web.Response(status=401)
        else:
            data = rpc.TypedData(http=await _to_worker(request, values))
            response = _from_worker(await worker.invoke(trigger.function, trigger.argument, data))
        took = round((time.monotonic() - started) * 1000)
        log.info("HTTP %s /%s -> %d in %d ms (%s)",
                 request.method, trigger.route.template, response.status, took, trigger.function.name)  # fmt: skip
        return response

    def _is_master(self, request: web.Request) -> bool:
        """The sandbox has no function keys: the master key opens everything, as on Azure."""
        given = request.headers.get("x-functions-key") or request.query.get("code", "")
        wanted = self._master_key or ""
        return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())

    async def _run_timer(self, request: web.Request, name: str) -> web.Response:
        """POST /admin/functions/<name>: 202 once it is under way. Sandbox only: `?wait=1` answers 200 or 500 when
        it has run. A disabled timer runs too, as on Azure."""
        if not self._is_master(request):
            return web.Response(status=401)
        if request.method != "POST" or name.lower() not in self._known:
            return web.Response(status=404)
        timer = self._timers.get(name.lower())
        if timer is None:
            return web.Response(status=400, text="the sandbox's host runs timers only")
        run = asyncio.create_task(timer.run_once())
        self.admin_runs.add(run)
        run.add_done_callback(self.admin_runs.discard)
        if request.query.get("wait") != "1":
            return web.Response(status=202)
        return web.Response(status=200 if await asyncio.shield(run) else 500)


async def _to_worker(request: web.Request, values: dict[str, str]) -> rpc.RpcHttp:
    headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
    query = {name: ",".join(request.query.getall(name)) for name in request.query}
    return rpc.RpcHttp(
        method=request.method,
        url=f"{request.scheme}://{request.host}{request.raw_path}",
        headers=headers,
        query={name: value for name, value in query.items() if value},
        params=values,
        body=rpc.TypedData(bytes=await request.read()),
    )


def _from_worker(outcome: worker.Outcome) -> web.Response:
    """An exception is a 500 without a body; a function may also return plain text."""
    if not outcome.succeeded or outcome.reply is None:
        return web.Response(status=500)
    if (answer := outcome.reply.http) is None:
        return web.Response(text=outcome.reply.string or "")
    response = web.Response(status=int(answer.status_code), body=answer.body.bytes)
    for name, value in answer.headers.items():
        if name.lower() not in _OURS:
            response.headers[name] = value
    for cookie in answer.cookies or ():
        response.headers.add("Set-Cookie", set_cookie(cookie))
    return response
