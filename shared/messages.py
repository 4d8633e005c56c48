"""What travels in queues: frozen, versioned, one model per queue.

On the wire only an envelope is in clear (id, attempt, trace); the rest is sealed for its queue and id, see
shared/storage/queues.py. Ids are deterministic wherever one cause has one effect, so a duplicate is seen as one.
"""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from shared.domain.hl7v2.event import SchedulingEvent
from shared.domain.permission import Occasion
from shared.storage.names import Queue


class Message(BaseModel):
    """What every message has.

    message_id    names the work; a retry keeps it
    attempt       0 the first time; rises with each Later
    traceparent   W3C trace context of what caused it
    give_up_at    past this a Later parks the work instead (architecture, rule 3)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    queue: ClassVar[Queue]

    schema_version: Literal[1] = 1
    message_id: str
    attempt: int = 0
    traceparent: str = ""
    give_up_at: datetime


class SchedulingMessage(Message):
    """One HL7v2 scheduling event of a connection, as far as we need it.

    loading   it came in while the connection's initial load was on
    """

    queue: ClassVar[Queue] = Queue.SCHEDULING_EVENTS

    connection: str
    event: SchedulingEvent
    loading: bool = False


TextKind = Literal["confirmation", "reminder"]
_TEXTS = UUID("6f1a7a0e-52a2-4a51-9a3b-2d1f0f6c0c11")


def text_id(appointment: str, kind: TextKind, slot: int, version: int) -> str:
    """The id of a text: at most one for each of these. Also its repeatability id and its tag at the provider."""
    return str(uuid5(_TEXTS, f"{appointment}|{kind}|{slot}|{version}"))


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


class MeetingRequest(Message):
    """Something to be asked of Graph for a visit.

    provide     make the meeting of an appointment ready, if the appointment still has this version
    subscribe   be told of its call; `renew` a subscription that Graph wants to see again, `forget` one it removed
    reconcile   ask for the attendance report when the visit closes: not everything was heard of its call
    """

    queue: ClassVar[Queue] = Queue.MEETING_REQUESTS

    connection: str
    kind: Literal["provide", "subscribe", "renew", "forget", "reconcile"] = "provide"
    key: str
    version: int = 0


class CallEvent(Message):
    """One item of a Graph notification as it came: sealed by Graph for us, with the tokens that prove the sender.

    key       of the visit, proven by the subscription's client state
    arrived   real time: the tokens must have been good then
    """

    queue: ClassVar[Queue] = Queue.CALL_EVENTS

    key: str
    arrived: datetime
    tokens: tuple[str, ...]
    data: str
    data_key: str
    data_signature: str
    certificate_id: str


class WritebackOrder(Message):
    """Look at this person: Epic may have to hear of connects and disconnects."""

    queue: ClassVar[Queue] = Queue.EHR_WRITEBACK

    connection: str
    key: str
    person: str


class UpkeepOrder(Message):
    """Something to be done for an appointment; `replan`: for all booked ones of a connection that follow `key`."""

    queue: ClassVar[Queue] = Queue.UPKEEP

    connection: str
    kind: Literal["erase-phone", "replan", "close", "erase-visit"]
    key: str
    version: int


class NumberOrder(Message):
    """Look at an order of a phone number and do the next thing. `change`: of the order's row when this was sent."""

    queue: ClassVar[Queue] = Queue.NUMBER_ORDERS

    order: str
    change: int


class TrialText(Message):
    """Send a text to somebody of the staff, marked as a test; checked again when its turn comes.

    phone      E.164
    occasion   what it pretends to tell of, a visit at `start`; language: a primary tag of BCP 47
    day        partition of the text (YYYYMMDD)
    """

    queue: ClassVar[Queue] = Queue.TRIAL_TEXTS

    connection: str
    phone: str
    occasion: Occasion
    language: str
    start: datetime
    day: str


#: What travels in which queue.
MODELS: dict[Queue, type[Message]] = {
    model.queue: model
    for model in (
        SchedulingMessage,
        TextOrder,
        Receipt,
        MeetingRequest,
        CallEvent,
        WritebackOrder,
        UpkeepOrder,
        NumberOrder,
        TrialText,
    )
}
