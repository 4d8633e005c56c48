"""The sandbox's command line: `python -m sandbox up|demo|token|seen|clock|run|scan|status|down`.

SANDBOX_PORT moves all ports (default 7400), SANDBOX_FOLDER the folder (default .sandbox).
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp

from sandbox import clock, plan, scan, stack, state, world
from sandbox.demo import breaks, engine, scene, show
from sandbox.ports import PortTakenError

DURATION = re.compile(r"\+(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class UsageError(Exception):
    """What was asked makes no sense here; the message says what would."""


def main() -> int:
    """The exit code of the command asked for."""
    options = _options()
    command: Callable[[argparse.Namespace], Awaitable[int]] = options.command
    try:
        return asyncio.run(_until_told_to_stop(command(options)))
    except (UsageError, stack.StackError, PortTakenError) as error:
        return _complain(str(error), 2)
    except aiohttp.ClientResponseError as error:
        return _complain(f"{error.request_info.url.path} answers {error.status}", 2)
    except aiohttp.ClientConnectionError:
        return _complain("the sandbox does not answer: is it up? (`python -m sandbox status`)", 2)
    except asyncio.CancelledError:
        return _complain("stopped", 130)


async def _until_told_to_stop(work: Awaitable[int]) -> int:
    """Ctrl-C and SIGTERM (from `down`) end a command the same way: the stack stops cleanly."""
    task = asyncio.ensure_future(work)
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    return await task


async def _up(options: argparse.Namespace) -> int:
    if not options.bare:
        _require_engine()
    settings = stack.Settings(timers="schedule")
    async with stack.sandbox(folder(), first_port(), settings, identity=options.identity, say=print) as running:
        print(show.what_to_try(running.plan))
        bare = "No hospital is set up: docs/guides/administrator.md says how by the page, docs/set-up.md by the API."
        print(bare if options.bare else await show.furnish(running))
        try:
            print(f"\n{await running.watch()}")
        except asyncio.CancelledError:
            print("\nstopped")
            return 0  # a stack that is left running ends so: Ctrl-C, or `down`
        return 1


async def _demo(options: argparse.Namespace) -> int:
    if options.fault and options.fault not in breaks.BREAKS:
        raise UsageError(breaks.unknown(options.fault))
    _require_engine()
    return await show.demo(folder(), first_port(), options.fault, identity=options.identity)


async def _breaks(_: argparse.Namespace) -> int:
    """1 if a fault did not turn exactly its step red."""
    _require_engine()
    codes = {name: await show.demo(folder(), first_port(), name, identity=False) for name in breaks.BREAKS}
    wrong = [name for name, code in codes.items() if code != breaks.AS_IT_SHOULD]
    print(f"\n{len(codes) - len(wrong)} of {len(codes)} faults turned exactly their step red")
    return 1 if wrong else 0


async def _token(options: argparse.Namespace) -> int:
    if options.user not in world.USERS:
        raise UsageError(f"no user is called {options.user}; there are: {', '.join(world.USERS)}")
    here = running_plan()
    async with scene.client(here) as http:
        print(await scene.token(http, here, options.user))
    return 0


async def _seen(options: argparse.Namespace) -> int:
    here = running_plan()
    async with scene.client(here) as http:
        print(json.dumps(await scene.seen(http, here, options.peer, options.kind), indent=2))
    return 0


async def _clock(options: argparse.Namespace) -> int:
    path = running_plan().path("clock")
    if options.by != "show":
        clock.move(path, duration(options.by))
    print(f"{clock.now(path).isoformat(timespec='seconds')} (moved by {clock.offset(path)})")
    return 0


async def _run(options: argparse.Namespace) -> int:
    here = running_plan()
    async with scene.client(here) as http:
        try:
            await scene.run_timer(http, here, options.timer)
        except aiohttp.ClientResponseError as error:
            if error.status == 500:
                raise UsageError(f"{options.timer} failed; why is in {here.path('logs') / 'app.log'}") from None
            raise UsageError(f"the app has no timer called {options.timer}") from None
    print(f"{options.timer} has run")
    return 0


async def _scan(options: argparse.Namespace) -> int:
    try:
        needles = [scan.Needle.guess(n, value) for n, value in enumerate(options.needle, 1)]
    except ValueError as error:
        raise UsageError(str(error)) from None
    outcome = await scan.scan(running_plan(), needles)
    print("\n".join(outcome.lines()))
    return 0 if outcome.clean else 1


async def _status(_: argparse.Namespace) -> int:
    """0 only if everything that was started runs."""
    here = planned()
    if not state.held(here):
        left = stack.left_behind(here)
        gone = f"the supervisor is gone, still running: {stack.describe(left)}; {stack.DOWN_ENDS}"
        print(gone if left else "the sandbox is down")
        return 1
    alive, noted = state.alive(here), state.read_pids(here)
    for name, pid in noted.items():
        where = here.urls.get(name, "") if name in alive else "has ended"
        print(f"{name:<10} pid {pid:<8} {where}".rstrip())
    return 0 if alive == noted else 1


async def _down(_: argparse.Namespace) -> int:
    ended = await stack.down(planned())
    print(f"ended: {', '.join(ended)}" if ended else "nothing was running")
    return 0


def _require_engine() -> None:
    """Said before anything is started, not when the first booking is due."""
    if engine.client() is None:
        raise UsageError(engine.MISSING)


def folder() -> Path:
    """Where the sandbox keeps its files."""
    return Path(os.environ.get("SANDBOX_FOLDER") or stack.ROOT / ".sandbox")


def first_port() -> int:
    """The lowest port of the sandbox."""
    given = os.environ.get("SANDBOX_PORT") or str(plan.FIRST_PORT)
    if not given.isdecimal() or not 1024 <= int(given) <= 65535 - len(plan.PORTS):
        raise UsageError("SANDBOX_PORT is the first of a row of free ports, like 7400")
    return int(given)


def planned() -> plan.Plan:
    """The plan of the run in the folder."""
    path = folder() / "plan.json"
    if not path.exists():
        raise UsageError("there is no sandbox here yet: `make up` starts one")
    return plan.read(path)


def running_plan() -> plan.Plan:
    """The plan of the sandbox that is up."""
    here = planned()
    if not (Path(here.folder) / "state.json").exists():
        raise UsageError("the sandbox is not up: `make up` starts it")
    return here


def duration(text: str) -> timedelta:
    """`+2h`, `+1d12h`, `+90s`; `UsageError` for anything else, and for a way back."""
    found = DURATION.fullmatch(text)
    if not found or not any(found.groups()):
        raise UsageError("say how far: +2h, +30m, +1d12h, +90s; time does not go back")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A whole visit on one machine")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], Awaitable[int]], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        return sub

    up = add("up", _up, "start everything and stay, until Ctrl-C")
    up.add_argument("--bare", action="store_true", help="leave out the hospital and its visit: set one up yourself")
    demo = add("demo", _demo, "start everything, play a whole visit, look at it from the far side, stop")
    demo.add_argument("--break", dest="fault", metavar="FAULT", help="plant a fault; its step must turn red")
    add("breaks", _breaks, "play the demo with every fault in turn")
    for sub in (up, demo):
        sub.add_argument("--identity", action="store_true", help="storage by OAuth instead of the account key")
    add("token", _token, "print an access token for the API").add_argument("user", metavar="USER")
    seen = add("seen", _seen, "print what reached a stand-in")
    seen.add_argument("peer", choices=stack.PEERS)
    seen.add_argument("kind", nargs="?")
    add("clock", _clock, "show the sandbox's time, or move it").add_argument("by", nargs="?", default="show")
    add("run", _run, "run one of the app's timers now").add_argument("timer", metavar="TIMER")
    add("scan", _scan, "look for values in tables, queues, emulator files and logs").add_argument("needle", nargs="+")
    add("status", _status, "say what runs")
    add("down", _down, "end what runs")
    return parser.parse_args()


def _complain(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
