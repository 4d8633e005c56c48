"""The one source of time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import Clock


@pytest.mark.parametrize(("text", "hours"), [("7200", 2), ("-3600.0", -1), ("0", 0)])
def test_the_present_is_the_worlds_plus_the_files_seconds(tmp_path: Path, text: str, hours: int):
    offset = tmp_path / "clock"
    offset.write_text(text)
    moved = Clock(offset)
    assert abs(moved.now() - moved.real() - timedelta(hours=hours)) < timedelta(seconds=1)


def test_the_file_is_read_each_time_and_may_be_missing(tmp_path: Path):
    clock = Clock(tmp_path / "clock")
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    (tmp_path / "clock").write_text("86400")
    assert clock.now() - datetime.now(UTC) > timedelta(hours=23)


def test_tokens_live_in_real_time(tmp_path: Path):
    (tmp_path / "clock").write_text("86400")
    assert abs(Clock(tmp_path / "clock").real() - datetime.now(UTC)) < timedelta(seconds=1)


def test_times_are_aware_and_utc():
    assert Clock().now().utcoffset() == timedelta()
