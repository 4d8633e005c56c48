from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.hl7v2 import times
from shared.domain.hl7v2.event import Note

pytestmark = pytest.mark.feature("F6.7")

CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("text", "utc", "precision", "note"),
    [
        ("20260310140000", "2026-03-10T19:00:00", "second", None),
        ("202601101400", "2026-01-10T20:00:00", "minute", None),
        ("2026031014", "2026-03-10T19:00:00", "hour", None),
        ("20260310", "2026-03-10T05:00:00", "day", None),
        ("202603", "2026-03-01T06:00:00", "day", None),
        ("2026", "2026-01-01T06:00:00", "day", None),
        ("2010052711090000", "2010-05-27T16:09:00", "second", None),
        ("2010052711090099", "2010-05-27T16:09:00.990000", "second", None),
        ("20260310140000.1234", "2026-03-10T19:00:00.123400", "second", None),
        ("20210924093000+0215", "2021-09-24T07:15:00", "second", None),
        ("20210924093000-0030", "2021-09-24T10:00:00", "second", None),
        ("20210924093000+02:00", "2021-09-24T07:30:00", "second", None),
        ("20210924093000Z", "2021-09-24T09:30:00", "second", None),
        (" 20260310140000 ", "2026-03-10T19:00:00", "second", None),
        ("20260308023000", "2026-03-08T08:30:00", "second", Note.DST_GAP),
        ("20261101013000", "2026-11-01T06:30:00", "second", Note.DST_OVERLAP),
        ("20261101013000-0600", "2026-11-01T07:30:00", "second", None),
    ],
)
def test_a_time_is_read_as_written(text, utc, precision, note):
    moment = times.read(text, CHICAGO)
    assert moment == times.Moment(datetime.fromisoformat(utc).replace(tzinfo=UTC), precision, note)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "202",
        "20261301",
        "20260230",
        "20260300",
        "2026031025",
        "202603101460",
        "2026-03-10T14:00:00",
        "20260310140",
        "00010101",
        "99991231235959",
        "20260310140000+9900",
        "20260310140000 CST",
        "\uff12\uff10\uff12\uff16",
    ],
)
def test_what_is_no_time_is_none(text):
    assert times.read(text, CHICAGO) is None


@pytest.mark.parametrize(("arrived", "expected"), [("06:31", "06:30"), ("07:31", "07:30"), ("12:00", "07:30")])
def test_in_the_autumn_hour_the_fold_nearest_to_arrival_counts(arrived, expected):
    near = datetime.fromisoformat(f"2026-11-01T{arrived}Z")
    moment = times.read("20261101013000", CHICAGO, near)
    assert f"{moment.utc:%H:%M}" == expected


@given(st.integers(-2_000_000_000, 7_000_000_000), st.sampled_from(["America/Chicago", "Asia/Tokyo", "UTC"]))
def test_every_instant_written_with_its_offset_is_read_back(seconds, zone):
    written = datetime.fromtimestamp(seconds, UTC)
    assert times.read(f"{written:%Y%m%d%H%M%S}+0000", ZoneInfo(zone)).utc == written


@given(st.text(alphabet="0123456789+-.Z", max_size=24))
def test_no_digits_make_it_fail(text):
    times.read(text, CHICAGO)
