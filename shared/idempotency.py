"""A POST that is sent again with the same Idempotency-Key is done once and answered twice.

The key is the caller's own; what it was used for is kept for a day. A refusal is not kept: it changed nothing. The
caller is judged each time; If-Match only the first time, since what was done then has changed what it names. Even the
hash of a request rests sealed: a phone number is soon guessed from it.
"""

import hashlib
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import count, takewhile
from typing import Protocol
from urllib.parse import urlsplit

import azure.functions as func

from shared.clients.entra import Caller
from shared.clock import Clock
from shared.errors import Code, Refused
from shared.storage.lookups import Kind, Lookups
from shared.storage.tables import Conflict, Row

_KEPT = timedelta(days=1)
#: Longer than any request runs: who still holds a key then has died.
_HELD = timedelta(minutes=10)
_LONGEST = 100
#: Characters of an answer in one property, which holds 32,000 of its ciphertext, and properties in one row.
_PIECE, _MOST_PIECES = 16_000, 20


class Deps(Protocol):
    """What idempotency needs of the process."""

    @property
    def lookups(self) -> Lookups: ...
    @property
    def clock(self) -> Clock: ...


async def once(
    req: func.HttpRequest, who: Caller, answers: Callable[[], Awaitable[func.HttpResponse]], deps: Deps
) -> func.HttpResponse:
    """Answer as before when the key has been used for this request. Refuses its use for another, or twice at once."""
    key = req.headers.get("Idempotency-Key")
    if not key:
        return await answers()
    if len(key) > _LONGEST:
        raise Refused(Code.VALUE_REFUSED, f"Idempotency-Key: at most {_LONGEST} characters")
    asked = urlsplit(req.url)
    name = "|".join((who.tenant, who.user, asked.path, key))
    request = hashlib.sha256(asked.query.encode() + b"\n" + req.get_body()).hexdigest()
    earlier = await _claim(name, request, deps)
    if earlier is not None:
        return earlier
    try:
        answer = await answers()
    except BaseException:
        await deps.lookups.drop(Kind.IDEMPOTENCY, name)
        raise
    row = await deps.lookups.find(Kind.IDEMPOTENCY, name)
    pieces = _packed(answer)
    if len(pieces) > _MOST_PIECES:  # nothing that changes anything answers so much
        await deps.lookups.drop(Kind.IDEMPOTENCY, name)
    elif row is not None:
        await deps.lookups.save(row | pieces)
    return answer


async def _claim(name: str, request: str, deps: Deps) -> func.HttpResponse | None:
    """None: the key is ours to use. Otherwise the answer it has had."""
    now = deps.clock.now()
    facts = {"at": now, "request_sealed": request}
    if await deps.lookups.claim(Kind.IDEMPOTENCY, name, "", now + _KEPT, **facts):
        return None
    row = await deps.lookups.find(Kind.IDEMPOTENCY, name)
    if row is None or (row["request_sealed"] == request and _name(0) not in row):
        await _take_over(row, now, deps)
        return None
    if row["request_sealed"] != request:
        raise Refused(Code.VALUE_REFUSED, "Idempotency-Key: used for another request")
    return _unpacked(row)


async def _take_over(row: Row | None, now: datetime, deps: Deps) -> None:
    """Have the key of a request that died; refuses while it may be running, or when somebody else was faster."""
    running = Refused(Code.WRONG_STATE, "Idempotency-Key: the first request is still running")
    if row is None or now - row["at"] < _HELD:
        raise running
    try:
        await deps.lookups.save(row | {"at": now})
    except Conflict:
        raise running from None


def _packed(answer: func.HttpResponse) -> Row:
    """Status, headers and body in few characters, in as many properties as they need."""
    told = [answer.status_code, list(answer.headers.items()), answer.mimetype, answer.get_body().decode()]
    text = b64encode(zlib.compress(json.dumps(told).encode())).decode()
    return {_name(start // _PIECE): text[start : start + _PIECE] for start in range(0, len(text), _PIECE)}


def _unpacked(row: Row) -> func.HttpResponse:
    names = takewhile(row.__contains__, map(_name, count()))
    text = "".join(row[name] for name in names)
    status, headers, mimetype, body = json.loads(zlib.decompress(b64decode(text)))
    return func.HttpResponse(body, status_code=status, headers=dict(headers), mimetype=mimetype)


def _name(piece: int) -> str:
    return f"answer{piece}_sealed"
