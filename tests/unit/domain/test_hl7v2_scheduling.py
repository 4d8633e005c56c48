from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.hl7v2 import envelope, scheduling
from shared.domain.hl7v2.errors import Unreadable, WrongType
from shared.domain.hl7v2.event import Action, Ignored, Note, Order, PhoneNote, Said
from shared.domain.hl7v2.settings import FieldMap, IdField
from tests.unit.domain import hl7_samples as samples
from tests.unit.domain.hl7_samples import siu

pytestmark = pytest.mark.feature("F6.4")

CHICAGO = FieldMap("America/Chicago")
ARRIVED = datetime(2026, 3, 2, 15, 0, 30, tzinfo=UTC)  # 09:00:30 in Chicago


def read(text, fields=CHICAGO, arrived=ARRIVED):
    (message,) = envelope.split(text).messages
    return scheduling.read(message, fields, arrived)


def refused(text, fields=CHICAGO):
    """(code, segment^sequence^field) of the fault."""
    with pytest.raises((Unreadable, WrongType)) as caught:
        read(text, fields)
    return caught.type, caught.value.code.value, "^".join(caught.value.place.parts())


def test_a_plain_booking_is_read_whole():
    event = read(siu())
    assert (event.trigger, event.action, event.csn) == ("S12", Action.BOOK, "900100")
    assert (event.start, event.end) == (utc("2026-03-10T19:00"), utc("2026-03-10T19:30"))
    assert (event.start_said, event.minutes) == (Said.GIVEN, 30)
    assert (event.phone, event.phone_said, event.phone_note) == ("+16085550142", Said.GIVEN, PhoneNote.TYPED)
    assert (event.language, event.department) == ("en", "CARD")
    assert (event.sender, event.control_id, event.notes) == ("EPIC^SIU_GENERIC|LAMNA", "4242", ())
    assert event.order == Order(utc("2026-03-02T15:00"), ARRIVED, 0, "4242")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("trigger", "action"),
    [
        ("S12", Action.BOOK),
        ("S13", Action.MOVE),
        ("S14", Action.MODIFY),
        ("S15", Action.CANCEL),
        ("S16", Action.CANCEL),
        ("S17", Action.CANCEL),
        ("S26", Action.NO_SHOW),
    ],
)
def test_the_trigger_event_decides_the_action(trigger, action):
    assert read(siu(trigger, SCH_25="Booked")).action is action


@pytest.mark.parametrize("trigger", ["S18", "S19", "S20", "S21", "S22", "S23", "S24", "S25", "S99", "SXX"])
def test_other_scheduling_events_are_taken_and_ignored_even_without_any_field(trigger):
    assert read(siu(trigger, SCH_2="", PV1_19="", SCH_11="")) == Ignored(trigger, "EPIC^SIU_GENERIC|LAMNA", "4242")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"MSH_9": "ADT^A01^ADT_A01"}, (WrongType, "200", "MSH^1^9")),
        ({"MSH_9": ""}, (WrongType, "200", "MSH^1^9")),
        ({"MSH_9": "SIU"}, (WrongType, "201", "MSH^1^9")),
        ({"MSH_9": "SIU^S1"}, (WrongType, "201", "MSH^1^9")),
        ({"MSH_9": "SIU^S1234"}, (WrongType, "201", "MSH^1^9")),
        ({"MSH_4": "x" * 228}, (Unreadable, "102", "MSH^1^4")),
        ({"MSH_11": "X"}, (WrongType, "202", "MSH^1^11")),
        ({"MSH_12": "3.0"}, (WrongType, "203", "MSH^1^12")),
        ({"MSH_12": "2"}, (WrongType, "203", "MSH^1^12")),
        ({"MSH_12": "2.5" + "1" * 9000}, (WrongType, "203", "MSH^1^12")),
        ({"MSH_10": ""}, (Unreadable, "101", "MSH^1^10")),
        ({"MSH_10": "x" * 200}, (Unreadable, "102", "MSH^1^10")),
        ({"PV1_19": "", "SCH_2": ""}, (Unreadable, "101", "PV1^1^19")),
        ({"PV1_19": "9" * 200}, (Unreadable, "102", "PV1^1^19")),
        ({"SCH_11": ""}, (Unreadable, "101", "SCH^1^11")),
        ({"SCH_11": '^^^""'}, (Unreadable, "101", "SCH^1^11")),
        ({"SCH_11": "^^^20260310"}, (Unreadable, "102", "SCH^1^11")),
        ({"SCH_11": "^^^next week"}, (Unreadable, "102", "SCH^1^11")),
        ({"SCH_11": "", "TQ1": "TQ1|1||||||20260310"}, (Unreadable, "102", "TQ1^1^7")),
    ],
)
def test_a_message_that_cannot_be_taken_says_which_field(fields, expected):
    assert refused(siu(**fields)) == expected


