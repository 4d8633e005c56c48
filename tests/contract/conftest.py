"""Starts a stand-in as the sandbox would: its own process, its own ports, https under a fresh CA.

`start_peer("entra")` returns a `RunningPeer`. A module's peers share one plan and live as long as the module;
`restart` gives one an empty memory. The faults of a test are gone before the next.
"""

import os
import random
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import ca
from sandbox import plan as sandbox_plan

ROOT = Path(__file__).parents[2]
BLOCK = 20
BLOCKS = range(7620, 8000, BLOCK)
READY_WITHIN_SECONDS = 30.0


class RunningPeer:
    """One stand-in and what a test asks of it.

    url, plan, ca (file); http: a requests session that trusts the CA and keeps cookies; tls: the same trust for
    aiohttp and asyncio.
    """

    def __init__(self, name: str, world: sandbox_plan.Plan) -> None:
        self.name = name
        self.plan = world
        self.url = world.urls[name]
        self.ca = str(world.path("ca"))
        self.tls = ssl.create_default_context(cafile=self.ca)
        self.http = requests.Session()
        self.http.verify = self.ca
        self.http.trust_env = False
        self._start()

    def seen(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What reached the stand-in, oldest first."""
        answer = self.http.get(f"{self.url}/_sandbox/seen", params={"kind": kind} if kind else {}, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def fault(self, **fault: Any) -> None:
        """Make it misbehave; see sandbox.peer.Fault."""
        self.http.post(f"{self.url}/_sandbox/faults", json=fault, timeout=10).raise_for_status()

    def behave(self) -> None:
        """Take every fault back."""
        self.http.delete(f"{self.url}/_sandbox/faults", timeout=10).raise_for_status()

    def restart(self) -> None:
        """Stop it and start it with an empty memory; the session forgets its cookies."""
        self._stop()
        self.http.cookies.clear()
        self._start()

    def close(self) -> None:
        """End the process and the session."""
        self._stop()
        self.http.close()

    def _start(self) -> None:
        errors = Path(self.plan.folder) / f"{self.name}.stderr"
        with errors.open("w") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, a module of ours
                [sys.executable, "-m", f"sandbox.{self.name}"],
                cwd=ROOT,
                env={**os.environ, "SANDBOX_PLAN": str(Path(self.plan.folder) / "plan.json")},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        alarm = threading.Timer(READY_WITHIN_SECONDS, self._process.kill)
        alarm.start()
        line = self._process.stdout.readline()
        alarm.cancel()
        if not line.startswith(f"READY {self.name} "):
            self._stop()
            pytest.fail(f"{self.name} did not start: {line!r}\n{errors.read_text()}")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._process.stdout.close()


class RunningPeers:
    """The stand-ins of one test module."""

    def __init__(self, world: sandbox_plan.Plan) -> None:
        self._plan = world
        self._running: dict[str, RunningPeer] = {}

    def __call__(self, name: str) -> RunningPeer:
        if name not in self._running:
            self._running[name] = RunningPeer(name, self._plan)
        return self._running[name]

    def behave(self) -> None:
        for peer in self._running.values():
            peer.behave()

    def close(self) -> None:
        for peer in self._running.values():
            peer.close()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sandbox_plan.Plan]:
    """A plan on free ports with its certificates, saved."""
    with _reserved_block() as reserved:
        world = sandbox_plan.make(tmp_path_factory.mktemp("sandbox"), reserved.getsockname()[1] - BLOCK + 1)
        ca.make(world)
        world.save()
        yield world


@pytest.fixture(scope="module")
def start_peer(plan: sandbox_plan.Plan) -> Iterator[RunningPeers]:
    """Starts a stand-in by name; asked again, the one that runs."""
    peers = RunningPeers(plan)
    yield peers
    peers.close()


@pytest.fixture(autouse=True)
def _no_fault_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    peers = request.getfixturevalue("start_peer") if "start_peer" in request.fixturenames else None
    yield
    if peers:
        peers.behave()


def _reserved_block() -> socket.socket:
    """Twenty free ports in a row, reserved by holding the last one, which no plan uses."""
    blocks = list(BLOCKS)
    random.shuffle(blocks)  # runs side by side rarely try the same one
    for first in blocks:
        holder = _holding(first + BLOCK - 1)
        if holder and all(_free(port) for port in range(first, first + BLOCK - 1)):
            return holder
        if holder:
            holder.close()
    pytest.fail("no twenty free ports in a row between 7620 and 7999")


def _holding(port: int) -> socket.socket | None:
    holder = socket.socket()
    try:
        holder.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        return None
    return holder


def _free(port: int) -> bool:
    if holder := _holding(port):
        holder.close()
    return holder is not None
