"""Set-up's order of writes: a FHIR base URL belongs to one connection, also after a failure in between."""

import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest

from shared.bootstrap import Deps as BootstrapDeps
from shared.clients.entra import Caller
from shared.clients.epic import SecretCredential
from shared.clock import Clock
from shared.domain.configuration import secret_name
from shared.domain.connection import Connection, Environment, Organisation
from shared.domain.onboarding import SharedBase
from shared.errors import Code, Later, Refused
from shared.messages import UpkeepOrder
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.orders import Orders
from shared.storage.people import People
from shared.workflows import configuration, fhir_bases
from tests.conftest import StandingClock, Store
from tests.unit.domain.connections import BASE, LAMNA, epic_side, own_side

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ADAM = Caller(str(LAMNA.tenant), "c0000000-0000-4000-8000-000000000002", frozenset(), frozenset(), False, "portal")
ELSEWHERE = epic_side(fhir_base_url="https://elsewhere.example/FHIR")


@dataclass(frozen=True)
class Deps:
    """What set-up needs; nothing here asks Epic."""

    connections: Connections
    lookups: Lookups
    clock: Clock
    people: People
    orders: Orders
    epic: object = None


class FailingConnections(Connections):
    """Storage fails when a connection is written."""

    async def save(self, *_: object, **__: object) -> None:
        raise Later("storage")


@pytest.fixture
async def deps(store: Store) -> Deps:
    clock = StandingClock(moment=NOW)
    people = People(store.tables, store.pseudonyms)
    lookups = Lookups(store.tables, clock)
    made = Deps(Connections(store.tables), lookups, clock, people, Orders(store.tables, lookups))
    await made.connections.enable(LAMNA)
    return made


async def drafted(deps: Deps, base: str = BASE) -> Connection:
    return await configuration.draft("lamna", "test", epic_side(fhir_base_url=base), own_side(), ADAM, deps)


async def taken(deps: Deps, base: str = BASE) -> bool:
    try:
        await drafted(deps, base)
    except Refused as refusal:
        return refusal.code == Code.FHIR_BASE_TAKEN
    return False


async def test_a_base_url_is_taken_for_good_by_a_connection_that_was_saved(deps: Deps):
    await drafted(deps)
    assert await taken(deps)
    assert await taken(replace(deps, clock=StandingClock(moment=NOW + timedelta(days=365))))


async def test_a_claim_whose_connection_was_never_saved_is_free_after_a_while(deps: Deps, store: Store):
    with pytest.raises(Later):
        await drafted(replace(deps, connections=FailingConnections(store.tables)))
    assert await taken(deps)
    assert not await taken(replace(deps, clock=StandingClock(moment=NOW + timedelta(minutes=11))))


async def test_a_proposal_that_lost_its_race_keeps_no_base_url(deps: Deps):
    connection = await drafted(deps)
    _, etag = await deps.connections.find(connection.id)
    await configuration.suspend(connection, etag, ADAM, deps, stopped=True)
    with pytest.raises(Refused) as refused:
        await configuration.propose(connection, etag, ELSEWHERE, ADAM, deps)
    assert refused.value.code == Code.CHANGED_MEANWHILE
    assert await taken(deps)
    assert not await taken(deps, ELSEWHERE.fhir_base_url)


async def test_a_proposal_that_lost_to_the_same_proposal_leaves_it_its_base_url(deps: Deps):
    connection = await drafted(deps)
    _, etag = await deps.connections.find(connection.id)
    await configuration.propose(connection, etag, ELSEWHERE, ADAM, deps)
    with pytest.raises(Refused):
        await configuration.propose(connection, etag, ELSEWHERE, ADAM, deps)
    assert await taken(deps, ELSEWHERE.fhir_base_url)


