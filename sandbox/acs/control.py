"""The routes below /_sandbox/ that a test, the demo or a person uses.

GET    texts[?to=]                    every accepted text, oldest first (see carrier.Text.facts)
GET    carrier                        how the carrier works
POST   carrier                        {"hold", "delay", "per_minute"}; what is left out keeps its default
POST   recipients                     {"number", "do": delivered|failed|silent, "code"}
DELETE recipients                     every number is an ordinary one again; nobody has said STOP
POST   reports                        {"tag": Tag|tag, "case": camel|pascal, "details": coded|plain}
POST   inbound                        {"from", "to", "text"} -> {"messageId"}
GET    numbers                        every number of this resource: {"number", "verified", "calling", "sms"}
POST   numbers                        {"searches", "purchases", "seconds", "fails"}: quotas, length of operations,
                                      the code with which each purchase fails
POST   numbers/standing               {"number", "sms"}: what it can; null: not of this resource any more
POST   numbers/verification           {"number", "verified"}
GET    eventgrid                      {"subscriptions", "deliveries", "dead_letters", "busy"}
POST   eventgrid                      {"retry_seconds": [...]}
POST   eventgrid/subscriptions        {"name", "url", "auth": entra|secret, "audience", "schema":
                                      eventgrid|cloudevents, "secret", "secret_name"}; 201 validated,
                                      202 waits for its validation URL, 400 failed, with the reason
DELETE eventgrid/subscriptions/{name}
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from pydantic import Field

from sandbox.acs.bodies import ControlBody, RefusedError, read
from sandbox.acs.carrier import Behaviour, Carrier, Handling
from sandbox.acs.events import Events
from sandbox.acs.grid import Grid, Waits
from sandbox.acs.market import Direction, Market
from sandbox.acs.numbers import Numbers
from sandbox.acs.reports import CODES, Style
from sandbox.acs.webhook import Asked
from sandbox.peer import CONTROL, Handler

STATUS = {"Succeeded": 201, "AwaitingManualAction": 202, "Failed": 400, "Creating": 400}


class Inbound(ControlBody):
    """A text from a phone to one of our numbers."""

    sender: str = Field(alias="from")
    to: str
    text: str = Field(min_length=1)


class Verification(ControlBody):
    """A toll-free number passes verification, or loses it."""

    number: str
    verified: bool = True


class Standing(ControlBody):
    """What the Azure portal made of a number."""

    number: str
    sms: Direction | None


class Control:
    """The routes; each takes JSON, refuses unknown members and answers what is now so."""

    def __init__(self, app: web.Application, carrier: Carrier, numbers: Numbers, grid: Grid, events: Events) -> None:
        self._carrier = carrier
        self._numbers = numbers
        self._grid = grid
        self._events = events
        for method, path, work in (
            ("GET", "texts", self._texts),
            ("GET", "carrier", self._handling),
            ("POST", "carrier", self._handle),
            ("POST", "recipients", self._behave),
            ("DELETE", "recipients", self._forget),
            ("POST", "reports", self._style),
            ("POST", "inbound", self._inbound),
            ("GET", "numbers", self._show_numbers),
            ("POST", "numbers", self._market),
            ("POST", "numbers/verification", self._verify),
            ("POST", "numbers/standing", self._stand),
            ("GET", "eventgrid", self._show),
            ("POST", "eventgrid", self._waits),
            ("POST", "eventgrid/subscriptions", self._subscribe),
            ("DELETE", "eventgrid/subscriptions/{name}", self._unsubscribe),
        ):
            app.router.add_route(method, CONTROL + path, refusing(work))

    async def _texts(self, request: web.Request) -> web.Response:
        to = request.query.get("to")
        texts = [text.facts() for text in self._carrier.texts.values() if to in (None, text.order.to)]
        return web.json_response(texts)

    async def _handling(self, _: web.Request) -> web.Response:
        return web.json_response(self._carrier.handling.model_dump())

    async def _handle(self, request: web.Request) -> web.Response:
        self._carrier.handle(await read(request, Handling))
        return await self._handling(request)

    async def _behave(self, request: web.Request) -> web.Response:
        behaviour = await read(request, Behaviour)
        if behaviour.code not in CODES:
            raise RefusedError(400, "BadRequest", "The code is not one of a delivery report.")
        self._carrier.behaviours[behaviour.number] = behaviour
        return web.json_response(behaviour.model_dump())

    async def _forget(self, _: web.Request) -> web.Response:
        for kept in (self._carrier.behaviours, self._carrier.stopped, self._carrier.listed):
            kept.clear()
        return web.Response(status=204)

    async def _style(self, request: web.Request) -> web.Response:
        self._events.style = await read(request, Style)
        return web.json_response(self._events.style.model_dump())

    async def _inbound(self, request: web.Request) -> web.Response:
        asked = await read(request, Inbound)
        if not self._numbers.owns(asked.to):
            raise RefusedError(400, "BadRequest", "The number does not belong to this resource.")
        key = self._events.inbound(self._carrier, asked.sender, asked.to, asked.text)
        return web.json_response({"messageId": key}, status=201)

    async def _show_numbers(self, _: web.Request) -> web.Response:
        return web.json_response(self._numbers.facts())

    async def _market(self, request: web.Request) -> web.Response:
        self._numbers.market = await read(request, Market)
        return web.json_response(self._numbers.market.model_dump())

    async def _verify(self, request: web.Request) -> web.Response:
        asked = await read(request, Verification)
        if not self._numbers.owns(asked.number):
            raise RefusedError(404, "NotFound", "The number does not belong to this resource.")
        self._numbers.ledger.owned[asked.number].verified = asked.verified
        return web.json_response(asked.model_dump())

    async def _stand(self, request: web.Request) -> web.Response:
        asked = await read(request, Standing)
        self._numbers.stand(asked.number, asked.sms)
        return web.json_response(asked.model_dump())

    async def _show(self, _: web.Request) -> web.Response:
        return web.json_response(self._grid.facts())

    async def _waits(self, request: web.Request) -> web.Response:
        self._grid.waits = await read(request, Waits)
        return web.json_response(self._grid.waits.model_dump())

    async def _subscribe(self, request: web.Request) -> web.Response:
        made = await self._grid.subscribe(await read(request, Asked))
        return web.json_response(made.facts(), status=STATUS[made.state])

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        return web.Response(status=204 if self._grid.subscriptions.pop(request.match_info["name"], None) else 404)


def refusing(work: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
    """`work`, with a refusal said as an answer."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await work(request)
        except RefusedError as refused:
            return refused.response()

    return handler
