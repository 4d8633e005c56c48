"""What Graph says about a call becomes rows, work for Epic and audit, however it comes."""

import asyncio
import itertools
import json
import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from shared.domain.visit import Person
from shared.errors import Broken, Code, Refused
from shared.messages import CallEvent, MeetingRequest, WritebackOrder
from shared.storage.names import Queue
from shared.workflows import meetings, presence
from shared.workflows.call_watch import client_state
from tests.conftest import Store
from tests.unit.workflows.visit_world import (
    ELSEWHERE,
    END,
    KEY,
    NOW,
    START,
    TENANT,
    VisitWorld,
    event,
    guest,
    happened,
    overtake,
    pat,
    paula,
    roster,
    sealed,
    user,
)

pytestmark = pytest.mark.feature("F10.1", "F10.4")


@pytest.fixture
async def world(store: Store) -> VisitWorld:
    made = VisitWorld(store)
    await made.approved()
    return made


async def tell(world: VisitWorld, *documents: Any) -> None:
    for document in documents:
        await presence.apply(event(world, document), world)


async def statuses(world: VisitWorld, person: str) -> list[tuple[str, float]]:
    changes = (await world.person(person)).changes
    return [(change.status, (change.at - START).total_seconds() / 60) for change in changes]


@pytest.mark.feature("F10.3")
@pytest.mark.parametrize("late", list(itertools.permutations(["ended", "back", "left"])))
async def test_who_changes_devices_before_the_end_is_told_of_the_same_however_late_it_is_heard(
    world: VisitWorld, late: tuple[str, ...]
) -> None:
    """The end may be heard before the second device: for a moment nobody but that one would be in the call."""
    await world.visit(pat())
    said = {"ended": happened("callEnded", 9), "back": roster(6, guest("g2")), "left": roster(5, guest("g1", "left"))}
    await tell(world, roster(1, guest("g1")), *(said[one] for one in late))
    changes = [status for status, _ in await statuses(world, "pat")]
    assert changes == ["connected", "disconnected"] * 2


# --- at the door


def item(world: VisitWorld, document: object, state: str | None = None) -> dict[str, Any]:
    ours = world.notification_keys.current
    return {
        "clientState": client_state(KEY, world.pseudonyms) if state is None else state,
        "encryptedContent": sealed(document, ours.certificate, ours.id),
    }


async def test_each_item_with_our_client_state_becomes_one_message(world: VisitWorld) -> None:
    others = [
        item(world, roster(1), "somebody-else"),
        item(world, roster(1), f"{KEY}.forged"),
        item(world, roster(1), "ä.ö"),
        {"clientState": client_state(KEY, world.pseudonyms)},
        {"clientState": 7, "encryptedContent": {}},
        "text",
    ]
    ours = [item(world, roster(minute)) for minute in (1, 2)]
    await presence.accept(json.dumps({"value": [*others, *ours], "validationTokens": ["graph"]}).encode(), world)
    found = await world.queued(Queue.CALL_EVENTS)
    assert [(one.key, one.tokens, one.arrived) for one in found] == [(KEY, ("graph",), NOW)] * 2
    assert len({one.message_id for one in found}) == 2


async def test_an_item_takes_along_the_few_tokens_that_may_prove_it(world: VisitWorld) -> None:
    """Graph puts items of all who share our address into one body, with a token for each of them."""
    others = [token(tenant=f"tenant-{n}", app=app) for n in range(20) for app in ("connector", "another app")]
    mine = [token(), token(app="another app"), token(ELSEWHERE), "junk"]
    items = [item(world, roster(1)) | {"tenantId": tenant} for tenant in (TENANT, ELSEWHERE)]
    await presence.accept(json.dumps({"value": items, "validationTokens": [*others, *mine]}).encode(), world)
    found = await world.queued(Queue.CALL_EVENTS)
    assert [one.tokens for one in found] == [(token(),), (token(ELSEWHERE),)]


