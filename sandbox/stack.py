"""Starts the sandbox's processes in order, watches them, stops them in reverse.

    async with stack.sandbox(folder, first_port=7700) as running:
        running.plan.urls["app"] ...
        await running.restart("app", signal.SIGKILL)

Each process gets its own session, writes stdout and stderr to `logs/<name>.log` and says `READY <name>` when its
port is open. A process that is not started here is never signalled.
"""

import asyncio
import contextlib
import math
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from sandbox import app_settings, ca, node, plan, ports, state
from sandbox.host import cors

PEERS = ("entra", "epic", "graph", "acs")
ROOT = Path(__file__).parents[1]
#: What of the caller's environment a process of the sandbox sees; a proxy or a cloud login is not among it.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
#: The first start of the emulator installs it.
INSTALL_WITHIN = 300.0
LOOK_EVERY_SECONDS = 0.05
WATCH_EVERY_SECONDS = 0.5
#: A host that stops drains the invocations it has begun.
STOP_WITHIN_SECONDS = 15.0
LAST_LINES = 20
DOWN_ENDS = "`make down` ends them"


class StackError(Exception):
    """The sandbox does not stand: which process, why, and the end of its log."""


@dataclass(frozen=True)
class Settings:
    """How the hosts run.

    timers         manual: only `run TIMER` starts one; schedule: as host.json and the app say
    fault          a name of sandbox.demo.breaks, put into both apps
    lease_seconds  the queue lease; None = the host's ten minutes
    disabled       names of functions that are switched off, as an operator would
    """

    timers: Literal["manual", "schedule"] = "manual"
    fault: str | None = None
    lease_seconds: int | None = None
    disabled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """One process: its arguments after the interpreter, the plan's ports it opens, what it is told besides."""

    name: str
    argv: tuple[str, ...]
    opens: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    ready_within: float = 60.0


def programs(here: plan.Plan, settings: Settings) -> list[list[Program]]:
    """Everything there is to start, in stages; a stage starts when the one before answers."""
    peers = [Program(name, ("-m", f"sandbox.{name}"), (name,)) for name in PEERS]
    azurite = Program("azurite", ("-m", "sandbox.azurite"), ("blob", "queue", "table"), ready_within=INSTALL_WITHIN)
    app = ("-m", "sandbox.host", "--app-dir", str(ROOT), "--port")
    main = Program("app", (*app, str(here.ports["app"]), "--tls"), ("app",), _host(here, "main", settings))
    hl7 = Program("hl7_host", (*app, str(here.ports["hl7_host"])), ("hl7_host",), _host(here, "hl7", settings))
    front = Program("hl7", ("-m", "sandbox.front"), ("hl7",))
    portal = Program("portal", ("-m", "sandbox.portal"), ("portal",), ready_within=INSTALL_WITHIN)
    return [[azurite, portal, *peers], [main, hl7], [front]]


def _host(here: plan.Plan, role: Literal["main", "hl7"], settings: Settings) -> dict[str, str]:
    """The environment of one app's host: the app's own settings, then the host's."""
    env = app_settings.environment(here, role)
    env |= {"SANDBOX_MASTER_KEY": here.keys["master"], "SANDBOX_TIMERS": settings.timers}
    if settings.lease_seconds is not None:
        env["SANDBOX_LEASE_SECONDS"] = str(settings.lease_seconds)
    if role == "main":
        env[cors.SETTING] = here.urls["portal"]
    if settings.fault:
        env["SANDBOX_BREAK"] = settings.fault
    return env | {f"AzureWebJobs.{name}.Disabled": "true" for name in settings.disabled}