def test_a_move_needs_a_start_and_other_events_do_not():
    assert refused(siu("S13", SCH_11=""))[1:] == ("101", "SCH^1^11")
    for trigger in ("S14", "S15", "S16", "S17", "S26"):
        assert read(siu(trigger, SCH_11="")).start_said is Said.ABSENT


@pytest.mark.parametrize(
    "fields", [{"MSH_11": "", "MSH_12": ""}, {"MSH_11": "T"}, {"MSH_11": "D^A", "MSH_12": "2.3.1"}]
)
def test_a_header_that_ends_early_and_test_messages_are_taken(fields):
    assert read(siu(**fields)).csn == "900100"


def test_a_connection_can_refuse_test_messages():
    assert refused(siu(MSH_11="T"), FieldMap("UTC", processing_ids=frozenset({"P"})))[1:] == ("202", "MSH^1^11")


@pytest.mark.parametrize(
    ("said", "start_said", "start"),
    [
        ("^^^20260310140000", Said.GIVEN, "2026-03-10T19:00"),
        ("", Said.ABSENT, None),
        ('^^^""', Said.DELETED, None),
        ('""', Said.DELETED, None),
        ("^^^20260310", Said.UNUSABLE, None),
        ("^^^tomorrow", Said.UNUSABLE, None),
    ],
)
def test_a_start_left_out_deleted_or_unusable_is_told_apart(said, start_said, start):
    event = read(siu("S14", SCH_11=said))
    assert (event.start_said, event.start) == (start_said, utc(start) if start else None)


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"TQ1": "TQ1|1||||||20260311080000-0600"}, "2026-03-11T14:00"),
        ({"TQ1": "TQ1|1||||||20260311080000", "MSH_12": "2.4"}, "2026-03-10T19:00"),
        ({"TQ1": "TQ1|1"}, "2026-03-10T19:00"),
        ({"TQ1": "TQ1|1||||||20260311"}, "2026-03-10T19:00"),
        ({"SCH_11": "", "AIS": "AIS|1||V|20260312090000\rAIP|1|||||20260312083000"}, "2026-03-12T13:30"),
        ({"SCH_11": "", "AIG": "AIG|1|||||||20260312090000", "AIS": "AIS|1||V|20260301"}, "2026-03-12T14:00"),
    ],
)
def test_the_start_is_looked_for_in_order(fields, start):
    assert read(siu(**fields)).start == utc(start)


@pytest.mark.parametrize(
    ("fields", "minutes", "odd"),
    [
        ({"SCH_11": "^^^20260310140000^20260310144500"}, 45, False),
        ({"SCH_11": "^^^20260310140000^20260310140100"}, 30, True),  # a minute: ignored, SCH-9 next
        ({"SCH_11": "^^^20260310140000^20260312140000"}, 30, True),
        ({"SCH_11": "^^^20260310140000^20260310"}, 30, False),
        ({"SCH_11": "^^20^20260310140000", "SCH_9": ""}, 20, False),
        ({"SCH_11": "^^2 hours^20260310140000", "SCH_9": "0"}, None, False),
        ({"SCH_9": "13", "SCH_10": "h"}, None, True),
        ({"SCH_9": "45", "SCH_10": "fortnights"}, None, False),
        ({"TQ1": "TQ1|1||||||20260310140000|20260310141500", "SCH_11": "^^^1^2"}, 15, False),
    ],
)
def test_the_length_is_looked_for_in_order_and_must_be_believable(fields, minutes, odd):
    event = read(siu(**fields))
    assert (event.minutes, Note.LENGTH_IGNORED in event.notes) == (minutes, odd)
    assert event.end == (event.start + timedelta(minutes=minutes) if minutes else None)


