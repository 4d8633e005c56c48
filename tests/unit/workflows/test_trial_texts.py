"""Own templates and quiet hours on their way out, and texts to the staff's own numbers."""

import base64
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.clients.entra import Caller
from shared.domain.quiet import QuietHours
from shared.domain.templates import TextTemplates
from shared.errors import Code, Later, Refused
from shared.messages import TrialText
from shared.storage.names import Queue
from shared.workflows import texts, trial_texts
from tests.conftest import Store
from tests.unit.domain.connections import LAMNA
from tests.unit.workflows import text_world
from tests.unit.workflows.text_world import CONNECTION, NOW, NUMBER, PHONE, Killed, World, order

ADAM = Caller(str(LAMNA.tenant), "adam", frozenset({"ConfigAdmin"}), frozenset(), False, "portal")
OWN = {"en": TextTemplates(booked="{organisation} {day} {time} {link}")}


@pytest.fixture
async def world(store: Store) -> World:
    made = World(store)
    await made.connect()
    await made.book()
    return made


# --- templates -----------------------------------------------------------------------------------------------------


@pytest.mark.feature("F5.15")
async def test_a_text_goes_out_in_the_organisations_words(world: World) -> None:
    await world.connect(texts=OWN)
    await texts.send(order(), world)
    [sent] = world.sms.phones
    link = f"https://visits.example/j?t={'t' * 22}"
    assert sent.words == f"Lamna Healthcare Wednesday, March 4 9:00 AM {link} Reply STOP to opt out."


@pytest.mark.promise("P2")
@pytest.mark.feature("F5.15")
@pytest.mark.parametrize("crash", [text_world.killed_before, text_world.killed_after])
@pytest.mark.parametrize("change", [{}, {"texts": {"en": TextTemplates(booked="Other words: {link}")}}])
async def test_a_template_that_changes_between_two_tries_changes_neither(world: World, crash: Any, change: Any) -> None:
    await world.connect(texts=OWN)
    world.sms.script = [crash]
    with pytest.raises(Killed):
        await texts.send(order(), world)
    await world.connect(**change)
    await texts.send(order(), world)
    assert world.sms.asked[0] == world.sms.asked[1]
    assert (len(world.sms.phones), await world.state(order())) == (1, "accepted")


@pytest.mark.feature("F5.15")
async def test_a_text_that_was_surely_not_taken_is_said_in_the_words_of_the_day(world: World) -> None:
    world.sms.script = [text_world.busy]
    with pytest.raises(Later):
        await texts.send(order(), world)
    await world.connect(texts=OWN)
    await texts.send(order(), world)
    [sent] = world.sms.phones
    assert sent.words.startswith("Lamna Healthcare Wednesday")


# --- quiet hours ---------------------------------------------------------------------------------------------------


@pytest.mark.feature("F5.17")
async def test_in_quiet_hours_a_text_waits_in_the_queue_and_then_goes_out_once(world: World) -> None:
    await world.connect(quiet_hours=QuietHours(starts="09:00", ends="09:01"))  # it is nine o'clock at Lamna
    for _ in range(2):
        await texts.send(order(), world)
    assert (await world.state(order()), world.sms.asked) == ("none", [])
    waiting = await world.store.raw_queue(Queue.SMS_OUTBOUND).get_queue_properties()
    assert (waiting.approximate_message_count, await world.queued(Queue.SMS_OUTBOUND)) == (2, [])
    world.clock.moment = NOW + timedelta(minutes=1)
    for _ in range(2):
        await texts.send(order(), world)
    assert (len(world.sms.phones), await world.state(order())) == (1, "accepted")


@pytest.mark.feature("F5.17")
async def test_a_cancellation_does_not_wait(world: World) -> None:
    await texts.send(order(), world)
    await world.connect(quiet_hours=QuietHours(starts="09:00", ends="18:00"))
    await world.book(version=2, facts={"standing": "cancelled"})
    await texts.send(order(version=2), world)
    assert await world.state(order(version=2)) == "accepted"


@pytest.mark.promise("P2")
@pytest.mark.feature("F5.17")
async def test_a_text_under_way_is_asked_again_as_the_same_though_quiet_hours_began(world: World) -> None:
    world.sms.script = [text_world.lost]
    with pytest.raises(Later):
        await texts.send(order(), world)
    await world.connect(quiet_hours=QuietHours(starts="09:00", ends="18:00"))
    await texts.send(order(), world)
    assert (len(world.sms.phones), await world.state(order())) == (1, "accepted")


# --- test texts ----------------------------------------------------------------------------------------------------


async def asked(world: World, **changes: Any) -> TrialText:
    """The message of a test text that adam asked for."""
    usual = {"number": PHONE, "occasion": "booked", "language": "en"} | changes
    connection, _ = await world.connections.find(CONNECTION)
    await trial_texts.ask(str(uuid4()), connection, **usual, who=ADAM, deps=world)
    client = world.store.raw_queue(Queue.TRIAL_TEXTS)
    [message] = [one async for one in client.receive_messages()]
    await client.delete_message(message)
    return world.queues.open(base64.b64decode(message.content), TrialText)


async def state(world: World, order: TrialText) -> str:
    connection, _ = await world.connections.find(CONNECTION)
    text = await trial_texts.find(connection, order.message_id, world)
    return f"{text.state} {text.reason}".strip()


