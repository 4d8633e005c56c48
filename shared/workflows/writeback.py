"""Telling Epic, in order and each change at least once, who connected and disconnected.

An order says "look at this person". Whoever has the lease on the row writes its changes one by one and reads the
row again before letting go, so a change that came meanwhile is not left behind.
"""

import base64
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

from shared.clients.epic import Credential, Epic
from shared.clients.write_back import EpicStatus, Status
from shared.clock import Clock
from shared.domain.connection import Connection, EpicSide
from shared.domain.roster import for_epic
from shared.domain.visit import Person, Visit
from shared.errors import Later, Refused
from shared.messages import WritebackOrder
from shared.storage.audit import Audit, Fact
from shared.storage.connections import Connections
from shared.storage.tables import settled
from shared.storage.visits import Visits
from shared.telemetry import alarm, outcome

#: Longer than telling one change may take; a killed writer's lease ends by itself.
_LEASE = timedelta(seconds=60)
#: Under this name the connection keeps `user:password` of the account that writes back by Basic.
WRITE_BACK_SECRET = "write-back"  # noqa: S105 - the name of a secret


class Deps(Protocol):
    """What write-back needs of the process."""

    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def visits(self) -> Visits: ...
    @property
    def epic(self) -> Epic: ...
    @property
    def epic_status(self) -> EpicStatus: ...
    @property
    def audit(self) -> Audit: ...
    async def credential(self, connection: Connection, side: EpicSide, client_id: str) -> Credential: ...


@dataclass(frozen=True)
class _Turn:
    """One person under our lease."""

    visit: Visit
    person: Person


async def write(order: WritebackOrder, deps: Deps) -> None:
    """Tell Epic everything it has not heard about one person; `Later` while another writer has the lease."""
    lease, told = str(uuid4()), 0
    connection, _ = await deps.connections.find(order.connection)
    while turn := await settled(lambda: _take(order, lease, deps)):
        try:
            answer = await _tell(turn, connection, deps)
        except Later:
            await settled(lambda: _release(order, lease, deps))
            raise
        await deps.audit.note([_fact(turn, answer)])
        await settled(lambda turn=turn: _wrote(order, turn, deps))  # type: ignore[misc]  # bound at once
        told += 1
    outcome("write-back", visit=order.key, person=order.person, told=told)


async def gave_up(order: WritebackOrder, deps: Deps, why: str) -> None:
    """Mark what Epic never heard."""
    known = await deps.visits.find(order.key)
    person = known.people.get(order.person)
    if known.visit is None or person is None:
        return
    alarm("write-back given up", visit=order.key, person=order.person, why=why)
    now = deps.clock.now()
    missing = [Fact(order.connection, order.key, "not told", now, person.id, person.role, why)]
    await deps.audit.note(missing)
    await settled(lambda: _skip(order, deps))


async def _take(order: WritebackOrder, lease: str, deps: Deps) -> _Turn | None:
    """Take or keep the lease while there is something to tell; without, let go. `Later` when another has it."""
    known, now = await deps.visits.find(order.key), deps.clock.real()
    visit, person = known.visit, known.people.get(order.person)
    if visit is None or person is None:
        return None
    if person.lease not in {None, lease} and person.lease_until and person.lease_until > now:
        raise Later("lease")
    wanted = for_epic(person) and visit.session is not None
    update = {"lease": lease, "lease_until": now + _LEASE} if wanted else {"lease": None, "lease_until": None}
    held = person.model_copy(update=update)
    if held != person:
        await deps.visits.save(known, None, held)
    return _Turn(visit, held) if wanted else None


async def _tell(turn: _Turn, connection: Connection, deps: Deps) -> str:
    """Epic's answer to the next change: "ok", or why it will never take it."""
    side = connection.active
    person, sink = turn.person, side.write_back if side else None
    if side is None or sink is None or sink.sink == "log-only":
        return "logged"
    status = Status(turn.visit.session or "", person.external_id or "", person.role, person.changes[person.written])
    authorization = await _authorization(connection, side, deps)
    answer = await deps.epic_status.tell(sink, status, side.backend_client_id, authorization)
    if answer != "ok":
        alarm("write-back refused", connection=connection.id, visit=turn.visit.key, code=answer)
    return answer


async def _authorization(connection: Connection, side: EpicSide, deps: Deps) -> str:
    if side.write_back.authentication == "basic":
        account = await deps.connections.secret(connection, WRITE_BACK_SECRET)
        return "Basic " + base64.b64encode(f"emp${account}".encode()).decode()
    try:
        endpoints = await deps.epic.discover(side.fhir_base_url, side.backend_client_id)
        credential = await deps.credential(connection, side, side.backend_client_id)
        return f"Bearer {await deps.epic.backend_token(endpoints, credential)}"
    except Refused as refusal:
        # Epic's keys or records are being mended by people: the change waits for them
        alarm("write-back has no token", connection=connection.id, code=str(refusal.code))
        raise Later("epic", timedelta(minutes=5)) from None


async def _wrote(order: WritebackOrder, turn: _Turn, deps: Deps) -> None:
    known = await deps.visits.find(order.key)
    person = known.people[order.person]
    await deps.visits.save(known, None, person.model_copy(update={"written": turn.person.written + 1}))


async def _release(order: WritebackOrder, lease: str, deps: Deps) -> None:
    known = await deps.visits.find(order.key)
    person = known.people.get(order.person)
    if person and person.lease == lease:
        await deps.visits.save(known, None, person.model_copy(update={"lease": None, "lease_until": None}))


async def _skip(order: WritebackOrder, deps: Deps) -> None:
    known = await deps.visits.find(order.key)
    if person := known.people.get(order.person):
        await deps.visits.save(known, None, person.model_copy(update={"written": len(person.changes)}))


def _fact(turn: _Turn, answer: str) -> Fact:
    person = turn.person
    change = person.changes[person.written]
    return Fact(turn.visit.connection, turn.visit.key, change.status, change.at, person.id, person.role, answer)
