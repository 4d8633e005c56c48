import logging
import subprocess
import sys
from datetime import UTC, datetime
from itertools import count

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.hl7v2 import intake
from shared.domain.hl7v2.answers import Ack
from shared.domain.hl7v2.errors import UnsupportedMedia
from shared.domain.hl7v2.event import Ignored
from shared.domain.hl7v2.settings import FieldMap
from tests.unit.domain import hl7_samples as samples
from tests.unit.domain.hl7_samples import siu

pytestmark = pytest.mark.feature("F6.6")

CHICAGO = FieldMap("America/Chicago")
ARRIVED = datetime(2026, 3, 2, 15, 0, 30, tzinfo=UTC)


def receive(body, content_type="application/hl7-v2"):
    numbers = count(1)
    data = body if isinstance(body, bytes) else body.encode()
    return intake.receive(data, content_type, CHICAGO, ARRIVED, lambda: f"ACK{next(numbers)}")


def lines(received):
    text = received.answer.decode()
    assert text.endswith("\r")
    return text.split("\r")[:-1]


def test_a_booking_is_accepted_with_the_route_reversed():
    received = receive(siu())
    assert lines(received) == [
        r"MSH|^~\&|CONNECTOR|TEAMS|EPIC^SIU_GENERIC|LAMNA|20260302150030+0000||ACK^S12^ACK|ACK1|P|2.5.1",
        "MSA|AA|4242",
    ]
    assert [event.csn for event in received.events] == ["900100"]


def test_the_answer_has_the_media_type_of_the_request_in_utf_8():
    latin = receive(siu(MSH_3="HÔPITAL").encode("latin-1"), "x-application/hl7-v2+er7; charset=ISO-8859-1")
    assert latin.content_type == "x-application/hl7-v2+er7; charset=utf-8"
    assert "|HÔPITAL|LAMNA|" in latin.answer.decode()


@pytest.mark.parametrize(
    ("version", "err"),
    [
        ("2.3", "ERR|SCH^1^11^101&Required field missing&HL70357"),
        ("2.4", "ERR|SCH^1^11^101&Required field missing&HL70357"),
        ("2.5", "ERR||SCH^1^11|101^Required field missing^HL70357|E"),
        ("2.8", "ERR||SCH^1^11|101^Required field missing^HL70357|E"),
    ],
)
def test_a_booking_without_a_start_is_an_error_that_names_the_field(version, err):
    received = receive(siu(SCH_11="", MSH_12=version))
    assert lines(received)[1:] == ["MSA|AE|4242", err]
    assert received.events == ()


def test_a_wrong_type_is_rejected():
    received = receive(siu(MSH_9="ADT^A01^ADT_A01"))
    assert "|ACK^A01^ACK|" in lines(received)[0]
    assert lines(received)[1:] == ["MSA|AR|4242", "ERR||MSH^1^9|200^Unsupported message type^HL70357|E"]


def test_other_scheduling_events_are_accepted_and_counted():
    received = receive(siu("S18"))
    assert lines(received)[1:] == ["MSA|AA|4242"]
    assert (received.events, [type(outcome.event) for outcome in received.outcomes]) == ((), [Ignored])


def test_a_control_id_is_echoed_as_sent():
    assert lines(receive(samples.FOUR_GROUPS))[1] == "MSA|AA| 4711"


def test_what_a_short_header_leaves_out_is_filled_in():
    received = receive(
        "MSH|^~\\&|||||20220304102435|BKGRND|SIU^S15|521\rPV1||||||||||||||||||||C1".replace("|C1", "C1")
    )
    assert lines(received) == [r"MSH|^~\&|||||20260302150030+0000||ACK^S15^ACK|ACK1|P|2.3", "MSA|AA|521"]


def test_custom_delimiters_are_used_in_the_answer():
    custom = siu(SCH_11="", MSH_7="", PID_13="", MSH_9="SIU^S12").translate(str.maketrans("|^~\\&", "#!@%*"))
    assert lines(receive(custom)) == [
        "MSH#!@%*#CONNECTOR#TEAMS#EPIC!SIU_GENERIC#LAMNA#20260302150030+0000##ACK!S12!ACK#ACK1#P#2.5.1",
        "MSA#AE#4242",
        "ERR##SCH!1!11#101!Required field missing!HL70357#E",
    ]


def test_delimiters_that_cannot_be_read_are_answered_under_the_standard_ones():
    received = receive(siu().replace(r"^~\&", "^^~~^", 1))
    assert lines(received) == [
        r"MSH|^~\&|CONNECTOR|TEAMS||LAMNA|20260302150030+0000||ACK^S12^ACK|ACK1|P|2.5.1",
        "MSA|AE|4242",
        "ERR||MSH^1^2|102^Data type error^HL70357|E",
    ]


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe", b"PID|1||2", b"%PDF-1.7", b"\r\n\r\n", "MSH|".encode("utf-16")])
def test_a_body_without_a_message_gets_one_error(body):
    received = receive(body)
    assert lines(received) == [
        r"MSH|^~\&|||||20260302150030+0000||ACK|ACK1|P|2.3",
        "MSA|AE|",
        "ERR|MSH^1^^100&Segment sequence error&HL70357",
    ]
    assert [outcome.ack for outcome in received.outcomes] == [Ack.ERROR]


def test_a_body_outside_its_character_set_is_answered_message_by_message_and_nothing_of_it_read():
    """Over HTTP the Content-Type decides: MSH-18 does not help (epic.md 4.3)."""
    body = samples.LATIN_S14.encode("latin-1")
    received = receive(body)
    assert lines(received)[1:] == ["MSA|AE|A25335484220154822", "ERR|MSH^1^18^102&Data type error&HL70357"]
    assert received.events == ()
    assert len(receive(body, "text/plain; charset=latin1").events) == 1


