"""The minute's work: everything due goes to the queue of its kind, then leaves the agenda.

A tick that is late, missed or doubled does no harm: entries stay until they have been enqueued, and whoever
receives one twice, or too late, sees that in the row it belongs to.
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

from shared.clock import Clock
from shared.domain.agenda import Due, spread
from shared.errors import Refused
from shared.messages import MeetingRequest, Message, TextOrder, UpkeepOrder, text_id
from shared.settings import Settings
from shared.storage.agenda import Agenda
from shared.storage.connections import Connections
from shared.storage.queues import Queues
from shared.telemetry import outcome

#: Enough to keep a tick short; what is left goes with the next one.
_MOST_PER_TICK = 2000


class Deps(Protocol):
    """What the agenda needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def agenda(self) -> Agenda: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def queues(self) -> Queues: ...


async def dispatch(deps: Deps) -> None:
    """Enqueue what is due, then take it off the agenda."""
    due = [entry async for entry in _most(deps)]
    reminders = [entry for entry in due if entry.kind == "reminder"]
    for entry in due:
        if entry.kind != "reminder":
            await deps.queues.put(message(entry))
    for entry, delay in await _in_turn(reminders, deps):
        await deps.queues.put(message(entry), after=delay)
    await deps.agenda.done(due)
    outcome("dispatch", due=len(due), reminders=len(reminders))


async def _most(deps: Deps) -> AsyncIterator[Due]:
    count = 0
    async for entry in deps.agenda.due(deps.clock.now()):
        yield entry
        count += 1
        if count >= _MOST_PER_TICK:
            return


async def _in_turn(reminders: list[Due], deps: Deps) -> list[tuple[Due, timedelta]]:
    """Reminders with their delays: each number at its own pace, its connections in turn."""
    by_connection: dict[str, list[Due]] = defaultdict(list)
    for entry in reminders:
        by_connection[entry.connection].append(entry)
    by_number: dict[str | None, dict[str, list[Due]]] = defaultdict(dict)
    for connection_id, entries in by_connection.items():
        by_number[await _number(connection_id, deps)][connection_id] = entries
    per_minute = deps.settings.sms_per_minute
    return [turn for entries in by_number.values() for turn in spread(entries, per_minute)]


async def _number(connection_id: str, deps: Deps) -> str | None:
    try:
        connection, _ = await deps.connections.find(connection_id)
    except Refused:
        return None
    return connection.own.sms.number


def message(due: Due) -> Message:
    """The work that an entry of the agenda stands for."""
    if due.kind == "reminder":
        return TextOrder(
            message_id=text_id(due.key, "reminder", due.slot, due.version),
            give_up_at=due.until,
            connection=due.connection,
            appointment=due.key,
            kind="reminder",
            slot=due.slot,
            version=due.version,
            day=due.at.strftime("%Y%m%d"),
        )
    if due.kind in {"provision", "subscribe"}:
        return MeetingRequest(
            message_id=f"{due.kind}|{due.key}|{due.version}",
            give_up_at=due.until,
            connection=due.connection,
            kind="provide" if due.kind == "provision" else "subscribe",
            key=due.key,
            version=due.version,
        )
    return UpkeepOrder(
        message_id=f"{due.kind}|{due.key}|{due.version}",
        give_up_at=due.until,
        connection=due.connection,
        kind=due.kind,
        key=due.key,
        version=due.version,
    )
