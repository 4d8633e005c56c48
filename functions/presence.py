"""Who calls, and what do they get? Graph's notifications about the visits' calls."""

import azure.functions as func

from shared.bootstrap import deps
from shared.errors import Code, Refused
from shared.messages import CallEvent
from shared.storage.names import STORAGE, Queue
from shared.web import accepted, answered, plain_text
from shared.work import work
from shared.workflows import presence

bp = func.Blueprint()
_LARGEST = 4_000_000


@bp.route("graph/notifications", methods=["POST"])
@answered
async def graph_notifications(req: func.HttpRequest) -> func.HttpResponse:
    """Graph says that something happened in a call. It waits three seconds for an answer."""
    if token := req.params.get("validationToken"):
        return plain_text(token)
    await presence.accept(body(req), deps())
    return accepted()  # also for what we did not believe: the sender gets no hint


@bp.route("graph/lifecycle", methods=["POST"])
@answered
async def graph_lifecycle(req: func.HttpRequest) -> func.HttpResponse:
    """Graph wants a subscription to be looked after.

    Graph signs nothing here: it sends validation tokens and a signature only with resource data, and a lifecycle
    notification has none (microsoft-apis.md 2b; its documented bodies hold no token). So the client state is the only
    proof there is. It is ours, one to a visit, and only Graph was told; and the item must name the subscription
    that the visit has now. Whoever had both could make us renew a subscription or ask for it again, no more.
    """
    if token := req.params.get("validationToken"):
        return plain_text(token)
    await presence.accept_lifecycle(body(req), deps())
    return accepted()


@bp.queue_trigger("message", queue_name=Queue.CALL_EVENTS, connection=STORAGE)
async def on_call_event(message: func.QueueMessage) -> None:
    """One change in a visit's call."""
    await work(message, CallEvent, presence.apply, deps(), presence.gave_up)


def body(req: func.HttpRequest) -> bytes:
    """The body, unless it is larger than any notification."""
    if len(req.get_body()) > _LARGEST:
        raise Refused(Code.BODY_TOO_LARGE)
    return req.get_body()
