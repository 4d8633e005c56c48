"""What scheduling messages mean for appointments."""

import azure.functions as func

from shared.bootstrap import deps
from shared.messages import SchedulingMessage
from shared.storage.names import STORAGE, Queue
from shared.work import work
from shared.workflows import schedule

bp = func.Blueprint()


@bp.queue_trigger("message", queue_name=Queue.SCHEDULING_EVENTS, connection=STORAGE)
async def on_scheduling_event(message: func.QueueMessage) -> None:
    """One booking, change, cancellation or no-show."""
    await work(message, SchedulingMessage, schedule.apply, deps())
