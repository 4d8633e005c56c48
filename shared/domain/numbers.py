"""The life of a phone number: searched for, bought once, verified, given back (F5.4 to F5.7, F5.12).

    searching -> found -> buying -> ready -> releasing -> released
    searching, found, buying -> failed, with a reason; found, buying -> searching again, once a search has expired

Each function takes an order and gives the changed one. A purchase is asked for only once the order says so in its row
(`asked`), and a search is given up only when it is sure that nothing was bought on it.
"""

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.domain.connection import OrganisationId
from shared.domain.model import Model
from shared.domain.receipts import number as one_spelling
from shared.errors import Code, Refused

OrderState = Literal["searching", "found", "buying", "ready", "failed", "releasing", "released"]
VerificationState = Literal["unverified", "pending", "verified", "refused"]
#: E.164, or a short code: those stand in another list of the resource and have no plus sign.
SendingNumber = Annotated[str, Field(pattern=r"^(\+[1-9]\d{6,14}|\d{5,6})$")]

_ID = re.compile(r"[0-9a-f]{32}-\d{4}")
UNDER_WAY: frozenset[OrderState] = frozenset({"searching", "found", "buying"})
_HELD: frozenset[OrderState] = frozenset({"ready", "releasing"})
#: One Communication Services resource, and its bill, serves the whole stamp.
MOST_NUMBERS = 10
#: Orders a tenant may begin in `MONTH`, those given back or failed too: searches and purchases of the whole stamp are
#: counted by Microsoft, and one hospital shall not use them up.
MOST_A_MONTH = 4
MONTH = timedelta(days=30)
#: An order that has not come to its end by then fails.
GIVE_UP = timedelta(hours=24)
#: A purchase is asked for only while the search surely still holds its number.
_MARGIN = timedelta(minutes=1)
#: Longer than a call waits for its answer: whoever asked before may still be waiting.
_ANSWERED = timedelta(seconds=30)
#: A purchase takes minutes; when the number is not there by then, on a search that has expired, it never was bought.
_SETTLED = timedelta(hours=1)
_SOONEST, _LATEST = timedelta(seconds=2), timedelta(minutes=2)
#: No API tells whether a toll-free number is verified: people do, after the Azure portal. This is what they fill in.
VERIFICATION_GUIDE = (
    "https://learn.microsoft.com/azure/communication-services/concepts/sms/toll-free-verification-guidelines"
)


class Reason(StrEnum):
    """Why an order failed. Stable, as error codes are."""

    OUT_OF_STOCK = "out-of-stock"
    QUOTA = "quota"
    BILLING = "billing"
    ADDRESS = "address"
    NOT_ALLOWED = "not-allowed"
    NO_RESOURCE = "no-resource"
    REFUSED = "refused"
    PURCHASE_FAILED = "purchase-failed"
    GAVE_UP = "gave-up"
    UNCERTAIN = "uncertain"
    IN_USE = "in-use"


#: What a person reads about it.
SAID: dict[Reason, str] = {
    Reason.OUT_OF_STOCK: "Microsoft has no such number on sale just now. Try again later.",
    Reason.QUOTA: "The connector's Azure subscription may not search for or buy more numbers for now. Ask the operator "
    "to have its quota raised, or try again in a week.",
    Reason.BILLING: "The connector's Azure subscription cannot pay for a number. Ask the operator to look at its "
    "billing: free and some partner subscriptions cannot buy numbers.",
    Reason.ADDRESS: "Microsoft wants a postal address for this kind of number. Ask the operator to buy it in the Azure "
    "portal and to assign it.",
    Reason.NOT_ALLOWED: "The connector is not allowed to buy numbers at its Communication Services resource. Ask the "
    "operator to look at its role or key.",
    Reason.NO_RESOURCE: "The connector has no Communication Services resource. Ask the operator to add one.",
    Reason.REFUSED: "Microsoft refused, without a reason that the connector knows. Nothing has changed.",
    Reason.PURCHASE_FAILED: "Microsoft could not complete the purchase. Nothing was bought; order again.",
    Reason.GAVE_UP: "Microsoft could not be reached for a day, and nothing has changed. Try again.",
    Reason.UNCERTAIN: "Microsoft never said whether the number was bought. Before anybody orders again, the operator "
    "must look in the Azure portal, and assign the number if it is there.",
    Reason.IN_USE: "The number was not given back: a connection uses it.",
}


