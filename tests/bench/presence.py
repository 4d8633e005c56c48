"""Measure 4: from Graph's event to Epic's status on the real host, in polling intervals of host.json."""

import asyncio
import json
import statistics
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox import world
from sandbox.demo.browser import Browser
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.steps.launches import act, join
from tests.e2e.launch.launching import book, control

EVENTS = 10
CSN = "9200001"
_ROOT = Path(__file__).parents[2]
_PATIENT = world.EPIC_USERS["pat"].external_id


@dataclass(frozen=True)
class Waits:
    """In polling intervals."""

    median: float
    longest: float
    interval: float


async def measure(scene: Scene) -> Waits:
    """The patient comes and goes; each time the queues have fallen idle before, so that polling is at its slowest."""
    interval = polling_interval()
    await book(scene, CSN)
    async with Browser(scene.plan) as pat:
        await pat.launch("pat", CSN, role="patient")
    scene.facts["meeting"] = (await _subscribed(scene))["meeting"]
    waits, participant = [], ""
    for number in range(EVENTS):
        # after three intervals of nothing the pause is at its longest; the rest meets another phase of it each time
        await asyncio.sleep(interval * (3 + number / EVENTS))
        told = len(await _statuses(scene))
        if participant:
            await act(scene, participant, "leave")
            participant = ""
        else:
            participant, _ = await join(scene, None, "Pat Quillfeather")
        waits.append(await _wait(scene, told))
    in_intervals = [wait / interval for wait in waits]
    return Waits(statistics.median(in_intervals), max(in_intervals), interval)


def polling_interval() -> float:
    """Seconds; host.json writes hh:mm:ss."""
    text = json.loads((_ROOT / "host.json").read_text())["extensions"]["queues"]["maxPollingInterval"]
    hours, minutes, seconds = (float(part) for part in text.split(":"))
    return hours * 3600 + minutes * 60 + seconds


async def _wait(scene: Scene, told: int) -> float:
    """Seconds from Graph's event to Epic's newest status; both say when by the same clock."""
    statuses = await eventually(lambda: _statuses(scene), lambda found: len(found) > told)
    if len(statuses) != told + 1:
        raise AssertionError("Epic was not told exactly once")
    happened = (await scene.seen("graph", "roster"))[-1]["at"]
    return (datetime.fromisoformat(statuses[-1]["at"]) - datetime.fromisoformat(happened)).total_seconds()


async def _statuses(scene: Scene) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await control(scene, "epic", "GET", "connections")
    return [one for one in found if one["external_id"] == _PATIENT]


async def _subscribed(scene: Scene) -> dict[str, Any]:
    """Graph's subscription to the visit's call, once there is one."""
    found = await eventually(lambda: control(scene, "graph", "GET", "subscriptions"), bool)
    return dict(found[0])
