"""One log line per outcome: what, ids, a duration. Never a body, a phone number, a name or a token."""

import logging
from contextvars import ContextVar

log = logging.getLogger("connector")
#: W3C trace context of the work in hand; messages carry it on.
traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def outcome(what: str, **facts: str | float | bool | None) -> None:
    """Log an outcome. Facts are codes, pseudonyms, counts and milliseconds."""
    log.info("%s", " ".join([what, *(f"{name}={value}" for name, value in facts.items() if value is not None)]))


def alarm(what: str, **facts: str | float | bool | None) -> None:
    """Log what an operator must see; infra turns it into an alert."""
    log.error("%s", " ".join([what, *(f"{name}={value}" for name, value in facts.items() if value is not None)]))
