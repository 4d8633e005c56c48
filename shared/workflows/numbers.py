"""Phone numbers: what people ask for, and who may text from which (F5.4 to F5.7). The rest is the queue's."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.clients.entra import Caller
from shared.clients.numbers import Declined, Numbers
from shared.clock import Clock
from shared.domain import numbers
from shared.domain.connection import OrganisationId
from shared.domain.numbers import Cost, Order, Reason, SendingNumber, Shown, VerificationState
from shared.domain.receipts import number as one_spelling
from shared.errors import Code, Refused
from shared.messages import NumberOrder
from shared.storage.connections import Connections
from shared.storage.names import Queue
from shared.storage.orders import Orders
from shared.storage.queues import Queues
from shared.storage.tables import settled
from shared.telemetry import outcome


class Rows(Protocol):
    """What a look at a tenant's numbers needs of the process."""

    @property
    def orders(self) -> Orders: ...
    @property
    def connections(self) -> Connections: ...


class Deps(Rows, Protocol):
    """What numbers need of the process."""

    @property
    def clock(self) -> Clock: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def numbers(self) -> Numbers: ...


async def order(organisation_id: OrganisationId, who: Caller, deps: Deps) -> Shown:
    """Order a number for the caller's tenant. While an order is under way, another wish for one is that order."""
    tenant, now = UUID(who.tenant), deps.clock.now()
    organisation = await deps.connections.organisation(tenant, organisation_id)
    if not organisation.enabled:
        raise Refused(Code.ORGANISATION_OFF)
    orders = await deps.orders.of_tenant(tenant)
    wanted = next((one for one in orders if one.under_way), None)
    if wanted is None:
        _check_count(orders)
        _check_month(orders, now)
        id_ = numbers.order_id(tenant, len(orders) + 1)
        wanted = Order(id=id_, tenant=tenant, organisation=organisation_id, who=who.user, at=now, since=now)
        if not await deps.orders.add(wanted):
            raise Refused(Code.WRONG_STATE, "order: somebody ordered at the same time")
        outcome("number ordered", order=id_, by=who.user)
    await deps.queues.put(message_for(wanted, wanted.at + numbers.GIVE_UP))
    return numbers.shown(wanted, ())


async def listed(tenant: UUID | None, deps: Rows) -> list[Shown]:
    """The orders and numbers of a tenant, or all."""
    return [numbers.shown(one, await used_by(one, deps)) for one in await deps.orders.of_tenant(tenant)]


async def show(order_id: str, who: Caller, deps: Rows) -> Shown:
    """One order of the caller's tenant; an operator sees any."""
    found, _ = await _mine(order_id, who, deps)
    return numbers.shown(found, await used_by(found, deps))


async def verify(order_id: str, state: VerificationState, who: Caller, deps: Deps) -> Shown:
    """Somebody says how the verification of a number stands: no API does."""
    changed = await settled(lambda: _verified(order_id, state, who, deps))
    outcome("verification said", order=order_id, state=state, by=who.user)
    return numbers.shown(changed, await used_by(changed, deps))


async def assign(tenant: UUID, number: SendingNumber, state: VerificationState, who: Caller, deps: Deps) -> Shown:
    """The operator gives a tenant a number that the resource has already. Safe to repeat."""
    if not await deps.connections.organisations(tenant):
        raise Refused(Code.ORGANISATION_UNKNOWN)
    orders = await deps.orders.of_tenant(tenant)
    known = next((one for one in orders if one.counts and one.number == number), None)
    if known is not None and (known.state == "ready" or known.source == "bought"):
        return numbers.shown(known, await used_by(known, deps))
    if known is None:
        _check_count(orders)
        known = await _assigned(tenant, len(orders) + 1, number, state, who, deps)
    mine = await deps.orders.claim(number, known.id)
    _, etag = await deps.orders.find(known.id)
    now = deps.clock.now()
    ended = numbers.bought(known, now) if mine else numbers.released(known, now)
    await deps.orders.save(ended, etag)
    if not mine:
        raise Refused(Code.NUMBER_TAKEN)
    outcome("number assigned", order=known.id, by=who.user)
    return numbers.shown(ended, ())


async def release(order_id: str, who: Caller, deps: Deps) -> Shown:
    """Give a number back, if no connection uses it; one that was assigned goes back to the operator.

    From here on it cannot be linked; whether somebody just did is looked at again before Microsoft is told.
    """
    found, _ = await _mine(order_id, who, deps)
    if found.source == "assigned" and "Operator" not in who.roles:
        raise Refused(Code.WRONG_STATE, "number: the operator assigned it")
    if await used_by(found, deps):
        raise Refused(Code.NUMBER_IN_USE)
    leaving = await settled(lambda: _leave(order_id, who, deps))
    outcome("number given back", order=order_id, by=who.user)
    if leaving.source == "assigned":
        leaving = await settled(lambda: _withdraw(order_id, deps))
    else:
        await deps.queues.put(message_for(leaving, deps.clock.now() + numbers.GIVE_UP))
    return numbers.shown(leaving, await used_by(leaving, deps))


