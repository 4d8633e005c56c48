"""Timer schedules: NCRONTAB with six fields, in UTC (Microsoft Learn, "Timer trigger", NCRONTAB expressions)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from croniter import CroniterError, croniter

from sandbox.host.settings import Refused

_NUMBERS = r"(?:\*|\d+(?:-\d+)?)(?:/\d+)?"
_NAMES = r"(?:\*|(?:\d+|[A-Za-z]{3,9})(?:-(?:\d+|[A-Za-z]{3,9}))?)(?:/\d+)?"
#: second, minute, hour, day, month, day of week. croniter knows more (L, #, @daily); NCRONTAB does not.
_FIELDS = [re.compile(f"{one}(?:,{one})*") for one in (_NUMBERS,) * 4 + (_NAMES,) * 2]


@dataclass(frozen=True)
class Schedule:
    """When a timer runs."""

    expression: str

    @classmethod
    def parse(cls, expression: str, function: str) -> Self:
        """Raises `Refused`: indexing lets a nonsense schedule pass, the real host does not."""
        parts = expression.split()
        right = len(parts) == len(_FIELDS) and all(
            known.fullmatch(part) for known, part in zip(_FIELDS, parts, strict=True)
        )
        try:
            if right:
                croniter(expression, second_at_beginning=True)
        except CroniterError:
            right = False
        if not right:
            raise Refused(f"{function}: the schedule expression '{expression}' is not valid NCRONTAB of six fields")
        return cls(expression)

    def after(self, moment: datetime) -> datetime:
        """The first occurrence later than `moment`. Day and day of week must both fit, unlike in cron."""
        following: datetime = croniter(self.expression, moment, second_at_beginning=True, day_or=False).get_next(
            datetime
        )
        return following
