"""docs/troubleshooting.md speaks of every entry of the catalogue, and only of those."""

import re

import pytest

from tests.e2e.troubleshooting import PAGE, read
from tests.unit.sources import ROOT

_ENTRIES = re.findall(r"^\| (F14\.\d+) \|", (ROOT / "docs/features.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("entry", _ENTRIES)
def test_an_entry_has_a_row_or_a_reason_why_no_check_shows_it(entry: str):
    assert re.search(rf"^\| {re.escape(entry)} \|", PAGE.read_text(), re.MULTILINE)


def test_no_row_is_of_an_unknown_entry():
    assert {entry for entry, _, _ in read()} <= set(_ENTRIES)
