"""One appointment: what its scheduling events add up to.

The facts are a pure function of the *set* of events heard: they are sorted by their order (message time,
arrival, position) and folded, so any sequence, repetition or tie of deliveries ends in the same facts. The
last twenty events are kept for that; older ones are folded into `base` and later arrivals before them are
not heard (architecture, section 3). The version counts how often the row's word to the patient changed: it
never falls, so no two words share one.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, Literal

from pydantic import Field

from shared.domain.connection import SmsSetup
from shared.domain.hl7v2.event import Action, Said, SchedulingEvent
from shared.domain.model import Model

REMEMBERED = 20
#: Phone numbers stay until the last text can no longer be sent (architecture, rule 5).
PHONE_STAYS = timedelta(hours=1)
_GONE: dict[str, None] = {"phone": None, "provider": None}
#: A visit does not change more often within an hour; a feed that does is broken, and its patient is left alone.
MOST_CONFIRMED = 5

Standing = Literal["booked", "cancelled", "no-show"]
Order = tuple[datetime, datetime, int, str, str]
#: A modification says nothing of the standing: it does not bring back what was cancelled (epic.md 4.1). A feed
#: that reinstates by S14 maps its status code to a booking in the connection's settings.
_STANDING: dict[Action, Standing] = {
    Action.BOOK: "booked",
    Action.MOVE: "booked",
    Action.CANCEL: "cancelled",
    Action.NO_SHOW: "no-show",
}


class Facts(Model):
    """What is known of an appointment. Times are UTC; `video`: its visit type is one of the connection's."""

    standing: Standing = "booked"
    start: datetime | None = None
    end: datetime | None = None
    phone: str | None = None
    phone_note: str = "none"
    language: str | None = None
    department: str | None = None
    department_name: str | None = None
    provider: str | None = None
    visit_type: str | None = None
    video: bool = True


#: In an order, in place of a message id: no message of that moment is newer.
_AFTER_ANY_ID = "\uffff"


class Heard(Model):
    """One event as remembered: its order, and only the facts it states.

    stands  it books the appointment, or lets it take another one's place: whatever replaced it before is over
    quiet   why a version that this event makes is not announced; None when it is
    """

    sent: datetime
    arrived: datetime
    position: int
    sender: str
    control_id: str
    facts: dict[str, Any]
    stands: bool = False
    quiet: Literal["initial-load", "stale"] | None = None

    @property
    def order(self) -> Order:
        """Later events win; sender and control id settle what is left of a tie."""
        return (self.sent, self.arrived, self.position, self.sender, self.control_id)


class Told(Model):
    """What a patient has been, or would be, told."""

    start: datetime | None
    standing: Standing


class Appointment(Model):
    """One CSN of a connection, as stored.

    key        pseudonym of the CSN
    version    rises when what the patient is to be told changes; texts and agenda carry it
    quiet      why this version is not announced
    told       what the last text said; None before the first
    confirmed  when its last confirmations went out, as many as `MOST_CONFIRMED`
    moved_*    pseudonyms of the appointments this one replaces, and is replaced by
    placed_by  order of the newest message that says whether it stands or is replaced
    """

    connection: str
    key: str
    csn: str | None
    facts: Facts = Facts()
    version: int = 0
    versioned_at: datetime | None = None
    quiet: str | None = None
    told: Told | None = None
    told_version: int = 0
    confirmed: tuple[datetime, ...] = ()
    join_token: str | None = None
    moved_from: str | None = None
    moved_to: str | None = None
    placed_by: Order | None = None
    base: Facts = Facts()
    base_order: Order | None = None
    history: tuple[Heard, ...] = Field(default=())


def to_tell(facts: Facts) -> Told:
    """What these facts mean for the patient: a visit that is no video visit any more is cancelled as one."""
    return Told(start=facts.start, standing=facts.standing if facts.video else "cancelled")


def order_of(event: SchedulingEvent) -> Order:
    """Its place among all events of its appointment."""
    return (event.order.sent, event.order.arrived, event.order.position, event.sender, event.control_id)


def heard(event: SchedulingEvent, sms: SmsSetup, *, loading: bool) -> Heard:
    """What to remember of an event. Fields it does not state leave what is known alone.

    loading   the engine was loading what it has when the message came in, whatever the setting says by now
    """
    stale = event.order.arrived - (event.sent or event.order.arrived) > timedelta(minutes=sms.stale_after_minutes)
    return Heard(
        sent=event.order.sent,
        arrived=event.order.arrived,
        position=event.order.position,
        sender=event.sender,
        control_id=event.control_id,
        facts=_stated(event),
        stands=event.action in {Action.BOOK, Action.MOVE} or event.moved_from is not None,
        quiet="initial-load" if loading or sms.initial_load else "stale" if stale else None,
    )


def _stated(event: SchedulingEvent) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if event.action in _STANDING:
        facts["standing"] = _STANDING[event.action]
    if event.start_said is not Said.ABSENT:
        facts |= {"start": event.start, "end": event.end}
    if event.phone_said is not Said.ABSENT:
        facts |= {"phone": event.phone, "phone_note": str(event.phone_note)}
    optional = {
        "language": event.language,
        "department": event.department,
        "department_name": event.department_name,
        "provider": event.provider,
        "visit_type": next(iter(event.visit_types), None),
        "video": event.video,
    }
    return facts | {name: value for name, value in optional.items() if value is not None}


