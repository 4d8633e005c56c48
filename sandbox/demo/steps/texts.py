"""Step 4: texts go out once, their reports come back, STOP is honoured, phone numbers leave."""

from datetime import timedelta
from typing import Any

from sandbox import world
from sandbox.demo import siu
from sandbox.demo.api import call, change
from sandbox.demo.play import step
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking
from sandbox.demo.steps.scheduling import appointment, drained, send
from sandbox.demo.steps.set_up import ASSIGNMENT

PATIENT, OTHER, VISITOR, STRANGER = "+16085550140", "+16085550141", "+16085550142", "+16085550149"
SHOWN_AT = "the patient's phone (SMS stand-in)"
QUIET_SECONDS = 3.0
#: As often as the connector asks within one delivery of an order, so that the queue has to deliver it again.
LOST = 2


async def texts(scene: Scene, number: str) -> list[dict[str, Any]]:
    """What a patient's phone has received, oldest first."""
    async with scene.http.get(f"{scene.plan.urls['acs']}/_sandbox/texts", params={"to": number}) as answer:
        found: list[dict[str, Any]] = await answer.json()
        return found


async def texts_after(scene: Scene, number: str, count: int) -> list[dict[str, Any]]:
    """The same, once there are as many as expected, and a moment later, so that one too many would show."""
    await eventually(lambda: texts(scene, number), lambda found: len(found) >= count)
    return await eventually(lambda: texts(scene, number), lambda found: len(found) > count, within=QUIET_SECONDS)


async def states(scene: Scene) -> list[str]:
    """States of all texts as the connector keeps them."""
    return [row.get("state", "") async for row in scene.tables.get_table_client("Texts").list_entities()]


@step("4.1", "The administrator switches texts on", "b", needs=("3",), features=("F5.1", "F5.3", "F5.6"))
async def switch_on(scene: Scene) -> None:
    """Both consents, a number, an allow-list for the test connection; Event Grid shakes hands."""
    shown = await call(scene, "adam", "GET", f"/config/connections/{scene.facts['connection']}")
    own = shown.body["own"]
    sms = {
        "may_send_for_us": True,
        "patients_have_consented": True,
        "number": world.ACS_NUMBER,
        "reminders": [1440, 60],
    }
    early = await change(scene, "adam", "PUT", "/own", own | {"sms": own["sms"] | sms})
    scene.equal("a number must be theirs", "the config API's answer", early.body.get("code"), "number-not-yours")
    assigned = await call(scene, "olivia", "POST", "/config/numbers/assignments", ASSIGNMENT)
    scene.equal("the operator assigns it", "the config API's answer", assigned.status, 200)
    saved = await change(scene, "adam", "PUT", "/own", own | {"sms": own["sms"] | sms})
    scene.equal("consents and number are saved", "the config API's answer", saved.status, 200)
    for number in (PATIENT, OTHER, VISITOR):
        allowed = await change(scene, "adam", "POST", "/allow-list", {"number": number})
        scene.equal("a test number is allowed", "the config API's answer", allowed.status, 201)
        scene.holds(
            "the answer does not show the number", "the config API's answer", ok=number[2:] not in str(allowed.body)
        )
    subscription = {
        "name": "texts",
        "url": f"{scene.plan.urls['app']}/sms/events",
        "auth": "entra",
        "audience": world.API_APP,
        "schema": "eventgrid",
    }
    async with scene.http.post(
        f"{scene.plan.urls['acs']}/_sandbox/eventgrid/subscriptions", json=subscription
    ) as answer:
        scene.equal("Event Grid's handshake succeeds", "the Event Grid stand-in", answer.status, 201)


