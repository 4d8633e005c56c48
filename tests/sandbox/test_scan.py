"""The scan on the real emulator: it finds what is there, wherever it is, and says when it cannot be believed."""

import base64
from contextlib import asynccontextmanager

import pytest

from sandbox import scan, storage
from sandbox.scan import forms, plants

PHONE = scan.Needle("phone", "the patient's phone", "+18335550123")
CSN = scan.Needle("csn", "the visit id", "900012345678")
KINDS = ("phone", "name", "csn", "token")


@asynccontextmanager
async def table(plan, name):
    async with storage.tables(plan) as service:
        yield await service.create_table(name)
        await service.delete_table(name)


@asynccontextmanager
async def queue(plan, name):
    async with storage.queues(plan) as service:
        client = service.get_queue_client(name)
        await client.create_queue()
        yield client
        await client.delete_queue()


def places(outcome, needle):
    return {found.place for found in outcome.findings if found.label == needle.label}


@pytest.mark.feature("F12.2", "F12.10")
@pytest.mark.promise("P11")
async def test_every_plant_is_found_in_every_place_and_is_gone_afterwards(azurite):
    outcome = await scan.scan(azurite, [PHONE, CSN])
    assert outcome.missed == ()
    assert outcome.clean
    assert outcome.planted >= 6 * (2 + 4 * 6)  # six places; two forms of a phone and six of each kind, at the least
    async with storage.tables(azurite) as tables, storage.queues(azurite) as queues:
        names = [found.name async for found in tables.list_tables()]
        names += [found.name async for found in queues.list_queues()]
    assert not {plants.TABLE, *plants.QUEUES} & set(names)
    assert not list(azurite.path("logs").glob("scan*"))


async def test_a_value_in_a_row_is_found_in_keys_properties_their_names_and_bytes_and_in_the_file(azurite):
    sealed, named = (scan.Needle("csn", f"visit id {n}", f"90000000000{n}") for n in (1, 2))
    async with table(azurite, "Leaks") as rows:
        await rows.upsert_entity({"PartitionKey": "x900012345678", "RowKey": "y", "Phone": "833-555-0123"})
        await rows.upsert_entity({"PartitionKey": "p", "RowKey": "b", "Sealed": b"\0" + sealed.value.encode()})
        await rows.upsert_entity({"PartitionKey": "p", "RowKey": "n", f"C{named.value}": 1})
        outcome = await scan.scan(azurite, [PHONE, CSN, sealed, named])
    assert not outcome.clean
    file = "emulator file __azurite_db_table__.json"
    assert places(outcome, PHONE) == {"table Leaks, a property", file}
    assert places(outcome, CSN) == {"table Leaks, PartitionKey", file}
    assert places(outcome, sealed) == {"table Leaks, a property", file}
    assert places(outcome, named) == {"table Leaks, a property's name", file}


async def test_a_value_in_a_message_is_found_also_in_a_poison_queue(azurite):
    async with queue(azurite, "work") as work, queue(azurite, "work-poison") as poison:
        await work.send_message(base64.b64encode(b'{"to":"(833) 555-0123"}').decode())
        await poison.send_message(base64.b64encode(b'{"csn":900012345678}').decode())
        outcome = await scan.scan(azurite, [PHONE, CSN])
    assert "queue work" in places(outcome, PHONE)
    assert "queue work-poison" in places(outcome, CSN)


async def test_a_message_that_cannot_be_peeked_is_found_in_the_emulators_files_even_when_deleted(azurite):
    only_here = scan.Needle("csn", "another visit id", "900087654321")
    async with queue(azurite, "hidden") as client:
        await client.send_message(base64.b64encode(only_here.value.encode()).decode(), visibility_timeout=600)
        outcome = await scan.scan(azurite, [only_here])
        assert outcome.looked["unpeeked"] == 1
        assert all(place.startswith("emulator file __queuestorage__") for place in places(outcome, only_here))
        assert places(outcome, only_here)
    outcome = await scan.scan(azurite, [only_here])
    assert places(outcome, only_here)
    assert "once lay there in clear" in "\n".join(outcome.lines())


async def test_a_value_in_a_log_is_found_and_the_report_does_not_repeat_it(azurite):
    log = azurite.path("logs") / "app.log"
    log.write_text("texted %2B18335550123\n")
    outcome = await scan.scan(azurite, [PHONE])
    log.unlink()
    assert "log app.log" in places(outcome, PHONE)
    assert "555" not in "\n".join(outcome.lines())


async def test_a_scan_that_does_not_know_a_form_misses_its_plants_and_is_not_clean(azurite, monkeypatch):
    monkeypatch.setattr(forms, "_json", lambda text: iter(()))
    outcome = await scan.scan(azurite, [])
    assert not outcome.clean
    assert {missed.form for missed in outcome.missed} == {"json"}
    assert all(any(kind in missed.label for missed in outcome.missed) for kind in KINDS)


async def test_two_needles_of_one_label_are_refused(azurite):
    with pytest.raises(ValueError, match="same label"):
        await scan.scan(azurite, [PHONE, scan.Needle("csn", PHONE.label, "900012345678")])
