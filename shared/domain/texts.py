"""One text: whether it may be sent, and what becomes of it (architecture, section 6).

new ─► sending ─► accepted ─► delivered | failed     what a delivery report says comes last and stays
 │        ├─► throttled ─► sending                   surely not taken: asked again, as if for the first time
 │        ├─► failed                                 refused for good
 │        └─► unknown ─► delivered | failed          perhaps sent: never sent again, a report settles it
 ├─► held ─► released ─► sending | dropped           the hourly brake; the administrator decides
 ├─► skipped                                         not wanted (any more), and why
 └─► parked ─► released                              given up; an operator drives it again
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol

from shared.domain import phone
from shared.domain.appointment import Appointment, Told, to_tell
from shared.domain.connection import Connection, Model

#: A repetition is recognised by the provider for five minutes (documented for its sister services); one is kept back.
REPEATABLE = timedelta(minutes=4)

Occasion = Literal["booked", "changed", "cancelled", "reminder"]


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


class Skip(StrEnum):
    """Why a text is not sent."""

    GONE = "appointment gone"
    NOT_SERVING = "connection not serving"
    NO_CONSENT = "consent missing"
    NO_NUMBER = "no number linked"
    KIND_OFF = "kind switched off"
    ANOTHER_VERSION = "another version"
    MOVED = "moved"
    STANDING = "nothing to say"
    NEVER_TOLD = "never told"
    NOTHING_NEW = "nothing new"
    INITIAL_LOAD = "initial load"
    STALE = "stale message"
    PAST = "past"
    NO_PHONE = "no phone"
    NOT_TEXTABLE = "phone takes no texts"
    NOT_ALLOWED = "not on the allow list"
    OPTED_OUT = "opted out"


#: A number may come with a later message of the same version; every other reason is final, so that a setting that
#: is switched on does not set off what was booked before.
_MENDED_BY_A_MESSAGE = frozenset({Skip.NO_PHONE, Skip.NOT_TEXTABLE})


class Verdict(StrEnum):
    """What came of asking the provider once.

    busy        surely not taken: throttled, unreachable, or our key is refused
    uncertain   perhaps taken: the answer was lost, late or a server error
    rejected    the repeatability id is too old or was used for something else
    """

    ACCEPTED = "accepted"
    BUSY = "busy"
    UNCERTAIN = "uncertain"
    REJECTED = "rejected"
    FAILED = "failed"


class Order(Protocol):
    """What an order asks for."""

    @property
    def kind(self) -> Literal["confirmation", "reminder"]: ...
    @property
    def slot(self) -> int: ...
    @property
    def version(self) -> int: ...


class Text(Model):
    """A text as stored: no phone number, no words.

    occasion, start, first   what it says, fixed before the first call; `first`: it tells how to opt out
    first_sent, fingerprint  FirstSent of the first call, and a pseudonym of phone and words: a repetition must agree
    number                   our sending number
    reported_at              time of the report that decided
    """

    appointment: str
    kind: Literal["confirmation", "reminder"]
    slot: int
    version: int
    state: State = State.NEW
    reason: str = ""
    occasion: Occasion | None = None
    start: datetime | None = None
    first: bool = False
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
        return self.state in _OPEN or (self.state is State.SKIPPED and self.reason in _MENDED_BY_A_MESSAGE)

    @property
    def untried(self) -> bool:
        """No call has been made or allowed yet: the hourly brake has to be asked."""
        return self.state in {State.NEW, State.SKIPPED}


@dataclass(frozen=True)
class Scene:
    """Everything that decides whether a text may go out now.

    phone_key   pseudonym of the phone, as in the connection's allow list; None without a phone
    """

    order: Order
    appointment: Appointment
    connection: Connection
    now: datetime
    phone_key: str | None
    opted_out: bool

    @property
    def wanted(self) -> Told:
        """What the patient is to know."""
        return to_tell(self.appointment.facts)

    @property
    def told(self) -> Told | None:
        """What the patient knows from other texts than this one."""
        itself = self.confirms and self.appointment.told_version == self.order.version
        return None if itself else self.appointment.told

    @property
    def confirms(self) -> bool:
        return self.order.kind == "confirmation"


def why_not(scene: Scene) -> Skip | None:
    """The first reason against sending; None: it may go."""
    return next((reason for reason, holds in _AGAINST if holds(scene)), None)


def _kind_off(scene: Scene) -> bool:
    sms = scene.connection.own.sms
    return not sms.confirmations if scene.confirms else scene.order.slot not in sms.reminders


def _nothing_to_say(scene: Scene) -> bool:
    """A no-show is not told; only a booked visit with a time is confirmed or reminded of."""
    if scene.wanted.standing == "cancelled":
        return not scene.confirms
    return scene.wanted.standing != "booked" or scene.wanted.start is None


def _never_told(scene: Scene) -> bool:
    return scene.wanted.standing == "cancelled" and scene.appointment.told is None


def _nothing_new(scene: Scene) -> bool:
    """The same again, or one more cancellation of what the patient knows is cancelled."""
    if not scene.confirms or scene.told is None:
        return False
    both_cancelled = scene.wanted.standing == scene.told.standing == "cancelled"
    return both_cancelled or scene.wanted == scene.told


def _past(scene: Scene) -> bool:
    start = known_start(scene)
    return start is not None and start <= scene.now


def known_start(scene: Scene) -> datetime | None:
    """The time a text names: the visit's; in a cancellation the one the patient knows."""
    known = scene.wanted
    if known.standing == "cancelled" and scene.told is not None:
        known = scene.told
    return known.start