async def test_the_base_url_of_what_serves_stays_while_another_is_proposed(deps: Deps):
    connection = await drafted(deps)
    serving = connection.model_copy(update={"active": epic_side(), "pending": None, "change": 2})
    _, etag = await deps.connections.find(connection.id)
    await deps.connections.save(serving, etag, who="ana", did="approved", at=NOW)
    _, etag = await deps.connections.find(connection.id)
    await configuration.propose(serving, etag, ELSEWHERE, ADAM, deps)
    assert await taken(deps)
    claimed = await deps.lookups.find(Kind.FHIR_BASE, fhir_bases.spelling(ELSEWHERE.fhir_base_url))
    assert claimed["target"] == connection.id


async def test_a_client_secret_is_not_shown_to_a_server_that_was_only_proposed(deps: Deps):
    """Redeeming the approver's code comes before approval, and an administrator may name any server till then."""
    connection = await drafted(deps)
    _, etag = await deps.connections.find(connection.id)
    changed = await configuration.set_secret(connection, etag, "provider", "plover", ADAM, deps)
    keys = SimpleNamespace(connections=deps.connections, signing={})
    by_secret = epic_side(authentication="client_secret")
    kept = await BootstrapDeps.credential(keys, changed, by_secret, "provider")
    assert kept == SecretCredential("provider", "plover")
    elsewhere = by_secret.model_copy(update={"fhir_base_url": ELSEWHERE.fhir_base_url})
    for side, client in ((elsewhere, "provider"), (by_secret, "patient")):
        with pytest.raises(Refused) as refused:
            await BootstrapDeps.credential(keys, changed, side, client)
        assert refused.value.code == Code.WRONG_STATE


async def test_with_a_connection_go_its_base_url_and_its_sign_ins_and_nobody_elses(deps: Deps):
    connection, neighbour = await drafted(deps), await drafted(deps, ELSEWHERE.fhir_base_url)
    for one in (connection, neighbour):
        await deps.people.keep(one.id, "ePaula", "oid", NOW)
    _, etag = await deps.connections.find(connection.id)
    await configuration.remove(connection, etag, ADAM, deps)
    assert await deps.people.find(connection.id, "ePaula") is None
    assert await deps.people.find(neighbour.id, "ePaula") == "oid"
    assert not await taken(deps)
    assert await taken(deps, ELSEWHERE.fhir_base_url)


async def test_a_proposal_that_lost_to_a_removal_keeps_no_base_url(deps: Deps):
    connection = await drafted(deps)
    _, etag = await deps.connections.find(connection.id)
    await configuration.remove(connection, etag, ADAM, deps)
    with pytest.raises(Refused):
        await configuration.propose(connection, etag, ELSEWHERE, ADAM, deps)
    assert not await taken(deps, ELSEWHERE.fhir_base_url)


CHILD = replace(ADAM, tenant="2b2b2b2b-0000-4000-8000-000000000003")
CHILDS = Organisation(tenant=UUID(CHILD.tenant), id="lamna", name="A child of Lamna's network", production=True)


async def childs(deps: Deps, environment: Environment = "test") -> Connection:
    return await configuration.draft("lamna", environment, epic_side(), own_side(), CHILD, deps)


@pytest.mark.feature("F1.13")
async def test_a_base_url_is_shared_only_with_the_tenants_that_the_operator_names(deps: Deps):
    await deps.connections.enable(CHILDS)
    parents = await drafted(deps)
    with pytest.raises(Refused):
        await childs(deps)
    shared = SharedBase(fhir_base_url=BASE, environment="test", parent=LAMNA.tenant, children=(CHILDS.tenant,))
    await fhir_bases.share(shared, deps)
    assert await fhir_bases.shared(deps) == [shared]
    with pytest.raises(Refused) as other_environment:
        await childs(deps, "production")
    assert other_environment.value.code == Code.FHIR_BASE_TAKEN
    connection = await childs(deps)
    with pytest.raises(Refused):
        await childs(deps)  # one each
    assert await taken(deps)
    _, etag = await deps.connections.find(connection.id)
    await configuration.remove(connection, etag, CHILD, deps)
    assert (await deps.lookups.find(Kind.FHIR_BASE, fhir_bases.spelling(BASE)))["target"] == parents.id
    await fhir_bases.share(shared.model_copy(update={"children": ()}), deps)
    with pytest.raises(Refused):
        await childs(deps)


