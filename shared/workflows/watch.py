"""What an operator must see: poison, work that is late, certificates that end. docs/operations.md says what to do."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.certificates import ends
from shared.settings import Settings
from shared.storage.agenda import Agenda
from shared.storage.lookups import Kind, Lookups
from shared.storage.names import Queue
from shared.telemetry import alarm, outcome, place
from shared.workflows import numbers, parked

#: The agenda is worked off each minute; an entry this late means that nobody does.
_OVERDUE = timedelta(minutes=10)
#: A queue is polled each two seconds; this long is a backlog, longer than any lease that a killed process left behind.
_WAITED = timedelta(minutes=15)
#: Reminders are spread over the minutes, so many may lie hidden; more than this is no pace but a jam.
_LONGEST_QUEUE = 10_000
#: Enough to count; what is overdue is not read to its end every time.
_MOST_COUNTED = 5000
_WARN_AHEAD = timedelta(days=30)


class Deps(parked.Deps, numbers.Deps, Protocol):
    """What watching needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def agenda(self) -> Agenda: ...
    @property
    def lookups(self) -> Lookups: ...


async def watch(deps: Deps) -> None:
    """Look at everything once. One look that fails is an alarm itself and does not stop the others."""
    looks = (
        _poison,
        _parked_content,
        _attempts,
        _agenda,
        _queues,
        _engine_certificates,
        _own_certificates,
        _number_orders,
    )
    for look in looks:
        try:
            await look(deps)
        except Exception as error:  # its text may hold anything: only its type and place go on
            alarm("watch failed", look=look.__name__.lstrip("_"), error=type(error).__name__, at=place(error))


async def _poison(deps: Deps) -> None:
    for queue in Queue:
        await parked.bury(queue, deps)


async def _parked_content(deps: Deps) -> None:
    """What given-up work holds of patients leaves in time, not only once a day."""
    if count := await deps.parked.erase():
        outcome("parked content erased", count=count)


async def _attempts(deps: Deps) -> None:
    """Who signed in at Epic to approve is not kept once the attempt is over."""
    if count := await deps.lookups.end(Kind.APPROVAL, deps.clock.now()):
        outcome("attempts ended", count=count)


async def _agenda(deps: Deps) -> None:
    now, count, oldest = deps.clock.now(), 0, None
    async for due in deps.agenda.due(now - _OVERDUE):
        oldest = oldest or due.at
        count += 1
        if count == _MOST_COUNTED:
            break
    if oldest:
        alarm("work overdue", count=count, minutes=_minutes(now - oldest))


async def _queues(deps: Deps) -> None:
    for queue in Queue:
        backlog = await deps.queues.backlog(queue, deps.clock.real())
        if backlog.waited > _WAITED or backlog.length > _LONGEST_QUEUE:
            alarm("queue behind", queue=queue, length=backlog.length, minutes=_minutes(backlog.waited))


async def _engine_certificates(deps: Deps) -> None:
    """An engine that is let in by a newer pin as well has been looked after."""
    now = deps.clock.now()
    for connection in await deps.connections.every():
        pins = connection.own.certificates
        if connection.serves and pins:
            _warn(max(pin.not_after for pin in pins), now, whose="engine", which=connection.id)


async def _own_certificates(deps: Deps) -> None:
    now = deps.clock.now()
    for whose, which, pem in _own(deps.settings):
        _warn(ends(pem), now, whose=whose, which=which)


def _own(settings: Settings) -> Iterator[tuple[str, str, str]]:
    yield "connector", settings.connector_client_id, settings.connector_certificate
    for kid, pem in settings.notification_keys[:1]:  # the first is the one that Graph is given
        yield "notifications", kid, pem


def _warn(last_day: datetime, now: datetime, **of: str) -> None:
    if last_day - now <= _WARN_AHEAD:
        alarm("certificate ends", days=(last_day - now) // timedelta(days=1), **of)


async def _number_orders(deps: Deps) -> None:
    if count := await numbers.awaken(deps):
        outcome("number orders sent for again", count=count)


def _minutes(span: timedelta) -> int:
    return span // timedelta(minutes=1)