@pytest.mark.parametrize(
    ("unit", "minutes"),
    [
        *((unit, 30) for unit in ("MIN", "Min", "min", "m", "MINUTES", "MIN^MINUTES", "m^Minutes", "minute", "")),
        *((unit, None) for unit in ("s", "S", "sec", "Seconds", "d")),  # thirty seconds are no visit
    ],
)
def test_units_are_read_as_senders_write_them(unit, minutes):
    assert read(siu(SCH_9="30", SCH_10=unit)).minutes == minutes


def test_durations_in_seconds_and_hours_count():
    assert read(siu(SCH_9="1800", SCH_10="s")).minutes == 30
    assert read(siu(SCH_9="1.5", SCH_10="Hr")).minutes == 90


def test_a_start_in_the_spring_gap_or_the_autumn_hour_is_read_with_fold_0_and_noted():
    gap, overlap = read(siu(SCH_11="^^^20260308023000")), read(siu(SCH_11="^^^20261101013000"))
    assert (gap.start, overlap.start) == (utc("2026-03-08T08:30"), utc("2026-11-01T06:30"))
    assert (gap.notes, overlap.notes) == ((Note.DST_GAP,), (Note.DST_OVERLAP,))


def test_the_csn_comes_from_the_fields_the_connection_names_in_its_order():
    text = siu("S13", PV1_19="C1^^^ACC", SCH_2="C2^EPC", SCH_1="C3")
    assert read(text).csn == "C1"
    by_appointment = FieldMap("UTC", csn_fields=(IdField.SCH_2, IdField.SCH_1), moved_from=IdField.SCH_1)
    event = read(text, by_appointment)
    assert (event.csn, event.placer_id, event.filler_id, event.moved_from) == ("C2", "C3", "C2", "C3")
    assert read(siu(PV1_19='""', SCH_2="C2")).csn == "C2"


@pytest.mark.parametrize(("trigger", "older"), [("S12", None), ("S13", "OLD"), ("S14", "OLD"), ("S15", None)])
def test_only_a_move_or_a_change_names_an_older_appointment(trigger, older):
    assert read(siu(trigger, SCH_2="OLD")).moved_from == older
    assert read(siu(trigger)).moved_from is None  # the same id is no older one


@pytest.mark.feature("F6.1")
@pytest.mark.parametrize(
    ("pid_13", "number", "said", "note"),
    [
        ("(608)555-0142^PRN^CP", "+16085550142", Said.GIVEN, PhoneNote.TYPED),
        ("(608)555-0142^^CP", "+16085550142", Said.GIVEN, PhoneNote.TYPED),
        ("(608)555-0142^MOBILE", "+16085550142", Said.GIVEN, PhoneNote.TYPED),
        ("(608)555-0199^PRN^PH~(608)555-0142^PRN^CP", "+16085550142", Said.GIVEN, PhoneNote.TYPED),
        ("555-0142^PRN^CP^^^608^5550142", "+16085550142", Said.GIVEN, PhoneNote.TYPED),
        ("^PRN^CP^^1^608^5550142", "+16085550142", Said.GIVEN, PhoneNote.TYPED),
        ("^PRN^CP^^^^^^^^^+1 608 555 0142", "+16085550142", Said.GIVEN, PhoneNote.TYPED),
        ("(608)555-0142", "+16085550142", Said.GIVEN, PhoneNote.UNTYPED),
        ("(608)555-0142~^NET^Internet^erin@example.org", "+16085550142", Said.GIVEN, PhoneNote.UNTYPED),
        ("(608)555-0142~(608)555-0199^^H", "+16085550142", Said.GIVEN, PhoneNote.UNTYPED),
        ("555-0100^^CP~(608)555-0142^^CP", "+16085550142", Said.GIVEN, PhoneNote.TYPED),
        (r"(608)555\X2D\0142^^CP", "+16085550142", Said.GIVEN, PhoneNote.TYPED),
        ("", None, Said.ABSENT, PhoneNote.NONE),
        ('""', None, Said.DELETED, PhoneNote.DELETED),
        ("^NET^Internet^erin@example.org", None, Said.UNUSABLE, PhoneNote.NONE),
        ("^^CP", None, Said.UNUSABLE, PhoneNote.NONE),
        ("(608)555-0142^^FX", None, Said.UNUSABLE, PhoneNote.NONE),
        ("(608)555-0142~(608)555-0199", None, Said.UNUSABLE, PhoneNote.SEVERAL_UNTYPED),
        ("(608)555-0142^PRN^PH", None, Said.UNUSABLE, PhoneNote.HOME_ONLY),
        ("(608)555-0142^WPN^PH", None, Said.UNUSABLE, PhoneNote.WORK_ONLY),
        ("555-0100", None, Said.UNUSABLE, PhoneNote.INVALID),
        ("call the front desk^^CP", None, Said.UNUSABLE, PhoneNote.INVALID),
        ("+44 20 7946 0018^^CP", None, Said.UNUSABLE, PhoneNote.LANDLINE),
        ("800-555-0199^^CP", None, Said.UNUSABLE, PhoneNote.UNSUPPORTED),
    ],
)
def test_the_phone_is_the_mobile_or_the_only_untyped_number(pid_13, number, said, note):
    event = read(siu(PID_13=pid_13))
    assert (event.phone, event.phone_said, event.phone_note) == (number, said, note)


