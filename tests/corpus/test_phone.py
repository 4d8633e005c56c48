"""Phone numbers of libphonenumber's examples and of GOV.UK Notify's lists."""

import csv
import json
from collections import Counter

import pytest

from shared.domain import phone
from shared.domain.phone import NotTextable
from tests.corpus.location import require

pytestmark = pytest.mark.feature("F6.1")


def _read(written, region):
    try:
        return phone.e164(written, region)
    except NotTextable as refused:
        return refused.reason.value


def _examples():
    with (require("phone") / "libphonenumber_examples.tsv").open(newline="") as table:
        return [row for row in csv.DictReader(table, delimiter="\t") if phone.is_region(row["region"])]


def _notify():
    return json.loads((require("phone") / "govuk_notify_phone_numbers.json").read_text())


def test_every_mobile_example_is_read_as_people_there_write_it():
    mobiles = [row for row in _examples() if row["type"] == "MOBILE"]
    assert len(mobiles) > 200
    assert [row for row in mobiles if _read(row["national"], row["region"]) != row["e164"]] == []


def test_no_invalid_example_is_read():
    invalid = [row for row in _examples() if row["type"] == "INVALID_EXAMPLE"]
    assert len(invalid) > 200
    assert {_read(row["e164"], row["region"]) for row in invalid} == {"invalid"}


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        ("TOLL_FREE", {"unsupported"}),
        ("PREMIUM_RATE", {"unsupported"}),
        ("PAGER", {"unsupported"}),
        ("VOIP", {"unsupported"}),
        ("UAN", {"unsupported"}),
    ],
)
def test_numbers_that_take_no_texts_are_unsupported(kind, answers):
    rows = [row for row in _examples() if row["type"] == kind]
    assert rows
    assert {_read(row["e164"], row["region"]) for row in rows} == answers


def test_fixed_lines_are_landlines_unless_the_plan_does_not_tell():
    rows = [row for row in _examples() if row["type"] == "FIXED_LINE"]
    answers = Counter(_read(row["e164"], row["region"]) == "landline" for row in rows)
    texted = {row["country_code"] for row in rows if _read(row["e164"], row["region"]) == row["e164"]}
    assert answers[True] + sum(_read(row["e164"], row["region"]) == row["e164"] for row in rows) == len(rows)
    assert "1" in texted
    assert "44" not in texted


def test_uk_mobiles_are_read_in_every_spelling():
    numbers = _notify()
    assert {_read(written, "GB") for written in numbers["valid_uk_mobile_phone_numbers"]} == {
        "+447723456789",
    }
    assert [_read(written, "GB") for written in numbers["valid_channel_island_numbers"]] == [
        "+447797292290",
        "+447797333214",
    ]


#: Notify guesses a country from bare digits; we read them as numbers of the region, which they are not.
INTERNATIONAL = {
    "+7 (8) (495) 123-45-67": "landline",
    "007 (8) (495) 123-45-67": "landline",
    "784951234567": "invalid",
    "1-202-555-0104": "invalid",
    "1\u2011202\u2013555\u2014010\u22124": "invalid",
    "+12025550104": "+12025550104",
    "0012025550104": "+12025550104",
    "+0012025550104": "+12025550104",
    "230 5 2512345": "invalid",
    "+682 50 123": "+68250123",
    "+33122334455": "landline",
    "0033122334455": "landline",
    "+43 676 111 222 333 4": "+436761112223334",
}


def test_international_numbers_need_their_prefix():
    numbers = _notify()["valid_international_phone_numbers"]
    assert {written: _read(written, "GB") for written in numbers} == INTERNATIONAL


def test_uk_landlines_get_no_text():
    numbers = _notify()
    assert {_read(written, "GB") for written in numbers["valid_uk_landlines"]} <= {"landline", "unsupported"}
    assert not [w for w in numbers["invalid_uk_landlines"] if _read(w, "GB").startswith("+")]


#: Dots at the end are no harm to us: the digits are a whole number.
TAKEN_ALL_THE_SAME = {"07723 456789..."}


def test_what_notify_refuses_is_refused():
    numbers = _notify()
    refused = [*numbers["invalid_uk_mobile_phone_numbers"], *numbers["invalid_international_numbers"]]
    assert {written for written, _ in refused if _read(written, "GB").startswith("+")} == TAKEN_ALL_THE_SAME
