"""Queues: the only code that speaks to them.

A message's wire form is base64 (the Functions host's default) of a small JSON envelope:
`{"id", "attempt", "traceparent", "sealed"}`. `sealed` holds the whole model, bound to queue and id, so that no
field can be forgotten. At most 48 KiB raw, because 64 KiB after encoding is the service's limit.
"""

import json
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.errors import Broken, Later
from shared.messages import Message
from shared.storage.names import Queue
from shared.storage.sealing import KeyRing

MAX_RAW = 48 * 1024
#: A message stays until it is worked on; the service's default would drop it after seven days.
_FOREVER = -1
#: The service hides a message for less than seven days.
LONGEST_DELAY = timedelta(days=6, hours=23)


class Queues:
    """Sends typed messages and opens the ones the host delivers."""

    def __init__(self, service: QueueServiceClient, ring: KeyRing) -> None:
        self._service = service
        self._ring = ring
        self._clients: dict[Queue, QueueClient] = {}

    async def put(self, *messages: Message, after: timedelta = timedelta()) -> None:
        """Send; `after` hides them for that long. `Later` when storage does not take them."""
        for message in messages:
            delay = int(min(after, LONGEST_DELAY).total_seconds())
            text = self.encode(message)
            try:
                await self._client(message.queue).send_message(text, visibility_timeout=delay, time_to_live=_FOREVER)
            except HttpResponseError as error:
                if error.status_code is not None and 400 <= error.status_code < 500 and error.status_code != 429:
                    raise Broken(f"queue storage refused: {error.status_code}") from None
                raise Later("storage") from None
            except AzureError:
                raise Later("storage") from None

    def encode(self, message: Message) -> str:
        """The envelope as JSON text."""
        sealed = self._ring.seal(message.model_dump_json(), message.queue, message.message_id)
        envelope = {
            "id": message.message_id,
            "attempt": message.attempt,
            "traceparent": message.traceparent,
            "sealed": sealed,
        }
        text = json.dumps(envelope)
        if len(text) > MAX_RAW:
            raise Broken(f"a message for {message.queue} is too large: {len(text)} bytes")
        return text

    def open[M: Message](self, body: bytes, model: type[M]) -> M:
        """The message inside an envelope; `Broken` when it is not one of ours."""
        try:
            envelope: dict[str, Any] = json.loads(body)
            plain = self._ring.open(envelope["sealed"], model.queue, envelope["id"])
            return model.model_validate_json(plain)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Broken(f"a message in {model.queue} cannot be read") from None

    def _client(self, queue: Queue) -> QueueClient:
        if queue not in self._clients:
            self._clients[queue] = self._service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
        return self._clients[queue]
