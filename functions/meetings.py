"""Teams meetings, made ahead of the visits."""

import azure.functions as func

from shared.bootstrap import deps
from shared.messages import MeetingRequest
from shared.storage.names import STORAGE, Queue
from shared.work import work
from shared.workflows import meetings

bp = func.Blueprint()


@bp.queue_trigger("message", queue_name=Queue.MEETING_REQUESTS, connection=STORAGE)
async def provision(message: func.QueueMessage) -> None:
    """Ask Graph for a meeting, or to be told of its call."""
    await work(message, MeetingRequest, meetings.serve, deps())
