"""What travels in queues: frozen, versioned, one model per queue.

On the wire only an envelope is in clear (id, attempt, trace); the rest is sealed for its queue and id, see
shared/storage/queues.py. Ids are deterministic wherever one cause has one effect, so a duplicate is seen as one.
"""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from shared.domain.hl7v2.event import SchedulingEvent
from shared.storage.names import Queue


class Message(BaseModel):
    """What every message has.

    message_id    names the work; a retry keeps it
    attempt       0 the first time; rises with each Later
    traceparent   W3C trace context of what caused it
    give_up_at    past this a Later parks the work instead (architecture, rule 3)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    queue: ClassVar[Queue]

    schema_version: Literal[1] = 1
    message_id: str
    attempt: int = 0
    traceparent: str = ""
    give_up_at: datetime


class SchedulingMessage(Message):
    """One HL7v2 scheduling event of a connection, as far as we need it."""

    queue: ClassVar[Queue] = Queue.SCHEDULING_EVENTS

    connection: str
    event: SchedulingEvent


TextKind = Literal["confirmation", "reminder"]


class TextOrder(Message):
    """Perhaps send a text: everything is checked again against the appointment's row when its turn comes.

    appointment   pseudonym of the CSN
    kind, slot    slot tells reminders apart: minutes before the start; 0 for a confirmation
    version       of the appointment; another one in the row means this order is stale
    day           partition of the text, fixed when the order was first planned (YYYYMMDD)
    """

    queue: ClassVar[Queue] = Queue.SMS_OUTBOUND

    connection: str
    appointment: str
    kind: TextKind
    slot: int
    version: int
    day: str


class Receipt(Message):
    """A delivery report, or an inbound text reduced to one word, from Communication Services.

    text          our id (the Tag of the report); empty for inbound
    number        our sending number
    other         the patient's number, E.164
    """

    queue: ClassVar[Queue] = Queue.SMS_RECEIPTS

    kind: Literal["report", "stop", "start", "help", "other"]
    happened: datetime
    number: str
    other: str
    text: str = ""
    provider_message: str = ""
    status: str = ""
    code: str = ""


class UpkeepOrder(Message):
    """Something that falls due for an appointment or visit: erase, close, renew."""

    queue: ClassVar[Queue] = Queue.UPKEEP

    connection: str
    kind: Literal["erase-phone", "erase-visit", "close-visit"]
    key: str
    version: int
