"""What is known after a call: attendanceReports of a meeting, callRecords of a tenant."""

from datetime import timedelta

from aiohttp import web

from sandbox.graph import reports
from sandbox.graph.calls import Call
from sandbox.graph.meetings import Meeting
from sandbox.graph.refusal import bad_request, not_found, only_query
from sandbox.graph.service import Graph

ARTIFACTS = ("OnlineMeetingArtifact.Read.All",)
RECORDS = ("CallRecords.Read.All",)
REPORTS_SHOWN = 50
REPORT_LIFE = timedelta(days=365)
RECORD_LIFE = timedelta(days=30)
BASE = "/v1.0/users/{oid}/onlineMeetings/{id}/attendanceReports"


class ReportRoutes:
    """Handlers over the calls that ended."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        router = graph.app.router
        router.add_get(BASE, self.listing)
        router.add_get(BASE + "/{rid}", self.report)
        router.add_get(BASE + "/{rid}/attendanceRecords", self.records)
        router.add_get("/v1.0/communications/callRecords/{id}", self.call_record)

    async def listing(self, request: web.Request) -> web.Response:
        """The newest reports first, their records empty."""
        meeting = await self.graph.organizers_meeting(request, *ARTIFACTS)
        only_query(request)
        newest = self._ready(meeting)[::-1][:REPORTS_SHOWN]
        return web.json_response({"value": [reports.attendance(call) for call in newest]})

    async def report(self, request: web.Request) -> web.Response:
        """One report, with its records if expanded."""
        meeting = await self.graph.organizers_meeting(request, *ARTIFACTS)
        only_query(request, "$expand")
        call = self._one(meeting, request.match_info["rid"])
        document = reports.attendance(call)
        if (expand := request.query.get("$expand")) not in (None, "attendanceRecords"):
            raise bad_request("Only $expand=attendanceRecords is supported.")
        if expand:
            document["attendanceRecords"] = reports.attendance_records(meeting, call)
        return web.json_response(document)

    async def records(self, request: web.Request) -> web.Response:
        """The records of one report."""
        meeting = await self.graph.organizers_meeting(request, *ARTIFACTS)
        only_query(request)
        call = self._one(meeting, request.match_info["rid"])
        return web.json_response({"value": reports.attendance_records(meeting, call)})

    async def call_record(self, request: web.Request) -> web.Response:
        """The record of one call; 404 until it is made and after 30 days."""
        caller = await self.graph.caller(request, *RECORDS)
        only_query(request, "$expand")
        expand = request.query.get("$expand")
        if expand not in (None, "sessions", "sessions($expand=segments)"):
            raise bad_request("Only $expand=sessions($expand=segments) is supported.")
        meeting, call = self._recorded(request.match_info["id"], caller.tenant)
        document = reports.call_record(meeting, call)
        if expand:
            document["sessions"] = reports.sessions(call)
        if expand == "sessions":
            document["sessions"] = [{**one, "segments": []} for one in document["sessions"]]
        return web.json_response(document)

    def _ready(self, meeting: Meeting) -> list[Call]:
        now, minutes = self.graph.now(), self.graph.settings.report_minutes
        return [call for call in meeting.room.calls if call.ready(now, minutes) and now < call.started + REPORT_LIFE]

    def _one(self, meeting: Meeting, report_id: str) -> Call:
        for call in self._ready(meeting):
            if call.report_id == report_id:
                return call
        raise not_found("The attendance report does not exist.")

    def _recorded(self, record_id: str, tenant: str) -> tuple[Meeting, Call]:
        now, minutes = self.graph.now(), self.graph.settings.call_record_minutes
        for meeting in self.graph.meetings:
            for call in meeting.room.calls:
                made = call.ready(now, minutes) and now < call.started + RECORD_LIFE
                if call.record_id == record_id and meeting.organizer.tenant == tenant and made:
                    return meeting, call
        raise not_found("The call record does not exist, or not yet.")
