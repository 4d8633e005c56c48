"""The life of one text (architecture, section 6).

new ─► sending ─► accepted ─► delivered | failed     what a delivery report says comes last and stays
 │        ├─► throttled ─► sending                   surely not taken: asked again, as if for the first time
 │        ├─► failed                                 refused for good
 │        └─► unknown ─► delivered | failed          perhaps sent: never sent again, a report settles it
 ├─► held ─► released ─► sending | dropped           the hourly brake; the administrator decides
 ├─► skipped                                         not wanted (any more), and why
 └─► parked ─► released                              given up; an operator drives it again
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from shared.domain.model import Model
from shared.domain.permission import MENDED_BY_A_MESSAGE, Occasion, Order, Scene, Skip, known_start, occasion

#: A repetition is recognised by the provider for five minutes (documented for its sister services); one is kept back.
REPEATABLE = timedelta(minutes=4)


class State(StrEnum):
    """Where a text stands; `new` is never stored."""

    NEW = "new"
    SENDING = "sending"
    THROTTLED = "throttled"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    HELD = "held"
    RELEASED = "released"
    DROPPED = "dropped"
    SKIPPED = "skipped"
    PARKED = "parked"


_OPEN = frozenset({State.NEW, State.SENDING, State.THROTTLED, State.RELEASED})


class Text(Model):
    """A text as stored: no phone number, no words.

    occasion, start, first   what it says, fixed before the first call; `first`: it tells how to opt out
    template, language       its words before anything was put in, fixed with them: another template leaves it alone
    first_sent, fingerprint  FirstSent of the first call, and a pseudonym of phone and words: a repetition must agree
    number                   our sending number
    reported_at              time of the report that decided
    """

    appointment: str
    kind: Literal["confirmation", "reminder", "trial"]
    slot: int
    version: int
    state: State = State.NEW
    reason: str = ""
    occasion: Occasion | None = None
    start: datetime | None = None
    first: bool = False
    template: str = ""
    language: str = ""
    first_sent: datetime | None = None
    fingerprint: str = ""
    number: str = ""
    segments: int = 0
    provider_message: str = ""
    code: str = ""
    reported_at: datetime | None = None

    @property
    def open(self) -> bool:
        """It may still be sent."""
        return self.state in _OPEN or (self.state is State.SKIPPED and self.reason in MENDED_BY_A_MESSAGE)

    @property
    def untried(self) -> bool:
        """No call has been made or allowed yet: the hourly brake has to be asked."""
        return self.state in {State.NEW, State.SKIPPED}

    def becomes(self, state: State, reason: str = "", **more: Any) -> Self:
        """The text in another state, and why."""
        return self.model_copy(update={"state": state, "reason": reason} | more)


def ordered(appointment: str, order: Order) -> Text:
    """A text nobody has touched yet."""
    return Text(appointment=appointment, kind=order.kind, slot=order.slot, version=order.version)


def said(text: Text, scene: Scene) -> Text:
    """The text with what it is going to say."""
    says = {"occasion": occasion(scene), "start": known_start(scene), "first": scene.told is None}
    return text.model_copy(update=says)


def claimed(text: Text, now: datetime, fingerprint: str, number: str, segments: int) -> Text:
    """The text right before its first call. FirstSent knows no fractions of a second."""
    first_sent = now.replace(microsecond=0)
    return text.becomes(State.SENDING, first_sent=first_sent, fingerprint=fingerprint, number=number, segments=segments)


def repeatable(text: Text, now: datetime, fingerprint: str) -> bool:
    """Whether the provider would recognise one more call as the same: young enough, same phone, same words."""
    return text.first_sent is not None and now - text.first_sent < REPEATABLE and text.fingerprint == fingerprint


def turned_down(text: Text, reason: str) -> Text:
    """Not to be sent (any more); once a call may have been made, nobody knows whether it was."""
    return text.becomes(State.UNKNOWN if text.state is State.SENDING else State.SKIPPED, str(reason))


def held_back(text: Text) -> Text:
    """To wait for the administrator's word."""
    return text.becomes(State.HELD)


def withheld(text: Text) -> Text:
    """Taken back right before the first call: surely not sent."""
    return text.becomes(State.SKIPPED, Skip.ANOTHER_VERSION.value)


def given_up(text: Text, why: str) -> Text:
    """Nobody will try again. What may have been sent is unknown, the rest is parked."""
    if not text.open:
        return text
    return text.becomes(State.UNKNOWN if text.state is State.SENDING else State.PARKED, why)


def reopened(text: Text) -> Text:
    """An operator lets a given-up text go: checked like any other, but for the brake."""
    return text.becomes(State.RELEASED) if text.state is State.PARKED else text
