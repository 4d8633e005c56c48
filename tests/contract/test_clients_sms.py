"""Our client against the Communication Services stand-in: one text per id, and what each trouble means."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError

from sandbox import clock, world
from shared.clients import sms as client_module
from shared.clients.sms import Sms, SmsOrder
from shared.domain.delivery import Verdict
from shared.errors import Broken

pytestmark = [pytest.mark.feature("F5.1"), pytest.mark.promise("P2")]

_lines = itertools.count(100)
KEY = AzureKeyCredential(world.ACS_ACCESS_KEY)


class Resource:
    """The stand-in, a fresh phone, and orders for it."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.phone = f"+1720555{next(_lines):04}"

    def order(self, **changes: Any) -> SmsOrder:
        at = clock.now(self.peer.plan.path("clock")).replace(microsecond=0)
        return replace(SmsOrder(str(uuid4()), at, world.ACS_NUMBER, self.phone, "Héllo, 2:30 PM"), **changes)

    def texts(self) -> list[dict[str, Any]]:
        """What the phone shows."""
        return self.peer.http.get(f"{self.peer.url}/_sandbox/texts", params={"to": self.phone}, timeout=10).json()

    def control(self, path: str, body: Any) -> None:
        self.peer.http.post(f"{self.peer.url}/_sandbox/{path}", json=body, timeout=10).raise_for_status()


@pytest.fixture
def acs(start_peer: Any) -> Resource:
    return Resource(start_peer("acs"))


@contextlib.asynccontextmanager
async def opened(acs: Resource, credential: Any = KEY, url: str | None = None) -> AsyncIterator[Sms]:
    client = Sms(url or acs.peer.url, credential, acs.peer.ca)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def sms(acs: Resource) -> AsyncIterator[Sms]:
    async with opened(acs) as client:
        yield client


async def test_our_id_first_sent_and_tag_arrive(acs: Resource, sms: Sms) -> None:
    order = acs.order()
    answer = await sms.send(order)
    [text] = acs.texts()
    assert (answer.verdict, answer.message_id) == (Verdict.ACCEPTED, text["messageId"])
    assert (text["id"], text["tag"], text["message"], text["from"]) == (order.id, order.id, order.words, order.number)
    assert text["first_sent"] == order.first_sent.strftime("%a, %d %b %Y %H:%M:%S GMT")


async def test_sent_again_as_the_same_the_phone_shows_one(acs: Resource, sms: Sms) -> None:
    order = acs.order()
    answers = [await sms.send(order) for _ in range(3)]
    [text] = acs.texts()
    assert ({answer.message_id for answer in answers}, text["sent_times"]) == ({text["messageId"]}, 3)


async def test_many_at_once_keep_their_ids_apart(acs: Resource, sms: Sms) -> None:
    orders = [acs.order(words=f"Text {number}") for number in range(8)]
    answers = await asyncio.gather(*(sms.send(order) for order in orders))
    assert {text["id"]: text["message"] for text in acs.texts()} == {order.id: order.words for order in orders}
    shown = {text["id"]: text["messageId"] for text in acs.texts()}
    assert [answer.message_id for answer in answers] == [shown[order.id] for order in orders]


async def test_an_endpoint_with_a_slash_at_its_end_works(acs: Resource) -> None:
    async with opened(acs, url=f"{acs.peer.url}/") as client:
        assert (await client.send(acs.order())).verdict is Verdict.ACCEPTED


async def test_an_answer_that_is_lost_once_is_asked_for_again_at_once(acs: Resource, sms: Sms) -> None:
    acs.peer.fault(route="POST /sms", do="lost", times=1)
    assert (await sms.send(acs.order())).verdict is Verdict.ACCEPTED
    [text] = acs.texts()
    assert text["sent_times"] == 2


@pytest.mark.parametrize("fault", [{"do": "lost"}, {"do": "drop"}, {"do": "status", "status": 500}, {"do": "status"}])
async def test_without_an_answer_nobody_knows(acs: Resource, sms: Sms, fault: dict[str, Any]) -> None:
    acs.peer.fault(route="POST /sms", **fault)
    answer = await sms.send(acs.order())
    assert (answer.verdict, answer.after) == (Verdict.UNCERTAIN, timedelta(seconds=2))


