"""Whether a text may go out now, and what it then says (architecture, sections 4 and 6).

Permission is asked for right before the call, of everything as it is at that moment; the reasons against it are a
table, and the first that holds is the one that is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from shared.domain import phone
from shared.domain.appointment import Appointment, Told, to_tell
from shared.domain.connection import Connection

Occasion = Literal["booked", "changed", "cancelled", "reminder"]


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
MENDED_BY_A_MESSAGE = frozenset({Skip.NO_PHONE, Skip.NOT_TEXTABLE})


class Order(Protocol):
    """What an order asks for."""

    @property
    def kind(self) -> Literal["confirmation", "reminder"]: ...
    @property
    def slot(self) -> int: ...
    @property
    def version(self) -> int: ...


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


def occasion(scene: Scene) -> Occasion:
    """What the text tells of."""
    if not scene.confirms:
        return "reminder"
    if scene.wanted.standing == "cancelled":
        return "cancelled"
    return "changed" if scene.told and scene.told.standing == "booked" else "booked"
