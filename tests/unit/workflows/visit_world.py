"""A visit with a call: a Graph that keeps subscriptions, events sealed as Graph seals them, an Epic that listens."""

import asyncio
import base64
import datetime as dates
import hashlib
import hmac
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from shared.clients.graph import Attendance, Wish
from shared.clients.notifications import NotificationKeys
from shared.clients.write_back import Status
from shared.domain.connection import Connection, EpicSide
from shared.domain.visit import Meeting, Person, Subscription, Visit
from shared.errors import Code, Later, Refused
from shared.messages import MODELS, CallEvent, WritebackOrder
from shared.storage.audit import Audit
from shared.storage.names import Queue, Table
from tests.conftest import Store
from tests.unit.domain.connections import LAMNA
from tests.unit.workflows.launch_world import TEAMS, CountingGraph, LaunchWorld
from tests.unit.workflows.text_world import CONNECTION, NOW

KEY = "visit-key"
START, END = NOW, NOW + timedelta(minutes=30)
TENANT = str(LAMNA.tenant)
#: Another tenant that we serve.
ELSEWHERE = "99999999-9999-4999-8999-999999999999"
_events = count(1)


@dataclass
class TwoClocks:
    """The connector's present and the world's, each where a test puts it."""

    moment: datetime = NOW
    world: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def real(self) -> datetime:
        return self.world


@cache
def pem(name: str) -> str:
    """A notification key with its certificate."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dates.timedelta(days=1))
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private + certificate.public_bytes(Encoding.PEM).decode()


def sealed(document: object, certificate: str, certificate_id: str) -> dict[str, str]:
    """What Graph sends for a subscriber's certificate (base64 DER): microsoft-apis.md 2b."""
    receiver = x509.load_der_x509_certificate(base64.b64decode(certificate)).public_key()
    assert isinstance(receiver, rsa.RSAPublicKey)
    secret = os.urandom(32)
    padder = PKCS7(128).padder()
    padded = padder.update(json.dumps(document).encode()) + padder.finalize()
    encryptor = Cipher(AES(secret), CBC(secret[:16])).encryptor()
    data = encryptor.update(padded) + encryptor.finalize()
    parts = {
        "data": data,
        "dataKey": receiver.encrypt(secret, OAEP(MGF1(SHA1()), SHA1(), None)),  # noqa: S303 - as Graph does
        "dataSignature": hmac.new(secret, data, hashlib.sha256).digest(),
    }
    coded = {name: base64.b64encode(part).decode() for name, part in parts.items()}
    return {**coded, "encryptionCertificateId": certificate_id}


@dataclass
class TellingGraph(CountingGraph):
    """Also keeps subscriptions by meeting, and attendance reports; `away` answers none of it."""

    subscriptions: dict[str, Wish] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    records: list[Attendance] = field(default_factory=list)
    renewable: bool = True

    async def subscribe(self, _: str, join_url: str, wish: Wish) -> Subscription:
        return self._kept("subscribe", join_url, wish)

    async def renew(self, _: str, subscription: str, wish: Wish) -> Subscription | None:
        return self._kept("renew", subscription, wish) if self.renewable else None

    async def unsubscribe(self, _: str, subscription: str) -> None:
        self._here()
        self.did.append("unsubscribe")
        self.subscriptions.pop(subscription, None)

    async def attendance(self, *_: str) -> list[Attendance]:
        self._here()
        self.did.append("attendance")
        return self.records

    def _kept(self, how: str, name: str, wish: Wish) -> Subscription:
        self._here()
        self.did.append(how)
        self.subscriptions[name] = wish
        return Subscription(id=name, expires=wish.expires)

    def _here(self) -> None:
        if self.away:
            raise Later("graph")


@dataclass
class Tokens:
    """Entra, as far as it matters here; tests/contract asks the real checks.

    issued   the tenant whose token each one is, all of them for us
    asked    how long each token had lain
    """

    issued: dict[str, str] = field(default_factory=lambda: {"graph": TENANT, "graph elsewhere": ELSEWHERE})
    asked: list[timedelta] = field(default_factory=list)

    async def check(self, token: str, _: str, __: Any, *, waited: timedelta) -> str:
        self.asked.append(waited)
        if token not in self.issued:
            raise Refused(Code.TOKEN_REFUSED)
        return self.issued[token]