async def test_throttled_after_a_lost_answer_nobody_knows_either(acs: Resource, sms: Sms) -> None:
    order = acs.order()
    acs.peer.fault(route="POST /sms", do="status", status=500, times=1)
    acs.peer.fault(route="POST /sms", do="throttle", retry_after="3.5", times=1)
    answer = await sms.send(order)
    assert (answer.verdict, answer.after) == (Verdict.UNCERTAIN, timedelta(seconds=3.5))


async def test_too_slow_an_answer_is_not_waited_for(acs: Resource, monkeypatch: Any) -> None:
    monkeypatch.setattr(client_module, "_READ_SECONDS", 0.2)
    acs.peer.fault(route="POST /sms", do="delay", seconds=1, times=2)
    async with opened(acs) as client:
        assert (await client.send(acs.order())).verdict is Verdict.UNCERTAIN


async def test_throttled_says_when_to_come_back(acs: Resource, sms: Sms) -> None:
    acs.peer.fault(route="POST /sms", do="throttle", retry_after="2.5", times=1)
    answer = await sms.send(acs.order())
    assert (answer.verdict, answer.code, answer.after) == (Verdict.BUSY, "429", timedelta(seconds=2.5))
    assert not answer.ours


async def test_the_numbers_rate_is_seen_per_item_and_as_a_whole(acs: Resource, sms: Sms) -> None:
    acs.control("carrier", {"per_minute": 0})
    try:
        answer = await sms.send(acs.order())
    finally:
        acs.control("carrier", {})
    assert (answer.verdict, answer.code, acs.texts()) == (Verdict.BUSY, "429", [])
    assert answer.after is not None
    assert timedelta(seconds=1) <= answer.after <= timedelta(minutes=2)


async def test_a_port_nobody_listens_on_has_surely_taken_nothing(acs: Resource) -> None:
    async with opened(acs, url=f"https://127.0.0.1:{acs.peer.plan.ports['portal']}") as client:
        answer = await client.send(acs.order())
    assert (answer.verdict, answer.code) == (Verdict.BUSY, "unreachable")


async def test_a_refused_key_keeps_the_text_for_later(acs: Resource) -> None:
    async with opened(acs, AzureKeyCredential("AAAA")) as client:
        answer = await client.send(acs.order())
    assert (answer.verdict, answer.code, answer.ours, acs.texts()) == (Verdict.BUSY, "401", True, [])


async def test_an_identity_that_gets_no_token_keeps_the_text_for_later(acs: Resource) -> None:
    class Nobody:
        async def get_token(self, *_: str, **__: Any) -> AccessToken:
            raise ClientAuthenticationError("no identity here")

    async with opened(acs, Nobody()) as client:
        answer = await client.send(acs.order())
    assert (answer.verdict, answer.ours) == (Verdict.BUSY, True)


async def test_a_first_sent_that_is_too_old_is_rejected(acs: Resource, sms: Sms) -> None:
    order = acs.order()
    answer = await sms.send(replace(order, first_sent=order.first_sent - timedelta(minutes=6)))
    assert (answer.verdict, answer.code, acs.texts()) == (Verdict.REJECTED, "412", [])


async def test_another_text_under_a_used_id_is_rejected(acs: Resource, sms: Sms) -> None:
    order = acs.order()
    await sms.send(order)
    answer = await sms.send(replace(order, words="Something else"))
    assert (answer.verdict, len(acs.texts())) == (Verdict.REJECTED, 1)


async def test_a_number_that_is_none_and_a_sender_that_is_not_ours_are_refused_for_good(
    acs: Resource, sms: Sms
) -> None:
    for order, ours in ((acs.order(to="+1555"), False), (acs.order(number="+18335550199"), True)):
        answer = await sms.send(order)
        assert (answer.verdict, answer.code, answer.ours) == (Verdict.FAILED, "400", ours)


def test_without_an_endpoint_nothing_starts() -> None:
    with pytest.raises(Broken):
        Sms("", KEY)


def test_an_order_shows_neither_phone_nor_words() -> None:
    shown = repr(SmsOrder("id", datetime(2026, 3, 2, tzinfo=UTC), "+18335550100", "+16085550101", "secret"))
    assert "6085550101" not in shown
    assert "secret" not in shown
