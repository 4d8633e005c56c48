"""The stand-in's state and what every route needs: who calls, whose meeting, what goes out."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from sandbox import plan, world
from sandbox.graph.calls import RosterEvent
from sandbox.graph.meetings import Meeting, Meetings, organizer_of
from sandbox.graph.notifier import Notifier
from sandbox.graph.refusal import Refusal, bad_request, forbidden, not_found
from sandbox.graph.settings import Settings
from sandbox.graph.subscriptions import Subscriptions
from sandbox.graph.tokens import Caller, Gate
from sandbox.peer import Handler, Peer, client_tls

TICK_SECONDS = 0.5
NO_POLICY = "No application access policy found for this app"
ORGANIZERS = ("rooms", "rooms2")


class Graph(Peer):
    """Microsoft Graph's stand-in; `app.build` adds its routes."""

    def __init__(self, run: plan.Plan) -> None:
        super().__init__("graph", run)
        self.settings = Settings()
        self.gate = Gate(run.urls["entra"])
        self.meetings = Meetings(self.url)
        self.meetings.policies = {(world.CONNECTOR_APP, world.USERS[key].oid) for key in ORGANIZERS}
        #: Users whose account is disabled, and users without a licence for Teams, by object id.
        self.disabled: set[str] = set()
        self.unlicensed: set[str] = set()
        self.subscriptions = Subscriptions()
        self.notifier = Notifier(self, self.settings, self.subscriptions)
        self.app.middlewares.append(self._in_graphs_words)
        self.app.cleanup_ctx.append(self._outside)
        self.app.cleanup_ctx.append(self._ticking)

    async def caller(self, request: web.Request, *roles: str) -> Caller:
        """The application that calls, holding at least one of these permissions."""
        caller = await self.gate.caller(request, self.http)
        request["app"] = caller.app
        caller.must_have_one_of(*roles)
        return caller

    async def organizer(self, request: web.Request, *roles: str) -> world.User:
        """The user in the path, of the caller's tenant, for whom the application has an access policy."""
        caller = await self.caller(request, *roles)
        user = organizer_of(request.match_info["oid"], caller.tenant)
        if user is None:
            raise Refusal(404, "Request_ResourceNotFound", "The user does not exist in this tenant.")
        if (caller.app, user.oid) not in self.meetings.policies:
            raise forbidden(NO_POLICY)
        if user.oid in self.disabled | self.unlicensed:  # what Graph says of them is not documented
            raise forbidden("The user cannot have online meetings.")
        return user

    async def organizers_meeting(self, request: web.Request, *roles: str) -> Meeting:
        """The meeting in the path, which must be that user's."""
        user = await self.organizer(request, *roles)
        meeting = self.meetings.get(request.match_info["id"], self.now())
        if meeting is None or meeting.organizer != user:
            raise not_found("The meeting does not exist or is not this user's.")
        return meeting

    def happened(self, meeting: Meeting, events: list[RosterEvent]) -> None:
        """Tell the subscribers of a meeting, in order."""
        for event in events:
            self.saw("roster", event=event.kind, at_call=event.at.isoformat(), meeting=meeting.id)
            self.notifier.roster(meeting.id, event)

    @web.middleware
    async def _in_graphs_words(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer: web.StreamResponse
        try:
            answer, code = await handler(request), ""
        except Refusal as refusal:
            answer, code = refusal.answer(request), refusal.code
        except web.HTTPMethodNotAllowed:
            answer, code = bad_request("The method is not supported here.").answer(request), "BadRequest"
        if not request.path.startswith("/_sandbox/"):
            facts = {"method": request.method, "path": request.path, "app": request.get("app")}
            self.saw("request", **facts, status=answer.status, code=code)
        return answer

    async def _outside(self, _: web.Application) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(ssl=client_tls(self.plan))
        async with aiohttp.ClientSession(connector=connector) as self.http:
            self.notifier.http = self.http
            yield
            await self.notifier.stop()

    async def _ticking(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick_for_ever())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _tick_for_ever(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """What happens because time passes: empty calls end, call records appear."""
        now = self.now()
        for meeting in self.meetings:
            self.happened(meeting, meeting.room.close_if_over(meeting.end, now))
            for call in meeting.room.calls:
                if not call.record_announced and call.ready(now, self.settings.call_record_minutes):
                    call.record_announced = True
                    self.notifier.call_record(meeting.organizer.tenant, call.record_id)
