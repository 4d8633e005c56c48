"""How often one instance of the connector asks an Epic (epic.md 3.4: it asks callers to throttle themselves)."""

import asyncio
from collections import deque
from datetime import datetime, timedelta

from yarl import URL

from shared.clock import Clock
from shared.errors import Later

_MINUTE = timedelta(minutes=1)
#: A person may be waiting for the answer; what would wait for longer comes again.
_LONGEST_WAIT = timedelta(seconds=3)


class Pace:
    """Counts the calls to each FHIR base URL. What other instances send is not known here."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: dict[str, deque[datetime]] = {}

    async def turn(self, base: str, per_minute: int) -> None:
        """Wait until a call may go out: in no minute more than `per_minute`; 0 is no limit.

        Raises `Later`, saying when, instead of a longer wait.
        """
        if not per_minute:
            return
        now, calls = self._clock.real(), self._calls.setdefault(base, deque())
        while calls and calls[0] <= now - _MINUTE:
            calls.popleft()
        free = now if len(calls) < per_minute else max(now, calls[-per_minute] + _MINUTE)
        if free - now > _LONGEST_WAIT:
            raise Later(str(URL(base).host), free - now)
        calls.append(free)
        await asyncio.sleep((free - now).total_seconds())