@pytest.mark.parametrize(
    ("pid_13", "fields", "number", "note"),
    [
        ("(608)555-0142^PRN^PH", {"home_phone": True}, "+16085550142", PhoneNote.HOME),
        ("(608)555-0142~(608)555-0199", {"home_phone": True}, "+16085550142", PhoneNote.HOME),
        ("555-0100^^CP~(608)555-0142^^H", {"home_phone": True}, "+16085550142", PhoneNote.HOME),
        ("(608)555-0142^WPN^PH", {"home_phone": True}, None, PhoneNote.WORK_ONLY),
        ("(608)555-0142^WPN^PH", {"work_phone": True}, "+16085550142", PhoneNote.WORK),
    ],
)
def test_a_home_or_work_line_only_if_the_connection_allows_it(pid_13, fields, number, note):
    event = read(siu(PID_13=pid_13), FieldMap("UTC", **fields))
    assert (event.phone, event.phone_note) == (number, note)


def test_pid_14_is_work_and_pid_40_goes_with_pid_13():
    work = siu(PID_13="", PID_14="(608)555-0142^^CP")
    assert (read(work).phone_said, read(work).phone_note) == (Said.ABSENT, PhoneNote.WORK_ONLY)
    assert read(work, FieldMap("UTC", work_phone=True)).phone == "+16085550142"
    assert read(siu(PID_13="", PID_40="(608)555-0142^PRN^CP")).phone == "+16085550142"


def test_a_message_without_pid_says_nothing_about_the_phone():
    text = "\r".join(line for line in siu("S15").split("\r") if not line.startswith("PID"))
    assert read(text).phone_said is Said.ABSENT


@pytest.mark.parametrize(
    ("written", "code", "known"),
    [
        ("English", "en", True),
        ("spa^Spanish^HL70296", "es", True),
        ("zh-Hant", "zh", True),
        ("en_US", "en", True),
        ("EL", "el", True),
        ("", None, True),
        ("Interpreter needed", None, False),
    ],
)
def test_the_language_is_reduced_to_a_code(written, code, known):
    event = read(siu(PID_15=written))
    assert (event.language, Note.LANGUAGE_UNKNOWN not in event.notes) == (code, known)


def test_visit_types_keep_only_what_the_connection_looks_for():
    fields = FieldMap("UTC", video_visit_types=frozenset({"VID", "VIDEO VISIT", "77"}))
    assert (read(siu(), fields).visit_types, read(siu(), fields).video) == (("VIDEO VISIT", "VID"), True)
    other = read(siu(SCH_7="severe headache"), fields)
    assert (other.visit_types, other.video) == ((), False)
    by_service = read(siu(SCH_7="headache", AIS="AIS|1||77^TELE"), fields)
    assert (by_service.visit_types, by_service.video) == (("77",), True)
    assert read(siu("S15", SCH_7=""), fields).video is None
    assert read(siu()).video is True  # no list: the feed is video visits only


