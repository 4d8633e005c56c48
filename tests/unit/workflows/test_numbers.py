"""Numbers over the real emulator, and a Microsoft that sells a search once: whoever is killed when, one is bought."""

import base64
import itertools
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from shared.clients.entra import Caller
from shared.clients.numbers import Begun, Declined, Offer, Owned, Progress
from shared.domain.connection import Connection
from shared.domain.numbers import GIVE_UP, MOST_A_MONTH, MOST_NUMBERS, Cost, Reason, Shown
from shared.errors import Code, Later, Refused
from shared.messages import NumberOrder
from shared.storage.lookups import Kind
from shared.storage.orders import Orders
from shared.storage.parked import Parked
from shared.storage.queues import Backlog
from shared.storage.tables import Row
from shared.work import work
from shared.workflows import configuration, number_orders, numbers, parked
from tests.conftest import Store
from tests.unit.domain.connections import LAMNA, epic_side, own_side
from tests.unit.workflows.text_world import NUMBER, Killed, World

pytestmark = pytest.mark.feature("F5.4")

COST = Cost(amount=2, currency="USD", frequency="monthly")
#: Each number is on sale once, whoever searches.
_lines = itertools.count(5550110)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def caller(tenant: uuid.UUID, user: str, *roles: str) -> Caller:
    return Caller(str(tenant), user, frozenset(roles), frozenset(), app=False, client="portal")


OLIVIA = caller(uuid.UUID(int=1), "olivia", "Operator")


@dataclass
class Sale:
    """A search as Microsoft keeps it."""

    number: str
    until: Any
    bought_at: Any = None


@dataclass
class Market:
    """Microsoft's side: holds a number for a quarter of an hour, sells a search once, works for some seconds.

    cut      called around every call, with its name and `before` or `after`
    runs     how long a purchase runs
    hidden   operations cannot be guessed from the search
    same     every search offers the same number
    """

    clock: Any
    sales: dict[str, Sale] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    purchases: list[str] = field(default_factory=list)
    searches: int = 0
    calls: list[str] = field(default_factory=list)
    cut: Callable[[str, str], None] = lambda *_: None
    runs: timedelta = 2 * SECOND
    hidden: bool = False
    fails: Reason | None = None
    same: bool = False
    left: set[str] = field(default_factory=set)

    def _settle(self) -> None:
        now = self.clock.now()
        for sale in self.sales.values():
            if sale.bought_at and now >= sale.bought_at + self.runs and not self.fails:
                self.numbers.add(sale.number)
        self.numbers -= self.left

    async def _do[T](self, name: str, act: Callable[[], T]) -> T:
        self.calls.append(name)
        self._settle()
        self.cut(name, "before")
        done = act()
        self.cut(name, "after")
        return done

    async def search(self) -> Begun:
        def act() -> Begun:
            self.searches += 1
            id_ = f"s{self.searches}"
            number = next(iter(self.sales.values())).number if self.same and self.sales else f"+1833{next(_lines):07}"
            self.sales[id_] = Sale(number, self.clock.now() + 15 * MINUTE)
            return Begun(id_, f"search_{id_}")

        return await self._do("search", act)

    async def result(self, search: str) -> Offer | None:
        sale = self.sales[search]
        return await self._do("result", lambda: Offer(sale.number, COST, sale.until))

    async def purchase(self, search: str) -> str:
        def act() -> str:
            sale = self.sales[search]
            if sale.bought_at or self.clock.now() > sale.until:
                raise Declined(Reason.REFUSED)
            sale.bought_at = self.clock.now()
            self.purchases.append(sale.number)
            return f"purchase_{search}"

        return await self._do("purchase", act)

    async def purchase_of(self, search: str) -> str | None:
        known = self.sales[search].bought_at and not self.hidden
        return await self._do("purchase_of", lambda: f"purchase_{search}" if known else None)

    async def progress(self, operation: str) -> Progress:
        def act() -> Progress:
            kind, _, key = operation.partition("_")
            sale = self.sales.get(key)
            if kind == "purchase" and sale and self.clock.now() < sale.bought_at + self.runs:
                return Progress("running")
            if kind == "purchase" and self.fails:
                return Progress("failed", self.fails)
            return Progress("succeeded")

        return await self._do("progress", act)

    async def owned(self, number: str) -> Owned | None:
        return await self._do(
            "owned", lambda: Owned("inbound+outbound", True, COST) if number in self.numbers else None
        )

    async def release(self, number: str) -> str | None:
        def act() -> str | None:
            self.left.add(number)
            return f"release_{number[1:]}"

        return await self._do("release", act)


