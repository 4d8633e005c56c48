"""Names that only this sandbox knows, as a hosts file would hold them: the plan's `names` file, when there is one.

    {"hospital.sandbox.example": [["127.0.0.1"], ["127.0.0.2", "::1"]]}

The first question for a name gets the first list of addresses, the next one the second, and the last list stays: a
DNS that changes its mind. Counting begins anew whenever the file changes. A name that is not in it is the
machine's to resolve. Only the hosts of the two apps read it; what they load does not know.
"""

import json
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Any


class Names:
    """The file and how often each name was asked for. Used by the threads in which asyncio resolves."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = ""
        self._known: dict[str, list[list[str]]] = {}
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def addresses(self, host: str) -> list[str] | None:
        """The addresses of a name; None when it is not one of ours."""
        with self._lock:
            self._read()
            turns = self._known.get(host)
            if turns is None:
                return None
            self._asked[host] += 1
            return turns[min(self._asked[host], len(turns)) - 1]

    def _read(self) -> None:
        text = self._path.read_text() if self._path.exists() else ""
        if text != self._text:
            self._text, self._known = text, json.loads(text or "{}")
            self._asked.clear()


def install(path: Path) -> None:
    """Let this process resolve by the file first. asyncio looks up `socket.getaddrinfo` for every question."""
    names, machines = Names(path), socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *how: Any, **more: Any) -> Any:
        ours = names.addresses(host) if isinstance(host, str) else None
        if ours is None:
            return machines(host, port, *how, **more)
        return [entry for address in ours for entry in machines(address, port, *how, **more)]

    socket.getaddrinfo = getaddrinfo
