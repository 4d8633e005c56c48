"""One check of a chain: bounded in time, and its trouble is its own. What it found is a finding, whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from shared.clock import Clock
from shared.domain.preflight import Finding, Link, LinkId
from shared.domain.preflight_findings import said
from shared.errors import CATALOGUE, Code, Later, Refused
from shared.telemetry import alarm, place

type Check = Callable[[], Awaitable[Finding]]

_SECONDS = 20


async def bounded(check: Check) -> Finding:
    """What a check found; trouble that it did not expect is a finding too."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await check()
    except TimeoutError:
        return said("too-slow", seconds=_SECONDS)
    except Refused as refusal:
        if refusal.code is Code.ADDRESS_REFUSED:
            return said("address-refused", part=refusal.fields[-1] if refusal.fields else "address")
        return said("refused", code=refusal.code, fields=CATALOGUE[refusal.code].title)
    except Later as later:
        return said("away", peer=later.peer)
    except Exception as error:  # a fault of ours in one link must not hide the others
        alarm("check failed", place=place(error), kind=type(error).__name__)
        return said("unexpected", place=place(error))


async def linked(link: LinkId, check: Check, clock: Clock, about: str = "") -> Link:
    """A link with what was found and how long it took."""
    began = clock.real()
    found = await bounded(check)
    return Link(**dict(found), id=link, about=about, took_ms=millis(clock.real() - began))


def left_out(link: LinkId, needs: LinkId, about: str = "") -> Link:
    """A link that cannot be tried, because another failed."""
    return Link(**dict(said("needs", link=needs)), id=link, about=about, took_ms=0)


def millis(span: timedelta) -> int:
    """Whole milliseconds."""
    return round(span / timedelta(milliseconds=1))
