"""The door's order: who, then what, then durable, then the answer."""

import base64
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from azure.storage.queue.aio import QueueServiceClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sandbox import plan
from sandbox.demo.siu import Booking, message
from shared.clock import Clock
from shared.domain import certificates, configuration
from shared.domain.connection import Connection, Environment, Hl7Setup
from shared.errors import Code, Later, Refused
from shared.messages import SchedulingMessage
from shared.storage.connections import Connections
from shared.storage.names import Queue
from shared.storage.queues import Queues
from shared.storage.sealing import KeyRing
from shared.workflows import intake
from tests import free_ports
from tests.conftest import StandingClock, Store
from tests.unit.domain.connections import LAMNA, epic_side, own_side

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
HL7 = "x-application/hl7-v2+er7; charset=utf-8"
WIDE = "x-application/hl7-v2+er7; charset=utf-16"


def certificate() -> bytes:
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine")])
    day = timedelta(days=1)
    builder = x509.CertificateBuilder(who, who, KEY.public_key(), x509.random_serial_number(), NOW - day, NOW + day)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


CER = certificate()


def booked(csn: str, control_id: str = "") -> bytes:
    return message("S12", Booking(csn, NOW + timedelta(days=2), "(608)555-0142"), NOW, control_id or f"B{csn}")


@dataclass(frozen=True)
class Deps:
    """What the door needs."""

    settings: Any
    clock: Clock
    connections: Connections
    queues: Queues


@pytest.fixture
async def deps(store: Store) -> Deps:
    return Deps(
        SimpleNamespace(hl7_max_bytes=1_000_000), StandingClock(moment=NOW), Connections(store.tables), store.queues
    )


@pytest.fixture
async def serving(deps: Deps) -> Connection:
    """An approved connection with a pinned engine."""
    return await approved(deps, "test")


async def approved(deps: Deps, environment: Environment, **hl7: Any) -> Connection:
    """A serving connection of an environment, and how it reads its feed."""
    own = own_side(certificates=(certificates.uploaded(CER, NOW),), hl7=Hl7Setup(**hl7))
    entitled = LAMNA.model_copy(update={"production": True})
    drafted = configuration.drafted(entitled, environment, epic_side(), own)
    made = configuration.approved(configuration.validated(drafted))
    await deps.connections.save(made, None, who="ana", did="approved", at=NOW)
    return made


def posted(connection: Connection, body: bytes, shown: str | None = base64.b64encode(CER).decode()) -> intake.Posted:
    return intake.Posted(connection.id, body, HL7, shown)


async def waiting(store: Store) -> list[SchedulingMessage]:
    queue = store.raw_queue(Queue.SCHEDULING_EVENTS)
    found = [base64.b64decode(one.content) async for one in queue.receive_messages()]
    return [store.queues.open(body, SchedulingMessage) for body in found]


@pytest.fixture
async def no_queue() -> AsyncIterator[Queues]:
    """Queues whose storage is not there, while tables are."""
    with free_ports.block() as port:
        world = plan.Plan("", {}, dict.fromkeys(("blob", "queue", "table"), f"http://127.0.0.1:{port}/x"), {})
        async with QueueServiceClient.from_connection_string(world.storage_connection, retry_total=0) as service:
            yield Queues(service, KeyRing({"k1": os.urandom(32)}))


@pytest.mark.promise("P1")
async def test_without_the_queue_there_is_no_answer(deps: Deps, serving: Connection, no_queue: Queues):
    with pytest.raises(Later):
        await intake.accept(posted(serving, booked("1001")), replace(deps, queues=no_queue))


async def test_a_batch_that_is_not_wholly_durable_gets_no_answer_and_repeats_as_the_same_work(
    deps: Deps, serving: Connection, store: Store, monkeypatch: pytest.MonkeyPatch
):
    body = booked("1001") + booked("1002")
    put, taken = store.queues.put, []

    async def one_then_away(*messages: SchedulingMessage) -> None:
        await put(messages[0])
        taken.append(messages[0])
        raise Later("storage")

    monkeypatch.setattr(store.queues, "put", one_then_away)
    with pytest.raises(Later):
        await intake.accept(posted(serving, body), deps)
    monkeypatch.setattr(store.queues, "put", put)
    await intake.accept(posted(serving, body), deps)
    ids = [one.message_id for one in await waiting(store)]
    assert len(ids) == 3
    assert len(set(ids)) == 2


