"""Whether a text may go out, as a table; and what becomes of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, Literal

import pytest

from shared.domain import texts
from shared.domain.appointment import Appointment, Facts, Told
from shared.domain.connection import Connection, SmsSetup
from shared.domain.texts import Scene, Skip, State, Text, Verdict
from tests.unit.domain.connections import LAMNA, epic_side, own_side

pytestmark = pytest.mark.feature("F5.3", "F5.8", "F5.9")

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
START = NOW + timedelta(days=1)
PHONE = "+16085550101"
BOOKED = Told(start=START, standing="booked")
CANCELLED = Told(start=START, standing="cancelled")


@dataclass(frozen=True)
class Asked:
    kind: Literal["confirmation", "reminder"] = "confirmation"
    slot: int = 0
    version: int = 1


REMINDER = Asked("reminder", 60)


def connection(environment: str = "production", sms: dict[str, Any] | None = None, **changes: Any) -> Connection:
    setup = {"may_send_for_us": True, "patients_have_consented": True, "number": "+18335550100"} | (sms or {})
    whole = {
        "tenant": LAMNA.tenant,
        "id": "c",
        "organisation": LAMNA.id,
        "environment": environment,
        "own": own_side(sms=SmsSetup(**setup)),
        "active": epic_side(),
    }
    return Connection(**whole | changes)


def scene(order: Asked = Asked(), *, at: Connection | None = None, facts: Any = None, **changes: Any) -> Scene:
    here = {"start": START, "phone": PHONE} | (facts or {})
    usual = {"connection": "c", "key": "k", "csn": "1", "version": 1, "facts": Facts(**here)}
    return Scene(order, Appointment(**usual | changes), at or connection(), NOW, "pseudonym", opted_out=False)


def test_a_consented_booking_is_confirmed_and_reminded_of() -> None:
    assert texts.why_not(scene()) is None
    assert texts.why_not(scene(REMINDER)) is None


ALLOWED = connection("test", {"allow_list": ("pseudonym",)})
REFUSED = [
    ("suspended", scene(at=connection(suspended=True)), Skip.NOT_SERVING),
    ("not approved", scene(at=connection(active=None)), Skip.NOT_SERVING),
    ("no consent to send", scene(at=connection(sms={"may_send_for_us": False})), Skip.NO_CONSENT),
    ("patients not consented", scene(at=connection(sms={"patients_have_consented": False})), Skip.NO_CONSENT),
    ("no number", scene(at=connection(sms={"number": None})), Skip.NO_NUMBER),
    ("confirmations off", scene(at=connection(sms={"confirmations": False})), Skip.KIND_OFF),
    ("interval dropped", scene(REMINDER, at=connection(sms={"reminders": (30,)})), Skip.KIND_OFF),
    ("stale order", scene(Asked(version=1), version=2), Skip.ANOTHER_VERSION),
    ("moved", scene(moved_to="other"), Skip.MOVED),
    ("no-show", scene(facts={"standing": "no-show"}), Skip.STANDING),
    ("no-show reminder", scene(REMINDER, facts={"standing": "no-show"}), Skip.STANDING),
    ("cancelled reminder", scene(REMINDER, facts={"standing": "cancelled"}), Skip.STANDING),
    ("no video visit any more", scene(REMINDER, facts={"video": False}, told=BOOKED), Skip.STANDING),
    ("booked without a time", scene(facts={"start": None}), Skip.STANDING),
    ("cancelled and never told", scene(facts={"standing": "cancelled"}), Skip.NEVER_TOLD),
    ("told the same", scene(Asked(version=3), version=3, told=BOOKED, told_version=1), Skip.NOTHING_NEW),
    ("told by a reminder", scene(told=BOOKED), Skip.NOTHING_NEW),
    (
        "cancelled twice",
        scene(Asked(version=2), version=2, facts={"standing": "cancelled", "start": NOW}, told=CANCELLED),
        Skip.NOTHING_NEW,
    ),
    ("initial load", scene(quiet="initial-load"), Skip.INITIAL_LOAD),
    ("stale message", scene(quiet="stale"), Skip.STALE),
    ("after the start", scene(facts={"start": NOW}), Skip.PAST),
    ("reminder after the start", scene(REMINDER, facts={"start": NOW - timedelta(minutes=1)}), Skip.PAST),
    (
        "cancellation of a past visit",
        scene(
            Asked(version=2),
            version=2,
            facts={"standing": "cancelled", "start": START},
            told=Told(start=NOW - timedelta(hours=1), standing="booked"),
        ),
        Skip.PAST,
    ),
    ("no phone", scene(facts={"phone": None}), Skip.NO_PHONE),
    ("toll-free phone", scene(facts={"phone": "+18005550199"}), Skip.NOT_TEXTABLE),
    ("test, not listed", scene(at=connection("test")), Skip.NOT_ALLOWED),
]


@pytest.mark.parametrize(("at", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_text_is_not_sent_when(at: Scene, reason: Skip) -> None:
    assert texts.why_not(at) == reason


def test_after_stop_nothing_goes_out() -> None:
    at = scene()
    assert texts.why_not(Scene(at.order, at.appointment, at.connection, NOW, "p", opted_out=True)) == Skip.OPTED_OUT


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        (scene(at=ALLOWED), ("booked", True)),
        (scene(REMINDER, quiet="initial-load"), ("reminder", True)),
        (scene(REMINDER, told=BOOKED, told_version=1), ("reminder", False)),
        (scene(facts={"start": START + timedelta(hours=1)}, told=BOOKED), ("changed", False)),
        (scene(facts={"standing": "cancelled"}, told=BOOKED), ("cancelled", False)),
        (scene(Asked(version=3), version=3, told=CANCELLED, told_version=2), ("booked", False)),
        (scene(told=BOOKED, told_version=1), ("booked", True)),  # itself, once more
    ],
)
def test_what_a_text_says_follows_from_what_the_patient_knows(at: Scene, wanted: tuple[str, bool]) -> None:
    assert texts.why_not(at) is None
    text = texts.said(texts.ordered("k", at.order), at)
    assert (text.occasion, text.first) == wanted


def test_a_cancellation_names_the_time_the_patient_knows() -> None:
    moved_and_cancelled = {"standing": "cancelled", "start": START + timedelta(hours=2)}
    assert texts.known_start(scene(Asked(version=2), version=2, facts=moved_and_cancelled, told=BOOKED)) == START


def text(state: State, **more: Any) -> Text:
    return Text(appointment="k", kind="confirmation", slot=0, version=1, state=state, **more)


@pytest.mark.parametrize(
    ("verdict", "first", "repeated"),
    [
        (Verdict.ACCEPTED, State.ACCEPTED, State.ACCEPTED),
        (Verdict.BUSY, State.THROTTLED, State.SENDING),
        (Verdict.UNCERTAIN, State.SENDING, State.SENDING),
        (Verdict.REJECTED, State.UNKNOWN, State.UNKNOWN),
        (Verdict.FAILED, State.FAILED, State.UNKNOWN),
    ],
)
def test_an_answer_after_an_earlier_call_proves_less(verdict: Verdict, first: State, repeated: State) -> None:
    for first_call, state in ((True, first), (False, repeated)):
        assert texts.answered(text(State.SENDING), verdict, "", "", first_call=first_call).state == state


@pytest.mark.parametrize("state", [State.DELIVERED, State.FAILED])
def test_a_report_that_beat_our_own_write_stands(state: State) -> None:
    after = texts.answered(text(state), Verdict.ACCEPTED, "Outgoing_1", "202", first_call=True)
    assert (after.state, after.provider_message) == (state, "Outgoing_1")


def test_a_second_delivery_that_was_accepted_outdoes_a_first_that_was_throttled() -> None:
    assert texts.answered(text(State.THROTTLED), Verdict.ACCEPTED, "m", "", first_call=False).state == State.ACCEPTED


def test_reports_in_any_order_end_the_same() -> None:
    reports = [("failed", "4006", 1), ("failed", "4008", 2), ("delivered", "2000", 3), ("sent", "", 4)]
    for some in (reports, reports[:2], reports[1:]):
        ends = {_after(one) for one in permutations(some)}
        assert len(ends) == 1


def _after(reports: Any) -> tuple[State, str]:
    end = text(State.UNKNOWN)
    for status, code, minute in reports:
        end = texts.reported(end, status, code, NOW + timedelta(minutes=minute), "m")
    return end.state, end.code if end.state is State.FAILED else ""


@pytest.mark.parametrize(
    ("before", "after"),
    [(State.NEW, State.SKIPPED), (State.THROTTLED, State.SKIPPED), (State.SENDING, State.UNKNOWN)],
)
def test_turned_down_after_a_call_is_unknown(before: State, after: State) -> None:
    assert texts.turned_down(text(before), Skip.PAST).state == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (State.NEW, State.PARKED),
        (State.THROTTLED, State.PARKED),
        (State.SENDING, State.UNKNOWN),
        (State.ACCEPTED, State.ACCEPTED),
        (State.HELD, State.HELD),
    ],
)
def test_given_up(before: State, after: State) -> None:
    assert texts.given_up(text(before), "provider").state == after


@pytest.mark.feature("F11.9")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("2000", "Sent"),
        ("4007", "Not Delivered - Blocked by recipient"),
        ("4004", "Not Delivered - Phone number doesn't exist"),
        ("9999", "Not Delivered - Other error"),
        ("", "Not Delivered - Other error"),
    ],
)
def test_codes_have_the_reports_words(code: str, words: str) -> None:
    assert texts.status_words(code) == words
