"""POST /sms, the opt-out lists and the delivery reports, as the SMS spec of 2026-01-23 has them.

Python's SDK 1.1.0 sends the older version 2021-03-07, which knows neither the report's time limit nor the
newer routes. Members for Messaging Connect are refused: this resource has no such partner.
"""

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from sandbox.acs.bodies import E164, Body, RefusedError, read
from sandbox.acs.carrier import Carrier, Order
from sandbox.acs.gate import Gate
from sandbox.acs.numbers import Numbers
from sandbox.peer import Peer

FIRST_VERSION = "2021-03-07"
VERSION = "2026-01-23"


class Recipient(Body):
    """One recipient; what is wrong with it is answered for it alone."""

    to: str
    repeatability_request_id: str = ""
    repeatability_first_sent: str = ""


class FirstOptions(Body):
    """smsSendOptions of 2021-03-07."""

    enable_delivery_report: bool
    tag: str = ""


class Options(FirstOptions):
    """smsSendOptions of 2026-01-23; the time limit is in seconds."""

    delivery_report_timeout_in_seconds: Annotated[int, Field(ge=60, le=43200)] | None = None


class FirstSendRequest(Body):
    """SendMessageRequest of 2021-03-07."""

    sender: str = Field(alias="from")
    sms_recipients: list[Recipient] = Field(min_length=1, max_length=100)
    message: str = Field(min_length=1, max_length=2048)
    sms_send_options: FirstOptions = FirstOptions(enableDeliveryReport=False)


class SendRequest(FirstSendRequest):
    """SendMessageRequest of 2026-01-23."""

    sms_send_options: Options = Options(enableDeliveryReport=False)


class OptOutRecipient(Body):
    """A number of an opt-out request."""

    to: str = Field(min_length=1)


class OptOutRequest(Body):
    """OptOutRequest of 2026-01-23."""

    sender: str = Field(alias="from")
    recipients: list[OptOutRecipient] = Field(min_length=1, max_length=100)


class Sms:
    """The routes for texts."""

    def __init__(self, peer: Peer, gate: Gate, carrier: Carrier, numbers: Numbers) -> None:
        self._peer = peer
        self._carrier = carrier
        self._numbers = numbers
        add = peer.app.router.add_route
        add("POST", "/sms", gate.guard(self._send, {FIRST_VERSION, VERSION}))
        for verb, work in {"add": self._opt_out, "remove": self._opt_in, "check": self._check}.items():
            add("POST", f"/sms/optouts:{verb}", gate.guard(work, {VERSION}))
        add("GET", "/deliveryReports/{id}", gate.guard(self._report, {VERSION}))

    async def _send(self, request: web.Request) -> web.Response:
        model = SendRequest if request.query["api-version"] == VERSION else FirstSendRequest
        asked = await read(request, model)
        self._check_sender(asked.sender)
        items = [self._carrier.take(order) for order in orders(asked)]
        self._peer.saw("sms", sender=asked.sender, statuses=[item.status for item in items])
        if all(item.status == 429 for item in items):
            wait = str(self._carrier.seconds_until_free(asked.sender))
            raise RefusedError(429, "TooManyRequests", "The number's rate is exceeded.", {"Retry-After": wait})
        return web.json_response({"value": [item.json() for item in items]}, status=202)

    def _check_sender(self, sender: str) -> None:
        if not self._numbers.owns(sender):
            raise RefusedError(400, "BadRequest", "The From number does not belong to this resource.")

    async def _opt_out(self, request: web.Request) -> web.Response:
        return await self._each(request, self._carrier.listed.add)

    async def _opt_in(self, request: web.Request) -> web.Response:
        """Takes numbers off the list; a STOP said to the carrier stays (only the phone's START lifts it)."""
        return await self._each(request, self._carrier.listed.discard)

    async def _check(self, request: web.Request) -> web.Response:
        return await self._each(request, lambda pair: {"isOptedOut": self._carrier.blocked(*pair)})

    async def _each(self, request: web.Request, work: Any) -> web.Response:
        """Does `work` with each (sender, recipient) and answers per recipient."""
        asked = await read(request, OptOutRequest)
        self._check_sender(asked.sender)
        self._peer.saw(request.path.rpartition("/")[2], sender=asked.sender, count=len(asked.recipients))
        value = [opt_out_item(asked.sender, recipient.to, work) for recipient in asked.recipients]
        return web.json_response({"value": value})

    async def _report(self, request: web.Request) -> web.Response:
        text = self._carrier.texts.get(request.match_info["id"])
        if text is None or text.report is None:
            kind = "https://tools.ietf.org/html/rfc9110#section-15.5.5"
            return web.json_response({"type": kind, "title": "Not Found", "status": 404}, status=404)
        return web.json_response(text.report.rest())


def orders(asked: FirstSendRequest) -> list[Order]:
    """One order per recipient."""
    options = asked.sms_send_options
    timeout = options.delivery_report_timeout_in_seconds if isinstance(options, Options) else None
    return [
        Order(
            asked.sender,
            recipient.to,
            asked.message,
            recipient.repeatability_request_id.lower(),
            recipient.repeatability_first_sent,
            options.tag,
            options.enable_delivery_report,
            timeout,
        )
        for recipient in asked.sms_recipients
    ]


def opt_out_item(sender: str, to: str, work: Any) -> dict[str, Any]:
    """An OptOutResponseItem."""
    if not E164.fullmatch(to):
        return {"to": to, "httpStatusCode": 400, "errorMessage": "Invalid recipient phone number format"}
    return {"to": to, "httpStatusCode": 200} | (work((sender, to)) or {})
