"""Run one script on Node as a child that cannot be left behind.

The child has its own process group, so that nothing of it outlives a kill, and `parent.mjs` in it watches its
standard input: it ends when its Python parent is gone, however that ended.
"""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

from sandbox.node import HERE, binary

_STOP_SECONDS = 5
_POLL_SECONDS = 0.1


def run(name: str, script: list[str], ports: dict[str, int], is_up: Callable[[], bool]) -> int:
    """Run the script (file and arguments) until SIGTERM; the exit code is 1 if it ended by itself.

    Prints `READY <name> <ports> pid <pid>` once `is_up`. A taken port is one line on stderr and exit code 1.
    """
    if busy := [f"{port} ({what})" for what, port in ports.items() if not _is_free(port)]:
        return _fail(name, f"port {', '.join(busy)} is taken")
    command = [str(binary()), "--import", (HERE / "parent.mjs").as_uri(), *script]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own scripts
    stopped = _stop_on_signal(child)
    while child.poll() is None and not is_up():
        _pause(child)
    if child.poll() is None:
        sys.stdout.write(f"READY {name} {' '.join(map(str, ports.values()))} pid {os.getpid()}\n")
        sys.stdout.flush()
    code = child.wait()
    return 0 if stopped else _fail(name, f"node ended by itself with code {code}")


def _stop_on_signal(child: "subprocess.Popen[bytes]") -> list[int]:
    """Hand SIGTERM and SIGINT on, and kill the group if it does not obey; the list is empty until then."""
    received: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        received.append(signum)
        child.terminate()
        signal.alarm(_STOP_SECONDS)

    def kill(_signum: int, _frame: FrameType | None) -> None:
        os.killpg(child.pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, kill)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return received


def _pause(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return


def _fail(name: str, sentence: str) -> int:
    sys.stderr.write(f"{name}: {sentence}\n")
    return 1


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int, tls: ssl.SSLContext | None) -> bool:
    """Whether something on loopback speaks HTTP there, whatever it says."""
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=tls)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
