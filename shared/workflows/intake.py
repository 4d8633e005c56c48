"""The door for scheduling messages: who may knock, what it says, durable, answered.

Nothing of a message goes on but the few fields of its event; each answer leaves only once every event of the
body is in the queue. Our own trouble is a 503 without HL7 content, so that engines send again (architecture 7).
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from shared.clock import Clock
from shared.domain import certificates
from shared.domain.connection import Connection
from shared.domain.hl7v2.errors import UnsupportedMedia
from shared.domain.hl7v2.event import SchedulingEvent
from shared.domain.hl7v2.intake import Intake, receive
from shared.errors import Code, Refused
from shared.messages import SchedulingMessage
from shared.settings import Settings
from shared.storage.connections import Connections
from shared.storage.queues import Queues
from shared.telemetry import outcome, traceparent

#: A scheduling event is worth trying for as long as an engine would hold its queue over a long weekend.
_GIVE_UP = timedelta(days=4)
#: A batch beyond this would keep an instance busy for seconds; engines cut their batches.
_MOST_MESSAGES = 500


class Deps(Protocol):
    """What the door needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def queues(self) -> Queues: ...


@dataclass(frozen=True)
class Posted:
    """What an engine posted. `certificate` is the front end's header, None where no front end is trusted."""

    connection: str
    body: bytes = field(repr=False)
    content_type: str
    certificate: str | None = field(repr=False)


async def accept(posted: Posted, deps: Deps) -> Intake:
    """Read a body and enqueue its events. Refuses with 401/403/404/413/415; `Later` when the queue does not take it."""
    arrived = deps.clock.now()
    wide = posted.body.replace(b"\0", b"")  # UTF-16 and UTF-32 put zeros between the letters
    if len(posted.body) > deps.settings.hl7_max_bytes or wide.count(b"MSH") > _MOST_MESSAGES:
        raise Refused(Code.BODY_TOO_LARGE)
    connection, _ = await deps.connections.find(posted.connection)
    certificates.check_presented(posted.certificate, connection.own.certificates, arrived)
    if not connection.serves:
        raise Refused(Code.CONNECTION_NOT_SERVING)
    intake = _read(posted, connection, arrived)
    await deps.queues.put(*(_message(connection, event, arrived) for event in intake.events))
    for one in intake.outcomes:
        outcome("hl7v2", answer=one.ack, connection=connection.id, trigger=getattr(one.event, "trigger", None))
    return intake


def _read(posted: Posted, connection: Connection, arrived: datetime) -> Intake:
    fields = connection.own.field_map(connection.environment)
    try:
        return receive(posted.body, posted.content_type, fields, arrived, _control_id)
    except UnsupportedMedia:
        raise Refused(Code.CONTENT_TYPE) from None


def _message(connection: Connection, event: SchedulingEvent, arrived: datetime) -> SchedulingMessage:
    """The id follows from what the sender calls the message, so a repeated one is seen as the same work."""
    name = f"{connection.id}\x1f{event.sender}\x1f{event.control_id}"
    return SchedulingMessage(
        message_id=hashlib.sha256(name.encode()).hexdigest()[:32],
        traceparent=traceparent.get(),
        give_up_at=arrived + _GIVE_UP,
        connection=connection.id,
        event=event,
        loading=connection.own.sms.initial_load,
    )


def _control_id() -> str:
    return secrets.token_hex(10)
