"""Who holds a port of this machine: a taken port must be an error that says which, and whose."""

import os
import re
import socket
from pathlib import Path

LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp


class PortTakenError(Exception):
    """A port of the plan is in use; the message says which, for what, and by whom."""


def require_free(ports: dict[str, int], folder: str) -> None:
    """Raise `PortTakenError` unless every port of {name: port} can be opened on loopback."""
    taken = [(name, port) for name, port in ports.items() if not _free(port)]
    if taken:
        lines = [f"port {port} (wanted for {name}) is taken by {_owner(port, folder)}" for name, port in taken]
        raise PortTakenError("\n".join([*lines, "SANDBOX_PORT=<first port> moves all ports of the sandbox."]))


def are_free(ports: dict[str, int]) -> bool:
    """Whether every port of {name: port} can be opened on loopback."""
    return all(_free(port) for port in ports.values())


def belongs_to(pid: int, folder: str) -> bool:
    """Whether this process runs, and was started for the sandbox in `folder`."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        zombie = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
    return f"SANDBOX_PLAN={Path(folder) / 'plan.json'}".encode() in environment and not zombie


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _owner(port: int, folder: str) -> str:
    pid = _listener(port)
    if pid is None:
        return "a process that this user cannot see"
    if belongs_to(pid, folder):
        return f"pid {pid}, an earlier run of this sandbox: `make down` ends it"
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return f"pid {pid} ({' '.join(command.split())[:80]})"


def _listener(port: int) -> int | None:
    """The process that listens on `port`, if it may be seen."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = os.readlink(link)  # noqa: PTH115 - Path.readlink would mend the "socket:[n]" of the kernel
        except OSError:
            continue
        if target in sockets:
            return int(link.parts[2])
    return None


def _listening_inodes(port: int) -> list[str]:
    rows: list[list[str]] = []
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        rows += [line.split() for line in path.read_text().splitlines()[1:]] if path.exists() else []
    ours = re.compile(rf":{port:04X}$")
    return [row[9] for row in rows if row[3] == LISTENING and ours.search(row[1])]
