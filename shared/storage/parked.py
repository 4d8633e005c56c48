"""Parked: work that was given up, to look at and to drive again."""

from shared.clock import Clock
from shared.messages import Message
from shared.storage.names import Table
from shared.storage.tables import Tables


class Parked:
    """One row per given-up message; the message itself rests sealed."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def park(self, message: Message, reason: str) -> None:
        """Keep a message that nobody will try again by itself."""
        await self._tables.put(
            Table.PARKED,
            {
                "PartitionKey": str(message.queue),
                "RowKey": message.message_id,
                "reason": reason,
                "at": self._clock.now(),
                "attempts": message.attempt + 1,
                "message_sealed": message.model_dump_json(),
            },
        )
