"""The one source of time. No other module reads the clock.

On one machine the sandbox can move it: `CLOCK_OFFSET_FILE` names a file that holds seconds to add. The
setting is refused on Azure. Token lifetimes and storage use `real`, because the other side does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True)
class Clock:
    """Tells the present, in UTC."""

    offset_file: Path | None = None

    def now(self) -> datetime:
        """The connector's present."""
        return self.real() + self._offset()

    def real(self) -> datetime:
        """The world's present: for the lifetimes of tokens and signatures."""
        return datetime.now(UTC)

    def _offset(self) -> timedelta:
        if self.offset_file is None or not self.offset_file.exists():
            return timedelta()
        return timedelta(seconds=float(self.offset_file.read_text()))
