"""One visit from the booking to its end, step by step, and what is left of it at the far sides."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sandbox import world
from sandbox.demo import engine, siu
from sandbox.demo.api import change
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking
from tests.e2e.launch.launching import book, browsers, control, csn, provider, rows, set_up

PAT, PAULA = (world.EPIC_USERS[key].external_id for key in ("pat", "paula"))
QUEUES = ("scheduling-events", "sms-outbound", "sms-receipts", "meeting-requests", "call-events", "ehr-writeback")


async def clinic(scene: Scene, phones: int = 6) -> None:
    """A connection whose visits are texted about, held and written back; some phones are on its allow-list."""
    sms = {"may_send_for_us": True, "patients_have_consented": True, "number": world.ACS_NUMBER, "reminders": []}
    await set_up(scene, sms=sms)
    for number in range(phones):
        allowed = await change(scene, "adam", "POST", "/allow-list", {"number": phone(number)})
        assert allowed.status == 201, allowed.body
    await reports_to_us(scene)


async def reports_to_us(scene: Scene) -> None:
    """Event Grid brings delivery reports to the connector."""
    subscription = {
        "name": "texts",
        "url": f"{scene.plan.urls['app']}/sms/events",
        "auth": "entra",
        "audience": world.API_APP,
        "schema": "eventgrid",
    }
    await control(scene, "acs", "POST", "eventgrid/subscriptions", subscription)


def phone(number: int) -> str:
    return f"+160855501{60 + number}"


@dataclass
class Visit:
    """One appointment of Pat's with Paula, and where its parts are."""

    scene: Scene
    csn: str
    phone: str
    start: datetime
    key: str = ""
    meeting: str = ""

    @classmethod
    async def at_epic(cls, scene: Scene, number: int) -> "Visit":
        """In Epic's schedule, beginning soon at a time of its own; the connector has not heard of it."""
        made = cls(scene, csn(), phone(number), siu.whole_minute(scene.now() + timedelta(minutes=10 + number)))
        await book(scene, made.csn, made.start)
        return made

    async def announced(self, event: str = "S12") -> None:
        """The interface engine's message is answered AA."""
        booking = Booking(self.csn, self.start, self.phone)
        body = siu.message(event, booking, self.scene.now(), f"{self.csn}{event}")
        reply = await engine.post(self.scene.plan, f"/hl7v2/{self.scene.facts['connection']}", body)
        assert siu.acknowledgement(reply.body)[0] == "AA", reply

    async def appointed(self) -> list[dict[str, Any]]:
        """The appointment's row, by its time; once it is there its key is known."""
        mine = await rows(self.scene, f"RowKey eq 'appt' and connection eq '{self.scene.facts['connection']}'")
        found = [row for row in mine if row["start"] == self.start]
        self.key = found[0]["PartitionKey"] if found else ""
        return found

    async def planned(self) -> None:
        """Its message is done with: the row stands and so does what the agenda will do about it."""
        assert await eventually(self.appointed, bool)
        assert await drained(self.scene, "scheduling-events") == {}

    async def row(self) -> list[dict[str, Any]]:
        """The visit's row."""
        await self.appointed()
        return await rows(self.scene, f"RowKey eq 'visit' and PartitionKey eq '{self.key or '-'}'")

    async def ready(self) -> bool:
        """The meeting stands and Graph tells of its call."""
        if not [one for one in await self.row() if one["ready"]]:
            return False
        held = await control(self.scene, "graph", "GET", "meetings")
        mine = [one for one in held if one["externalId"] == self.key]
        self.meeting = mine[-1]["id"] if mine else ""
        living = await control(self.scene, "graph", "GET", "subscriptions")
        return self.meeting in {one["meeting"] for one in living}

    async def launched(self) -> list[str]:
        """Pat and Paula press their buttons; who answered them at last."""
        async with browsers(self.scene, 2) as (pat, paula):
            patient = await pat.launch("pat", self.csn, role="patient")
            return [patient.host, (await provider(paula, self.csn)).host]

    async def joined(self, user: str | None, name: str = "Pat Quillfeather") -> str:
        """Join on the Teams page; the participant's id."""
        url = f"{self.scene.plan.urls['graph']}/teams/meetings/{self.meeting}/join"
        async with self.scene.http.post(url, json={"as": user, "name": name}) as answer:
            assert answer.status == 201, await answer.text()
            return str((await answer.json())["participant"])

    async def did(self, participant: str, what: str) -> None:
        """Admit or leave on the Teams page."""
        url = f"{self.scene.plan.urls['graph']}/teams/participants/{participant}/{what}"
        async with self.scene.http.post(url, json={}) as answer:
            assert answer.status == 200, await answer.text()

    async def over(self, by: str) -> None:
        """The provider ends the meeting for all."""
        url = f"{self.scene.plan.urls['graph']}/teams/meetings/{self.meeting}/end"
        async with self.scene.http.post(url, json={"by": by}) as answer:
            assert answer.status == 200, await answer.text()

    async def texts(self) -> list[dict[str, Any]]:
        """What Pat's phone shows."""
        url = f"{self.scene.plan.urls['acs']}/_sandbox/texts"
        async with self.scene.http.get(url, params={"to": self.phone}) as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def text_states(self) -> list[str]:
        """States of this visit's texts."""
        return [row["state"] for row in await rows(self.scene, f"appointment eq '{self.key}'", "Texts")]

    async def statuses(self, external_id: str) -> list[str]:
        """What Epic shows of one person, in the order it was told: 1 connected, 2 disconnected."""
        url = f"{self.scene.plan.urls['epic']}/_sandbox/connections"
        async with self.scene.http.get(url, params={"csn": self.csn}) as answer:
            return [one["status"] for one in await answer.json() if one["external_id"] == external_id]

    async def both(self) -> tuple[list[str], list[str]]:
        """The same of Pat and Paula."""
        return await self.statuses(PAT), await self.statuses(PAULA)

    async def shown(self, pat: list[str], paula: list[str], within: float = 30) -> tuple[list[str], list[str]]:
        """The same once it is as expected."""
        return await eventually(self.both, lambda found: found == (pat, paula), within)

    async def audit(self, what: str | None = None) -> list[dict[str, Any]]:
        """Facts of this visit."""
        found = await rows(self.scene, f"visit eq '{self.key}'", "Audit")
        return [row for row in found if what in {None, row["what"]}]

    async def closed(self, within: float = 30) -> bool:
        """Closed and erased, as the clock moves on after the call's end."""
        await eventually(lambda: self.audit("call ended"), bool, within)
        for wait, what in ((timedelta(minutes=11), "closed"), (timedelta(minutes=31), "erased")):
            self.scene.move(wait)
            if not await eventually(partial(self.ticked, what), bool, within):
                return False
        return True

    async def ticked(self, what: str) -> list[dict[str, Any]]:
        """The audit after one more minute's tick: what the agenda will do may be written after what the audit says."""
        await self.scene.run_timer("dispatch_due")
        return await self.audit(what)

    async def summary(self) -> dict[str, Any]:
        """How the visit ended at the far sides."""
        held = await control(self.scene, "graph", "GET", "meetings")
        return {
            "texts": [text["message"].partition("/j?")[0].partition(" at ")[0] for text in await self.texts()],
            "text states": await self.text_states(),
            "epic": await self.both(),
            "meetings": sum(one["externalId"] == self.key for one in held),
            "audit": sorted((row["what"], row["role"], _told(row)) for row in await self.audit()),
            "poison": await poison(self.scene),
        }


