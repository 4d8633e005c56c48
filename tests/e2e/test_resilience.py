"""Functions switched off, peers away, the app killed: nothing is lost, nothing poisoned, nothing told twice in vain.

A stack of its own, whose queue lease lasts seconds instead of ten minutes, so that what a killed app held comes back.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import stack as sandbox_stack
from sandbox.demo.api import call, change
from sandbox.demo.scene import Scene, eventually, opened
from sandbox.demo.steps.set_up import ASSIGNMENT, ORGANISATION
from sandbox.stack import Settings, Stack
from tests import free_ports
from tests.e2e.conftest import add, approve
from tests.e2e.launch.launching import book
from tests.e2e.visiting import PAT, PAULA, QUEUES, Visit, clinic, drained, parked, poison, reports_to_us, waiting, waits

#: Longer than any function of a visit takes on this machine.
LEASE_SECONDS = 12
WITH_ALL = Settings(lease_seconds=LEASE_SECONDS)
#: Tries of one message that are further apart each time: about ten times as long as one call waits for a refusal.
TRIES = 4


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox whose processes this module stops, kills and starts again."""
    folder: Path = tmp_path_factory.mktemp("resilience")
    with free_ports.block() as first, asyncio.Runner() as runner:
        made = sandbox_stack.sandbox(folder, first, WITH_ALL)
        runner.run(made.__aenter__())
        runner.run(_set_up(made))
        yield made
        runner.run(made.stop())


async def _set_up(stack: Stack) -> None:
    async with opened(stack) as scene:
        await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)
        await call(scene, "olivia", "POST", "/config/numbers/assignments", ASSIGNMENT)
        scene.facts["connection"] = (await add(scene)).body["id"]
        await change(scene, "adam", "POST", "/certificates", scene.plan.path("engine_cer").read_bytes())
        assert (await approve(scene)).status == 200
        await clinic(scene)
        (scene.plan.path("logs") / "connection").write_text(scene.facts["connection"])


@pytest.fixture
async def hospital(own_stack: Stack) -> AsyncIterator[Scene]:
    """The hospital's scene, everything running as it should."""
    async with opened(own_stack) as scene:
        scene.facts["connection"] = (scene.plan.path("logs") / "connection").read_text()
        yield scene
        for peer in sandbox_stack.PEERS:
            await scene.behave(peer)


async def only_without(scene: Scene, *functions: str) -> None:
    """The app with some functions switched off, and the others on again."""
    scene.stack.set(replace(WITH_ALL, disabled=functions))
    await scene.stack.restart("app")


async def killed(scene: Scene, name: str = "app") -> None:
    """Ended as a crash would, and started again."""
    await scene.stack.restart(name, signal.SIGKILL)


def tries(scene: Scene, queue: str) -> int:
    """How often work of a queue was put off."""
    return scene.stack.log("app").read_text().count(f"{queue} end=later")


async def put_off(scene: Scene, queue: str, before: int) -> int:
    """Wait until work of a queue was put off often enough."""

    async def look() -> int:
        return tries(scene, queue) - before

    return await eventually(look, lambda count: count >= TRIES, 60)


async def held(visit: Visit) -> None:
    """Pat waits in the lobby, Paula comes and admits him."""
    pat = await visit.joined(None)
    paula = await visit.joined("paula")
    await visit.did(pat, "admit")
    visit.scene.facts |= {"pat": pat, "paula": paula}


CONNECTED, DISCONNECTED = "1", "2"


async def undisturbed(scene: Scene) -> dict[str, Any]:
    """How a visit ends when nothing goes wrong."""
    plain = await Visit.at_epic(scene, 0)
    await plain.announced()
    await plain.planned()
    await scene.run_timer("dispatch_due")
    assert await eventually(plain.ready, bool)
    assert await plain.launched() == ["graph", "graph"]
    await held(plain)
    assert await plain.shown([CONNECTED], [CONNECTED]) == ([CONNECTED], [CONNECTED])
    await plain.over(scene.facts["paula"])
    await plain.shown([CONNECTED, DISCONNECTED], [CONNECTED, DISCONNECTED])
    assert await plain.closed()
    summary = await plain.summary()
    assert (summary["poison"], len(summary["texts"]), summary["meetings"]) == ({}, 1, 1)
    return summary


