"""What falls due for an appointment later."""

import azure.functions as func

from shared.bootstrap import deps
from shared.messages import UpkeepOrder
from shared.storage.names import STORAGE, Queue
from shared.work import work
from shared.workflows import upkeep

bp = func.Blueprint()


@bp.queue_trigger("message", queue_name=Queue.UPKEEP, connection=STORAGE)
async def on_upkeep(message: func.QueueMessage) -> None:
    """One piece of upkeep."""
    await work(message, UpkeepOrder, upkeep.apply, deps())