def _told(row: dict[str, Any]) -> str:
    return str(row["detail"]) if row["what"] in {"connected", "disconnected"} else ""


async def waiting(scene: Scene, queue: str) -> int:
    """Messages of a queue, hidden ones too."""
    properties = await scene.queues.get_queue_client(queue).get_queue_properties()
    return int(properties.approximate_message_count or 0)


async def waits(scene: Scene, queue: str, count: int = 1, within: float = 20) -> int:
    """The same once there are enough."""
    return await eventually(lambda: waiting(scene, queue), lambda found: found >= count, within)


async def drained(scene: Scene, *queues: str, within: float = 40) -> dict[str, int]:
    """What is left in queues once nothing is, or when the time is up."""

    async def left() -> dict[str, int]:
        found = {queue: await waiting(scene, queue) for queue in queues or QUEUES}
        return {queue: count for queue, count in found.items() if count}

    return await eventually(left, lambda found: not found, within)


async def poison(scene: Scene) -> dict[str, int]:
    """What was poisoned, by queue and id."""
    found: dict[str, int] = {}
    async for queue in scene.queues.list_queues():
        if queue.name.endswith("-poison"):
            async for message in scene.queues.get_queue_client(queue.name).receive_messages(visibility_timeout=1):
                found[f"{queue.name} {json.loads(base64.b64decode(message.content))['id']}"] = 1
    return found


async def parked(scene: Scene) -> list[str]:
    """Reasons of everything that was given up."""
    return [row["reason"] for row in await rows(scene, "RowKey ne ''", "Parked")]
