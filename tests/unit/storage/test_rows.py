"""The row kinds: lookups, connections with their history, appointments, parked work."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.domain import configuration
from shared.domain.appointment import Appointment, Facts
from shared.domain.connection import Connection, Organisation
from shared.domain.onboarding import AccessRequest, Consent, Tick, request_id
from shared.errors import Code, Refused
from shared.messages import CallEvent, Receipt
from shared.storage.appointments import Appointments
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.names import Queue, Table
from shared.storage.onboarding import Onboarding
from shared.storage.parked import Parked
from shared.storage.tables import Conflict, Row, Tables
from tests.conftest import StandingClock, Store
from tests.unit.domain.connections import LAMNA, epic_side, own_side

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CLOCK = StandingClock(moment=NOW)


# --- lookups


async def test_a_lookup_leads_to_its_target_until_it_expires(store: Store):
    await Lookups(store.tables, CLOCK).put(Kind.LAUNCH_STATE, "state", "visit", NOW + timedelta(minutes=5))
    for minutes, found in ((4, True), (5, False), (6, False)):
        lookups = Lookups(store.tables, StandingClock(moment=NOW + timedelta(minutes=minutes)))
        assert (await lookups.find(Kind.LAUNCH_STATE, "state") is not None) == found


async def test_a_lookup_without_expiry_stays(store: Store):
    await Lookups(store.tables, CLOCK).put(Kind.SESSION, "csn", "session")
    later = Lookups(store.tables, StandingClock(moment=NOW + timedelta(days=3650)))
    assert (await later.find(Kind.SESSION, "csn"))["target"] == "session"


async def test_of_twenty_who_claim_at_once_one_wins(store: Store):
    lookups = Lookups(store.tables, CLOCK)
    won = await asyncio.gather(*(lookups.claim(Kind.LAUNCH_STATE, "state", f"who-{number}") for number in range(20)))
    assert won.count(True) == 1
    assert (await lookups.find(Kind.LAUNCH_STATE, "state"))["target"] == f"who-{won.index(True)}"


async def test_a_used_state_stays_used_after_it_has_expired(store: Store):
    await Lookups(store.tables, CLOCK).claim(Kind.LAUNCH_STATE, "state", "first", NOW + timedelta(minutes=1))
    later = Lookups(store.tables, StandingClock(moment=NOW + timedelta(hours=1)))
    assert not await later.claim(Kind.LAUNCH_STATE, "state", "second")


async def test_kinds_do_not_meet(store: Store):
    lookups = Lookups(store.tables, CLOCK)
    assert await lookups.claim(Kind.APPROVAL, "name", "a")
    assert await lookups.claim(Kind.SESSION, "name", "b")
    assert (await lookups.find(Kind.APPROVAL, "name"))["target"] == "a"


async def test_the_name_of_a_lookup_may_be_a_secret(store: Store):
    await Lookups(store.tables, CLOCK).put(Kind.JOIN_TOKEN, "a-secret-token", "visit", verifier_sealed="hidden")
    [row] = [dict(one) async for one in store.raw_table(Table.LOOKUPS).list_entities()]
    assert "a-secret-token" not in str(row)
    assert "hidden" not in str(row)


async def test_two_who_change_a_lookup_do_not_both_win(store: Store):
    lookups = Lookups(store.tables, CLOCK)
    await lookups.put(Kind.APPROVAL, "attempt", "c", state="waiting")
    rows = [await lookups.find(Kind.APPROVAL, "attempt") for _ in range(2)]
    await lookups.save(rows[0] | {"state": "redeeming"})
    with pytest.raises(Conflict):
        await lookups.save(rows[1] | {"state": "redeeming"})


async def test_a_dropped_lookup_can_be_claimed_again(store: Store):
    lookups = Lookups(store.tables, CLOCK)
    await lookups.claim(Kind.FHIR_BASE, "https://x", "one")
    await lookups.drop(Kind.FHIR_BASE, "https://x")
    assert await lookups.claim(Kind.FHIR_BASE, "https://x", "two")


# --- connections


@pytest.fixture
def connections(store: Store) -> Connections:
    return Connections(store.tables)


def drafted(organisation: Organisation = LAMNA) -> Connection:
    return configuration.drafted(organisation, "test", epic_side(), own_side())


async def kept(connections: Connections, connection: Connection) -> tuple[Connection, str]:
    await connections.save(connection, None, who="adam", did="drafted", at=NOW)
    return await connections.find(connection.id)


async def with_secret(connections: Connections, connection: Connection) -> tuple[Connection, str]:
    """A kept connection whose provider app got a secret."""
    known, etag = await kept(connections, connection)
    changed = known.model_copy(update={"change": known.change + 1})
    secret = "provider|x", "plover"
    await connections.save(changed, etag, who="adam", did="secret set", at=NOW, secret=secret)
    return await connections.find(connection.id)


async def test_a_connection_is_found_by_its_id_alone(connections: Connections):
    connection = drafted()
    found, etag = await kept(connections, connection)
    assert (found, bool(etag)) == (connection, True)


@pytest.mark.parametrize(
    "id_", ["", "x", "../conn", "0" * 32, "0" * 32 + "-aaaaaaa1", "0" * 32 + "-aaaaaaaa", "é" * 41]
)
async def test_an_id_that_is_none_or_nobodys_is_unknown(connections: Connections, id_: str):
    with pytest.raises(Refused) as refused:
        await connections.find(id_)
    assert refused.value.code == Code.CONNECTION_UNKNOWN


@pytest.mark.feature("F3.6")
@pytest.mark.parametrize("suspended", [False, True])
async def test_only_an_approved_connection_that_is_not_suspended_serves(connections: Connections, suspended: bool):
    connection, etag = await kept(connections, drafted())
    with pytest.raises(Refused) as refused:
        await connections.serving(connection.id)
    assert refused.value.code == Code.CONNECTION_NOT_SERVING
    active = connection.model_copy(update={"active": epic_side(), "suspended": suspended, "change": 2})
    await connections.save(active, etag, who="ana", did="approved", at=NOW)
    if suspended:
        with pytest.raises(Refused):
            await connections.serving(connection.id)
    else:
        assert await connections.serving(connection.id) == active


async def test_of_two_editors_one_wins_and_the_loser_leaves_no_history(connections: Connections):
    connection, etag = await kept(connections, drafted())

    codes: list[Code] = []

    async def edit(who: str) -> bool:
        try:
            await connections.save(configuration.withdrawn(connection), etag, who=who, did="withdrawn", at=NOW)
        except Refused as refusal:
            codes.append(refusal.code)
            return False
        return True

    won = await asyncio.gather(*(edit(f"editor-{number}") for number in range(8)))
    assert won.count(True) == 1
    assert codes == [Code.CHANGED_MEANWHILE] * 7
    history = await connections.history(connection)
    assert [(row["did"], row["who"]) for row in history] == [
        ("drafted", "adam"),
        ("withdrawn", f"editor-{won.index(True)}"),
    ]
    found, _ = await connections.find(connection.id)
    assert found.change == 2


async def test_history_holds_every_change_in_order_and_nobody_elses(connections: Connections):
    connection, etag = await kept(connections, drafted())
    await kept(connections, drafted())
    for number in range(2, 13):
        connection = configuration.suspended(connection, stopped=number % 2 == 0)
        await connections.save(connection, etag, who="adam", did=f"change {number}", at=NOW)
        _, etag = await connections.find(connection.id)
    history = await connections.history(connection)
    assert [row["did"] for row in history] == ["drafted", *(f"change {number}" for number in range(2, 13))]
    assert {row["at"] for row in history} == {NOW}
    assert Connection.model_validate_json(history[-1]["settings"]) == connection


async def test_a_tenant_sees_its_own_connections_and_no_history_rows(connections: Connections):
    other = Organisation(tenant=uuid4(), id="fabrikam", name="Fabrikam")
    mine, _ = await kept(connections, drafted())
    await kept(connections, drafted(other))
    assert await connections.of_tenant(LAMNA.tenant) == [mine]


async def test_an_organisation_is_found_only_under_its_tenant(connections: Connections):
    await connections.enable(LAMNA)
    assert await connections.organisation(LAMNA.tenant, "lamna") == LAMNA
    for tenant, id_ in ((uuid4(), "lamna"), (LAMNA.tenant, "other")):
        with pytest.raises(Refused) as refused:
            await connections.organisation(tenant, id_)
        assert refused.value.code == Code.ORGANISATION_UNKNOWN


async def test_organisations_are_listed_without_what_stands_beside_them(connections: Connections, store: Store):
    other = Organisation(tenant=uuid4(), id="lamna", name="Fabrikam")
    for one in (LAMNA, other):
        await connections.enable(one)
    way_in = Onboarding(store.tables)
    await way_in.ask(request(1))
    await way_in.tick(LAMNA.tenant, "lamna", "licences", Tick(done=True, who="adam", at=NOW))
    await way_in.consented(LAMNA.tenant, Consent(who="adam", at=NOW))
    assert await connections.organisations(LAMNA.tenant) == [LAMNA]
    assert {one.name for one in await connections.organisations(None)} == {"Lamna Healthcare", "Fabrikam"}


@pytest.mark.feature("F12.6")
async def test_a_removed_connection_leaves_its_history_and_no_secret(connections: Connections, store: Store):
    connection, etag = await with_secret(connections, drafted())
    neighbour, _ = await with_secret(connections, drafted())
    await connections.remove(configuration.ended(connection), etag, who="adam", at=NOW)
    with pytest.raises(Refused) as refused:
        await connections.find(connection.id)
    assert refused.value.code == Code.CONNECTION_UNKNOWN
    assert await secrets(store) == {(neighbour.id, "provider|x")}
    found = await connections.histories(LAMNA.tenant)
    assert [row["did"] for row in found[connection.id]] == ["drafted", "secret set", "removed"]
    assert await connections.every() == [neighbour]
    assert {one.id for one in await connections.ever()} == {connection.id, neighbour.id}


async def test_who_removes_what_somebody_changed_meanwhile_removes_nothing(connections: Connections):
    connection, etag = await with_secret(connections, drafted())
    changed = configuration.suspended(connection, stopped=True)
    await connections.save(changed, etag, who="ana", did="suspended", at=NOW)
    with pytest.raises(Refused) as refused:
        await connections.remove(configuration.ended(connection), etag, who="adam", at=NOW)
    assert refused.value.code == Code.CHANGED_MEANWHILE
    assert (await connections.find(connection.id))[0] == changed
    assert await connections.secret(connection, "provider|x") == "plover"


async def secrets(store: Store) -> set[tuple[str, str]]:
    """Whose secrets rest, and under which names."""
    return {(row["PartitionKey"], row["RowKey"]) async for row in store.raw_table(Table.SECRETS).list_entities()}


async def test_no_secret_lies_in_the_table_that_the_hl7_door_reads(connections: Connections, store: Store):
    connection, _ = await with_secret(connections, drafted())
    rows = [dict(row) async for row in store.raw_table(Table.CONNECTIONS).list_entities()]
    assert {row["RowKey"].partition("|")[0] for row in rows} == {"conn", "hist"}
    assert [name for row in rows for name in row if name.endswith("_sealed")] == []
    assert await secrets(store) == {(connection.id, "provider|x")}


class Killed(BaseException):
    """The process dies: nothing after this is done."""


class DyingAt(Tables):
    """Tables of a process that dies when it comes to a step: the first word to the table of secrets of that kind."""

    step = ""

    def _dies(self, step: str, table: Table) -> None:
        if (step, table) == (self.step, Table.SECRETS):
            raise Killed

    async def save(self, table: Table, row: Row) -> None:
        self._dies("save", table)
        await super().save(table, row)

    async def sweep(self, table: Table, condition: str, **values: Any) -> int:
        self._dies("sweep", table)
        return await super().sweep(table, condition, **values)


def dying(store: Store, step: str) -> Connections:
    tables = DyingAt(store.table_service, store.ring)
    tables.step = step
    return Connections(tables)


async def test_who_dies_before_the_new_secret_is_written_leaves_the_old_one(connections: Connections, store: Store):
    connection, etag = await with_secret(connections, drafted())
    changed = connection.model_copy(update={"change": connection.change + 1})
    given = {"who": "adam", "did": "secret set", "at": NOW, "secret": ("provider|x", "lapwing")}
    with pytest.raises(Killed):
        await dying(store, "save").save(changed, etag, **given)
    assert await connections.secret(connection, "provider|x") == "plover"
    found, etag = await connections.find(connection.id)
    again = found.model_copy(update={"change": found.change + 1})
    await connections.save(again, etag, **given)
    assert await connections.secret(connection, "provider|x") == "lapwing"


async def test_a_secret_whose_remover_died_leads_nowhere_and_goes_with_the_next_sweep(
    connections: Connections, store: Store
):
    connection, etag = await with_secret(connections, drafted())
    neighbour, _ = await with_secret(connections, drafted())
    with pytest.raises(Killed):
        await dying(store, "sweep").remove(configuration.ended(connection), etag, who="adam", at=NOW)
    with pytest.raises(Refused):
        await connections.find(connection.id)
    assert {whose for whose, _ in await secrets(store)} == {connection.id, neighbour.id}
    assert await connections.sweep_secrets() == 1
    assert await secrets(store) == {(neighbour.id, "provider|x")}
    assert await connections.sweep_secrets() == 0


class Overtaken(Tables):
    """Tables of a process that somebody overtakes before it writes a secret."""

    async def meanwhile(self) -> None:
        """What the other one does."""

    async def save(self, table: Table, row: Row) -> None:
        if table == Table.SECRETS:
            await self.meanwhile()
        await super().save(table, row)


async def test_a_connection_removed_while_its_secret_is_on_the_way_keeps_none(connections: Connections, store: Store):
    connection, etag = await kept(connections, drafted())
    changed = connection.model_copy(update={"change": connection.change + 1})

    async def remove() -> None:
        _, newest = await connections.find(connection.id)
        await connections.remove(configuration.ended(changed), newest, who="ana", at=NOW)

    slow = Overtaken(store.table_service, store.ring)
    slow.meanwhile = remove
    given = {"who": "adam", "did": "secret set", "at": NOW, "secret": ("provider|x", "plover")}
    with pytest.raises(Refused) as refused:
        await Connections(slow).save(changed, etag, **given)
    assert refused.value.code == Code.CHANGED_MEANWHILE
    assert await secrets(store) == set()


async def test_a_secret_that_comes_late_does_not_replace_one_of_a_later_change(connections: Connections, store: Store):
    connection, etag = await kept(connections, drafted())
    changes = [connection.model_copy(update={"change": connection.change + number}) for number in (1, 2)]
    given = {"who": "adam", "did": "secret set", "at": NOW}

    async def later() -> None:
        slow.meanwhile = nothing  # once only
        _, newest = await connections.find(connection.id)
        await connections.save(changes[1], newest, **given, secret=("provider|x", "lapwing"))

    slow = Overtaken(store.table_service, store.ring)
    nothing = slow.meanwhile
    slow.meanwhile = later
    await Connections(slow).save(changes[0], etag, **given, secret=("provider|x", "plover"))
    assert await connections.secret(connection, "provider|x") == "lapwing"


async def test_a_milestone_is_noted_once_and_by_connection(connections: Connections, store: Store):
    connection, _ = await kept(connections, drafted())
    for process in (connections, connections, Connections(store.tables)):
        await process.reach(connection.id, "patient-launch", NOW)
    assert await connections.reached(LAMNA.tenant) == {(connection.id, "patient-launch")}
    assert await connections.reached(uuid4()) == set()


# --- onboarding


def request(number: int, tenant: UUID = LAMNA.tenant) -> AccessRequest:
    asked = {"organisation": "Lamna Healthcare", "contact": "epic@lamna.example"}
    return AccessRequest(**asked, id=request_id(tenant, number), tenant=tenant, who="adam", at=NOW)


@pytest.mark.feature("F1.3")
async def test_a_request_is_kept_once_with_its_contact_sealed(store: Store):
    way_in = Onboarding(store.tables)
    assert await way_in.ask(request(1))
    assert not await way_in.ask(request(1))
    assert (await way_in.request(request(1).id))[0] == request(1)
    [row] = [dict(one) async for one in store.raw_table(Table.ORGANISATIONS).list_entities()]
    assert "epic@lamna" not in str(row)


async def test_requests_are_listed_by_tenant_or_all(store: Store):
    way_in, other = Onboarding(store.tables), uuid4()
    for one in (request(1), request(2), request(1, other)):
        await way_in.ask(one)
    assert await way_in.requests(LAMNA.tenant) == [request(1), request(2)]
    assert len(await way_in.requests(None)) == 3


async def test_of_two_who_decide_a_request_one_wins(store: Store):
    way_in = Onboarding(store.tables)
    await way_in.ask(request(1))
    asked, row = await way_in.request(request(1).id)
    await way_in.decide(asked.model_copy(update={"state": "declined"}), row)
    with pytest.raises(Conflict):
        await way_in.decide(asked.model_copy(update={"state": "enabled"}), row)


async def test_a_tick_of_an_organisation_outdoes_one_of_its_tenant(store: Store):
    way_in = Onboarding(store.tables)
    yes, no = (Tick(done=done, who="adam", at=NOW) for done in (True, False))
    await way_in.tick(LAMNA.tenant, None, "licences", yes)
    await way_in.tick(LAMNA.tenant, None, "epic-version", yes)
    await way_in.tick(LAMNA.tenant, "lamna", "licences", no)
    assert await way_in.ticks(LAMNA.tenant, "lamna") == {"licences": no, "epic-version": yes}
    assert await way_in.ticks(LAMNA.tenant, "other") == {"licences": yes, "epic-version": yes}
    assert await way_in.ticks(uuid4(), "lamna") == {}


# --- appointments and parked work


async def test_an_appointment_rests_without_its_csn_and_phone(store: Store):
    appointments = Appointments(store.tables)
    made = Appointment(
        connection="c", key="pseudonym", csn="9001234", facts=Facts(start=NOW, phone="+16085550142"), version=1
    )
    await appointments.save(made, None)
    resting = dict(await store.raw_table(Table.VISITS).get_entity("pseudonym", "appt"))
    assert "9001234" not in str(resting)
    assert "5550142" not in str(resting)
    assert (resting["phone"], resting["version"], resting["start"]) == ("kept", 1, NOW)
    assert (await appointments.find("pseudonym"))[0] == made


async def test_an_appointment_written_by_two_is_a_conflict_for_the_second(store: Store):
    appointments = Appointments(store.tables)
    made = Appointment(connection="c", key="pseudonym", csn="9001234")
    await appointments.save(made, None)
    with pytest.raises(Conflict):
        await appointments.save(made, None)
    _, row = await appointments.find("pseudonym")
    await appointments.save(made.model_copy(update={"version": 2}), row)
    with pytest.raises(Conflict):
        await appointments.save(made.model_copy(update={"version": 3}), row)


async def test_parked_work_says_why_and_keeps_its_message_sealed(store: Store):
    message = Receipt(
        message_id="m1",
        attempt=4,
        give_up_at=NOW,
        kind="stop",
        happened=NOW,
        number="+18335550100",
        other="+16085550142",
    )
    await Parked(store.tables, CLOCK).park(message, "storage")
    resting = dict(await store.raw_table(Table.PARKED).get_entity("sms-receipts", "m1"))
    assert (resting["reason"], resting["at"], resting["attempts"]) == ("storage", NOW, 5)
    assert "5550142" not in str(resting)
    row = await store.tables.get(Table.PARKED, "sms-receipts", "m1")
    assert Receipt.model_validate_json(row["message_sealed"]) == message


@pytest.mark.parametrize("letter", ["A", "\u00e4", "\U0001f600"])
async def test_the_largest_message_that_a_queue_takes_can_be_parked_and_found_again(store: Store, letter: str):
    message = CallEvent(
        message_id="m1",
        give_up_at=NOW,
        key="visit",
        arrived=NOW,
        tokens=(letter * 2_000,),
        data=letter * 32_000,
        data_key="key",
        data_signature="signature",
        certificate_id="k1",
    )
    parked = Parked(store.tables, CLOCK)
    await parked.park(message, "graph")
    found, row = await parked.find(Queue.CALL_EVENTS, "m1")
    assert found == message
    await parked.drove(row, "operator")
    assert (await parked.find(Queue.CALL_EVENTS, "m1"))[0] == message
    assert await Parked(store.tables, StandingClock(moment=NOW + timedelta(hours=73))).erase() == 1
    resting = await store.raw_table(Table.PARKED).get_entity("call-events", "m1")
    assert not [name for name in resting if name.endswith("_sealed")]
