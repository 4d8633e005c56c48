"""What each step costs, exactly: docs/bench.md holds the numbers, and a step that asks for more is seen here.

A number that is meant to change is changed in that page: `python -m tests.bench` prints the new table. No test here
looks at a clock.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.demo.scene import opened
from tests import free_ports
from tests.bench import start
from tests.bench.agenda import DUE
from tests.bench.clinic import open_up
from tests.bench.pins import lines, pinned
from tests.bench.quiet import measured, quiet

Counted = dict[str, dict[str, int]]
STORED = ("200", "2000")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One visit and a few ticks, counted on a stack that stands still."""
    with free_ports.block() as first, asyncio.Runner() as runner:
        yield runner.run(_measure(tmp_path_factory, first))


async def _measure(folders: pytest.TempPathFactory, first: int) -> dict[str, Any]:
    async with quiet(folders.mktemp("quiet"), first) as still, opened(still) as scene:
        await open_up(scene)
        visit = await measured(still.plan, "visit", scene.facts["connection"])
        return {"visit": visit, "agenda": await measured(still.plan, "agenda", "60", *STORED)}


@pytest.fixture
def steps(found: dict[str, Any]) -> Counted:
    return found["visit"]


def test_the_page_lists_every_step_that_is_measured(steps: Counted):
    assert list(pinned()) == list(steps)


@pytest.mark.parametrize("step", pinned())
def test_a_step_asks_for_exactly_what_the_page_says(step: str, steps: Counted):
    assert steps[step] == pinned()[step], "\n".join(lines(steps))


@pytest.mark.promise("P7")
def test_a_live_panel_is_one_request_that_writes_nothing(steps: Counted):
    panel = steps["live panel"]
    assert (panel["tables"], panel["written"], panel["messages"]) == (1, 0, 0)
    assert panel["read"] == 4, "the appointment, the visit, the patient, the provider"


@pytest.mark.promise("P8")
@pytest.mark.parametrize("launch", ["patient launch", "provider launch with sign-in", "provider launch, known"])
def test_a_launch_of_a_provisioned_visit_calls_no_graph(launch: str, steps: Counted):
    assert steps[launch]["graph"] == 0
    assert steps["meeting provided"]["graph"] > 0, "or nothing of Graph was counted"


@pytest.mark.promise("P6")
def test_a_tick_asks_for_the_same_however_much_is_stored(found: dict[str, Any]):
    few, many = (found["agenda"][stored]["counts"] for stored in STORED)
    assert few == many
    assert (many["read"], many["written"], many["messages"]) == (DUE, DUE, DUE)
    assert many["tables"] == 2, "one query, and one batch that takes them off"


@pytest.mark.feature("F10.1")
@pytest.mark.promise("P9")
def test_two_queues_lie_between_graphs_event_and_epics_status(steps: Counted):
    """Each costs a polling interval at most; `make bench` measures what they add up to on the real host.

    The first queue is the one the event was taken from, the second the one its only message went to.
    """
    event, told = steps["patient in the lobby"], steps["patient connected, told to Epic"]
    assert (event["messages"], event["epic"]) == (1, 0)
    assert told["messages"] == 0
    assert told["epic"] > 0


def test_a_tick_with_nothing_due_is_one_request(steps: Counted):
    nothing = {"tables": 1, "read": 0, "written": 0, "messages": 0, "graph": 0, "epic": 0}
    assert steps["tick, nothing due"] == nothing


def test_a_door_reads_one_row_and_sends_one_message(steps: Counted):
    """The engine waits: nothing but who may knock, and durable."""
    door = {"tables": 1, "read": 1, "written": 0, "messages": 1, "graph": 0, "epic": 0}
    assert steps["HL7v2 booking accepted"] == steps["HL7v2 update accepted"] == door


def test_imports_are_read_from_what_python_says():
    said = "\n".join(
        [
            "import time: self [us] | cumulative | imported package",
            "import time:        12 |         12 |     shared.errors",
            "2026-11-21 INFO sandbox.host something | else",
            "import time:         9 |         21 |   functions.hl7",
        ]
    )
    assert start.imported(said) == {"shared.errors", "functions.hl7"}
