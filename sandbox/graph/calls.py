"""What happens in a meeting: who waits, who is in, and the events that follow. Pure: no I/O, time comes in.

A call starts when somebody gets in while nobody is, and ends when it is ended for all, or when it is empty
and the meeting's end has passed (`Room.close_if_over`). A meeting may see several calls, one after another.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sandbox.graph import times
from sandbox.world import User

LEFT = "Participant has left the meeting call."


@dataclass
class Participant:
    """Someone in a meeting's roster. A guest gets a new one at each join, a signed-in user keeps theirs.

    state: lobby | in | left | removed
    """

    id: str
    name: str
    user: User | None
    state: str = "new"

    @property
    def present(self) -> bool:
        """Whether they wait or are in."""
        return self.state in ("lobby", "in")

    def identity(self) -> dict[str, Any]:
        """Graph's identitySet: a tenant's user, or a guest with the name that was typed."""
        if self.user is None:
            return {"guest": {"id": self.id, "displayName": self.name}}
        return {"user": {"id": self.user.oid, "displayName": self.user.name, "tenantId": self.user.tenant}}

    def delta(self) -> dict[str, Any]:
        """The participant as roster events show them."""
        entry: dict[str, Any] = {"id": self.id, "isInLobby": self.state == "lobby"}
        entry["info"] = {"identity": self.identity()}
        return entry if self.present else {**entry, "removedState": {"reason": LEFT}}


@dataclass
class Stay:
    """One stretch of a participant inside a call."""

    participant: Participant
    start: datetime
    end: datetime | None = None


@dataclass
class Call:
    """One session: from the first who got in to its end."""

    started: datetime
    ended: datetime | None = None
    stays: list[Stay] = field(default_factory=list)
    report_id: str = field(default_factory=lambda: str(uuid4()))
    record_id: str = field(default_factory=lambda: str(uuid4()))
    record_announced: bool = False

    def ready(self, now: datetime, minutes: float) -> bool:
        """Whether something that appears `minutes` after the end is there."""
        return self.ended is not None and now >= self.ended + timedelta(minutes=minutes)


@dataclass(frozen=True)
class RosterEvent:
    """What Graph will tell about the call: callStarted | rosterUpdated | callEnded."""

    kind: str
    at: datetime
    delta: tuple[dict[str, Any], ...] = ()

    def document(self, event_id: str) -> dict[str, Any]:
        """The event before encryption (microsoft-apis.md 2a)."""
        body = {
            "@odata.type": "#microsoft.graph.callevent",
            "id": event_id,
            "eventType": self.kind,
            "eventDateTime": times.text(self.at),
        }
        return {**body, "participants@delta": list(self.delta)} if self.kind == "rosterUpdated" else body


class Room:
    """A meeting's roster and its calls. Every change answers the events it causes, in order."""

    def __init__(self) -> None:
        self.roster: dict[str, Participant] = {}
        self.calls: list[Call] = []
        self._last = datetime.min.replace(tzinfo=UTC)

    @property
    def call(self) -> Call | None:
        """The call that is on, if any."""
        return self.calls[-1] if self.calls and self.calls[-1].ended is None else None

    @property
    def state(self) -> str:
        """idle (no call yet) | live | ended."""
        if self.call:
            return "live"
        return "ended" if self.calls else "idle"

    def inside(self) -> list[Participant]:
        """Those who are in the call."""
        return [one for one in self.roster.values() if one.state == "in"]

    def arrive(self, user: User | None, name: str) -> Participant:
        """The participant that this person is: known if they signed in before, new otherwise."""
        for known in self.roster.values():
            if user is not None and known.user == user:
                return known
        fresh = Participant(str(uuid4()), name, user)
        self.roster[fresh.id] = fresh
        return fresh

    def wait(self, who: Participant, now: datetime) -> list[RosterEvent]:
        """Put someone into the lobby."""
        who.state = "lobby"
        return [self._roster([who], now)]

    def enter(self, who: Participant, now: datetime) -> list[RosterEvent]:
        """Let someone in; the first starts the call."""
        events = []
        if self.call is None:
            events.append(self._event("callStarted", now))
            self.calls.append(Call(events[0].at))
        who.state = "in"
        events.append(self._roster([who], now))
        self.calls[-1].stays.append(Stay(who, events[-1].at))
        return events

    def go(self, who: Participant, state: str, now: datetime) -> list[RosterEvent]:
        """Someone leaves or is turned away; the call itself goes on."""
        return [self._gone([who], state, now)]

    def end(self, now: datetime) -> list[RosterEvent]:
        """End the call for all, those in the lobby included."""
        there = [one for one in self.roster.values() if one.present]
        events = [self._gone(there, "removed", now)] if there else []
        if self.call:
            events.append(self._event("callEnded", now))
            self.call.ended = events[-1].at
        return events

    def close_if_over(self, scheduled_end: datetime, now: datetime) -> list[RosterEvent]:
        """End an empty call once the meeting's time is over."""
        over = self.call is not None and not self.inside() and now >= scheduled_end
        return self.end(now) if over else []

    def _gone(self, people: list[Participant], state: str, now: datetime) -> RosterEvent:
        for one in people:
            one.state = state
        event = self._roster(people, now)
        for stay in self.call.stays if self.call else []:
            if stay.end is None and stay.participant in people:
                stay.end = event.at
        return event

    def _roster(self, people: list[Participant], now: datetime) -> RosterEvent:
        return self._event("rosterUpdated", now, tuple(one.delta() for one in people))

    def _event(self, kind: str, now: datetime, delta: tuple[dict[str, Any], ...] = ()) -> RosterEvent:
        # Two events never carry the same time, so that their order can be told from it.
        self._last = max(now, self._last + timedelta(microseconds=1))
        return RosterEvent(kind, self._last, delta)