def test_a_body_without_batch_headers_gets_one_answer_per_message():
    received = receive(samples.UNWRAPPED_BATCH)
    assert [event.action for event in received.events] == ["book", "modify", "cancel"]
    assert [line for line in lines(received) if line.startswith("MSA")] == [
        "MSA|AA|24916560",
        "MSA|AA|24916579",
        "MSA|AA|24916597",
    ]
    assert received.events[1].order < received.events[2].order  # the same MSH-7: the position decides


def test_one_bad_message_in_a_batch_spoils_no_other():
    body = "\r".join((siu(MSH_10="1"), siu(MSH_10="2", SCH_11=""), siu(MSH_9="ADT^A01", MSH_10="3"), siu(MSH_10="4")))
    received = receive(body)
    assert [outcome.ack for outcome in received.outcomes] == ["AA", "AE", "AR", "AA"]
    assert [event.control_id for event in received.events] == ["1", "4"]
    assert [event.order.position for event in received.events] == [0, 3]


def test_batches_are_answered_in_batches():
    batches = [f"BHS|^~\\&|A|B|C|D|2026||||{name}\r{siu('S15', MSH_10=name)}\rBTS|1" for name in ("B1", "B2")]
    received = receive("\r".join(("FHS|^~\\&|E|F|G|H|2026||||F1", *batches, "FTS|2")))
    shape = [line.split("|")[0] for line in lines(received)]
    assert shape == ["FHS", "BHS", "MSH", "MSA", "BTS", "BHS", "MSH", "MSA", "BTS", "FTS"]
    assert lines(received)[0] == r"FHS|^~\&|G|H|E|F|20260302150030+0000||||ACK5|F1"
    assert lines(received)[1] == r"BHS|^~\&|C|D|A|B|20260302150030+0000||||ACK3|B1"
    assert (lines(received)[4], lines(received)[-1]) == ("BTS|1", "FTS|2")
    assert hl7.parse_file(received.answer.decode())


def test_unknown_media_are_refused():
    with pytest.raises(UnsupportedMedia):
        receive(siu(), "application/fhir+json")


HEADERS = st.sampled_from(
    ["MSH|^~\\&|A|B|C|D|20260302090000||SIU^S12|1|P|2.5", "MSH|^~&|A||||2026||SIU^S13|1", "MSH#!@%*#"]
)
NAMES = st.sampled_from(["SCH", "PID", "TQ1", "PV1", "AIS", "AIP", "RGS", "NTE", "BHS", "BTS", "MSH", "FHS", "ZZ1", ""])
VALUES = st.text(alphabet='|^~\\&"#X.brF0123456789+-MINCP\x0b\x1c\ufeff é\u2028\x85', max_size=60)
MESSAGES = st.builds(
    lambda header, segments, end: end.join([header, *(f"{name}{rest}" for name, rest in segments)]),
    HEADERS,
    st.lists(st.tuples(NAMES, VALUES | VALUES.map("|".__add__)), max_size=8),
    st.sampled_from(["\r", "\n", "\r\n"]),
)
DAMAGED = st.builds(
    lambda text, at, junk: text[: at % len(text)] + junk + text[at % len(text) + len(junk) :],
    st.sampled_from([siu(), siu("S13"), samples.EPIC_S12, samples.V28_S12, samples.UNWRAPPED_BATCH]),
    st.integers(0, 5000),
    st.text(max_size=6),
)


@given(st.binary(max_size=200) | (MESSAGES | DAMAGED).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_get_one_answer_per_message_and_raise_nothing(body):
    received = receive(body)
    answered = [line.split("|")[1] for line in lines(received) if line.startswith("MSA|")]
    others = [line for line in lines(received) if line.startswith("MSA") and not line.startswith("MSA|")]
    assert len(answered) + len(others) == len(received.outcomes) >= 1
    assert len(received.events) <= sum(outcome.ack is Ack.ACCEPTED for outcome in received.outcomes)


@pytest.mark.feature("F6.3")
@pytest.mark.parametrize(
    "fields",
    [
        {"SCH_11": "^^^SECRET"},
        {"PV1_19": "", "SCH_2": ""},
        {"MSH_7": "SECRET"},
        {"PID_13": "SECRET^^CP"},
        {"SCH_7": r"\SECRET\ \XSECRET\ \.spSECRET\ \\"},
        {"MSH_9": "ADT^A01"},
        {"MSH_12": "SECRET"},
    ],
)
def test_nothing_of_a_message_reaches_a_log_or_an_error(fields, caplog):
    caplog.set_level(logging.DEBUG)
    received = receive(siu(**{"PID_5": "SECRET^ERIN", "PID_3": "SECRET", **fields}))
    assert not caplog.records
    assert not [outcome for outcome in received.outcomes if "SECRET" in repr(outcome)]


def test_no_patient_data_is_in_an_answer():
    answer = receive(siu(SCH_11="", PID_3="MRN77", PV1_19="CSN88")).answer.decode()
    assert not [secret for secret in ("EXAMPLE", "MRN77", "CSN88", "900100", "555") if secret in answer]


def test_the_door_imports_nothing_large():
    script = "import sys, shared.domain.hl7v2.intake; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 - ours
    assert not {"pydantic", "fhir", "azure", "aiohttp", "cryptography", "asyncio"} & set(loaded)
