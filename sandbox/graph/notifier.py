"""What Graph sends: roster events, call records, lifecycle events; with its retries and, when told, its faults.

Faults for what goes out (POST /_sandbox/faults), `route` matched against `NOTIFY <eventType>`, where the type is
callStarted, rosterUpdated, callEnded, callRecord or a lifecycle event's name:

    repeat            the same notification goes out twice
    merge             it is held and goes out in one body with the next one for the same address
    reorder           it is held and sent after the subscription's next one
    lost_event        it is never sent
    bad_signature     its dataSignature belongs to other data
    bad_client_state  its clientState is another
    bad_token         the signature of its validationToken is wrong
    delay             it goes out `seconds` late; later ones overtake it
"""

import asyncio
import base64
import json
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from sandbox.graph import sealing, times
from sandbox.graph.calls import RosterEvent
from sandbox.graph.sealing import Receiver
from sandbox.graph.settings import Settings
from sandbox.graph.subscriptions import Subscription, Subscriptions
from sandbox.peer import Peer

ANSWER_SECONDS = 3
FIRST_RETRY_SECONDS = 0.5
CORRUPTIONS = ("bad_signature", "bad_client_state", "bad_token")


@dataclass
class Notification:
    """One item for one subscription, as it will be sent however often that is."""

    subscription: Subscription
    url: str
    kind: str
    item: dict[str, Any]
    corrupt: set[str] = field(default_factory=set)
    #: Others that travel in the same body, before this one.
    riders: list["Notification"] = field(default_factory=list)
    body: dict[str, Any] | None = None