class Cost(Model):
    """What a number costs, as Microsoft says it: `amount` of `currency` each `frequency` (monthly)."""

    amount: float
    currency: str
    frequency: str


class Verification(Model):
    """Toll-free verification, as somebody said it stands. who: an Entra object id; None: nobody has said anything."""

    state: VerificationState = "unverified"
    who: str | None = None
    at: datetime | None = None


class Order(Model):
    """One number of a tenant, from the wish for it to its end. `change` counts every change of the row.

    source       bought by this order, or assigned by the operator because it was there already
    search       Microsoft's id of the search that holds the number, until `held_until`; `operation`: of its work
    asked        when a purchase was asked for, on this search; None: surely never
    operation    of what runs at Microsoft's now: search, purchase or release; None: not begun, or its id was lost
    who, at      who ordered or assigned it, and when; ended_by: who gave it back; since: of the last change
    """

    id: str
    tenant: UUID
    organisation: OrganisationId | None = None
    source: Literal["bought", "assigned"] = "bought"
    country: Literal["US"] = "US"
    kind: Literal["toll-free", "other"] = "toll-free"
    state: OrderState = "searching"
    reason: Reason | None = None
    number: str | None = Field(default=None, repr=False)
    cost: Cost | None = None
    search: str | None = None
    held_until: datetime | None = None
    asked: datetime | None = None
    operation: str | None = None
    verification: Verification = Verification()
    who: str
    at: datetime
    ended_by: str | None = None
    since: datetime
    change: int = 1

    @property
    def under_way(self) -> bool:
        """Not at its end, and not a number yet."""
        return self.state in UNDER_WAY

    @property
    def counts(self) -> bool:
        """It is a number, or may become one."""
        return self.under_way or self.state in _HELD


class Shown(Model):
    """An order as the API shows it.

    said             the reason in words
    verification     blocked: texts from it reach nobody before it is verified; guide: how to apply
    connections      ids of the connections that text from it
    """

    id: str
    tenant: UUID
    organisation: OrganisationId | None
    source: Literal["bought", "assigned"]
    country: str
    kind: str
    state: OrderState
    reason: Reason | None
    said: str | None
    number: str | None
    cost: Cost | None
    verification: Verification
    blocked: bool
    guide: str
    connections: tuple[str, ...]
    who: str
    at: datetime
    ended_by: str | None
    since: datetime
    change: int


def shown(order: Order, connections: tuple[str, ...]) -> Shown:
    """An order with what should be said about it."""
    facts = {name: value for name, value in order if name in Shown.model_fields}
    blocked = order.kind == "toll-free" and order.verification.state != "verified"
    said = SAID[order.reason] if order.reason else None
    return Shown(**facts, said=said, blocked=blocked, guide=VERIFICATION_GUIDE, connections=connections)


def order_id(tenant: UUID, number: int) -> str:
    """The id of a tenant's order number so and so. Two who order at once get the same: only one row can be made."""
    return f"{tenant.hex}-{number:04}"


def tenant_of(id_: str) -> UUID:
    """The tenant under which an order with this id would stand."""
    if not _ID.fullmatch(id_):
        raise Refused(Code.NOT_FOUND)
    return UUID(id_[:32])


class Step(StrEnum):
    """What an order needs next. Which it is follows from its row alone."""

    SEARCH = "search"
    SEE_RESULT = "see result"
    BUY = "buy"
    WAIT = "wait"
    LOOK = "look"
    SEE_PURCHASE = "see purchase"
    SEARCH_AGAIN = "search again"
    RELEASE = "release"
    SEE_RELEASE = "see release"
    NOTHING = "nothing"


def next_step(order: Order, now: datetime) -> Step:
    """The step that the row asks for."""
    match order.state:
        case "searching":
            return Step.SEE_RESULT if order.search else Step.SEARCH
        case "found":
            return Step.BUY if holds(order, now) else Step.SEARCH_AGAIN
        case "buying" if order.operation:
            return Step.SEE_PURCHASE
        case "buying":
            return Step.WAIT if order.asked and now < order.asked + _ANSWERED else Step.LOOK
        case "releasing":
            return Step.SEE_RELEASE if order.operation else Step.RELEASE
    return Step.NOTHING


