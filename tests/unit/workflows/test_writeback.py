"""Epic hears each change at least once and in order, whoever is killed, slow or refused."""

import asyncio
import base64
import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.clients.write_back import NotLetIn, Status
from shared.domain.configuration import WRITE_BACK, secret_name
from shared.domain.connection import WriteBack
from shared.domain.visit import Change, Person
from shared.errors import Code, Later, Refused
from shared.messages import WritebackOrder
from shared.storage.names import Queue, Table
from shared.storage.parked import Parked
from shared.work import work
from shared.workflows import writeback
from tests.conftest import Store
from tests.unit.domain.connections import epic_side
from tests.unit.workflows.text_world import CONNECTION, Killed
from tests.unit.workflows.visit_world import KEY, LAMNA, NOW, START, Sink, VisitWorld, look_at, pat, paula

pytestmark = [pytest.mark.feature("F10.3", "F10.4"), pytest.mark.promise("P4")]

URL = "https://epic.lamna.example/write-back"


def changes(*statuses: str) -> tuple[Change, ...]:
    return tuple(Change(status=one, at=START + timedelta(minutes=n + 1)) for n, one in enumerate(statuses))


FOUR = changes("connected", "disconnected", "connected", "disconnected")
IN_ORDER = ["connected", "disconnected", "connected", "disconnected"]


@pytest.fixture
async def world(store: Store) -> VisitWorld:
    made = VisitWorld(store)
    await made.approved()
    await made.visit(pat(changes=FOUR), paula(changes=FOUR[:1]))
    return made


async def sink(world: VisitWorld, **settings: Any) -> None:
    """Another Epic side in force."""
    connection, _ = await world.connections.find(CONNECTION)
    side = epic_side(write_back=WriteBack(**{"url": URL} | settings))
    row = {"PartitionKey": str(LAMNA.tenant), "RowKey": f"conn|{CONNECTION}"}
    changed = connection.model_copy(update={"active": side})
    await world.store.tables.put(Table.CONNECTIONS, row | {"settings": changed.model_dump_json()})


def away(_: Sink, __: Status) -> str:
    raise Later("epic")


def lost(sink_: Sink, status: Status) -> str:
    """Epic takes it, and the answer gets lost."""
    sink_.take(status)
    raise Later("epic")


def killed_before(_: Sink, __: Status) -> str:
    raise Killed


def killed_after(sink_: Sink, status: Status) -> str:
    sink_.take(status)
    raise Killed


async def retried(world: VisitWorld, times: int = 20) -> None:
    for _ in range(times):
        try:
            return await writeback.write(look_at(), world)
        except Later:
            await asyncio.sleep(0.01)
    raise AssertionError("never done")


async def test_every_change_of_one_person_is_told_in_order_and_nobody_elses(world: VisitWorld) -> None:
    await writeback.write(look_at(), world)
    assert world.epic_status.told == [("70001", status, n + 1) for n, status in enumerate(IN_ORDER)]
    person = await world.person("pat")
    assert (person.written, person.lease, person.lease_until) == (4, None, None)


