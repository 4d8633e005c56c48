"""Step 6: who joins and leaves reaches Epic and the audit."""

from itertools import pairwise
from typing import Any

from sandbox import world
from sandbox.demo.play import step
from sandbox.demo.rows import all_opened
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.steps.launches import CSN, EPIC, act, join

PATIENT, PROVIDER = world.EPIC_USERS["pat"].external_id, world.EPIC_USERS["paula"].external_id
CONNECTED, DISCONNECTED = "1", "2"


async def statuses(scene: Scene, external_id: str) -> list[str]:
    """What Epic shows of one person, in the order it was told."""
    url = f"{scene.plan.urls['epic']}/_sandbox/connections"
    async with scene.http.get(url, params={"csn": CSN}) as answer:
        return [one["status"] for one in await answer.json() if one["external_id"] == external_id]


async def shown(scene: Scene, external_id: str, wanted: list[str]) -> list[str]:
    """The same, once it is as expected."""
    return await eventually(lambda: statuses(scene, external_id), lambda found: found == wanted)


@step(
    "6.1",
    "Epic shows that patient and provider are connected",
    "d",
    needs=("5.3",),
    features=("F7.4", "F10.1", "F10.3"),
)
async def connected(scene: Scene) -> None:
    """The patient since the lobby, so that the provider knows to come."""
    for who, id_ in (("the patient", PATIENT), ("the provider", PROVIDER)):
        scene.equal(f"{who} is connected, told once", EPIC, await shown(scene, id_, [CONNECTED]), [CONNECTED])


@step("6.2", "Leaving and coming back on another device is seen as that", "d", needs=("6.1",), features=("F10.4",))
async def rejoined(scene: Scene) -> None:
    """A guest who rejoins is a new participant to Graph and the same patient to Epic."""
    await act(scene, scene.facts["patient"], "leave")
    wanted = [CONNECTED, DISCONNECTED]
    scene.equal("Epic shows the patient gone", EPIC, await shown(scene, PATIENT, wanted), wanted)
    scene.facts["patient"], _ = await join(scene, None, "Pat Quillfeather")
    wanted = [*wanted, CONNECTED]
    scene.equal("and back", EPIC, await shown(scene, PATIENT, wanted), wanted)
    await act(scene, scene.facts["patient"], "admit")


@step("6.3", "A guest whom nobody announced is shown and never guessed", "d", needs=("6.2",), features=("F9.1",))
async def stranger(scene: Scene) -> None:
    """An interpreter joins by the meeting's address: in the audit as a guest, not in Epic as somebody."""
    before = await _all_statuses(scene)
    guest, _ = await join(scene, None, "Ines Interpreter")
    found = await eventually(lambda: _audit(scene, "guest"), lambda rows: len(rows) > 0)
    scene.equal("the audit has a guest in the lobby", "table Audit", [row["what"] for row in found], ["lobby"])
    await act(scene, guest, "leave")
    await eventually(lambda: _audit(scene, "guest"), lambda rows: len(rows) > 1)
    scene.equal("Epic heard nothing", EPIC, await _all_statuses(scene), before)


@step("6.4", "Repeated and overtaking events change nothing", "d", needs=("6.3",), features=("F10.4",))
async def disorder(scene: Scene) -> None:
    """Graph sends each event twice and out of order: Epic hears each change once, in order."""
    for fault, times in (("reorder", 1), ("repeat", 2)):
        await scene.fault("graph", route="NOTIFY rosterUpdated", do=fault, times=times)
    await act(scene, scene.facts["patient"], "leave")
    scene.facts["patient"], _ = await join(scene, None, "Pat Quillfeather")
    await act(scene, scene.facts["patient"], "admit")
    await scene.behave("graph")
    wanted = [CONNECTED, DISCONNECTED, CONNECTED]
    found = await eventually(lambda: statuses(scene, PATIENT), lambda told: told[-1:] == [CONNECTED] and len(told) >= 5)
    scene.equal("the end of the story is right", EPIC, found[-1:], [CONNECTED])
    scene.check("the patient was told gone and back", EPIC, found, ok=found[:3] == wanted and DISCONNECTED in found[3:])
    twice = [pair for pair in pairwise(found) if pair[0] == pair[1]]
    scene.equal("nothing was told twice", EPIC, twice, [])


@step("6.5", "Epic is away for a while: nothing is lost, and the order holds", "d", needs=("6.4",), features=("F10.4",))
async def outage(scene: Scene) -> None:
    """The provider goes and comes while Epic answers 503."""
    before = await statuses(scene, PROVIDER)
    await scene.fault("epic", route="GET .*SetExternalConnectionStatus", do="status", status=503, times=None)
    await act(scene, scene.facts["provider"], "leave")
    scene.facts["provider"], _ = await join(scene, "paula", "")
    refused = await eventually(lambda: scene.seen("epic", "fault"), lambda seen: len(seen) >= 1)
    scene.check("Epic was asked in vain", EPIC, len(refused), ok=len(refused) >= 1)
    scene.equal("and shows nothing new", EPIC, await statuses(scene, PROVIDER), before)
    await scene.behave("epic")
    wanted = [*before, DISCONNECTED, CONNECTED]
    found = await eventually(lambda: statuses(scene, PROVIDER), lambda told: told == wanted, within=60)
    scene.equal("then it shows both, in order", EPIC, found, wanted)


@step("6.6", "The audit has every coming and going, and nobody's name", "d", needs=("6.5",), features=("F12.10",))
async def audited(scene: Scene) -> None:
    """What Graph said, what Epic was told and what it answered."""
    everything = [*await statuses(scene, PATIENT), *await statuses(scene, PROVIDER)]
    rows = await eventually(lambda: _audit(scene, None), lambda rows: len(_told(rows)) == len(everything))
    told = _told(rows)
    scene.equal("as many tellings as Epic has", "table Audit", len(told), len(everything))
    scene.equal("each answered ok", "table Audit", {row["detail"] for row in told}, {"ok"})
    seen = {row["what"] for row in rows}
    wanted = {"call started", "lobby", "in", "left", "connected", "disconnected"}
    scene.check("lobby, in and left are there", "table Audit", sorted(seen), ok=wanted <= seen)
    text = await all_opened(scene, "Audit")
    names = [one for one in ("Quillfeather", "Interpreter", "Paula", CSN, PATIENT, PROVIDER) if one in text]
    scene.equal("nobody is named", "table Audit", names, [])


def _told(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["what"] in {"connected", "disconnected"}]


async def _all_statuses(scene: Scene) -> list[list[str]]:
    return [await statuses(scene, one) for one in (PATIENT, PROVIDER)]


async def _audit(scene: Scene, role: str | None) -> list[dict[str, Any]]:
    rows = scene.tables.get_table_client("Audit").query_entities(
        "visit eq @visit", parameters={"visit": scene.facts["key"]}
    )
    return [dict(row) async for row in rows if role in (None, row["role"])]
