"""Everything has an expiry: once a day, rows whose time is over leave (architecture, section 5)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

from shared.clock import Clock
from shared.domain.connection import Connection
from shared.settings import Settings
from shared.storage.audit import Audit
from shared.storage.connections import Connections
from shared.storage.lookups import Lookups
from shared.storage.organisers import Organisers
from shared.storage.parked import Parked
from shared.storage.texts import Texts
from shared.storage.visits import Visits
from shared.telemetry import alarm, outcome, place

#: Graph counts meetings by the month; a look back over a year is enough.
_ORGANISERS_KEPT = timedelta(days=366)


class Deps(Protocol):
    """What expiry needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def visits(self) -> Visits: ...
    @property
    def organisers(self) -> Organisers: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def parked(self) -> Parked: ...


async def expire(deps: Deps) -> None:
    """Remove what is over, table by table. One that fails is an alarm and does not stop the others; tomorrow again.

    Opt-outs and the history of connections stay; people leave with their connection.
    """
    sweeps: dict[str, Callable[[Deps], Awaitable[int]]] = {
        "lookups": _lookups,
        "parked": _parked,
        "texts": _texts,
        "visits": _visits,
        "organisers": _organisers,
        "audit": _audit,
        "secrets": _secrets,
    }
    counts = {table: await _swept(table, sweep, deps) for table, sweep in sweeps.items()}
    outcome("expired", **counts)


async def _swept(table: str, sweep: Callable[[Deps], Awaitable[int]], deps: Deps) -> int:
    try:
        return await sweep(deps)
    except Exception as error:  # its text may hold anything: only its type and place go on
        alarm("expiry failed", table=table, error=type(error).__name__, at=place(error))
        return 0


async def _lookups(deps: Deps) -> int:
    return await deps.lookups.expire(deps.clock.now())


async def _parked(deps: Deps) -> int:
    return await deps.parked.expire()


async def _texts(deps: Deps) -> int:
    before = deps.clock.now() - timedelta(days=deps.settings.texts_days)
    return sum([await deps.texts.expire(one.id, before) for one in await deps.connections.ever()])


async def _visits(deps: Deps) -> int:
    before = deps.clock.now() - timedelta(days=deps.settings.visits_days)
    return sum([await deps.visits.remove(key) async for key in deps.visits.over(before)])


async def _organisers(deps: Deps) -> int:
    month = f"{deps.clock.now() - _ORGANISERS_KEPT:%Y%m}"
    tenants = {str(one.tenant) for one in await deps.connections.ever()}
    return sum([await deps.organisers.expire(tenant, month) for tenant in tenants])


async def _audit(deps: Deps) -> int:
    before = deps.clock.now() - timedelta(days=deps.settings.audit_days)
    tenants = {_audited(one) for one in await deps.connections.ever()}
    return sum([await deps.audit.expire(tenant, before) for tenant in tenants])


async def _secrets(deps: Deps) -> int:
    return await deps.connections.sweep_secrets()


def _audited(connection: Connection) -> str:
    """A tenant as the audit's partitions call it."""
    return connection.tenant.hex
