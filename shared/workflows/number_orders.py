"""An order of a phone number, step by step: bought once, whoever is killed when (architecture, rule 4).

Buying cannot be repeated, so the order's row says first what will be asked for, and whoever finds it said looks before
asking again: is the number ours, is a purchase running. Each step is a message of its own; the row says which.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from shared.clients.numbers import Declined, Numbers
from shared.clock import Clock
from shared.domain import numbers
from shared.domain.numbers import Order, Reason, Step
from shared.errors import Broken, Later
from shared.messages import NumberOrder
from shared.storage.connections import Connections
from shared.storage.orders import Orders
from shared.storage.queues import Queues
from shared.storage.tables import Conflict, settled
from shared.telemetry import outcome
from shared.workflows.numbers import message_for, used_by

#: A search that came to nothing is repeated after about as long as one holds its numbers: there are few a week.
_SEARCH_LAPSES = timedelta(minutes=15)
_AT_ONCE = timedelta()
_PEER = "communication services"


class Rows(Protocol):
    """What marking an order needs of the process."""

    @property
    def orders(self) -> Orders: ...
    @property
    def clock(self) -> Clock: ...


class Deps(Rows, Protocol):
    """What an order needs of the process."""

    @property
    def connections(self) -> Connections: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def numbers(self) -> Numbers: ...


async def go_on(message: NumberOrder, deps: Deps) -> None:
    """Do the order's next step, then send for the one after it: from the stored row, whatever the message was."""
    order, etag = await deps.orders.find(message.order)
    wait = _AT_ONCE
    if message.change == order.change:
        try:
            wait = await _step(order, etag, deps)
        except Conflict:
            wait = _AT_ONCE  # another delivery was faster, and its row is as good
        order, _ = await deps.orders.find(message.order)
    if numbers.next_step(order, deps.clock.now()) is Step.NOTHING:
        outcome("number order ended", order=order.id, state=order.state, reason=order.reason)
        return
    await deps.queues.put(message_for(order, message.give_up_at), after=wait)


async def gave_up(message: NumberOrder, deps: Rows, reason: str) -> None:
    """Nobody tries any more: the order fails, or its number stays."""
    del reason
    await settled(lambda: _marked(message.order, deps, numbers.given_up))


async def reopen(message: NumberOrder, deps: Rows) -> None:
    """Let a given-up order go on."""
    await settled(lambda: _marked(message.order, deps, numbers.reopened))


async def _marked(order_id: str, deps: Rows, change: Callable[[Order, datetime], Order]) -> None:
    order, etag = await deps.orders.find(order_id)
    changed = change(order, deps.clock.now())
    if changed != order:
        await deps.orders.save(changed, etag)


async def _step(order: Order, etag: str, deps: Deps) -> timedelta:
    """One step; how long the next has to wait. Raises `Later` where the row stays as it is."""
    now, step = deps.clock.now(), numbers.next_step(order, deps.clock.now())
    match step:
        case Step.SEARCH:
            changed = await _search(order, now, deps)
        case Step.SEE_RESULT:
            changed = await _see_result(order, now, deps)
        case Step.BUY:
            changed, etag = await _buy(order, etag, now, deps)
        case Step.SEARCH_AGAIN:
            changed = numbers.search_again(order, now)
        case Step.LOOK:
            changed = await _careful(_look(order, now, deps), order, now)
        case Step.SEE_PURCHASE:
            changed = await _careful(_see_purchase(order, now, deps), order, now)
        case Step.RELEASE:
            changed = await _careful(_release(order, now, deps), order, now)
        case Step.SEE_RELEASE:
            changed = await _careful(_see_release(order, now, deps), order, now)
        case Step.WAIT | Step.NOTHING:
            raise _not_yet(order, now)
    await deps.orders.save(changed, etag)
    in_vain = step in {Step.SEE_RESULT, Step.BUY} and changed.state == "searching"
    return _SEARCH_LAPSES if in_vain else _AT_ONCE


async def _search(order: Order, now: datetime, deps: Deps) -> Order:
    """A search that is lost, as when we are killed here, holds a number for some minutes and does no harm."""
    try:
        begun = await deps.numbers.search()
    except Declined as no:
        return numbers.failed(order, no.reason, now)
    return numbers.searched(order, begun.id, begun.operation, now)


