"""Tables as the app uses them, on the real emulator: sealing, conflicts, batches, pages, errors."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from azure.data.tables.aio import TableServiceClient

from sandbox import plan
from shared.errors import Broken, Later
from shared.storage.names import Table
from shared.storage.sealing import KeyRing
from shared.storage.tables import Conflict, Resealed, Row, Tables, settled
from tests import free_ports
from tests.conftest import Store

PHONE = "+16085550142"


def row(key: str = "r", partition: str = "p", **facts: object) -> Row:
    return {"PartitionKey": partition, "RowKey": key, **facts}


async def raw(store: Store, table: Table, key: str = "r", partition: str = "p") -> dict[str, object]:
    return dict(await store.raw_table(table).get_entity(partition, key))


# --- what rests


async def test_a_property_named_sealed_rests_as_ciphertext_and_reads_as_text(store: Store):
    await store.tables.insert(Table.VISITS, row(phone_sealed=PHONE, standing="booked"))
    resting = await raw(store, Table.VISITS)
    assert str(resting["phone_sealed"]).startswith("k1.")
    assert not [name for name, value in resting.items() if PHONE[2:] in str(value)]
    assert resting["standing"] == "booked"
    read = await store.tables.get(Table.VISITS, "p", "r")
    assert (read["phone_sealed"], read["standing"]) == (PHONE, "booked")


@pytest.mark.parametrize("way", ["insert", "put", "save", "batch"])
async def test_every_way_to_write_seals(store: Store, way: str):
    write = getattr(store.tables, way)
    await write(Table.TEXTS, [row(phone_sealed=PHONE)] if way == "batch" else row(phone_sealed=PHONE))
    assert PHONE not in str(await raw(store, Table.TEXTS))


@pytest.mark.parametrize("moved_to", [("p", "other"), ("other", "r")])
async def test_a_sealed_value_that_was_moved_to_another_row_does_not_open(store: Store, moved_to: tuple[str, str]):
    await store.tables.insert(Table.VISITS, row(phone_sealed=PHONE))
    resting = await raw(store, Table.VISITS)
    partition, key = moved_to
    await store.raw_table(Table.VISITS).create_entity(row(key, partition, phone_sealed=resting["phone_sealed"]))
    with pytest.raises(Broken):
        await store.tables.get(Table.VISITS, partition, key)


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\U0001f600"])
async def test_a_sealed_value_longer_than_a_property_rests_in_several(store: Store, letter: str):
    long, short = letter * 50_000, ""
    await store.tables.insert(Table.VISITS, row(phone_sealed=long, note_sealed=short))
    resting = await raw(store, Table.VISITS)
    assert len([name for name in resting if name.startswith("phone_")]) == -(-len(long.encode()) // 24_000)
    assert await store.tables.reseal(Table.VISITS, 10) == Resealed(0, 0, 0)
    newer = Tables(store.tables._service, KeyRing({"k2": bytes(32)} | store.tables._ring.keys))
    assert await newer.reseal(Table.VISITS, 10) == Resealed(1, 0, 0)
    alone = Tables(store.tables._service, KeyRing({"k2": bytes(32)}))
    read = await alone.get(Table.VISITS, "p", "r")
    assert (read["phone_sealed"], read["note_sealed"]) == (long, short)
    assert "sealed" not in str((await alone.get_in_clear(Table.VISITS, "p", "r")).keys())
    await alone.replace(Table.VISITS, read | {"phone_sealed": "short again"})
    assert (await alone.get(Table.VISITS, "p", "r"))["phone_sealed"] == "short again"
    assert "phone_1_sealed" not in await raw(store, Table.VISITS)


async def test_the_pieces_of_a_long_sealed_value_do_not_change_places(store: Store):
    await store.tables.insert(Table.VISITS, row(phone_sealed="1" * 24_000 + "2" * 24_000))
    resting = await raw(store, Table.VISITS)
    swapped = {"phone_sealed": resting["phone_1_sealed"], "phone_1_sealed": resting["phone_sealed"]}
    await store.raw_table(Table.VISITS).upsert_entity(row(**swapped))
    with pytest.raises(Broken):
        await store.tables.get(Table.VISITS, "p", "r")


async def test_a_sealed_value_in_another_property_or_table_does_not_open(store: Store):
    await store.tables.insert(Table.VISITS, row(phone_sealed=PHONE))
    stolen = (await raw(store, Table.VISITS))["phone_sealed"]
    await store.raw_table(Table.VISITS).create_entity(row("r2", note_sealed=stolen))
    await store.raw_table(Table.TEXTS).create_entity(row(phone_sealed=stolen))
    for table, key in ((Table.VISITS, "r2"), (Table.TEXTS, "r")):
        with pytest.raises(Broken):
            await store.tables.get(table, "p", key)


@pytest.mark.parametrize("junk", ["", "k1", "k1.", "k1.%%%", "k1.AAAA", "none.AAAA", "k1.ä"])
async def test_a_sealed_value_that_is_junk_is_our_fault_and_named_without_its_text(store: Store, junk: str):
    await store.raw_table(Table.VISITS).create_entity(row(phone_sealed=junk))
    with pytest.raises(Broken):
        await store.tables.get(Table.VISITS, "p", "r")


async def test_rows_sealed_under_an_old_key_open_while_it_is_in_the_ring(store: Store):
    await store.tables.insert(Table.VISITS, row(phone_sealed=PHONE))
    rolled, _ = store.again(KeyRing({"k2": os.urandom(32), **store.ring.keys}))
    read = await rolled.get(Table.VISITS, "p", "r")
    assert read["phone_sealed"] == PHONE
    await rolled.replace(Table.VISITS, read)
    assert str((await raw(store, Table.VISITS))["phone_sealed"]).startswith("k2.")


async def test_what_is_none_is_not_written_and_a_time_comes_back_aware(store: Store):
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    await store.tables.insert(Table.VISITS, row(start=moment, phone_sealed=None, end=None))
    resting = await raw(store, Table.VISITS)
    assert set(resting) == {"PartitionKey", "RowKey", "start"}
    assert (await store.tables.get(Table.VISITS, "p", "r"))["start"] == moment


# --- who was first


async def test_a_row_is_inserted_once(store: Store):
    assert await store.tables.insert(Table.LOOKUPS, row(target="first"))
    assert not await store.tables.insert(Table.LOOKUPS, row(target="second"))
    assert (await store.tables.get(Table.LOOKUPS, "p", "r"))["target"] == "first"


async def test_a_row_that_is_not_there_is_none(store: Store):
    assert await store.tables.get(Table.LOOKUPS, "p", "nobody") is None


async def test_writing_over_a_row_that_changed_is_a_conflict(store: Store):
    await store.tables.insert(Table.VISITS, row(n=1))
    stale = await store.tables.get(Table.VISITS, "p", "r")
    fresh = await store.tables.get(Table.VISITS, "p", "r")
    await store.tables.replace(Table.VISITS, fresh | {"n": 2})
    with pytest.raises(Conflict):
        await store.tables.replace(Table.VISITS, stale | {"n": 3})
    assert (await store.tables.get(Table.VISITS, "p", "r"))["n"] == 2


async def test_writing_over_a_row_that_vanished_is_a_conflict(store: Store):
    await store.tables.insert(Table.VISITS, row())
    read = await store.tables.get(Table.VISITS, "p", "r")
    await store.tables.delete(Table.VISITS, "p", "r")
    with pytest.raises(Conflict):
        await store.tables.replace(Table.VISITS, read)


async def test_saving_a_row_never_read_conflicts_with_one_that_exists(store: Store):
    await store.tables.save(Table.VISITS, row(n=1))
    with pytest.raises(Conflict):
        await store.tables.save(Table.VISITS, row(n=2))


async def test_a_replaced_row_forgets_what_it_no_longer_says(store: Store):
    await store.tables.insert(Table.VISITS, row(phone_sealed=PHONE, n=1))
    read = await store.tables.get(Table.VISITS, "p", "r")
    await store.tables.replace(Table.VISITS, read | {"phone_sealed": None})
    assert set(await raw(store, Table.VISITS)) == {"PartitionKey", "RowKey", "n"}


async def test_deleting_what_is_not_there_is_nothing(store: Store):
    await store.tables.delete(Table.VISITS, "p", "nobody")


# --- batches


async def test_a_batch_with_one_conflict_writes_nothing(store: Store):
    await store.tables.insert(Table.CONNECTIONS, row("kept", n=1))
    stale = await store.tables.get(Table.CONNECTIONS, "p", "kept")
    await store.tables.replace(Table.CONNECTIONS, stale | {"n": 2})
    with pytest.raises(Conflict):
        await store.tables.batch(Table.CONNECTIONS, [row("new"), stale | {"n": 3}])
    assert await store.tables.get(Table.CONNECTIONS, "p", "new") is None
    assert (await store.tables.get(Table.CONNECTIONS, "p", "kept"))["n"] == 2


async def test_a_batch_that_makes_a_row_that_exists_is_a_conflict(store: Store):
    await store.tables.insert(Table.CONNECTIONS, row("there"))
    with pytest.raises(Conflict):
        await store.tables.batch(Table.CONNECTIONS, [row("new"), row("there")])
    assert await store.tables.get(Table.CONNECTIONS, "p", "new") is None


async def test_a_batch_over_a_row_that_vanished_is_a_conflict(store: Store):
    await store.tables.insert(Table.CONNECTIONS, row("gone"))
    read = await store.tables.get(Table.CONNECTIONS, "p", "gone")
    await store.tables.delete(Table.CONNECTIONS, "p", "gone")
    with pytest.raises(Conflict):
        await store.tables.batch(Table.CONNECTIONS, [read, row("new")])


async def test_a_batch_over_two_partitions_is_a_fault_of_ours(store: Store):
    with pytest.raises((Broken, ValueError)):
        await store.tables.batch(Table.CONNECTIONS, [row("a"), row("b", "elsewhere")])


async def test_deleting_many_skips_those_that_somebody_else_removed(store: Store):
    keys = [f"{number:03d}" for number in range(130)]
    for start in (0, 100):
        await store.tables.batch(Table.DUE_WORK, [row(key) for key in keys[start : start + 100]])
    await store.tables.delete(Table.DUE_WORK, "p", "007")
    await store.tables.delete_batch(Table.DUE_WORK, "p", keys)
    assert await store.tables.partition(Table.DUE_WORK, "p") == []


# --- queries


async def test_a_query_goes_on_past_the_first_thousand_rows(store: Store):
    keys = [f"{number:04d}" for number in range(1100)]
    for start in range(0, 1100, 100):
        await store.tables.batch(Table.DUE_WORK, [row(key) for key in keys[start : start + 100]])
    await store.tables.insert(Table.DUE_WORK, row("0000", "other"))
    found = await store.tables.partition(Table.DUE_WORK, "p")
    assert [one["RowKey"] for one in found] == keys


async def test_a_value_in_a_query_cannot_become_part_of_it(store: Store):
    await store.tables.insert(Table.VISITS, row(phone_sealed=PHONE))
    assert await store.tables.partition(Table.VISITS, "x' or PartitionKey eq 'p") == []


async def test_a_query_opens_what_is_sealed(store: Store):
    await store.tables.insert(Table.VISITS, row(phone_sealed=PHONE))
    assert [one["phone_sealed"] for one in await store.tables.partition(Table.VISITS, "p")] == [PHONE]


# --- when storage is away


@pytest.fixture
async def away() -> AsyncIterator[Tables]:
    """Tables whose storage is not there: a held port that nobody listens on."""
    with free_ports.block() as port:
        world = plan.Plan("", {}, dict.fromkeys(("blob", "queue", "table"), f"http://127.0.0.1:{port}/x"), {})
        async with TableServiceClient.from_connection_string(world.storage_connection, retry_total=0) as service:
            yield Tables(service, KeyRing({"k1": os.urandom(32)}))


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("get", ("p", "r")),
        ("insert", (row(),)),
        ("put", (row(),)),
        ("replace", (row(etag="x"),)),
        ("delete", ("p", "r")),
        ("batch", ([row()],)),
        ("delete_batch", ("p", ["r"])),
        ("partition", ("p",)),
    ],
)
async def test_storage_that_is_away_means_later(away: Tables, verb: str, arguments: tuple[object, ...]):
    with pytest.raises(Later) as later:
        await getattr(away, verb)(Table.VISITS, *arguments)
    assert later.value.peer == "storage"


async def test_a_table_that_does_not_exist_is_a_fault_of_ours_without_a_row_in_its_text(store: Store):
    await store.raw_table(Table.TEXTS).delete_table()
    with pytest.raises(Broken) as broken:
        await store.tables.put(Table.TEXTS, row(n=PHONE))
    assert str(broken.value) == "table storage refused: 404"


# --- settled


async def test_a_change_is_tried_again_until_nobody_writes_in_between():
    tries: list[int] = []

    async def attempt() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise Conflict("Visits")
        return "written"

    assert (await settled(attempt), len(tries)) == ("written", 3)


async def test_a_row_that_never_comes_to_rest_means_later(monkeypatch: pytest.MonkeyPatch):
    tries: list[int] = []

    async def attempt() -> None:
        tries.append(1)
        raise Conflict("Visits")

    monkeypatch.setattr("shared.storage.tables.random.uniform", lambda *_: 0)
    with pytest.raises(Later):
        await settled(attempt)
    assert len(tries) == 10
