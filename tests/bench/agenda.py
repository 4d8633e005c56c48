"""Measure 2: a tick of the agenda with much stored that is not due.

The requests must not depend on what is stored. Time is given as a ratio to one bare query of the same rows in the
same table, because the emulator scans a table that Azure would seek in.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sandbox import plan
from sandbox.demo.siu import whole_minute
from shared.domain.agenda import Due
from shared.storage.agenda import _row
from shared.storage.names import Queue, Table
from shared.workflows import agenda
from tests.bench.quiet import Bench, bench

CONNECTION = "1a1a1a1a000040008000000000000002-nobodyxx"
DUE = 20
_TICKS = 5
#: The service takes no more rows in one transaction.
_BATCH = 100


async def measure(made: Bench, sizes: list[int], seconds: float) -> dict[str, Any]:
    """For each size: what a tick asks of storage, and how long it takes against a bare query."""
    found: dict[str, Any] = {}
    stored = 0
    for size in sizes:
        stored = await _fill(made, stored, size, seconds)
        ticks = [await _tick(made) for _ in range(_TICKS)]
        counts = [counts for counts, _, _ in ticks]
        if any(one != counts[0] for one in counts):
            raise AssertionError("the same tick asked for different things")
        found[str(stored)] = {
            "counts": counts[0],
            "ratio": statistics.median(tick / query for _, tick, query in ticks),
        }
    return found


async def _fill(made: Bench, stored: int, size: int, seconds: float) -> int:
    """Add rows that fall due from tomorrow on, a hundred a minute, until there are enough or the time is up."""
    table = made.scene.tables.get_table_client(Table.DUE_WORK)
    tomorrow = whole_minute(made.scene.now()) + timedelta(days=1)
    deadline = time.monotonic() + seconds
    while stored < size and time.monotonic() < deadline:
        at = tomorrow + timedelta(minutes=stored // _BATCH)
        keys = range(stored, min(stored + _BATCH, size))
        await table.submit_transaction([("upsert", _row(_due(f"later{key}", at))) for key in keys])
        stored += len(keys)
    return stored


async def _tick(made: Bench) -> tuple[dict[str, int], float, float]:
    """One tick with some entries due: its counts, its seconds, and those of the bare query."""
    now = made.scene.now()
    await made.main.agenda.plan(_due(f"due{key}", now) for key in range(DUE))
    query = await _timed(lambda: _bare(made, now))
    made.tally.start()
    tick = await _timed(lambda: agenda.dispatch(made.main))
    counts = made.tally.take()
    await made.scene.queues.get_queue_client(Queue.UPKEEP).clear_messages()
    return asdict(counts), tick, query


async def _bare(made: Bench, now: datetime) -> int:
    table = made.scene.tables.get_table_client(Table.DUE_WORK)
    found = table.query_entities("PartitionKey le @minute", parameters={"minute": now.strftime("%Y%m%d%H%M")})
    return len([row async for row in found])


async def _timed(doing: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await doing()
    return time.perf_counter() - begun


def _due(key: str, at: datetime) -> Due:
    return Due(at, at + timedelta(days=7), "erase-phone", CONNECTION, key, 1)


async def main(sizes: list[int], seconds: float) -> None:
    """Measure, and say it as JSON."""
    async with bench(plan.load()) as made:
        found = await measure(made, sizes, seconds)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main([int(one) for one in sys.argv[2:]], float(sys.argv[1])))
