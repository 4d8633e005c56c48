"""Who is in a call, folded from what Graph says about it (microsoft-apis.md 2a).

Graph delivers late, twice and out of order. Of each participant we keep what was seen and when; a person's
connects and disconnects follow from all of it, so any order of deliveries ends in the same story.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.domain.model import Model
from shared.domain.visit import Change, Person, Presence, Sighting
from shared.errors import Broken

#: A patient who launched and does not show up for this long is not who knocks now.
FROM_LAUNCH_TO_LOBBY = timedelta(minutes=30)
_CLOCKS_DIFFER = timedelta(minutes=1)
#: More than anybody can join and leave; protects a row from a broken feed.
_MOST_SIGHTINGS = 200


class Seen(Model):
    """One participant in one event.

    participant   Graph's id; a guest who rejoins gets a new one
    oid, tenant   of a signed-in user; None for guests, phones and other kinds
    name          as shown in the roster; sealed wherever it rests, gone when the visit closes
    name_key      its pseudonym, to compare with the one of a launch
    """

    participant: str
    presence: Presence
    oid: str | None = None
    tenant: str | None = None
    name: str | None = None
    name_key: str | None = None


class Happened(Model):
    """One call event, in our words."""

    id: str
    kind: Literal["started", "ended", "roster"]
    at: datetime
    seen: tuple[Seen, ...] = ()


def read(document: Any) -> Happened:
    """A decrypted event. Keys are read in any case: live payloads are said to be PascalCase. Raises `Broken`."""
    event = _lower(document)
    try:
        kind = _KINDS[str(event["eventtype"]).rpartition(".")[2].lower()]
        changes = event.get("participants@delta", [])
        seen = tuple(_seen(change) for change in changes)
        return Happened(id=event["id"], kind=kind, at=event["eventdatetime"], seen=seen)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Broken("a call event that no contract knows") from None


_KINDS: dict[str, Literal["started", "ended", "roster"]] = {
    "callstarted": "started",
    "callended": "ended",
    "rosterupdated": "roster",
}


def _seen(change: Mapping[str, Any]) -> Seen:
    identity = (change.get("info") or {}).get("identity") or {}
    user = identity.get("user") or {}
    named = next((one for one in identity.values() if isinstance(one, dict) and one.get("displayname")), {})
    gone = change.get("removedstate") is not None
    presence: Presence = "left" if gone else "lobby" if change.get("isinlobby") else "in"
    return Seen(
        participant=change["id"],
        presence=presence,
        oid=user.get("id"),
        tenant=user.get("tenantid"),
        name=named.get("displayname"),
    )


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name).lower(): _lower(one) for name, one in value.items()}
    return [_lower(one) for one in value] if isinstance(value, list) else value


def whose(seen: Seen, people: Iterable[Person], at: datetime, *, group: bool) -> Person | None:
    """The person a participant is, or None: nobody is guessed.

    A participant stays the person it was first seen as, and a user of Entra is the staff member with that object
    id, of two the one whom Epic knows. A guest is the only patient (or proxy) of that name, perhaps on a second
    device; else, in a visit of one patient, the one whose launch nobody has followed yet. In a group a launch alone
    says too little.
    """
    everybody = list(people)
    for person in everybody:
        if seen.participant in person.participants:
            return person
    if seen.oid:
        theirs = [person for person in everybody if person.oid == seen.oid]
        return next((person for person in theirs if person.external_id), theirs[0] if theirs else None)
    patients = [person for person in everybody if person.role in {"patient", "proxy"}]
    named = [person for person in patients if seen.name_key in {person.name_key, person.shown_key} - {None}]
    launched = [person for person in _known_to_epic(patients) if _is_expected(person, at)]
    found = named or ([] if group else launched)
    return found[0] if len(found) == 1 else None


def _known_to_epic(patients: list[Person]) -> list[Person]:
    """Who pressed the link in a text is only somebody of their own while no patient came through Epic."""
    return [person for person in patients if person.external_id] or patients


def _is_expected(person: Person, at: datetime) -> bool:
    """Launched a short while ago, and not seen since: one launch brings one participant."""
    if person.launched_at is None or is_connected(person):
        return False
    seen = [sighting.at for sightings in person.participants.values() for sighting in sightings]
    fresh = not seen or max(seen) < person.launched_at
    return fresh and person.launched_at - _CLOCKS_DIFFER <= at <= person.launched_at + FROM_LAUNCH_TO_LOBBY


def after(person: Person, participant: str, sighting: Sighting) -> Person:
    """The person once one more thing was seen of one of their participants; the same object when it is known."""
    before = person.participants.get(participant, ())
    if sighting in before or len(before) >= _MOST_SIGHTINGS:
        return person
    seen = person.participants | {participant: tuple(sorted((*before, sighting), key=lambda one: one.at))}
    story = tuple(_story(seen))
    return person.model_copy(
        update={"participants": seen, "story": story, "changes": (*person.changes, *_news(person.story, story))}
    )


def told_once(before: Person | None, person: Person) -> Person:
    """What Epic is to hear of everything that was folded since `before`: not what lay in between for a moment.

    A late arrival in a call that is known to have ended was never there alone: it came and went in one step.
    """
    known, story = (before.changes, before.story) if before else ((), ())
    return person.model_copy(update={"changes": (*known, *_news(story, person.story))})


def for_epic(person: Person) -> bool:
    """Epic has something to hear about this person. Who has no id there is audited and shown, never guessed."""
    return person.external_id is not None and person.written < len(person.changes)


def was_held(people: Iterable[Person]) -> bool:
    """A member of staff and somebody else were both in the call, whether or not at the same time."""
    roles = {person.role for person in people if person.story}
    return "staff" in roles and len(roles) > 1


def is_connected(person: Person) -> bool:
    """In the lobby or in the call, as far as is known."""
    return bool(person.story) and person.story[-1].status == "connected"


def ended(person: Person, at: datetime) -> Person:
    """The call's end: whoever was in by then has left. Who came later is in another call, whatever came first."""
    for participant, sightings in person.participants.items():
        by_then = [one for one in sightings if one.at <= at]
        if by_then and by_then[-1].presence != "left":
            person = after(person, participant, Sighting(at=at, presence="left"))
    return person


