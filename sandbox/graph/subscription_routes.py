"""/subscriptions: create with handshake, renew, reauthorise, delete (microsoft-apis.md 2b)."""

from urllib.parse import quote
from uuid import uuid4

import aiohttp
from aiohttp import web
from yarl import URL

from sandbox.graph import meeting_body, subscriptions, times
from sandbox.graph.refusal import bad_request, json_object, not_found, only_query
from sandbox.graph.service import Graph
from sandbox.graph.subscriptions import Subscription

CALL_EVENT_ROLES = ("OnlineMeetings.Read.All", "OnlineMeetings.ReadWrite.All")
CALL_RECORD_ROLES = ("CallRecords.Read.All",)
BASE = "/{version:v1\\.0|beta}/subscriptions"


class SubscriptionRoutes:
    """Handlers over the stand-in's subscriptions. One is found only under the version it was made with."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        router = graph.app.router
        router.add_post(BASE, self.create)
        router.add_get(BASE, self.listing)
        router.add_get(BASE + "/{id}", self.read)
        router.add_patch(BASE + "/{id}", self.renew)
        router.add_delete(BASE + "/{id}", self.delete)
        router.add_post(BASE + "/{id}/reauthorize", self.reauthorize)

    async def create(self, request: web.Request) -> web.Response:
        """201 once both addresses have answered the handshake."""
        caller = await self.graph.caller(request, *CALL_EVENT_ROLES, *CALL_RECORD_ROLES)
        body = await json_object(request)
        fresh = subscriptions.parse(body, request.match_info["version"], caller, self.graph.now())
        caller.must_have_one_of(*(CALL_EVENT_ROLES if fresh.join_url else CALL_RECORD_ROLES))
        self._find_meeting(fresh)
        self._admit(fresh)
        for url in (fresh.notification_url, fresh.lifecycle_url):
            await self._handshake(url)
        self._admit(fresh)  # again: another may have come while the addresses were asked
        self.graph.subscriptions.add(fresh)
        self.graph.saw("subscription", did="created", subscription=fresh.id, meeting=fresh.meeting_id)
        return web.json_response({**fresh.document(), "clientState": fresh.client_state}, status=201)

    async def listing(self, request: web.Request) -> web.Response:
        """The application's own in this tenant."""
        caller = await self.graph.caller(request, *CALL_EVENT_ROLES, *CALL_RECORD_ROLES)
        only_query(request)
        living = self.graph.subscriptions.living(self.graph.now())
        mine = [one for one in living if one.caller.app == caller.app and one.caller.tenant == caller.tenant]
        here = [one.document() for one in mine if one.version == request.match_info["version"]]
        return web.json_response({"value": here})

    async def read(self, request: web.Request) -> web.Response:
        """One of the application's own."""
        return web.json_response((await self._own(request)).document())

    async def renew(self, request: web.Request) -> web.Response:
        """A later expiry, perhaps with another certificate; this reauthorises too."""
        found = await self._own(request)
        body = meeting_body.known_fields("subscription", await json_object(request), subscriptions.RENEWAL_FIELDS)
        expires = subscriptions.expiry(body, self.graph.now())
        if body.keys() - {"expirationDateTime"}:
            if found.lock is None:
                raise bad_request("This subscription has no resource data to encrypt.")
            found.lock = subscriptions.lock(body)
        found.expires = expires
        self.graph.saw("subscription", did="renewed", subscription=found.id, expires=times.text(expires))
        return web.json_response(found.document())

    async def reauthorize(self, request: web.Request) -> web.Response:
        """204."""
        found = await self._own(request)
        self.graph.saw("subscription", did="reauthorized", subscription=found.id)
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        """204."""
        found = await self._own(request)
        self.graph.subscriptions.remove(found.id)
        self.graph.saw("subscription", did="deleted", subscription=found.id)
        return web.Response(status=204)

    async def _own(self, request: web.Request) -> Subscription:
        caller = await self.graph.caller(request, *CALL_EVENT_ROLES, *CALL_RECORD_ROLES)
        found = self.graph.subscriptions.get(request.match_info["id"], self.graph.now())
        mine = found is not None and (found.caller.app, found.caller.tenant) == (caller.app, caller.tenant)
        if found is None or not mine or found.version != request.match_info["version"]:
            raise not_found("The subscription does not exist or has expired.")
        return found

    def _find_meeting(self, fresh: Subscription) -> None:
        if fresh.join_url is None:
            return
        meeting = self.graph.meetings.by_url(fresh.join_url, fresh.caller.tenant, self.graph.now())
        if meeting is None:
            raise bad_request("joinWebUrl, URL-encoded as a whole, must be that of a meeting in this tenant.")
        fresh.meeting_id = meeting.id

    def _admit(self, fresh: Subscription) -> None:
        self.graph.subscriptions.admit(fresh, self.graph.settings.subscription_quota, self.graph.now())

    async def _handshake(self, url: str | None) -> None:
        if url is None:
            return
        token = f"Validation: Testing client application, Request-Id: {uuid4()} <b>&\"'+%2B é</b>"
        asked = URL(f"{url}{'&' if '?' in url else '?'}validationToken={quote(token, safe='')}", encoded=True)
        problem = await self._asked(asked, token)
        self.graph.saw("handshake", url=url, problem=problem)
        if problem:
            raise bad_request(f"Subscription validation request failed. {problem}")

    async def _asked(self, url: URL, token: str) -> str:
        """What is wrong with the answer; nothing if it is the decoded token as text/plain, 200, in time."""
        sent = {"Content-Type": "text/plain; charset=utf-8"}
        limit = aiohttp.ClientTimeout(self.graph.settings.handshake_seconds)
        try:
            async with self.graph.http.post(url, headers=sent, timeout=limit, allow_redirects=False) as answer:
                if answer.status != 200:
                    return f"The answer must be 200 OK, not {answer.status}."
                if answer.content_type != "text/plain":
                    return "The answer must be of type text/plain."
                return "" if await answer.read() == token.encode() else "The answer must be the decoded token."
        except TimeoutError:
            return "The address did not answer in time."
        except aiohttp.ClientError:
            return "The address could not be reached."
