"""The stand-in put together."""

from sandbox import plan
from sandbox.graph.control_routes import ControlRoutes
from sandbox.graph.directory_routes import DirectoryRoutes
from sandbox.graph.meeting_routes import MeetingRoutes
from sandbox.graph.report_routes import ReportRoutes
from sandbox.graph.service import Graph
from sandbox.graph.subscription_routes import SubscriptionRoutes
from sandbox.graph.teams_routes import TeamsRoutes


def build(run: plan.Plan) -> Graph:
    """Graph with all its routes; those that refuse the rest come last."""
    graph = Graph(run)
    for routes in (MeetingRoutes, ReportRoutes, SubscriptionRoutes, TeamsRoutes, ControlRoutes, DirectoryRoutes):
        routes(graph)
    return graph
