"""Graph's notifications through the host: who joins reaches Epic and the audit, what is forged reaches nothing."""

import base64
import io
import json
import os
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox import world
from sandbox.demo.rows import all_opened
from sandbox.demo.scene import Scene, eventually
from shared.clients.notifications import NotificationKeys
from shared.domain.agenda import CLOSE_AFTER_SILENCE
from tests.e2e.launch.launching import control, visits
from tests.e2e.visiting import PAT, PAULA, Visit, clinic, drained, poison
from tests.unit.workflows.visit_world import pem

#: Ids that are made at random, in the two ways they are written.
_GUIDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[0-9]*[a-f])[0-9a-f]{16,}")

CONNECTED, DISCONNECTED = "1", "2"
ANOTHER_APP = "a0000000-0000-4000-8000-00000000ffff"


@pytest.fixture
async def hospital(connection: Scene) -> AsyncIterator[Scene]:
    """A clinic that holds visits; the Graph stand-in is as before afterwards."""
    table = connection.tables.get_table_client("People")
    async for row in table.list_entities():
        await table.delete_entity(row)
    await clinic(connection, phones=1)
    settings = await control(connection, "graph", "GET", "settings")
    yield connection
    await control(connection, "graph", "PATCH", "settings", settings)


@pytest.fixture
async def visit(hospital: Scene) -> Visit:
    """A visit whose meeting stands and of whose call Graph tells; both have launched, nobody has joined."""
    made = await Visit.at_epic(hospital, 0)
    await made.announced()
    await made.planned()
    await hospital.run_timer("dispatch_due")
    assert await eventually(made.ready, bool)
    assert await made.launched() == ["graph", "graph"]
    return made


async def subscription(visit: Visit) -> dict[str, Any]:
    """Graph's living subscription for the visit's meeting, with its secrets."""
    living = await control(visit.scene, "graph", "GET", "subscriptions")
    return next((one for one in living if one["meeting"] == visit.meeting), {})


async def notify(
    scene: Scene, body: io.BytesIO | bytes | str, where: str = "notifications", **query: str
) -> tuple[int, str, str]:
    """A POST as anybody may send it: status, type and text of the answer."""
    url = f"{scene.plan.urls['app']}/graph/{where}"
    async with scene.http.post(url, data=body, params=query) as answer:
        return answer.status, answer.headers.get("Content-Type", ""), await answer.text()


# --- the visit


@pytest.mark.promise("P4")
@pytest.mark.feature("F7.4", "F10.1", "F10.2", "F10.3", "F10.4")
@pytest.mark.parametrize("casing", ["camel", "pascal"])
@pytest.mark.parametrize("version", [1, 2])
async def test_who_comes_and_goes_is_shown_at_epic_in_order(visit: Visit, casing: str, version: int) -> None:
    await control(visit.scene, "graph", "PATCH", "settings", {"casing": casing, "token_version": version})
    pat = await visit.joined(None)
    assert await visit.shown([CONNECTED], []) == ([CONNECTED], [])
    paula = await visit.joined("paula")
    await visit.did(pat, "admit")
    await visit.did(pat, "leave")
    pat = await visit.joined(None)
    await visit.over(paula)
    story = [CONNECTED, DISCONNECTED] * 2, [CONNECTED, DISCONNECTED]
    assert await visit.shown(*story) == story


@pytest.mark.feature("F10.1", "F10.3")
async def test_an_ad_hoc_visit_of_which_no_message_spoke_is_written_back_too(hospital: Scene) -> None:
    visit = await Visit.at_epic(hospital, 0)
    assert await visit.launched() == ["graph", "graph"]
    (row,) = await visits(hospital)
    visit.key = row["PartitionKey"]
    held = await control(hospital, "graph", "GET", "meetings")
    (visit.meeting,) = [one["id"] for one in held if one["externalId"] == visit.key]
    assert await eventually(lambda: subscription(visit), bool)
    paula = await visit.joined("paula")
    await visit.joined(None)
    assert await visit.shown([CONNECTED], [CONNECTED]) == ([CONNECTED], [CONNECTED])
    await visit.over(paula)
    assert await visit.closed()
    assert visit.csn not in await _opened(visit)


