"""One log line per outcome: what, ids, a duration. Never a body, a phone number, a name or a token."""

import logging
from contextvars import ContextVar

log = logging.getLogger("connector")
#: Microsoft's libraries would log the address and headers of each request, row keys among them. On Azure the Functions
#: worker lets everything from INFO on through.
logging.getLogger("azure").setLevel(logging.WARNING)
#: W3C trace context of the work in hand; messages carry it on.
traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def place(error: BaseException) -> str:
    """Where an error was raised: what may be said of one whose text may hold anything."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else ""


def outcome(what: str, **facts: str | float | bool | None) -> None:
    """Log an outcome. Facts are codes, pseudonyms, counts and milliseconds."""
    log.info("%s", " ".join([what, *(f"{name}={value}" for name, value in facts.items() if value is not None)]))


def alarm(what: str, **facts: str | float | bool | None) -> None:
    """Log what an operator must see; infra turns it into an alert."""
    log.error("%s", " ".join([what, *(f"{name}={value}" for name, value in facts.items() if value is not None)]))
