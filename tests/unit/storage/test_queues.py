"""Queues: what a message looks like on the wire, and what is not taken for one of ours."""

import base64
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.queue.aio import QueueServiceClient

from sandbox import plan
from shared.errors import Broken, Later
from shared.messages import Receipt, TextOrder, UpkeepOrder
from shared.storage.names import Queue
from shared.storage.queues import LONGEST_DELAY, MAX_RAW, Queues, TooLarge
from shared.storage.sealing import KeyRing
from tests import free_ports
from tests.conftest import Store

PHONE = "+16085550142"
WHEN = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
RECEIPT = Receipt(
    message_id="m1", give_up_at=WHEN, kind="stop", happened=WHEN, number="+18335550100", other=PHONE, traceparent="00-a"
)


async def waiting(store: Store, queue: Queue) -> list[bytes]:
    """What the host would hand over."""
    found = [message.content async for message in store.raw_queue(queue).receive_messages(max_messages=32)]
    return [base64.b64decode(text) for text in found]


async def test_a_message_arrives_as_it_was_sent(store: Store):
    await store.queues.put(RECEIPT)
    [body] = await waiting(store, Queue.SMS_RECEIPTS)
    assert store.queues.open(body, Receipt) == RECEIPT


async def test_nothing_but_id_attempt_trace_and_delay_is_in_clear(store: Store):
    await store.queues.put(RECEIPT)
    [body] = await waiting(store, Queue.SMS_RECEIPTS)
    envelope = json.loads(body)
    sealed = envelope.pop("sealed")
    assert envelope == {"id": "m1", "attempt": 0, "traceparent": "00-a", "delay": 0}
    assert sealed.startswith("k1.")
    assert PHONE[2:] not in body.decode()
    assert PHONE[2:].encode() not in base64.urlsafe_b64decode(sealed.partition(".")[2])


async def test_a_delayed_message_is_hidden_until_its_time(store: Store):
    await store.queues.put(RECEIPT, after=timedelta(hours=1))
    queue = store.raw_queue(Queue.SMS_RECEIPTS)
    assert await waiting(store, Queue.SMS_RECEIPTS) == []
    assert (await queue.get_queue_properties()).approximate_message_count == 1


async def test_a_delay_longer_than_the_service_knows_is_cut_to_its_longest(store: Store):
    await store.queues.put(RECEIPT, after=timedelta(days=30))
    assert timedelta(days=6) < LONGEST_DELAY < timedelta(days=7)
    assert (await store.raw_queue(Queue.SMS_RECEIPTS).get_queue_properties()).approximate_message_count == 1


async def test_messages_never_expire_by_themselves(store: Store):
    await store.queues.put(RECEIPT)
    [message] = [one async for one in store.raw_queue(Queue.SMS_RECEIPTS).receive_messages()]
    assert message.expires_on.year > 9000


#: Base64 as Graph's events are: it shrinks by a quarter, and no more.
NOISE = base64.b64encode(os.urandom(MAX_RAW)).decode()


def fitting(queues: Queues) -> int:
    """How long a text may be so that the message is as large as allowed."""
    low, high = 0, len(NOISE)
    while low < high:
        middle = (low + high + 1) // 2
        try:
            queues.encode(RECEIPT.model_copy(update={"text": NOISE[:middle]}))
            low = middle
        except Broken:
            high = middle - 1
    return low


async def test_a_message_of_the_largest_size_is_taken_and_one_above_is_a_fault_of_ours(store: Store):
    largest = fitting(store.queues)
    big = RECEIPT.model_copy(update={"text": NOISE[:largest]})
    assert largest > MAX_RAW * 0.9, "a third more than is sealed as it is"
    assert MAX_RAW - 40 < len(store.queues.encode(big)) <= MAX_RAW == 48 * 1024
    await store.queues.put(big)
    [body] = await waiting(store, Queue.SMS_RECEIPTS)
    assert store.queues.open(body, Receipt) == big
    with pytest.raises(TooLarge) as broken:
        await store.queues.put(RECEIPT.model_copy(update={"text": NOISE + PHONE}))
    assert PHONE not in str(broken.value)


async def test_a_message_of_another_queue_does_not_open(store: Store):
    order = UpkeepOrder(message_id="m1", give_up_at=WHEN, connection="c", kind="erase-phone", key="k", version=1)
    body = store.queues.encode(order).encode()
    assert store.queues.open(body, UpkeepOrder) == order
    with pytest.raises(Broken):
        store.queues.open(body, TextOrder)


def tampered(body: str, **changes: Any) -> bytes:
    return json.dumps(
        {name: value for name, value in (json.loads(body) | changes).items() if value is not None}
    ).encode()


@pytest.mark.parametrize(
    "change",
    [{"id": "m2"}, {"id": None}, {"id": 7}, {"sealed": None}, {"sealed": ""}, {"sealed": "k1.AAAA"}, {"sealed": 5}],
    ids=str,
)
async def test_a_tampered_envelope_does_not_open(store: Store, change: dict[str, Any]):
    with pytest.raises(Broken):
        store.queues.open(tampered(store.queues.encode(RECEIPT), **change), Receipt)


async def test_the_attempt_that_counts_is_the_sealed_one(store: Store):
    body = tampered(store.queues.encode(RECEIPT), attempt=99, traceparent="00-forged")
    assert store.queues.open(body, Receipt) == RECEIPT


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"null", b"[]", b'"text"', b"{}", b"[" * 100_000])
async def test_what_is_no_envelope_is_a_fault_of_ours_that_quotes_nothing(store: Store, body: bytes):
    with pytest.raises(Broken) as broken:
        store.queues.open(body, Receipt)
    assert str(broken.value) == "a message in sms-receipts cannot be read"


async def test_a_message_of_a_later_schema_is_a_fault_of_ours(store: Store):
    sealed = store.ring.seal(
        json.dumps(json.loads(RECEIPT.model_dump_json()) | {"schema_version": 2}), Queue.SMS_RECEIPTS, "m1"
    )
    with pytest.raises(Broken):
        store.queues.open(json.dumps({"id": "m1", "sealed": sealed}).encode(), Receipt)


async def test_a_queue_that_does_not_exist_is_a_fault_of_ours(store: Store):
    await store.raw_queue(Queue.SMS_RECEIPTS).delete_queue()
    with pytest.raises(Broken):
        await store.queues.put(RECEIPT)


@pytest.fixture
async def away() -> AsyncIterator[Queues]:
    """Queues whose storage is not there: a held port that nobody listens on."""
    with free_ports.block() as port:
        world = plan.Plan("", {}, dict.fromkeys(("blob", "queue", "table"), f"http://127.0.0.1:{port}/x"), {})
        async with QueueServiceClient.from_connection_string(world.storage_connection, retry_total=0) as service:
            yield Queues(service, KeyRing({"k1": os.urandom(32)}))


@pytest.mark.promise("P5")
async def test_storage_that_is_away_means_later(away: Queues):
    with pytest.raises(Later):
        await away.put(RECEIPT)
