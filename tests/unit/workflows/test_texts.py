"""At most one text, whatever is killed when; and nothing that should not be said."""

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.clients.sms import SmsAnswer
from shared.domain.appointment import Told
from shared.domain.delivery import Verdict
from shared.errors import Later
from shared.storage.names import Queue, Table
from shared.workflows import texts
from tests.conftest import Store
from tests.unit.workflows import text_world
from tests.unit.workflows.text_world import CONNECTION, NOW, NUMBER, PHONE, START, Killed, World, order

pytestmark = [pytest.mark.feature("F5.1", "F5.8", "F5.9"), pytest.mark.promise("P2")]

BOOKED = Told(start=START, standing="booked")


@pytest.fixture
async def world(store: Store) -> World:
    made = World(store)
    await made.connect()
    await made.book()
    return made


async def test_a_confirmation_goes_out_once_and_the_appointment_knows(world: World) -> None:
    for _ in range(3):
        await texts.send(order(), world)
    [sent] = world.sms.asked
    assert (sent.id, sent.number, sent.to, sent.first_sent) == (order().message_id, NUMBER, PHONE, NOW)
    assert sent.words.startswith("Lamna Healthcare: your video visit is on Wednesday, March 4 at 9:00 AM.")
    assert "https://visits.example/j?t=tttttttttttttttttttttt" in sent.words
    assert (await world.state(order()), await world.told()) == ("accepted", BOOKED)


async def test_a_reminder_after_a_confirmation_does_not_repeat_how_to_opt_out(world: World) -> None:
    await texts.send(order(), world)
    await texts.send(order("reminder", 60), world)
    assert ["STOP" in sent.words for sent in world.sms.phones] == [True, False]


async def test_what_is_not_wanted_is_skipped_with_the_reason_and_asked_of_nobody(world: World) -> None:
    await world.book(version=2)
    await texts.send(order(version=1), world)
    assert (await world.state(order(version=1)), world.sms.asked) == ("skipped another version", [])


async def test_an_order_for_an_appointment_that_is_gone_is_skipped(world: World) -> None:
    await texts.send(order(key="other"), world)
    assert await world.state(order(key="other")) == "skipped appointment gone"


async def test_a_number_that_comes_with_a_later_message_is_texted(world: World) -> None:
    await world.book("late", facts={"phone": None})
    await texts.send(order(key="late"), world)
    assert await world.state(order(key="late")) == "skipped no phone"
    await world.book("late")
    await texts.send(order(key="late"), world)
    assert (await world.state(order(key="late")), len(world.sms.phones)) == ("accepted", 1)


async def test_a_setting_switched_on_does_not_set_off_what_was_booked_before(world: World) -> None:
    await world.connect(confirmations=False)
    await texts.send(order(), world)
    await world.connect()
    await texts.send(order(), world)
    assert (await world.state(order()), world.sms.asked) == ("skipped kind switched off", [])


async def test_a_fault_of_our_own_is_an_alarm(world: World, caplog: Any) -> None:
    world.sms.script = [lambda *_: SmsAnswer(Verdict.BUSY, code="401", ours=True)]
    with pytest.raises(Later):
        await texts.send(order(), world)
    alarms = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert alarms == [f"texts refused by the provider connection={CONNECTION} code=401"]


@pytest.mark.feature("F5.14")
async def test_stop_is_honoured_until_start(world: World) -> None:
    await world.opt_outs.stop(NUMBER, PHONE, NOW, "inbound")
    await texts.send(order(), world)
    assert (await world.state(order()), world.sms.asked) == ("skipped opted out", [])
    await world.opt_outs.start(NUMBER, PHONE, NOW + timedelta(minutes=1))
    await texts.send(order("reminder", 60), world)
    assert len(world.sms.phones) == 1


async def test_a_test_connection_texts_only_its_list(world: World) -> None:
    await world.connect("test")
    await texts.send(order(), world)
    assert await world.state(order()) == "skipped not on the allow list"
    allowed = world.pseudonyms.of("phone", order().connection, PHONE)
    await world.connect("test", allow_list=(allowed,))
    await texts.send(order("reminder", 60), world)
    assert len(world.sms.phones) == 1


@pytest.mark.parametrize("crash", [text_world.killed_before, text_world.killed_after])
async def test_killed_around_the_call_it_is_asked_again_as_the_same(world: World, crash: Any) -> None:
    world.sms.script = [crash]
    with pytest.raises(Killed):
        await texts.send(order(), world)
    world.clock.moment = NOW + timedelta(minutes=3, seconds=59)
    await texts.send(order(), world)
    assert world.sms.asked[0] == world.sms.asked[1]
    assert (len(world.sms.phones), await world.state(order())) == (1, "accepted")