@pytest.mark.feature("F7.8")
async def test_who_comes_back_after_the_close_is_listened_to_again(visit: Visit) -> None:
    paula = await visit.joined("paula")
    await visit.over(paula)
    assert await visit.shown([], [CONNECTED, DISCONNECTED]) == ([], [CONNECTED, DISCONNECTED])
    visit.scene.move(timedelta(minutes=11))
    assert await eventually(lambda: visit.ticked("closed"), bool)
    assert await eventually(lambda: subscription(visit), lambda found: not found) == {}
    assert await visit.launched() == ["graph", "graph"]
    assert await eventually(lambda: subscription(visit), bool)
    await visit.joined(None)
    await visit.scene.run_timer("dispatch_due")
    assert (await visit.shown([CONNECTED], [CONNECTED, DISCONNECTED]))[0] == [CONNECTED]
    assert await drained(visit.scene, "upkeep") == {}
    assert await visit.statuses(PAT) == [CONNECTED]


@pytest.mark.feature("F10.1", "F12.10")
async def test_the_audit_has_it_and_names_nobody(visit: Visit) -> None:
    await visit.joined("paula")
    await visit.joined(None)
    await visit.shown([CONNECTED], [CONNECTED])
    assert {row["what"] for row in await visit.audit()} >= {"call started", "in", "lobby", "connected"}
    text = await all_opened(visit.scene, "Audit") + visit.scene.stack.log("app").read_text()
    plain = _GUIDS.sub("", text)  # five digits in a row stand in many of them
    assert [one for one in (PAT, PAULA, visit.csn, "Quillfeather") if one in plain] == []


@pytest.mark.feature("F10.1")
async def test_a_body_that_holds_another_applications_item_and_token_too_is_heard(visit: Visit) -> None:
    """Graph puts what is due for one address into one body, with a token for each application and tenant."""
    await _another_application(visit)
    before = len(await visit.scene.seen("graph", "notification"))
    await visit.scene.fault("graph", route="NOTIFY rosterUpdated", do="merge", times=1)
    await visit.joined(None)
    assert await visit.shown([CONNECTED], []) == ([CONNECTED], [])
    sent = [one for one in await visit.scene.seen("graph", "notification") if one["event"] == "rosterUpdated"]
    assert [one["outcome"] for one in sent[-2:]] == ["merged", "202"], sent[before:]
    assert (await drained(visit.scene), await poison(visit.scene)) == ({}, {})


async def _another_application(visit: Visit) -> None:
    """It listens to the same meeting at our address, with a client state of its own."""
    scene, ours = visit.scene, await subscription(visit)
    key = NotificationKeys((("another", pem("another")),)).current
    order = {"kind": "app", "client": ANOTHER_APP, "audience": "https://graph.microsoft.com", "version": 1}
    token = await control(scene, "entra", "POST", "mint", order | {"roles": world.GRAPH_ROLES})
    wish = {
        "changeType": "updated",
        "notificationUrl": f"{scene.plan.urls['app']}/graph/notifications",
        "resource": ours["resource"],
        "includeResourceData": True,
        "encryptionCertificate": key.certificate,
        "encryptionCertificateId": key.id,
        "expirationDateTime": (scene.now() + timedelta(minutes=50)).isoformat(),
        "clientState": "somebody else's",
    }
    headers = {"Authorization": f"Bearer {token['token']}"}
    url = f"{scene.plan.urls['graph']}/beta/subscriptions"
    async with scene.http.post(url, json=wish, headers=headers) as answer:
        assert answer.status == 201, await answer.text()


# --- what Graph does not tell


