"""/users/{oid}/onlineMeetings: create, find, change, delete (microsoft-apis.md section 1)."""

import re
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from sandbox.graph import meeting_body, meetings, times
from sandbox.graph.meetings import Meeting, Span
from sandbox.graph.refusal import bad_request, json_object, not_found, only_query
from sandbox.graph.service import Graph
from sandbox.world import User

WRITE = ("OnlineMeetings.ReadWrite.All",)
READ = ("OnlineMeetings.Read.All", *WRITE)
DEFAULT_LENGTH = timedelta(hours=1)
FILTER = re.compile(r"joinWebUrl eq '([^']+)'", re.IGNORECASE)
BASE = "/v1.0/users/{oid}/onlineMeetings"


class MeetingRoutes:
    """Handlers over the stand-in's meetings."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        router = graph.app.router
        router.add_post(BASE + "/createOrGet", self.create_or_get)
        router.add_post(BASE, self.create)
        router.add_get(BASE, self.find)
        router.add_get(BASE + "/{id}", self.read)
        router.add_patch(BASE + "/{id}", self.change)
        router.add_delete(BASE + "/{id}", self.delete)

    async def create_or_get(self, request: web.Request) -> web.Response:
        """201 with a new meeting, or 200 with the one that this user and externalId already have, unchanged."""
        user = await self.graph.organizer(request, *WRITE)
        body = meeting_body.known_fields("meeting", await json_object(request), meeting_body.CREATE_OR_GET_FIELDS)
        meeting_body.string("externalId", body.get("externalId"))
        span = _times(body, self.graph.now())
        meeting_body.options(body)
        if found := self.graph.meetings.by_external_id(user, body["externalId"], self.graph.now()):
            return _shown(request, found, 200)
        return self._created(request, user, body, span)

    async def create(self, request: web.Request) -> web.Response:
        """201; whether a plain create honours externalId is not known, so it is refused."""
        user = await self.graph.organizer(request, *WRITE)
        body = meeting_body.known_fields("meeting", await json_object(request), meeting_body.CREATE_FIELDS)
        for name in meeting_body.CREATE_REQUIRED:
            if name not in body:
                raise bad_request(f"{name} is required.")
        settings = body.get("joinMeetingIdSettings", {})
        for name, value in meeting_body.known_fields(
            "joinMeetingIdSettings", settings, frozenset({"isPasscodeRequired"})
        ).items():
            meeting_body.boolean(name, value)
        return self._created(request, user, body, _times(body, self.graph.now()))

    async def find(self, request: web.Request) -> web.Response:
        """The meeting with exactly this join address, as a list of one."""
        user = await self.graph.organizer(request, *READ)
        only_query(request, "$filter")
        asked = FILTER.fullmatch(request.query.get("$filter", ""))
        if not asked:
            raise bad_request("Only $filter=JoinWebUrl eq '...' is supported.")
        meeting = self.graph.meetings.by_url(asked[1], user.tenant, self.graph.now())
        if meeting is None or meeting.organizer != user:
            raise not_found("No meeting of this user has this join address.")
        return web.json_response({"value": [meeting.document(request.headers.get("Prefer", ""))]})

    async def read(self, request: web.Request) -> web.Response:
        """The meeting by id."""
        meeting = await self.graph.organizers_meeting(request, *READ)
        only_query(request)
        return _shown(request, meeting, 200)

    async def change(self, request: web.Request) -> web.Response:
        """PATCH: start and end together, attendees replaced as a whole, organiser and join id never."""
        meeting = await self.graph.organizers_meeting(request, *WRITE)
        body = meeting_body.known_fields("meeting", await json_object(request), meeting_body.UPDATE_FIELDS)
        if ("startDateTime" in body) != ("endDateTime" in body):
            raise bad_request("startDateTime and endDateTime must be sent together.")
        _same_organizer(meeting, body)
        now = self.graph.now()
        start, end = _times(body, now) if "startDateTime" in body else (meeting.start, meeting.end)
        meetings.update(meeting, body, now)
        meeting.start, meeting.end = start, end
        self.graph.saw("meeting", did="changed", meeting=meeting.id, fields=sorted(body))
        return _shown(request, meeting, 200)

    async def delete(self, request: web.Request) -> web.Response:
        """204."""
        meeting = await self.graph.organizers_meeting(request, *WRITE)
        self.graph.meetings.delete(meeting)
        self.graph.saw("meeting", did="deleted", meeting=meeting.id)
        return web.Response(status=204)

    def _created(self, request: web.Request, user: User, body: dict[str, Any], span: Span) -> web.Response:
        limit = self.graph.settings.meetings_per_month
        meeting = self.graph.meetings.create(user, body, span, self.graph.now(), limit)
        meeting.join_url = meeting.join_url.replace(self.graph.url, self.graph.settings.join_site or self.graph.url)
        self.graph.saw("meeting", did="created", meeting=meeting.id, organizer=user.oid, fields=sorted(body))
        return _shown(request, meeting, 201)


def _shown(request: web.Request, meeting: Meeting, status: int) -> web.Response:
    return web.json_response(meeting.document(request.headers.get("Prefer", "")), status=status)


def _times(body: dict[str, Any], now: datetime) -> Span:
    """Start and end: no start = now, no end = an hour later; an end alone or before its start is refused."""
    if "endDateTime" in body and "startDateTime" not in body:
        raise bad_request("endDateTime needs startDateTime.")
    start = times.instant(body["startDateTime"], "startDateTime") if "startDateTime" in body else now
    end = times.instant(body["endDateTime"], "endDateTime") if "endDateTime" in body else start + DEFAULT_LENGTH
    if end < start:
        raise bad_request("endDateTime must not be before startDateTime.")
    return start, end


def _same_organizer(meeting: Meeting, body: dict[str, Any]) -> None:
    organizer = body.get("participants", {}).get("organizer") if isinstance(body.get("participants"), dict) else None
    if organizer is None:
        return
    known = meeting_body.known_fields("organizer", organizer, frozenset({"identity", "upn", "role"}))
    identity = meeting_body.known_fields("identity", known.get("identity", {}), frozenset({"user"}))
    if identity.get("user", {}).get("id") != meeting.organizer.oid:
        raise bad_request("The organizer of a meeting cannot be changed.")
