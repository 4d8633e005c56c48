"""One whole visit without a key to storage: what runs on Azure with a managed identity runs here with one.

Azurite speaks https and takes bearer tokens for its own resource; the tokens come from the stand-in of Entra, as
App Service's identity endpoint would hand them out.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import plan, state, world
from tests import free_ports
from tests.conftest import ROOT

#: The demo takes about 90 s on two cores that nobody else uses.
_WITHIN_SECONDS = 420
_LOOK_EVERY_SECONDS = 0.2
APPS = ("app", "hl7_host")


@dataclass(frozen=True)
class Run:
    """How the demo ended, what it said, and what stood in the environment of both apps while it ran."""

    code: int
    said: str
    environments: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("identity")
    with free_ports.block() as first, (folder / "demo.out").open("w+") as output:
        env = {**os.environ, "SANDBOX_FOLDER": str(folder), "SANDBOX_PORT": str(first)}
        demo = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "demo", "--identity"],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            environments = _environments(folder, demo)
            code = demo.wait(_WITHIN_SECONDS)
        finally:
            if demo.poll() is None:
                demo.send_signal(signal.SIGTERM)  # it stops its stack
                demo.wait(60)
        output.seek(0)
        yield Run(code, output.read(), environments)


def _environments(folder: Path, demo: subprocess.Popen[bytes]) -> dict[str, dict[str, str]]:
    """What the kernel says, once everything answers."""
    deadline = time.monotonic() + _WITHIN_SECONDS
    while not (folder / "state.json").exists():
        if demo.poll() is not None or time.monotonic() > deadline:
            return {}
        time.sleep(_LOOK_EVERY_SECONDS)
    pids = state.read_pids(plan.read(folder / "plan.json"))
    return {name: _environment(pids[name]) for name in APPS}


def _environment(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def test_the_whole_visit_passes_by_identity(run: Run) -> None:
    assert run.code == 0, run.said[-4000:]
    assert " green" in run.said.splitlines()[-2]


@pytest.mark.parametrize("name", APPS)
def test_no_key_and_no_connection_string_reaches_an_app(run: Run, name: str) -> None:
    environment = run.environments[name]
    assert "ConnectorStorage" not in environment
    assert environment["ConnectorStorage__queueServiceUri"].startswith("https://")
    assert environment["ConnectorStorage__tableServiceUri"].startswith("https://")
    everything = "\n".join(environment.values())
    found = [key for key in ("AccountKey=", plan.ACCOUNT_KEY, world.ACS_ACCESS_KEY) if key in everything]
    assert found == []
