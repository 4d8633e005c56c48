"""Telling Epic, in order and each change at least once, who connected and disconnected.

An order says "look at this person". Whoever has the lease on the row tells its changes one by one. After each the
row is read again, and one write notes what was told and keeps the lease or lets it go: a change that came meanwhile
is not left behind.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import uuid4

from shared.clients.epic import Credential, Epic
from shared.clients.write_back import EpicStatus, NotLetIn, Status, basic
from shared.clock import Clock
from shared.domain.configuration import WRITE_BACK, secret_name
from shared.domain.connection import Connection, EpicSide
from shared.domain.roster import for_epic
from shared.domain.visit import Change, Person, Visit
from shared.errors import Later, Refused
from shared.messages import WritebackOrder
from shared.storage.audit import Audit, Fact
from shared.storage.connections import Connections
from shared.storage.tables import settled
from shared.storage.visits import Visits
from shared.telemetry import alarm, outcome

#: Longer than telling one change may take; a killed writer's lease ends by itself.
_LEASE = timedelta(seconds=60)
_MENDED_BY_PEOPLE = timedelta(minutes=5)


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
    """One person under our lease. `again`: its writer before us was killed, so Epic may hear this change twice."""

    visit: Visit
    person: Person
    again: bool


async def write(order: WritebackOrder, deps: Deps) -> None:
    """Tell Epic everything it has not heard about one person; `Later` while another writer has the lease."""
    lease, told, heard = str(uuid4()), 0, 0
    connection, _ = await deps.connections.find(order.connection)
    while turn := await settled(partial(_take, order, lease, heard, deps)):
        if turn.again:
            await deps.audit.note([_fact(turn, "perhaps a second time", deps.clock.now())])
        try:
            answer = await _tell(turn, connection, deps)
        except Later:
            await settled(lambda: _release(order, lease, deps))
            raise
        await deps.audit.note([_fact(turn, answer, _change(turn).at)])
        told, heard = told + 1, turn.person.written + 1
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


async def reopen(order: WritebackOrder, deps: Deps) -> None:
    """Have what was given up told again, with all that came after: so Epic ends where the visit does.

    After erasure nobody can be told of any more, and nothing happens.
    """
    await settled(lambda: _reopen(order, deps))


async def _take(order: WritebackOrder, lease: str, heard: int, deps: Deps) -> _Turn | None:
    """Note that Epic has heard `heard` changes, and in the same write take or keep the lease while there are more.

    Without more, let go. `Later` while another has the lease: what we told is noted all the same.
    """
    known, now = await deps.visits.find(order.key), deps.clock.real()
    visit, person = known.visit, known.people.get(order.person)
    if visit is None or person is None:
        return None
    noted = person.model_copy(update={"written": max(person.written, heard)})  # perhaps another went on meanwhile
    if person.lease not in {None, lease} and person.lease_until and person.lease_until > now:
        if noted != person:
            await deps.visits.save(known, None, noted)
        raise Later("lease")
    wanted = for_epic(noted) and visit.session is not None
    update = {"lease": lease, "lease_until": now + _LEASE} if wanted else {"lease": None, "lease_until": None}
    held = noted.model_copy(update=update)
    if held != person:
        await deps.visits.save(known, None, held)
    return _Turn(visit, held, again=person.lease not in {None, lease}) if wanted else None


async def _tell(turn: _Turn, connection: Connection, deps: Deps) -> str:
    """Epic's answer to the next change: "ok", or why it will never take it.

    Whatever keeps us from asking (keys, records, an account, an address) is mended by people: the change waits.
    """
    side = connection.active
    person, sink = turn.person, side.write_back if side else None
    if side is None or sink is None or sink.sink == "log-only":
        return "logged"
    status = Status(turn.visit.session or "", person.external_id or "", person.role, _change(turn))
    try:
        authorization = await _authorization(connection, side, deps)
        answer = await _ask(side, status, authorization, deps)
    except Refused as refusal:
        alarm("write-back cannot be tried", connection=connection.id, code=str(refusal.code))
        raise Later("epic", _MENDED_BY_PEOPLE) from None
    if answer != "ok":
        alarm("write-back refused", connection=connection.id, visit=turn.visit.key, code=answer)
    return answer


async def _authorization(connection: Connection, side: EpicSide, deps: Deps) -> str:
    if side.write_back.authentication == "basic":
        account = await deps.connections.secret(connection, secret_name(side, WRITE_BACK))
        return basic(account)
    endpoints = await deps.epic.discover(side.fhir_base_url, side.backend_client_id)
    credential = await deps.credential(connection, side, side.backend_client_id)
    return f"Bearer {await deps.epic.backend_token(endpoints, credential, side.fhir)}"


async def _ask(side: EpicSide, status: Status, authorization: str, deps: Deps) -> str:
    try:
        return await deps.epic_status.tell(side, status, authorization)
    except NotLetIn:
        deps.epic.forget(authorization.removeprefix("Bearer "))
        alarm("write-back was not let in", client=side.backend_client_id)
        raise


async def _release(order: WritebackOrder, lease: str, deps: Deps) -> None:
    known = await deps.visits.find(order.key)
    person = known.people.get(order.person)
    if person and person.lease == lease:
        await deps.visits.save(known, None, person.model_copy(update={"lease": None, "lease_until": None}))


async def _skip(order: WritebackOrder, deps: Deps) -> None:
    known = await deps.visits.find(order.key)
    person = known.people.get(order.person)
    if person and person.written < len(person.changes):
        first = person.written if person.unheard_from is None else person.unheard_from
        skipped = {"written": len(person.changes), "unheard_from": first}
        await deps.visits.save(known, None, person.model_copy(update=skipped))


async def _reopen(order: WritebackOrder, deps: Deps) -> None:
    known = await deps.visits.find(order.key)
    person = known.people.get(order.person)
    if person and person.unheard_from is not None and person.external_id:
        if person.lease_until and person.lease_until > deps.clock.real():
            raise Later("lease")  # its writer would write over this
        again = {"written": person.unheard_from, "unheard_from": None}
        await deps.visits.save(known, None, person.model_copy(update=again))


def _change(turn: _Turn) -> Change:
    return turn.person.changes[turn.person.written]


def _fact(turn: _Turn, answer: str, at: datetime) -> Fact:
    person, what = turn.person, _change(turn).status
    return Fact(turn.visit.connection, turn.visit.key, what, at, person.id, person.role, answer)