@pytest.mark.feature("F10.1", "F10.4")
async def test_what_graph_says_it_missed_is_made_up_for_when_the_visit_closes(visit: Visit) -> None:
    scene = visit.scene
    await scene.fault("graph", route="NOTIFY rosterUpdated", do="lost_event")
    paula = await visit.joined("paula")
    await _lifecycle(visit, "missed", (await subscription(visit))["id"])
    scene.move(timedelta(minutes=5))
    await visit.over(paula)
    assert await eventually(lambda: visit.audit("call ended"), bool)
    assert await drained(scene, "meeting-requests") == {}
    assert await visit.both() == ([], [])
    scene.move(timedelta(minutes=11))
    assert await eventually(lambda: visit.ticked("closed"), bool)
    assert await visit.shown([], [CONNECTED, DISCONNECTED]) == ([], [CONNECTED, DISCONNECTED])
    came, went = [moment for kind, moment in await _roster(visit) if kind == "rosterUpdated"]
    assert await _told(visit, "staff") == [came, went]


async def test_an_item_too_large_for_a_message_stops_nothing_and_the_report_is_asked_for(visit: Visit) -> None:
    held = await subscription(visit)
    known = {"clientState": held["clientState"], "subscriptionId": held["id"]}
    names = ("data", "dataKey", "dataSignature", "encryptionCertificateId")
    large = known | {
        "encryptedContent": dict.fromkeys(names, "AAAA") | {"data": base64.b64encode(os.urandom(60_000)).decode()}
    }
    assert (await notify(visit.scene, json.dumps({"value": [large], "validationTokens": ["a.b.c"]})))[0] == 202
    paula = await visit.joined("paula")
    await visit.over(paula)
    assert await eventually(lambda: visit.audit("call ended"), bool)
    assert await drained(visit.scene) == {}
    assert await visit.closed()
    assert [one["status"] for one in await _asked_for_attendance(visit)] == [200, 200]
    assert await poison(visit.scene) == {}


@pytest.mark.feature("F10.1", "F10.4")
async def test_a_visit_whose_callended_never_comes_is_closed_by_its_attendance_report(visit: Visit) -> None:
    """Paula goes, comes back and ends the meeting, unheard. After hours of silence the report says when she was there.

    It names no guest, so of Pat nothing but the close itself says that he has left.
    """
    scene = visit.scene
    pat = await visit.joined(None)
    paula = await visit.joined("paula")
    assert await visit.shown([CONNECTED], [CONNECTED]) == ([CONNECTED], [CONNECTED])
    assert await drained(scene) == {}
    await scene.fault("graph", route="NOTIFY .*", do="lost_event")
    await visit.did(pat, "admit")
    for wait, what in ((5, visit.did(paula, "leave")), (2, visit.joined("paula")), (20, visit.over(paula))):
        scene.move(timedelta(minutes=wait))
        await what
    assert (await scene.seen("graph", "notification"))[-1]["event"] == "callEnded"
    await _silence_until_closed(visit)
    assert await visit.shown([CONNECTED, DISCONNECTED], [CONNECTED, DISCONNECTED] * 2) == (
        [CONNECTED, DISCONNECTED],
        [CONNECTED, DISCONNECTED] * 2,
    )
    assert [one["status"] for one in await _asked_for_attendance(visit)] == [200, 200]
    _, came, _, went, again, over = [moment for kind, moment in await _roster(visit) if kind == "rosterUpdated"]
    assert await _told(visit, "staff") == [came, went, again, over]
    assert (await _told(visit, "patient"))[1:] == [_moment(await visit.audit("closed"))]
    assert await visit.audit("call ended") == []
    await _nobody_is_left(visit)


