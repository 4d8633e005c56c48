"""Every public Graph payload: what is a notification is taken apart, what is none changes nothing."""

import json

import pytest

from shared.domain import roster
from shared.errors import Broken
from shared.workflows.presence import _notifications
from tests.corpus.location import CORPUS, require

FILES = sorted(path.name for path in (CORPUS / "graph").iterdir() if path.suffix != ".tsv") if CORPUS.is_dir() else []
EVENTS = {
    "meeting_callStarted.json": "started",
    "meeting_callEnded.json": "ended",
}


@pytest.mark.parametrize("name", FILES or ["absent"])
def test_a_payload_gives_the_notifications_it_holds_and_nothing_else(name: str) -> None:
    body = (require("graph") / name).read_bytes()
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    held = document.get("value", []) if isinstance(document, dict) else []
    items, tokens = _notifications(body)
    assert items == [one for one in held if isinstance(one, dict)]
    assert list(tokens) == (
        document.get("validationTokens", []) if isinstance(document, dict) and "value" in document else []
    )


@pytest.mark.parametrize("name", FILES or ["absent"])
def test_only_call_events_are_read_as_such(name: str) -> None:
    """The roster of the older form of subscription, which is not ours, is none: unknown events are loud."""
    body = (require("graph") / name).read_bytes()
    if name in EVENTS:
        assert roster.read(json.loads(body)).kind == EVENTS[name]
        return
    with pytest.raises((Broken, ValueError)):
        roster.read(json.loads(body))
