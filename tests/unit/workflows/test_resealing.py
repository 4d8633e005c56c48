"""A data key goes: what it sealed is sealed again, and nobody is locked out."""

import dataclasses
import logging
import os
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.onboarding import AccessRequest, request_id
from shared.domain.visit import Visit
from shared.messages import UpkeepOrder
from shared.storage.lookups import Kind
from shared.storage.names import Table
from shared.storage.onboarding import Onboarding
from shared.storage.parked import Parked
from shared.storage.sealing import KeyRing
from shared.storage.tables import Row, Tables
from shared.telemetry import log
from shared.workflows.enter import ToTeams, enter
from shared.workflows.resealing import reseal
from tests.conftest import Store
from tests.unit.domain.connections import LAMNA
from tests.unit.sources import ROOT
from tests.unit.workflows.launch_world import LaunchWorld, ticket
from tests.unit.workflows.text_world import CONNECTION, NOW

OLD, NEW = {"a": os.urandom(32)}, {"b": os.urandom(32)}
SEALED = {"Organisations", "Secrets", "People", "Parked", "Lookups", "Visits"}
#: Another connection of the tenant.
OTHER = f"{LAMNA.tenant.hex}-bbbbbbbb"
PAULA = ticket(role="staff", user="ePaula")


class Process(LaunchWorld):
    """The app as it runs with these data keys."""

    def __init__(self, store: Store, keys: dict[str, bytes]) -> None:
        super().__init__(dataclasses.replace(store, tables=store.again(KeyRing(keys))[0]))
        self.onboarding = Onboarding(self.store.tables)
        self.parked = Parked(self.store.tables, self.clock)
        self.set(data_keys=keys)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines about it, so far."""
    caplog.set_level(logging.INFO, logger=log.name)
    return lambda: [one.getMessage() for one in caplog.records if one.getMessage().startswith(("reseal", "rows do"))]


@pytest.fixture
async def before(store: Store) -> Process:
    """A row of each kind, under the old key."""
    made = Process(store, OLD)
    connection = await made.approved()
    asked = {"organisation": "Lamna", "contact": "epic@lamna.example", "tenant": LAMNA.tenant, "who": "adam", "at": NOW}
    await made.onboarding.ask(AccessRequest(id=request_id(LAMNA.tenant, 1), **asked))
    _, etag = await made.connections.find(CONNECTION)
    secret = {"who": "adam", "did": "secret set", "at": NOW, "secret": ("provider|x", "plover")}
    await made.connections.save(connection.model_copy(update={"change": 2}), etag, **secret)
    await made.people.keep(CONNECTION, "ePaula", "oid", NOW)
    usual = {"give_up_at": NOW, "connection": CONNECTION, "kind": "close", "key": "k", "version": 1}
    await made.parked.park(UpkeepOrder(message_id="w1", **usual), "epic")
    await made.lookups.put(Kind.APPROVAL, "attempt", CONNECTION, NOW + timedelta(hours=1), code_sealed="ABCD")
    await made.book("v")
    known, end = await made.visits.find("v"), NOW + timedelta(hours=1)
    await made.visits.save(known, Visit(connection=CONNECTION, key="v", session=None, start=NOW, end=end))
    return made


async def sealed(store: Store) -> dict[str, str]:
    """All sealed values by place."""
    found = {}
    for table in Table:
        async for row in store.raw_table(table).list_entities():
            for name in row:
                if name.endswith("_sealed"):
                    found[f"{table} {row['RowKey']} {name}"] = row[name]
    return found


async def readable(process: Process) -> None:
    """Everything that the old process wrote says what it said."""
    assert (await process.onboarding.request(request_id(LAMNA.tenant, 1)))[0].contact == "epic@lamna.example"
    connection, _ = await process.connections.find(CONNECTION)
    assert await process.connections.secret(connection, "provider|x") == "plover"
    assert (await process.lookups.find(Kind.APPROVAL, "attempt"))["code_sealed"] == "ABCD"
    assert (await process.appointments.find("v"))[0].csn == "900100"
    assert (await process.visits.find("v")).visit.start == NOW
    [parked] = await process.parked.listed(10)
    assert parked["RowKey"] == "w1"


async def test_after_a_change_of_keys_the_old_one_can_go(before: Process, store: Store, said: Any):
    assert {place.split()[0] for place in await sealed(store)} == SEALED
    both = Process(store, NEW | OLD)
    await reseal(both)
    await reseal(both)
    assert said() == ["resealed key=b rows=7 left=0", "resealed key=b rows=0 left=0"]
    assert {value.partition(".")[0] for value in (await sealed(store)).values()} == {"b"}
    after = Process(store, NEW)
    await readable(after)
    assert isinstance(await enter(PAULA, after), ToTeams)


async def test_a_known_clinician_comes_in_even_when_the_key_went_too_early(before: Process, store: Store):
    after = Process(store, NEW)
    assert isinstance(await enter(PAULA, after), ToTeams)


async def test_a_sign_in_that_no_longer_opens_can_be_forgotten(before: Process, store: Store):
    after = Process(store, NEW)
    await after.people.keep(OTHER, "ePaula", "other", NOW)
    assert await after.people.forget(CONNECTION, "nobody") == 0
    assert await after.people.forget(CONNECTION, "oid") == 1
    await before.people.keep(CONNECTION, "ePaula", "oid", NOW)
    assert await after.people.forget_all(CONNECTION) == 1
    assert await after.people.find(CONNECTION, "ePaula") is None
    assert await after.people.find(OTHER, "ePaula") == "other"


async def test_with_one_key_nothing_is_read_and_nothing_said(before: Process, store: Store, said: Any):
    was = await sealed(store)
    before.visits = None  # type: ignore[assignment]  # who asks it fails
    await reseal(before)
    assert (await sealed(store), said()) == (was, [])


async def test_while_the_new_key_stands_behind_the_old_one_nothing_changes(before: Process, store: Store, said: Any):
    was = await sealed(store)
    await reseal(Process(store, OLD | NEW))
    assert (await sealed(store), said()) == (was, ["resealed key=a rows=0 left=0"])


async def test_a_run_seals_no_more_than_its_portion_and_the_next_goes_on(before: Process, store: Store, said: Any):
    both = Process(store, NEW | OLD)
    for _ in range(4):
        await reseal(both, most=3)
    assert said() == [f"resealed key=b rows={rows} left=0" for rows in (3, 3, 1, 0)]
    await readable(Process(store, NEW))


async def test_rows_whose_key_is_gone_are_an_alarm_and_do_not_stop_the_others(before: Process, store: Store, said: Any):
    other = Process(store, {"c": os.urandom(32)})
    for number in range(2):
        await other.people.keep(CONNECTION, f"lost{number}", "oid", NOW)
    await reseal(Process(store, NEW | OLD))
    assert said() == ["rows do not open table=people rows=2", "resealed key=b rows=7 left=2"]


async def test_what_somebody_writes_meanwhile_is_theirs_and_counted_as_left(before: Process, store: Store, said: Any):
    both = Process(store, NEW | OLD)

    class Overtaken(Tables):
        async def _merge(self, table: Table, row: Row) -> bool:
            await before.people.keep(CONNECTION, "ePaula", "newer", NOW)
            return await super()._merge(table, row)

    both.people._tables = Overtaken(store.table_service, KeyRing(NEW | OLD))
    await reseal(both)
    assert said() == ["resealed key=b rows=6 left=1"]
    assert await both.people.find(CONNECTION, "ePaula") == "newer"


async def test_sealing_again_changes_nothing_else_of_a_row(before: Process, store: Store):
    async def plain() -> list[dict[str, Any]]:
        rows = [dict(row) for table in Table async for row in store.raw_table(table).list_entities()]
        return [{name: row[name] for name in row if "sealed" not in name} for row in rows]

    was = await plain()
    await reseal(Process(store, NEW | OLD))
    assert await plain() == was


def test_every_table_that_the_page_says_holds_something_sealed_is_one_of_these():
    lines = (ROOT / "docs/data-model.md").read_text().partition("| table |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")] for line in lines]
    table, found, named = "", set(), set()
    for name, _, _, _, what, _ in cells:
        table = name or table
        named.add(table)
        if what != "-":
            found.add(table)
    assert (found, named) == (SEALED, set(Table))