def after(appointment: Appointment, event: Heard, now: datetime) -> Appointment:
    """The appointment once it has heard one more event; the same object when that changes nothing."""
    if any((old.sender, old.control_id) == (event.sender, event.control_id) for old in appointment.history):
        return appointment
    if appointment.base_order is not None and event.order <= appointment.base_order:
        return appointment
    events = sorted((*appointment.history, event), key=lambda one: one.order)
    forgotten, kept = events[:-REMEMBERED], events[-REMEMBERED:]
    base = _folded(appointment.base, forgotten)
    changed = appointment.model_copy(
        update={
            "facts": _folded(base, kept),
            "base": base,
            "base_order": forgotten[-1].order if forgotten else appointment.base_order,
            "history": tuple(kept),
        }
    )
    if event.stands:
        changed = _placed(changed, None, event.order)
    again = appointment.moved_to is not None and changed.moved_to is None
    if appointment.version == 0 or again or to_tell(changed.facts) != to_tell(appointment.facts):
        made = {"version": appointment.version + 1, "quiet": event.quiet, "versioned_at": event.arrived}
        changed = changed.model_copy(update=made)
    return without_phone(changed) if phone_is_over(changed, now) else changed


def _placed(appointment: Appointment, heir: str | None, by: Order) -> Appointment:
    """The appointment as one that stands (None) or is replaced, unless a newer message has said what it is."""
    if appointment.placed_by is not None and by <= appointment.placed_by:
        return appointment
    return appointment.model_copy(update={"moved_to": heir, "placed_by": by})


def replaced(former: Appointment, heir: str, by: Order) -> Appointment:
    """The appointment as one that another has replaced: it plans and says nothing any more, and needs no phone number.

    Its link goes to the other one. Itself when somebody else has replaced it, or a newer message says that it stands.
    """
    placed = _placed(former, heir, by) if former.moved_to in {None, heir} else former
    if placed is former:
        return former
    return without_phone(placed).model_copy(update={"join_token": None})


def adopted(heir: Appointment, former: Appointment) -> Appointment:
    """The appointment with the link of the one it replaces.

    It takes over what the patient was told last: perhaps it was announced by itself before it was said to replace.
    """
    last = heir.told is None or former.confirmed[-1:] > heir.confirmed[-1:]
    inherited = {"told": former.told, "confirmed": former.confirmed} if former.told and last else {}
    token = former.join_token or heir.join_token
    return heir.model_copy(update={"moved_from": former.key, "join_token": token} | inherited)


def confirmed(appointment: Appointment, now: datetime) -> Appointment:
    """The appointment with one more confirmation on its way."""
    return appointment.model_copy(update={"confirmed": (*appointment.confirmed, now)[-MOST_CONFIRMED:]})


def restless(appointment: Appointment, now: datetime) -> bool:
    """True when the patient heard of too many changes within the hour: a person should look at the feed."""
    sent = appointment.confirmed
    return len(sent) == MOST_CONFIRMED and now - sent[0] < timedelta(hours=1)


def phone_is_over(appointment: Appointment, now: datetime) -> bool:
    """True once no text can be sent any more."""
    due = phone_due(appointment)
    return appointment.moved_to is not None or (due is not None and due <= now)


def phone_due(appointment: Appointment) -> datetime | None:
    """When the phone number must be gone: an hour after the start, or after word that there is none any more."""
    facts, word = appointment.facts, appointment.versioned_at
    moments = [facts.start] if facts.start else []
    if word and (facts.start is None or facts.standing != "booked"):
        moments.append(word)
    return min(moments) + PHONE_STAYS if moments else None


def without_phone(appointment: Appointment) -> Appointment:
    """The appointment without phone number and provider's name, also in what is remembered: no text needs them."""
    return appointment.model_copy(
        update={
            "facts": appointment.facts.model_copy(update=_GONE),
            "base": appointment.base.model_copy(update=_GONE),
            "history": tuple(_hushed(event) for event in appointment.history),
        }
    )


def without_ids(appointment: Appointment) -> Appointment:
    """The appointment with nothing left that names its visit: some engines make message ids out of the CSN.

    What it heard becomes its base: an older message still changes nothing.
    """
    last = max((event.order for event in appointment.history), default=appointment.base_order)
    if last is not None:
        last = (*last[:-1], _AFTER_ANY_ID)
    bare = without_phone(appointment)
    folded = {"base": bare.facts, "base_order": last, "history": ()}
    return bare.model_copy(update={"csn": None, "join_token": None} | folded)


def _hushed(event: Heard) -> Heard:
    return event.model_copy(update={"facts": {name: _GONE.get(name, value) for name, value in event.facts.items()}})


def _folded(facts: Facts, events: Iterable[Heard]) -> Facts:
    """Facts after the events, in their order."""
    return reduce(lambda known, event: Facts.model_validate(known.model_dump() | event.facts), events, facts)
