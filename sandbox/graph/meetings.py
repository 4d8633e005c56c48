"""The meetings that exist and how Graph shows them."""

import base64
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from sandbox.graph import meeting_body, times
from sandbox.graph.calls import Participant, Room
from sandbox.graph.refusal import Refusal
from sandbox.world import USERS, User

LIFE = timedelta(days=60)
MONTH_IS_FULL_RETRY_SECONDS = "3600"
#: Start and end.
Span = tuple[datetime, datetime]


@dataclass
class Meeting:
    """One online meeting and the room it is held in."""

    id: str
    thread: str
    organizer: User
    join_url: str
    external_id: str | None
    created: datetime
    start: datetime
    end: datetime
    options: dict[str, Any]
    attendees: list[dict[str, Any]]
    join_id: str
    passcode: str | None
    expires: datetime
    room: Room = field(default_factory=Room)

    def use(self, now: datetime) -> None:
        """Whoever uses or changes a meeting keeps it for 60 more days."""
        self.expires = max(self.expires, max(now, self.end) + LIFE)

    def role(self, user: User | None) -> str:
        """organizer | coorganizer | presenter | attendee, by allowedPresenters and the attendee list."""
        if user == self.organizer:
            return "organizer"
        listed = {entry["identity"]["user"]["id"]: entry["role"] for entry in self.attendees if entry["identity"]}
        given = listed.get(user.oid, "attendee") if user else "attendee"
        who = self.options["allowedPresenters"]
        if given == "coorganizer" or (who == "roleIsPresenter" and given in ("presenter", "producer")):
            return str(given)
        ours = user is not None and user.tenant == self.organizer.tenant
        return "presenter" if who == "everyone" or (who == "organization" and ours) else "attendee"

    def may_end(self, one: Participant) -> bool:
        """A guest never may; of those who signed in, all but attendees."""
        return one.state == "in" and one.user is not None and self.role(one.user) != "attendee"

    def may_admit(self, one: Participant) -> bool:
        """allowedLobbyAdmitters: organisers, or presenters too."""
        narrow = self.options["allowedLobbyAdmitters"] == "organizerAndCoOrganizers"
        return self.may_end(one) and (not narrow or self.role(one.user) in ("organizer", "coorganizer"))

    def bypasses_lobby(self, user: User | None) -> bool:
        """lobbyBypassSettings.scope; an organiser and those who share that role never wait."""
        scope = self.options["lobbyBypassSettings"]["scope"]
        if user is None:
            return bool(scope == "everyone")
        if self.role(user) in ("organizer", "coorganizer"):
            return True
        invited = any(entry["identity"]["user"]["id"] == user.oid for entry in self.attendees if entry["identity"])
        ours = user.tenant == self.organizer.tenant
        return {
            "organizer": False,
            "organization": ours,
            "organizationExcludingGuests": ours,
            "organizationAndFederated": True,
            "everyone": True,
            "invited": invited,
        }[scope]

    def document(self, prefer: str = "") -> dict[str, Any]:
        """The resource; some enum members only for those who ask for them in `Prefer`."""
        lobby = dict(self.options["lobbyBypassSettings"])
        if lobby["scope"] in meeting_body.HIDDEN_SCOPES and "include-unknown-enum-members" not in prefer:
            lobby["scope"] = "unknownFutureValue"
        return {
            "id": self.id,
            "creationDateTime": times.text(self.created),
            "startDateTime": times.text(self.start),
            "endDateTime": times.text(self.end),
            "expiryDateTime": times.text(self.expires),
            "joinWebUrl": self.join_url,
            "externalId": self.external_id,
            "isBroadcast": False,
            **self.options,
            "lobbyBypassSettings": lobby,
            "participants": {"organizer": self._organizer(), "attendees": self.attendees},
            "chatInfo": {"threadId": self.thread, "messageId": "0", "replyChainMessageId": None},
            "joinMeetingIdSettings": {
                "joinMeetingId": self.join_id,
                "isPasscodeRequired": self.passcode is not None,
                "passcode": self.passcode,
            },
            "audioConferencing": None,
        }

    def _organizer(self) -> dict[str, Any]:
        user = {"id": self.organizer.oid, "displayName": None, "tenantId": self.organizer.tenant}
        return {"upn": self.organizer.upn, "role": "presenter", "identity": {"user": user}}