@step("4.2", "A booking is confirmed by one text with day, time and link", "b", needs=("4.1",), features=("F5.8",))
async def confirmed(scene: Scene) -> None:
    """Nothing in it but organisation, day, time, link; a number off the allow-list gets nothing."""
    start = siu.whole_minute(scene.now() + timedelta(hours=30))
    booking = Booking("9002001", start, "(608)555-0140", family="UMBERSLADE", given="CLEMENTINE", mrn="E5550001")
    scene.facts["texted"] = booking
    await send(scene, "S12", booking, "T1")
    await send(scene, "S12", Booking("9002002", start, "(608)555-0149"), "T2")
    got = await texts_after(scene, PATIENT, 1)
    scene.equal("one text", SHOWN_AT, len(got), 1)
    words = got[0]["message"] if got else ""
    when = start.astimezone(siu.ZONE)
    for what in ("Lamna Healthcare", f"{when:%B}", f"{when.day}", f"{when:%-I:%M}", f"{scene.plan.urls['app']}/j?t="):
        scene.holds("it says " + what.partition("/j?")[0], SHOWN_AT, ok=what in words)
    # names long enough that neither a link nor a day of the week holds them by chance, as Monday holds Mo
    secrets = (booking.csn, booking.mrn, booking.family, booking.given)
    named = any(one.casefold() in words.casefold() for one in secrets)
    scene.holds("and neither name, MRN nor CSN", SHOWN_AT, ok=not named)
    scene.equal("a number off the allow-list gets none", SHOWN_AT, len(await texts(scene, STRANGER)), 0)
    scene.facts["link"] = words.partition("/j?t=")[2].split()[0].rstrip(".") if "/j?t=" in words else ""


@step("4.3", "Its delivery report comes back", "b", needs=("4.2",), features=("F5.1",))
async def reported(scene: Scene) -> None:
    """accepted becomes delivered; the skipped one stays skipped."""
    found = await eventually(lambda: states(scene), lambda all_: "delivered" in all_)
    others = {state for state in found if state != "delivered"}
    scene.equal(
        "one delivered, every other one skipped", "table Texts", (found.count("delivered"), others), (1, {"skipped"})
    )
    rows = [row async for row in scene.tables.get_table_client("Texts").list_entities()]
    scene.holds("no row holds a phone number", "table Texts", ok="5550140" not in str(rows))


@step("4.4", "Changes are told once, a storm of updates is not", "b", needs=("4.2",), features=("F5.8",))
async def told_once(scene: Scene) -> None:
    """A new time is a new text; ten updates that change nothing for the patient are none."""
    moved = scene.facts["texted"].moved(scene.facts["texted"].start + timedelta(hours=1))
    scene.facts["texted"] = moved
    await send(scene, "S13", moved, "T3")
    got = await texts_after(scene, PATIENT, 2)
    scene.equal("the new time is told", SHOWN_AT, len(got), 2)
    for number in range(10):
        await send(scene, "S14", moved, f"T4{number}")
    await drained(scene)
    scene.equal("ten updates tell nothing", SHOWN_AT, len(await texts_after(scene, PATIENT, 2)), 2)


@step("4.5", "An answer that gets lost does not become a second text", "b", needs=("4.2",), features=("F5.1",))
async def repeated(scene: Scene) -> None:
    """The provider takes it and the connection breaks: every retry carries the same id and first-sent time."""
    await _carrier(scene, hold=True)  # or the delivery report would settle it before anybody asks again
    await scene.fault("acs", route="POST /sms", do="lost", times=LOST)
    start = siu.whole_minute(scene.now() + timedelta(hours=40))
    await send(scene, "S12", Booking("9002003", start, "(608)555-0141"), "T5")

    async def asked() -> int:
        return sum(text["sent_times"] for text in await texts(scene, OTHER))

    found = await eventually(asked, lambda times: times > LOST)
    scene.equal("it is asked for until an answer comes", "the SMS stand-in", found, LOST + 1)
    await _carrier(scene, hold=False)
    scene.equal("the phone shows one text", SHOWN_AT, len(await texts_after(scene, OTHER, 1)), 1)


@step(
    "4.6", "A reminder goes out in time; one for an old time does not", "b", needs=("4.4",), features=("F5.9", "F5.16")
)
async def reminded(scene: Scene) -> None:
    """The agenda holds entries for the old and the new time; only the new version's is sent."""
    before = len(await texts(scene, PATIENT))
    start = scene.facts["texted"].start
    scene.move_to(start - timedelta(hours=1440 / 60) - timedelta(minutes=30))
    await scene.run_timer("dispatch_due")
    early = await texts_after(scene, PATIENT, before)
    scene.equal("the old time's reminder is not sent", SHOWN_AT, len(early), before)
    scene.move_to(start - timedelta(hours=1440 / 60))
    await scene.run_timer("dispatch_due")
    got = await texts_after(scene, PATIENT, before + 1)
    scene.equal("the new time's is, once", SHOWN_AT, len(got), before + 1)
    await scene.run_timer("dispatch_due")
    scene.equal(
        "a second tick repeats nothing", SHOWN_AT, len(await texts_after(scene, PATIENT, before + 1)), before + 1
    )


