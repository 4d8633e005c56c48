"""Parked: work that was given up, to look at and to drive again.

The message itself rests sealed, and not for long: what holds a patient's phone number, a CSN or names leaves when
rule 5 says so, and the row goes on telling that something was given up, and why.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.domain.agenda import ERASE_AT_LATEST
from shared.domain.appointment import PHONE_STAYS
from shared.domain.hl7v2.event import Action
from shared.errors import Code, Refused
from shared.messages import MODELS, Message, SchedulingMessage
from shared.storage.names import Queue, Table
from shared.storage.tables import Resealed, Row, Tables

#: How long a row stays.
KEPT = timedelta(days=90)
#: What holds more of patients, or of staff who test, than pseudonyms.
_PATIENTS = frozenset({Queue.SCHEDULING_EVENTS, Queue.SMS_RECEIPTS, Queue.CALL_EVENTS, Queue.TRIAL_TEXTS})
_TEXTED = frozenset({Action.BOOK, Action.MOVE, Action.MODIFY})


class Parked:
    """One row per given-up message, in the partition of its queue."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def park(self, message: Message, reason: str) -> None:
        """Keep a message that nobody will try again by itself."""
        kept, until = at_rest(message, self._clock.now())
        content = {"content_until": until, "message_sealed": kept.model_dump_json()}
        await self._put(message.queue, message.message_id, reason, {"attempts": message.attempt + 1} | content)

    async def park_unreadable(self, queue: Queue, name: str, reason: str) -> None:
        """Keep the mark of a message that nobody can read."""
        await self._put(queue, f"unreadable|{name}", reason, {"attempts": 0})

    async def _put(self, queue: Queue, name: str, reason: str, facts: Row) -> None:
        now = self._clock.now()
        row = {"PartitionKey": queue.value, "RowKey": name, "reason": reason, "at": now, "expires": now + KEPT}
        await self._tables.put(Table.PARKED, row | facts)

    async def listed(self, most: int, queue: Queue | None = None, after: str = "") -> list[Row]:
        """At most so many rows, of one queue or all, without content: a row that still has it says until when.

        after   `<queue>|<id>` of the last one that was seen
        """
        seen, _, id_ = after.partition("|")
        condition = "( PartitionKey gt @seen or PartitionKey eq @seen and RowKey gt @id )"
        values = {"seen": seen, "id": id_}
        if queue:
            condition, values = f"PartitionKey eq @queue and {condition}", values | {"queue": queue.value}
        rows: list[Row] = []
        async for row in self._tables.in_clear(Table.PARKED, condition, **values):
            rows.append(row)
            if len(rows) == most:
                break
        return rows

    async def find(self, queue: Queue, name: str) -> tuple[Message, Row]:
        """Parked work and its row; refuses when there is none, or its content has gone."""
        row = await self._tables.get(Table.PARKED, queue, name)
        if row is None:
            raise Refused(Code.NOT_FOUND)
        if "message_sealed" not in row:
            raise Refused(Code.WRONG_STATE, "content: has been erased")
        return MODELS[queue].model_validate_json(row["message_sealed"]), row

    async def drove(self, row: Row, by: str) -> None:
        """Note that somebody sends this work once more; `Conflict` when the row changed meanwhile."""
        await self._tables.replace(Table.PARKED, row | {"driven_at": self._clock.now(), "driven_by": by})

    async def erase(self) -> int:
        """Drop the content whose time is over, and keep the rows; how many."""
        rows = [row async for row in self._over()]
        for row in rows:
            await self._tables.replace(Table.PARKED, {name: row[name] for name in row if name != "content_until"})
        return len(rows)

    async def reseal(self, most: int) -> Resealed:
        """Seal rows again that an older key sealed."""
        return await self._tables.reseal(Table.PARKED, most)

    def _over(self) -> AsyncIterator[Row]:
        """Read in clear: a row whose key has left the ring loses its content too."""
        return self._tables.in_clear(Table.PARKED, "content_until le @now", now=self._clock.now())

    async def expire(self) -> int:
        """Remove rows whose time is over; how many."""
        return await self._tables.sweep(Table.PARKED, "expires lt @now", now=self._clock.now())


def at_rest(message: Message, now: datetime) -> tuple[Message, datetime]:
    """A given-up message as it may rest, and until when (architecture, rule 5).

    Phone and provider leave as soon as no text can be sent any more; the rest of what patients own after 72 hours.
    """
    if message.queue not in _PATIENTS:
        return message, now + KEPT
    until = now + ERASE_AT_LATEST
    if not isinstance(message, SchedulingMessage) or not (message.event.phone or message.event.provider):
        return message, until
    event = message.event
    phone_until = (event.start or now) + PHONE_STAYS if event.action in _TEXTED else now
    if phone_until > now:
        return message, min(until, phone_until)
    return message.model_copy(update={"event": replace(event, phone=None, provider=None)}), until
