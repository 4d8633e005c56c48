"""The row kinds: lookups, connections with their history, appointments, parked work."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.domain import configuration
from shared.domain.appointment import Appointment, Facts
from shared.domain.connection import Connection, Organisation
from shared.errors import Code, Refused
from shared.messages import Receipt
from shared.storage.appointments import Appointments
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.names import Table
from shared.storage.parked import Parked
from shared.storage.tables import Conflict
from tests.conftest import StandingClock, Store
from tests.unit.domain.connections import LAMNA, epic_side, own_side

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CLOCK = StandingClock(moment=NOW)


# --- lookups


async def test_a_lookup_leads_to_its_target_until_it_expires(store: Store):
    await Lookups(store.tables, CLOCK).put(Kind.MEETING, "https://x", "visit", NOW + timedelta(minutes=5))
    for minutes, found in ((4, True), (5, False), (6, False)):
        lookups = Lookups(store.tables, StandingClock(moment=NOW + timedelta(minutes=minutes)))
        assert (await lookups.find(Kind.MEETING, "https://x") is not None) == found


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
