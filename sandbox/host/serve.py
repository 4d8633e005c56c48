"""Start everything, watch it, stop it."""

import asyncio
import importlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox import plan
from sandbox.host import names, settings, triggers, worker
from sandbox.host.connections import Connections
from sandbox.host.http_trigger import HttpListener
from sandbox.host.queue_trigger import QueueListener
from sandbox.host.settings import AZURE_LEASE, HostSettings
from sandbox.host.timer_trigger import TimerListener
from sandbox.peer import server_tls

DRAIN_SECONDS = 10.0
log = logging.getLogger("sandbox.host")


class ListenerDied(Exception):
    """A listener ended on its own; the host must not go on without it."""


@dataclass(frozen=True)
class App:
    """The loaded app: all its functions' names, the listeners to run, its HTTP side."""

    names: list[str]
    listeners: list[QueueListener | TimerListener]
    http: HttpListener


async def serve(app_dir: Path, port: int, *, tls: bool) -> bool:
    """Run the app until SIGTERM or SIGINT; whether all that was running could finish.

    Raises:
        IndexingError, Refused: the app cannot be started as asked.
        ListenerDied: a listener ended; everything else has been stopped.
        OSError: the port is taken.
    """
    stopping = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    found = settings.read(app_dir)
    if tls and "SANDBOX_PLAN" not in os.environ:
        raise settings.Refused("--tls takes its certificate from SANDBOX_PLAN, which is not set")
    if "SANDBOX_PLAN" in os.environ:
        names.install(plan.load().path("names"))
    worker.start_threads()
    functions = await worker.index(app_dir)
    if found.fault:
        importlib.import_module("sandbox.demo.breaks").install(found.fault)
    async with Connections() as connections:
        app = _build(functions, found, connections, stopping)
        return await _run(app, port, stopping, tls=tls)


def _build(
    functions: list[worker.Function], found: HostSettings, connections: Connections, stopping: asyncio.Event
) -> App:
    on: list[QueueListener | TimerListener] = []
    routes: list[triggers.HttpTrigger] = []
    timers: dict[str, TimerListener] = {}
    for function in functions:
        trigger, disabled = triggers.read(function, found.route_prefix), settings.is_disabled(function.name)
        if disabled:
            log.info("%s is disabled", function.name)
        match trigger:
            case triggers.TimerTrigger():
                timer = TimerListener(trigger, stopping, scheduled=found.schedules_run and not disabled)
                timers[function.name.lower()] = timer
                on.append(timer)
            case triggers.QueueTrigger() if not disabled:
                on.append(QueueListener(trigger, found.queues, connections, stopping))
            case triggers.HttpTrigger() if not disabled:
                routes.append(trigger)
    if found.queues.lease != AZURE_LEASE:
        log.info("queue lease shortened to %d s (Azure: 600 s)", found.queues.lease.total_seconds())
    names = [function.name for function in functions]
    return App(names, on, HttpListener(routes, found, timers, {name.lower() for name in names}))


async def _run(app: App, port: int, stopping: asyncio.Event, *, tls: bool) -> bool:
    runner = app.http.runner(DRAIN_SECONDS)
    await runner.setup()
    tasks = [asyncio.create_task(listener.run(), name=listener.name) for listener in app.listeners]
    try:
        await _until(_all_started(app.listeners), tasks, stopping)
        if not stopping.is_set():
            await _open(runner, port, tls=tls)
            sys.stdout.write(f"READY host {port} pid {os.getpid()} [{' '.join(app.names)}]\n")
            sys.stdout.flush()
        await _until(stopping.wait(), tasks, stopping)
        return await _drain(runner, [*tasks, *app.http.admin_runs])
    finally:
        await _cancel(tasks)


async def _open(runner: web.AppRunner, port: int, *, tls: bool) -> None:
    context = server_tls(plan.load()) if tls else None
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()


async def _all_started(listeners: Iterable[QueueListener | TimerListener]) -> None:
    for listener in listeners:
        await listener.started.wait()


async def _until(moment: Coroutine[Any, Any, object], tasks: list[asyncio.Task[None]], stopping: asyncio.Event) -> None:
    """Wait for `moment` or a stop; a listener that ends before them is fatal."""
    awaited = asyncio.create_task(moment)
    done, _ = await asyncio.wait([awaited, *tasks], return_when=asyncio.FIRST_COMPLETED)
    if awaited in done or stopping.is_set():
        awaited.cancel()
        return
    dead = next(task for task in tasks if task in done)
    raise ListenerDied(f"listener {dead.get_name()} died: {dead.exception()!r}")


async def _drain(runner: web.AppRunner, running: Iterable[asyncio.Task[Any]]) -> bool:
    """Take nothing new, let what runs finish; False when time was up first."""
    closing = asyncio.create_task(runner.cleanup())
    _, late = await asyncio.wait([closing, *running], timeout=DRAIN_SECONDS)
    return not late


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
