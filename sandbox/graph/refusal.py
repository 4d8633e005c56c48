"""How Graph says no: one error, one shape."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aiohttp import web


class Refusal(Exception):
    """An answer other than success: `status`, Graph's `code`, a sentence, and headers if any."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def answer(self, request: web.Request) -> web.Response:
        """`{"error": {code, message, innerError}}`, with the caller's client-request-id."""
        request_id = str(uuid4())
        client_id = request.headers.get("client-request-id", request_id)
        inner = {
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": request_id,
            "client-request-id": client_id,
        }
        body = {"error": {"code": self.code, "message": self.message, "innerError": inner}}
        headers = {"request-id": request_id, "client-request-id": client_id, **self.headers}
        return web.json_response(body, status=self.status, headers=headers)


def bad_request(message: str) -> Refusal:
    """400: the request breaks a rule."""
    return Refusal(400, "BadRequest", message)


def forbidden(message: str) -> Refusal:
    """403: a right is missing."""
    return Refusal(403, "Forbidden", message)


def not_found(message: str) -> Refusal:
    """404: no such thing, or not this caller's."""
    return Refusal(404, "NotFound", message)


async def json_object(request: web.Request) -> dict[str, Any]:
    """The request's body, which must be a JSON object of type application/json."""
    if request.content_type != "application/json":
        raise bad_request("The request body must be of type application/json.")
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise bad_request("Unable to read JSON request payload.") from None
    if not isinstance(body, dict):
        raise bad_request("The request body must be a JSON object.")
    return body


def only_query(request: web.Request, *known: str) -> None:
    """Refuse query options that this path does not document."""
    if unknown := set(request.query) - set(known):
        raise bad_request(f"Query option '{min(unknown)}' is not supported.")