class Notifier:
    """Sends to subscribers; first attempts in order per subscription, retries whenever they fall due."""

    http: aiohttp.ClientSession

    def __init__(self, peer: Peer, settings: Settings, subscriptions: Subscriptions) -> None:
        self._peer = peer
        self._settings = settings
        self._subscriptions = subscriptions
        self._held: dict[str, Notification] = {}
        self._riders: dict[str, list[Notification]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Give up what has not been delivered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def roster(self, meeting_id: str, event: RosterEvent) -> None:
        """Tell every subscriber of a meeting."""
        for one in self._subscriptions.living(self._peer.now()):
            if one.meeting_id == meeting_id and one.lock:
                self._announce(self._sealed(one, one.lock, event))

    def call_record(self, tenant: str, record_id: str) -> None:
        """Tell the tenant's subscribers of call records; no resource data."""
        resource = f"communications/callRecords/{record_id}"
        data = {"@odata.type": "#Microsoft.Graph.callrecord", "@odata.id": resource, "id": record_id}
        for one in self._subscriptions.living(self._peer.now()):
            if one.meeting_id is None and one.caller.tenant == tenant and "created" in one.change_type:
                item = {**_envelope(one), "changeType": "created", "resource": resource, "resourceData": data}
                self._announce(Notification(one, one.notification_url, "callRecord", item))

    def lifecycle(self, one: Subscription, url: str, event: str) -> None:
        """Tell a subscriber about the subscription itself."""
        self._announce(Notification(one, url, event, {**_envelope(one), "lifecycleEvent": event}))

    def _sealed(self, one: Subscription, to: Receiver, event: RosterEvent) -> Notification:
        event_id = str(uuid4())
        document = event.document(event_id)
        if self._settings.casing == "pascal":
            document = pascal(document)
        item = {
            **_envelope(one),
            "changeType": "updated",
            "resource": one.resource,
            "resourceData": {"@odata.type": "#microsoft.graph.callevent", "id": event_id},
            "organizationId": one.caller.tenant,
            "encryptedContent": sealing.seal(json.dumps(document).encode(), to),
        }
        return Notification(one, one.notification_url, event.kind, item)

    def _announce(self, one: Notification) -> None:
        what = f"NOTIFY {one.kind}"
        if self._peer.faults_for(what, "lost_event"):
            self._saw(one, "lost")
            return
        one.corrupt = {do for do in CORRUPTIONS if self._peer.faults_for(what, do)}
        if self._peer.faults_for(what, "merge"):
            self._riders.setdefault(one.url, []).append(one)
            self._saw(one, "merged")
            return
        one.riders = self._riders.pop(one.url, [])
        if self._peer.faults_for(what, "reorder"):
            self._held[one.subscription.id] = one
            self._saw(one, "held")
            return
        copies = [one, one] if self._peer.faults_for(what, "repeat") else [one]
        if held := self._held.pop(one.subscription.id, None):
            copies.append(held)
        late = self._peer.faults_for(what, "delay")
        self._start(self._send(copies, late.seconds if late else 0.0))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, copies: list[Notification], late: float) -> None:
        if late:
            await asyncio.sleep(late)
        async with copies[0].subscription.turn:
            for one in copies:
                if not await self._attempt(one, 1):
                    self._start(self._retry(one))

    async def _retry(self, one: Notification) -> None:
        pause, spent, attempt = FIRST_RETRY_SECONDS, 0.0, 1
        while spent + pause <= self._settings.retry_seconds:
            await asyncio.sleep(pause)
            attempt, spent, pause = attempt + 1, spent + pause, pause * 2
            if await self._attempt(one, attempt):
                return
        self._saw(one, "given up")

    async def _attempt(self, one: Notification, number: int) -> bool:
        """Whether the notification needs no further attempt."""
        if one.kind != "subscriptionRemoved" and not self._lives(one.subscription):
            self._saw(one, "subscription gone", attempt=number)
            return True
        limit = aiohttp.ClientTimeout(ANSWER_SECONDS)
        try:
            body = one.body = one.body or await self._body(one)
            async with self.http.post(one.url, json=body, timeout=limit, allow_redirects=False) as answer:
                outcome, done = str(answer.status), 200 <= answer.status < 300
        except TimeoutError:
            outcome, done = "timeout", False
        except (aiohttp.ClientError, ConnectionError):
            outcome, done = "unreachable", False
        self._saw(one, outcome, attempt=number)
        return done

    def _lives(self, subscription: Subscription) -> bool:
        return self._subscriptions.get(subscription.id, self._peer.now()) is not None

    async def _body(self, one: Notification) -> dict[str, Any]:
        """The items of one body, and a token per application and tenant where data is encrypted."""
        parts = [*one.riders, one]
        sealed = {part.subscription.topic[:2]: part for part in parts if "encryptedContent" in part.item}
        tokens = [await self._validation_token(part) for part in sealed.values()]
        body: dict[str, Any] = {"value": [self._item(part) for part in parts]}
        return {**body, "validationTokens": tokens} if tokens else body

    def _item(self, one: Notification) -> dict[str, Any]:
        item = dict(one.item)
        if "bad_client_state" in one.corrupt:
            item["clientState"] = f"not-{item['clientState']}"
        if "bad_signature" in one.corrupt and "encryptedContent" in item:
            forged = base64.b64encode(os.urandom(32)).decode()
            item["encryptedContent"] = {**item["encryptedContent"], "dataSignature": forged}
        return item

    async def _validation_token(self, one: Notification) -> str:
        """A token for the application from Graph's change tracking, signed by Entra unless that is to be false."""
        token = await self._minted(one.subscription)
        if "bad_token" not in one.corrupt:
            return token
        forged = base64.urlsafe_b64encode(os.urandom(256)).decode().rstrip("=")
        return f"{token.rpartition('.')[0]}.{forged}"

    async def _minted(self, one: Subscription) -> str:
        whose = {"tenant": one.caller.tenant, "audience": one.caller.app}
        wanted = {"kind": "graph-validation", **whose, "version": self._settings.token_version}
        url = f"{self._peer.plan.urls['entra']}/_sandbox/mint"
        async with self.http.post(url, json=wanted, timeout=aiohttp.ClientTimeout(ANSWER_SECONDS)) as answer:
            answer.raise_for_status()
            return str((await answer.json())["token"])

    def _saw(self, one: Notification, outcome: str, attempt: int = 0) -> None:
        facts = {"event": one.kind, "subscription": one.subscription.id, "corrupt": sorted(one.corrupt)}
        self._peer.saw("notification", **facts, outcome=outcome, attempt=attempt)


def pascal(value: Any) -> Any:
    """The same document with capitalised keys, as live payloads have them; OData annotations stay."""
    if isinstance(value, list):
        return [pascal(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key if key.startswith("@") else key[0].upper() + key[1:]: pascal(one) for key, one in value.items()}


def _envelope(one: Subscription) -> dict[str, Any]:
    return {
        "subscriptionId": one.id,
        "clientState": one.client_state,
        "tenantId": one.caller.tenant,
        "subscriptionExpirationDateTime": times.text(one.expires),
    }
