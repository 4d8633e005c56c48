"""What becomes of a text that is not, or no longer, sent."""

from typing import Any

import pytest

from shared.domain import texts
from shared.domain.permission import Skip
from shared.domain.texts import State, Text

pytestmark = pytest.mark.feature("F5.3", "F5.8", "F5.9")


def text(state: State, **more: Any) -> Text:
    return Text(appointment="k", kind="confirmation", slot=0, version=1, state=state, **more)


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