@pytest.mark.parametrize(("crash", "sent"), [(text_world.killed_before, 0), (text_world.killed_after, 1)])
async def test_killed_and_back_after_four_minutes_it_is_unknown_and_never_sent_again(
    world: World, crash: Any, sent: int
) -> None:
    world.sms.script = [crash]
    with pytest.raises(Killed):
        await texts.send(order(), world)
    world.clock.moment = NOW + timedelta(minutes=4)
    for _ in range(2):
        await texts.send(order(), world)
    assert (len(world.sms.asked), len(world.sms.phones)) == (1, sent)
    assert await world.state(order()) == "unknown not repeatable"


@pytest.mark.parametrize("point", range(12))
async def test_killed_at_any_write_the_phone_shows_one_text(world: World, point: int, monkeypatch: Any) -> None:
    """The process dies at the n-th write to a table, before it or right after it; the order comes again."""
    for after in (False, True):
        key = f"k{after}"
        await world.book(key)
        with monkeypatch.context() as patch:
            _kill_at_write(world, patch, point, after=after)
            with contextlib.suppress(Killed):
                await texts.send(order(key=key), world)
        await texts.send(order(key=key), world)
        assert [sent.id for sent in world.sms.phones].count(order(key=key).message_id) == 1
        assert (await world.state(order(key=key)), await world.told(key)) == ("accepted", BOOKED)


def _kill_at_write(world: World, patch: Any, point: int, *, after: bool) -> None:
    left = [point]
    for name in ("insert", "replace", "put", "batch"):
        write = getattr(world.store.tables, name)

        async def dying(*args: Any, write: Any = write) -> Any:
            left[0] -= 1
            if left[0] >= 0:
                return await write(*args)
            if after:
                await write(*args)
            raise Killed

        patch.setattr(world.store.tables, name, dying)


async def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_id(world: World) -> None:
    world.sms.script = [text_world.lost, text_world.lost]
    for _ in range(2):
        with pytest.raises(Later):
            await texts.send(order(), world)
        assert await world.state(order()) == "sending"
    await texts.send(order(), world)
    assert (len(world.sms.asked), len(world.sms.phones), await world.state(order())) == (3, 1, "accepted")


async def test_throttled_for_an_hour_it_still_goes_out_once(world: World) -> None:
    """A first call that is surely not taken may come again later, as if for the first time."""
    for minute in range(0, 60, 10):
        world.clock.moment = NOW + timedelta(minutes=minute)
        world.sms.script = [text_world.busy]
        with pytest.raises(Later) as later:
            await texts.send(order(), world)
        assert later.value.after == timedelta(seconds=7)
        assert (await world.state(order()), await world.told()) == ("throttled", None)
    world.clock.moment = NOW + timedelta(hours=1)
    await texts.send(order(), world)
    [sent] = world.sms.phones
    assert (sent.first_sent, "STOP" in sent.words, await world.told()) == (NOW + timedelta(hours=1), True, BOOKED)


@pytest.mark.promise("P2")
async def test_busy_answers_are_no_confirmations_the_next_change_is_told(world: World) -> None:
    """A provider that is away for a minute answers as often as a broken feed sends."""
    world.sms.script = [text_world.busy] * 5
    for _ in range(5):
        with pytest.raises(Later):
            await texts.send(order(), world)
        world.clock.moment += timedelta(seconds=20)
    await texts.send(order(), world)
    found = await world.appointments.find("k")
    assert found
    known = {"told": found[0].told, "confirmed": found[0].confirmed}
    await world.book(version=2, facts={"standing": "cancelled"}, **known)
    await texts.send(order(version=2), world)
    assert await world.state(order(version=2)) == "accepted"


async def test_throttled_after_a_lost_answer_proves_nothing(world: World) -> None:
    world.sms.script = [text_world.lost, text_world.busy]
    for _ in range(2):
        with pytest.raises(Later):
            await texts.send(order(), world)
    assert await world.state(order()) == "sending"
    world.clock.moment = NOW + timedelta(minutes=5)
    await texts.send(order(), world)
    assert (len(world.sms.phones), await world.state(order())) == (1, "unknown not repeatable")


async def test_a_throttled_text_of_an_old_version_never_goes_out(world: World) -> None:
    world.sms.script = [text_world.busy]
    with pytest.raises(Later):
        await texts.send(order(), world)
    await world.book(version=2, facts={"standing": "cancelled"})
    for version in (1, 2):
        await texts.send(order(version=version), world)
    states = [await world.state(order(version=version)) for version in (1, 2)]
    assert (states, world.sms.phones) == (["skipped another version", "skipped never told"], [])


