"""Our client for phone numbers against the Communication Services stand-in."""

import base64
import logging
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError

from sandbox import clock, world
from shared.clients import numbers as client_module
from shared.clients.addresses import Trusted
from shared.clients.communication import Communication
from shared.clients.numbers import Begun, Declined, Numbers
from shared.clients.outbound import Outbound
from shared.domain.numbers import Reason
from shared.errors import Later

pytestmark = pytest.mark.feature("F5.4")

KEY = AzureKeyCredential(world.ACS_ACCESS_KEY)


class Resource:
    """The stand-in, with no quota used up, and our client."""

    def __init__(self, peer: Any, client: Numbers, outbound: Outbound) -> None:
        self.peer = peer
        self.client = client
        self.outbound = outbound
        self.before = self._purchases()
        self.control("numbers", {"searches": 1000, "purchases": 1000})

    def other(self, credential: Any, endpoint: str | None = None) -> Numbers:
        url = self.peer.url if endpoint is None else endpoint
        return Numbers(Communication(url, credential, self.outbound))

    def control(self, path: str, body: Any) -> None:
        self.peer.http.post(f"{self.peer.url}/_sandbox/{path}", json=body, timeout=10).raise_for_status()

    def move(self, by: timedelta) -> None:
        clock.move(self.peer.plan.path("clock"), by)

    async def searched(self) -> Begun:
        begun = await self.client.search()
        self.move(timedelta(seconds=2))
        return begun

    async def bought(self) -> str:
        begun = await self.searched()
        offer = await self.client.result(begun.id)
        assert offer
        await self.client.purchase(begun.id)
        self.move(timedelta(seconds=2))
        return offer.number

    def count(self) -> int:
        """Purchases that this test's calls began."""
        return self._purchases() - self.before

    def _purchases(self) -> int:
        return len(self.peer.seen("purchase"))


@pytest.fixture
async def acs(start_peer: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Resource]:
    peer = start_peer("acs")
    monkeypatch.setenv("SSL_CERT_FILE", peer.ca)
    outbound = Outbound(Trusted())
    yield Resource(peer, Numbers(Communication(f"{peer.url}/", KEY, outbound)), outbound)
    await outbound.close()


@pytest.mark.feature("F5.2", "F5.4")
async def test_a_number_is_searched_bought_and_given_back(acs: Resource):
    begun = await acs.client.search()
    assert (await acs.client.progress(begun.operation)).status == "running"
    acs.move(timedelta(seconds=2))
    assert (await acs.client.progress(begun.operation)).status == "succeeded"
    offer = await acs.client.result(begun.id)
    assert offer
    assert offer.number.startswith("+18")  # toll-free, of the United States
    assert offer.until - clock.now(acs.peer.plan.path("clock")) > timedelta(minutes=14)
    assert (offer.cost.amount, offer.cost.currency, offer.cost.frequency) == (2.0, "USD", "monthly")
    assert await acs.client.owned(offer.number) is None
    operation = await acs.client.purchase(begun.id)
    acs.move(timedelta(seconds=2))
    assert (await acs.client.progress(operation)).status == "succeeded"
    owned = await acs.client.owned(offer.number)
    assert owned
    assert (owned.sms, owned.toll_free, owned.cost) == ("inbound+outbound", True, offer.cost)
    release = await acs.client.release(offer.number)
    assert release
    acs.move(timedelta(seconds=2))
    assert (await acs.client.progress(release)).status == "succeeded"
    assert await acs.client.owned(offer.number) is None
    assert await acs.client.release(offer.number) is None


async def test_a_purchase_whose_answer_is_lost_is_found_by_its_search(acs: Resource):
    begun = await acs.searched()
    assert await acs.client.purchase_of(begun.id) is None
    acs.peer.fault(route="POST /availablePhoneNumbers/:purchase", do="lost", times=1)
    with pytest.raises(Later):
        await acs.client.purchase(begun.id)
    assert await acs.client.purchase_of(begun.id) == f"purchase_{begun.id}"
    assert acs.count() == 1


async def test_a_search_is_bought_once(acs: Resource):
    begun = await acs.searched()
    await acs.client.purchase(begun.id)
    with pytest.raises(Declined):
        await acs.client.purchase(begun.id)
    assert acs.count() == 1