def _not_textable(scene: Scene) -> bool:
    try:
        phone.e164(scene.appointment.facts.phone or "", scene.connection.own.region)
    except phone.NotTextable:
        return True
    return False


def _not_allowed(scene: Scene) -> bool:
    """A test connection texts only numbers that somebody put on its list."""
    return scene.connection.environment == "test" and scene.phone_key not in scene.connection.own.sms.allow_list


def _quiet(why: str) -> Callable[[Scene], bool]:
    return lambda scene: scene.confirms and scene.appointment.quiet == why


_AGAINST: tuple[tuple[Skip, Callable[[Scene], bool]], ...] = (
    (Skip.NOT_SERVING, lambda scene: not scene.connection.serves),
    (Skip.NO_CONSENT, lambda scene: not scene.connection.own.sms.consented),
    (Skip.NO_NUMBER, lambda scene: scene.connection.own.sms.number is None),
    (Skip.KIND_OFF, _kind_off),
    (Skip.MOVED, lambda scene: scene.appointment.moved_to is not None),
    (Skip.ANOTHER_VERSION, lambda scene: scene.appointment.version != scene.order.version),
    (Skip.STANDING, _nothing_to_say),
    (Skip.NEVER_TOLD, _never_told),
    (Skip.NOTHING_NEW, _nothing_new),
    (Skip.INITIAL_LOAD, _quiet("initial-load")),
    (Skip.STALE, _quiet("stale")),
    (Skip.PAST, _past),
    (Skip.NO_PHONE, lambda scene: scene.appointment.facts.phone is None),
    (Skip.NOT_TEXTABLE, _not_textable),
    (Skip.NOT_ALLOWED, _not_allowed),
    (Skip.OPTED_OUT, lambda scene: scene.opted_out),
)


def ordered(appointment: str, order: Order) -> Text:
    """A text nobody has touched yet."""
    return Text(appointment=appointment, kind=order.kind, slot=order.slot, version=order.version)


def said(text: Text, scene: Scene) -> Text:
    """The text with what it is going to say."""
    told = scene.told
    return text.model_copy(
        update={"occasion": _occasion(scene), "start": known_start(scene), "first": told is None},
    )


def _occasion(scene: Scene) -> Occasion:
    if not scene.confirms:
        return "reminder"
    if scene.wanted.standing == "cancelled":
        return "cancelled"
    return "changed" if scene.told and scene.told.standing == "booked" else "booked"


def claimed(text: Text, now: datetime, fingerprint: str, number: str, segments: int) -> Text:
    """The text right before its first call. FirstSent knows no fractions of a second."""
    update = {
        "state": State.SENDING,
        "reason": "",
        "first_sent": now.replace(microsecond=0),
        "fingerprint": fingerprint,
        "number": number,
        "segments": segments,
    }
    return text.model_copy(update=update)


