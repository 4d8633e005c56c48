"""A stack in which nothing moves by itself: the queue functions are off and no timer is scheduled.

Whoever measures plays the host: takes a message from a queue and hands it to the workflow. So every request belongs
to one step. Peers, emulator and the app's HTTP side are the real ones of the sandbox.
"""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sandbox import app_settings, stack
from sandbox.demo.scene import Scene, eventually, opened
from sandbox.plan import Plan
from sandbox.stack import Stack
from shared import settings
from shared.storage.names import Queue
from tests.bench.counting import CountedDeps, Tally
from tests.reach import Source

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Delivered:
    """A message as the host hands it over."""

    raw: bytes

    def get_body(self) -> bytes:
        return self.raw


@dataclass(frozen=True)
class Bench:
    """The quiet stack as it is measured: `main` and `hl7` are what each app's functions are handed."""

    scene: Scene
    tally: Tally
    main: CountedDeps
    hl7: CountedDeps

    async def waiting(self, queue: Queue) -> int:
        """Messages in a queue, seen or hidden."""
        found = await self.scene.queues.get_queue_client(queue).get_queue_properties()
        return int(found.approximate_message_count or 0)

    async def take(self, queue: Queue) -> Delivered:
        """The next message of a queue, once there is one; it leaves the queue."""
        if not await eventually(lambda: self.waiting(queue), bool):
            raise AssertionError(f"nothing came to {queue}")
        client = self.scene.queues.get_queue_client(queue)
        message = await client.receive_message()
        if message is None:
            raise AssertionError(f"what waits in {queue} is hidden")
        await client.delete_message(message)
        return Delivered(base64.b64decode(message.content))


def quiet(folder: Path, first_port: int) -> Stack:
    """The sandbox with every queue function of `main` disabled."""
    made = stack.sandbox(folder, first_port)
    names = [one.function for one in Source(ROOT).triggers() if one.what.startswith("queue ")]
    off = {f"AzureWebJobs.{name}.Disabled": "true" for name in names}
    stages = stack.programs(made.plan, stack.Settings())
    return Stack(made.plan, [[replace(one, env=one.env | off) for one in stage] for stage in stages])


@asynccontextmanager
async def bench(here: Plan) -> AsyncIterator[Bench]:
    """What measures on a quiet stack that runs; in a process of its own, see `measured`."""
    tally = Tally(here)
    made = {role: settings.read(app_settings.environment(here, role)) for role in ("main", "hl7")}
    main, hl7 = (CountedDeps(made[role], tally) for role in ("main", "hl7"))
    try:
        async with opened(Stack(here, [])) as scene:
            yield Bench(scene, tally, main, hl7)
    finally:
        await main.close()
        await hl7.close()


async def measured(here: Plan, module: str, *arguments: str) -> Any:
    """What a measure says as JSON. It runs in a process that trusts the sandbox's CA from its start, as an app does:
    the libraries read what they trust when they are imported.
    """
    env = {name: os.environ[name] for name in stack.PASSED_ON if name in os.environ}
    env |= {"SANDBOX_PLAN": str(Path(here.folder) / "plan.json"), "SSL_CERT_FILE": here.files["ca"]}
    command = (sys.executable, "-m", f"tests.bench.{module}", *arguments)
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"the measure {module} ended with {child.returncode}")
    return json.loads(said)
