"""Timer functions and the admin endpoint."""

import asyncio
from datetime import datetime

import aiohttp
import pytest

from sandbox.host.schedule import Schedule
from sandbox.host.settings import Refused
from tests.host.conftest import MASTER_KEY, eventually

KEY = {"x-functions-key": MASTER_KEY}


async def test_an_administrator_runs_a_timer_now(stage):
    stage.ready()
    async with aiohttp.ClientSession(stage.url) as web:
        async with web.post("/admin/functions/tick?wait=1", headers=KEY, json={}) as answer:
            assert (answer.status, len(stage.seen("tock"))) == (200, 1)
        async with web.post("/admin/functions/TICK", headers=KEY) as answer:
            assert answer.status == 202
        await asyncio.to_thread(eventually, lambda: len(stage.seen("tock")) == 2)
        stage.open_gate("tick.fails")
        async with web.post("/admin/functions/tick?wait=1", headers=KEY) as answer:
            assert answer.status == 500


async def test_the_admin_endpoint_refuses(stage):
    stage.ready()
    async with aiohttp.ClientSession(stage.url) as web:
        for path, headers, status in (
            ("tick", {}, 401),
            ("tick", {"x-functions-key": "wrong"}, 401),
            ("nothing", KEY, 404),
            ("work", KEY, 400),
        ):
            async with web.post(f"/admin/functions/{path}", headers=headers) as answer:
                assert answer.status == status
    assert stage.seen() == []


async def test_a_disabled_timer_still_obeys_the_administrator(stage):
    stage.ready(SANDBOX_TIMERS="schedule", TICK="* * * * * *", **{"AzureWebJobs.tick.Disabled": "1"})
    await asyncio.sleep(1.2)
    assert stage.seen() == []
    async with (
        aiohttp.ClientSession(stage.url) as web,
        web.post("/admin/functions/tick?wait=1", headers=KEY) as answer,
    ):
        assert answer.status == 200


async def test_runs_of_one_timer_never_overlap(stage):
    stage.ready(SANDBOX_TIMERS="schedule", TICK="* * * * * *")
    stage.open_gate("tick.waits")
    async with aiohttp.ClientSession(stage.url) as web:
        for _ in range(3):
            async with web.post("/admin/functions/tick", headers=KEY) as answer:
                assert answer.status == 202
    await asyncio.sleep(1.5)
    running = len(stage.seen("tick")) - len(stage.seen("tock"))
    stage.open_gate("tick.gate")
    await asyncio.to_thread(eventually, lambda: len(stage.seen("tock")) > 4)
    assert running == 1
    order = [entry["what"] for entry in stage.seen()]
    assert order[: len(order) // 2 * 2] == ["tick", "tock"] * (len(order) // 2)


def test_a_schedule_runs_by_itself(stage):
    stage.ready(SANDBOX_TIMERS="schedule", TICK="*/1 * * * * *")
    eventually(lambda: len(stage.seen("tock")) >= 2)


@pytest.mark.parametrize(
    "expression",
    [
        "nonsense",
        "* * * * *",
        "* * * * * * *",
        "61 * * * * *",
        "0 0 25 * * *",
        "0 0 0 L * *",
        "@daily",
        "0 0 0 * * 1#2",
        "",
    ],
)
def test_a_nonsense_schedule_is_refused(expression):
    with pytest.raises(Refused, match="is not valid NCRONTAB"):
        Schedule.parse(expression, "tick")


def test_a_nonsense_schedule_keeps_the_host_from_starting(stage):
    host = stage.start(TICK="0 99 * * * *")
    assert host.wait() == 1
    assert "host: tick: the schedule expression '0 99 * * * *' is not valid NCRONTAB of six fields" in host.text


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("0 0 3 * * *", "2026-03-02T03:00:00+00:00"),
        ("*/15 * * * * *", "2026-03-01T12:00:15+00:00"),
        ("0 30 9 * * Mon-Fri", "2026-03-02T09:30:00+00:00"),
        ("0 0 0 13 * 5", "2026-03-13T00:00:00+00:00"),  # the thirteenth *and* a Friday
    ],
)
def test_the_next_occurrence_is_counted_in_utc(expression, following):
    noon = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
    assert Schedule.parse(expression, "tick").after(noon).isoformat() == following
