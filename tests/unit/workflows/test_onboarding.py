"""What the operator says of an organisation holds for all its connections, whatever happens at the same time."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.clients.entra import Caller
from shared.clock import Clock
from shared.domain.connection import Connection, Organisation
from shared.domain.onboarding import SharedBase, Wanted
from shared.errors import Code, Refused
from shared.storage.connections import Connections
from shared.storage.lookups import Lookups
from shared.storage.onboarding import Onboarding
from shared.storage.people import People
from shared.storage.tables import Conflict, Row
from shared.workflows import configuration, fhir_bases, onboarding
from tests.conftest import StandingClock, Store
from tests.unit.domain.connections import BASE, LAMNA, epic_side, own_side

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ADAM = Caller(str(LAMNA.tenant), "c0000000-0000-4000-8000-000000000002", frozenset(), frozenset(), False, "portal")
OLIVIA = replace(ADAM, tenant="0f0f0f0f-0000-4000-8000-000000000001", user="olivia")
OTHER = Organisation(tenant=LAMNA.tenant, id="other", name="Lamna's other one")
OFF = LAMNA.model_copy(update={"enabled": False})
WANTED = Wanted(organisation=LAMNA.name, contact="epic@lamna.example")


@dataclass(frozen=True)
class Deps:
    """What onboarding and set-up need."""

    connections: Connections
    lookups: Lookups
    onboarding: Onboarding
    people: People
    clock: Clock


@pytest.fixture
def deps(store: Store) -> Deps:
    clock = StandingClock(moment=NOW)
    people = People(store.tables, store.pseudonyms)
    return Deps(Connections(store.tables), Lookups(store.tables, clock), Onboarding(store.tables), people, clock)


async def serving(deps: Deps, organisation: Organisation, number: int) -> Connection:
    """An approved connection of an organisation."""
    epic = epic_side(fhir_base_url=f"{BASE}{number}")
    drafted = await configuration.draft(organisation.id, "test", epic, own_side(), ADAM, deps)
    _, etag = await deps.connections.find(drafted.id)
    active = drafted.model_copy(update={"active": epic, "pending": None, "change": 2})
    await deps.connections.save(active, etag, who="ana", did="approved", at=NOW)
    return active


async def serve(deps: Deps, *connections: Connection) -> list[bool]:
    return [(await deps.connections.find(one.id))[0].serves for one in connections]


async def test_switching_off_reaches_every_connection_of_the_organisation_and_no_other(deps: Deps):
    for one in (LAMNA, OTHER):
        await onboarding.let_in(one, OLIVIA, deps)
    mine = [await serving(deps, LAMNA, number) for number in range(3)]
    others = await serving(deps, OTHER, 9)
    await onboarding.let_in(OFF, OLIVIA, deps)
    assert await serve(deps, *mine, others) == [False, False, False, True]
    await onboarding.let_in(OFF, OLIVIA, deps)
    assert (await deps.connections.find(mine[0].id))[0].change == 3, "nothing to do is no change"
    await onboarding.let_in(LAMNA, OLIVIA, deps)
    assert await serve(deps, *mine, others) == [True] * 4


async def test_switching_off_wins_over_an_administrator_who_saves_at_the_same_time(deps: Deps):
    await onboarding.let_in(LAMNA, OLIVIA, deps)
    connection = await serving(deps, LAMNA, 1)

    async def edit() -> None:
        for _ in range(5):
            current, etag = await deps.connections.find(connection.id)
            with suppress(Refused):
                await configuration.suspend(current, etag, ADAM, deps, stopped=False)

    await asyncio.gather(edit(), onboarding.let_in(OFF, OLIVIA, deps), edit())
    assert await serve(deps, connection) == [False]


async def test_a_new_organisation_answers_the_open_request_and_a_changed_one_does_not(deps: Deps):
    await onboarding.let_in(OTHER, OLIVIA, deps)
    asked = await onboarding.ask(WANTED, ADAM, deps)
    await onboarding.let_in(OTHER.model_copy(update={"production": True}), OLIVIA, deps)
    assert [one.state for one in await deps.onboarding.requests(None)] == ["requested"]
    await onboarding.let_in(LAMNA, OLIVIA, deps)
    (request,) = await deps.onboarding.requests(LAMNA.tenant)
    assert (request.id, request.state, request.enabled_as) == (asked.id, "enabled", "lamna")


async def test_a_request_that_was_left_open_by_a_crash_is_answered_when_it_is_said_again(deps: Deps):
    await onboarding.ask(WANTED, ADAM, deps)
    await deps.connections.enable(LAMNA)  # and then the process died
    await onboarding.let_in(LAMNA, OLIVIA, deps)
    assert [one.state for one in await deps.onboarding.requests(None)] == ["enabled"]


async def test_a_switch_that_was_cut_short_is_completed_by_the_same_again(deps: Deps):
    """The page sends the tag it read; what it wants stands already, its connections do not know it yet."""
    await onboarding.let_in(LAMNA, OLIVIA, deps)
    connection = await serving(deps, LAMNA, 7)
    await deps.connections.enable(OFF, LAMNA.tag)  # and then the process died
    await onboarding.let_in(OFF, OLIVIA, deps, LAMNA.tag)
    assert (await deps.connections.find(connection.id))[0].off
    with pytest.raises(Refused):
        await onboarding.let_in(LAMNA.model_copy(update={"production": True}), OLIVIA, deps, LAMNA.tag)


async def test_of_two_who_share_a_base_url_at_once_the_second_is_told(deps: Deps, monkeypatch: pytest.MonkeyPatch):
    base = SharedBase(fhir_base_url=BASE, environment="test", parent=LAMNA.tenant, children=(UUID(int=1),))
    await fhir_bases.share(base, deps, "")
    mine, theirs = (base.model_copy(update={"children": (UUID(int=1), UUID(int=n))}) for n in (2, 3))
    save = deps.lookups.save

    async def late(row: Row) -> None:
        monkeypatch.setattr(deps.lookups, "save", save)
        await fhir_bases.share(theirs, deps, base.tag)
        await save(row)

    monkeypatch.setattr(deps.lookups, "save", late)
    with pytest.raises(Refused):
        await fhir_bases.share(mine, deps, base.tag)
    assert await fhir_bases.shared(deps) == [theirs]


async def test_a_decision_that_came_second_is_refused(deps: Deps, monkeypatch: pytest.MonkeyPatch):
    asked = await onboarding.ask(WANTED, ADAM, deps)

    async def too_late(*_: object) -> None:
        raise Conflict("Organisations")

    monkeypatch.setattr(deps.onboarding, "decide", too_late)
    with pytest.raises(Refused) as refused:
        await onboarding.decline(asked.id, "no", OLIVIA, deps)
    assert refused.value.code == Code.WRONG_STATE


async def test_the_first_organisation_is_shown_unless_one_is_named(deps: Deps):
    for one in (OTHER, LAMNA):
        await onboarding.let_in(one, OLIVIA, deps)
    assert (await onboarding.view(None, ADAM, deps)).organisation == "lamna"
    assert (await onboarding.view("other", ADAM, deps)).organisation == "other"
    elsewhere = replace(ADAM, tenant="2b2b2b2b-0000-4000-8000-000000000003")
    assert (await onboarding.view(None, elsewhere, deps)).tenant == UUID(elsewhere.tenant)
    with pytest.raises(Refused):
        await onboarding.view("lamna", elsewhere, deps)