async def test_a_test_text_says_that_it_is_one_and_goes_out_once(world: World) -> None:
    trial = await asked(world)
    assert await state(world, trial) == "new"
    for _ in range(3):
        await trial_texts.send(trial, world)
    [sent] = world.sms.asked
    assert (sent.to, sent.number) == (PHONE, NUMBER)
    assert sent.words.startswith("TEST: Lamna Healthcare: your video visit is on")
    assert await state(world, trial) == "accepted"


@pytest.mark.promise("P2")
@pytest.mark.parametrize("crash", [text_world.killed_before, text_world.killed_after, text_world.lost])
async def test_a_test_text_killed_around_the_call_is_asked_again_as_the_same(world: World, crash: Any) -> None:
    trial = await asked(world)
    world.sms.script = [crash]
    with pytest.raises((Killed, Later)):
        await trial_texts.send(trial, world)
    await world.connect(texts=OWN)
    await trial_texts.send(trial, world)
    assert world.sms.asked[0] == world.sms.asked[1]
    assert (len(world.sms.phones), await state(world, trial)) == (1, "accepted")


@pytest.mark.promise("P2")
async def test_a_test_text_of_which_nobody_knows_is_never_sent_again(world: World) -> None:
    trial = await asked(world)
    world.sms.script = [text_world.lost]
    with pytest.raises(Later):
        await trial_texts.send(trial, world)
    world.clock.moment = NOW + timedelta(minutes=4)
    await trial_texts.send(trial, world)
    assert (len(world.sms.asked), await state(world, trial)) == (1, "unknown not repeatable")


@pytest.mark.promise("P3")
async def test_a_test_text_that_was_given_up_can_be_driven_again(world: World) -> None:
    trial = await asked(world)
    world.sms.script = [text_world.busy]
    with pytest.raises(Later):
        await trial_texts.send(trial, world)
    await trial_texts.gave_up(trial, world, "provider")
    await trial_texts.send(trial, world)
    assert (await state(world, trial), world.sms.phones) == ("parked provider", [])
    await trial_texts.reopen(trial, world)
    await trial_texts.send(trial, world)
    assert (await state(world, trial), len(world.sms.phones)) == ("accepted", 1)


async def test_in_production_one_test_text_a_minute(world: World) -> None:
    await asked(world)
    with pytest.raises(Refused) as refused:
        await asked(world)
    assert refused.value.code is Code.TOO_SOON
    world.clock.moment = NOW + timedelta(minutes=1)
    await asked(world)


async def test_in_test_five_a_minute(world: World) -> None:
    await world.connect("test", allow_list=(world.pseudonyms.of("phone", CONNECTION, PHONE),))
    for _ in range(5):
        await asked(world)
    with pytest.raises(Refused) as refused:
        await asked(world)
    assert refused.value.code is Code.TOO_SOON


async def test_in_test_only_the_allow_list_gets_one_and_only_while_it_is_listed(world: World) -> None:
    await world.connect("test")
    with pytest.raises(Refused, match="allow list"):
        await asked(world)
    await world.connect("test", allow_list=(world.pseudonyms.of("phone", CONNECTION, PHONE),))
    trial = await asked(world)
    await world.connect("test")
    await trial_texts.send(trial, world)
    assert (await state(world, trial), world.sms.asked) == ("skipped not on the allow list", [])


@pytest.mark.feature("F5.3")
@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"may_send_for_us": False}, "consent missing"),
        ({"patients_have_consented": False}, "consent missing"),
        ({"number": None}, "no number linked"),
    ],
)
async def test_without_consents_or_a_number_nothing_is_sent(world: World, setting: Any, why: str) -> None:
    trial = await asked(world)
    await world.connect(**setting)
    with pytest.raises(Refused) as refused:
        await asked(world)
    assert (refused.value.code, refused.value.fields) == (Code.TEXTS_NOT_READY, (f"sms: {why}",))
    await trial_texts.send(trial, world)
    assert (await state(world, trial), world.sms.asked) == (f"skipped {why}", [])


@pytest.mark.feature("F5.14")
async def test_stop_holds_for_test_texts_too(world: World) -> None:
    await world.opt_outs.stop(NUMBER, PHONE, NOW, "inbound")
    trial = await asked(world)
    await trial_texts.send(trial, world)
    assert (await state(world, trial), world.sms.asked) == ("skipped opted out", [])


@pytest.mark.promise("P8")
async def test_no_row_or_log_line_of_a_test_text_holds_the_number(world: World, caplog: Any) -> None:
    trial = await asked(world)
    await trial_texts.send(trial, world)
    found = await world.texts.find(f"{CONNECTION}|{trial.day}", trial.message_id)
    assert found
    assert PHONE not in f"{found}{caplog.text}"


async def test_a_text_of_another_connection_or_of_a_patient_is_not_shown(world: World) -> None:
    await texts.send(order(), world)
    connection, _ = await world.connections.find(CONNECTION)
    for text_id in (order().message_id, "nobody"):
        with pytest.raises(Refused) as refused:
            await trial_texts.find(connection, text_id, world)
        assert refused.value.code is Code.NOT_FOUND