def repeatable(text: Text, now: datetime, fingerprint: str) -> bool:
    """Whether the provider would recognise one more call as the same: young enough, same phone, same words."""
    return text.first_sent is not None and now - text.first_sent < REPEATABLE and text.fingerprint == fingerprint


def turned_down(text: Text, reason: str) -> Text:
    """Not to be sent (any more); once a call may have been made, nobody knows whether it was."""
    state = State.UNKNOWN if text.state is State.SENDING else State.SKIPPED
    return text.model_copy(update={"state": state, "reason": str(reason)})


def held_back(text: Text) -> Text:
    """To wait for the administrator's word."""
    return text.model_copy(update={"state": State.HELD, "reason": ""})


def withheld(text: Text) -> Text:
    """Taken back right before the first call: surely not sent."""
    return text.model_copy(update={"state": State.SKIPPED, "reason": str(Skip.ANOTHER_VERSION)})


#: What an answer makes of a text whose first call it answers, and of one that had been asked for before: there an
#: earlier call may have been taken, whatever the provider says now.
_FIRST_ANSWER = {
    Verdict.ACCEPTED: State.ACCEPTED,
    Verdict.BUSY: State.THROTTLED,
    Verdict.UNCERTAIN: State.SENDING,
    Verdict.REJECTED: State.UNKNOWN,
    Verdict.FAILED: State.FAILED,
}
_LATER_ANSWER = _FIRST_ANSWER | {Verdict.BUSY: State.SENDING, Verdict.FAILED: State.UNKNOWN}


def answered(text: Text, verdict: Verdict, provider_message: str, code: str, *, first_call: bool) -> Text:
    """The text after the provider's answer; a report that came before it stands."""
    taken = verdict is Verdict.ACCEPTED
    if text.state is not State.SENDING and not (taken and text.state in {State.THROTTLED, State.UNKNOWN}):
        return text.model_copy(update={"provider_message": text.provider_message or provider_message})
    state = (_FIRST_ANSWER if first_call else _LATER_ANSWER)[verdict]
    return text.model_copy(
        update={"state": state, "provider_message": provider_message or text.provider_message, "code": code}
    )


def reported(text: Text, status: str, code: str, at: datetime, provider_message: str) -> Text:
    """The text after a delivery report. Delivered stays; of two failures the later one says why.

    status   `delivered` or `failed`, in lower case; others say nothing we keep
    """
    if status not in {"delivered", "failed"} or text.state is State.DELIVERED:
        return text
    older = text.reported_at is not None and (at, code) <= (text.reported_at, text.code)
    if status == "failed" and older:
        return text
    return text.model_copy(
        update={
            "state": State(status),
            "reason": "",
            "code": code,
            "reported_at": at,
            "provider_message": provider_message or text.provider_message,
        }
    )


def given_up(text: Text, why: str) -> Text:
    """Nobody will try again. What may have been sent is unknown, the rest is parked."""
    if not text.open:
        return text
    state = State.UNKNOWN if text.state is State.SENDING else State.PARKED
    return text.model_copy(update={"state": state, "reason": why})


def reopened(text: Text) -> Text:
    """An operator lets a given-up text go: checked like any other, but for the brake."""
    if text.state is not State.PARKED:
        return text
    return text.model_copy(update={"state": State.RELEASED, "reason": ""})


_NOT_DELIVERED = "Not Delivered - "
#: Codes of delivery reports (microsoft-apis.md section 3) in the words of the usage report (product F11.9). Its
#: `Recipient blocked` has no code there.
_WORDS = {
    "2000": "Sent",
    "4002": f"{_NOT_DELIVERED}Invalid phone number",
    "4003": f"{_NOT_DELIVERED}Invalid phone number",
    "4004": f"{_NOT_DELIVERED}Phone number doesn't exist",
    "4005": f"{_NOT_DELIVERED}Blocked phone number",
    "4006": f"{_NOT_DELIVERED}Unreachable phone number",
    "4007": f"{_NOT_DELIVERED}Blocked by recipient",
    "4009": f"{_NOT_DELIVERED}Spam detected",
    "4020": f"{_NOT_DELIVERED}Spam detected",
}


def status_words(code: str) -> str:
    """How a report calls a code; one that is not listed is `Other error`."""
    return _WORDS.get(code, f"{_NOT_DELIVERED}Other error")
