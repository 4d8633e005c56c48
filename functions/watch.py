"""What an operator must see, what may be kept no longer, changes of data keys, and given-up work."""

import azure.functions as func

from shared.api import MOST_OF_A_PAGE, OPERATORS, Call, Page, Paging, operation, paged
from shared.bootstrap import deps
from shared.domain.model import Model
from shared.errors import Code, Refused
from shared.storage.names import Queue
from shared.storage.tables import Row
from shared.workflows import expiry, parked, resealing
from shared.workflows import watch as watching

bp = func.Blueprint()


class OfKind(Paging):
    """A queue's name, or none for all."""

    kind: str = ""


class ParkedWork(Model):
    """Given-up work. `content_until`: until then it can be sent once more; None: no more."""

    kind: str
    id: str
    reason: str
    attempts: int
    at: str | None
    content_until: str | None
    driven_at: str | None
    driven_by: str | None


@bp.timer_trigger("timer", schedule="0 */15 * * * *")
async def watch(timer: func.TimerRequest) -> None:
    """Park poison, raise alarms: late work, queues, certificates; and send for orders that nobody works on."""
    del timer
    await watching.watch(deps())


@bp.timer_trigger("timer", schedule="0 10 3 * * *")
async def expire(timer: func.TimerRequest) -> None:
    """Remove rows whose time is over."""
    del timer
    await expiry.expire(deps())


@bp.timer_trigger("timer", schedule="0 40 * * * *")
async def reseal(timer: func.TimerRequest) -> None:
    """While data keys change: seal rows again that an older one sealed."""
    del timer
    await resealing.reseal(deps())


@operation(bp, "GET", "config/parked", roles=OPERATORS)
async def list_parked(call: Call, query: OfKind) -> Page[ParkedWork]:
    """Work that was given up, of one queue (`kind`) or of all: what and why, never what it holds."""
    del call
    most = min(max(query.limit, 0), MOST_OF_A_PAGE) + 1
    rows = await deps().parked.listed(most, queue(query.kind) if query.kind else None, query.after)
    return paged([shown(row) for row in rows], lambda one: f"{one.kind}|{one.id}", query)


@operation(bp, "POST", "config/parked/{kind}/{id}", roles=OPERATORS, status=202)
async def drive_again(call: Call) -> None:
    """Send given-up work once more."""
    await parked.drive_again(queue(call.path["kind"]), call.path["id"], call.who.user, deps())


def queue(name: str) -> Queue:
    """The queue that work was given up in."""
    if name not in set(Queue):
        raise Refused(Code.NOT_FOUND)
    return Queue(name)


def shown(row: Row) -> ParkedWork:
    """A row as the operator sees it."""
    times = {name: row[name].isoformat() if name in row else None for name in ("at", "content_until", "driven_at")}
    facts = {"kind": row["PartitionKey"], "id": row["RowKey"], "reason": row["reason"], "attempts": row["attempts"]}
    return ParkedWork.model_validate(facts | times | {"driven_by": row.get("driven_by")})
