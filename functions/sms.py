"""Texts to patients: sent from a queue, their receipts taken from Event Grid, held ones decided upon."""

from typing import Literal

import azure.functions as func

from shared.api import ADMINISTRATORS, Call, Page, Paging, operation, paged
from shared.bootstrap import deps
from shared.domain.model import Model
from shared.messages import Receipt, TextOrder
from shared.storage.names import STORAGE, Queue
from shared.web import accepted, answer, answered, bearer, json_body
from shared.work import work
from shared.workflows import receipts, texts
from shared.workflows.receipts import Proof

bp = func.Blueprint()
#: Event Grid delivers at most one megabyte; anything refused with 413 is dead-lettered at once.
_LARGEST_DELIVERY = 1_100_000
_EVENT_GRID = "eventgrid.azure.net"


class Decision(Model):
    """What to do with the texts that the hourly brake holds back."""

    decision: Literal["release", "drop"]


class HeldText(Model):
    """One of them."""

    id: str
    kind: str
    appointment: str


class Held(Page[HeldText]):
    """The texts that the hourly brake holds back, and how many there are in all."""

    count: int


class Count(Model):
    """How many were released or dropped."""

    count: int


@bp.queue_trigger("message", queue_name=Queue.SMS_OUTBOUND, connection=STORAGE)
async def send_sms(message: func.QueueMessage) -> None:
    """One text, at most once."""
    await work(message, TextOrder, texts.send, deps(), texts.gave_up)


@bp.queue_trigger("message", queue_name=Queue.SMS_RECEIPTS, connection=STORAGE)
async def on_receipt(message: func.QueueMessage) -> None:
    """A delivery report, or STOP, START, HELP."""
    await work(message, Receipt, receipts.apply, deps())


@bp.route("sms/events", methods=["POST"])
@answered
async def sms_events(req: func.HttpRequest) -> func.HttpResponse:
    """Event Grid hands over events, or asks whether we want them."""
    proof = Proof(bearer(req) if "Authorization" in req.headers else None, req.params.get("code"))
    code = await receipts.accept(proof, json_body(req, _LARGEST_DELIVERY), deps())
    return accepted() if code is None else answer({"validationResponse": code})


@bp.route("sms/events", methods=["OPTIONS"])
@answered
async def sms_events_allowed(req: func.HttpRequest) -> func.HttpResponse:
    """The handshake of CloudEvents: Event Grid may call; what it brings is proved each time."""
    headers = {"Allow": "POST, OPTIONS"}
    if req.headers.get("WebHook-Request-Origin") == _EVENT_GRID:
        headers |= {"WebHook-Allowed-Origin": _EVENT_GRID, "WebHook-Allowed-Rate": "*"}
    return func.HttpResponse(status_code=200, headers=headers)


@operation(bp, "GET", "config/connections/{connection}/held-texts", roles=ADMINISTRATORS)
async def show_held_texts(call: Call, query: Paging) -> Held:
    """How many texts the hourly brake holds back, and of which kind."""
    orders = await texts.held(call.connection, deps())
    items = [HeldText(id=one.message_id, kind=one.kind, appointment=one.appointment) for one in orders]
    return Held(count=len(items), **dict(paged(items, lambda one: one.id, query)))


@operation(bp, "POST", "config/connections/{connection}/held-texts", roles=ADMINISTRATORS)
async def decide_held_texts(call: Call, body: Decision) -> Count:
    """The administrator lets them go, or drops them."""
    return Count(count=await texts.decide(call.connection, body.decision, deps()))
