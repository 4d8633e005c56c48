"""The catalogue of errors: complete, used, and fit to be read by a caller."""

import pytest

from shared.errors import CATALOGUE, Broken, Code, ConnectorError, Later, Refused
from tests.unit.sources import python_files


def test_every_code_has_a_row():
    assert set(CATALOGUE) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_a_row_is_an_error_status_and_one_plain_sentence(code: Code):
    entry = CATALOGUE[code]
    assert 400 <= entry.status <= 503
    assert entry.title[0].isupper()
    assert entry.title.endswith(".")
    assert "{" not in entry.title


def test_no_two_codes_share_a_text():
    titles = [entry.title for entry in CATALOGUE.values()]
    assert len(titles) == len(set(titles))


#: Codes of slices that are being built; each leaves this list with the code that raises it.
AWAITED = {
    Code.ISSUER_UNKNOWN,
    Code.VISIT_UNKNOWN,
    Code.VISIT_OVER,
    Code.TOO_EARLY,
    Code.NOT_READY,
    Code.LINK_UNKNOWN,
}


@pytest.mark.parametrize("code", sorted(set(Code) - AWAITED))
def test_every_code_is_said_somewhere(code: Code):
    files = [path for path in python_files("functions", "shared") if path.name != "errors.py"]
    assert any(f"Code.{code.name}" in path.read_text() for path in files)


def test_a_refusal_names_fields_and_knows_its_status():
    refusal = Refused(Code.VALUE_REFUSED, "time_zone")
    assert (refusal.entry.status, refusal.fields) == (422, ("time_zone",))


@pytest.mark.parametrize("error", [Refused(Code.BUSY), Later("storage"), Broken("x")])
def test_there_are_three_kinds_and_one_root(error: ConnectorError):
    assert isinstance(error, ConnectorError)
    assert sum(isinstance(error, kind) for kind in (Refused, Later, Broken)) == 1
