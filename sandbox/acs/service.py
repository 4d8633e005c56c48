"""The stand-in put together."""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from sandbox import plan
from sandbox.acs.carrier import Carrier
from sandbox.acs.control import Control
from sandbox.acs.events import Events
from sandbox.acs.gate import Gate
from sandbox.acs.grid import Grid
from sandbox.acs.numbers import Numbers
from sandbox.acs.phone import Phone
from sandbox.acs.sms import Sms
from sandbox.peer import Peer, client_tls


class Acs(Peer):
    """Communication Services and Event Grid of one resource."""

    def __init__(self, world: plan.Plan) -> None:
        super().__init__("acs", world)
        gate = Gate(self, self._session)
        numbers = Numbers(self, gate)
        self.grid = Grid(self, self._session)
        events = Events(self, self.grid)
        carrier = Carrier(self, numbers.verified, events.report)
        Sms(self, gate, carrier, numbers)
        Control(self.app, carrier, numbers, self.grid, events)
        Phone(self.app, carrier, events)
        self.app.cleanup_ctx.append(self._outside)

    def _session(self) -> aiohttp.ClientSession:
        return self._client

    async def _outside(self, _: web.Application) -> AsyncIterator[None]:
        """The one client for calls to webhooks and Entra: trusts the sandbox's CA, keeps no cookies."""
        connector = aiohttp.TCPConnector(ssl=client_tls(self.plan))
        self._client = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        yield
        await self.grid.close()
        await self._client.close()
