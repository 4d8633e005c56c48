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
    """Make one meeting ready."""
    await work(message, MeetingRequest, meetings.provide, deps())
