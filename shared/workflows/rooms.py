"""Which visit an appointment meets in, when a group may share one room.

The rule (architecture, section 3, "Visit"): the first person who comes through us fixes where an appointment meets,
and where a conference meets. So a group's room wins over a one-to-one meeting that nobody has used, made ahead or
not; a one-to-one meeting that somebody waits in becomes the room of the group that names it; and who has been sent
somewhere is never left behind there. Another name for a room (an Encounter's id) leads to the meeting of whoever
came by it first.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.clock import Clock
from shared.domain.launch import Place
from shared.storage.lookups import Kind, Lookups
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import Conflict

#: Longer than any appointment is moved ahead. Erasure takes the row away earlier.
_ROOM_STAYS = timedelta(days=400)


class Deps(Protocol):
    """What rooms need of the process."""

    @property
    def clock(self) -> Clock: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...


@dataclass(frozen=True)
class Room:
    """Where a person meets.

    key          of the visit
    appointment  pseudonym of the person's own CSN
    unclaimed    names that do not lead here yet, in the order in which they must be claimed
    """

    key: str
    appointment: str
    unclaimed: tuple[str, ...]


async def find(connection: str, place: Place, deps: Deps) -> Room:
    """The room as it stands; nothing is written."""
    own = deps.pseudonyms.of("csn", connection, place.csn)
    group = deps.pseudonyms.of("session", connection, place.session) if place.session else None
    also = deps.pseudonyms.of("room", connection, place.room) if place.room else None
    found = {name: await deps.lookups.find(Kind.SESSION, name) for name in (own, group, also) if name}
    known = [str(row["target"]) for row in found.values() if row]
    # The conference first: if somebody else claims it meanwhile, nothing has been said of the appointment yet.
    unclaimed = tuple(name for name in (group, also, own) if name and found[name] is None)
    return Room(known[0] if known else group or own, own, unclaimed)


async def take(room: Room, deps: Deps) -> None:
    """Somebody meets there now. Raises `Conflict` when somebody else was first: find it again."""
    expires = deps.clock.now() + _ROOM_STAYS
    for name in room.unclaimed:
        if not await deps.lookups.claim(Kind.SESSION, name, room.key, expires):
            raise Conflict(Kind.SESSION)