def gone(person: Person, at: datetime) -> Person:
    """Everybody's end: whoever was still in has left, at the latest now."""
    for participant, sightings in person.participants.items():
        if sightings[-1].presence != "left":
            person = after(person, participant, Sighting(at=max(at, sightings[-1].at), presence="left"))
    return person


def _story(participants: Mapping[str, tuple[Sighting, ...]]) -> Iterator[Change]:
    """Connects and disconnects of a person over all devices: connected while any of them waits or is in.

    The lobby counts: what a clinician needs to see is that the patient is there (F7.4, F10.2). Someone who is
    first seen leaving was never seen here, and has no story.
    """
    moments = sorted(
        (sighting.at, _RANK[sighting.presence], participant)
        for participant, sightings in participants.items()
        for sighting in sightings
    )
    here: set[str] = set()
    connected = False
    for at, rank, participant in moments:
        here = here - {participant} if rank == _RANK["left"] else here | {participant}
        if bool(here) != connected:
            connected = bool(here)
            yield Change(status="connected" if connected else "disconnected", at=at)


#: At one instant arrivals come first: who changes devices was never away.
_RANK: dict[Presence, int] = {"lobby": 0, "in": 1, "left": 2}


def _news(told: tuple[Change, ...], story: tuple[Change, ...]) -> tuple[Change, ...]:
    """What has to be told on top of what was, so that each change is told and the last word is true.

    Connects and disconnects alternate, so a story is known by its length. One that grew has its new end told. One
    that shrank, because a late event filled a gap, has its last word told again if it is another one now. A change
    whose time a late event corrects is not told twice.
    """
    if len(story) > len(told):
        return story[len(told) :]
    return story[-1:] if (len(told) - len(story)) % 2 else ()