async def _see_result(order: Order, now: datetime, deps: Deps) -> Order:
    search, operation = _known(order.search), _known(order.operation)
    try:
        progress = await deps.numbers.progress(operation)
        if progress.status == "running":
            raise _not_yet(order, now)
        if progress.status == "failed":
            return numbers.failed(order, progress.reason, now)
        offer = await deps.numbers.result(search)
    except Declined as no:
        return numbers.failed(order, no.reason, now)
    if offer is None:
        return numbers.search_again(order, now)
    return numbers.found(order, offer.number, offer.cost, offer.until, now)


async def _buy(order: Order, etag: str, now: datetime, deps: Deps) -> tuple[Order, str]:
    """Say that it will be asked for, then ask. Nobody asked before: a refusal means that nothing was bought."""
    if not await deps.orders.claim(_known(order.number), order.id):
        return numbers.search_again(order, now), etag
    intended = numbers.intended(order, now)
    await deps.orders.save(intended, etag)
    _, etag = await deps.orders.find(order.id)
    try:
        operation = await deps.numbers.purchase(_known(order.search))
    except Declined as no:
        return numbers.failed(intended, no.reason, now), etag
    return numbers.under_operation(intended, operation, now), etag


async def _look(order: Order, now: datetime, deps: Deps) -> Order:
    """It was asked for, perhaps, and the answer is lost. A search is bought once, so to ask again for it is safe."""
    if await _is_ours(order, deps):
        return numbers.bought(order, now)
    search = _known(order.search)
    if operation := await deps.numbers.purchase_of(search):
        return numbers.under_operation(order, operation, now)
    if numbers.holds(order, now):
        return numbers.under_operation(order, await deps.numbers.purchase(search), now)
    if numbers.never_bought(order, now):
        return numbers.search_again(order, now)
    raise _not_yet(order, now)


async def _see_purchase(order: Order, now: datetime, deps: Deps) -> Order:
    progress = await deps.numbers.progress(_known(order.operation))
    if progress.status == "running":
        raise _not_yet(order, now)
    if await _is_ours(order, deps):
        return numbers.bought(order, now)
    if progress.status == "failed":
        return numbers.failed(order, progress.reason, now)
    if progress.status == "unknown" and numbers.never_bought(order, now):
        return numbers.search_again(order, now)
    raise _not_yet(order, now)


async def _is_ours(order: Order, deps: Deps) -> bool:
    """The number is the resource's, and no other order's: one that was offered again may be somebody else's by now."""
    number = _known(order.number)
    return await deps.numbers.owned(number) is not None and await deps.orders.claim(number, order.id)


async def _release(order: Order, now: datetime, deps: Deps) -> Order:
    """A connection may have been linked at the very moment; then the number stays. One that was assigned is Microsoft's
    no less: it only leaves the tenant.
    """
    if await used_by(order, deps):
        return numbers.kept(order, Reason.IN_USE, now)
    if order.source == "assigned":
        return numbers.released(order, now)
    operation = await deps.numbers.release(_known(order.number))
    return numbers.under_operation(order, operation, now) if operation else numbers.released(order, now)


async def _see_release(order: Order, now: datetime, deps: Deps) -> Order:
    progress = await deps.numbers.progress(_known(order.operation))
    if progress.status == "failed":
        return numbers.kept(order, progress.reason, now)
    if progress.status != "running" and await deps.numbers.owned(_known(order.number)) is None:
        return numbers.released(order, now)
    raise _not_yet(order, now)


async def _careful(step: Awaitable[Order], order: Order, now: datetime) -> Order:
    """A step after something may have happened at Microsoft's: a refusal proves nothing, and is asked about again."""
    try:
        return await step
    except Declined as no:
        outcome("number order waits", order=order.id, reason=no.reason)
        raise _not_yet(order, now) from None


def _not_yet(order: Order, now: datetime) -> Later:
    return Later(_PEER, numbers.pace(order, now))


def _known(fact: str | None) -> str:
    """A fact that the row of an order in this state has."""
    if fact is None:
        raise Broken("an order lacks what its state says")
    return fact
