"""Bodies that are no plain scheduling message: each file with its stated answers."""

from datetime import UTC, datetime

import hl7
import pytest

from shared.domain.hl7v2 import intake
from shared.domain.hl7v2.settings import FieldMap
from tests.corpus.location import require

pytestmark = pytest.mark.feature("F6.6")

FIELDS = FieldMap("America/Chicago")
ARRIVED = datetime(2026, 3, 2, 15, tzinfo=UTC)

NOT_SIU = "AR MSH^1^9 200 Unsupported message type"
OUT_OF_ORDER = "AE MSH^1 100 Segment sequence error"

#: file: (control ids answered, outcome of each message)
EXPECTED = {
    "lfh_ORU_multiline.hl7": (["MSGID00231"], [NOT_SIU]),
    "lfh_sample_win_crlf.hl7": (["102"], [NOT_SIU]),
    "mirth_batch01_3_SIU_no_BHS.hl7": (["24916560", "24916579", "24916597"], ["AA S12", "AA S14", "AA S15"]),
    "msfc_ADT-A01-01.hl7": (["MSG00001"], [NOT_SIU]),
    "pythonhl7_rep_sample_hl7.hl7": (["CNTRL-3456"], [NOT_SIU]),
    "pythonhl7_sample_bad_batch.hl7": ([""], [OUT_OF_ORDER]),
    "pythonhl7_sample_bad_batch1.hl7": (["12334456778890"], [OUT_OF_ORDER]),
    "pythonhl7_sample_bad_file.hl7": ([""], [OUT_OF_ORDER]),
    "pythonhl7_sample_bad_file1.hl7": (["12334456778890"], [OUT_OF_ORDER]),
    "pythonhl7_sample_bad_file2.hl7": (["12334456778890"], [OUT_OF_ORDER]),
    "pythonhl7_sample_bad_file3.hl7": ([""], [OUT_OF_ORDER]),
    "pythonhl7_sample_batch.hl7": (["12334456778890"], [NOT_SIU]),
    "pythonhl7_sample_batch1.hl7": (["12334456778890", "12334456778891"], [NOT_SIU] * 2),
    "pythonhl7_sample_batch2.hl7": (["12334456778890", "12334456778891"], [NOT_SIU] * 2),
    "pythonhl7_sample_batch3.hl7": (["12334456778890"], [NOT_SIU]),
    "pythonhl7_sample_batch4.hl7": (["12334456778890"], [NOT_SIU]),
    "pythonhl7_sample_file.hl7": (["12334456778890"], [NOT_SIU]),
    "pythonhl7_sample_file1.hl7": (["12334456778890", "12334456778891", "12334456778890"], [NOT_SIU] * 3),
    "pythonhl7_sample_file2.hl7": (["12334456778890", "12334456778891"], [NOT_SIU] * 2),
    "pythonhl7_sample_file3.hl7": (["12334456778890"], [NOT_SIU]),
    "pythonhl7_sample_file4.hl7": (["12334456778890"], [NOT_SIU]),
    "pythonhl7_sample_file5.hl7": (["12334456778890"], [NOT_SIU]),
    "pythonhl7_sample_file6.hl7": (["12334456778890"], [NOT_SIU]),
    "pythonhl7_sample_hl7.hl7": (["CNTRL-3456"], [NOT_SIU]),
    "pythonhl7_sample_msh.hl7": (["Q150084616T145947960"], [NOT_SIU]),
    "rethink_edge-crlf-line-endings.hl7": (["MSG006"], [NOT_SIU]),
    "rethink_edge-custom-delimiters.hl7": (["MSG007"], [NOT_SIU]),
    "rethink_edge-empty-segments.hl7": (["MSG005"], [NOT_SIU]),
    "rethink_edge-escaped-delimiters.hl7": (["MSG001"], [NOT_SIU]),
    "rethink_edge-field-repetitions.hl7": (["MSG004"], [NOT_SIU]),
    "rethink_edge-non-ascii.hl7": (["MSG002"], [NOT_SIU]),
    "rethink_edge-z-segments.hl7": (["MSG003"], [NOT_SIU]),
    "rethink_invalid-missing-msh.hl7": ([""], [OUT_OF_ORDER]),
    "rethink_invalid-segment-header-length.hl7": (["MSG001"], [NOT_SIU]),
    "rethink_invalid-trailing-empty-fields.hl7": (["MSG001"], [NOT_SIU]),
    "rethink_invalid-wrong-version.hl7": (["MSG001"], [NOT_SIU]),
}


def _receive(body):
    return intake.receive(body, "application/hl7-v2", FIELDS, ARRIVED, lambda: "1")


def _said(outcome):
    return f"{outcome.ack} {outcome.fault or outcome.event.trigger}"


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_body_gets_its_stated_answers(name):
    received = _receive((require("other") / name).read_bytes())
    control_ids, outcomes = EXPECTED[name]
    assert [_said(outcome) for outcome in received.outcomes] == outcomes
    parsed = hl7.parse_file(received.answer.decode())
    assert [str(message.segment("MSA")[2]) for batch in parsed for message in batch] == control_ids


def test_every_body_of_the_folder_is_expected():
    assert {path.name for path in require("other").glob("*.hl7")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_same_bodies_as_scheduling_messages_answer_the_same_control_ids(name):
    """ADT and ORU made SIU^S18 get as far as a scheduling message does: damaged envelopes still show."""
    body = (require("other") / name).read_bytes()
    for other in (b"ADT^A01^ADT_A01", b"ADT^A04^ADT_A01", b"ADT^A01", b"ADT!A01", b"ORU^R01^ORU_R01", b"ORU^R01"):
        body = body.replace(other, b"SIU" + other[3:4] + b"S18")
    version = b"|1.0" in body
    outcomes = [_said(outcome) for outcome in _receive(body).outcomes]
    wanted = [said if said != NOT_SIU else "AA S18" for said in EXPECTED[name][1]]
    assert outcomes == (["AR MSH^1^12 203 Unsupported version id"] if version else wanted)
