"""Real scheduling messages against the expected results, row for row (zone America/Chicago, region US)."""

import csv
from datetime import UTC, datetime

import pytest

from shared.domain.hl7v2 import intake
from shared.domain.hl7v2.settings import FieldMap
from tests.corpus.location import CORPUS, require

pytestmark = pytest.mark.feature("F6.4", "F6.7")

FIELDS = FieldMap("America/Chicago", region="US")
ARRIVED = datetime(2026, 3, 2, 15, tzinfo=UTC)
EXPECTED = CORPUS / "siu" / "expected.tsv"


def _rows():
    if not EXPECTED.is_file():
        return [pytest.param(None, id="absent")]
    with EXPECTED.open(newline="") as table:
        return [pytest.param(row, id=row["file"]) for row in csv.DictReader(table, delimiter="\t")]


@pytest.mark.parametrize("row", _rows())
def test_a_real_message_is_read_as_expected(row):
    folder = require("siu")
    body = (folder / row["file"]).read_bytes()
    received = intake.receive(body, "text/plain", FIELDS, ARRIVED, lambda: "1")
    (outcome,), (event,) = received.outcomes, received.events
    assert row == {
        "file": row["file"],
        "event": event.trigger,
        "action": event.action.value,
        "csn": event.csn,
        "start_utc": f"{event.start:%Y-%m-%dT%H:%M:%SZ}" if event.start else "-",
        "minutes": str(event.minutes) if event.minutes else "-",
        "phone": event.phone or "-",
        "phone_note": event.phone_note.value,
        "ack": outcome.ack.value,
    }


def test_every_message_of_the_folder_is_expected():
    folder = require("siu")
    files = {path.name for path in folder.iterdir() if path.suffix in {".hl7", ".txt"}}
    assert files == {param.values[0]["file"] for param in _rows()}