@pytest.mark.promise("P5", "P1")
@pytest.mark.feature("F10.4")
async def test_with_each_queue_function_off_in_turn_the_visit_ends_the_same(hospital: Scene) -> None:
    expected = await undisturbed(hospital)
    visit = await Visit.at_epic(hospital, 1)
    await only_without(hospital, "on_scheduling_event")
    await visit.announced()
    assert await waits(hospital, "scheduling-events") == 1
    assert await visit.appointed() == []

    await only_without(hospital, "send_sms")
    assert len(await eventually(visit.appointed, bool)) == 1
    assert await waits(hospital, "sms-outbound") == 1
    assert await visit.texts() == []

    await only_without(hospital, "on_receipt")
    assert len(await eventually(visit.texts, bool)) == 1
    assert await waits(hospital, "sms-receipts") == 1
    assert await visit.text_states() == ["accepted"]

    await only_without(hospital, "provision")
    assert await eventually(visit.text_states, lambda found: found == ["delivered"]) == ["delivered"]
    await hospital.run_timer("dispatch_due")
    assert await waits(hospital, "meeting-requests") >= 1
    assert await visit.row() == []

    await only_without(hospital, "on_call_event")
    assert await eventually(visit.ready, bool)
    assert await visit.launched() == ["graph", "graph"]
    await held(visit)
    assert await waits(hospital, "call-events", 4) == 4
    assert await visit.both() == ([], [])

    await only_without(hospital, "write_back")
    assert await drained(hospital, "call-events") == {}
    assert await waits(hospital, "ehr-writeback", 2) >= 2
    assert await visit.both() == ([], [])

    await only_without(hospital, "on_upkeep")
    assert await visit.shown([CONNECTED], [CONNECTED]) == ([CONNECTED], [CONNECTED])
    await visit.over(hospital.facts["paula"])
    await visit.shown([CONNECTED, DISCONNECTED], [CONNECTED, DISCONNECTED])
    assert not await visit.closed(within=4)
    assert await waiting(hospital, "upkeep") >= 1

    await only_without(hospital)
    assert await eventually(lambda: visit.audit("closed"), bool, 20)
    assert await visit.closed()
    assert await visit.summary() == expected


async def refused(scene: Scene, *peers: str) -> None:
    """Nobody listens at their addresses any more."""
    for peer in peers:
        await scene.stack.stop_one(peer)


async def busy(scene: Scene) -> None:
    """They answer 503 or 429, as services do that are overloaded."""
    routes = {"acs": "POST /sms", "graph": "POST .*createOrGet"}
    for peer, route in routes.items():
        await scene.fault(peer, route=route, do="status", status=503, times=2)
        await scene.fault(peer, route=route, do="throttle", retry_after="2.128", times=None)


@pytest.mark.promise("P5")
@pytest.mark.feature("F10.4")
@pytest.mark.parametrize("how", ["refused", "busy"])
async def test_a_long_outage_of_every_peer_loses_and_poisons_nothing(hospital: Scene, how: str) -> None:
    visit = await Visit.at_epic(hospital, 2 if how == "refused" else 3)
    before = {queue: tries(hospital, queue) for queue in ("sms-outbound", "meeting-requests", "ehr-writeback")}
    await (refused(hospital, "acs", "graph") if how == "refused" else busy(hospital))
    await visit.announced()
    await visit.planned()
    await hospital.run_timer("dispatch_due")
    for queue in ("sms-outbound", "meeting-requests"):
        assert await put_off(hospital, queue, before[queue]) >= TRIES
    if how == "refused":
        for peer in ("acs", "graph"):
            await hospital.stack.start_one(peer)
        await reports_to_us(hospital)
    else:
        for peer in ("acs", "graph"):
            await hospital.behave(peer)
    assert len(await eventually(visit.texts, bool, 60)) == 1
    assert await eventually(visit.text_states, lambda found: found == ["delivered"], 30) == ["delivered"]
    assert await eventually(visit.ready, bool, 60)
    assert await visit.launched() == ["graph", "graph"]

    await _epic_away(hospital, how)
    await held(visit)
    await visit.did(hospital.facts["pat"], "leave")
    hospital.facts["pat"] = await visit.joined(None)
    assert await put_off(hospital, "ehr-writeback", before["ehr-writeback"]) >= TRIES
    await _epic_back(hospital, how, visit)
    story = [CONNECTED, DISCONNECTED, CONNECTED], [CONNECTED]
    assert await visit.shown(*story, within=60) == story
    assert (await poison(hospital), await parked(hospital)) == ({}, [])
    assert {row["detail"] for row in await visit.audit("connected")} == {"ok"}


async def _epic_away(scene: Scene, how: str) -> None:
    if how == "refused":
        await scene.stack.stop_one("epic")
    else:
        await scene.fault("epic", route="GET .*SetExternalConnectionStatus", do="status", status=503, times=3)
        await scene.fault("epic", route="GET .*SetExternalConnectionStatus", do="throttle", retry_after="1.5")


