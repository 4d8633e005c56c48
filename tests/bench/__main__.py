"""`make bench`: counts and ratios of one run, see docs/bench.md. BENCH_ROWS: how many rows the large agenda has."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from sandbox import stack
from sandbox.demo.scene import opened
from tests import free_ports
from tests.bench import intake, pins, presence, start
from tests.bench.clinic import open_up
from tests.bench.quiet import measured, quiet

_ROWS = os.environ.get("BENCH_ROWS") or "100000"
#: What does not fit in this time is left out, and the output says how many rows there were.
_FILL_SECONDS = 180


async def main() -> None:
    """All measures, two stacks one after the other: one that stands still, one that runs as it does."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, free_ports.block() as first:
        async with quiet(Path(folder), first) as still, opened(still) as scene:
            await open_up(scene)
            took = await intake.measure(scene)
            counts = await measured(still.plan, "visit", scene.facts["connection"])
            ticks = await measured(still.plan, "agenda", str(_FILL_SECONDS), "1000", _ROWS)
        _visit(counts)
        _agenda(ticks)
        _intake(took)
        async with stack.sandbox(Path(folder), first) as running, opened(running) as scene:
            await open_up(scene)
            _presence(await presence.measure(scene))
            _start(await start.measure(running.plan))


def _visit(counts: dict[str, dict[str, int]]) -> None:
    _head("1. What each step of a visit asks (exact; docs/bench.md holds the same table)")
    for line in pins.lines(counts):
        _say(line)


def _agenda(ticks: dict[str, Any]) -> None:
    _head("2. A tick of the agenda with 20 entries due, and much that is not")
    for stored, one in ticks.items():
        counts = one["counts"]
        _say(
            f"{stored:>8} rows stored: {counts['tables']} table requests, {counts['read']} rows read,"
            f" {counts['written']} removed, {counts['messages']} messages; time x {one['ratio']:.1f} of a bare query"
        )


def _intake(took: intake.Compared) -> None:
    _head("3. HL7v2 intake against a function that only puts the same bytes on a queue")
    _say(f"{intake.MESSAGES} messages, {intake.IN_FLIGHT} in flight; ours ended {took.per_second:.0f} a second here")
    _say(f"throughput x {took.throughput:.2f}   p95 x {took.p95:.2f}   processor time a message x {took.cpu:.2f}")


def _presence(waits: presence.Waits) -> None:
    _head("4. From Graph's event to Epic's status")
    _say(f"{presence.EVENTS} events, in polling intervals of {waits.interval:g} s (host.json):")
    _say(f"median {waits.median:.2f}   longest {waits.longest:.2f}")


def _start(starts: dict[str, start.Start]) -> None:
    _head("5. Start of process to first answer")
    bare = starts["empty"]
    for name, one in starts.items():
        ratio = one.seconds / bare.seconds
        _say(f"{name:8} x {ratio:.2f} of the empty app   {one.modules} modules imported, {one.ours} of them ours")


def _head(text: str) -> None:
    _say(f"\n{text}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
