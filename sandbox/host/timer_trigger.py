"""One timer function: by its schedule, in real time, and whenever an administrator says so."""

import asyncio
import json
from datetime import UTC, datetime

from sandbox.host import rpc, worker
from sandbox.host.triggers import TimerTrigger

NEVER = "0001-01-01T00:00:00"


class TimerListener:
    """The listener of one timer function; its runs never overlap."""

    def __init__(self, trigger: TimerTrigger, stopping: asyncio.Event, *, scheduled: bool) -> None:
        self.name = trigger.function.name
        self.started = asyncio.Event()
        self._trigger = trigger
        self._stopping = stopping
        self._scheduled = scheduled
        self._one_at_a_time = asyncio.Lock()
        self._last: datetime | None = None

    async def run(self) -> None:
        """Run at each occurrence until `stopping`; occurrences during a run are skipped."""
        self.started.set()
        if self._scheduled and self._trigger.run_on_startup:
            await self.run_once()
        due = datetime.now(UTC)
        while self._scheduled and not self._stopping.is_set():
            # a sleep may end a moment early: the next occurrence is later than the one just served, too
            due = self._trigger.schedule.after(max(due, datetime.now(UTC)))
            if not await self._stopped_before(due):
                await self.run_once()
        await self._stopping.wait()

    async def run_once(self) -> bool:
        """Run now, or as soon as the present run is over; whether it succeeded. There is no retry, as on Azure."""
        async with self._one_at_a_time:
            started = datetime.now(UTC)
            outcome = await worker.invoke(self._trigger.function, self._trigger.argument, self._request(started))
            self._last = started
            return outcome.succeeded

    async def _stopped_before(self, due: datetime) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), (due - datetime.now(UTC)).total_seconds())
        except TimeoutError:
            return False
        return True

    def _request(self, now: datetime) -> rpc.TypedData:
        last = self._last.isoformat() if self._last else NEVER
        status = {"Last": last, "Next": self._trigger.schedule.after(now).isoformat(), "LastUpdated": last}
        return rpc.TypedData(
            json=json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False})
        )
