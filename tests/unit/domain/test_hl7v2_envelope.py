import codecs
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.hl7v2 import envelope
from shared.domain.hl7v2.errors import Unreadable, UnsupportedMedia
from tests.unit.domain import hl7_samples as samples

pytestmark = pytest.mark.feature("F6.1")

ER7 = "application/hl7-v2+er7"


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("x-application/hl7-v2+er7", ("x-application/hl7-v2+er7", "utf-8")),
        ("application/hl7-v2+er7; charset=UTF-8", (ER7, "utf-8")),
        ('Application/HL7-v2; version=2.5; Charset="ISO-8859-1"', ("application/hl7-v2", "iso8859-1")),
        ("text/plain;charset=us-ascii", ("text/plain", "ascii")),
        ("text/plain; charset=windows-1252", ("text/plain", "cp1252")),
    ],
)
def test_the_content_type_names_the_media_and_the_character_set(content_type, expected):
    media = envelope.media(content_type)
    assert (media.type, media.charset) == expected


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/hl7-v2+xml",
        "application/x-www-form-urlencoded",
        "text/plain; charset=klingon",
        "text/plain; charset=",
        "text/plain; charset=base64",
        "text/plain; charset=idna",
        "text/plain; charset=unicode_escape",
        "text/plain; charset=a\x00b",
    ],
)
def test_other_media_and_what_is_no_character_set_are_refused(content_type):
    with pytest.raises(UnsupportedMedia):
        envelope.media(content_type)


@given(st.text())
def test_no_content_type_does_more_than_be_refused(content_type):
    with contextlib.suppress(UnsupportedMedia):
        envelope.media(content_type)


def test_every_character_set_is_one_that_python_knows_by_that_name():
    assert {codecs.lookup(name).name for name in envelope._CHARSETS} == envelope._CHARSETS


def test_bytes_outside_the_character_set_are_unreadable_and_not_repeated():
    with pytest.raises(Unreadable) as caught:
        envelope.decode(samples.LATIN_S14.encode("latin-1"), "utf-8")
    assert "dia" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_line_break_inside_a_field_does_not_end_the_segment():
    text = samples.siu(SCH_6="patient\nasked for it").replace("\r", "\r\n")
    (message,) = envelope.split(text).messages
    assert message.segments[0].startswith("SCH|")
    assert "patient asked for it|VID^VIDEO VISIT" in message.segments[0]


def test_an_unknown_segment_is_not_taken_for_the_rest_of_the_one_before():
    (message,) = envelope.split("MSH|^~\\&|A\rPV1||O\rPIDX|1||2").messages
    assert message.segments == ("PV1||O", "PIDX|1||2")


def test_the_word_msh_in_running_text_begins_no_message():
    assert len(envelope.split("MSH|^~\\&|A\rNTE|1||see\nMSH clinic\nMSHX|2").messages) == 1


@pytest.mark.parametrize(
    "text", ["", "\r\n", "\ufeff", "hello", "PID|1||2\rPV1|1", "BHS|^~\\&|A\rBTS|0", "FHS|^~\\&\rPID|1\rFTS|1"]
)
def test_a_body_without_a_message_is_unreadable(text):
    with pytest.raises(Unreadable) as caught:
        envelope.split(text)
    assert (caught.value.code, caught.value.place.segment) == ("100", "MSH")


def test_batches_and_files_are_remembered_and_messages_know_theirs():
    text = (
        "FHS|^~\\&|A\rBHS|^~\\&|B1\rMSH|^~\\&|1\rMSH|^~\\&|2\rBTS|2\rBHS|^~\\&|B2\rMSH|^~\\&|3\rBTS|1\r"
        "MSH|^~\\&|4\rFTS|2"
    )
    found = envelope.split(text)
    assert found.file
    assert [batch.field(3) for batch in found.batches] == ["B1", "B2"]
    placed = [(message.header.field(3), message.batch, message.position) for message in found.messages]
    assert placed == [("1", 0, 0), ("2", 0, 1), ("3", 1, 2), ("4", None, 3)]
    assert not any(message.fault for message in found.messages)


def test_lost_segments_spoil_the_message_they_may_belong_to_and_no_other():
    text = "BHS|^~\\&\rMSH|^~\\&|1\rMSH|^~\\&|2\rBHS|^~\\&\rPID|1\rMSH|^~\\&|3\rBTS|3"
    assert [bool(message.fault) for message in envelope.split(text).messages] == [False, True, False]
    assert [bool(m.fault) for m in envelope.split("PID|1\rMSH|^~\\&|1\rMSH|^~\\&|2").messages] == [True, False]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("MSH|^~\\&|A", ("|", "^", "~", "\\", "&")),
        ("MSH|^~\\&#|A", ("|", "^", "~", "\\", "&")),  # truncation character, v2.7
        ("MSH|^~&|A", ("|", "^", "~", "\\", "&")),  # no escape character
        ("MSH|^~\\\\&|A", ("|", "^", "~", "\\", "&")),  # escaped once too often
        ("MSH|^|A", ("|", "^", "~", "\\", "&")),
        ("MSH||A", ("|", "^", "~", "\\", "&")),
        ("MSH#!@%*#A", ("#", "!", "@", "%", "*")),
        ("MSH|^~\\&", ("|", "^", "~", "\\", "&")),  # ends there
    ],
)
def test_delimiters_are_those_of_the_header(header, expected):
    marks = envelope.split(header).messages[0].header.delimiters
    assert (marks.field, marks.component, marks.repetition, marks.escape, marks.subcomponent) == expected


@pytest.mark.parametrize("header", ["MSH", "MSH|abcd|A", "MSH|^~^~|A", "MSH^^~\\&^A", "MSH|^~\\&#$%|A", "MSH§^~\\&§A"])
def test_delimiters_that_cannot_be_told_apart_are_unreadable(header):
    (message,) = envelope.split(header).messages
    assert message.fault
    assert (message.fault.place.segment, message.fault.place.field) == ("MSH", 2)


LINES = st.lists(
    st.sampled_from(
        [
            "MSH|^~\\&|A|B",
            "MSH#!@%*#A",
            "PID|1||2~3^4",
            "NTE|1||text",
            "running on",
            "BHS|^~\\&|A",
            "BTS|1",
            "FHS|^~\\&|A",
            "FTS|1",
            "ZZZ",
        ]
    ),
    min_size=1,
    max_size=12,
)


def _split(text):
    """The messages with faults by their text, since exceptions compare by identity."""
    try:
        found = envelope.split(text)
    except Unreadable as fault:
        return str(fault)
    return [(m.header.fields, m.segments, m.batch, str(m.fault)) for m in found.messages], len(found.batches)


@given(LINES, st.sampled_from(["\r", "\n", "\r\n", "\r\r", "\n\n\r"]), st.sampled_from(["", "\ufeff", "\r\n", " "]))
def test_line_ends_blank_lines_and_a_byte_order_mark_make_no_difference(lines, ending, before):
    assert _split(before + ending.join(lines) + ending) == _split("\r".join(lines))


@given(st.lists(st.sampled_from([samples.EPIC_S12, samples.V28_S12, samples.FOUR_GROUPS]), min_size=1, max_size=3))
def test_mllp_frames_make_no_difference(messages):
    assert _split("".join(f"\x0b{text}\x1c\r" for text in messages)) == _split("\r".join(messages))


def test_a_vertical_tab_inside_a_field_stays():
    (message,) = envelope.split("MSH|^~\\&|A\rNTE|1||one\x0btwo").messages
    assert message.segments == ("NTE|1||one\x0btwo",)
