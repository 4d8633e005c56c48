"""What a step of the demo has at hand: the running stack, the clock, the far sides, its checks.

`facts` carries what one step learnt to the next (a link, an id). A step says what it saw with `check`.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from sandbox import clock, plan, storage
from sandbox.demo.report import Check
from sandbox.stack import Stack

EVENTUALLY_SECONDS = 20.0
LOOK_EVERY_SECONDS = 0.2


class Scene:
    """One run of the demo. `http` is an aiohttp session that trusts the sandbox's CA and keeps no cookies."""

    def __init__(
        self, stack: Stack, http: aiohttp.ClientSession, tables: TableServiceClient, queues: QueueServiceClient
    ) -> None:
        self.stack = stack
        self.plan: plan.Plan = stack.plan
        self.http = http
        self.tables = tables
        self.queues = queues
        self.facts: dict[str, Any] = {}
        self.checks: list[Check] = []
        self.on_check: Callable[[Check], None] = lambda _: None

    def check(self, expected: str, where: str, found: object, *, ok: bool, wanted: object = "") -> bool:
        """Report one look at the far side. Say no number, name, CSN or token in any of them."""
        seen = Check(expected, where, _said(found), ok, _said(wanted))
        self.checks.append(seen)
        self.on_check(seen)
        return ok

    def equal(self, expected: str, where: str, found: object, wanted: object) -> bool:
        """Report whether what was found is exactly what was wanted."""
        return self.check(expected, where, found, ok=found == wanted, wanted=wanted)

    def holds(self, expected: str, where: str, *, ok: bool) -> bool:
        """Report a yes or no about something that is better not shown."""
        return self.check(expected, where, "yes" if ok else "no", ok=ok, wanted="yes")

    def now(self) -> datetime:
        """The sandbox's present."""
        return clock.now(self.plan.path("clock"))

    def move(self, by: timedelta) -> None:
        """Let time pass for the app and for every stand-in."""
        clock.move(self.plan.path("clock"), by)

    def move_to(self, when: datetime) -> None:
        """Let time pass until `when`; never backwards."""
        self.move(max(when - self.now(), timedelta()))

    async def seen(self, peer: str, kind: str | None = None) -> list[dict[str, Any]]:
        """What reached a stand-in, oldest first."""
        return await seen(self.http, self.plan, peer, kind)

    async def fault(self, peer: str, **fault: Any) -> None:
        """Make a stand-in misbehave (see sandbox.peer.Fault)."""
        async with self.http.post(f"{self.plan.urls[peer]}/_sandbox/faults", json=fault) as answer:
            answer.raise_for_status()

    async def behave(self, peer: str) -> None:
        """Take a stand-in's faults back."""
        async with self.http.delete(f"{self.plan.urls[peer]}/_sandbox/faults") as answer:
            answer.raise_for_status()

    async def token(self, user: str) -> str:
        """An access token for the API, for a user of the world by key (adam, ana, olivia, ...)."""
        return await token(self.http, self.plan, user)

    async def run_timer(self, name: str) -> None:
        """Run one of the main app's timers and wait for its end, through the host's admin endpoint."""
        await run_timer(self.http, self.plan, name)


def _said(value: object) -> str:
    return value.isoformat(" ", "minutes") if isinstance(value, datetime) else str(value)


async def eventually[T](
    look: Callable[[], Awaitable[T]], good: Callable[[T], bool], within: float = EVENTUALLY_SECONDS
) -> T:
    """Look until `good` says yes or the time (real seconds) is up; returns the last thing seen, good or not."""
    deadline = time.monotonic() + within
    while True:
        found = await look()
        if good(found) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def client(here: plan.Plan) -> aiohttp.ClientSession:
    """A session that trusts the sandbox's CA and nothing else; every call ends within 30 s."""
    tls = ssl.create_default_context(cafile=str(here.path("ca")))
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls),
        timeout=aiohttp.ClientTimeout(total=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


async def seen(
    http: aiohttp.ClientSession, here: plan.Plan, peer: str, kind: str | None = None
) -> list[dict[str, Any]]:
    """What reached a stand-in, oldest first; of one kind, or all."""
    params = {"kind": kind} if kind else {}
    async with http.get(f"{here.urls[peer]}/_sandbox/seen", params=params) as answer:
        answer.raise_for_status()
        entries: list[dict[str, Any]] = await answer.json()
        return entries


async def token(http: aiohttp.ClientSession, here: plan.Plan, user: str) -> str:
    """An access token for the API, as the portal would get it for a user of the world (by key)."""
    async with http.get(f"{here.urls['entra']}/_sandbox/token", params={"user": user}) as answer:
        answer.raise_for_status()
        return str((await answer.json())["token"])


async def run_timer(http: aiohttp.ClientSession, here: plan.Plan, name: str) -> None:
    """Run a timer of the main app and wait for its end; `aiohttp.ClientResponseError` if there is none or it failed."""
    headers = {"x-functions-key": here.keys["master"]}
    url = f"{here.urls['app']}/admin/functions/{name}?wait=1"
    async with http.post(url, json={}, headers=headers) as answer:
        answer.raise_for_status()


@contextlib.asynccontextmanager
async def opened(stack: Stack) -> AsyncIterator[Scene]:
    """A scene on a running stack."""
    async with client(stack.plan) as http, storage.tables(stack.plan) as tables, storage.queues(stack.plan) as queues:
        yield Scene(stack, http, tables, queues)