@dataclass
class Sink:
    """Epic's schedule: what it was told, in order. `script`: what the next calls do instead of answering."""

    told: list[tuple[str, str, int]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    script: list[Callable[["Sink", Status], str]] = field(default_factory=list)

    async def tell(self, side: EpicSide, status: Status, authorization: str) -> str:
        self.asked.append((side.backend_client_id, authorization))
        await asyncio.sleep(0)
        return self.script.pop(0)(self, status) if self.script else self.take(status)

    def take(self, status: Status) -> str:
        minute = round((status.change.at - START).total_seconds() / 60)
        self.told.append((status.external_id, status.change.status, minute))
        return "ok"

    def of(self, external_id: str) -> list[str]:
        return [status for who, status, _ in self.told if who == external_id]


@dataclass
class BackendTokens:
    """Epic's token endpoint: a new token after each `forget`."""

    forgotten: list[str] = field(default_factory=list)
    refuses: bool = False

    async def discover(self, *_: str) -> Any:
        return None

    async def backend_token(self, *_: Any) -> str:
        if self.refuses:
            raise Refused(Code.EPIC_REFUSED, "invalid_client")
        return f"token-{len(self.forgotten)}"

    def forget(self, token: str) -> None:
        self.forgotten.append(token)


class VisitWorld(LaunchWorld):
    """The process's dependencies around one visit of a patient, Pat, with a member of staff, Paula."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.clock: Any = TwoClocks()
        self.lookups = type(self.lookups)(store.tables, self.clock)
        self.audit = Audit(store.tables, self.clock)
        self.graph: Any = TellingGraph()
        self.notification_keys = NotificationKeys((("n1", pem("n1")),))
        self.app_tokens: Any = Tokens()
        self.epic_status: Any = Sink()
        self.epic: Any = BackendTokens()
        self.set(connector_client_id="connector")

    async def credential(self, _: Connection, __: EpicSide, client_id: str) -> Any:
        return client_id

    async def visit(self, *people: Person, **changes: Any) -> Visit:
        """A visit that is on, its meeting ready and subscribed to."""
        meeting = Meeting(
            organiser="o", month="202603", id="m", join_url=TEAMS.format("m"), ready=True, start=START, end=END
        )
        usual: dict[str, Any] = {
            "connection": CONNECTION,
            "key": KEY,
            "session": "9001",
            "start": START,
            "end": END,
            "meeting": meeting,
            "subscription": Subscription(id="s1", expires=END + timedelta(hours=2)),
        }
        made = Visit(**usual | changes)
        known = await self.visits.find(made.key)
        await self.visits.save(known, made, *people)
        return made

    async def person(self, id_: str, key: str = KEY) -> Person:
        return (await self.visits.find(key)).people[id_]

    async def stored(self, key: str = KEY) -> Visit:
        visit = (await self.visits.find(key)).visit
        assert visit
        return visit

    async def change(self, key: str = KEY, **changes: Any) -> Visit:
        """The visit's row with other values."""
        known = await self.visits.find(key)
        assert known.visit
        changed = known.visit.model_copy(update=changes)
        await self.visits.save(known, changed)
        return changed

    async def queued(self, queue: Queue) -> list[Any]:
        """What waits, opened; it leaves the queue."""
        client, found = self.store.raw_queue(queue), []
        async for message in client.receive_messages(max_messages=500):
            found.append(self.queues.open(base64.b64decode(message.content), MODELS[queue]))
            await client.delete_message(message)
        return found

    async def agenda_now(self) -> list[tuple[str, str, datetime]]:
        """Kind, key and time of all entries."""
        rows = self.store.tables.query(Table.DUE_WORK, "RowKey ne ''")
        return sorted([(row["kind"], row["key"], row["at"]) async for row in rows])

    async def facts(self, what: str | None = None) -> list[dict[str, Any]]:
        """Audit rows, in order."""
        rows = self.store.tables.query(Table.AUDIT, "RowKey ne ''")
        return [row async for row in rows if what in {None, row["what"]}]

    async def in_clear(self) -> str:
        """Everything that rests in tables, as the service sees it."""
        found = []
        for table in Table:
            found += [json.dumps(dict(row), default=str) async for row in self.store.raw_table(table).list_entities()]
        return "\n".join(found)


def overtake(world: VisitWorld, by: Callable[[VisitWorld], Awaitable[None]]) -> None:
    """Another process does this between the next reading and writing of a visit here."""
    elsewhere, save = VisitWorld(world.store), world.visits.save
    elsewhere.clock, elsewhere.graph = world.clock, world.graph

    async def late(*rows: Any) -> None:
        world.visits.save = save  # type: ignore[method-assign]
        await by(elsewhere)
        await save(*rows)

    world.visits.save = late  # type: ignore[method-assign]


def pat(**changes: Any) -> Person:
    return Person(**{"id": "pat", "role": "patient", "external_id": "70001", "launched_at": START} | changes)


def paula(**changes: Any) -> Person:
    return Person(**{"id": "paula", "role": "staff", "external_id": "19001", "oid": "oid-paula"} | changes)


def roster(minute: float, *changes: dict[str, Any]) -> dict[str, Any]:
    """A decrypted roster event as Graph words it."""
    return happened("rosterUpdated", minute, **{"participants@delta": list(changes)})


def happened(kind: str, minute: float, **more: Any) -> dict[str, Any]:
    at = START + timedelta(minutes=minute)
    return {"id": f"e{next(_events)}", "eventType": kind, "eventDateTime": at.isoformat()} | more


def guest(participant: str, presence: str = "lobby", name: str = "Pat Quillfeather") -> dict[str, Any]:
    return _participant(participant, presence, {"guest": {"id": participant, "displayName": name}})


def user(participant: str, oid: str, presence: str = "in", tenant: str = TENANT) -> dict[str, Any]:
    return _participant(
        participant, presence, {"user": {"id": oid, "displayName": "Paula Umberslade", "tenantId": tenant}}
    )


def _participant(participant: str, presence: str, identity: dict[str, Any]) -> dict[str, Any]:
    entry = {"id": participant, "isInLobby": presence == "lobby", "info": {"identity": identity}}
    return entry | ({"removedState": {"reason": "left"}} if presence == "left" else {})


def event(world: VisitWorld, document: object, key: str = KEY, **changes: Any) -> CallEvent:
    """The message that one notification becomes."""
    ours = world.notification_keys.current
    content = sealed(document, ours.certificate, ours.id)
    usual = {
        "message_id": content["dataSignature"][:32],
        "give_up_at": NOW + timedelta(hours=72),
        "key": key,
        "arrived": world.clock.real(),
        "tokens": ("graph",),
        "data": content["data"],
        "data_key": content["dataKey"],
        "data_signature": content["dataSignature"],
        "certificate_id": ours.id,
    }
    return CallEvent(**usual | changes)


def look_at(person: str = "pat") -> WritebackOrder:
    return WritebackOrder(
        message_id=f"{KEY}|{person}|1",
        give_up_at=NOW + timedelta(hours=72),
        connection=CONNECTION,
        key=KEY,
        person=person,
    )
