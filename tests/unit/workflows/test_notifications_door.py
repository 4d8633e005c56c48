"""What anybody may post to Graph's webhook: it costs little, says nothing and stops nothing."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import Code, Refused
from shared.storage.names import Queue
from shared.workflows import presence
from shared.workflows.call_watch import client_state
from tests.conftest import Store
from tests.unit.workflows.visit_world import KEY, VisitWorld

OTHER = "another-visit"


@pytest.fixture
def world(store: Store) -> VisitWorld:
    return VisitWorld(store)


async def waiting(store: Store) -> int:
    found = [one async for one in store.raw_queue(Queue.CALL_EVENTS).receive_messages()]
    return len(found)


@pytest.mark.parametrize("door", [presence.accept, presence.accept_lifecycle])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"value": 1}',
        b'{"value": [1, null, "x", []]}',
        b"[" * 200_000,
        b'{"value":' + b"[" * 200_000,
        b'{"value": [{"clientState": "\\ud800", "encryptedContent": {}}]}',
        b'{"value": [{"clientState": "\xc3\xa9.\xc3\xa9", "encryptedContent": {}}]}',
        b'{"value": [{"clientState": {"a": 1}, "encryptedContent": {}}]}',
        b'{"value": [{}], "validationTokens": 7}',
        b"\xff\xfe\x00",
        b"9" * 5000,
    ],
    ids=lambda given: str(given)[:40] if isinstance(given, bytes) else given.__name__,
)
async def test_junk_is_taken_and_comes_to_nothing(
    world: VisitWorld, store: Store, door: Callable[..., Any], body: bytes
):
    await door(body, world)
    assert await waiting(store) == 0


@pytest.mark.parametrize("door", [presence.accept, presence.accept_lifecycle])
async def test_a_flood_of_items_is_refused_before_anything_is_looked_at(
    world: VisitWorld, door: Callable[..., Any], caplog: pytest.LogCaptureFixture
):
    flood = json.dumps({"value": [{"clientState": "x.y"}] * 100_000}).encode()
    with caplog.at_level(logging.INFO, logger="connector"), pytest.raises(Refused) as refused:
        await door(flood, world)
    assert refused.value.code == Code.BODY_TOO_LARGE
    assert len(caplog.records) < 3


async def test_what_nobody_believes_makes_one_line_in_the_log(world: VisitWorld, caplog: pytest.LogCaptureFixture):
    strangers = json.dumps({"value": [{"clientState": "x.y"}] * 500}).encode()
    with caplog.at_level(logging.INFO, logger="connector"):
        await presence.accept(strangers, world)
    assert [record.getMessage() for record in caplog.records] == ["notification end=dropped count=500"]


async def test_the_proof_of_one_visit_is_none_for_another(world: VisitWorld, store: Store):
    proof = client_state(OTHER, world.pseudonyms).partition(".")[2]
    for state in (f"{KEY}.{proof}", f"{KEY}.", KEY, f"{KEY}.{proof}.", f" {client_state(KEY, world.pseudonyms)}"):
        body = json.dumps({"value": [{"clientState": state, "encryptedContent": {}}]}).encode()
        await presence.accept(body, world)
    assert await waiting(store) == 0