def test_a_status_decides_only_where_the_connection_says_so():
    fields = FieldMap("UTC", status_actions={"3": Action.CANCEL, "1": Action.BOOK})
    assert read(siu("S14", SCH_25="3^CAN")).action is Action.MODIFY
    cancelled = read(siu("S14", SCH_25="3^CAN", SCH_11=""), fields)
    assert (cancelled.action, cancelled.notes) == (Action.CANCEL, (Note.STATUS_DECIDED,))
    assert read(siu("S15", SCH_25="1^SCH"), fields).action is Action.CANCEL


@pytest.mark.parametrize(
    ("msh_7", "sent", "ordered_by", "notes"),
    [
        ("20260302090000", "2026-03-02T15:00:00", "2026-03-02T15:00:00", ()),
        ("20260302091029", "2026-03-02T15:10:29", "2026-03-02T15:10:29", ()),
        ("20260302091031", "2026-03-02T15:10:31", None, (Note.SENT_AHEAD,)),
        ("202603020900", "2026-03-02T15:00:00", None, (Note.SENT_IMPRECISE,)),
        ("2026030209", None, None, (Note.SENT_IMPRECISE,)),
        ("20260302", None, None, (Note.SENT_IMPRECISE,)),
        ("", None, None, (Note.SENT_MISSING,)),
        ("yesterday", None, None, (Note.SENT_MALFORMED,)),
        ("20260227100000", "2026-02-27T16:00:00", "2026-02-27T16:00:00", ()),
    ],
)
def test_the_senders_time_orders_events_unless_it_cannot_be_trusted(msh_7, sent, ordered_by, notes):
    event = read(siu(MSH_7=msh_7))
    assert event.sent == (utc(sent) if sent else None)
    assert event.order.sent == (utc(ordered_by) if ordered_by else ARRIVED)
    assert event.notes == notes


def test_in_the_autumn_hour_messages_are_ordered_by_the_fold_nearest_to_their_arrival():
    first = read(siu(MSH_7="20261101013000"), arrived=utc("2026-11-01T06:30:02"))
    second = read(siu(MSH_7="20261101012000"), arrived=utc("2026-11-01T07:20:02"))
    assert first.order < second.order
    assert first.notes == second.notes == (Note.DST_OVERLAP,)


MOMENTS = st.integers(1_700_000_000, 1_700_000_003).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
ORDERS = st.builds(Order, MOMENTS, MOMENTS, st.integers(0, 12), st.sampled_from(["1", "2", "10"]))


@given(st.lists(ORDERS, max_size=12, unique=True).flatmap(st.permutations))
def test_the_order_is_total_whatever_the_arrival_and_the_same_as_text(orders):
    placed = sorted(orders)
    assert placed == sorted(orders, key=str)
    assert all(first < second for first, second in pairwise(placed))


def test_nothing_about_the_patient_shows_when_an_event_is_printed():
    shown = repr(read(siu("S13", SCH_2="OLDCSN")))
    assert not [secret for secret in ("900100", "OLDCSN", "555", "EXAMPLE", "E77") if secret in shown]


@pytest.mark.parametrize(
    ("zone", "region", "error"), [("Mars/Base", "US", ZoneInfoNotFoundError), ("UTC", "XX", ValueError)]
)
def test_a_field_map_that_cannot_work_is_refused_when_it_is_made(zone, region, error):
    with pytest.raises(error):
        FieldMap(zone, region)


def test_what_no_sender_needs_is_not_read():
    """Bounds, so that a large body costs little and an event stays small."""
    assert read(siu(PV1_3="x" * 81)).department is None
    assert read(siu(PID_13="^NET^Internet^e@example.org~" * 20 + "(608)555-0142^^CP")).phone_said is Said.UNUSABLE
    assert refused(siu(SCH_11="", ZZ1="\r".join([*["AIS|1"] * 200, "AIS|1|||20260310140000"])))[1:] == (
        "101",
        "SCH^1^11",
    )