@step("4.7", "STOP is honoured, START lifts it", "b", needs=("4.5",), features=("F5.14",))
async def stop(scene: Scene) -> None:
    """After STOP the connector does not even try; after START it texts again."""
    before = len(await texts(scene, OTHER))
    asked = len(await scene.seen("acs", "sms"))
    await _reply(scene, "Stop.")
    await eventually(lambda: _opted_out(scene), lambda out: out)
    start = siu.whole_minute(scene.now() + timedelta(hours=60))
    await send(scene, "S12", Booking("9002004", start, "(608)555-0141"), "T6")
    await drained(scene)
    scene.equal("after STOP as many texts as before", SHOWN_AT, len(await texts_after(scene, OTHER, before)), before)
    scene.equal("and none was tried", "the SMS stand-in", len(await scene.seen("acs", "sms")), asked)
    await _reply(scene, "START")
    await eventually(lambda: _opted_out(scene), lambda out: not out)
    await send(scene, "S12", Booking("9002005", start, "(608)555-0141"), "T7")
    scene.equal("a text again after START", SHOWN_AT, len(await texts_after(scene, OTHER, before + 1)), before + 1)


@step("4.8", "Old messages and an initial load announce nothing", "b", needs=("4.2",), features=("F5.8",))
async def quiet(scene: Scene) -> None:
    """A message three hours old is stored and says nothing to the patient."""
    before = len(await texts(scene, OTHER))
    start = siu.whole_minute(scene.now() + timedelta(hours=70))
    old = Booking("9002006", start, "(608)555-0141")
    await send(scene, "S12", old, "T8", sent=scene.now() - timedelta(hours=3))
    await _initial_load(scene, on=True)
    await send(scene, "S12", Booking("9002007", start, "(608)555-0141"), "T9")
    await drained(scene)
    scene.equal("neither is announced", SHOWN_AT, len(await texts_after(scene, OTHER, before)), before)
    await _initial_load(scene, on=False)


@step("4.9", "The phone number leaves an hour after the start", "b", needs=("4.6",), features=("F6.3", "F12.6"))
async def erased(scene: Scene) -> None:
    """Kept for the visit, gone afterwards."""
    key = await _key_of_texted(scene)
    row = await appointment(scene, key)
    scene.equal("kept before", "table Visits", row["phone"], "kept")
    scene.move_to(scene.facts["texted"].start + timedelta(minutes=61))
    await scene.run_timer("dispatch_due")

    async def look() -> str:
        return str((await appointment(scene, key))["phone"])

    scene.equal("gone after", "table Visits", await eventually(look, lambda phone: phone == "none"), "none")


async def _reply(scene: Scene, words: str) -> None:
    body = {"from": OTHER, "to": world.ACS_NUMBER, "text": words}
    async with scene.http.post(f"{scene.plan.urls['acs']}/_sandbox/inbound", json=body) as answer:
        answer.raise_for_status()


async def _carrier(scene: Scene, *, hold: bool) -> None:
    async with scene.http.post(f"{scene.plan.urls['acs']}/_sandbox/carrier", json={"hold": hold}) as answer:
        answer.raise_for_status()


async def _opted_out(scene: Scene) -> bool:
    rows = [row async for row in scene.tables.get_table_client("OptOuts").list_entities()]
    return any(row["out"] for row in rows)


async def _initial_load(scene: Scene, *, on: bool) -> None:
    shown = await call(scene, "adam", "GET", f"/config/connections/{scene.facts['connection']}")
    own = shown.body["own"]
    await change(scene, "adam", "PUT", "/own", own | {"sms": own["sms"] | {"initial_load": on}})


async def _key_of_texted(scene: Scene) -> str:
    start = scene.facts["texted"].start
    rows = [row async for row in scene.tables.get_table_client("Visits").query_entities("RowKey eq 'appt'")]
    return next(str(row["PartitionKey"]) for row in rows if row["start"] == start)
