"""Integration records: shown, checked against what Epic holds, and made of the public product's (F4)."""

from collections.abc import Mapping
from typing import Protocol

from shared.clock import Clock
from shared.domain.connection import Connection, Environment
from shared.domain.model import Model
from shared.domain.records import record as records
from shared.domain.records.check import Checked, check
from shared.domain.records.migration import Migration, migration
from shared.domain.records.pasted import Held
from shared.domain.records.record import Ours, Record
from shared.domain.records.registration import Ours as Registering
from shared.domain.records.registration import Registration, registration
from shared.domain.signing import SigningKeys
from shared.errors import Code, Refused
from shared.settings import Settings
from shared.storage.connections import Connections
from shared.telemetry import outcome
from shared.workflows import approval, launch


class Deps(Protocol):
    """What records need of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def signing(self) -> Mapping[str, SigningKeys]: ...
    @property
    def epic_callback(self) -> str: ...
    def launch_callback(self, connection_id: str) -> str: ...


class Records(Model):
    """The records of a connection's active revision. `text`: all of them as one document for the Epic team."""

    id: str
    change: int
    revision: int
    environment: Environment
    fhir_base_url: str
    records: tuple[Record, ...]
    text: str


def show(connection: Connection, deps: Deps) -> Records:
    """The records as they serve now; refuses before the first approval."""
    made = _records(connection, deps)
    base = connection.approved.fhir_base_url
    head = (
        f"Integration records, {connection.environment.upper()} environment\n"
        f"FHIR base URL: {base}\nConnection: {connection.id}, revision {connection.revision}\n"
    )
    return Records(
        id=connection.id,
        change=connection.change,
        revision=connection.revision,
        environment=connection.environment,
        fhir_base_url=base,
        records=made,
        text="\n".join([head, *(record.text for record in made)]),
    )


def register(connection: Connection, deps: Deps) -> Registration:
    """What the analyst registers at Epic, before or after approval."""
    side = connection.pending.epic if connection.pending else connection.active
    if side is None:
        raise Refused(Code.WRONG_STATE, "pending")
    ours = Registering(
        app_url=deps.settings.public_url,
        launch_callback=deps.launch_callback(connection.id),
        epic_callback=deps.epic_callback,
        scopes={
            "provider": _both(launch.scopes("provider", side), approval.SCOPE),
            "patient": launch.scopes("patient", side),
        },
        jwks=deps.signing[connection.environment].jwks()["keys"],
    )
    return registration(connection, ours)


def _both(launching: str, approving: str) -> str:
    """Every scope once: the provider app is also the one the approver signs in by."""
    return " ".join(dict.fromkeys([*launching.split(), *approving.split()]))


async def compare(connection: Connection, held: Held, deps: Deps) -> Checked:
    """What differs between a record in Epic and ours. Of what was sent nothing is kept, and only ids are logged."""
    found = check(held, await _ours(connection, deps))
    ids = ",".join(sorted({one.id for one in found.differences}))
    outcome("record checked", connection=connection.id, kind=found.kind, differences=ids)
    return found


async def migrate(connection: Connection, held: tuple[Held, ...], deps: Deps) -> Migration:
    """The smallest change to each record of the public product."""
    made = migration(held, await _ours(connection, deps))
    outcome("records migrated", connection=connection.id, count=len(made.records))
    return made


async def _ours(connection: Connection, deps: Deps) -> Ours:
    tenants = await deps.connections.of_tenant(connection.tenant)
    others = [one for one in tenants if one.id != connection.id]
    return Ours(connection, _records(connection, deps), others)


def _records(connection: Connection, deps: Deps) -> tuple[Record, ...]:
    if connection.active is None:
        raise Refused(Code.WRONG_STATE, "active")
    return records.records(connection, deps.settings.public_url, deps.settings.hl7_url)
