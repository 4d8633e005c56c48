"""Epic hears who connects and disconnects."""

import azure.functions as func

from shared.bootstrap import deps
from shared.messages import WritebackOrder
from shared.storage.names import STORAGE, Queue
from shared.work import work
from shared.workflows import writeback

bp = func.Blueprint()


@bp.queue_trigger("message", queue_name=Queue.EHR_WRITEBACK, connection=STORAGE)
async def write_back(message: func.QueueMessage) -> None:
    """Look at one person's changes."""
    await work(message, WritebackOrder, writeback.write, deps(), writeback.gave_up)