async def used_by(one: Order, deps: Rows) -> tuple[str, ...]:
    """The connections that text from an order's number."""
    if one.number is None:
        return ()
    linked = [(each.id, each.own.sms.number) for each in await deps.connections.of_tenant(one.tenant)]
    return tuple(id_ for id_, number in linked if number and one_spelling(number) == one_spelling(one.number))


async def check_link(tenant: UUID, number: str | None, deps: Rows) -> None:
    """A connection texts only from a number of its own tenant, ordered or assigned. Several may use one (F5.7)."""
    if number is not None and not numbers.is_of(number, await deps.orders.of_tenant(tenant)):
        raise Refused(Code.NUMBER_NOT_YOURS, "sms.number")


async def awaken(deps: Deps) -> int:
    """Send for orders that nobody works on: who died between row and message left none. How many.

    As long as any message waits in the queue nothing is done: another one would be worked on beside it.
    """
    if (await deps.queues.backlog(Queue.NUMBER_ORDERS, deps.clock.real())).length:
        return 0
    bought = [one for one in await deps.orders.of_tenant(None) if one.source == "bought"]
    asleep = [one for one in bought if one.under_way or one.state == "releasing"]
    for one in asleep:
        await deps.queues.put(message_for(one, max(one.at, one.since) + numbers.GIVE_UP))
    return len(asleep)


def message_for(one: Order, give_up_at: datetime) -> NumberOrder:
    """What makes an order go on from where its row stands."""
    return NumberOrder(message_id=f"{one.id}|{one.change}", give_up_at=give_up_at, order=one.id, change=one.change)


def _check_count(orders: list[Order]) -> None:
    if sum(one.counts for one in orders) >= numbers.MOST_NUMBERS:
        raise Refused(Code.WRONG_STATE, f"order: a tenant has at most {numbers.MOST_NUMBERS} numbers")


def _check_month(orders: list[Order], now: datetime) -> None:
    recent = [one for one in orders if one.source == "bought" and one.at > now - numbers.MONTH]
    if len(recent) >= numbers.MOST_A_MONTH:
        raise Refused(Code.WRONG_STATE, f"order: a tenant begins at most {numbers.MOST_A_MONTH} orders in 30 days")


async def _mine(order_id: str, who: Caller, deps: Rows) -> tuple[Order, str]:
    """To whoever is neither an operator nor of its tenant, an order does not exist."""
    found, etag = await deps.orders.find(order_id)
    if "Operator" not in who.roles and str(found.tenant) != who.tenant:
        raise Refused(Code.NOT_FOUND)
    return found, etag


async def _verified(order_id: str, state: VerificationState, who: Caller, deps: Deps) -> Order:
    found, etag = await _mine(order_id, who, deps)
    changed = numbers.verified(found, state, who.user, deps.clock.now())
    await deps.orders.save(changed, etag)
    return changed


async def _assigned(
    tenant: UUID, count: int, number: SendingNumber, state: VerificationState, who: Caller, deps: Deps
) -> Order:
    """A row for a number that the resource has; nobody can link it before it is the tenant's alone."""
    toll_free, cost = await _at_the_resource(number, deps)
    now = deps.clock.now()
    said = numbers.Verification(state=state, who=who.user, at=now)
    made = Order(
        id=numbers.order_id(tenant, count),
        tenant=tenant,
        source="assigned",
        kind="toll-free" if toll_free else "other",
        state="releasing",
        number=number,
        cost=cost,
        verification=said,
        who=who.user,
        at=now,
        since=now,
    )
    if not await deps.orders.add(made):
        raise Refused(Code.CHANGED_MEANWHILE)
    return made


async def _at_the_resource(number: SendingNumber, deps: Deps) -> tuple[bool, Cost | None]:
    """Whether a number is toll-free, and its cost. Short codes stand in a list of their own, which we do not read."""
    if not number.startswith("+"):
        return False, None
    try:
        owned = await deps.numbers.owned(number)
    except Declined as no:
        raise Refused(Code.WRONG_STATE, f"number: {no.reason}") from None
    if owned is None:
        raise Refused(Code.VALUE_REFUSED, "number: not of the Communication Services resource")
    if "outbound" not in owned.sms:
        raise Refused(Code.VALUE_REFUSED, "number: cannot send texts")
    return owned.toll_free, owned.cost


async def _leave(order_id: str, who: Caller, deps: Deps) -> Order:
    """Nobody can link it any more. Asked for again, it is what it has become."""
    found, etag = await _mine(order_id, who, deps)
    if found.state == "releasing":
        return found
    changed = numbers.releasing(found, who.user, deps.clock.now())
    await deps.orders.save(changed, etag)
    return changed


async def _withdraw(order_id: str, deps: Deps) -> Order:
    """An assigned number leaves the tenant, and stays the resource's."""
    found, etag = await deps.orders.find(order_id)
    used = await used_by(found, deps)
    now = deps.clock.now()
    changed = numbers.kept(found, Reason.IN_USE, now) if used else numbers.released(found, now)
    await deps.orders.save(changed, etag)
    return changed
