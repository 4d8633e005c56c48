"""What preflight asks of Graph, and how strictly the stand-in answers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from sandbox import world
from shared.clients.addresses import Trusted
from shared.clients.graph import Graph, GraphRefused
from shared.clients.outbound import Outbound
from tests.contract.conftest import RunningPeer, RunningPeers

ROOMS, STRANGER = world.USERS["rooms"].oid, world.USERS["mallory"].oid
AT = datetime(2030, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
async def outbound(start_peer: RunningPeers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outbound]:
    monkeypatch.setenv("SSL_CERT_FILE", start_peer("entra").ca)
    made = Outbound(Trusted())
    yield made
    await made.close()


@pytest.fixture
def peer(start_peer: RunningPeers) -> RunningPeer:
    return start_peer("graph")


@pytest.fixture
def graph(start_peer: RunningPeers, peer: RunningPeer, outbound: Outbound) -> Graph:
    entra = start_peer("entra")

    async def token(tenant: str) -> str:
        order = {
            "kind": "app",
            "tenant": tenant,
            "audience": "https://graph.microsoft.com",
            "roles": ["User.Read.All", "OnlineMeetings.ReadWrite.All"],
        }
        answer = entra.http.post(f"{entra.url}/_sandbox/mint", json=order, timeout=10)
        return str(answer.json()["token"])

    return Graph(peer.url, outbound, token)


def person(peer: RunningPeer, **changes: bool) -> None:
    peer.http.patch(f"{peer.url}/_sandbox/people/rooms", json=changes, timeout=10).raise_for_status()


async def test_an_account_is_enabled_and_has_teams_or_not(graph: Graph, peer: RunningPeer):
    for enabled, licensed in ((True, True), (False, True), (True, False)):
        person(peer, enabled=enabled, licensed=licensed)
        account = await graph.account(world.LAMNA_TENANT, ROOMS)
        assert account
        assert (account.enabled, account.teams) == (enabled, licensed)
    person(peer, enabled=True, licensed=True)


async def test_an_account_of_another_tenant_is_none(graph: Graph):
    assert await graph.account(world.LAMNA_TENANT, STRANGER) is None


async def test_a_meeting_is_made_and_removed(graph: Graph, peer: RunningPeer):
    url, gone = await graph.try_meeting(world.LAMNA_TENANT, ROOMS, "preflight-1", AT)
    assert gone
    assert url.startswith(peer.url)
    assert peer.http.get(f"{peer.url}/_sandbox/meetings", timeout=10).json() == []


async def test_without_policy_or_licence_no_meeting_is_made(graph: Graph, peer: RunningPeer):
    peer.http.delete(f"{peer.url}/_sandbox/policies/rooms", timeout=10).raise_for_status()
    with pytest.raises(GraphRefused) as without_policy:
        await graph.try_meeting(world.LAMNA_TENANT, ROOMS, "preflight-1", AT)
    assert without_policy.value.no_policy
    peer.http.post(f"{peer.url}/_sandbox/policies", json={"user": "rooms"}, timeout=10).raise_for_status()
    for lacking in ({"licensed": False}, {"enabled": False}):
        person(peer, **lacking)
        with pytest.raises(GraphRefused) as refused:
            await graph.try_meeting(world.LAMNA_TENANT, ROOMS, "preflight-1", AT)
        assert (refused.value.status, refused.value.no_policy) == (403, False)
        person(peer, enabled=True, licensed=True)


async def test_a_meeting_that_cannot_be_removed_is_said_to_stay(graph: Graph, peer: RunningPeer):
    peer.fault(route="DELETE .*/onlineMeetings/", do="status", status=403, times=1)
    _, gone = await graph.try_meeting(world.LAMNA_TENANT, ROOMS, "preflight-2", AT)
    assert not gone
    _, gone = await graph.try_meeting(world.LAMNA_TENANT, ROOMS, "preflight-2", AT)
    assert gone
