"""The sandbox's clock: real time plus an offset kept in a file.

The connector has its own reader of the same file (a setting that is refused on Azure). The stand-ins
must not import the connector, so they read it here. The file holds one number: seconds to add.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path


def offset(path: Path) -> timedelta:
    """How far the sandbox has been moved; nothing when nobody has moved it."""
    try:
        return timedelta(seconds=float(path.read_text()))
    except FileNotFoundError:
        return timedelta()


def now(path: Path) -> datetime:
    """The sandbox's present, in UTC."""
    return datetime.now(UTC) + offset(path)


def move(path: Path, by: timedelta) -> None:
    """Move the sandbox forwards; written in one step, so a reader never sees half a number."""
    fresh = path.with_suffix(".new")
    fresh.write_text(str((offset(path) + by).total_seconds()))
    fresh.replace(path)