async def test_of_tokens_of_which_none_fits_a_few_are_tried(world: VisitWorld) -> None:
    body = {"value": [item(world, roster(1))], "validationTokens": [f"odd {n}" for n in range(40)]}
    await presence.accept(json.dumps(body).encode(), world)
    (found,) = await world.queued(Queue.CALL_EVENTS)
    assert found.tokens == ("odd 0", "odd 1", "odd 2")


def token(tenant: str = TENANT, app: str = "connector") -> str:
    """What claims to be Graph's, as long as a real one."""
    return jwt.encode({"aud": app, "tid": tenant, "padding": "x" * 1000}, "nobody's key, as long as it has to be")


async def test_an_item_that_no_message_holds_stops_no_other_and_has_the_close_ask_who_was_there(
    world: VisitWorld, caplog: Any
) -> None:
    await world.visit(paula())
    crowd = [guest(f"0a1b2c3d-0000-4000-8000-{n:012}", name=f"Quentin Crowd {n}") for n in range(300)]
    large, small = item(world, roster(1, *crowd)) | {"subscriptionId": "s1"}, item(world, roster(2))
    body = json.dumps({"value": [large, small], "validationTokens": ["graph"]})
    await presence.accept(body.encode(), world)
    (left,) = await world.queued(Queue.CALL_EVENTS)
    assert left.data_signature == small["encryptedContent"]["dataSignature"]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        f"call event too large visit={KEY}"
    ]
    for request in await world.queued(Queue.MEETING_REQUESTS):
        await meetings.serve(request, world)
    assert (await world.stored()).missed


@pytest.mark.parametrize("body", [b"", b"junk", b"[]", b'{"value": 3}', b'{"value": null}', b'{"other": []}', b"\xff"])
async def test_what_is_no_notification_is_counted_and_leaves_nothing(
    world: VisitWorld, body: bytes, caplog: Any
) -> None:
    caplog.set_level(logging.INFO, "connector")
    await presence.accept(body, world)
    assert await world.queued(Queue.CALL_EVENTS) == []
    assert "unreadable" in caplog.text


async def test_the_same_item_twice_has_the_same_id(world: VisitWorld) -> None:
    body = json.dumps({"value": [item(world, roster(1))] * 2}).encode()
    await presence.accept(body, world)
    assert len({one.message_id for one in await world.queued(Queue.CALL_EVENTS)}) == 1


@pytest.mark.parametrize(
    ("lifecycle", "asked"),
    [
        ("reauthorizationRequired", ["renew"]),
        ("subscriptionRemoved", ["forget"]),
        ("missed", ["reconcile"]),
        ("odd", []),
        (None, []),
    ],
)
async def test_lifecycle_events_ask_for_what_they_need(
    world: VisitWorld, lifecycle: str | None, asked: list[str]
) -> None:
    await world.visit()
    state = client_state(KEY, world.pseudonyms)
    for claimed in (state, "forged", state.replace(KEY, "other")):
        body = {"value": [{"clientState": claimed, "lifecycleEvent": lifecycle, "subscriptionId": "s1"}]}
        await presence.accept_lifecycle(json.dumps(body).encode(), world)
    found: list[MeetingRequest] = await world.queued(Queue.MEETING_REQUESTS)
    assert [(one.kind, one.key) for one in found] == [(kind, KEY) for kind in asked]


@pytest.mark.parametrize("named", ["s0", None])
async def test_late_word_of_a_subscription_that_was_replaced_is_dropped(world: VisitWorld, named: str | None) -> None:
    await world.visit()
    item = {"clientState": client_state(KEY, world.pseudonyms), "lifecycleEvent": "subscriptionRemoved"}
    await presence.accept_lifecycle(json.dumps({"value": [item | {"subscriptionId": named}]}).encode(), world)
    await world.change(subscription=None)
    await presence.accept_lifecycle(json.dumps({"value": [item | {"subscriptionId": named}]}).encode(), world)
    assert await world.queued(Queue.MEETING_REQUESTS) == []


# --- who may say so


