"""Whether a text may go out, as a table; and what it then says."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from shared.domain import permission, texts
from shared.domain.appointment import Appointment, Facts, Told
from shared.domain.connection import Connection, SmsSetup
from shared.domain.permission import Scene, Skip
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
    assert permission.why_not(scene()) is None
    assert permission.why_not(scene(REMINDER)) is None


ALLOWED = connection("test", {"allow_list": ("pseudonym",)})
REFUSED = [
    ("suspended", scene(at=connection(suspended=True)), Skip.NOT_SERVING),
    ("switched off", scene(at=connection(off=True)), Skip.NOT_SERVING),
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
    assert permission.why_not(at) == reason


def test_after_stop_nothing_goes_out() -> None:
    at = scene()
    assert (
        permission.why_not(Scene(at.order, at.appointment, at.connection, NOW, "p", opted_out=True)) == Skip.OPTED_OUT
    )


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
    assert permission.why_not(at) is None
    text = texts.said(texts.ordered("k", at.order), at)
    assert (text.occasion, text.first) == wanted


def test_a_cancellation_names_the_time_the_patient_knows() -> None:
    moved_and_cancelled = {"standing": "cancelled", "start": START + timedelta(hours=2)}
    assert permission.known_start(scene(Asked(version=2), version=2, facts=moved_and_cancelled, told=BOOKED)) == START