async def test_a_change_between_claim_and_call_stops_the_text(world: World, monkeypatch: Any) -> None:
    """The claim stands, then the appointment moves on: nothing is asked, and the change is told instead."""
    put = world.lookups.put

    async def overtaken(*args: Any, **facts: Any) -> None:
        await put(*args, **facts)
        await world.book(version=2, facts={"start": START + timedelta(hours=1)})

    with monkeypatch.context() as patch:
        patch.setattr(world.lookups, "put", overtaken)
        await texts.send(order(), world)
    assert (await world.state(order()), world.sms.asked) == ("skipped another version", [])
    await texts.send(order(version=2), world)
    [sent] = world.sms.phones
    assert "your video visit is on Wednesday, March 4 at 10:00 AM" in sent.words


@pytest.mark.parametrize("change", [{"facts": {"phone": "+16085550102"}}, {"join_token": "u" * 22}])
async def test_a_repetition_that_would_differ_is_not_made(world: World, change: Any) -> None:
    world.sms.script = [text_world.lost]
    with pytest.raises(Later):
        await texts.send(order(), world)
    await world.book(**change)
    await texts.send(order(), world)
    assert (len(world.sms.asked), await world.state(order())) == (1, "unknown not repeatable")


async def test_stop_between_two_tries_leaves_it_unknown(world: World) -> None:
    world.sms.script = [text_world.lost]
    with pytest.raises(Later):
        await texts.send(order(), world)
    await world.opt_outs.stop(NUMBER, PHONE, NOW, "inbound")
    await texts.send(order(), world)
    assert (len(world.sms.asked), await world.state(order())) == (1, "unknown opted out")


async def test_a_refusal_for_good_is_kept_with_its_code_and_the_patient_counts_as_not_told(world: World) -> None:
    world.sms.script = [text_world.failed]
    await texts.send(order(), world)
    text = await world.text(order())
    assert text
    assert (text.state, text.code, await world.told()) == ("failed", "400", None)
    await texts.send(order(), world)
    assert len(world.sms.asked) == 1


async def test_two_deliveries_at_once_are_one_text(world: World) -> None:
    await asyncio.gather(*(texts.send(order(), world) for _ in range(6)))
    assert (len(world.sms.phones), await world.state(order())) == (1, "accepted")


@pytest.mark.parametrize(
    ("script", "state"), [([text_world.busy], "parked provider"), ([text_world.lost], "unknown provider")]
)
async def test_given_up_it_says_so(world: World, script: Any, state: str) -> None:
    world.sms.script = script
    with pytest.raises(Later):
        await texts.send(order(), world)
    await texts.gave_up(order(), world, "provider")
    assert await world.state(order()) == state
    await texts.send(order(), world)
    assert len(world.sms.asked) == 1


@pytest.mark.feature("F12.10")
async def test_no_phone_and_no_words_rest_or_are_logged(world: World, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, "connector")
    world.sms.script = [text_world.lost]
    with pytest.raises(Later):
        await texts.send(order(), world)
    await texts.send(order(), world)
    rows = [row async for row in world.store.raw_table(Table.TEXTS).list_entities()]
    rows += [row async for row in world.store.raw_table(Table.LOOKUPS).list_entities()]
    shown = f"{rows}{caplog.text}"
    assert "state=accepted" in caplog.text
    assert [secret for secret in ("6085550101", "Lamna", "t" * 22, "900100") if secret in shown] == []


async def braked(world: World, count: int, limit: int) -> list[Any]:
    await world.connect(hourly_brake=limit)
    orders = [order(key=f"p{number}") for number in range(count)]
    for one in orders:
        await world.book(one.appointment)
    return orders


async def test_the_brake_lets_exactly_its_number_through(world: World, caplog: Any) -> None:
    caplog.set_level(logging.ERROR, "connector")
    orders = await braked(world, 9, 4)
    for group in (orders[:3], orders[3:], orders):  # some come again
        await asyncio.gather(*(patiently(one, world) for one in group))
    assert len(world.sms.phones) == 4
    states = sorted([await world.state(one) for one in orders])
    assert states == ["accepted"] * 4 + ["held"] * 5
    assert len([record for record in caplog.records if "held by the hourly brake" in record.getMessage()]) == 1


async def patiently(one: Any, world: World) -> None:
    """As the queue would: again after `Later`."""
    for _ in range(20):
        try:
            return await texts.send(one, world)
        except Later:
            continue
    pytest.fail("never done")


