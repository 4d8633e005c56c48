"""What the provider's answers and reports make of a text."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from shared.domain import delivery
from shared.domain.delivery import Verdict
from shared.domain.texts import State, Text

pytestmark = pytest.mark.feature("F5.3", "F5.8", "F5.9")

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


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
        assert delivery.answered(text(State.SENDING), verdict, "", "", first_call=first_call).state == state


@pytest.mark.parametrize("state", [State.DELIVERED, State.FAILED])
def test_a_report_that_beat_our_own_write_stands(state: State) -> None:
    after = delivery.answered(text(state), Verdict.ACCEPTED, "Outgoing_1", "202", first_call=True)
    assert (after.state, after.provider_message) == (state, "Outgoing_1")


def test_a_second_delivery_that_was_accepted_outdoes_a_first_that_was_throttled() -> None:
    assert delivery.answered(text(State.THROTTLED), Verdict.ACCEPTED, "m", "", first_call=False).state == State.ACCEPTED


def test_reports_in_any_order_end_the_same() -> None:
    reports = [("failed", "4006", 1), ("failed", "4008", 2), ("delivered", "2000", 3), ("sent", "", 4)]
    for some in (reports, reports[:2], reports[1:]):
        ends = {_after(one) for one in permutations(some)}
        assert len(ends) == 1


def _after(reports: Any) -> tuple[State, str]:
    end = text(State.UNKNOWN)
    for status, code, minute in reports:
        end = delivery.reported(end, status, code, NOW + timedelta(minutes=minute), "m")
    return end.state, end.code if end.state is State.FAILED else ""


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
    assert delivery.status_words(code) == words