async def _epic_back(scene: Scene, how: str, visit: Visit) -> None:
    """Epic's stand-in forgets everything when it is stopped: it learns of the visit before anybody tells it more."""
    if how == "busy":
        await scene.behave("epic")
        return
    await scene.stack.stop_one("app", signal.SIGKILL)
    await scene.stack.start_one("epic")
    await book(scene, visit.csn, visit.start)
    await scene.stack.start_one("app")
    await clinic(scene)


@pytest.mark.promise("P1", "P2", "P4")
@pytest.mark.feature("F5.1", "F10.4")
async def test_killed_at_every_turn_nothing_is_lost_and_no_text_comes_twice(hospital: Scene) -> None:
    await clinic(hospital)
    visit = await Visit.at_epic(hospital, 4)
    await hospital.fault("acs", route="POST /sms", do="delay", seconds=3, times=1)
    await visit.announced()
    await killed(hospital, "hl7_host")  # right after its AA
    await killed(hospital)

    await _reached(hospital, "acs", 1)  # the text is on its way
    await killed(hospital)
    assert len(await eventually(visit.texts, bool, 60)) == 1

    await visit.planned()
    await hospital.run_timer("dispatch_due")
    await killed(hospital)  # the tick has enqueued what was due, whoever holds it now
    assert await eventually(visit.ready, bool, 60)
    assert await visit.launched() == ["graph", "graph"]

    before = len(await hospital.seen("graph", "notification"))
    paula = await visit.joined("paula")
    assert len(await _delivered(hospital, before)) >= 2
    await killed(hospital)  # right after its 202
    assert await visit.shown([], [CONNECTED], within=60) == ([], [CONNECTED])

    before = len(await hospital.seen("epic", "fault"))
    await hospital.fault("epic", route="GET .*SetExternalConnectionStatus", do="delay", seconds=2, times=1)
    await visit.joined(None)
    await _reached(hospital, "epic", before + 1)  # Epic hears of it and the answer finds nobody
    await killed(hospital)
    await visit.over(paula)

    async def told() -> bool:
        pat, staff = await visit.both()
        return pat[-1:] == [DISCONNECTED] and staff == [CONNECTED, DISCONNECTED]

    assert await eventually(told, bool, 150)
    pat = await visit.statuses(PAT)
    repeats = [row for row in await visit.audit() if row["detail"] == "perhaps a second time"]
    assert pat in ([CONNECTED, DISCONNECTED], [CONNECTED, CONNECTED, DISCONNECTED])
    assert len(pat) - 2 <= len(repeats)
    assert await visit.statuses(PAULA) == [CONNECTED, DISCONNECTED]
    assert await visit.closed(within=60)
    summary = await visit.summary()
    assert (len(summary["texts"]), summary["text states"], summary["meetings"]) == (1, ["delivered"], 1)
    assert (summary["poison"], await parked(hospital)) == ({}, [])
    # of those who look at a person while another writer has the lease, one may still sleep; it will find nothing to do
    assert await drained(hospital, *(queue for queue in QUEUES if queue != "ehr-writeback")) == {}


async def _reached(scene: Scene, peer: str, count: int) -> None:
    found = await eventually(lambda: scene.seen(peer, "fault"), lambda seen: len(seen) >= count, 60)
    assert len(found) >= count


async def _delivered(scene: Scene, before: int) -> list[dict[str, Any]]:
    """Notifications since then that were answered 202."""

    async def look() -> list[dict[str, Any]]:
        seen = await scene.seen("graph", "notification")
        return [one for one in seen[before:] if one["outcome"] == "202"]

    return await eventually(look, lambda found: len(found) >= 2, 30)


@pytest.mark.promise("P5")
async def test_without_entra_a_meeting_waits_for_its_token_and_is_made_afterwards(hospital: Scene) -> None:
    """The last of this stack: a new Entra signs with new keys, which the apps fetch once in five minutes."""
    await hospital.stack.restart("app")  # or it would have a token for an hour
    visit = await Visit.at_epic(hospital, 6)
    before = tries(hospital, "meeting-requests")
    await hospital.stack.stop_one("entra")
    await visit.announced()
    await visit.planned()
    await hospital.run_timer("dispatch_due")
    assert await put_off(hospital, "meeting-requests", before) >= TRIES
    await hospital.stack.start_one("entra")
    assert await eventually(visit.ready, bool, 60)
    assert (await poison(hospital), await parked(hospital)) == ({}, [])
