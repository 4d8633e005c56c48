"""How a queue function ends: done, later or bug. On the real queues and tables."""

import base64
import json
import logging
import subprocess
import sys
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel, ValidationError

from shared.clock import Clock
from shared.domain.appointment import Facts, Heard
from shared.errors import Broken, Code, Later, Refused
from shared.messages import SchedulingMessage, UpkeepOrder
from shared.storage.names import Queue, Table
from shared.storage.parked import Parked
from shared.storage.queues import Queues
from shared.telemetry import traceparent
from shared.work import delay, work
from tests.conftest import StandingClock, Store

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
PHONE = "+16085550142"
ORDER = UpkeepOrder(
    message_id="order-1",
    attempt=3,
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    give_up_at=NOW + timedelta(hours=1),
    connection="c",
    kind="erase-phone",
    key="+16085550142",
    version=1,
)


@dataclass
class Tools:
    """What `work` needs, and what a handler did."""

    queues: Queues
    parked: Parked
    clock: Clock
    handled: list[UpkeepOrder] = field(default_factory=list)
    gave_up: list[tuple[UpkeepOrder, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Delivered:
    """A message as the host hands it over."""

    body: bytes

    def get_body(self) -> bytes:
        return self.body


@pytest.fixture
def tools(store: Store) -> Tools:
    clock = StandingClock(moment=NOW)
    return Tools(store.queues, Parked(store.tables, clock), clock)


async def done(message: UpkeepOrder, tools: Tools) -> None:
    tools.handled.append(message)


def raising(error: Exception):
    async def handle(message: UpkeepOrder, tools: Tools) -> None:
        raise error

    return handle


async def gave_up(message: UpkeepOrder, tools: Tools, reason: str) -> None:
    tools.gave_up.append((message, reason))


async def run(tools: Tools, handle: object, message: UpkeepOrder = ORDER) -> None:
    await work(Delivered(tools.queues.encode(message).encode()), UpkeepOrder, handle, tools, gave_up)


async def count(store: Store) -> int:
    """Messages in the queue, hidden ones too."""
    return (await store.raw_queue(Queue.UPKEEP).get_queue_properties()).approximate_message_count


async def test_done_is_done(store: Store, tools: Tools):
    await run(tools, done)
    assert tools.handled == [ORDER]
    assert await count(store) == 0


async def test_the_trace_of_the_message_is_the_trace_of_the_work(tools: Tools):
    seen: list[str] = []

    async def handle(message: UpkeepOrder, tools: Tools) -> None:
        seen.append(traceparent.get())

    await run(tools, handle)
    assert seen == [ORDER.traceparent]


async def test_later_sends_the_same_work_again_with_one_attempt_more(store: Store, tools: Tools, monkeypatch):
    monkeypatch.setattr("shared.work.delay", lambda attempt, asked: timedelta())
    await run(tools, raising(Later("epic")))
    [message] = [one async for one in store.raw_queue(Queue.UPKEEP).receive_messages()]
    body = base64.b64decode(message.content)
    again = tools.queues.open(body, UpkeepOrder)
    assert again == ORDER.model_copy(update={"attempt": 4})
    envelope = json.loads(body)
    assert (envelope["id"], envelope["attempt"], envelope["traceparent"]) == ("order-1", 4, ORDER.traceparent)
    assert tools.gave_up == []


async def test_later_hides_the_work_for_as_long_as_the_peer_asked(store: Store, tools: Tools):
    await run(tools, raising(Later("epic", timedelta(seconds=30))))
    assert [one async for one in store.raw_queue(Queue.UPKEEP).receive_messages()] == []
    assert await count(store) == 1


@pytest.mark.parametrize("past", [timedelta(), timedelta(days=1)])
async def test_past_its_time_work_is_parked_and_its_row_told(store: Store, tools: Tools, past: timedelta):
    late = ORDER.model_copy(update={"give_up_at": NOW - past})
    await run(tools, raising(Later("epic")), late)
    assert tools.gave_up == [(late, "epic")]
    assert await count(store) == 0
    row = await store.tables.get(Table.PARKED, "upkeep", "order-1")
    assert (row["reason"], row["attempts"]) == ("epic", 4)
    assert UpkeepOrder.model_validate_json(row["message_sealed"]) == late


async def test_work_past_its_time_that_succeeds_is_done(store: Store, tools: Tools):
    await run(tools, done, ORDER.model_copy(update={"give_up_at": NOW - timedelta(days=1)}))
    assert len(tools.handled) == 1
    assert await store.tables.partition(Table.PARKED, "upkeep") == []


async def test_parking_needs_nobody_to_tell(store: Store, tools: Tools):
    late = ORDER.model_copy(update={"give_up_at": NOW})
    await work(Delivered(tools.queues.encode(late).encode()), UpkeepOrder, raising(Later("epic")), tools)
    assert len(await store.tables.partition(Table.PARKED, "upkeep")) == 1


async def test_a_refusal_is_never_tried_again(store: Store, tools: Tools):
    await run(tools, raising(Refused(Code.CONNECTION_UNKNOWN)))
    assert await count(store) == 0
    assert await store.tables.partition(Table.PARKED, "upkeep") == []


@pytest.mark.parametrize("bug", [Broken("x"), KeyError("x"), RuntimeError()])
async def test_a_bug_is_raised_for_the_host_to_see(store: Store, tools: Tools, bug: Exception):
    with pytest.raises(Broken):
        await run(tools, raising(bug))
    assert await count(store) == 0


async def test_what_the_host_logs_of_a_bug_quotes_nothing(tools: Tools):
    """The host writes an error's text, its causes and its trace into its log."""

    async def bug(message: UpkeepOrder, tools: Tools) -> None:
        try:
            Heard.model_validate_json('{"facts": "+16085550142", "newer_phone": "+16085550142"}')
        except ValueError as cause:
            raise KeyError("+16085550142") from cause

    with pytest.raises(Broken, match=r"^KeyError at .*bug:\d+$") as raised:
        await run(tools, bug)
    assert "5550142" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("library", ["core.pipeline.policies.http_logging_policy", "identity", "storage.queue"])
def test_requests_of_microsofts_libraries_are_not_logged(library: str):
    """The sandbox's host silences them itself; Azure's does not."""
    script = (
        "import logging, shared.telemetry; logging.basicConfig(level=logging.INFO); "
        f"raise SystemExit(logging.getLogger('azure.{library}').isEnabledFor(logging.INFO))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0  # noqa: S603 - our own words


@pytest.mark.parametrize("model", [Facts, SchedulingMessage, UpkeepOrder])
def test_a_row_or_message_that_does_not_fit_is_refused_without_being_quoted(model: type[BaseModel]):
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"phone": [PHONE], "event": {"phone": [PHONE], "csn": [PHONE]}, "newer": PHONE})
    assert "5550142" not in str(refused.value)


async def test_a_message_that_is_not_ours_is_a_bug(tools: Tools):
    with pytest.raises(Broken):
        await work(Delivered(b"{}"), UpkeepOrder, done, tools)
    assert tools.handled == []


@pytest.mark.parametrize(
    ("handle", "end"),
    [
        (done, "end=done"),
        (raising(Later("epic")), "end=later:epic"),
        (raising(Refused(Code.NOT_FOUND)), "end=refused:not-found"),
    ],
)
async def test_one_line_says_how_it_ended_and_nothing_of_the_message(tools: Tools, caplog, handle: object, end: str):
    with caplog.at_level(logging.INFO, logger="connector"):
        await run(tools, handle)
    [line] = [record.getMessage() for record in caplog.records if record.name == "connector"]
    assert line.startswith(f"upkeep {end} attempt=3 ms=")
    assert "5550142" not in caplog.text


# --- how long


@pytest.mark.parametrize(
    ("attempt", "least"), [(0, 2), (1, 4), (2, 8), (5, 64), (8, 512), (9, 600), (10, 600), (500, 600)]
)
def test_without_word_from_the_peer_waits_double_up_to_ten_minutes(attempt: int, least: int):
    waits = {delay(attempt, None).total_seconds() for _ in range(200)}
    assert min(waits) >= least
    assert max(waits) <= -(-least * 5 // 4)
    assert len(waits) > 1 or least <= 4


@pytest.mark.parametrize("asked", [0.1, 0.9, 2.1, 2.999, 30.0, 86_400.0])
def test_what_a_peer_asks_for_is_kept_in_whole_seconds_and_never_undercut(asked: float):
    for attempt in (0, 9):
        for _ in range(50):
            wait = delay(attempt, timedelta(seconds=asked)).total_seconds()
            assert wait == int(wait)
            assert asked <= wait <= asked * 1.25 + 1


def test_a_peer_that_asks_for_nothing_is_not_asked_again_at_once():
    assert delay(0, timedelta()) >= timedelta(seconds=2)
