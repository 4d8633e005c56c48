"""Routes of the JSON API: who may call them, what they take and what they give.

A handler's signature says it once. `operation` checks callers and bodies by it, answers by it, and keeps it for
/openapi.json, so that the description cannot differ from what happens:

    @operation(bp, "PUT", "config/things/{thing}", roles=ADMINISTRATORS, changes=True)
    async def change_thing(call: Call, body: Thing) -> ThingShown:

`body` is a model, or `bytes` for a file. `query` is a model of the query string. An answer with a `change` has it as
its ETag; page and scripts across origins read it in the body, because a browser does not show them the header.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

import azure.functions as func
from pydantic import ValidationError

from shared import idempotency
from shared.access import caller, parsed, refuse
from shared.bootstrap import deps
from shared.clients.entra import Caller
from shared.domain.connection import Connection
from shared.domain.model import Model
from shared.errors import Broken, Code, Refused
from shared.web import answer, answered, expected, if_match
from shared.workflows import configuration

Method = Literal["GET", "POST", "PUT", "DELETE"]
type Route = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

#: App roles of the API (docs/set-up.md). Nobody has `Operator` but in the operator's own tenant.
OPERATORS = ("Operator",)
ADMINISTRATORS = ("ConfigAdmin",)
APPROVERS = ("Approver",)
ANYBODY = ("Operator", "ConfigAdmin", "Approver")
BOTH = ("ConfigAdmin", "Approver")
MOST_OF_A_PAGE = 1000


@dataclass(frozen=True)
class Call:
    """Who calls, and what they named.

    path    parameters of the address
    expects what the caller wants to change, by the tag that they read; "" where they expect nothing, None where they
            do not say
    key     the Idempotency-Key of a POST: what is made may take its id from it, so that a repetition makes the same
    held    the connection of the address, the caller's own, and the tag under which it is stored
    """

    who: Caller
    path: dict[str, str]
    expects: str | None
    key: str | None
    held: tuple[Connection, str] | None

    @property
    def connection(self) -> Connection:
        """The connection of an address with `{connection}`."""
        if self.held is None:
            raise Broken("the address names no connection")
        return self.held[0]

    @property
    def etag(self) -> str:
        """Under this tag its row is stored: a change made meanwhile is refused."""
        if self.held is None:
            raise Broken("the address names no connection")
        return self.held[1]


@dataclass(frozen=True)
class Csv:
    """An answer that is a file to keep."""

    name: str
    text: str


@dataclass(frozen=True)
class Operation:
    """What /openapi.json says of a route.

    body    a model, `bytes` or None
    query   a model or None
    gives   a model, `Csv` or None
    reads   it may be repeated as it is, and takes no Idempotency-Key
    """

    name: str
    method: Method
    path: str
    summary: str
    roles: tuple[str, ...]
    body: Any
    query: Any
    gives: Any
    status: int
    changes: bool
    guards: bool
    reads: bool


#: Every operation of the function groups that were imported.
OPERATIONS: list[Operation] = []


def operation(
    bp: func.Blueprint,
    method: Method,
    path: str,
    *,
    roles: tuple[str, ...],
    status: int = 200,
    changes: bool = False,
    guards: bool = False,
    reads: bool = False,
) -> Callable[[Callable[..., Awaitable[Model | Csv | None]]], Any]:
    """Make a handler a route of the API.

    roles     any one of them is enough
    changes   the caller must send If-Match with the `change` they read
    guards    the caller may send If-Match with the `change` they read, or If-None-Match: * for something new
    reads     a POST that may be repeated as it is: no answer of it is kept
    """

    def registered(handler: Callable[..., Awaitable[Model | Csv | None]]) -> Any:
        reading = reads or method != "POST"
        made = _described(handler, method, path, roles, status, changes=changes, guards=guards, reads=reading)
        OPERATIONS.append(made)
        return bp.route(path, methods=[method])(answered(_route(handler, made)))

    return registered


def _described(
    handler: Callable[..., Any],
    method: Method,
    path: str,
    roles: tuple[str, ...],
    status: int,
    *,
    changes: bool,
    guards: bool,
    reads: bool,
) -> Operation:
    hints = get_type_hints(handler)
    return Operation(
        name=handler.__name__,
        method=method,
        path=path,
        summary=(inspect.getdoc(handler) or "").partition("\n")[0],
        roles=roles,
        body=hints.get("body"),
        query=hints.get("query"),
        gives=None if hints["return"] is type(None) else hints["return"],
        status=status,
        changes=changes,
        guards=guards,
        reads=reads,
    )


def _route(handler: Callable[..., Awaitable[Model | Csv | None]], made: Operation) -> Route:
    async def route(req: func.HttpRequest) -> func.HttpResponse:
        who = await caller(req, *made.roles)

        async def answers() -> func.HttpResponse:
            call = Call(
                who=who,
                path=dict(req.route_params),
                expects=expected(req),
                key=req.headers.get("Idempotency-Key"),
                held=await _held(req, made, who),
            )
            return _answer(await handler(call, **_taken(made, req)), made)

        if made.reads:
            return await answers()
        return await idempotency.once(req, who, answers, deps())

    route.__name__, route.__doc__ = made.name, handler.__doc__
    return route


async def _held(req: func.HttpRequest, made: Operation, who: Caller) -> tuple[Connection, str] | None:
    if "connection" not in req.route_params:
        return None
    read = if_match(req) if made.changes else None
    connection, etag = await configuration.read(req.route_params["connection"], who, deps())
    if read not in {None, str(connection.change)}:
        raise Refused(Code.CHANGED_MEANWHILE)
    return connection, etag


def _taken(made: Operation, req: func.HttpRequest) -> dict[str, Any]:
    """Body and query as the handler's arguments."""
    taken: dict[str, Any] = {}
    if made.body is bytes:
        taken["body"] = req.get_body()
    elif made.body is not None:
        taken["body"] = parsed(made.body, req)
    if made.query is not None:
        try:
            taken["query"] = made.query.model_validate(dict(req.params))
        except ValidationError as error:
            raise refuse(error) from None
    return taken