class Line:
    """The queue, as far as orders need it: at least once, and after a kill again when the lease is over."""

    def __init__(self, shop: "Shop") -> None:
        self.shop = shop
        self.waiting: list[tuple[timedelta, NumberOrder]] = []

    async def put(self, *messages: NumberOrder, after: timedelta = timedelta()) -> None:
        self.shop.cut("put", "before")
        self.waiting += [(after, message) for message in messages for _ in range(self.shop.copies)]
        self.shop.cut("put", "after")

    async def backlog(self, *_: Any) -> Backlog:
        return Backlog(len(self.waiting), timedelta())

    def open(self, body: bytes, model: type[NumberOrder]) -> NumberOrder:
        return model.model_validate_json(base64.b64decode(body))

    async def drain(self, most: int = 300) -> None:
        """Work until nothing is left; time passes as messages are hidden and leases last."""
        for _ in range(most):
            if not self.waiting:
                return
            self.waiting.sort(key=lambda one: one[0])
            after, message = self.waiting.pop(0)
            self.waiting = [(max(left - after, timedelta()), one) for left, one in self.waiting]
            self.shop.clock.moment += after
            try:
                await work(Delivered(message), NumberOrder, number_orders.go_on, self.shop, number_orders.gave_up)
            except Killed:
                self.waiting.append((self.shop.lease, message))
        raise AssertionError("an order that does not end")


class Delivered:
    """A message as the host hands it over."""

    def __init__(self, message: NumberOrder) -> None:
        self._body = base64.b64encode(message.model_dump_json().encode())

    def get_body(self) -> bytes:
        return self._body


class CutOrders(Orders):
    """The rows, with a kill before or after a write."""

    shop: "Shop"

    async def save(self, *args: Any) -> None:
        self.shop.cut("save", "before")
        await super().save(*args)
        self.shop.cut("save", "after")


