"""The minute's tick."""

import azure.functions as func

from shared.bootstrap import deps
from shared.workflows import agenda

bp = func.Blueprint()


@bp.timer_trigger("timer", schedule="0 * * * * *")
async def dispatch_due(timer: func.TimerRequest) -> None:
    """Send what is due to the queue of its kind; a tick that was missed is made up by the next."""
    del timer
    await agenda.dispatch(deps())