async def test_the_next_hour_counts_anew_and_reminders_do_not_count(world: World) -> None:
    orders = await braked(world, 3, 1)
    for one in orders[:2]:
        await texts.send(one, world)
    await texts.send(order("reminder", 60, key="p2"), world)
    assert len(world.sms.phones) == 2
    world.clock.moment = NOW + timedelta(hours=1)
    await world.book("p3")
    await texts.send(order(key="p3"), world)
    assert len(world.sms.phones) == 3


async def test_released_texts_go_out_past_the_brake_and_are_checked_again(world: World) -> None:
    orders = await braked(world, 3, 0)
    for one in orders:
        await texts.send(one, world)
    connection, _ = await world.connections.find(orders[0].connection)
    assert {one.message_id for one in await texts.held(connection, world)} == {one.message_id for one in orders}
    await world.book("p0", version=2)
    assert await texts.decide(connection, "release", world) == 3
    again = await world.queued(Queue.SMS_OUTBOUND)
    assert len(again) == 3
    for one in [*again, *orders]:
        await texts.send(one, world)
    assert sorted([await world.state(one) for one in orders]) == ["accepted", "accepted", "skipped another version"]
    assert (len(world.sms.phones), await texts.held(connection, world)) == (2, [])


@pytest.mark.promise("P2")
async def test_a_text_that_went_out_stays_so_however_often_held_texts_are_released(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the brake forgot it, sent, its phone erased, released once more, and the phone comes back."""
    connection = await world.connect(hourly_brake=0)
    await world.book()
    await texts.send(order(), world)
    with monkeypatch.context() as patch:
        patch.setattr(world.brake, "forget", _killed)
        with pytest.raises(Killed):
            await texts.decide(connection, "release", world)
    [released] = await world.queued(Queue.SMS_OUTBOUND)
    await texts.send(released, world)
    appointment, row = (await world.appointments.find("k")) or (None, None)
    assert appointment
    bare = appointment.model_copy(update={"facts": appointment.facts.model_copy(update={"phone": None})})
    await world.appointments.save(bare, row)
    assert await texts.decide(connection, "release", world) == 0
    assert await world.state(order()) == "accepted"
    assert len(world.sms.phones) == 1


async def _killed(*_: Any) -> None:
    raise Killed


async def test_a_text_whose_phone_is_gone_is_not_released_and_not_counted(world: World) -> None:
    connection = await world.connect(hourly_brake=0)
    await world.book()
    await texts.send(order(), world)
    await world.book(facts={"phone": None})
    assert await texts.decide(connection, "release", world) == 0
    assert await world.state(order()) == "skipped no phone"
    assert await world.queued(Queue.SMS_OUTBOUND) == []


async def test_dropped_texts_never_go_out(world: World) -> None:
    orders = await braked(world, 2, 0)
    for one in orders:
        await texts.send(one, world)
    connection, _ = await world.connections.find(orders[0].connection)
    assert await texts.decide(connection, "drop", world) == 2
    await world.connect()
    for one in orders:
        await texts.send(one, world)
    assert (await world.queued(Queue.SMS_OUTBOUND), world.sms.asked) == ([], [])
    assert [await world.state(one) for one in orders] == ["dropped", "dropped"]


async def test_a_feed_that_flaps_texts_a_patient_five_times_and_then_a_person_decides(
    world: World, caplog: Any
) -> None:
    """Cancelled, booked, cancelled: each is news, and a broken engine has news every second."""
    caplog.set_level(logging.ERROR, "connector")
    await world.connect()
    orders = [order(version=version) for version in range(1, 21)]
    for one in orders:
        await flapped(one, world)
    assert len(world.sms.phones) == 5
    assert [await world.state(one) for one in orders[5:]] == (["held", "skipped nothing new"] * 8)[:15]
    assert "keeps changing" in caplog.text
    connection, _ = await world.connections.find(orders[0].connection)
    assert await texts.decide(connection, "release", world) == 8
    for one in await world.queued(Queue.SMS_OUTBOUND):
        await texts.send(one, world)
    assert len(world.sms.phones) == 6  # only the version that stands


async def test_a_visit_that_changes_now_and_then_is_always_confirmed(world: World) -> None:
    await world.connect()
    for version in range(1, 13):
        await flapped(order(version=version), world)
        world.clock.moment += timedelta(minutes=13)
    assert len(world.sms.phones) == 12


async def flapped(one: Any, world: World) -> None:
    """The version of this order comes, and its text is worked on."""
    standing = "booked" if one.version % 2 else "cancelled"
    known = await world.appointments.find(one.appointment)
    before = {"confirmed": known[0].confirmed} if known else {}
    await world.book(version=one.version, facts={"standing": standing}, **before)
    await texts.send(one, world)
