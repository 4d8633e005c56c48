"""An order's life as a table: what it needs next, and what may end how."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain import numbers
from shared.domain.numbers import SAID, Cost, Order, Reason, Step, Verification
from shared.errors import Code, Refused
from tests.unit.domain.connections import LAMNA

pytestmark = pytest.mark.feature("F5.4")

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
COST = Cost(amount=2, currency="USD", frequency="monthly")
NUMBER = "+18335550110"
MINUTE = timedelta(minutes=1)


def order(**changes: Any) -> Order:
    usual: dict[str, Any] = {"id": numbers.order_id(LAMNA.tenant, 1), "tenant": LAMNA.tenant, "who": "adam"}
    return Order(**usual | {"at": NOW, "since": NOW} | changes)


FOUND = {"state": "found", "search": "s1", "number": NUMBER, "cost": COST, "held_until": NOW + 15 * MINUTE}
BUYING = FOUND | {"state": "buying", "asked": NOW}

STEPS: list[tuple[str, dict[str, Any], timedelta, Step]] = [
    ("new", {}, 0 * MINUTE, Step.SEARCH),
    ("searched", {"search": "s1", "operation": "o1"}, 0 * MINUTE, Step.SEE_RESULT),
    ("found", FOUND, 0 * MINUTE, Step.BUY),
    ("found, nearly expired", FOUND, 14 * MINUTE, Step.SEARCH_AGAIN),
    ("found, expired", FOUND, 16 * MINUTE, Step.SEARCH_AGAIN),
    ("just asked for", BUYING, timedelta(seconds=29), Step.WAIT),
    ("asked for, no answer", BUYING, timedelta(seconds=30), Step.LOOK),
    ("asked for, expired", BUYING, 20 * MINUTE, Step.LOOK),
    ("purchase runs", BUYING | {"operation": "p1"}, 0 * MINUTE, Step.SEE_PURCHASE),
    ("to be released", FOUND | {"state": "releasing"}, 0 * MINUTE, Step.RELEASE),
    ("release runs", FOUND | {"state": "releasing", "operation": "r1"}, 0 * MINUTE, Step.SEE_RELEASE),
    ("ready", FOUND | {"state": "ready"}, 99 * MINUTE, Step.NOTHING),
    ("failed", BUYING | {"state": "failed"}, 99 * MINUTE, Step.NOTHING),
    ("released", FOUND | {"state": "released"}, 99 * MINUTE, Step.NOTHING),
]


@pytest.mark.parametrize(("facts", "later", "step"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_the_row_alone_says_what_is_next(facts: dict[str, Any], later: timedelta, step: Step):
    assert numbers.next_step(order(**facts), NOW + later) is step


@pytest.mark.parametrize(
    ("minutes", "sure"),
    [(0, False), (14, False), (59, False), (60, True)],
    ids=["held", "expired", "might run", "sure"],
)
def test_a_search_is_given_up_only_when_nothing_can_have_been_bought_on_it(minutes: int, sure: bool):
    assert numbers.never_bought(order(**BUYING), NOW + minutes * MINUTE) is sure


def test_a_search_begun_again_knows_nothing_of_the_one_before():
    again = numbers.search_again(order(**BUYING), NOW)
    assert (again.state, again.number, again.search, again.asked, again.held_until) == ("searching", *[None] * 4)


def test_every_change_of_a_row_is_counted():
    first = order()
    second = numbers.searched(first, "s1", "o1", NOW)
    third = numbers.found(second, NUMBER, COST, NOW + 15 * MINUTE, NOW)
    assert [first.change, second.change, third.change, numbers.intended(third, NOW).change] == [1, 2, 3, 4]


GIVEN_UP: list[tuple[dict[str, Any], str, Reason | None]] = [
    ({}, "failed", Reason.GAVE_UP),
    (FOUND, "failed", Reason.GAVE_UP),
    (BUYING, "failed", Reason.UNCERTAIN),
    (FOUND | {"state": "releasing"}, "ready", Reason.GAVE_UP),
    (FOUND | {"state": "ready"}, "ready", None),
]


@pytest.mark.parametrize(("facts", "state", "reason"), GIVEN_UP)
def test_given_up_is_said_as_what_is_known(facts: dict[str, Any], state: str, reason: Reason | None):
    ended = numbers.given_up(order(**facts), NOW)
    assert (ended.state, ended.reason) == (state, reason)


@pytest.mark.parametrize(
    ("facts", "step"),
    [({}, Step.SEARCH), (FOUND, Step.SEARCH), (BUYING, Step.LOOK)],
    ids=["never asked", "found", "asked"],
)
def test_reopened_it_goes_on_where_it_is_sure(facts: dict[str, Any], step: Step):
    again = numbers.reopened(numbers.given_up(order(**facts), NOW), NOW)
    assert again.reason is None
    assert numbers.next_step(again, NOW + MINUTE) is step


@pytest.mark.parametrize("reason", set(Reason) - {Reason.GAVE_UP, Reason.UNCERTAIN})
def test_what_failed_for_good_is_not_reopened(reason: Reason):
    ended = numbers.failed(order(), reason, NOW)
    assert numbers.reopened(ended, NOW) == ended


@pytest.mark.parametrize(
    ("state", "counts"),
    [("searching", True), ("found", True), ("buying", True), ("ready", True), ("releasing", True), ("failed", False),
     ("released", False)],
)  # fmt: skip
def test_only_what_is_or_may_become_a_number_counts(state: Any, counts: bool):
    assert order(state=state).counts is counts


@pytest.mark.parametrize("state", ["searching", "found", "buying", "failed", "releasing", "released"])
def test_only_a_ready_number_is_given_back_or_verified(state: Any):
    for change in (
        lambda: numbers.releasing(order(state=state), "adam", NOW),
        lambda: numbers.verified(order(state=state), "verified", "adam", NOW),
    ):
        with pytest.raises(Refused) as refused:
            change()
        assert refused.value.code == Code.WRONG_STATE


@pytest.mark.parametrize(
    ("written", "state", "theirs"),
    [(NUMBER, "ready", True), (NUMBER[1:], "ready", True), (NUMBER, "buying", False), (NUMBER, "releasing", False),
     ("+18335550111", "ready", False)],
)  # fmt: skip
@pytest.mark.feature("F5.6")
def test_a_connection_texts_only_from_a_ready_number_however_it_is_spelt(written: str, state: Any, theirs: bool):
    assert numbers.is_of(written, [order(**FOUND | {"state": state})]) is theirs


def test_a_short_code_can_be_linked():
    assert numbers.is_of("73577", [order(state="ready", number="73577", kind="other")])


@pytest.mark.parametrize(
    ("kind", "state", "blocked"),
    [("toll-free", "unverified", True), ("toll-free", "pending", True), ("toll-free", "refused", True),
     ("toll-free", "verified", False), ("other", "unverified", False)],
)  # fmt: skip
@pytest.mark.feature("F5.12")
def test_a_toll_free_number_reaches_nobody_before_it_is_verified(kind: Any, state: Any, blocked: bool):
    seen = numbers.shown(order(**FOUND | {"kind": kind, "verification": Verification(state=state)}), ("c1",))
    assert (seen.blocked, seen.connections) == (blocked, ("c1",))
    assert seen.guide.startswith("https://learn.microsoft.com/")


def test_every_reason_has_words():
    assert set(SAID) == set(Reason)


@pytest.mark.parametrize("id_", ["", "x", f"{LAMNA.tenant.hex}-1", f"{LAMNA.tenant}-0001", "../../0001"])
def test_what_is_no_id_of_an_order_is_not_looked_up(id_: str):
    with pytest.raises(Refused) as refused:
        numbers.tenant_of(id_)
    assert refused.value.code == Code.NOT_FOUND


def test_an_id_says_whose_it_is():
    assert numbers.tenant_of(numbers.order_id(LAMNA.tenant, 12)) == LAMNA.tenant


@pytest.mark.parametrize(("waited", "next_look"), [(0, 2), (20, 5), (240, 60), (4000, 120)])
def test_it_is_looked_at_soon_first_and_then_less_often(waited: int, next_look: int):
    assert numbers.pace(order(), NOW + timedelta(seconds=waited)) == timedelta(seconds=next_look)


def test_an_order_shows_no_number_in_a_log():
    assert "8335550110" not in repr(order(**FOUND))
