"""The tenant's phone numbers: ordered, assigned, verified, given back."""

from typing import Literal
from uuid import UUID

import azure.functions as func

from shared.api import ADMINISTRATORS, ANYBODY, OPERATORS, Call, Page, Paging, operation, paged
from shared.bootstrap import deps
from shared.domain.connection import OrganisationId
from shared.domain.model import Model
from shared.domain.numbers import SendingNumber, Shown, VerificationState
from shared.errors import Code, Refused
from shared.messages import NumberOrder
from shared.storage.names import STORAGE, Queue
from shared.work import work
from shared.workflows import number_orders, numbers

bp = func.Blueprint()
_OWNERS = (*OPERATORS, *ADMINISTRATORS)


class Wanted(Model):
    """A number for texts: for now a toll-free one of the United States, to send and to receive."""

    organisation: OrganisationId
    country: Literal["US"] = "US"
    kind: Literal["toll-free"] = "toll-free"


class Assignment(Model):
    """A number that the Communication Services resource has already, for a tenant."""

    tenant: UUID
    number: SendingNumber
    verification: VerificationState = "unverified"


class Verified(Model):
    """How a number's toll-free verification stands, as Microsoft told by e-mail or shows in the Azure portal."""

    state: VerificationState


class Numbers(Paging):
    """Whose numbers. Only an operator may name another tenant; without one they see all."""

    tenant: UUID | None = None


class Release(Model):
    """confirm: the number goes for good, texts from it stop, and replies and STOP to it are heard no more."""

    confirm: bool = False


@operation(bp, "POST", "config/numbers", roles=ADMINISTRATORS, status=202)
async def order_number(call: Call, body: Wanted) -> Shown:
    """Order a new number; it is bought in the background. While an order is under way, this is that order."""
    return await numbers.order(body.organisation, call.who, deps())


@operation(bp, "GET", "config/numbers", roles=ANYBODY)
async def list_numbers(call: Call, query: Numbers) -> Page[Shown]:
    """The orders and numbers of the caller's tenant; for an operator those of a tenant, or all."""
    own, operator = UUID(call.who.tenant), "Operator" in call.who.roles
    if not operator and query.tenant not in {None, own}:
        raise Refused(Code.ROLE_MISSING)
    return paged(await numbers.listed(query.tenant if operator else own, deps()), lambda one: one.id, query)


@operation(bp, "GET", "config/numbers/{order}", roles=ANYBODY)
async def show_number(call: Call) -> Shown:
    """One order or number: how far it is, who texts from it."""
    return await numbers.show(call.path["order"], call.who, deps())


@operation(bp, "PUT", "config/numbers/{order}/verification", roles=_OWNERS)
async def say_verification(call: Call, body: Verified) -> Shown:
    """Say how the toll-free verification of a number stands; who said it and when is kept."""
    return await numbers.verify(call.path["order"], body.state, call.who, deps())


@operation(bp, "DELETE", "config/numbers/{order}", roles=_OWNERS, status=202)
async def release_number(call: Call, query: Release) -> Shown:
    """Give a number back for good, if no connection texts from it; an assigned one goes back to the operator."""
    if not query.confirm:
        raise Refused(Code.RELEASE_UNCONFIRMED)
    return await numbers.release(call.path["order"], call.who, deps())


@operation(bp, "POST", "config/numbers/assignments", roles=OPERATORS)
async def assign_number(call: Call, body: Assignment) -> Shown:
    """The operator lets a tenant text from a number that was there already."""
    return await numbers.assign(body.tenant, body.number, body.verification, call.who, deps())


@bp.queue_trigger("message", queue_name=Queue.NUMBER_ORDERS, connection=STORAGE)
async def on_number_order(message: func.QueueMessage) -> None:
    """The next step of an order."""
    await work(message, NumberOrder, number_orders.go_on, deps(), number_orders.gave_up)