def _answer(gives: Model | Csv | None, made: Operation) -> func.HttpResponse:
    if gives is None:
        return func.HttpResponse(status_code=made.status, headers={"Cache-Control": "no-store"})
    if isinstance(gives, Csv):
        headers = {"Content-Disposition": f'attachment; filename="{gives.name}"', "Cache-Control": "no-store"}
        return func.HttpResponse(gives.text, headers=headers, mimetype="text/csv", charset="utf-8")
    body = gives.model_dump(mode="json", by_alias=True)
    change = body.get("change")
    headers = {"Location": f"/{made.path}/{body['id']}"} if made.status == 201 and "{" not in made.path else {}
    return answer(body, made.status, etag=None if change is None else str(change), **headers)


class Paging(Model):
    """Which part of a list: `after` is the `next` of the part before."""

    limit: int = 100
    after: str = ""


class Page[T](Model):
    """A part of a list. `next` is None on the last."""

    items: tuple[T, ...]
    next: str | None = None


def newest_first[T](items: list[T], key: Callable[[T], str], paging: Paging) -> Page[T]:
    """As `paged`, from the highest key down: what happened last comes first."""
    left = (item for item in items if not paging.after or key(item) < paging.after)
    return _part(sorted(left, key=key, reverse=True), key, paging.limit)


def paged[T](items: list[T], key: Callable[[T], str], paging: Paging) -> Page[T]:
    """The part of a list that was asked for. Keys are unique and put the list in order."""
    return _part(sorted((item for item in items if key(item) > paging.after), key=key), key, paging.limit)


def _part[T](left: list[T], key: Callable[[T], str], limit: int) -> Page[T]:
    if not 1 <= limit <= MOST_OF_A_PAGE:
        raise Refused(Code.VALUE_REFUSED, f"limit: from 1 to {MOST_OF_A_PAGE}")
    part = left[:limit]
    return Page(items=tuple(part), next=key(part[-1]) if len(left) > len(part) else None)
