"""What an operator must see, what may be kept no longer, and given-up work."""

import azure.functions as func

from shared.access import caller
from shared.bootstrap import deps
from shared.clients.entra import Caller
from shared.errors import Code, Refused
from shared.storage.names import Queue
from shared.storage.tables import Row
from shared.web import accepted, answer, answered
from shared.workflows import expiry, parked
from shared.workflows import watch as watching

bp = func.Blueprint()


@bp.timer_trigger("timer", schedule="0 */15 * * * *")
async def watch(timer: func.TimerRequest) -> None:
    """Park poison, and raise alarms: late work, long queues, certificates that end."""
    del timer
    await watching.watch(deps())


@bp.timer_trigger("timer", schedule="0 10 3 * * *")
async def expire(timer: func.TimerRequest) -> None:
    """Remove rows whose time is over."""
    del timer
    await expiry.expire(deps())


@bp.route("config/parked", methods=["GET"])
@answered
async def list_parked(req: func.HttpRequest) -> func.HttpResponse:
    """Work that was given up, of one queue (`kind`) or of all: what and why, never what it holds."""
    await operator(req)
    kind = req.params.get("kind")
    rows, more = await parked.listed(queue(kind) if kind else None, deps())
    return answer({"items": [shown(row) for row in rows], "more": more})


@bp.route("config/parked/{kind}/{id}", methods=["POST"])
@answered
async def drive_again(req: func.HttpRequest) -> func.HttpResponse:
    """Send given-up work once more."""
    who = await operator(req)
    await parked.drive_again(queue(req.route_params["kind"]), req.route_params["id"], who.user, deps())
    return accepted()


async def operator(req: func.HttpRequest) -> Caller:
    """Somebody who looks after this stamp: given-up work is of all tenants."""
    who = await caller(req, "Operator")
    if who.tenant != deps().settings.operator_tenant:
        raise Refused(Code.ROLE_MISSING)
    return who


def queue(name: str) -> Queue:
    """The queue that work was given up in."""
    if name not in set(Queue):
        raise Refused(Code.NOT_FOUND)
    return Queue(name)


def shown(row: Row) -> dict[str, str | int | None]:
    """A row as the operator sees it. `content_until`: until then it can be sent once more; None: no more."""
    times = {name: row[name].isoformat() if name in row else None for name in ("at", "content_until", "driven_at")}
    facts = {"kind": row["PartitionKey"], "id": row["RowKey"], "reason": row["reason"], "attempts": row["attempts"]}
    return facts | times | {"driven_by": row.get("driven_by")}