class Meetings:
    """All meetings of all tenants, the application access policies and the monthly count."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._all: dict[str, Meeting] = {}
        self._created: Counter[tuple[str, str]] = Counter()
        #: (application, organiser's object id)
        self.policies: set[tuple[str, str]] = set()

    def __iter__(self) -> Iterator[Meeting]:
        """All that were not deleted, the expired among them."""
        return iter(list(self._all.values()))

    def living(self, now: datetime) -> Iterator[Meeting]:
        """Those that neither expired nor were deleted."""
        return (meeting for meeting in self if now < meeting.expires)

    def get(self, meeting_id: str, now: datetime) -> Meeting | None:
        """The meeting with this id."""
        return next((m for m in self.living(now) if m.id == meeting_id), None)

    def by_url(self, join_url: str, tenant: str, now: datetime) -> Meeting | None:
        """The tenant's meeting with exactly this address."""
        living = self.living(now)
        return next((m for m in living if m.join_url == join_url and m.organizer.tenant == tenant), None)

    def by_thread(self, thread: str, now: datetime) -> Meeting | None:
        """The meeting whose address holds this thread."""
        return next((m for m in self.living(now) if m.thread == thread), None)

    def by_external_id(self, organizer: User, external_id: str, now: datetime) -> Meeting | None:
        """The meeting that createOrGet made for this key (tenant, user, externalId)."""
        living = self.living(now)
        return next((m for m in living if m.organizer == organizer and m.external_id == external_id), None)

    def of_participant(self, participant_id: str, now: datetime) -> tuple[Meeting, Participant] | None:
        """Where a participant is."""
        found = ((m, m.room.roster[participant_id]) for m in self.living(now) if participant_id in m.room.roster)
        return next(found, None)

    def delete(self, meeting: Meeting) -> None:
        """Take a meeting away; its address leads nowhere from now on."""
        del self._all[meeting.id]

    def create(self, organizer: User, body: dict[str, Any], span: Span, now: datetime, limit: int) -> Meeting:
        """A new meeting from a checked body; 429 when the organiser's month is full."""
        month = (organizer.oid, now.strftime("%Y-%m"))
        if self._created[month] >= limit:
            full = {"Retry-After": MONTH_IS_FULL_RETRY_SECONDS}
            raise Refusal(429, "TooManyRequests", "The user's meetings of this month are used up.", full)
        chosen = meeting_body.options(body)
        meeting = self._new(organizer, body, span, now)
        _choose(meeting, chosen)
        self._created[month] += 1
        self._all[meeting.id] = meeting
        return meeting

    def _new(self, organizer: User, body: dict[str, Any], span: Span, now: datetime) -> Meeting:
        unique = uuid4()
        encoded = base64.urlsafe_b64encode(str(unique).encode()).decode().rstrip("=")
        thread = f"19:meeting_{encoded}@thread.v2"
        key = base64.urlsafe_b64encode(f"1*{organizer.oid}*0**{thread}".encode()).decode().rstrip("=")
        passcode = body.get("joinMeetingIdSettings", {}).get("isPasscodeRequired", True)
        return Meeting(
            id=key,
            thread=thread,
            organizer=organizer,
            join_url=f"{self._site}/l/meetup-join/{_lower_quote(thread)}/0?context={_lower_quote(_context(organizer))}",
            external_id=body.get("externalId"),
            created=now,
            start=span[0],
            end=span[1],
            options={
                **meeting_body.DEFAULTS,
                "lobbyBypassSettings": dict(meeting_body.DEFAULTS["lobbyBypassSettings"]),
            },
            attendees=meeting_body.attendees(body),
            join_id=str(unique.int % 10**12),
            passcode=encoded[-6:] if passcode else None,
            expires=max(now, span[1]) + LIFE,
        )


def update(meeting: Meeting, body: dict[str, Any], now: datetime) -> None:
    """Apply a checked PATCH: a list of attendees replaces the old one, lobby settings are merged."""
    chosen = meeting_body.options(body)
    if "attendees" in body.get("participants", {}):
        meeting.attendees = meeting_body.attendees(body)
    _choose(meeting, chosen)
    meeting.use(now)


def organizer_of(oid: str, tenant: str) -> User | None:
    """The tenant's user with this object id."""
    return next((user for user in USERS.values() if user.oid == oid and user.tenant == tenant), None)


def _choose(meeting: Meeting, chosen: dict[str, Any]) -> None:
    lobby = {**meeting.options["lobbyBypassSettings"], **chosen.get("lobbyBypassSettings", {})}
    meeting.options |= {**chosen, "lobbyBypassSettings": lobby}


def _context(organizer: User) -> str:
    return f'{{"Tid":"{organizer.tenant}","Oid":"{organizer.oid}"}}'


def _lower_quote(text: str) -> str:
    """Percent-encoding in small letters, as in Teams' own links."""
    return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), quote(text, safe=""))
