"""Measure 5: start of process to first answer, and modules imported by then, against an empty Functions app."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from sandbox import app_settings
from sandbox.plan import Plan
from tests.bench.host import APPS, ROOT, host, open_port

_STARTS = 3
_OURS = ("shared", "functions")


@dataclass(frozen=True)
class App:
    """An app to start: its folder, what to ask first, its settings."""

    name: str
    folder: Path
    method: str
    path: str
    env: dict[str, str]


@dataclass(frozen=True)
class Start:
    """seconds  from the start of the process to the first answer; modules  imported by then, `ours` of them our own."""

    seconds: float
    modules: int
    ours: int


def apps(here: Plan) -> list[App]:
    """Ours, and one that does nothing."""
    plan = {"SANDBOX_PLAN": str(Path(here.folder) / "plan.json")}
    settings = {role: app_settings.environment(here, role) | plan for role in ("main", "hl7")}
    return [
        App("empty", APPS / "empty", "GET", "/hello", plan),
        App("hl7", ROOT, "POST", f"/hl7v2/{'0' * 32}-aaaaaaaa", settings["hl7"]),
        App("main", ROOT, "GET", "/healthz", settings["main"]),
    ]


async def measure(here: Plan) -> dict[str, Start]:
    """Each app started a few times; once more, slower, to count what it imports."""
    port = max(here.ports.values()) + 1
    found = {}
    for app in apps(here):
        seconds = [(await _started(app, port, here))[0] for _ in range(_STARTS)]
        _, said = await _started(app, port, here, PYTHONPROFILEIMPORTTIME="1")
        modules = imported(said)
        ours = sum(name.partition(".")[0] in _OURS for name in modules)
        found[app.name] = Start(statistics.median(seconds), len(modules), ours)
    return found


async def _started(app: App, port: int, here: Plan, **env: str) -> tuple[float, str]:
    """Seconds to the first answer, and what the process wrote."""
    said = here.path("logs") / f"start-{app.name}.log"
    async with host(app.folder, port, said, app.env | env) as started, aiohttp.ClientSession() as http:
        await open_port(port)
        async with http.request(app.method, started.url + app.path) as answer:
            await answer.read()
        seconds = time.monotonic() - started.since
    return seconds, said.read_text()


def imported(said: str) -> set[str]:
    """Modules that a process imported, from what `-X importtime` wrote."""
    lines = (line.rpartition("|") for line in said.splitlines() if line.startswith("import time:"))
    return {name.strip() for _, _, name in lines} - {"imported package"}