def holds(order: Order, now: datetime) -> bool:
    """The search surely still holds its number."""
    return order.held_until is not None and now < order.held_until - _MARGIN


def never_bought(order: Order, now: datetime) -> bool:
    """A number that is not ours by now was never bought on this search."""
    return not holds(order, now) and (order.asked is None or now >= order.asked + _SETTLED)


def pace(order: Order, now: datetime) -> timedelta:
    """When to look again: soon at first, then at a quarter of the time it has taken already."""
    return min(max((now - order.since) / 4, _SOONEST), _LATEST)


def searched(order: Order, search: str, operation: str, now: datetime) -> Order:
    """Microsoft looks for a number."""
    return _changed(order, now, search=search, operation=operation)


def found(order: Order, number: str, cost: Cost, held_until: datetime, now: datetime) -> Order:
    """A number is held for us for some minutes."""
    return _moved(order, "found", now, number=number, cost=cost, held_until=held_until, operation=None)


def intended(order: Order, now: datetime) -> Order:
    """It will be asked for: said before it is."""
    return _moved(order, "buying", now, asked=now)


def under_operation(order: Order, operation: str, now: datetime) -> Order:
    """Microsoft has taken the purchase, or the release."""
    return _changed(order, now, operation=operation)


def bought(order: Order, now: datetime) -> Order:
    """The number is ours."""
    return _moved(order, "ready", now, operation=None)


def search_again(order: Order, now: datetime) -> Order:
    """The search has ended without a purchase."""
    nothing = {"number": None, "cost": None, "search": None, "held_until": None, "asked": None, "operation": None}
    return _moved(order, "searching", now, **nothing)


def failed(order: Order, reason: Reason, now: datetime) -> Order:
    """It ends here."""
    return _moved(order, "failed", now, reason=reason)


def given_up(order: Order, now: datetime) -> Order:
    """Nobody goes on with it. A number that was not given back stays; one that was asked for may have been bought."""
    if order.state == "releasing":
        return kept(order, Reason.GAVE_UP, now)
    if not order.under_way:
        return order
    return failed(order, Reason.UNCERTAIN if order.asked else Reason.GAVE_UP, now)


def reopened(order: Order, now: datetime) -> Order:
    """An operator lets a given-up order go on, from where it is sure."""
    if order.state != "failed" or order.reason not in {Reason.GAVE_UP, Reason.UNCERTAIN}:
        return order
    if order.asked:
        return _moved(order, "buying", now, reason=None)
    return search_again(order.model_copy(update={"reason": None}), now)


def releasing(order: Order, who: str, now: datetime) -> Order:
    """It is being given back; nobody can link it any more."""
    if order.state != "ready":
        raise Refused(Code.WRONG_STATE, "number: is not ready")
    return _moved(order, "releasing", now, reason=None, operation=None, ended_by=who)


def kept(order: Order, reason: Reason, now: datetime) -> Order:
    """It is not given back, and why."""
    return _moved(order, "ready", now, reason=reason, operation=None, ended_by=None)


def released(order: Order, now: datetime) -> Order:
    """It is not the tenant's any more."""
    return _moved(order, "released", now, operation=None)


def verified(order: Order, state: VerificationState, who: str, now: datetime) -> Order:
    """Somebody says how its verification stands."""
    if order.state != "ready":
        raise Refused(Code.WRONG_STATE, "number: is not ready")
    said = Verification(state=state, who=who, at=now)
    return order.model_copy(update={"verification": said, "change": order.change + 1})


def is_of(number: str, orders: list[Order]) -> bool:
    """Whether a number, however it is spelt, is one of these and ready to text."""
    return one_spelling(number) in {one_spelling(one.number) for one in orders if one.number and one.state == "ready"}


def _moved(order: Order, state: OrderState, now: datetime, **updates: object) -> Order:
    return _changed(order, now, state=state, **updates)


def _changed(order: Order, now: datetime, **updates: object) -> Order:
    return order.model_copy(update={"since": now, **updates, "change": order.change + 1})
