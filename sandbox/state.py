"""What a running sandbox says about itself, in its folder.

lock         held by the supervisor as long as it lives; one sandbox to a folder
pids.json    {"supervisor": {pid, started}, name: {pid, started}}   from the first start to the clean stop; `down` and
             `status` read it. started: ticks after the machine's start, so that a pid given anew is told apart
state.json   written once everything answers (architecture, section 9):
             urls    {name: url}
             users   {key: {name, upn, oid, tenant, roles}}
             keys    {master: key of the host's admin endpoints}
             certs   {ca, server_cert, engine_cert, engine_key, ...: file}
             pids    {name: pid}
             clock   the file that holds the offset in seconds
"""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox import ca, plan, world

_NEVER = -1


@contextlib.contextmanager
def hold(here: plan.Plan) -> Iterator[None]:
    """Claim the folder for this process; `BlockingIOError` when a sandbox runs in it."""
    with (Path(here.folder) / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def held(here: plan.Plan) -> bool:
    """Whether a supervisor lives."""
    try:
        with hold(here):
            return False
    except BlockingIOError:
        return True


def write_pids(here: plan.Plan, pids: dict[str, int]) -> None:
    """Note who runs, so that `down` finds them even if the supervisor was killed."""
    noted = {name: {"pid": pid, "started": _started(pid)} for name, pid in pids.items()}
    _write(Path(here.folder) / "pids.json", noted)


def read_pids(here: plan.Plan) -> dict[str, int]:
    """Who was running when it was last written; empty after a clean stop."""
    return {name: one["pid"] for name, one in _noted(here).items()}


def alive(here: plan.Plan) -> dict[str, int]:
    """Those of `read_pids` that still run: another process with the same number is none of them."""
    return {name: one["pid"] for name, one in _noted(here).items() if _started(one["pid"]) == one["started"] != _NEVER}


def _noted(here: plan.Plan) -> dict[str, dict[str, int]]:
    path = Path(here.folder) / "pids.json"
    noted: dict[str, dict[str, int]] = json.loads(path.read_text()) if path.exists() else {}
    return noted


def _started(pid: int) -> int:
    """When a process was started, in ticks after the machine's start; `_NEVER` when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _NEVER
    return int(stat.rpartition(")")[2].split()[19])  # the 22nd field; a name in brackets may hold blanks


def write(here: plan.Plan, pids: dict[str, int]) -> None:
    """Say that everything answers, and where."""
    _write(Path(here.folder) / "state.json", describe(here, pids))


def describe(here: plan.Plan, pids: dict[str, int]) -> dict[str, Any]:
    """The content of state.json."""
    certs = {name: path for name, path in here.files.items() if name == "ca" or name.endswith(ca.ENDINGS)}
    users = {key: {k: v for k, v in asdict(user).items() if k != "key"} for key, user in world.USERS.items()}
    return {
        "urls": here.urls,
        "users": users,
        "keys": here.keys,
        "certs": certs,
        "pids": pids,
        "clock": here.files["clock"],
    }


def forget(here: plan.Plan) -> None:
    """The sandbox has stopped."""
    for name in ("state.json", "pids.json"):
        (Path(here.folder) / name).unlink(missing_ok=True)


def _write(path: Path, document: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=2))
    fresh.replace(path)
