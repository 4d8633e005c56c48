"""What several test folders need: one storage emulator per run, and fresh tables and queues in it per test.

    async def test_something(store: Store): await store.tables.insert(Table.TEXTS, {...})

`store.raw_table(Table.TEXTS)` and `store.raw_queue(Queue.UPKEEP)` show what rests there, as the service sees it.
"""

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from sandbox import plan
from shared.clock import Clock
from shared.storage.names import Queue, Table
from shared.storage.queues import Queues
from shared.storage.sealing import KeyRing, Pseudonyms
from shared.storage.tables import Tables
from tests import free_ports

ROOT = Path(__file__).parents[1]
#: The first start on a machine installs the emulator.
_READY_WITHIN_SECONDS = 300
_numbers = itertools.count(1)


@dataclass(frozen=True)
class StandingClock(Clock):
    """A clock that stands where a test puts it."""

    moment: datetime = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


class _TableService(TableServiceClient):
    """Names every table for one test."""

    prefix: str = ""

    def get_table_client(self, table_name: str, **kwargs: Any) -> TableClient:
        return super().get_table_client(f"{self.prefix}{table_name}", **kwargs)


class _QueueService(QueueServiceClient):
    """Names every queue for one test."""

    prefix: str = ""

    def get_queue_client(self, queue: Any, **kwargs: Any) -> QueueClient:
        return super().get_queue_client(f"{self.prefix.lower()}-{queue}", **kwargs)


@dataclass(frozen=True)
class Store:
    """Tables and queues of one test, empty at its start, on a fresh key ring.

    Each process of the app has its own `Tables` and `Queues`: `again(ring)` gives others over the same storage.
    """

    ring: KeyRing
    pseudonyms: Pseudonyms
    tables: Tables
    queues: Queues
    table_service: TableServiceClient
    queue_service: QueueServiceClient

    def raw_table(self, table: Table) -> TableClient:
        """The table as the service sees it."""
        return self.table_service.get_table_client(table)

    def raw_queue(self, queue: Queue) -> QueueClient:
        """The queue as the service sees it: base64 text of our envelope."""
        return self.queue_service.get_queue_client(queue)

    def again(self, ring: KeyRing) -> tuple[Tables, Queues]:
        """The same storage under another key ring."""
        return Tables(self.table_service, ring), Queues(self.queue_service, ring)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[plan.Plan]:
    """The plan of a running storage emulator; it lives as long as the test run."""
    with free_ports.block() as first:
        world = plan.make(tmp_path_factory.mktemp("emulator"), first)
        world.save()
        process = _started(world)
        yield world
        process.terminate()
        process.wait(20)


@pytest.fixture
async def store(emulator: plan.Plan) -> AsyncIterator[Store]:
    """Tables and queues of the app, empty."""
    ring = KeyRing({"k1": os.urandom(32)})
    connection = emulator.storage_connection
    prefix = f"T{next(_numbers):04d}"
    async with (
        _TableService.from_connection_string(connection) as tables,
        _QueueService.from_connection_string(connection) as queues,
    ):
        tables.prefix, queues.prefix = prefix, prefix
        await asyncio.gather(
            *(tables.get_table_client(table).create_table() for table in Table),
            *(queues.get_queue_client(queue).create_queue() for queue in Queue),
        )
        yield Store(ring, Pseudonyms(os.urandom(32)), Tables(tables, ring), Queues(queues, ring), tables, queues)


def _started(world: plan.Plan) -> subprocess.Popen[bytes]:
    said = Path(world.folder) / "azurite.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.azurite"],
            cwd=ROOT,
            env={**os.environ, "SANDBOX_PLAN": str(Path(world.folder) / "plan.json")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while b"READY azurite " not in said.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait(20)
            pytest.fail(f"the storage emulator did not start: {said.read_text()}")
        time.sleep(0.05)
    return process