async def _silence_until_closed(visit: Visit) -> None:
    """The agenda comes for the visit four hours after its end and not before."""
    (row,) = await visit.row()
    for wait, closed in ((CLOSE_AFTER_SILENCE - timedelta(minutes=1), False), (CLOSE_AFTER_SILENCE, True)):
        visit.scene.move_to(row["end"] + wait)
        await visit.scene.run_timer("dispatch_due")
        assert await drained(visit.scene, "upkeep") == {}
        assert bool(await visit.audit("closed")) == closed


async def _nobody_is_left(visit: Visit) -> None:
    """The visit's rows say so; half an hour later they no longer say who it was."""
    assert await drained(visit.scene) == {}
    (row,) = await _known(visit, "visit")
    told = json.loads(row["visit_sealed"])
    assert (told["call_ended"], told["call_started"]) == (None, None)
    assert datetime.fromisoformat(told["closed"]) == _moment(await visit.audit("closed"))
    people = sorted((one["role"], one["connected"], one["unwritten"]) for one in await _known(visit, "person|"))
    assert people == [("patient", False, 0), ("staff", False, 0)]
    visit.scene.move(timedelta(minutes=31))
    assert await eventually(lambda: visit.ticked("erased"), bool)
    left = str([await _known(visit, rows) for rows in ("visit", "person|")])
    assert [one for one in (PAT, PAULA, visit.csn) if one in left] == []


async def _known(visit: Visit, rows: str) -> list[dict[str, Any]]:
    """Rows of the visit whose keys begin like this, opened."""
    found = [json.loads(line) for line in (await _opened(visit)).splitlines()]
    return [row for row in found if row["RowKey"].startswith(rows)]


async def _asked_for_attendance(visit: Visit) -> list[dict[str, Any]]:
    """What the connector asked Graph about this meeting's attendance: the list, then a report's records."""
    asked = await visit.scene.seen("graph", "request")
    return [one for one in asked if f"/{visit.meeting}/attendanceReports" in one["path"]]


async def _roster(visit: Visit) -> list[tuple[str, datetime]]:
    """What happened in the meeting, told or not, and when."""
    events = await visit.scene.seen("graph", "roster")
    mine = [one for one in events if one["meeting"] == visit.meeting]
    return [(one["event"], datetime.fromisoformat(one["at_call"])) for one in mine]


async def _told(visit: Visit, role: str) -> list[datetime]:
    """When, by the audit, somebody connected and disconnected; every one of it Epic took."""
    told = [one for one in await visit.audit() if one["role"] == role and one["what"] in {"connected", "disconnected"}]
    assert {one["detail"] for one in told} == {"ok"}
    return sorted(_moment([one]) for one in told)


def _moment(facts: list[dict[str, Any]]) -> datetime:
    """When the one fact happened, to the microsecond."""
    (fact,) = facts
    day, time = fact["PartitionKey"].rpartition("|")[2], fact["RowKey"].partition("|")[0]
    return datetime.strptime(f"{day}{time}+0000", "%Y%m%d%H%M%S%f%z")


# --- what is forged


@pytest.mark.feature("F10.1")
@pytest.mark.parametrize("fault", ["bad_signature", "bad_client_state", "bad_token"])
async def test_a_forged_notification_gets_202_and_nothing_comes_of_it(visit: Visit, fault: str) -> None:
    """The far side's own words: Graph's stand-in spoils one of the three proofs and is answered 202 all the same."""
    before = len(await visit.scene.seen("graph", "notification"))
    await visit.scene.fault("graph", route="NOTIFY .*", do=fault)
    await visit.joined(None)

    async def answered() -> list[dict[str, Any]]:
        return (await visit.scene.seen("graph", "notification"))[before:]

    sent = await eventually(answered, bool)
    assert [(one["outcome"], one["corrupt"]) for one in sent] == [("202", [fault])]
    assert await drained(visit.scene, "call-events") == {}
    assert (await visit.audit(), await visit.both(), await poison(visit.scene)) == ([], ([], []), {})
    await visit.scene.behave("graph")
    await visit.joined("paula")
    assert await visit.shown([], [CONNECTED]) == ([], [CONNECTED])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff\xfe",
        b"[]",
        b"{}",
        b'{"value": "x"}',
        b'{"value": [1, null, "x"]}',
        b'{"value": [{"clientState": null}]}',
        b'{"value": [{"clientState": "k.p", "encryptedContent": {}}]}',
        b'{"value": [], "validationTokens": 7}',
        b"[" * 20_000,
    ],
)
@pytest.mark.parametrize("where", ["notifications", "lifecycle"])
async def test_anything_else_gets_the_same_202_and_no_hint(scene: Scene, body: bytes, where: str) -> None:
    status, _, text = await notify(scene, body, where)
    assert (status, text) == (202, "")
    assert await drained(scene, "call-events", "meeting-requests") == {}


