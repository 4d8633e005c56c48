"""Phone numbers: search, purchase, list, release (API 2025-06-01), each change a long-running operation.

On sale are toll-free numbers of the United States for applications. A number bought is not verified and
cannot text until the verification is granted (control route), as since 2024-01-31.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from sandbox import world
from sandbox.acs.bodies import RefusedError, read
from sandbox.acs.gate import Gate
from sandbox.acs.market import (
    STOCK,
    Direction,
    Kind,
    Ledger,
    Market,
    Operation,
    Owned,
    PurchaseRequest,
    Search,
    SearchRequest,
)
from sandbox.peer import Peer

VERSION = "2025-06-01"
#: How long a search holds its numbers (microsoft-apis.md section 3: about 15 min, unverified).
HELD_FOR = timedelta(minutes=15)
#: Searches and purchases are counted per week (Azure docs 2023).
QUOTA_PERIOD = timedelta(days=7)
SMS_ONLY = {"calling": "none", "sms": "inbound+outbound"}


class Numbers:
    """The routes for phone numbers, and who owns which."""

    def __init__(self, peer: Peer, gate: Gate) -> None:
        self._peer = peer
        self.market = Market()
        self.ledger = Ledger()
        self._own(world.ACS_NUMBER, SMS_ONLY)
        self._own(world.ACS_UNVERIFIED_NUMBER, SMS_ONLY)
        self.ledger.owned[world.ACS_NUMBER].verified = True
        for method, path, work in (
            ("POST", "/availablePhoneNumbers/countries/{country}/:search", self._search),
            ("GET", "/availablePhoneNumbers/searchResults/{id}", self._search_result),
            ("POST", "/availablePhoneNumbers/:purchase", self._purchase),
            ("GET", "/phoneNumbers/operations/{id}", self._operation),
            ("GET", "/phoneNumbers", self._list),
            ("GET", "/phoneNumbers/{number}", self._one),
            ("DELETE", "/phoneNumbers/{number}", self._release),
        ):
            peer.app.router.add_route(method, path, gate.guard(work, {VERSION}))

    def owns(self, number: str) -> bool:
        """Whether this resource has the number, for texts."""
        self._settle()
        owned = self.ledger.owned.get(number)
        return owned is not None and "outbound" in owned.capabilities["sms"]

    def stand(self, number: str, sms: Direction | None) -> None:
        """Let a number be one of this resource that can do this, or be none of it."""
        made = Owned(number, verified=True, capabilities=SMS_ONLY, since=self._peer.now())
        owned = self.ledger.owned.pop(number, made)
        if sms is not None:
            self.ledger.owned[number] = replace(owned, capabilities={**owned.capabilities, "sms": sms})

    def facts(self) -> list[dict[str, Any]]:
        """Every number of this resource, and whether it is verified."""
        self._settle()
        owned = self.ledger.owned.values()
        return [{"number": one.number, "verified": one.verified, **one.capabilities} for one in owned]

    def verified(self, number: str) -> bool:
        """Whether the number has passed toll-free verification."""
        owned = self.ledger.owned.get(number)
        return owned is not None and owned.verified

    async def _search(self, request: web.Request) -> web.Response:
        asked = await read(request, SearchRequest)
        offered = (request.match_info["country"], asked.phone_number_type, asked.assignment_type, asked.area_code)
        if offered != ("US", "tollFree", "application", "833"):
            raise RefusedError(400, "BadRequest", "Only toll-free numbers of the US for applications are offered.")
        self._count("search", self.market.searches)
        numbers = self._in_stock()[: asked.quantity]
        if len(numbers) < asked.quantity:
            raise RefusedError(404, "OutOfStock", "Not enough numbers are in stock.")
        capabilities = asked.capabilities.model_dump()
        search = Search(str(uuid.uuid4()), numbers, capabilities, self._peer.now() + HELD_FOR)
        self.ledger.searches[search.id] = search
        location = f"/availablePhoneNumbers/searchResults/{search.id}"
        return self._begin("search", search.id, lambda: self.ledger.found.add(search.id), location)

    async def _search_result(self, request: web.Request) -> web.Response:
        return web.json_response(self._found(request.match_info["id"]).json())

    async def _purchase(self, request: web.Request) -> web.Response:
        asked = await read(request, PurchaseRequest)
        search = self._found(asked.search_id)
        if search.used:
            raise RefusedError(400, "BadRequest", "The search has been purchased already.")
        if self._peer.now() > search.expires:
            raise RefusedError(400, "BadRequest", "The search has expired.")
        self._count("purchase", self.market.purchases)
        search.used = True
        if fails := self.market.fails:
            return self._begin("purchase", search.id, lambda: None, fails=fails)
        return self._begin("purchase", search.id, lambda: self._buy(search))

    async def _operation(self, request: web.Request) -> web.Response:
        self._settle()
        operation = self.ledger.operations.get(request.match_info["id"])
        if operation is None:
            raise RefusedError(404, "NotFound", "There is no such operation.")
        headers = {"Location": operation.location} if operation.location else {}
        return web.json_response(operation.json(), headers=headers)

    async def _list(self, request: web.Request) -> web.Response:
        """A page, `skip` and `top` (at most 100) as asked; `nextLink` while there is more."""
        self._settle()
        skip, top = paging(request)
        owned = sorted(self.ledger.owned)
        page = {"phoneNumbers": [self.ledger.owned[number].json() for number in owned[skip : skip + top]]}
        link = f"/phoneNumbers?skip={skip + top}&top={top}&api-version={VERSION}"
        return web.json_response(page | ({"nextLink": link} if len(owned) > skip + top else {}))

    async def _one(self, request: web.Request) -> web.Response:
        return web.json_response(self._owned(request).json())

    async def _release(self, request: web.Request) -> web.Response:
        number = self._owned(request).number
        return self._begin("releasePhoneNumber", str(uuid.uuid4()), lambda: self.ledger.owned.pop(number, None))

    def _begin(
        self,
        kind: Kind,
        key: str,
        finish: Callable[[], Any],
        location: str | None = None,
        fails: str | None = None,
    ) -> web.Response:
        """202 with the headers of the spec's examples; `finish` happens once the operation's time is over."""
        word = kind.removesuffix("PhoneNumber")
        operation = Operation(f"{word}_{key}", kind, self._peer.now(), finish, location, fails=fails)
        self.ledger.operations[operation.id] = operation
        self._peer.saw(kind, operation=operation.id)
        headers = {
            "Operation-Location": f"/phoneNumbers/operations/{operation.id}",
            "operation-id": operation.id,
            f"{word}-id": key,
        }
        return web.Response(status=202, headers=headers | ({"Location": location} if location else {}))

    def _settle(self) -> None:
        for operation in self.ledger.operations.values():
            over = self._peer.now() - operation.created >= timedelta(seconds=self.market.seconds)
            if over and not operation.done:
                operation.done = True
                operation.finish()

    def _found(self, key: str) -> Search:
        self._settle()
        if key not in self.ledger.found:
            raise RefusedError(404, "NotFound", "There is no such search result.")
        return self.ledger.searches[key]

    def _owned(self, request: web.Request) -> Owned:
        self._settle()
        owned = self.ledger.owned.get(request.match_info["number"])
        if owned is None:
            raise RefusedError(404, "NotFound", "The number does not belong to this resource.")
        return owned

    def _in_stock(self) -> list[str]:
        now = self._peer.now()
        held = {n for s in self.ledger.searches.values() if s.used or s.expires >= now for n in s.numbers}
        return [number for number in STOCK if number not in held | set(self.ledger.owned)]

    def _count(self, what: str, allowed: int) -> None:
        now = self._peer.now()
        used = [at for counted, at in self.ledger.counted if counted == what and now - at < QUOTA_PERIOD]
        if len(used) >= allowed:
            raise RefusedError(429, "QuotaExceeded", f"No more {what} this week.", {"Retry-After": "86400"})
        self.ledger.counted.append((what, now))

    def _buy(self, search: Search) -> None:
        for number in search.numbers:
            self._own(number, search.capabilities)

    def _own(self, number: str, capabilities: dict[str, str]) -> None:
        self.ledger.owned[number] = Owned(number, verified=False, capabilities=capabilities, since=self._peer.now())


def paging(request: web.Request) -> tuple[int, int]:
    """`skip` from 0 and `top` from 1 to 100, as the spec's defaults say."""
    skip, top = request.query.get("skip", "0"), request.query.get("top", "100")
    if not (skip.isdecimal() and top.isdecimal() and 1 <= int(top) <= 100):
        raise RefusedError(400, "BadRequest", "skip or top is out of range.")
    return int(skip), int(top)
