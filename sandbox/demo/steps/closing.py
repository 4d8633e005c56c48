"""Step 7: the visit closes, what patients own is erased, and a scan finds nothing."""

import json
from datetime import timedelta
from typing import Any

from sandbox import scan, world
from sandbox.demo.play import step
from sandbox.demo.rows import all_opened, opened
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.steps.launches import CSN, EPIC
from sandbox.demo.steps.presence import DISCONNECTED, PATIENT, PROVIDER, statuses
from sandbox.scan import Needle


@step("7.1", "The provider ends the meeting and the visit closes", "d", needs=("6.6",), features=("F7.8",))
async def closed(scene: Scene) -> None:
    """End meeting sends everybody out; ten minutes later, with nobody back, the visit is closed."""
    url = f"{scene.plan.urls['graph']}/teams/meetings/{scene.facts['meeting']}/end"
    async with scene.http.post(url, json={"by": scene.facts["provider"]}) as answer:
        scene.equal("the provider ends it", "the Teams page (Graph stand-in)", answer.status // 100, 2)
    for who, id_ in (("the patient", PATIENT), ("the provider", PROVIDER)):
        last = await eventually(lambda id_=id_: _last(scene, id_), lambda one: one == DISCONNECTED)  # type: ignore[misc]
        scene.equal(f"Epic shows {who} gone", EPIC, last, DISCONNECTED)
    scene.move(timedelta(minutes=11))
    await scene.run_timer("dispatch_due")
    found = await eventually(lambda: _audited(scene, "closed"), lambda rows: len(rows) > 0)
    scene.equal("the visit is closed", "table Audit", len(found), 1)
    left = await eventually(lambda: _watched(scene), lambda living: not living)
    scene.equal("Graph is asked for nothing any more", "the Graph stand-in", left, [])


@step(
    "7.2",
    "After the phone number (4.9), the ids of visit and people are erased",
    "d",
    needs=("7.1",),
    features=("F12.2", "F12.3"),
)
async def erased(scene: Scene) -> None:
    """Half an hour after closing nothing in the visit's rows names anybody; a week later nothing anywhere."""
    before = await _rows(scene)
    scene.holds("before, the visit's rows know their CSN", "table Visits, opened", ok=CSN in before)
    for wait in (timedelta(minutes=31), timedelta(hours=1)):
        scene.move(wait)
        await scene.run_timer("dispatch_due")
    after = await eventually(lambda: _rows(scene), lambda text: not _named(text))
    scene.equal("afterwards they know nobody", "table Visits, opened", _named(after), [])
    scene.move(timedelta(days=7))
    await scene.run_timer("dispatch_due")
    everything = await eventually(lambda: all_opened(scene, "Visits"), lambda text: not _left(text), within=40)
    scene.equal("nor does any other visit", "table Visits, opened", _left(everything), [])


@step("7.3", "Nothing was poisoned, nothing given up", "d", needs=("7.2",))
async def clean(scene: Scene) -> None:
    """Whatever went wrong on the way was tried again until it went right."""
    left = await eventually(lambda: _waiting(scene), lambda found: not found, within=90)
    scene.equal("every queue is empty, poison too", "the queues", left, {})
    parked = [row["reason"] async for row in scene.tables.get_table_client("Parked").list_entities()]
    scene.equal("nothing is parked", "table Parked", parked, [])


@step(
    "7.4",
    "A scan of tables, queues, emulator files and logs finds nobody",
    "d",
    needs=("7.2",),
    features=("F12.2", "F12.6"),
)
async def scanned(scene: Scene) -> None:
    """It first plants values of its own in every place and form, and must find them all."""
    outcome = await scan.scan(scene.plan, _needles(scene, await scene.token("adam")))
    scene.equal("every plant was found; missed", "the scan", list(outcome.missed), [])
    scene.check("nothing else is", "the scan", "; ".join(outcome.lines()[-5:]), ok=outcome.clean)


def _needles(scene: Scene, bearer: str) -> list[Needle]:
    """Everything the demo said about people: numbers, names, ids, the link's token and an access token's end."""
    numbers = ("0101", "0102", "0109", "0110", "0140", "0141", "0142", "0149")
    csns = (CSN, "9001001", "9001002", "9001003", "9002001", "9002002", "9002003", "9002004", "9002005", "9002006")
    names = ("QUILLFEATHER", "UMBERSLADE", "Ines Interpreter", "Pat Quillfeather")
    return [
        *(Needle("phone", f"phone {number}", f"+1608555{number}") for number in numbers),
        *(Needle("csn", f"CSN {place}", csn) for place, csn in enumerate(csns)),
        *(Needle("name", f"name {place}", name) for place, name in enumerate(names)),
        *(Needle("csn", f"MRN {place}", mrn) for place, mrn in enumerate(("E4471203", "E5550001", "E9988776"))),
        Needle("token", "the link's token", scene.facts.get("link") or "no-link-was-seen"),
        Needle("token", "an access token", bearer.rpartition(".")[2][:40]),
        Needle("name", "a provider's FHIR id", world.EPIC_USERS["paula"].fhir_id),
    ]


async def _waiting(scene: Scene) -> dict[str, int]:
    """Queues in which something lies, seen or hidden."""
    found = {}
    async for queue in scene.queues.list_queues():
        properties = await scene.queues.get_queue_client(queue.name).get_queue_properties()
        if count := properties.approximate_message_count:
            found[queue.name] = count
    return found


async def _last(scene: Scene, external_id: str) -> str:
    return (await statuses(scene, external_id) or [""])[-1]


async def _rows(scene: Scene) -> str:
    rows = scene.tables.get_table_client("Visits").query_entities(
        "PartitionKey eq @key", parameters={"key": scene.facts["key"]}
    )
    return "\n".join([await opened(scene, "Visits", row["PartitionKey"], row["RowKey"]) async for row in rows])


def _named(text: str) -> list[str]:
    """What in these rows still says who it was: the members by name, not what they hold."""
    found = []
    for line in text.splitlines():
        row = json.loads(line)
        sealed = [json.loads(value) for name, value in row.items() if name.endswith("_sealed")]
        for one in sealed:
            facts = one | (one.get("facts") or {})
            members = ("csn", "session", "external_id", "shown_name", "name_key")
            found += [f"{row['RowKey'].partition('|')[0]}.{name}" for name in members if facts.get(name)]
        found += ["anywhere" for known in (CSN, "Quillfeather") if known in line]
    return found


def _left(text: str) -> list[str]:
    """The same over all visits, with the time of each."""
    return [f"{json.loads(line).get('start')}: {', '.join(_named(line))}" for line in text.splitlines() if _named(line)]


async def _audited(scene: Scene, what: str) -> list[dict[str, Any]]:
    rows = scene.tables.get_table_client("Audit").query_entities(
        "visit eq @visit and what eq @what", parameters={"visit": scene.facts["key"], "what": what}
    )
    return [dict(row) async for row in rows]


async def _watched(scene: Scene) -> list[str]:
    async with scene.http.get(f"{scene.plan.urls['graph']}/_sandbox/subscriptions") as answer:
        return [one["meeting"] for one in await answer.json() if one["meeting"] == scene.facts["meeting"]]
