"""Poison and given-up work on the running stack: found by the timer, shown to the operator, driven again."""

import base64
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from sandbox import world
from sandbox.app_settings import environment
from sandbox.demo import siu
from sandbox.demo.api import Answer, call, change
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking
from sandbox.demo.steps.scheduling import send
from sandbox.demo.steps.set_up import own_side
from sandbox.demo.steps.texts import texts_after
from shared.messages import TextOrder, text_id
from shared.settings import read
from shared.storage.queues import Queues
from shared.storage.sealing import KeyRing

_numbers = itertools.count(7_600_001)


@pytest.fixture
async def texting(connection: Scene) -> AsyncIterator[Scene]:
    """A connection that texts: a reminder an hour before, and nothing at booking."""
    sms = {"may_send_for_us": True, "patients_have_consented": True, "number": world.ACS_NUMBER}
    sms |= {"confirmations": False, "reminders": [60]}
    saved = await change(connection, "adam", "PUT", "/own", own_side() | {"sms": sms})
    assert saved.status == 200, saved.body
    yield connection
    await emptied(connection, "Parked")


async def emptied(scene: Scene, table: str) -> None:
    client = scene.tables.get_table_client(table)
    async for row in client.list_entities():
        await client.delete_entity(row)


async def parked(scene: Scene, user: str = "olivia", query: str = "") -> Answer:
    return await call(scene, user, "GET", f"/config/parked{query}")


def wire(scene: Scene, order: TextOrder) -> str:
    """A message as the app itself would put it into a queue."""
    queues = Queues(scene.queues, KeyRing(read(environment(scene.plan, "main")).queue_keys))
    return base64.b64encode(queues.encode(order).encode()).decode()


async def left(scene: Scene, queue: str) -> int:
    properties = await scene.queues.get_queue_client(queue).get_queue_properties()
    return properties.approximate_message_count or 0


async def test_what_the_host_cannot_read_ends_in_parked_and_the_poison_queue_is_empty(texting: Scene) -> None:
    await texting.queues.get_queue_client("upkeep").send_message("no message of ours")
    assert await eventually(lambda: left(texting, "upkeep-poison"), lambda count: count == 1) == 1
    await texting.run_timer("watch")
    assert await left(texting, "upkeep-poison") == 0
    shown = await parked(texting, query="?kind=upkeep")
    [item] = shown.body["items"]
    assert (item["kind"], item["reason"], item["content_until"]) == ("upkeep", "poison", None)
    assert (await drive(texting, item)).status == 409


async def test_parked_work_is_listed_part_by_part(texting: Scene) -> None:
    for _ in range(3):
        await texting.queues.get_queue_client("upkeep").send_message("no message of ours")
    assert await eventually(lambda: left(texting, "upkeep-poison"), lambda count: count == 3) == 3
    await texting.run_timer("watch")
    seen, after = list[str](), ""
    while after is not None:
        page = (await parked(texting, query=f"?kind=upkeep&limit=2&after={after}")).body
        assert "items" in page, page
        seen += [one["id"] for one in page["items"]]
        after = page["next"] and page["next"].replace("|", "%7C")
    everything = (await parked(texting, query="?kind=upkeep")).body["items"]
    assert seen == [one["id"] for one in everything]
    assert len(set(seen)) >= 3
    assert (await parked(texting, query="?limit=-5")).status == 422


async def drive(scene: Scene, item: dict[str, Any], user: str = "olivia") -> Answer:
    name = item["id"].replace("|", "%7C")
    return await call(scene, user, "POST", f"/config/parked/{item['kind']}/{name}")


async def test_a_poisoned_reminder_is_shown_driven_again_and_reaches_the_phone_once(texting: Scene) -> None:
    number = next(_numbers)
    phone = f"+1608555{number % 100:02d}78"
    assert (await change(texting, "adam", "POST", "/allow-list", {"number": phone})).status == 201
    start = siu.whole_minute(texting.now() + timedelta(days=1))
    assert await send(texting, "S12", Booking(str(number), start, phone), f"P{number}") == "AA"
    order = await reminder(texting, start)
    await texting.queues.get_queue_client("sms-outbound-poison").send_message(wire(texting, order))
    await texting.run_timer("watch")
    assert await text_state(texting, order) == "parked"
    [item] = (await parked(texting, query="?kind=sms-outbound")).body["items"]
    assert (item["id"], item["reason"], item["attempts"]) == (order.message_id, "poison", 1)
    for _ in range(2):
        assert (await drive(texting, item)).status == 202
    assert len(await texts_after(texting, phone, 1)) == 1
    [item] = (await parked(texting)).body["items"]
    assert item["driven_by"] == world.USERS["olivia"].oid


async def reminder(scene: Scene, start: Any) -> TextOrder:
    """The reminder of the appointment that starts then."""

    async def found() -> list[dict[str, Any]]:
        table = scene.tables.get_table_client("Visits")
        rows = table.query_entities("RowKey eq 'appt' and start eq @start", parameters={"start": start})
        return [dict(row) async for row in rows]

    [row] = await eventually(found, lambda rows: len(rows) > 0)
    key, version = row["PartitionKey"], row["version"]
    return TextOrder(
        message_id=text_id(key, "reminder", 60, version),
        give_up_at=start,
        connection=scene.facts["connection"],
        appointment=key,
        kind="reminder",
        slot=60,
        version=version,
        day=f"{start:%Y%m%d}",
    )


async def text_state(scene: Scene, order: TextOrder) -> str:
    rows = scene.tables.get_table_client("Texts").query_entities("RowKey eq @row", parameters={"row": order.message_id})
    return "".join([row["state"] async for row in rows])


@pytest.mark.parametrize(("user", "code"), [("adam", "role-missing"), ("ana", "role-missing"), (None, "token-missing")])
async def test_given_up_work_is_the_operators_alone(scene: Scene, user: str | None, code: str) -> None:
    for method, path in (("GET", "/config/parked"), ("POST", "/config/parked/upkeep/x")):
        answer = await call(scene, user, method, path)
        assert answer.body["code"] == code


@pytest.mark.parametrize("path", ["/config/parked/upkeep/nothing", "/config/parked/no-queue/x"])
async def test_what_is_not_parked_cannot_be_driven(scene: Scene, path: str) -> None:
    assert (await call(scene, "olivia", "POST", path)).status == 404
    assert (await parked(scene, query="?kind=no-queue")).status == 404


async def test_the_timers_run_on_the_host(scene: Scene) -> None:
    for timer in ("watch", "expire", "reseal"):
        await scene.run_timer(timer)
    said = scene.stack.log("app").read_text()
    assert "expired lookups=" in said
    assert "watch failed" not in said
    assert "expiry failed" not in said
