"""What bodies must look like, and how a refusal is said. Unknown members are refused."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

#: E.164. For country code 1 all ten digits: the SMS spec's example refuses +123 and +112345678901.
E164 = re.compile(r"\+1[2-9]\d{9}|\+[2-9]\d{6,14}")


class RefusedError(Exception):
    """The request is wrong: an HTTP status, a code and a sentence, said as the service says it."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """`{"error": {"code", "message"}}` (SMS spec 2026-01-23, examples)."""
        error = {"error": {"code": self.code, "message": self.message}}
        return web.json_response(error, status=self.status, headers=self.headers)


class Body(BaseModel):
    """A body in camelCase; unknown members, nulls and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class ControlBody(BaseModel):
    """A body of a control route, in snake_case; unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def read[Model: BaseModel](request: web.Request, model: type[Model]) -> Model:
    """The request's body as `model`, or 400 with the places that are wrong (never their values)."""
    if request.content_type != "application/json":
        raise RefusedError(415, "UnsupportedMediaType", "The body must be application/json.")
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as wrong:
        places = sorted({".".join(map(str, error["loc"])) or "body" for error in wrong.errors()})
        raise RefusedError(400, "BadRequest", f"Invalid: {', '.join(places)}") from None


def digits(number: str) -> str:
    """A number without its plus sign, as Event Grid writes some of them."""
    return number.removeprefix("+")


def rfc1123(text: str) -> datetime:
    """`Tue, 26 Mar 2019 16:06:51 GMT`, exactly so; ValueError for anything else."""
    moment = parsedate_to_datetime(text)
    if moment.strftime("%a, %d %b %Y %H:%M:%S GMT") != text:
        raise ValueError("not an RFC 1123 date in GMT")
    return moment.replace(tzinfo=UTC)
