"""Event Grid: hands events to webhooks, at least once and in no order.

Acknowledgement, tries and dead letters as microsoft-apis.md section 3 says; only the waits between tries are
shorter here. Faults, for routes `EVENT <last part of the event type>`: repeat (deliver twice), reorder (keep back
until the next event has gone, at most `seconds` or 5), lost_event (never deliver), delay (`seconds`).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import Field

from sandbox.acs.bodies import ControlBody
from sandbox.acs.webhook import Asked, Courier, Event, HandshakeError, Subscription, event
from sandbox.peer import Fault, Peer

ACKNOWLEDGED = range(200, 205)
#: Statuses after which the same event will never be taken: dead-lettered at once.
HOPELESS = {400, 413}
TRIES = 30
KEPT_BACK_SECONDS = 5.0


class Waits(ControlBody):
    """Seconds between the tries; the last one repeats until the thirtieth try."""

    retry_seconds: list[float] = Field(default=[0.5, 1, 2, 5, 10, 30], min_length=1)


class Grid:
    """The topic of the resource, its subscriptions, what was delivered and what was given up."""

    def __init__(self, peer: Peer, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._peer = peer
        self._courier = Courier(peer.plan, session)
        self.waits = Waits()
        self.subscriptions: dict[str, Subscription] = {}
        self.deliveries: list[dict[str, Any]] = []
        self.dead_letters: list[dict[str, Any]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept_back: list[Event] = []
        peer.app.router.add_get("/eventgrid/validate", self._validated_by_hand)

    async def subscribe(self, asked: Asked) -> Subscription:
        """Make a subscription: it gets events once its webhook has answered the handshake."""
        made = self.subscriptions[asked.name] = Subscription(asked)
        try:
            await self._courier.shake_hands(made, self._peer.now())
        except (HandshakeError, aiohttp.ClientError, TimeoutError) as failed:
            made.state, made.reason = "Failed", str(failed) or type(failed).__name__
        self._peer.saw("handshake", name=asked.name, state=made.state, reason=made.reason)
        return made

    def publish(self, kind: str, key: str, subject: str, data: dict[str, Any]) -> None:
        """Something happened: `kind` is the last part of the type, `key` the event's id."""
        happened = event(f"Microsoft.Communication.{kind}", key, subject, data, self._peer.now())
        route = f"EVENT {kind}"
        if self._peer.faults_for(route, "lost_event"):
            return
        if fault := self._peer.faults_for(route, "reorder"):
            self._keep_back(happened, fault)
            return
        delay = self._peer.faults_for(route, "delay")
        copies = 2 if self._peer.faults_for(route, "repeat") else 1
        self._spawn(self._send(happened, copies, delay.seconds if delay else 0))

    async def close(self) -> None:
        """Stop delivering."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def facts(self) -> dict[str, Any]:
        """As GET /_sandbox/eventgrid shows it; `busy` counts the deliveries under way or waiting."""
        return {
            "subscriptions": [subscription.facts() for subscription in self.subscriptions.values()],
            "deliveries": self.deliveries,
            "dead_letters": self.dead_letters,
            "busy": len(self._tasks),
        }

    def _keep_back(self, happened: Event, fault: Fault) -> None:
        self._kept_back.append(happened)
        seconds = fault.seconds or KEPT_BACK_SECONDS
        asyncio.get_running_loop().call_later(seconds, lambda: self._spawn(self._release()))

    async def _release(self) -> None:
        kept, self._kept_back = self._kept_back, []
        for happened in kept:
            await self._offer(happened, 1)

    async def _send(self, happened: Event, copies: int, delay: float) -> None:
        await asyncio.sleep(delay)
        await self._offer(happened, copies)
        await self._release()

    async def _offer(self, happened: Event, copies: int) -> None:
        """The first try for each subscription, awaited; later tries go on by themselves."""
        ready = [s for s in self.subscriptions.values() if s.state == "Succeeded"]
        for subscription in ready * copies:
            if not await self._try(subscription, happened, 1):
                self._spawn(self._insist(subscription, happened))

    async def _insist(self, subscription: Subscription, happened: Event) -> None:
        for count in range(2, TRIES + 1):
            waits = self.waits.retry_seconds
            await asyncio.sleep(waits[min(count - 2, len(waits) - 1)])
            if self.subscriptions.get(subscription.asked.name) is not subscription:
                return
            if await self._try(subscription, happened, count):
                return
        self._bury(subscription, happened, "MaxDeliveryAttemptsExceeded")

    async def _try(self, subscription: Subscription, happened: Event, count: int) -> bool:
        """One delivery; True when nothing is left to do for this event."""
        status: int | str
        try:
            status = await self._courier.hand(subscription, happened, count)
        except (aiohttp.ClientError, TimeoutError) as failed:
            status = type(failed).__name__
        facts = {"subscription": subscription.asked.name, "id": happened["id"], "type": happened["eventType"]}
        self.deliveries.append(facts | {"attempt": count, "status": status, "at": self._peer.now().isoformat()})
        if status in HOPELESS:
            self._bury(subscription, happened, f"Status {status}")
        return status in ACKNOWLEDGED or status in HOPELESS

    def _bury(self, subscription: Subscription, happened: Event, reason: str) -> None:
        self.dead_letters.append({"subscription": subscription.asked.name, "reason": reason, "event": happened})

    async def _validated_by_hand(self, request: web.Request) -> web.Response:
        made = self.subscriptions.get(request.query.get("name", ""))
        if made is None or made.state != "AwaitingManualAction" or request.query.get("code") != made.code:
            return web.Response(status=400)
        made.state = "Succeeded"
        return web.Response(text="Webhook successfully validated as a subscription endpoint.")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
