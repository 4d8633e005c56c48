"""How a queue function ends: done, later or bug (architecture, rule 3). The one place."""

import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

from shared.clock import Clock
from shared.errors import Broken, ConnectorError, Later, Refused
from shared.messages import Message
from shared.storage.parked import Parked
from shared.storage.queues import Queues
from shared.telemetry import alarm, outcome, place, traceparent

_FIRST_DELAY = timedelta(seconds=2)
_LONGEST_DELAY = timedelta(minutes=10)


class Tools(Protocol):
    """What this needs of the process's dependencies."""

    @property
    def queues(self) -> Queues: ...
    @property
    def parked(self) -> Parked: ...
    @property
    def clock(self) -> Clock: ...


class Delivered(Protocol):
    """A queue message as the host hands it over."""

    def get_body(self) -> bytes: ...


async def work[M: Message, D: Tools](
    delivered: Delivered,
    model: type[M],
    handle: Callable[[M, D], Awaitable[None]],
    deps: D,
    gave_up: Callable[[M, D, str], Awaitable[None]] | None = None,
) -> None:
    """Handle one message. What `Later` means, and when it ends, is decided here.

    `gave_up` marks the row that the work belongs to; it gets the reason. A bug is raised, as `Broken` with its kind
    and its place: the host delivers the message again and at last moves it to the poison queue.
    """
    message = deps.queues.open(delivered.get_body(), model)
    traceparent.set(message.traceparent)
    started = time.monotonic()
    try:
        await handle(message, deps)
        end = "done"
    except Refused as refusal:
        end = f"refused:{refusal.code}"
    except Later as later:
        end = await _again(message, later, deps, gave_up)
    except ConnectorError:
        raise
    except Exception as error:  # its text may quote a row, and the host logs it with every cause
        raise Broken(f"{type(error).__name__} at {place(error)}") from None
    outcome(model.queue, end=end, attempt=message.attempt, ms=round((time.monotonic() - started) * 1000))


async def _again[M: Message, D: Tools](
    message: M, later: Later, deps: D, gave_up: Callable[[M, D, str], Awaitable[None]] | None
) -> str:
    if deps.clock.now() >= message.give_up_at:
        await deps.parked.park(message, reason=later.peer)
        alarm("work parked", queue=message.queue, id=message.message_id, why=later.peer)
        if gave_up:
            await gave_up(message, deps, later.peer)
        return f"parked:{later.peer}"
    again = message.model_copy(update={"attempt": message.attempt + 1})
    await deps.queues.put(again, after=delay(message.attempt, later.after))
    return f"later:{later.peer}"


def delay(attempt: int, asked: timedelta | None) -> timedelta:
    """What the peer asked for, else doubling from two seconds to ten minutes; a quarter of jitter on top.

    Whole seconds, rounded up: the queue knows no smaller ones, and a Retry-After of 2.1 is not over after 2.
    """
    wait = asked or min(_FIRST_DELAY * 2 ** min(attempt, 10), _LONGEST_DELAY)
    jittered = wait * random.uniform(1.0, 1.25)  # noqa: S311 - jitter, no secret
    return timedelta(seconds=-(-jittered.total_seconds() // 1))