@pytest.mark.feature("F1.13")
async def test_a_shared_base_url_is_kept_for_its_network(deps: Deps):
    shared = SharedBase(fhir_base_url=BASE, environment="test", parent=CHILDS.tenant, children=(CHILDS.tenant,))
    await fhir_bases.share(shared, deps)
    assert await taken(deps)


async def test_a_connection_that_spells_its_base_url_anew_keeps_it(deps: Deps):
    connection = await drafted(deps)
    _, etag = await deps.connections.find(connection.id)
    respelt = epic_side(fhir_base_url=BASE.removesuffix("R4") + "r4")
    assert respelt.fhir_base_url != BASE
    await configuration.propose(connection, etag, respelt, ADAM, deps)
    assert await taken(deps)


async def test_a_secret_stands_with_the_change_that_says_so_or_not_at_all(deps: Deps):
    connection = await drafted(deps)
    _, etag = await deps.connections.find(connection.id)
    changed = await configuration.set_secret(connection, etag, "provider", "plover", ADAM, deps)
    name = secret_name(epic_side(), epic_side().provider_client_id)
    assert await deps.connections.secret(changed, name) == "plover"
    with pytest.raises(Refused) as refused:  # by somebody who has not seen that
        await configuration.set_secret(connection, etag, "provider", "lapwing", ADAM, deps)
    assert refused.value.code == Code.CHANGED_MEANWHILE
    assert await deps.connections.secret(changed, name) == "plover"
    _, etag = await deps.connections.find(connection.id)
    await configuration.set_secret(changed, etag, "provider", "lapwing", ADAM, deps)
    assert await deps.connections.secret(changed, name) == "lapwing"


async def test_a_secret_given_while_its_connection_is_removed_is_not_left_behind(deps: Deps):
    connection = await drafted(deps)
    _, etag = await deps.connections.find(connection.id)
    await configuration.remove(connection, etag, ADAM, deps)
    with pytest.raises(Refused):
        await configuration.set_secret(connection, etag, "provider", "plover", ADAM, deps)
    with pytest.raises(Refused):
        await deps.connections.secret(connection, secret_name(epic_side(), epic_side().provider_client_id))


class Queue:
    """Takes messages, unless it is away."""

    def __init__(self, *, away: bool) -> None:
        self.away = away
        self.messages: list[UpkeepOrder] = []

    async def put(self, message: UpkeepOrder) -> None:
        if self.away:
            raise Later("storage")
        self.messages.append(message)


async def changed_intervals(deps: Deps, queue: Queue) -> tuple[Connection, Connection]:
    """A connection before and after other intervals were asked for."""
    connection = await drafted(deps)
    _, etag = await deps.connections.find(connection.id)
    own = connection.own.model_copy(update={"sms": connection.own.sms.model_copy(update={"reminders": (30,)})})
    with contextlib.suppress(Later):
        await configuration.set_own_side(connection, etag, own, ADAM, cast("BootstrapDeps", Queued(deps, queue)))
    return connection, (await deps.connections.find(connection.id))[0]


async def test_other_intervals_are_planned_once_for_the_change_that_brings_them(deps: Deps):
    queue = Queue(away=False)
    _, written = await changed_intervals(deps, queue)
    [order] = queue.messages
    assert (order.kind, order.connection, order.version) == ("replan", written.id, written.change)
    assert written.own.sms.reminders == (30,)


async def test_other_intervals_that_nobody_could_plan_are_not_written(deps: Deps):
    before, written = await changed_intervals(deps, Queue(away=True))
    assert written == before


class Queued:
    """Set-up's dependencies with a queue."""

    def __init__(self, deps: Deps, queues: Queue) -> None:
        self.connections, self.orders, self.clock, self.queues = deps.connections, deps.orders, deps.clock, queues
