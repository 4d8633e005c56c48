"""How often one instance asks an Epic."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.clients import pace
from shared.clients.pace import Pace
from shared.clock import Clock
from shared.errors import Later

BASE, OTHER = "https://epic.example/api/FHIR/R4", "https://epic.other.example/api/FHIR/R4"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Moved(Clock):
    """A clock whose real time a test moves."""

    at: list[datetime]

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "at", [NOON])  # a clock is frozen

    def real(self) -> datetime:
        return self.at[-1]

    def move(self, to: datetime) -> None:
        self.at.append(to)


class Waits:
    """Stands in for sleep: how long each call waited, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    made = Waits()
    monkeypatch.setattr(pace.asyncio, "sleep", made)
    return made


async def test_without_a_limit_nobody_waits_and_nothing_is_counted(waits: Waits):
    free = Pace(Moved())
    for _ in range(1000):
        await free.turn(BASE, 0)
    assert waits.seconds == []


async def test_the_call_beyond_the_limit_is_put_off_until_the_oldest_is_a_minute_old(waits: Waits):
    clock = Moved()
    paced = Pace(clock)
    await paced.turn(BASE, 2)
    clock.move(NOON + timedelta(seconds=20))
    await paced.turn(BASE, 2)
    with pytest.raises(Later) as later:
        await paced.turn(BASE, 2)
    assert (later.value.peer, later.value.after) == ("epic.example", timedelta(seconds=40))
    await paced.turn(OTHER, 2)
    clock.move(NOON + timedelta(seconds=60))
    await paced.turn(BASE, 2)
    assert waits.seconds == [0, 0, 0, 0]


async def test_a_short_wait_is_waited_and_keeps_its_place(waits: Waits):
    clock = Moved()
    paced = Pace(clock)
    await paced.turn(BASE, 2)
    await paced.turn(BASE, 2)
    clock.move(NOON + timedelta(seconds=58))
    await paced.turn(BASE, 2)
    await paced.turn(BASE, 2)
    assert waits.seconds == [0, 0, 2, 2]
    with pytest.raises(Later) as later:  # both places of the next minute are taken
        await paced.turn(BASE, 2)
    assert later.value.after == timedelta(seconds=62)


@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_no_minute_ever_has_more_calls_than_the_limit(waits: Waits, limit: int):
    clock, went = Moved(), []
    paced = Pace(clock)
    for second in range(0, 240, 5):
        clock.move(NOON + timedelta(seconds=second))
        try:
            await paced.turn(BASE, limit)
        except Later:
            continue
        went.append(second + waits.seconds[-1])
    assert all(sum(begin <= at < begin + 60 for at in went) <= limit for begin in went)
    assert len(went) >= limit * 3
