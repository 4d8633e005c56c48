"""Measure 3: HL7v2 intake against a function in the same host that only puts the same bytes on a queue."""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp

from sandbox.demo import siu
from sandbox.demo.scene import Scene
from sandbox.demo.siu import Booking
from shared.storage.names import Queue
from tests.bench.clinic import certificate
from tests.bench.host import APPS, cpu_seconds, host, open_port

MESSAGES = 300
IN_FLIGHT = 8
#: Both sides take turns, so that what else the machine does meets both.
_ROUNDS = 5
_WARM_UP = 40
_BARE_QUEUE = "bench-bare"


@dataclass
class Side:
    """One function and what posting to it took. `sign` stands in the answer that says: it is in the queue."""

    pid: int
    url: str
    headers: dict[str, str]
    sign: bytes
    seconds: float = 0.0
    cpu: float = 0.0
    waits: list[float] = field(default_factory=list)

    @property
    def p95(self) -> float:
        """95 of 100 answers came within so many seconds."""
        return statistics.quantiles(self.waits, n=20)[-1]


@dataclass(frozen=True)
class Compared:
    """Ours over bare: throughput (below 1 = fewer), p95 and processor time a message (above 1 = more)."""

    throughput: float
    p95: float
    cpu: float
    per_second: float


async def measure(scene: Scene) -> Compared:
    """Post the same messages to both, in turns."""
    bodies = _bodies(scene)
    async with _bare(scene) as bare, aiohttp.ClientSession() as http:
        headers = {"Content-Type": "x-application/hl7-v2+er7; charset=utf-8", "X-ARR-ClientCert": certificate(scene)}
        path = f"/hl7v2/{scene.facts['connection']}"
        ours = Side(scene.stack.pids()["hl7_host"], scene.plan.urls["hl7_host"] + path, headers, b"MSA|AA|")
        for side in (ours, bare):
            await _posted(http, side, list(itertools.islice(bodies, _WARM_UP)))
            side.seconds, side.cpu, side.waits = 0.0, 0.0, []
        for _ in range(_ROUNDS):
            batch = list(itertools.islice(bodies, MESSAGES // _ROUNDS))
            for side in (ours, bare):
                await _posted(http, side, batch)
    await scene.queues.get_queue_client(Queue.SCHEDULING_EVENTS).clear_messages()
    return Compared(bare.seconds / ours.seconds, ours.p95 / bare.p95, ours.cpu / bare.cpu, MESSAGES / ours.seconds)


@asynccontextmanager
async def _bare(scene: Scene) -> AsyncIterator[Side]:
    port = max(scene.plan.ports.values()) + 1
    await scene.queues.create_queue(_BARE_QUEUE)
    env = {"BARE_STORAGE": scene.plan.storage_connection, "BARE_QUEUE": _BARE_QUEUE}
    async with host(APPS / "bare_queue", port, scene.plan.path("logs") / "bare.log", env) as started:
        await open_port(port)
        yield Side(started.pid, f"{started.url}/put", {"Content-Type": "application/octet-stream"}, b"queued")


async def _posted(http: aiohttp.ClientSession, side: Side, bodies: list[bytes]) -> None:
    """Post some bodies, a few at a time; adds to what the side took."""
    waiting = iter(bodies)
    before, begun = cpu_seconds(side.pid), time.perf_counter()
    await asyncio.gather(*(_one_after_the_other(http, side, waiting) for _ in range(IN_FLIGHT)))
    side.seconds += time.perf_counter() - begun
    side.cpu += cpu_seconds(side.pid) - before


async def _one_after_the_other(http: aiohttp.ClientSession, side: Side, waiting: Iterator[bytes]) -> None:
    for body in waiting:
        begun = time.perf_counter()
        async with http.post(side.url, data=body, headers=side.headers) as answer:
            said = await answer.read()
        side.waits.append(time.perf_counter() - begun)
        if answer.status != 200 or side.sign not in said:
            raise AssertionError(f"not taken: {answer.status}")


def _bodies(scene: Scene) -> Iterator[bytes]:
    """Bookings, each of an appointment of its own."""
    start = siu.whole_minute(scene.now() + timedelta(days=3))
    for number in itertools.count():
        booking = Booking(str(8_000_000 + number), start, "(608)555-0199")
        yield siu.message("S12", booking, scene.now(), f"N{number}")
