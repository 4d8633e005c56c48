"""Our reader of a tenant's people against the Graph and Entra stand-ins."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sandbox import world
from shared.clients import app_tokens
from shared.clients.addresses import Trusted
from shared.clients.app_tokens import GraphTokens, TokenRefused
from shared.clients.directory import Directory, Found
from shared.clients.outbound import Outbound
from shared.errors import Code, Later, Refused

pytestmark = pytest.mark.feature("F2.9")

LAMNA, FABRIKAM = world.LAMNA_TENANT, world.FABRIKAM_TENANT
ANA = Found(*(getattr(world.USERS["ana"], name) for name in ("oid", "name", "upn")))


@pytest.fixture(scope="module")
def peers(start_peer: Any) -> tuple[Any, Any]:
    return start_peer("entra"), start_peer("graph")


@pytest.fixture(autouse=True)
def trusted(peers: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", peers[0].ca)
    monkeypatch.setitem(app_tokens._TIMEOUTS, "connection_verify", peers[0].ca)
    yield
    consent(peers, "DELETE", FABRIKAM)
    consent(peers, "PUT", LAMNA)


def consent(peers: tuple[Any, Any], method: str, tenant: str) -> None:
    url = f"{peers[0].url}/_sandbox/consents/{tenant}"
    peers[0].http.request(method, url, timeout=10).raise_for_status()


@pytest.fixture
async def tokens(peers: tuple[Any, Any]) -> AsyncIterator[GraphTokens]:
    plan = peers[0].plan
    made = GraphTokens(plan.urls["entra"], world.CONNECTOR_APP, plan.path("connector_both").read_text())
    yield made
    await made.close()


@pytest.fixture
async def directory(peers: tuple[Any, Any], tokens: GraphTokens) -> AsyncIterator[Directory]:
    outbound = Outbound(Trusted())
    yield Directory(peers[1].url, outbound, tokens.of)
    await outbound.close()


async def test_people_are_found_by_words_of_their_name_or_the_beginning_of_their_principal_name(directory: Directory):
    for text in ("ana", "ANALYST", "anal an", "ana@lamna.ex"):
        assert await directory.search(LAMNA, text) == [ANA]
    assert await directory.search(LAMNA, "nalyst") == []
    assert await directory.search(LAMNA, "lamna.example") == []


@pytest.mark.parametrize(
    "text", ['x" OR "displayName:a', '"', "\\", '\\"', 'a\\" OR "mail:a', "'", "a&$top=1", "%22", "+"]
)
async def test_no_text_gets_out_of_its_quotes(directory: Directory, text: str):
    """Graph refuses a $search whose quotes do not close, so an answer shows that they do."""
    assert await directory.search(LAMNA, text) == []


async def test_a_person_is_read_in_one_tenant_only(directory: Directory):
    assert await directory.read(LAMNA, ANA.oid) == ANA
    assert await directory.read(LAMNA, world.USERS["mallory"].oid) is None
    for oid in ("ana@lamna.example", "../me", "", "$count"):
        assert await directory.read(LAMNA, oid) is None


async def test_no_more_of_a_person_is_asked_for_than_is_shown(peers: tuple[Any, Any], directory: Directory):
    await directory.search(LAMNA, "ana")
    last = peers[1].seen("request")[-1]
    assert last["path"] == "/v1.0/users"


async def test_consent_is_proved_by_using_it(peers: tuple[Any, Any], directory: Directory, tokens: GraphTokens):
    with pytest.raises(TokenRefused):
        await directory.prove(FABRIKAM)
    consent(peers, "PUT", FABRIKAM)
    await tokens.forget(FABRIKAM)
    await directory.prove(FABRIKAM)


async def test_a_token_from_before_proves_nothing_once_it_is_forgotten(
    peers: tuple[Any, Any], directory: Directory, tokens: GraphTokens
):
    await directory.prove(LAMNA)
    consent(peers, "DELETE", LAMNA)
    await directory.prove(LAMNA)  # a token lives for an hour
    await tokens.forget(LAMNA)
    with pytest.raises(TokenRefused):
        await directory.prove(LAMNA)


async def test_a_token_without_the_right_is_no_consent(directory: Directory):
    """The connector is known in its own tenant and was granted nothing there."""
    with pytest.raises(Refused) as refused:
        await directory.prove(world.OPERATOR_TENANT)
    assert refused.value.code == Code.CONSENT_MISSING


@pytest.mark.parametrize("fault", [{"do": "throttle", "retry_after": "2.5"}, {"do": "status", "status": 500}])
async def test_a_busy_graph_is_asked_later(peers: tuple[Any, Any], directory: Directory, fault: dict[str, Any]):
    peers[1].fault(route="/v1.0/users", **fault)
    with pytest.raises(Later):
        await directory.search(LAMNA, "ana")
