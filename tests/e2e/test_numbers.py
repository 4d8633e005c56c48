"""A number is ordered, bought once whoever is killed, linked, and given back: the real app against the stand-in."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import stack as sandbox_stack
from sandbox import world
from sandbox.demo.api import Answer, call, change
from sandbox.demo.scene import Scene, eventually, opened
from sandbox.demo.steps.set_up import ASSIGNMENT, ORGANISATION
from sandbox.stack import Settings, Stack
from tests import free_ports

pytestmark = pytest.mark.feature("F5.4")

WANTED = {"organisation": "lamna"}
_LEASE_SECONDS = 8


async def control(scene: Scene, **market: Any) -> None:
    """How Microsoft sells numbers from here on."""
    usual = {"searches": 1000, "purchases": 1000}
    async with scene.http.post(f"{scene.plan.urls['acs']}/_sandbox/numbers", json=usual | market) as answer:
        answer.raise_for_status()


async def owned(scene: Scene) -> set[str]:
    """The numbers of the resource, as Microsoft has them."""
    async with scene.http.get(f"{scene.plan.urls['acs']}/_sandbox/numbers") as answer:
        return {one["number"] for one in await answer.json()}


async def reached(scene: Scene, order: str, *states: str, within: float = 60) -> dict[str, Any]:
    """The order once it is in one of these states."""

    async def look() -> dict[str, Any]:
        return (await call(scene, "adam", "GET", f"/config/numbers/{order}")).body

    return await eventually(look, lambda found: found.get("state") in states, within)


async def ordered(scene: Scene) -> Answer:
    answer = await call(scene, "adam", "POST", "/config/numbers", WANTED)
    assert answer.status == 202, answer.body
    return answer


async def bought(scene: Scene) -> dict[str, Any]:
    """A number that was ordered and is there."""
    made = await ordered(scene)
    ended = await reached(scene, made.body["id"], "ready", "failed")
    assert ended["state"] == "ready", ended
    return ended


@pytest.mark.feature("F5.5", "F5.6", "F5.7", "F5.12")
async def test_a_number_is_ordered_linked_verified_and_given_back(connection: Scene):
    await control(connection)
    before = len(await connection.seen("acs", "purchase"))
    order = await bought(connection)
    assert order["number"] in await owned(connection)
    assert len(await connection.seen("acs", "purchase")) == before + 1
    assert (order["verification"]["state"], order["blocked"], order["connections"]) == ("unverified", True, [])
    own = (await call(connection, "adam", "GET", f"/config/connections/{connection.facts['connection']}")).body["own"]
    linked = await change(connection, "adam", "PUT", "/own", own | {"sms": own["sms"] | {"number": order["number"]}})
    assert linked.status == 200, linked.body
    path = f"/config/numbers/{order['id']}"
    assert (await call(connection, "adam", "GET", path)).body["connections"] == [connection.facts["connection"]]
    said = await call(connection, "adam", "PUT", f"{path}/verification", {"state": "verified"})
    assert (said.body["verification"]["who"], said.body["blocked"]) == (world.USERS["adam"].oid, False)
    gone = f"{path}?confirm=true"
    assert (await call(connection, "adam", "DELETE", path)).body["code"] == "release-unconfirmed"
    assert (await call(connection, "adam", "DELETE", gone)).body["code"] == "number-in-use"
    assert (await change(connection, "adam", "PUT", "/own", own | {"sms": own["sms"] | {"number": None}})).status == 200
    assert (await call(connection, "adam", "DELETE", gone)).body["state"] == "releasing"
    assert (await reached(connection, order["id"], "released", "ready"))["state"] == "released"
    assert order["number"] not in await owned(connection)


async def test_a_refusal_says_its_reason_in_words(draft: Scene):
    await control(draft, searches=0)
    made = await ordered(draft)
    ended = await reached(draft, made.body["id"], "failed")
    await control(draft)
    assert (ended["state"], ended["reason"]) == ("failed", "quota")
    assert "quota" in ended["said"]


async def test_numbers_of_another_tenant_and_unassigned_ones_are_out_of_reach(draft: Scene):
    order = (await call(draft, "adam", "GET", "/config/numbers")).body["items"][0]
    path = f"/config/numbers/{order['id']}"
    assert (await call(draft, "mallory", "GET", path)).status == 404
    assert (await call(draft, "mallory", "DELETE", f"{path}?confirm=true")).status == 404
    assert (await call(draft, "mallory", "GET", "/config/numbers")).body["items"] == []
    assert (await call(draft, "mallory", "GET", f"/config/numbers?tenant={world.LAMNA_TENANT}")).status == 403
    assert (await call(draft, "adam", "POST", "/config/numbers/assignments", ASSIGNMENT)).status == 403
    everything = (await call(draft, "olivia", "GET", "/config/numbers")).body["items"]
    assert order["id"] in {one["id"] for one in everything}
    own = (await call(draft, "adam", "GET", f"/config/connections/{draft.facts['connection']}")).body["own"]
    theirs = own | {"sms": own["sms"] | {"number": world.ACS_UNVERIFIED_NUMBER}}
    refused = await change(draft, "adam", "PUT", "/own", theirs)
    assert (refused.status, refused.body["code"], refused.body["fields"]) == (422, "number-not-yours", ["sms.number"])


# --- killed


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox whose app this module kills, with a short queue lease."""
    folder: Path = tmp_path_factory.mktemp("numbers")
    with free_ports.block() as first, asyncio.Runner() as runner:
        made = sandbox_stack.sandbox(folder, first, Settings(lease_seconds=_LEASE_SECONDS))
        runner.run(made.__aenter__())
        yield made
        runner.run(made.stop())


@pytest.fixture
async def shop(own_stack: Stack) -> AsyncIterator[Scene]:
    async with opened(own_stack) as scene:
        await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)
        await control(scene)
        yield scene
        await scene.behave("acs")


@pytest.mark.promise("P1")
@pytest.mark.parametrize("fault", [{"do": "delay", "seconds": 2.0}, {"do": "lost"}], ids=["while asking", "unanswered"])
async def test_killed_between_the_purchase_and_our_row_one_number_is_bought(shop: Scene, fault: dict[str, Any]):
    """Killed while Microsoft is asked, twice, and once more while the purchase runs: it is there, once."""
    before, had = len(await shop.seen("acs", "purchase")), await owned(shop)
    await shop.fault("acs", route="POST /availablePhoneNumbers/:purchase", times=1, **fault)

    async def asked() -> int:
        return len([one for one in await shop.seen("acs", "fault") if "purchase" in one["route"]])

    faults = await asked()
    made = await ordered(shop)
    assert await eventually(asked, lambda found: found > faults, 60) > faults
    await control(shop, seconds=3600)  # the purchase runs, and goes on running
    await shop.stack.restart("app", signal.SIGKILL)
    assert (await ordered(shop)).body["id"] == made.body["id"]
    assert (await call(shop, "adam", "GET", f"/config/numbers/{made.body['id']}")).body["state"] == "buying"
    await shop.stack.restart("app", signal.SIGKILL)
    await control(shop)
    ended = await reached(shop, made.body["id"], "ready", "failed", within=120)
    assert (ended["state"], {ended["number"]}) == ("ready", await owned(shop) - had)
    assert len(await shop.seen("acs", "purchase")) == before + 1
