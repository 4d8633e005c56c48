"""A launch: what its context says, which visit that is, and when one may come in."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain import launch
from shared.domain.connection import ContextNames, LaunchSetup
from shared.domain.launch import Context, Place
from shared.domain.visit import Role
from shared.errors import Code, Refused

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
STATE = "Abcdefgh" + "x" * 24


def known(csn: str | None = None, session: str | None = None) -> Context:
    return Context(csn, session, None, None, None)


@pytest.mark.feature("F4.7", "F4.8")
def test_the_usual_context_is_read_by_its_usual_names():
    extras = {"csn": "9001", "sessionid": "77", "externalid": "19001", "departmentid": "101", "fname": "Pat ",
              "lname": " QUILL feather"}  # fmt: skip
    found = launch.context(extras, ContextNames())
    assert found == Context("9001", "77", "19001", "101", "feather pat quill")


def test_every_member_of_the_context_is_optional():
    assert launch.context({}, ContextNames()) == Context(None, None, None, None, None)


def test_names_are_the_hospitals_and_case_does_not_matter():
    assert launch.context({"visitid": "9001"}, ContextNames(csn="VisitID")).csn == "9001"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("9001", "9001"),
        (" 9001 ", "9001"),
        ("+165790", "165790"),  # epic.md 1.6
        (" 165790", "165790"),
        ("a.b_c-d", "a.b_c-d"),
        ("", None),
        ("%CSN%", None),  # a mnemonic that was left unfilled
        ("9001 9002", None),
        ("9001\n", "9001"),
        ("١٢٣", None),
        ("9" * 65, None),
        ("<b>", None),
    ],
)
def test_an_id_is_what_epic_writes_as_one(value: str, wanted: str | None):
    found = launch.context({"csn": value, "externalid": value}, ContextNames())
    assert (found.csn, found.external_id) == (wanted, wanted)


@pytest.mark.parametrize(("first", "last"), [("Pat", ""), ("", "Quill"), ("", "")])
def test_half_a_name_is_none(first: str, last: str):
    assert launch.context({"fname": first, "lname": last}, ContextNames()).name is None


@pytest.mark.parametrize(
    ("context", "read", "wanted"),
    [
        (known("1"), None, ("1", None)),
        (known("1", "1"), None, ("1", None)),  # sessionId=%CSN%: not a group
        (known("1", "7"), None, ("1", "7")),  # sessionId=%CONFERENCEID%
        (known(None, "7"), "1", ("1", "7")),
        (known(None, "1"), "1", ("1", None)),
        (known(), "1", ("1", None)),
        (known("1"), "2", ("1", None)),  # what the launch record says wins
    ],
)
def test_a_session_that_differs_from_the_csn_is_a_groups(context: Context, read: str | None, wanted: tuple[str, str]):
    found = launch.place(context, read, None, None)
    assert (found.csn, found.session) == wanted


@pytest.mark.parametrize("context", [known(), known(None, "7")])
def test_without_a_csn_no_visit_is_guessed(context: Context):
    with pytest.raises(Refused) as refusal:
        launch.place(context, None, NOW, NOW)
    assert refusal.value.code is Code.VISIT_UNKNOWN


def test_a_place_keeps_the_times_that_were_read():
    found = launch.place(known("1"), "1", NOW, NOW + timedelta(minutes=20))
    assert found == Place(csn="1", start=NOW, end=NOW + timedelta(minutes=20))


MINUTE = timedelta(minutes=1)


@pytest.mark.feature("F8.12")
@pytest.mark.parametrize(
    ("role", "at", "wanted"),
    [
        ("patient", -31 * MINUTE, "early"),
        ("patient", -30 * MINUTE, "open"),
        ("proxy", -31 * MINUTE, "early"),
        ("staff", -timedelta(days=3), "open"),
        ("patient", 60 * MINUTE, "open"),
        ("patient", 300 * MINUTE, "open"),
        ("patient", 301 * MINUTE, "over"),
        ("staff", 301 * MINUTE, "over"),
    ],
)
def test_patients_may_come_from_half_an_hour_before_until_four_hours_after(role: Role, at: timedelta, wanted: str):
    assert launch.moment(NOW, NOW + timedelta(hours=1), role, LaunchSetup(), NOW + at) == wanted


def test_the_window_is_the_hospitals_setting():
    setup = LaunchSetup(patient_early_minutes=5, late_minutes=0)
    assert launch.opens(NOW, setup) == NOW - 5 * MINUTE
    assert launch.moment(NOW, NOW + MINUTE, "patient", setup, NOW + 2 * MINUTE) == "over"


@pytest.mark.parametrize(
    ("returned", "after", "good"),
    [
        (STATE, timedelta(), True),
        (STATE, timedelta(minutes=10), True),
        (STATE, timedelta(minutes=10, seconds=1), False),
        (STATE, -timedelta(seconds=1), False),
        (STATE[:-1], timedelta(), False),
        ("", timedelta(), False),
        ("é", timedelta(), False),
    ],
)
def test_a_state_must_come_back_as_it_was_and_in_time(returned: str, after: timedelta, good: bool):
    assert launch.still_good(STATE, returned, NOW, NOW + after) is good


@pytest.mark.parametrize(
    ("state", "name"), [(STATE, "Abcdefgh"), ("", ""), (STATE + "x", ""), (";" * 32, ""), (STATE[:-1] + "\n", "")]
)
def test_only_a_state_of_ours_names_a_cookie(state: str, name: str):
    assert launch.cookie_of(state) == name