async def test_each_change_is_noted_in_one_write_and_the_last_lets_go_in_the_same(
    world: VisitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, save = list[tuple[int, bool]](), world.visits.save

    async def kept(known: Any, visit: Any, person: Person) -> None:
        await save(known, visit, person)
        saved.append((person.written, person.lease is not None))

    monkeypatch.setattr(world.visits, "save", kept)
    await writeback.write(look_at(), world)
    assert saved == [(0, True), (1, True), (2, True), (3, True), (4, False)]


async def test_an_order_that_comes_twice_tells_nothing_again(world: VisitWorld) -> None:
    for _ in range(3):
        await writeback.write(look_at(), world)
    assert len(world.epic_status.told) == 4


async def test_two_writers_at_once_tell_each_change_once_and_in_order(world: VisitWorld) -> None:
    await asyncio.gather(*(retried(world) for _ in range(4)))
    assert world.epic_status.of("70001") == IN_ORDER


async def test_who_comes_second_waits_for_the_lease(world: VisitWorld) -> None:
    world.epic_status.script = [killed_before]
    with pytest.raises(Killed):
        await writeback.write(look_at(), world)
    with pytest.raises(Later) as later:
        await writeback.write(look_at(), world)
    assert (later.value.peer, world.epic_status.told) == ("lease", [])


@pytest.mark.parametrize(("kill", "told"), [(killed_before, IN_ORDER), (killed_after, ["connected", *IN_ORDER])])
async def test_a_killed_writers_lease_ends_and_the_perhaps_repeated_change_is_counted(
    world: VisitWorld, kill: Any, told: list[str]
) -> None:
    world.epic_status.script = [kill]
    with pytest.raises(Killed):
        await writeback.write(look_at(), world)
    world.clock.world += timedelta(seconds=61)
    await writeback.write(look_at(), world)
    assert world.epic_status.of("70001") == told
    details = sorted(row["detail"] for row in await world.facts())
    assert details == ["ok", "ok", "ok", "ok", "perhaps a second time"]


async def test_with_epic_away_the_change_waits_without_a_lease_and_the_order_holds(world: VisitWorld) -> None:
    world.epic_status.script = [Sink.take, away]
    with pytest.raises(Later):
        await writeback.write(look_at(), world)
    assert ((await world.person("pat")).written, (await world.person("pat")).lease) == (1, None)
    await writeback.write(look_at(), world)
    assert world.epic_status.of("70001") == IN_ORDER


async def test_a_lost_answer_makes_the_same_change_come_again_and_no_other(world: VisitWorld) -> None:
    world.epic_status.script = [Sink.take, lost]
    with pytest.raises(Later):
        await writeback.write(look_at(), world)
    await writeback.write(look_at(), world)
    assert world.epic_status.of("70001") == ["connected", "disconnected", "disconnected", *IN_ORDER[2:]]


async def test_a_change_that_comes_while_epic_is_told_is_told_too(world: VisitWorld) -> None:
    async def grow() -> None:
        known = await world.visits.find(KEY)
        person = known.people["paula"]
        await world.visits.save(known, None, person.model_copy(update={"changes": FOUR[:2]}))

    tell = world.epic_status.tell

    async def meanwhile(*given: Any) -> str:
        if not world.epic_status.told:
            await grow()
        return await tell(*given)

    world.epic_status.tell = meanwhile
    await writeback.write(look_at("paula"), world)
    assert world.epic_status.of("19001") == ["connected", "disconnected"]


async def test_a_writer_whose_lease_ran_out_does_not_turn_the_story_back(world: VisitWorld) -> None:
    """It hung after Epic's answer; another one told all the rest meanwhile."""
    tell = world.epic_status.tell

    async def hangs(*given: Any) -> str:
        world.epic_status.tell = tell
        answer = await tell(*given)
        world.clock.world += timedelta(seconds=61)
        await writeback.write(look_at(), world)
        return answer

    world.epic_status.tell = hangs
    await writeback.write(look_at(), world)
    assert (await world.person("pat")).written == 4
    assert world.epic_status.of("70001") == ["connected", *IN_ORDER]


async def test_what_was_told_is_noted_though_another_has_the_lease_now(world: VisitWorld) -> None:
    tell = world.epic_status.tell

    async def hangs(*given: Any) -> str:
        answer = await tell(*given)
        known = await world.visits.find(KEY)
        taken = {"lease": "another's", "lease_until": world.clock.real() + timedelta(seconds=60)}
        await world.visits.save(known, None, known.people["pat"].model_copy(update=taken))
        return answer

    world.epic_status.tell = hangs
    with pytest.raises(Later) as later:
        await writeback.write(look_at(), world)
    person = await world.person("pat")
    assert (later.value.peer, person.written, person.lease) == ("lease", 1, "another's")


async def test_a_refusal_of_epics_command_is_noted_and_the_rest_goes_on(world: VisitWorld) -> None:
    world.epic_status.script = [lambda *_: "INVALID-EXTERNALID"]
    await writeback.write(look_at(), world)
    assert world.epic_status.of("70001") == IN_ORDER[1:]
    assert [row["detail"] for row in await world.facts()] == ["INVALID-EXTERNALID", "ok", "ok", "ok"]


@pytest.mark.parametrize("code", [Code.ADDRESS_REFUSED, Code.EPIC_REFUSED, Code.WRONG_STATE])
async def test_what_people_must_mend_holds_the_change_and_alarms(world: VisitWorld, code: Code, caplog: Any) -> None:
    def refuses(*_: Any) -> str:
        raise Refused(code)

    world.epic_status.script = [refuses]
    with pytest.raises(Later) as later:
        await writeback.write(look_at(), world)
    assert (later.value.after, (await world.person("pat")).lease) == (timedelta(minutes=5), None)
    assert f"code={code}" in caplog.text
    await writeback.write(look_at(), world)
    assert world.epic_status.of("70001") == IN_ORDER


async def test_without_a_token_nothing_is_told_and_nothing_is_lost(world: VisitWorld) -> None:
    world.epic.refuses = True
    with pytest.raises(Later):
        await writeback.write(look_at(), world)
    world.epic.refuses = False
    await writeback.write(look_at(), world)
    assert world.epic_status.of("70001") == IN_ORDER


async def test_a_token_that_epic_takes_no_more_is_asked_for_anew(world: VisitWorld) -> None:
    def expired(*_: Any) -> str:
        raise NotLetIn("epic")

    world.epic_status.script = [expired]
    with pytest.raises(Later):
        await writeback.write(look_at(), world)
    await writeback.write(look_at(), world)
    tokens = [authorization for _, authorization in world.epic_status.asked]
    assert tokens == ["Bearer token-0", *["Bearer token-1"] * 4]


async def test_basic_sends_epics_form_of_the_account(world: VisitWorld) -> None:
    await sink(world, authentication="basic")
    with pytest.raises(Later):  # nobody has given the account yet
        await writeback.write(look_at(), world)
    connection, etag = await world.connections.find(CONNECTION)
    account = secret_name(connection.approved, WRITE_BACK), "svc:pass:word"
    changed = connection.model_copy(update={"change": connection.change + 1})
    await world.connections.save(changed, etag, who="adam", did="secret set", at=world.clock.now(), secret=account)
    await writeback.write(look_at(), world)
    expected = "Basic " + base64.b64encode(b"emp$svc:pass:word").decode()
    assert set(world.epic_status.asked) == {("backend", expected)}


async def test_a_log_only_sink_writes_the_audit_and_asks_nobody(world: VisitWorld) -> None:
    await sink(world, sink="log-only", url=None)
    await writeback.write(look_at(), world)
    assert (world.epic_status.asked, (await world.person("pat")).written) == ([], 4)
    assert [row["detail"] for row in await world.facts()] == ["logged"] * 4


async def delivered(world: VisitWorld, order: WritebackOrder) -> None:
    class Delivered:
        def get_body(self) -> bytes:
            return world.queues.encode(order).encode()

    await work(Delivered(), WritebackOrder, writeback.write, world, writeback.gave_up)


async def test_after_the_give_up_time_it_is_parked_and_the_audit_says_what_epic_never_heard(world: VisitWorld) -> None:
    world.parked = Parked(world.store.tables, world.clock)
    world.epic_status.script = [away, away]
    await delivered(world, look_at())
    queue = world.store.raw_queue(Queue.EHR_WRITEBACK)
    assert (await queue.get_queue_properties()).approximate_message_count == 1
    await queue.clear_messages()
    world.clock.moment = NOW + timedelta(hours=73)
    await delivered(world, look_at())
    assert await world.queued(Queue.EHR_WRITEBACK) == []
    assert [(row["what"], row["detail"]) for row in await world.facts()] == [("not told", "epic")]
    assert (await world.person("pat")).written == 4


async def test_who_has_no_id_at_epic_is_told_of_to_nobody(world: VisitWorld) -> None:
    await world.visits.save(await world.visits.find(KEY), None, Person(id="ines", role="guest", changes=FOUR))
    await writeback.write(look_at("ines"), world)
    await writeback.write(look_at("nobody"), world)
    assert world.epic_status.told == []


@pytest.mark.feature("F12.10")
async def test_nothing_of_anybody_is_logged_or_noted(world: VisitWorld, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    await writeback.write(look_at(), world)
    for told in ("70001", "9001", "token-0"):
        assert told not in await world.in_clear(), told
        assert told not in caplog.text, told