def sandbox(
    folder: Path,
    first_port: int = plan.FIRST_PORT,
    settings: Settings | None = None,
    *,
    identity: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> "Stack":
    """The whole sandbox, laid out in `folder`; enter it to start it."""
    here = plan.make(folder, first_port, identity=identity)
    here = replace(here, keys={"master": secrets.token_urlsafe(24)})
    ca.make(here)
    return Stack(here, programs(here, settings or Settings()), say)


class Stack:
    """The processes of one sandbox. `plan` says where they stand."""

    def __init__(
        self, here: plan.Plan, stages: Sequence[Sequence[Program]], say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.plan = here
        self._say = say
        self._stages = stages
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._said: dict[str, str] = {}
        self._held = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        try:
            self._held.enter_context(state.hold(self.plan))
        except BlockingIOError:
            owner = state.read_pids(self.plan).get("supervisor", "unknown")
            raise StackError(f"a sandbox runs in {self.plan.folder} already (pid {owner})") from None
        try:
            self._require_ports()
            _require_none_left(self.plan)
        except (ports.PortTakenError, StackError):
            self._held.close()  # and nothing else: what an earlier run left behind is still `down`'s to end
            raise
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    def _require_ports(self) -> None:
        wanted = {name: self.plan.ports[name] for program in self._programs() for name in program.opens}
        ports.require_free(wanted, self.plan.folder)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        clear(self.plan)
        self.plan.path("logs").mkdir(exist_ok=True)
        self.plan.save()
        for stage in self._stages:
            if any(program.name == "azurite" for program in stage) and not node.installed():
                self._say("installing Azurite, the storage emulator, from npm: once, some seconds to a minute")
            self._say(f"starting {', '.join(program.name for program in stage)}")
            marks = [(program, self._spawn(program)) for program in stage]
            for program, mark in marks:
                await self._ready(program, mark)
            if any(program.name == "azurite" for program in stage):
                await app_settings.prepare(self.plan)
        state.write(self.plan, self.pids())

    def _programs(self) -> list[Program]:
        return [program for stage in self._stages for program in stage]

    def _program(self, name: str) -> Program:
        for program in self._programs():
            if program.name == name:
                return program
        raise StackError(f"no process is called {name}; there are: {', '.join(p.name for p in self._programs())}")

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.plan.path("logs") / f"{name}.log"

    def pids(self) -> dict[str, int]:
        """Who runs now."""
        return {name: process.pid for name, process in self._running.items() if process.poll() is None}

    def dead(self) -> dict[str, int]:
        """Who ended without being asked to, with the exit status."""
        ended = {name: process.poll() for name, process in self._running.items()}
        return {name: status for name, status in ended.items() if status is not None}

    def functions(self, host: str) -> list[str]:
        """The functions that a host (app, hl7_host) has loaded, as its READY line names them: `READY ... [a b]`."""
        return self._said[host].partition("[")[2].rstrip("]").split()

    async def watch(self) -> str:
        """Wait until a process ends unasked; says which, with the end of its log."""
        await _until(lambda: bool(self.dead()), every=WATCH_EVERY_SECONDS)
        return "\n".join(self._obituary(name) for name in self.dead())

    async def restart(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End one process, with SIGKILL as a crash would, and start it again on the same port."""
        await self.stop_one(name, how)
        await self.start_one(name)

    def set(self, settings: Settings) -> None:
        """How the hosts run from their next start on."""
        self._stages = programs(self.plan, settings)

    async def start_one(self, name: str) -> None:
        """Start a process that was stopped."""
        program = self._program(name)
        wanted = {port: self.plan.ports[port] for port in program.opens}
        await _until(lambda: ports.are_free(wanted), STOP_WITHIN_SECONDS)  # a killed one's children go a moment later
        ports.require_free(wanted, self.plan.folder)
        await self._ready(program, self._spawn(program))
        state.write(self.plan, self.pids())

    async def stop_one(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End one process and leave the others running."""
        process = self._running.pop(self._program(name).name)
        await _end(process, how)
        self._note()

    async def stop(self) -> None:
        """End everything in reverse order."""
        for stage in reversed(self._stages):
            ending = [self._running.pop(p.name) for p in stage if p.name in self._running]
            await asyncio.gather(*(_end(process, signal.SIGTERM) for process in ending))
        state.forget(self.plan)
        self._held.close()

    def _spawn(self, program: Program) -> int:
        """Start a process; returns where its log begins."""
        path = self.log(program.name)
        mark = path.stat().st_size if path.exists() else 0
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        env |= program.env
        env |= {"SANDBOX_PLAN": str(Path(self.plan.folder) / "plan.json"), "PYTHONUNBUFFERED": "1"}
        with path.open("ab") as log:
            self._running[program.name] = subprocess.Popen(  # noqa: S603 - our own modules, by our own interpreter
                [sys.executable, *program.argv],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._note()
        return mark

    async def _ready(self, program: Program, mark: int) -> None:
        process = self._running[program.name]

        def said() -> str:
            return _ready_line(self.log(program.name).read_bytes()[mark:])

        await _until(lambda: bool(said()) or process.poll() is not None, program.ready_within)
        if process.poll() is not None:
            raise StackError(self._obituary(program.name))
        if not said():
            raise StackError(f"{program.name} did not answer in {program.ready_within:g} s\n{self._tail(program)}")
        self._said[program.name] = said()

    def _obituary(self, name: str) -> str:
        program = self._program(name)
        return f"{name} ended with status {self._running[name].returncode}\n{self._tail(program)}"

    def _tail(self, program: Program) -> str:
        lines = self.log(program.name).read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "\n".join([f"the end of {self.log(program.name)}:", *(f"  {line}" for line in lines)])

    def _note(self) -> None:
        state.write_pids(self.plan, {"supervisor": os.getpid(), **self.pids()})


async def _until(true: Callable[[], bool], within: float = math.inf, every: float = LOOK_EVERY_SECONDS) -> None:
    """Wait until something is true or the time is up."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if true():
            return
        await asyncio.sleep(every)


def _ready_line(log: bytes) -> str:
    lines = log.decode(errors="replace").splitlines()
    return next((line for line in lines if line.startswith("READY ")), "")


async def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ask a process to end; what is left of its session after the time is up is killed."""
    if process.poll() is None:
        process.send_signal(how)
    await _until(lambda: process.poll() is not None, STOP_WITHIN_SECONDS)
    _kill_session(process.pid)
    await asyncio.to_thread(process.wait)


def _kill_session(leader: int) -> None:
    """End what a process started and left behind, and the process if it did not listen."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def clear(here: plan.Plan) -> None:
    """Forget the run before: the emulator's data, logs, clock and report. Certificates stay."""
    for name in ("azurite", "logs"):
        shutil.rmtree(here.path(name), ignore_errors=True)
    reports = (Path(here.folder) / name for name in ("report.json", "report.md"))
    for path in (here.path("clock"), here.path("names"), *reports):
        path.unlink(missing_ok=True)
    state.forget(here)


async def down(here: plan.Plan) -> list[str]:
    """End a sandbox from outside; the names of what was ended. Only what was started for this folder is touched."""
    if state.held(here):
        running = state.alive(here)
        if (supervisor := running.pop("supervisor", None)) is None:
            raise StackError("the sandbox is just starting: try again in a moment")
        os.kill(supervisor, signal.SIGTERM)
        await _until(lambda: not state.held(here))
        return list(running)
    left = left_behind(here)
    for pid in reversed(left.values()):
        await _end_orphan(pid, here.folder)
    state.forget(here)
    return list(left)


def left_behind(here: plan.Plan) -> dict[str, int]:
    """What still runs of a sandbox whose supervisor was killed; for one that is up, its processes."""
    return {name: pid for name, pid in state.alive(here).items() if ports.belongs_to(pid, here.folder)}


def describe(processes: dict[str, int]) -> str:
    """Processes for a line of text."""
    return ", ".join(f"{name} (pid {pid})" for name, pid in processes.items())


def _require_none_left(here: plan.Plan) -> None:
    if left := left_behind(here):
        raise StackError(f"an earlier run in {here.folder} was killed, still running: {describe(left)}; {DOWN_ENDS}")


async def _end_orphan(pid: int, folder: str) -> None:
    """End a process whose supervisor is gone."""
    os.kill(pid, signal.SIGTERM)
    await _until(lambda: not ports.belongs_to(pid, folder), STOP_WITHIN_SECONDS)
    _kill_session(pid)
