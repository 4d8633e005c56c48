"""A Functions host of its own for an app that is compared with ours."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.stack import PASSED_ON

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parent / "apps"
_WITHIN = 60.0


@dataclass(frozen=True)
class Started:
    """A host that is starting. `since` is time.monotonic of its start; `said` is where it writes."""

    pid: int
    url: str
    since: float
    said: Path


@asynccontextmanager
async def host(app: Path, port: int, said: Path, env: dict[str, str]) -> AsyncIterator[Started]:
    """Run an app in a host of its own; it is ended at the end."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    command = (sys.executable, "-m", "sandbox.host", "--app-dir", str(app), "--port", str(port))
    since = time.monotonic()
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=passed | {"SANDBOX_TIMERS": "manual"} | env, stdout=log, stderr=log
        )
    try:
        yield Started(process.pid, f"http://127.0.0.1:{port}", since, said)
    finally:
        process.terminate()
        await process.wait()


async def open_port(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + _WITHIN
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.005)
            continue
        writer.close()
        return
    raise TimeoutError(f"no host on port {port}")


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, in user and kernel mode (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