async def test_an_event_for_no_visit_or_an_erased_one_is_dropped(world: VisitWorld) -> None:
    await tell(world, roster(1, guest("g")))
    await world.visit(pat(), erased=NOW)
    await tell(world, roster(1, guest("g")))
    assert await statuses(world, "pat") == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tokens": ()}, Code.TOKEN_MISSING),
        ({"tokens": ("forged",)}, Code.TOKEN_REFUSED),
        ({"tokens": ("graph elsewhere",)}, Code.TOKEN_REFUSED),
        ({"tokens": ("forged", "graph elsewhere", "forged")}, Code.TOKEN_REFUSED),
        ({"data_signature": "AAAA"}, Code.BODY_UNREADABLE),
        ({"data": "AAAA"}, Code.BODY_UNREADABLE),
        ({"certificate_id": "elsewhere"}, Code.BODY_UNREADABLE),
    ],
)
async def test_what_is_not_proven_or_was_changed_changes_nothing(
    world: VisitWorld, changes: dict[str, Any], code: Code
) -> None:
    await world.visit(pat())
    with pytest.raises(Refused) as refusal:
        await presence.apply(event(world, roster(1, guest("g")), **changes), world)
    assert (refusal.value.code, await statuses(world, "pat")) == (code, [])
    assert (await world.queued(Queue.EHR_WRITEBACK), await world.facts()) == ([], [])


@pytest.mark.parametrize(
    "tokens", [("graph", "graph elsewhere"), ("graph elsewhere", "graph"), ("for another app", "graph", "forged")]
)
async def test_a_token_for_somebody_else_in_the_same_body_does_no_harm(
    world: VisitWorld, tokens: tuple[str, ...]
) -> None:
    await world.visit(pat())
    await presence.apply(event(world, roster(1, guest("g")), tokens=tokens), world)
    assert await statuses(world, "pat") == [("connected", 1)]


@pytest.mark.promise("P1")
async def test_an_event_that_waited_longer_than_its_token_lives_still_counts(world: VisitWorld) -> None:
    """The queue may have stood for hours; the token must have been good when it came."""
    await world.visit(pat())
    late = event(world, roster(1, guest("g")))
    world.clock.world += timedelta(hours=5)
    await presence.apply(late, world)
    assert world.app_tokens.asked == [timedelta(hours=5)]
    assert await statuses(world, "pat") == [("connected", 1)]


async def test_what_no_contract_knows_is_a_bug(world: VisitWorld) -> None:
    await world.visit()
    with pytest.raises(Broken):
        await tell(world, {"id": "e", "eventType": "odd"})


# --- folding


async def test_the_same_event_three_times_is_one_change_one_order_id_and_one_fact(world: VisitWorld) -> None:
    await world.visit(pat(), paula())
    one = event(world, roster(1, guest("g")))
    for _ in range(3):
        await presence.apply(one, world)
    orders: list[WritebackOrder] = await world.queued(Queue.EHR_WRITEBACK)
    assert await statuses(world, "pat") == [("connected", 1)]
    assert {order.message_id for order in orders} == {f"{KEY}|pat|1"}
    assert [row["what"] for row in await world.facts()] == ["lobby"]


ONE_CALL = (
    ("started", happened("callStarted", 0.5)),
    ("lobby", roster(1, guest("g"))),
    ("staff", roster(2, user("p", "oid-paula"))),
    ("in", roster(3, guest("g", "in"))),
    ("ended", happened("callEnded", 20)),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::7])
async def test_a_call_in_any_order_ends_with_everybody_gone_at_its_end(world: VisitWorld, order: Any) -> None:
    await world.visit(pat(), paula())
    await tell(world, *(ONE_CALL[place][1] for place in order))
    visit = await world.stored()
    assert (visit.call_started, visit.call_ended) == (None, START + timedelta(minutes=20))
    for name, since in (("pat", 1), ("paula", 2)):
        story = [(one.status, (one.at - START).total_seconds() / 60) for one in (await world.person(name)).story]
        told = [status for status, _ in await statuses(world, name)]
        assert story == [("connected", since), ("disconnected", 20)]
        assert told == ["connected", "disconnected"]
    assert len(await world.facts()) == 5


