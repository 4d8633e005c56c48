"""What a step costs, counted at the clients that the app's own `Deps` uses: no part of the app knows.

deps = CountedDeps(settings, tally)
tally.start()
await some_workflow(message, deps)
tally.take()            # Counts(table_requests=2, rows_read=1, ...)
"""

import json
import re
from collections import Counter
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from sandbox.plan import Plan
from shared.bootstrap import Deps
from shared.clients.addresses import Guarded, Trusted
from shared.clients.outbound import Answer, Outbound
from shared.settings import Settings
from shared.storage.queues import Queues
from shared.storage.tables import Tables

#: One operation of an entity group transaction, as it stands in the multipart body.
_OPERATION = re.compile(rb"^(POST|PUT|PATCH|MERGE|DELETE) ", re.MULTILINE)


@dataclass(frozen=True)
class Counts:
    """What one step asked of the outside.

    tables     requests to table storage; a transaction of many rows is one
    read       rows that came back
    written    rows inserted, replaced or deleted, those of a transaction one by one
    messages   requests to queue storage: each sends one message
    graph, epic   requests to Graph (without its tokens) and to the hospital's Epic
    """

    tables: int = 0
    read: int = 0
    written: int = 0
    messages: int = 0
    graph: int = 0
    epic: int = 0

    def __str__(self) -> str:
        return "".join(f"{number:>10}" for number in astuple(self))


class Tally:
    """Counts from `start` to `take`."""

    def __init__(self, here: Plan) -> None:
        self._peers = {urlsplit(here.urls[name]).netloc: name for name in ("graph", "epic")}
        self._counts: Counter[str] = Counter()

    def start(self) -> None:
        """From here on."""
        self._counts.clear()

    def take(self) -> Counts:
        """Everything since `start`."""
        return Counts(**self._counts)

    def table(self, method: str, url: str, sent: bytes, status: int, answer: bytes) -> None:
        """One exchange with table storage."""
        self._counts["tables"] += 1
        if method == "GET":
            self._counts["read"] += _rows(answer) if status == 200 else 0
        else:
            self._counts["written"] += len(_OPERATION.findall(sent)) if url.endswith("$batch") else 1

    def queue(self, *_: Any) -> None:
        """One exchange with queue storage."""
        self._counts["messages"] += 1

    def peer(self, url: str) -> None:
        """One call to a peer."""
        if name := self._peers.get(urlsplit(url).netloc):
            self._counts[name] += 1


class _Transport(AioHttpTransport):
    """Sends as usual and tells of it."""

    def __init__(self, told: Any) -> None:
        super().__init__()
        self._told = told

    async def send(self, request: Any, **how: Any) -> Any:
        answer = await super().send(request, **how)
        body = await answer.read() if request.method == "GET" else b""
        sent = request.body if isinstance(request.body, bytes) else b""
        self._told(request.method, request.url, sent, answer.status_code, body)
        return answer


class _Outbound(Outbound):
    """Calls as usual and tells of it."""

    def __init__(self, policy: Guarded | Trusted, tally: Tally) -> None:
        super().__init__(policy)
        self._tally = tally

    async def call(self, method: str, url: str, **how: Any) -> Answer:
        self._tally.peer(url)
        return await super().call(method, url, **how)


class CountedDeps(Deps):
    """What the app builds, over clients that count. Close it: unlike a process it does not end by itself."""

    def __init__(self, settings: Settings, tally: Tally) -> None:
        super().__init__(settings)
        self.tally = tally
        self._transports: list[_Transport] = []

    @cached_property
    def tables(self) -> Tables:
        text = self.settings.storage.connection_string
        service = TableServiceClient.from_connection_string(text, transport=self._transport(self.tally.table))
        return Tables(service, self._ring)

    @cached_property
    def queues(self) -> Queues:
        text = self.settings.storage.connection_string
        service = QueueServiceClient.from_connection_string(text, transport=self._transport(self.tally.queue))
        return Queues(service, self._queue_ring)

    @cached_property
    def outbound(self) -> Outbound:
        return _Outbound(Guarded(self.settings.outbound_ports, self.settings.outbound_cidrs), self.tally)

    @cached_property
    def microsoft(self) -> Outbound:
        return _Outbound(Trusted(), self.tally)

    async def close(self) -> None:
        """End every connection."""
        for transport in self._transports:
            await transport.close()
        built = vars(self)
        for name in {"outbound", "microsoft", "sms"} & built.keys():
            await built[name].close()
        if "graph" in built:
            for credential in built["graph"]._token_for.__self__._credentials.values():
                await credential.close()

    def _transport(self, told: Any) -> _Transport:
        self._transports.append(_Transport(told))
        return self._transports[-1]


def _rows(answer: bytes) -> int:
    """Rows in the answer to a query, or the one row of a point read."""
    document = json.loads(answer)
    return len(document["value"]) if "value" in document else 1
