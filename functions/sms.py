"""Texts to patients: sent from a queue, their receipts taken from Event Grid, held ones decided upon."""

from typing import Literal

import azure.functions as func

from shared.access import caller, parsed
from shared.bootstrap import deps
from shared.domain.connection import Model
from shared.messages import Receipt, TextOrder
from shared.storage.names import STORAGE, Queue
from shared.web import accepted, answer, answered, bearer, json_body
from shared.work import work
from shared.workflows import configuration, receipts, texts
from shared.workflows.receipts import Proof

bp = func.Blueprint()
#: Event Grid delivers at most one megabyte; anything refused with 413 is dead-lettered at once.
_LARGEST_DELIVERY = 1_100_000
_EVENT_GRID = "eventgrid.azure.net"


class HeldTexts(Model):
    """What to do with the texts that the hourly brake holds back."""

    decision: Literal["release", "drop"]


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


@bp.route("config/connections/{connection}/held-texts", methods=["GET"])
@answered
async def show_held_texts(req: func.HttpRequest) -> func.HttpResponse:
    """How many texts the hourly brake holds back, and of which kind."""
    who = await caller(req, "ConfigAdmin")
    connection, _ = await configuration.read(req.route_params["connection"], who, deps())
    orders = await texts.held(connection, deps())
    items = [{"id": one.message_id, "kind": one.kind, "appointment": one.appointment} for one in orders]
    return answer({"count": len(items), "items": items})


@bp.route("config/connections/{connection}/held-texts", methods=["POST"])
@answered
async def decide_held_texts(req: func.HttpRequest) -> func.HttpResponse:
    """The administrator lets them go, or drops them."""
    who = await caller(req, "ConfigAdmin")
    connection, _ = await configuration.read(req.route_params["connection"], who, deps())
    count = await texts.decide(connection, parsed(HeldTexts, req).decision, deps())
    return answer({"count": count})