async def test_a_search_that_has_expired_or_is_another_resources_is_not_bought(acs: Resource):
    begun = await acs.searched()
    acs.move(timedelta(minutes=16))
    for search in (begun.id, "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(Declined):
            await acs.client.purchase(search)
    assert acs.count() == 0


async def test_what_the_service_does_not_know_is_said_as_that(acs: Resource):
    assert await acs.client.result("00000000-0000-4000-8000-000000000000") is None
    assert (await acs.client.progress("purchase_none")).status == "unknown"
    assert await acs.client.owned("+18335550199") is None


@pytest.mark.parametrize("kind", ["searches", "purchases"])
async def test_a_quota_is_no_pace(acs: Resource, kind: str):
    acs.control("numbers", {kind: 0})
    with pytest.raises(Declined) as no:
        await acs.bought()
    assert no.value.reason is Reason.QUOTA


async def test_a_short_wait_is_kept_to(acs: Resource):
    acs.peer.fault(route="POST .*search", do="throttle", retry_after="7.5", times=1)
    with pytest.raises(Later) as later:
        await acs.client.search()
    assert later.value.after == timedelta(seconds=7.5)


@pytest.mark.parametrize("fault", [{"do": "status"}, {"do": "status", "status": 500}, {"do": "drop"}, {"do": "lost"}])
async def test_trouble_is_for_later(acs: Resource, fault: dict[str, Any]):
    acs.peer.fault(route="POST .*search", times=1, **fault)
    with pytest.raises(Later):
        await acs.client.search()


FAILS = [
    ("OutOfStock", Reason.OUT_OF_STOCK),
    ("NotEnoughCredit", Reason.BILLING),
    ("MissingAddress", Reason.ADDRESS),
    ("AuthorizationDenied", Reason.NOT_ALLOWED),
    ("ProvisioningFailed", Reason.PURCHASE_FAILED),
    ("SomethingNew", Reason.PURCHASE_FAILED),
]


@pytest.mark.parametrize(("code", "reason"), FAILS)
async def test_a_purchase_that_fails_says_why(acs: Resource, code: str, reason: Reason):
    acs.control("numbers", {"searches": 1000, "purchases": 1000, "fails": code})
    begun = await acs.searched()
    operation = await acs.client.purchase(begun.id)
    acs.move(timedelta(seconds=2))
    progress = await acs.client.progress(operation)
    assert (progress.status, progress.reason) == ("failed", reason)
    offer = await acs.client.result(begun.id)
    assert offer
    assert await acs.client.owned(offer.number) is None


async def test_a_wrong_key_is_declined_and_buys_nothing(acs: Resource):
    wrong = acs.other(AzureKeyCredential(base64.b64encode(os.urandom(32)).decode()))
    for call in (wrong.search(), wrong.purchase("x"), wrong.owned(world.ACS_NUMBER), wrong.release(world.ACS_NUMBER)):
        with pytest.raises(Declined) as no:
            await call
        assert no.value.reason is Reason.NOT_ALLOWED
    assert await acs.client.owned(world.ACS_NUMBER)


async def test_another_version_is_refused_and_nothing_is_done(acs: Resource, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client_module, "_VERSION", "api-version=2024-01-01")
    before = len(acs.peer.seen("search"))
    with pytest.raises(Declined) as no:
        await acs.client.search()
    assert no.value.reason is Reason.REFUSED
    assert len(acs.peer.seen("search")) == before


async def test_an_identity_that_gets_no_token_is_for_later(acs: Resource):
    class Nobody:
        async def get_token(self, *_: str, **__: Any) -> Any:
            raise ClientAuthenticationError("no identity here")

    with pytest.raises(Later):
        await acs.other(Nobody()).search()


async def test_without_a_resource_nothing_is_asked(acs: Resource):
    with pytest.raises(Declined) as no:
        await acs.other(KEY, "").search()
    assert no.value.reason is Reason.NO_RESOURCE


async def test_no_number_is_logged_or_shown(acs: Resource, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    number = await acs.bought()
    acs.peer.fault(route="GET /phoneNumbers/", do="status", times=1)
    with pytest.raises(Later) as later:
        await acs.client.owned(number)
    begun = await acs.client.search()
    acs.move(timedelta(seconds=2))
    assert number[2:] not in caplog.text + repr(later.value) + repr(await acs.client.result(begun.id))
