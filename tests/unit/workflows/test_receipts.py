"""What comes back: proved, enqueued one by one, and applied in any order."""

import base64
import itertools
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import Code, Later, Refused
from shared.messages import Receipt
from shared.storage.lookups import Kind
from shared.storage.names import Queue, Table
from shared.storage.texts import partition
from shared.workflows import receipts, texts
from shared.workflows.receipts import Proof
from tests.conftest import Store
from tests.unit.workflows import text_world
from tests.unit.workflows.text_world import CONNECTION, NOW, NUMBER, PHONE, World, order

pytestmark = pytest.mark.feature("F5.14", "F11.9")

SECRET = Proof(token=None, secret="event-grid-secret")
AT = NOW + timedelta(minutes=1)


class Tokens:
    """Entra, as far as it matters here; tests/contract asks the real checks."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def check(self, token: str, audience: str, app_ids: Any, tenants: Any) -> str:
        self.asked.append((audience, set(app_ids), set(tenants)))
        if token != "event-grid":
            raise Refused(Code.TOKEN_REFUSED)
        return "operator"


@pytest.fixture
async def world(store: Store) -> World:
    made = World(store)
    made.app_tokens = Tokens()
    made.set(event_grid_secret="event-grid-secret", event_grid_audience="api", event_grid_app="grid")
    await made.connect()
    await made.book()
    return made


def report(**changes: Any) -> dict[str, Any]:
    data = {
        "messageId": f"Outgoing_{order().message_id}",
        "from": NUMBER[1:],
        "to": PHONE,
        "deliveryStatus": "Delivered",
        "deliveryStatusDetails": "No error.",
        "receivedTimestamp": AT.isoformat(),
        "Tag": order().message_id,
    } | changes
    return {"id": "e1", "eventType": "Microsoft.Communication.SMSDeliveryReportReceived", "data": data}


def inbound(message: str) -> dict[str, Any]:
    data = {"from": PHONE[1:], "to": NUMBER[1:], "message": message, "receivedTimestamp": AT.isoformat()}
    return {"id": f"e{message}", "eventType": "Microsoft.Communication.SMSReceived", "data": data}


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (Proof(None, None), Code.TOKEN_MISSING),
        (Proof(None, "wrong"), Code.TOKEN_REFUSED),
        (Proof(None, "ä"), Code.TOKEN_REFUSED),
        (Proof("somebody", None), Code.TOKEN_REFUSED),
        (Proof("somebody", "event-grid-secret"), Code.TOKEN_REFUSED),
    ],
)
async def test_who_cannot_prove_to_be_event_grid_changes_nothing(world: World, proof: Proof, code: Code) -> None:
    with pytest.raises(Refused) as refusal:
        await receipts.accept(proof, [report()], world)
    assert (refusal.value.code, await world.queued(Queue.SMS_RECEIPTS)) == (code, [])


async def test_an_entra_token_of_our_tenant_for_our_audience_is_a_proof(world: World) -> None:
    await receipts.accept(Proof("event-grid", None), [report()], world)
    assert len(await world.queued(Queue.SMS_RECEIPTS)) == 1
    assert world.app_tokens.asked == [("api", {"grid"}, {"operator"})]


@pytest.mark.parametrize("proof", [SECRET, Proof("event-grid", None)])
async def test_what_is_not_set_up_proves_nothing(world: World, proof: Proof) -> None:
    world.set(event_grid_secret="", event_grid_audience="")
    with pytest.raises(Refused):
        await receipts.accept(proof, [report()], world)


async def test_the_handshake_is_answered_with_its_code(world: World) -> None:
    data = {"validationCode": "CODE", "validationUrl": "https://elsewhere.example/"}
    asking = {"id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": data}
    assert await receipts.accept(SECRET, [asking], world) == "CODE"
    with pytest.raises(Refused):
        await receipts.accept(Proof(None, "wrong"), [asking], world)


async def test_each_event_becomes_one_message_and_what_is_unreadable_is_counted(world: World, caplog: Any) -> None:
    caplog.set_level(logging.INFO, "connector")
    odd = [{"id": "2", "eventType": "Other", "data": {}}, report(to="nobody"), "text", None]
    assert await receipts.accept(SECRET, [report(), *odd, inbound("Stop!")], world) is None
    found = await world.queued(Queue.SMS_RECEIPTS)
    assert [(one.kind, one.number, one.other) for one in found] == [("report", NUMBER, PHONE), ("stop", NUMBER, PHONE)]
    for line in ("end=unknown type", "end=unreadable member=number", "received=4 enqueued=2"):
        assert line in caplog.text


async def test_a_cloud_event_comes_alone(world: World) -> None:
    cloud = report()
    cloud["type"] = cloud.pop("eventType")
    await receipts.accept(SECRET, cloud, world)
    assert len(await world.queued(Queue.SMS_RECEIPTS)) == 1


async def test_what_a_patient_wrote_is_not_in_the_queue(world: World) -> None:
    await receipts.accept(SECRET, [inbound("My knee hurts")], world)
    [found] = await world.queued(Queue.SMS_RECEIPTS)
    assert (found.kind, "knee" in found.model_dump_json()) == ("other", False)


async def test_a_queue_that_takes_nothing_is_later(world: World, monkeypatch: Any) -> None:
    async def away(*_: Any) -> None:
        raise Later("storage")

    monkeypatch.setattr(world.queues, "put", away)
    with pytest.raises(Later):
        await receipts.accept(SECRET, [report()], world)


async def come_back(world: World, *events: Any) -> None:
    """Event Grid delivers, the queue function works."""
    await receipts.accept(SECRET, list(events), world)
    for receipt in await world.queued(Queue.SMS_RECEIPTS):
        await receipts.apply(receipt, world)


async def test_a_report_settles_its_text(world: World) -> None:
    await texts.send(order(), world)
    await come_back(world, report(), report())
    text = await world.text(order())
    assert text
    assert (text.state, text.code, text.reported_at) == ("delivered", "2000", AT)


async def test_a_report_that_comes_before_our_own_write_stands(world: World, monkeypatch: Any) -> None:
    take = world.sms.send

    async def reported_at_once(sms: Any) -> Any:
        answer = await take(sms)
        await come_back(world, report())
        return answer

    monkeypatch.setattr(world.sms, "send", reported_at_once)
    await texts.send(order(), world)
    assert await world.state(order()) == "delivered"


async def test_a_report_settles_what_was_unknown(world: World) -> None:
    world.sms.script = [text_world.killed_after]
    with pytest.raises(text_world.Killed):
        await texts.send(order(), world)
    world.clock.moment = NOW + timedelta(minutes=10)
    await texts.send(order(), world)
    assert await world.state(order()) == "unknown not repeatable"
    await come_back(world, report(deliveryStatus="Failed", deliveryStatusDetails="4006: unreachable"))
    assert await world.state(order()) == "failed"


@pytest.mark.parametrize("sequence", list(itertools.permutations(["4006", "2000", "2000"])))
async def test_reports_in_any_order_leave_it_delivered(world: World, sequence: Any) -> None:
    await texts.send(order(), world)
    for code in sequence:
        status = "Delivered" if code == "2000" else "Failed"
        await come_back(world, report(deliveryStatus=status, deliveryStatusDetails=f"{code}: x"))
    assert await world.state(order()) == "delivered"


async def test_a_report_on_a_text_we_do_not_know_is_counted(world: World, caplog: Any) -> None:
    caplog.set_level(logging.INFO, "connector")
    await come_back(world, report(), report(Tag="visit-1"))
    assert caplog.text.count("end=unknown text") == 2


async def test_a_report_whose_text_is_not_written_yet_waits(world: World) -> None:
    await world.lookups.put(Kind.TEXT, order().message_id, partition(CONNECTION, "20260302"))
    with pytest.raises(Later):
        await come_back(world, report())


async def test_a_report_that_says_opted_out_is_taken_for_stop(world: World) -> None:
    await texts.send(order(), world)
    await come_back(world, report(deliveryStatus="Failed", deliveryStatusDetails="Sender blocked for given recipient."))
    assert (await world.state(order()), await world.opt_outs.out(NUMBER, PHONE)) == ("failed", True)


async def test_a_late_report_does_not_undo_a_start(world: World) -> None:
    """It speaks of the moment the carrier tried, not of the moment it arrived."""
    await world.opt_outs.start(NUMBER, PHONE, AT)
    tried = [{"timestamp": (AT - timedelta(minutes=1)).isoformat()}]
    late = report(
        deliveryStatus="Failed",
        deliveryStatusDetails="4007: opted out",
        deliveryAttempts=tried,
        receivedTimestamp=(AT + timedelta(hours=2)).isoformat(),
    )
    await come_back(world, late)
    assert not await world.opt_outs.out(NUMBER, PHONE)


def word(kind: Any, minute: int) -> Receipt:
    at = datetime(2026, 3, 2, 16, minute, tzinfo=UTC)
    return Receipt(message_id=f"{kind}{minute}", give_up_at=at, kind=kind, happened=at, number=NUMBER, other=PHONE)


@pytest.mark.parametrize(
    ("said", "out"),
    [
        ([("stop", 1)], True),
        ([("stop", 1), ("start", 2)], False),
        ([("stop", 1), ("start", 2), ("stop", 3)], True),
        ([("start", 1), ("stop", 1)], True),
        ([("stop", 1), ("help", 2), ("other", 3)], True),
        ([("help", 1)], False),
    ],
)
async def test_the_last_word_counts_whatever_comes_when(world: World, said: Any, out: bool) -> None:
    for number, heard in enumerate(itertools.permutations(said)):
        phone = f"+1608555{number:04}"
        for kind, minute in (*heard, *heard):
            await receipts.apply(word(kind, minute).model_copy(update={"other": phone}), world)
        assert await world.opt_outs.out(NUMBER, phone) == out


async def test_a_stop_holds_for_the_number_it_was_said_to(world: World) -> None:
    await receipts.apply(word("stop", 1), world)
    assert not await world.opt_outs.out("+18335550101", PHONE)


async def test_no_phone_rests_or_is_logged(world: World, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, "connector")
    await texts.send(order(), world)
    await receipts.accept(SECRET, [report(), inbound("STOP")], world)
    peeked = await world.store.raw_queue(Queue.SMS_RECEIPTS).peek_messages(8)
    waiting = [base64.b64decode(message.content) for message in peeked]
    for receipt in await world.queued(Queue.SMS_RECEIPTS):
        await receipts.apply(receipt, world)
    rows = [row async for row in world.store.raw_table(Table.OPT_OUTS).list_entities()]
    assert (len(waiting), len(rows)) == (2, 1)
    assert "6085550101" not in f"{waiting}{rows}{caplog.text}"