@pytest.mark.feature("F5.15")
def test_a_providers_name_is_read_only_where_texts_may_say_it():
    named = FieldMap("America/Chicago", provider_name=True)
    message = siu(ZZ1="AIP|1||400^BEST^TINA^^^Dr.")
    assert read(message).provider is None
    assert read(message, named).provider == "Dr. TINA BEST"
    assert read(siu(PV1_7="9^BEST&VAN^TINA"), named).provider == "TINA BEST"
    assert read(siu(ZZ1="AIP|1||400", PV1_7="9^BEST"), named).provider == "BEST"
    assert read(siu(ZZ1=f"AIP|1||400^{'X' * 81}"), named).provider is None
    assert read(siu(), named).provider is None
    assert "BEST" not in repr(read(message, named))


@pytest.mark.feature("F5.15")
@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"ZZ1": "RGS|1||5001^HEART CLINIC"}, "HEART CLINIC"),
        ({"ZZ1": "AIL|1||055^Room01^^GH Clinic"}, None),
        ({"PV1_3": "CARD^ROOM 4"}, None),
        ({"PV1_3": "CARD", "ZZ1": "RGS|1||5001"}, None),
    ],
)
def test_a_departments_name_is_told_from_its_code_and_from_a_room(fields, name):
    assert read(siu(**fields)).department_name == name


@pytest.mark.feature("F5.15")
def test_of_the_listed_visit_types_names_come_before_codes():
    listed = FieldMap("America/Chicago", video_visit_types=frozenset({"VID", "Video visit", "Check-up"}))
    assert read(siu(SCH_7="VID^Video visit"), listed).visit_types == ("Video visit", "VID")
    assert read(siu(SCH_7="VID^Chest pain"), listed).visit_types == ("VID",)
    assert read(siu(SCH_7="", SCH_8="VID^Check-up"), listed).visit_types == ("Check-up", "VID")
    assert read(siu(SCH_7="VID", ZZ1="AIS|1||VID^Video visit"), listed).visit_types == ("Video visit", "VID")


def test_epics_own_booking():
    event = read(samples.EPIC_S12)
    assert (event.csn, event.start, event.minutes) == ("36996", utc("2010-05-27T16:15"), 30)
    assert (event.phone, event.phone_note, event.department) == (None, PhoneNote.INVALID, "1")
    assert event.sent == utc("2010-05-27T16:09")


def test_version_2_8_is_read_from_tq1():
    event = read(samples.V28_S12)
    assert (event.csn, event.start, event.minutes) == ("5001", utc("2021-09-24T07:15"), 50)
    assert (event.phone_note, event.language, event.filler_id) == (PhoneNote.INVALID, "ar", "36996")


def test_a_change_with_nothing_but_a_start():
    event = read(samples.LATIN_S14)
    assert (event.csn, event.start, event.minutes) == ("A25335451569", utc("2018-09-12T20:48"), None)
    assert (event.phone_said, event.department) == (Said.ABSENT, "8712")


def test_phones_in_parts():
    event = read(siu(PID_13=samples.PHONES_IN_PARTS))
    assert (event.phone, event.phone_note) == ("+16085550107", PhoneNote.TYPED)


def test_four_resource_groups_and_a_control_id_with_a_blank():
    event = read(samples.FOUR_GROUPS)
    assert (event.csn, event.minutes, event.department, event.control_id) == ("C-88", 45, "G1", "4711")


def test_custom_delimiters_escapes_and_empty_segments():
    text = siu(MSH_3="A", SCH_7="VID", PV1_3=r"EAR\T\NOSE", SCH_25="1", MSH_9="SIU^S12")
    custom = text.translate(str.maketrans("|^~\\&", "#!@%*"))
    event = read(custom + "\rNTE\rAIS")
    assert (event.csn, event.phone, event.department) == ("900100", "+16085550142", "EAR*NOSE")
    assert read(siu(PV1_3=r"A\.br\B\H\C\N\\E\\Xzz\\Q\\.sp99999999999\D")).department == "A BC\\D"
