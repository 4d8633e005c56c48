"""When data keys change, rows that an older one sealed are sealed again, until it can go (docs/settings.md)."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from shared.settings import Settings
from shared.storage.connections import Connections
from shared.storage.lookups import Lookups
from shared.storage.onboarding import Onboarding
from shared.storage.parked import Parked
from shared.storage.people import People
from shared.storage.tables import Resealed
from shared.storage.visits import Visits
from shared.telemetry import alarm, outcome

#: Rows in one run, each read and written: they take a minute or two of the five that a function has.
MOST = 4_000


class Deps(Protocol):
    """What sealing again needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def onboarding(self) -> Onboarding: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def people(self) -> People: ...
    @property
    def parked(self) -> Parked: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def visits(self) -> Visits: ...


async def reseal(deps: Deps, most: int = MOST) -> None:
    """Seal a portion of the rows again that are not under the first key, table by table, the small ones first.

    With a single key there is no other to get rid of. A run that finds nothing to do says `rows=0 left=0`.
    """
    newest, *others = deps.settings.data_keys
    if not others:
        return
    portions: dict[str, Callable[[int], Awaitable[Resealed]]] = {
        "organisations": deps.onboarding.reseal,
        "secrets": deps.connections.reseal_secrets,
        "people": deps.people.reseal,
        "parked": deps.parked.reseal,
        "lookups": deps.lookups.reseal,
        "visits": deps.visits.reseal,
    }
    rows = left = 0
    for table, portion in portions.items():
        done = await portion(most - rows)
        rows, left = rows + done.rows, left + done.missed + done.broken
        if done.broken:
            alarm("rows do not open", table=table, rows=done.broken)
    outcome("resealed", key=newest, rows=rows, left=left)