@pytest.mark.feature("F12.1")
async def test_only_the_fields_of_the_event_go_on(deps: Deps, serving: Connection, store: Store):
    await intake.accept(posted(serving, booked("1001")), deps)
    [one] = await waiting(store)
    said = one.model_dump_json()
    assert (one.connection, one.event.csn, one.give_up_at) == (serving.id, "1001", NOW + timedelta(days=4))
    for kept_out in ("QUILLFEATHER", "E4471203", "19720324", "MADISON"):
        assert kept_out not in said
        assert kept_out.encode() in booked("1001")


@pytest.mark.parametrize(
    ("environment", "said", "taken"),
    [
        ("production", (), {"P", ""}),
        ("production", ("P", "T"), {"P", "T", ""}),
        ("test", (), {"P", "T", "D", ""}),
        ("test", ("D",), {"D", ""}),
    ],
)
async def test_what_trains_or_debugs_acts_only_where_it_may(
    deps: Deps, store: Store, environment: Environment, said: tuple[str, ...], taken: set[str]
):
    connection = await approved(deps, environment, processing_ids=said)
    answers = {}
    for number, id_ in enumerate(("P", "T", "D", "", "X")):
        body = booked(f"100{number}").replace(b"|P|2.3|", f"|{id_}|2.3|".encode())
        answers[id_] = (await intake.accept(posted(connection, body), deps)).answer
    assert {id_ for id_, answer in answers.items() if b"MSA|AA" in answer} == taken
    refused = [answer for id_, answer in answers.items() if id_ not in taken]
    assert [answer for answer in refused if b"MSA|AR" not in answer or b"MSH^1^11" not in answer] == []
    assert len(await waiting(store)) == len(taken)


async def test_what_nobody_acts_on_is_answered_and_not_kept(deps: Deps, serving: Connection, store: Store):
    other = message("S23", Booking("1001", NOW, "(608)555-0142"), NOW, "B1")
    reply = await intake.accept(posted(serving, other), deps)
    assert b"|AA|" in reply.answer
    assert await waiting(store) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"certificate": None}, Code.CERTIFICATE_MISSING),
        ({"certificate": "junk"}, Code.CERTIFICATE_REFUSED),
        ({"content_type": "application/json"}, Code.CONTENT_TYPE),
        ({"body": b"x" * 1_000_001}, Code.BODY_TOO_LARGE),
        ({"body": b"MSH|^~\\&|\r" * 501}, Code.BODY_TOO_LARGE),
        ({"body": ("MSH|^~\\&|\r" * 501).encode("utf-16"), "content_type": WIDE}, Code.BODY_TOO_LARGE),
        ({"body": ("MSH|^~\\&|\r" * 501).encode("utf-32-be"), "content_type": WIDE}, Code.BODY_TOO_LARGE),
        ({"connection": "nobody"}, Code.CONNECTION_UNKNOWN),
    ],
    ids=lambda given: str(given)[:40],
)
async def test_what_is_refused_leaves_nothing(
    deps: Deps, serving: Connection, store: Store, change: dict[str, Any], code: Code
):
    with pytest.raises(Refused) as refused:
        await intake.accept(replace(posted(serving, booked("1001")), **change), deps)
    assert refused.value.code == code
    assert await waiting(store) == []


async def test_a_caller_without_a_pinned_key_does_not_learn_whether_the_connection_serves(deps: Deps):
    draft = configuration.drafted(LAMNA, "test", epic_side(), own_side())
    await deps.connections.save(draft, None, who="adam", did="drafted", at=NOW)
    with pytest.raises(Refused) as refused:
        await intake.accept(posted(draft, booked("1001")), deps)
    assert refused.value.code == Code.CERTIFICATE_REFUSED


async def test_what_was_posted_does_not_show_itself(serving: Connection):
    shown = repr(posted(serving, booked("1001")))
    assert "1001" not in shown
    assert json.dumps(base64.b64encode(CER).decode())[1:40] not in shown