class Shop(World):
    """A process that orders numbers, for a tenant of its own.

    killed_at   the point, counted from the order on, at which the process ends once; copies: of every message
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.tenant = uuid.uuid4()
        self.adam = caller(self.tenant, "adam", "ConfigAdmin")
        self.orders = CutOrders(store.tables, self.lookups)
        self.orders.shop = self
        self.parked: Any = Parked(store.tables, self.clock)
        self.numbers: Any = Market(self.clock, cut=self.cut)
        self.line = Line(self)
        self.queues: Any = self.line
        self.people: Any = None
        self.names: list[str] = []
        self.points, self.killed_at, self.copies, self.lease = 0, -1, 1, 10 * MINUTE

    def cut(self, name: str, when: str) -> None:
        self.points += 1
        self.names.append(f"{when} {name}")
        if self.points == self.killed_at:
            raise Killed

    async def open(self) -> "Shop":
        await self.connections.enable(LAMNA.model_copy(update={"tenant": self.tenant}))
        return self

    async def order(self) -> Shown:
        return await numbers.order(LAMNA.id, self.adam, self)

    async def ordered(self) -> Shown:
        """Ordered, and worked on to the end."""
        made = await self.order()
        await self.line.drain()
        return await self.see(made)

    async def see(self, made: Shown) -> Shown:
        return await numbers.show(made.id, self.adam, self)

    async def assigned(self, number: str = NUMBER) -> Shown:
        self.numbers.numbers.add(number)
        return await numbers.assign(self.tenant, number, "verified", OLIVIA, self)

    async def linked(self, number: str) -> Connection:
        """A connection of the tenant that texts from this number."""
        sms = own_side().sms.model_copy(update={"number": number})
        base = f"https://{uuid.uuid4()}.example/FHIR"
        return await configuration.draft(
            LAMNA.id, "test", epic_side(fhir_base_url=base), own_side(sms=sms), self.adam, self
        )


@pytest.fixture
async def shop(store: Store) -> Shop:
    return await Shop(store).open()


async def refused(call: Awaitable[Any]) -> Code:
    with pytest.raises(Refused) as no:
        await call
    return no.value.code


async def test_an_order_ends_with_a_number(shop: Shop):
    made = await shop.order()
    assert (made.state, made.number, shop.numbers.calls) == ("searching", None, [])
    await shop.line.drain()
    ended = await shop.see(made)
    assert (ended.state, [ended.number], ended.cost) == ("ready", shop.numbers.purchases, COST)
    assert (ended.verification.state, ended.blocked, ended.connections) == ("unverified", True, ())


async def test_while_one_is_under_way_another_wish_is_the_same_order(shop: Shop):
    first = await shop.order()
    assert (await shop.order()).id == first.id
    await shop.line.drain()
    assert len(shop.numbers.purchases) == 1
    assert (await shop.order()).id != first.id


async def points(store: Store, **market: Any) -> range:
    """The places at which an order can be killed; of a market that is not as usual, those from the intent on."""
    shop = await Shop(store).open()
    vars(shop.numbers).update(market)
    await shop.ordered()
    first = shop.names.index("before purchase") - 2 if market else 0
    return range(first + 1, min(shop.points, first + 30) + 1)


async def test_a_number_that_is_being_given_back_leaves_whoever_is_killed_when(store: Store):
    for point in range(1, 12):
        shop = await Shop(store).open()
        made = await shop.ordered()
        shop.killed_at = shop.points + point
        with suppress(Killed):
            await numbers.release(made.id, shop.adam, shop)
        await numbers.awaken(shop)
        await shop.line.drain()
        state = (await shop.see(made)).state
        assert state == "released" or (state == "ready" and not shop.numbers.left), point


@pytest.mark.parametrize("theirs", [False, True])
async def test_a_number_that_was_assigned_never_goes_back_to_microsoft(store: Store, theirs: bool):
    """Neither one whose assignment died in the middle nor one of somebody else."""
    for point in range(1, 12):
        shop, other = await Shop(store).open(), await Shop(store).open()
        other.numbers = shop.numbers
        if theirs:
            await other.assigned()
        shop.killed_at = shop.points + point
        with suppress(Killed, Refused):
            await shop.assigned()
            await numbers.release((await shop.orders.of_tenant(shop.tenant))[0].id, OLIVIA, shop)
        await numbers.awaken(shop)
        await shop.line.drain()
        assert shop.numbers.left == set(), point
        await shop.lookups.drop(Kind.NUMBER, NUMBER)


async def test_who_is_worked_on_is_not_sent_for_again(shop: Shop):
    await shop.order()
    assert (await numbers.awaken(shop), len(shop.line.waiting)) == (0, 1)
    await shop.line.drain()
    assert (await numbers.awaken(shop), shop.line.waiting) == (0, [])


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    ("lease", "market"),
    [
        (10 * MINUTE, {}),
        (10 * MINUTE, {"hidden": True}),
        (20 * MINUTE, {"hidden": True}),
        (2 * MINUTE, {"hidden": True, "runs": 25 * MINUTE}),
        (180 * MINUTE, {}),
    ],
    ids=["back soon", "operations unknown", "back after the search", "slow and unknown", "back much later"],
)
async def test_killed_at_any_point_one_number_is_bought(store: Store, lease: timedelta, market: dict[str, Any]):
    for point in await points(store, **market):
        shop = await Shop(store).open()
        vars(shop.numbers).update(market)
        shop.killed_at, shop.lease = point, lease
        with suppress(Killed):
            await shop.order()
        await numbers.awaken(shop)
        rows = await shop.orders.of_tenant(shop.tenant)
        made: Any = rows[0] if rows else await shop.order()  # killed before its row: the person asks again
        await shop.line.drain()
        ended = await shop.see(made)
        assert (ended.state, [ended.number]) == ("ready", shop.numbers.purchases), point


async def test_killed_again_and_again_one_number_is_bought(shop: Shop):
    deaths = iter(range(3, 400, 4))

    def cut(*_: str) -> None:
        shop.points += 1
        if shop.points == shop.killed_at:
            shop.killed_at = shop.points + next(deaths)
            raise Killed

    shop.numbers.cut, shop.killed_at, shop.lease = cut, 4, 3 * MINUTE
    vars(shop)["cut"] = cut
    ended = await shop.ordered()
    assert (ended.state, [ended.number]) == ("ready", shop.numbers.purchases)


async def test_every_message_twice_buys_one(shop: Shop):
    shop.copies = 2
    made = await shop.order()
    while (await shop.see(made)).state not in {"ready", "failed"}:
        await one_round(shop)
    assert ((await shop.see(made)).state, len(shop.numbers.purchases)) == ("ready", 1)


async def one_round(shop: Shop) -> None:
    """What waits now, once each; of what follows, no more than two copies."""
    now, shop.line.waiting = shop.line.waiting, []
    shop.clock.moment += 3 * SECOND
    for _, message in now:
        await work(Delivered(message), NumberOrder, number_orders.go_on, shop, number_orders.gave_up)
    shop.line.waiting = shop.line.waiting[:2]


async def for_ever(shop: Shop) -> None:
    while True:
        await one_round(shop)


async def test_a_lost_answer_is_looked_for_and_not_asked_again(shop: Shop):
    lose(shop, "purchase", "after")
    ended = await shop.ordered()
    assert (ended.state, [ended.number]) == ("ready", shop.numbers.purchases)
    assert shop.numbers.calls.count("purchase") == 1


async def test_a_purchase_that_never_arrived_is_asked_for_again_on_the_same_search(shop: Shop):
    lose(shop, "purchase", "before")
    ended = await shop.ordered()
    assert (ended.state, [ended.number], shop.numbers.searches) == ("ready", shop.numbers.purchases, 1)


def lose(shop: Shop, name: str, when: str) -> None:
    """The first call of this name gets no answer."""
    left = [1]

    def cut(called: str, at: str) -> None:
        if (called, at) == (name, when) and left.pop() if left else False:
            raise Later("communication services")

    shop.numbers.cut = cut


async def test_a_search_that_expired_before_anybody_asked_is_repeated_at_once(shop: Shop):
    made = await shop.order()
    while (await shop.see(made)).state == "searching":
        await one_round(shop)
    shop.clock.moment += 30 * MINUTE
    before = shop.clock.moment
    await shop.line.drain()
    assert ((await shop.see(made)).state, shop.numbers.searches, len(shop.numbers.purchases)) == ("ready", 2, 1)
    assert shop.clock.moment - before < 5 * MINUTE


@pytest.mark.parametrize("reason", [Reason.OUT_OF_STOCK, Reason.QUOTA, Reason.BILLING, Reason.NOT_ALLOWED])
@pytest.mark.parametrize("call", ["search", "result", "purchase"])
async def test_a_refusal_ends_the_order_with_its_reason(shop: Shop, call: str, reason: Reason):
    def cut(called: str, when: str) -> None:
        if (called, when) == (call, "before"):
            raise Declined(reason)

    shop.numbers.cut = cut
    ended = await shop.ordered()
    assert (ended.state, ended.reason, shop.numbers.purchases) == ("failed", reason, [])
    assert ended.said


async def test_a_purchase_that_fails_ends_with_its_reason(shop: Shop):
    shop.numbers.fails = Reason.BILLING
    ended = await shop.ordered()
    assert (ended.state, ended.reason, len(shop.numbers.purchases)) == ("failed", Reason.BILLING, 1)


async def test_a_refusal_while_a_purchase_may_run_proves_nothing(shop: Shop):
    left = [Declined(Reason.NOT_ALLOWED)] * 3

    def cut(called: str, when: str) -> None:
        if called == "progress" and shop.numbers.purchases and when == "before" and left:
            raise left.pop()

    shop.numbers.cut = cut
    ended = await shop.ordered()
    assert (ended.state, [ended.number], left) == ("ready", shop.numbers.purchases, [])


async def away(shop: Shop, *calls: str) -> None:
    def cut(called: str, when: str) -> None:
        if called in calls and when == "before":
            raise Later("communication services", timedelta(hours=1))

    shop.numbers.cut = cut


@pytest.mark.parametrize(
    ("calls", "reason"),
    [(("search",), Reason.GAVE_UP), (("progress", "owned", "purchase_of"), Reason.UNCERTAIN)],
    ids=["never searched", "never heard of again"],
)
async def test_after_a_day_nobody_tries_any_more(shop: Shop, calls: tuple[str, ...], reason: Reason):
    made = await shop.order()
    while "purchase" not in shop.numbers.calls and reason is Reason.UNCERTAIN:
        await one_round(shop)
    await away(shop, *calls)
    await shop.line.drain()
    ended = await shop.see(made)
    assert (ended.state, ended.reason) == ("failed", reason)
    assert timedelta(0) <= shop.clock.moment - made.at - GIVE_UP < timedelta(hours=2)
    [row] = await shop.parked.listed(9)
    await driven(shop, row)
    ended = await shop.see(made)
    assert (ended.state, [ended.number]) == ("ready", shop.numbers.purchases)


async def driven(shop: Shop, row: Row) -> None:
    """Microsoft is back, and an operator lets the parked order go on."""
    shop.numbers.cut = lambda *_: None
    message, _ = await shop.parked.find(row["PartitionKey"], row["RowKey"])
    assert isinstance(message, NumberOrder)
    await number_orders.reopen(message, shop)
    await shop.line.put(message.model_copy(update={"give_up_at": shop.clock.now() + GIVE_UP}))
    await shop.line.drain()


async def test_two_orders_that_are_offered_one_number_do_not_both_get_it(store: Store):
    """The first is killed as it asks; its search expires, and its number is offered to somebody else."""
    first, second = await Shop(store).open(), await Shop(store).open()
    second.numbers, second.clock = first.numbers, first.clock
    first.numbers.same = True

    def cut(called: str, when: str) -> None:
        if (called, when) == ("purchase", "before"):
            raise Killed

    first.numbers.cut = cut
    slow = await first.order()
    with pytest.raises(Killed):
        await for_ever(first)
    first.numbers.cut = lambda *_: None
    assert ((await first.see(slow)).state, first.numbers.purchases) == ("buying", [])
    first.clock.moment += 20 * MINUTE
    await second.order()
    for _ in range(12):
        await one_round(second)
    assert (first.numbers.searches > 2, first.numbers.purchases) == (True, [])


# --- assigned numbers, links, verification, release


@pytest.mark.feature("F5.6", "F5.7")
async def test_a_connection_is_linked_only_to_a_number_of_its_tenant(store: Store, shop: Shop):
    other = await Shop(store).open()
    assert await refused(shop.linked(NUMBER)) == Code.NUMBER_NOT_YOURS
    await shop.assigned()
    first, second = await shop.linked(NUMBER), await shop.linked(NUMBER[1:])
    assert set((await numbers.listed(shop.tenant, shop))[0].connections) == {first.id, second.id}
    assert await refused(other.linked(NUMBER)) == Code.NUMBER_NOT_YOURS


async def test_a_number_that_is_linked_already_may_stay_and_another_must_be_theirs(shop: Shop):
    await shop.assigned()
    connection = await shop.linked(NUMBER)
    _, etag = await shop.connections.find(connection.id)
    own = connection.own.model_copy(update={"sms": connection.own.sms.model_copy(update={"number": "+18335550199"})})
    assert await refused(configuration.set_own_side(connection, etag, own, shop.adam, shop)) == Code.NUMBER_NOT_YOURS
    none = connection.own.model_copy(update={"sms": connection.own.sms.model_copy(update={"number": None})})
    await configuration.set_own_side(connection, etag, none, shop.adam, shop)


async def test_a_number_is_assigned_to_one_tenant(store: Store, shop: Shop):
    other = await Shop(store).open()
    first = await shop.assigned()
    assert (await shop.assigned()).id == first.id
    assert (first.state, first.source, first.blocked) == ("ready", "assigned", False)
    assert await refused(other.assigned()) == Code.NUMBER_TAKEN
    assert [one.state for one in await numbers.listed(other.tenant, other)] == ["released"]


async def test_a_number_that_the_resource_has_not_is_not_assigned(shop: Shop):
    assert await refused(numbers.assign(shop.tenant, "+18335550177", "verified", OLIVIA, shop)) == Code.VALUE_REFUSED
    unknown = numbers.assign(uuid.uuid4(), NUMBER, "verified", OLIVIA, shop)
    assert await refused(unknown) == Code.ORGANISATION_UNKNOWN


async def test_an_assignment_killed_in_the_middle_is_made_whole(shop: Shop):
    shop.numbers.numbers.add(NUMBER)
    shop.killed_at = shop.points + 3  # the row is there, nobody owns it
    with pytest.raises(Killed):
        await shop.assigned()
    assert await refused(shop.linked(NUMBER)) == Code.NUMBER_NOT_YOURS
    assert (await shop.assigned()).state == "ready"
    assert len(await numbers.listed(shop.tenant, shop)) == 1


async def test_only_the_operator_takes_an_assigned_number_back_and_microsoft_keeps_it(store: Store, shop: Shop):
    made, other = await shop.assigned(), await Shop(store).open()
    assert await refused(numbers.release(made.id, shop.adam, shop)) == Code.WRONG_STATE
    assert (await numbers.release(made.id, OLIVIA, shop)).state == "released"
    assert "release" not in shop.numbers.calls
    other.numbers = shop.numbers
    assert (await other.assigned()).state == "ready"


async def test_a_number_that_a_connection_uses_is_not_given_back(shop: Shop):
    made = await shop.ordered()
    assert made.number
    await shop.linked(made.number)
    assert await refused(numbers.release(made.id, shop.adam, shop)) == Code.NUMBER_IN_USE


async def test_a_number_is_given_back_and_nobody_can_link_it_meanwhile(shop: Shop):
    made = await shop.ordered()
    assert made.number
    assert (await numbers.release(made.id, shop.adam, shop)).state == "releasing"
    assert (await numbers.release(made.id, shop.adam, shop)).state == "releasing"
    assert await refused(shop.linked(made.number)) == Code.NUMBER_NOT_YOURS
    await shop.line.drain()
    ended = await shop.see(made)
    assert (ended.state, ended.ended_by, shop.numbers.left) == ("released", "adam", {made.number})


async def test_a_link_made_at_the_very_moment_keeps_the_number(shop: Shop):
    made = await shop.ordered()
    assert made.number
    connection = await shop.linked(made.number)
    bare = connection.own.model_copy(update={"sms": connection.own.sms.model_copy(update={"number": None})})
    _, etag = await shop.connections.find(connection.id)
    unlinked = await configuration.set_own_side(connection, etag, bare, shop.adam, shop)
    await numbers.release(made.id, shop.adam, shop)
    _, etag = await shop.connections.find(connection.id)
    again = unlinked.model_copy(update={"own": connection.own, "change": unlinked.change + 1})
    await shop.connections.save(again, etag, who="adam", did="own side changed", at=shop.clock.now())
    await shop.line.drain()
    ended = await shop.see(made)
    assert (ended.state, ended.reason, shop.numbers.left) == ("ready", Reason.IN_USE, set())


@pytest.mark.feature("F5.12")
async def test_who_said_that_a_number_is_verified_is_kept(shop: Shop):
    made = await shop.ordered()
    said = await numbers.verify(made.id, "pending", shop.adam, shop)
    assert (said.verification.state, said.verification.who, said.blocked) == ("pending", "adam", True)
    said = await numbers.verify(made.id, "verified", OLIVIA, shop)
    assert (said.verification.who, said.verification.at, said.blocked) == ("olivia", shop.clock.now(), False)


async def test_to_another_tenant_an_order_does_not_exist(store: Store, shop: Shop):
    made, stranger = await shop.ordered(), (await Shop(store).open()).adam
    for call in (
        numbers.show(made.id, stranger, shop),
        numbers.verify(made.id, "verified", stranger, shop),
        numbers.release(made.id, stranger, shop),
    ):
        assert await refused(call) == Code.NOT_FOUND
    assert await numbers.listed(uuid.UUID(stranger.tenant), shop) == []


async def test_a_tenant_has_only_so_many_numbers(shop: Shop):
    for line in range(MOST_NUMBERS):
        await shop.assigned(f"+183355501{line:02}")
    assert await refused(shop.order()) == Code.WRONG_STATE


async def test_a_tenant_begins_only_so_many_orders_a_month(shop: Shop):
    for _ in range(MOST_A_MONTH):
        made = await shop.ordered()
        await numbers.release(made.id, shop.adam, shop)
        await shop.line.drain()
        assert (await shop.see(made)).state == "released"
    assert await refused(shop.order()) == Code.WRONG_STATE


async def test_an_organisation_that_is_off_orders_nothing(shop: Shop):
    await shop.connections.enable(LAMNA.model_copy(update={"tenant": shop.tenant, "enabled": False}))
    assert await refused(shop.order()) == Code.ORGANISATION_OFF


async def test_a_poisoned_order_fails_and_says_so(shop: Shop):
    made = await shop.order()
    _, message = shop.line.waiting[0]
    await parked._mark(message, shop)
    assert ((await shop.see(made)).state, (await shop.see(made)).reason) == ("failed", Reason.GAVE_UP)