async def test_a_body_larger_than_any_notification_is_refused(scene: Scene) -> None:
    assert (await notify(scene, io.BytesIO(b"x" * 4_000_001)))[0] == 413


@pytest.mark.feature("F10.1")
async def test_a_right_client_state_alone_is_no_proof(visit: Visit) -> None:
    """Who has stolen one still lacks Graph's token and signature."""
    state = (await subscription(visit))["clientState"]
    content = {
        "data": "AAAA",
        "dataKey": "AAAA",
        "dataSignature": "AAAA",
        "encryptionCertificateId": "notifications-1",
    }
    for tokens in ({}, {"validationTokens": []}, {"validationTokens": ["a.b.c"]}):
        body = {"value": [{"clientState": state, "encryptedContent": content}]} | tokens
        assert (await notify(visit.scene, json.dumps(body)))[0] == 202
    assert await drained(visit.scene, "call-events") == {}
    assert (await visit.audit(), await poison(visit.scene)) == ([], {})


# --- handshake and lifecycle


@pytest.mark.parametrize("where", ["notifications", "lifecycle"])
@pytest.mark.parametrize(
    "token",
    ["plain", "a b+c%2Bd&e=f", "<script>alert(1)</script>", "é \u2713 \"quoted\" 'so'", "x" * 1500],
)
async def test_the_handshake_answers_the_decoded_token_as_plain_text(scene: Scene, where: str, token: str) -> None:
    status, kind, text = await notify(scene, b"", where, validationToken=token)
    assert (status, kind.partition(";")[0], text) == (200, "text/plain", token)


@pytest.mark.feature("F10.1")
async def test_a_subscription_that_graph_wants_to_see_again_is_renewed(visit: Visit) -> None:
    found = await subscription(visit)
    await drained(visit.scene, "meeting-requests")
    before = len(await _did(visit, "renewed"))
    visit.scene.move(timedelta(minutes=20))
    await _lifecycle(visit, "reauthorizationRequired", found["id"])
    assert len(await eventually(lambda: _did(visit, "renewed"), lambda seen: len(seen) > before)) == before + 1
    assert (await subscription(visit))["id"] == found["id"]


@pytest.mark.feature("F10.1")
async def test_a_subscription_that_graph_removed_is_made_anew_and_tells_on(visit: Visit) -> None:
    found = await subscription(visit)
    await _lifecycle(visit, "subscriptionRemoved", found["id"])
    again = await eventually(lambda: subscription(visit), bool)
    assert again["id"] != found["id"]
    await visit.joined(None)
    assert await visit.shown([CONNECTED], []) == ([CONNECTED], [])


async def _lifecycle(visit: Visit, event: str, subscription_id: str) -> None:
    await control(visit.scene, "graph", "POST", "lifecycle", {"event": event, "subscription": subscription_id})


async def _did(visit: Visit, what: str) -> list[dict[str, Any]]:
    return [one for one in await visit.scene.seen("graph", "subscription") if one["did"] == what]


async def _opened(visit: Visit) -> str:
    lines = (await all_opened(visit.scene, "Visits")).splitlines()
    return "\n".join(line for line in lines if visit.key in line)
