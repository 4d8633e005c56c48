"""Free ports for what a test starts, so that several runs can stand side by side on one machine."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

BLOCK = 20
_BLOCKS = range(8000, 9800, BLOCK)


@contextmanager
def block() -> Iterator[int]:
    """The first of twenty free ports in a row; the last is held, so that nobody else takes the block."""
    blocks = list(_BLOCKS)
    random.shuffle(blocks)
    for first in blocks:
        holder = _holding(first + BLOCK - 1)
        if holder is None:
            continue
        with holder:
            if all(_free(port) for port in range(first, first + BLOCK - 1)):
                yield first
                return
    raise RuntimeError("no twenty free ports in a row")


def _free(port: int) -> bool:
    holder = _holding(port)
    if holder:
        holder.close()
    return holder is not None


def _holding(port: int) -> socket.socket | None:
    holder = socket.socket()
    try:
        holder.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        return None
    return holder
