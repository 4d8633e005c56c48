"""A connection, an appointment and a provider that keeps its word, over the real emulator."""

import base64
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared import settings
from shared.clients.sms import SmsAnswer, SmsOrder
from shared.clock import Clock
from shared.domain.appointment import Appointment, Facts, Told
from shared.domain.connection import Connection, SmsSetup
from shared.domain.delivery import Verdict
from shared.domain.texts import Text
from shared.messages import Receipt, TextOrder, text_id
from shared.storage.appointments import Appointments
from shared.storage.brake import Brake
from shared.storage.connections import Connections
from shared.storage.lookups import Lookups
from shared.storage.names import Queue, Table
from shared.storage.opt_outs import OptOuts
from shared.storage.texts import Texts, partition
from tests.conftest import Store
from tests.unit.domain.connections import LAMNA, epic_side, own_side

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
START = NOW + timedelta(days=2)
NUMBER, PHONE = "+18335550100", "+16085550101"
CONNECTION = f"{LAMNA.tenant.hex}-aaaaaaaa"
WINDOW = timedelta(minutes=5)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class MovingClock:
    """Stands where it is put."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def real(self) -> datetime:
        """The storage service stamps messages with it."""
        return Clock().real()


@dataclass
class Provider:
    """Takes a text once per id within the window, and answers as told."""

    clock: MovingClock
    taken: dict[str, tuple[SmsOrder, datetime]] = field(default_factory=dict)
    phones: list[SmsOrder] = field(default_factory=list)
    asked: list[SmsOrder] = field(default_factory=list)
    script: list[Callable[["Provider", SmsOrder], SmsAnswer]] = field(default_factory=list)

    async def send(self, order: SmsOrder) -> SmsAnswer:
        self.asked.append(order)
        return self.script.pop(0)(self, order) if self.script else self.take(order)

    def take(self, order: SmsOrder) -> SmsAnswer:
        now = self.clock.now()
        known = {id_: taken for id_, (taken, at) in self.taken.items() if now - at <= WINDOW}.get(order.id)
        if now - order.first_sent > WINDOW or (known and known != order):
            return SmsAnswer(Verdict.REJECTED, code="412")
        if known is None:
            self.taken[order.id] = (order, now)
            self.phones.append(order)
        return SmsAnswer(Verdict.ACCEPTED, f"Outgoing_{order.id}", "202")


def busy(_: Provider, __: SmsOrder) -> SmsAnswer:
    return SmsAnswer(Verdict.BUSY, code="429", after=timedelta(seconds=7))


def lost(provider: Provider, order: SmsOrder) -> SmsAnswer:
    """Taken, and the answer gets lost."""
    provider.take(order)
    return SmsAnswer(Verdict.UNCERTAIN, code="no answer")


def failed(_: Provider, __: SmsOrder) -> SmsAnswer:
    return SmsAnswer(Verdict.FAILED, code="400")


def killed_before(_: Provider, __: SmsOrder) -> SmsAnswer:
    raise Killed


def killed_after(provider: Provider, order: SmsOrder) -> SmsAnswer:
    provider.take(order)
    raise Killed


class World:
    """The process's dependencies, and what a test asks of them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock: Any = MovingClock()
        self.pseudonyms = store.pseudonyms
        self.queues = store.queues
        self.connections = Connections(store.tables)
        self.appointments = Appointments(store.tables)
        self.texts = Texts(store.tables)
        self.brake = Brake(store.tables)
        self.opt_outs = OptOuts(store.tables, store.pseudonyms)
        self.lookups = Lookups(store.tables, self.clock)
        self.sms: Any = Provider(self.clock)
        self.app_tokens: Any = None
        storage = settings.Storage("", "", "", None)
        self.settings = settings.Settings(
            "main", storage, {}, public_url="https://visits.example", operator_tenant="operator"
        )

    def set(self, **changes: Any) -> None:
        self.settings = dataclasses.replace(self.settings, **changes)

    async def connect(self, environment: str = "production", **sms: Any) -> Connection:
        """A serving connection with texts on; or the same with other settings."""
        usual = {"may_send_for_us": True, "patients_have_consented": True, "number": NUMBER}
        connection = Connection(
            tenant=LAMNA.tenant,
            id=CONNECTION,
            organisation=LAMNA.id,
            environment=environment,
            own=own_side(sms=SmsSetup(**usual | sms)),
            active=epic_side(),
        )
        await self.connections.enable(LAMNA)
        row = {"PartitionKey": str(LAMNA.tenant), "RowKey": f"conn|{connection.id}"}
        await self.store.tables.put(Table.CONNECTIONS, row | {"settings": connection.model_dump_json()})
        return connection

    async def book(self, key: str = "k", version: int = 1, **changes: Any) -> Appointment:
        """An appointment as the row holds it; again with another version it has changed."""
        facts = {"start": START, "phone": PHONE} | changes.pop("facts", {})
        found = await self.appointments.find(key)
        usual: dict[str, Any] = {"join_token": "t" * 22}
        if found:
            usual = {"told": found[0].told, "told_version": found[0].told_version} | usual
        appointment = Appointment(
            connection=CONNECTION, key=key, csn="900100", version=version, facts=Facts(**facts), **usual | changes
        )
        await self.appointments.save(appointment, found[1] if found else None)
        return appointment

    async def told(self, key: str = "k") -> Told | None:
        found = await self.appointments.find(key)
        assert found
        return found[0].told

    async def text(self, order: TextOrder) -> Text | None:
        found = await self.texts.find(partition(order.connection, order.day), order.message_id)
        return found[0] if found else None

    async def state(self, order: TextOrder) -> str:
        text = await self.text(order)
        return f"{text.state} {text.reason}".strip() if text else "none"

    async def queued(self, queue: Queue) -> list[Any]:
        """What waits, opened; it leaves the queue."""
        model: Any = {Queue.SMS_OUTBOUND: TextOrder, Queue.SMS_RECEIPTS: Receipt}[queue]
        client = self.store.raw_queue(queue)
        found = []
        async for message in client.receive_messages(max_messages=32):
            found.append(self.queues.open(base64.b64decode(message.content), model))
            await client.delete_message(message)
        return found


def order(kind: str = "confirmation", slot: int = 0, version: int = 1, key: str = "k") -> TextOrder:
    return TextOrder(
        message_id=text_id(key, kind, slot, version),
        give_up_at=START,
        connection=CONNECTION,
        appointment=key,
        kind=kind,
        slot=slot,
        version=version,
        day="20260302",
    )
