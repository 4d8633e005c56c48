"""Queues: the only code that speaks to them.

A message's wire form is base64 (the Functions host's default) of a small JSON envelope:
`{"id", "attempt", "traceparent", "delay", "sealed"}`. `sealed` holds the whole model, bound to queue and id, so that
no field can be forgotten; `delay` is for how many seconds it was hidden. At most 48 KiB raw, because 64 KiB after
encoding is the service's limit; a model that would need more is deflated before it is sealed. What the host gave up
lies beside its queue, in `<queue>-poison`.
"""

import base64
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.errors import Broken, Later
from shared.messages import MODELS, Message
from shared.storage.names import Queue
from shared.storage.sealing import KeyRing

MAX_RAW = 48 * 1024
#: A message stays until it is worked on; the service's default would drop it after seven days.
_FOREVER = -1
#: The service hides a message for less than seven days.
LONGEST_DELAY = timedelta(days=6, hours=23)
#: The host's name for what it gave up; at most this much is looked at in one go, and hidden meanwhile.
_POISON = "-poison"
_MOST_POISON = 500
_POISON_HIDDEN = timedelta(minutes=5)
#: The service shows no more at once without taking them.
_MOST_PEEKED = 32


class TooLarge(Broken):
    """A message that no queue takes, however often it is tried."""


@dataclass(frozen=True)
class Poison:
    """A copy that the host made of a message it gave up. `message` is None when nobody can read it.

    id   the service's, other than the work's own
    """

    id: str
    message: Message | None = field(repr=False)
    delivered: QueueMessage = field(repr=False)


@dataclass(frozen=True)
class Backlog:
    """What lies in a queue: how many, hidden ones too; and for how long the oldest that is shown has waited."""

    length: int
    waited: timedelta


class Queues:
    """Sends typed messages and opens the ones the host delivers."""

    def __init__(self, service: QueueServiceClient, ring: KeyRing) -> None:
        self._service = service
        self._ring = ring
        self._clients: dict[Queue, QueueClient] = {}

    async def put(self, *messages: Message, after: timedelta = timedelta()) -> None:
        """Send; `after` hides them for that long. Raises `Later` when storage is away, and `TooLarge`."""
        for message in messages:
            delay = int(min(after, LONGEST_DELAY).total_seconds())
            text = self.encode(message, delay)
            with _translated():
                await self._client(message.queue).send_message(text, visibility_timeout=delay, time_to_live=_FOREVER)

    async def poison(self, queue: Queue) -> AsyncIterator[Poison]:
        """Copies of what the host gave up. Each is hidden for some minutes, or until `bury`."""
        seconds = int(_POISON_HIDDEN.total_seconds())
        with _translated():
            try:
                client = self._poison(queue)
                async for one in client.receive_messages(visibility_timeout=seconds, max_messages=_MOST_POISON):
                    yield Poison(str(one.id), self._opened(queue, one.content), one)
            except ResourceNotFoundError:
                return  # the host makes the queue when it first needs it

    async def bury(self, queue: Queue, poison: Poison) -> None:
        """Remove a copy; nothing happens when it is gone."""
        with _translated():
            try:
                await self._poison(queue).delete_message(poison.delivered)
            except ResourceNotFoundError:
                return

    async def backlog(self, queue: Queue, now: datetime) -> Backlog:
        """What waits in a queue. `now` is the real time: the service stamps messages with it."""
        with _translated():
            client = self._client(queue)
            length = (await client.get_queue_properties()).approximate_message_count or 0
            shown = await client.peek_messages(max_messages=_MOST_PEEKED)
        waited = [now - one.inserted_on - _delay(one.content) for one in shown if one.inserted_on]
        return Backlog(length, max([timedelta(), *waited]))

    def encode(self, message: Message, delay: int = 0) -> str:
        """The envelope as JSON text. Raises `TooLarge`."""
        plain = message.model_dump_json().encode()
        text = self._envelope(message, delay, plain)
        if len(text) > MAX_RAW:
            text = self._envelope(message, delay, zlib.compress(plain))
        if len(text) > MAX_RAW:
            raise TooLarge(f"a message for {message.queue} is too large: {len(text)} bytes")
        return text

    def _envelope(self, message: Message, delay: int, plain: bytes) -> str:
        envelope = {
            "id": message.message_id,
            "attempt": message.attempt,
            "traceparent": message.traceparent,
            "delay": delay,
            "sealed": self._ring.seal_bytes(plain, message.queue, message.message_id),
        }
        return json.dumps(envelope)

    def open[M: Message](self, body: bytes, model: type[M]) -> M:
        """The message inside an envelope; `Broken` when it is not one of ours."""
        try:
            envelope: dict[str, Any] = json.loads(body)
            plain = self._ring.open_bytes(envelope["sealed"], model.queue, envelope["id"])
            return model.model_validate_json(plain if plain.startswith(b"{") else zlib.decompress(plain))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error):
            raise Broken(f"a message in {model.queue} cannot be read") from None

    def _client(self, queue: Queue) -> QueueClient:
        if queue not in self._clients:
            self._clients[queue] = self._service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
        return self._clients[queue]

    def _poison(self, queue: Queue) -> QueueClient:
        return self._service.get_queue_client(f"{queue}{_POISON}")

    def _opened(self, queue: Queue, content: str) -> Message | None:
        try:
            return self.open(base64.b64decode(content, validate=True), MODELS[queue])
        except (ValueError, Broken):
            return None


def _delay(content: str) -> timedelta:
    """For how long a message was hidden at first; nothing for one that is not ours."""
    try:
        return timedelta(seconds=json.loads(base64.b64decode(content, validate=True))["delay"])
    except (ValueError, KeyError, TypeError):
        return timedelta()


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of the SDK become ours here and nowhere else."""
    try:
        yield
    except HttpResponseError as error:
        if error.status_code is not None and 400 <= error.status_code < 500 and error.status_code != 429:
            raise Broken(f"queue storage refused: {error.status_code}") from None
        raise Later("storage") from None
    except AzureError:
        raise Later("storage") from None