async def test_an_end_that_comes_late_throws_nobody_out_of_the_next_call(world: VisitWorld) -> None:
    """A call ended at 20; Pat is back at 25; then Graph repeats the end of the first."""
    await world.visit(pat(), paula())
    await tell(world, ONE_CALL[1][1], ONE_CALL[4][1], happened("callStarted", 25), roster(25, guest("g2")))
    await tell(world, ONE_CALL[4][1], happened("callStarted", 0.5))
    assert [status for status, _ in await statuses(world, "pat")] == ["connected", "disconnected", "connected"]
    assert (await world.stored()).call_started == START + timedelta(minutes=25)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_second_call_is_on_whatever_came_first(world: VisitWorld, order: Any) -> None:
    await world.visit()
    events = [happened("callStarted", 5), happened("callEnded", 20), happened("callStarted", 30)]
    await tell(world, *(events[place] for place in order))
    assert (await world.stored()).call_started == START + timedelta(minutes=30)


@pytest.mark.parametrize("people", [(), (pat(),)], ids=["a stranger", "the patient"])
async def test_who_joins_while_another_process_hears_of_the_end_has_left_with_it(
    world: VisitWorld, people: tuple[Person, ...]
) -> None:
    await world.visit(*people)
    overtake(world, lambda elsewhere: tell(elsewhere, happened("callEnded", 11)))
    await tell(world, roster(10, guest("g", "in")))
    (person,) = (await world.visits.find(KEY)).people.values()
    assert [one.status for one in person.story] == ["connected", "disconnected"]
    assert person.story[-1].at == START + timedelta(minutes=11)


async def test_a_patient_who_rejoins_is_one_person(world: VisitWorld) -> None:
    await world.visit(pat())
    await tell(world, roster(1, guest("g1")), roster(2, guest("g1", "left")), roster(3, guest("g2", "in")))
    assert list((await world.visits.find(KEY)).people) == ["pat"]
    assert [status for status, _ in await statuses(world, "pat")] == ["connected", "disconnected", "connected"]


async def test_a_patient_whose_connection_breaks_a_hundred_times_is_told_of_each(world: VisitWorld) -> None:
    await world.visit(pat())
    for n in range(100):
        await tell(world, roster(n / 2, guest(f"g{n}", "in")), roster(n / 2 + 0.25, guest(f"g{n}", "left")))
    changes = [status for status, _ in await statuses(world, "pat")]
    assert changes == ["connected", "disconnected"] * 100


