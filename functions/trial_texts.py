"""Trying out texts: how one would read, and one to a number of the staff."""

from typing import Annotated
from uuid import UUID, uuid4, uuid5

import azure.functions as func
from pydantic import Field

from shared.api import ADMINISTRATORS, Call, operation
from shared.bootstrap import deps
from shared.domain.delivery import status_words
from shared.domain.model import Model
from shared.domain.permission import Occasion
from shared.domain.preview import Preview
from shared.domain.templates import LanguageTag, Template
from shared.domain.texts import State, Text
from shared.messages import TrialText
from shared.storage.names import STORAGE, Queue
from shared.work import work
from shared.workflows import trial_texts

bp = func.Blueprint()
_TRIALS = UUID("0f3e6a52-7c0e-4e6f-9d55-5d9b6f2f7a41")


class Wanted(Model):
    """A text to look at: by a template that is being written, or as it is sent now."""

    kind: Occasion
    language: LanguageTag = "en"
    template: Template | None = None


class Trial(Model):
    """A text to one's own number, marked as a test. The number is not kept."""

    number: Annotated[str, Field(max_length=40, repr=False)]
    kind: Occasion = "booked"
    language: LanguageTag = "en"


class Sent(Model):
    """How a test text stands. said: the code of its delivery report in words."""

    id: str
    state: State
    reason: str
    code: str
    said: str
    segments: int


@operation(bp, "POST", "config/connections/{connection}/text-previews", roles=ADMINISTRATORS, reads=True)
async def preview_text(call: Call, body: Wanted) -> Preview:
    """A text as it would be, with made-up values: its words, segments, encoding, and what to think of."""
    return await trial_texts.shown(call.connection, body.kind, body.language, body.template, deps())


@operation(bp, "POST", "config/connections/{connection}/test-texts", roles=ADMINISTRATORS, status=202)
async def send_test_text(call: Call, body: Trial) -> Sent:
    """Send a text to one's own number, marked as a test: in test to the allow-list, in production one a minute."""
    text_id = str(uuid5(_TRIALS, f"{call.connection.id}|{call.who.user}|{call.key}") if call.key else uuid4())
    await trial_texts.ask(text_id, call.connection, body.number, body.kind, body.language, call.who, deps())
    return _sent(text_id, await trial_texts.find(call.connection, text_id, deps()))


@operation(bp, "GET", "config/connections/{connection}/test-texts/{id}", roles=ADMINISTRATORS)
async def show_test_text(call: Call) -> Sent:
    """How a test text stands; a delivery report comes last."""
    return _sent(call.path["id"], await trial_texts.find(call.connection, call.path["id"], deps()))


@bp.queue_trigger("message", queue_name=Queue.TRIAL_TEXTS, connection=STORAGE)
async def send_trial_text(message: func.QueueMessage) -> None:
    """One test text, at most once."""
    await work(message, TrialText, trial_texts.send, deps(), trial_texts.gave_up)


def _sent(text_id: str, text: Text) -> Sent:
    said = status_words(text.code) if text.state in {State.DELIVERED, State.FAILED} else ""
    return Sent(id=text_id, state=text.state, reason=text.reason, code=text.code, said=said, segments=text.segments)
