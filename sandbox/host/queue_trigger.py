"""One queue function: poll, run in parallel as host.json says, delete, put back or move to poison.

Behaviour: Microsoft Learn, "Azure Queue storage trigger" (polling, concurrency, poison messages), and the
open-source storage extension for order and back-off.
"""

import asyncio
import base64
import binascii
import json
import logging

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage

from sandbox.host import rpc, worker
from sandbox.host.connections import Connections
from sandbox.host.settings import SHORTEST_POLL, QueueOptions
from sandbox.host.triggers import POISON, QueueTrigger

log = logging.getLogger("sandbox.host")
_LEASE_LOST = ("MessageNotFound", "PopReceiptMismatch", "QueueNotFound")


class QueueListener:
    """The listener of one queue function."""

    def __init__(
        self, trigger: QueueTrigger, options: QueueOptions, connections: Connections, stopping: asyncio.Event
    ) -> None:
        self.name = trigger.function.name
        self.started = asyncio.Event()
        self._trigger = trigger
        self._options = options
        self._queue = connections.queue(trigger.connection, trigger.queue)
        self._poison = connections.queue(trigger.connection, trigger.queue + POISON)
        self._stopping = stopping
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until `stopping`, then finish what is in flight. What it raises is fatal for the host."""
        pause = SHORTEST_POLL
        while not self._stopping.is_set():
            batch = await self._receive()
            self.started.set()
            for message in batch:
                task = asyncio.create_task(self._process(message))
                self._in_flight.add(task)
                task.add_done_callback(self._in_flight.discard)
            if batch:
                pause = SHORTEST_POLL
                await self._below_threshold()
            else:
                await _wait(self._stopping, pause.total_seconds())
                pause = min(pause * 2, self._options.max_polling_interval)
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    async def _below_threshold(self) -> None:
        while len(self._in_flight) > self._options.new_batch_threshold:
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)

    async def _receive(self) -> list[QueueMessage]:
        """One request for one batch; a queue that is missing, or a server's fault, is an empty one."""
        size, lease = self._options.batch_size, int(self._options.lease.total_seconds())
        try:
            pages = self._queue.receive_messages(
                messages_per_page=size, max_messages=size, visibility_timeout=lease
            ).by_page()
            return [message async for message in await anext(pages)]
        except (StopAsyncIteration, ResourceNotFoundError):
            return []
        except HttpResponseError as error:
            if (error.status_code or 0) < 500:
                raise
            log.warning("%s: the queue service answered %s", self.name, error.status_code)
            return []

    async def _process(self, message: QueueMessage) -> None:
        """Whatever goes wrong around one message costs that message's attempt only: its lease ends by itself."""
        try:
            await self._settle(message)
        except HttpResponseError as error:
            lost = getattr(error, "error_code", None) in _LEASE_LOST
            log.warning("%s: message %s %s", self.name, message.id, "lost its lease" if lost else "was not settled")
        except Exception:
            log.exception("%s: message %s was not settled", self.name, message.id)

    async def _settle(self, message: QueueMessage) -> None:
        attempt, limit = message.dequeue_count or 0, self._options.max_dequeue_count
        body = self._decode(message.content)
        if body is None or attempt > limit:
            return await self._to_poison(message)
        outcome = await worker.invoke(self._trigger.function, self._trigger.argument, body, _metadata(message))
        if outcome.succeeded:
            return await self._queue.delete_message(message.id, message.pop_receipt)
        if attempt >= limit:
            return await self._to_poison(message)
        delay = int(self._options.visibility_timeout.total_seconds())
        await self._queue.update_message(message.id, message.pop_receipt, visibility_timeout=delay)
        return None

    async def _to_poison(self, message: QueueMessage) -> None:
        try:
            await self._poison.send_message(message.content)
        except ResourceNotFoundError:
            await self._poison.create_queue()
            await self._poison.send_message(message.content)
        await self._queue.delete_message(message.id, message.pop_receipt)
        log.warning("%s: message %s moved to %s", self.name, message.id, self._poison.queue_name)

    def _decode(self, content: str) -> rpc.TypedData | None:
        """The payload: text, or bytes where it is none or the function asks for them; None if not base64."""
        try:
            raw = base64.b64decode(content, validate=True) if self._options.base64 else content.encode()
        except (binascii.Error, ValueError):
            return None
        if self._trigger.binary:
            return rpc.TypedData(bytes=raw)
        try:
            return rpc.TypedData(string=raw.decode())
        except UnicodeDecodeError:
            return rpc.TypedData(bytes=raw)


def _metadata(message: QueueMessage) -> dict[str, rpc.TypedData]:
    facts = {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "PopReceipt": message.pop_receipt,
        "InsertionTime": message.inserted_on,
        "ExpirationTime": message.expires_on,
        "NextVisibleTime": message.next_visible_on,
    }
    return {
        name: rpc.TypedData(json=json.dumps(fact, default=lambda at: at.isoformat())) for name, fact in facts.items()
    }


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