async def test_fifty_joins_in_one_second_are_fifty_people(world: VisitWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.visit(group=True)
    events = [event(world, roster(1 + n / 3000, guest(f"g{n}", name=f"Guest {n}"))) for n in range(50)]
    reads, find = list[str](), world.visits.find
    monkeypatch.setattr(world.visits, "find", lambda key: reads.append(key) or find(key))
    await asyncio.gather(*(presence.apply(one, world) for one in events))
    assert len(reads) == 50, "they take turns"
    people = (await world.visits.find(KEY)).people.values()
    assert len(people) == 50
    assert {len(person.participants) for person in people} == {1}
    assert len(await world.facts("lobby")) == 50


async def test_seventy_joins_in_one_event_fit_into_one_message(world: VisitWorld) -> None:
    await world.visit(group=True)
    crowd = [_as_teams_says_it(guest(str(uuid4()), name=f"Firstname Lastname {n}")) for n in range(70)]
    body = {"value": [item(world, roster(1, *crowd))], "validationTokens": [token()]}
    await presence.accept(json.dumps(body).encode(), world)
    [message] = await world.queued(Queue.CALL_EVENTS)
    await presence.apply(message.model_copy(update={"tokens": ("graph",)}), world)
    assert len((await world.visits.find(KEY)).people) == 70


def _as_teams_says_it(participant: dict[str, Any]) -> dict[str, Any]:
    """With all that live events hold besides."""
    empty = dict.fromkeys(("countryCode", "region", "languageId"))
    info = participant["info"] | empty | {"endpointType": "default", "participantId": str(uuid4())}
    (who,) = info["identity"].values()
    who |= {"@odata.type": "#microsoft.graph.identity", "tenantId": TENANT, "identityProvider": "AAD"}
    return participant | {"metadata": None, "info": info}


async def test_more_people_than_a_batch_takes_all_leave_at_the_end(world: VisitWorld) -> None:
    await world.visit(group=True)
    for start in (0, 60):
        await tell(world, roster(1, *(guest(f"g{n}", name=f"Guest {n}") for n in range(start, start + 60))))
    await tell(world, happened("callEnded", 9))
    people = (await world.visits.find(KEY)).people.values()
    assert {(len(people), person.story[-1].status) for person in people} == {(120, "disconnected")}


async def test_events_of_one_person_at_the_same_time_meet_in_one_row(world: VisitWorld) -> None:
    await world.visit(pat())
    seen = [roster(1, guest("g")), roster(2, guest("g", "in")), roster(3, guest("g", "left"))] * 3
    await asyncio.gather(*(presence.apply(event(world, one), world) for one in seen))
    person = await world.person("pat")
    assert [change.status for change in person.story] == ["connected", "disconnected"]
    assert person.changes[-1].status == "disconnected"


# --- nobody is guessed


@pytest.mark.feature("F9.1")
async def test_a_stranger_is_a_guest_in_the_audit_and_nobody_to_epic(world: VisitWorld) -> None:
    await world.visit(pat(launched_at=None), paula())
    await tell(world, roster(1, guest("g", name="Ines Interpreter")))
    assert await world.queued(Queue.EHR_WRITEBACK) == []
    [row] = await world.facts()
    assert (row["role"], row["what"], row["person"] in {"pat", "paula"}) == ("guest", "lobby", False)


async def test_a_colleague_without_an_ehr_id_is_staff_and_nobody_to_epic(world: VisitWorld) -> None:
    await world.visit(pat(), paula())
    await tell(world, roster(1, user("p", "oid-somebody")))
    assert [row["role"] for row in await world.facts()] == ["staff"]
    assert await world.queued(Queue.EHR_WRITEBACK) == []


async def test_another_tenants_user_with_a_providers_object_id_is_not_the_provider(world: VisitWorld) -> None:
    await world.visit(pat(launched_at=None), paula())
    await tell(world, roster(1, user("p", "oid-paula", tenant="ffffffff-0000-4000-8000-000000000000")))
    assert await statuses(world, "paula") == []
    assert [row["role"] for row in await world.facts()] == ["guest"]


# --- what follows


@pytest.mark.feature("F7.8")
async def test_the_calls_end_plans_the_close(world: VisitWorld) -> None:
    await world.visit(pat())
    await tell(world, happened("callEnded", 20))
    planned = await world.agenda_now()
    assert ("close", KEY, START + timedelta(minutes=30)) in planned
    assert ("close", KEY, END + timedelta(hours=4)) in planned
    assert ("erase-visit", KEY, END + timedelta(hours=72)) in planned


@pytest.mark.feature("F12.10")
async def test_no_name_and_no_id_rests_in_clear_or_is_logged(world: VisitWorld, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    await world.visit(pat(), paula())
    await tell(world, roster(1, guest("guest-id-1")), roster(2, user("user-id-2", "oid-paula")))
    for told in ("Quillfeather", "Umberslade", "70001", "19001", "9001", "oid-paula", "guest-id-1", "user-id-2"):
        assert told not in await world.in_clear(), told
        assert told not in caplog.text, told


async def test_a_message_of_an_event_shows_nothing_of_it_in_the_queue(world: VisitWorld) -> None:
    await world.queues.put(event(world, roster(1, guest("g"))))
    [waiting] = [one.content async for one in world.store.raw_queue(Queue.CALL_EVENTS).receive_messages()]
    assert KEY not in waiting
    assert "certificate" not in waiting
    assert CallEvent.queue == Queue.CALL_EVENTS
