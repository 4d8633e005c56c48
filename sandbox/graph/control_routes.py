"""The control interface of this stand-in, beside what every peer has.

GET    /_sandbox/meetings              meetings with roster and calls
GET    /_sandbox/subscriptions         living subscriptions
GET    /_sandbox/settings              see `settings.Settings`
PATCH  /_sandbox/settings              {name: value}
GET    /_sandbox/policies              application access policies: [{app, user}]
POST   /_sandbox/policies              {"user": KEY, "app"?: id of the connector}: grant one
DELETE /_sandbox/policies/{user}[?app]  take it back
PATCH  /_sandbox/people/{user}         {"enabled"?: bool, "licensed"?: bool}: the account, and its licence for Teams
POST   /_sandbox/lifecycle             {"event", "subscription"}: reauthorizationRequired |
                                       subscriptionRemoved (the subscription is gone) | missed
POST   /_sandbox/meetings/{id}/close   end the call as Teams does with an empty one; 204
"""

from typing import Any

from aiohttp import web

from sandbox import world
from sandbox.graph import times
from sandbox.graph.meetings import Meeting
from sandbox.graph.refusal import Refusal, bad_request, json_object, not_found
from sandbox.graph.service import Graph

LIFECYCLE_EVENTS = ("reauthorizationRequired", "subscriptionRemoved", "missed")


class ControlRoutes:
    """Handlers for tests and the demo."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        router = graph.app.router
        router.add_get("/_sandbox/meetings", self.meetings)
        router.add_post("/_sandbox/meetings/{id}/close", self.close)
        router.add_get("/_sandbox/subscriptions", self.subscriptions)
        router.add_get("/_sandbox/settings", self.settings)
        router.add_patch("/_sandbox/settings", self.change_settings)
        router.add_get("/_sandbox/policies", self.policies)
        router.add_post("/_sandbox/policies", self.grant)
        router.add_delete("/_sandbox/policies/{user}", self.revoke)
        router.add_patch("/_sandbox/people/{user}", self.change_person)
        router.add_post("/_sandbox/lifecycle", self.lifecycle)

    async def meetings(self, _: web.Request) -> web.Response:
        """All of them."""
        return web.json_response([_meeting(one) for one in self.graph.meetings])

    async def close(self, request: web.Request) -> web.Response:
        """callEnded, whoever is still there is out."""
        meeting = self.graph.meetings.get(request.match_info["id"], self.graph.now())
        if meeting is None or meeting.room.call is None:
            raise not_found("No call is on in such a meeting.")
        self.graph.happened(meeting, meeting.room.end(self.graph.now()))
        return web.Response(status=204)

    async def subscriptions(self, _: web.Request) -> web.Response:
        """Those that live, with what Graph itself does not show."""
        living = self.graph.subscriptions.living(self.graph.now())
        return web.json_response(
            [
                {
                    **one.document(),
                    "clientState": one.client_state,
                    "tenant": one.caller.tenant,
                    "meeting": one.meeting_id,
                    "version": one.version,
                }
                for one in living
            ]
        )

    async def settings(self, _: web.Request) -> web.Response:
        """The values in force."""
        return web.json_response(vars(self.graph.settings))

    async def change_settings(self, request: web.Request) -> web.Response:
        """Some of them anew."""
        self.graph.settings.change(await json_object(request))
        return web.json_response(vars(self.graph.settings))

    async def policies(self, _: web.Request) -> web.Response:
        """Who may act for whom."""
        pairs = sorted(self.graph.meetings.policies)
        return web.json_response([{"app": app, "user": oid} for app, oid in pairs])

    async def grant(self, request: web.Request) -> web.Response:
        """What Grant-CsApplicationAccessPolicy does, without its half hour."""
        body = await json_object(request)
        self.graph.meetings.policies.add(_policy(body.get("user"), body.get("app")))
        return web.Response(status=204)

    async def revoke(self, request: web.Request) -> web.Response:
        """The opposite."""
        self.graph.meetings.policies.discard(_policy(request.match_info["user"], request.query.get("app")))
        return web.Response(status=204)

    async def change_person(self, request: web.Request) -> web.Response:
        """What an administrator does in the Microsoft 365 admin center."""
        body, user = await json_object(request), world.USERS.get(request.match_info["user"])
        if user is None or set(body) - {"enabled", "licensed"}:
            raise bad_request("Name a user, and enabled or licensed.")
        for name, out in (("enabled", self.graph.disabled), ("licensed", self.graph.unlicensed)):
            if name in body:
                (out.discard if body[name] else out.add)(user.oid)
        return web.Response(status=204)

    async def lifecycle(self, request: web.Request) -> web.Response:
        """A lifecycle notification goes out; 409 where there is no address for it."""
        body = await json_object(request)
        found = self.graph.subscriptions.get(str(body.get("subscription")), self.graph.now())
        if body.get("event") not in LIFECYCLE_EVENTS or found is None:
            raise bad_request("Name an event and a living subscription.")
        if found.lifecycle_url is None:
            raise Refusal(409, "Conflict", "The subscription has no lifecycle address.")
        if body["event"] == "subscriptionRemoved":
            self.graph.subscriptions.remove(found.id)
        self.graph.notifier.lifecycle(found, found.lifecycle_url, body["event"])
        return web.Response(status=202)


def _policy(user: Any, app: Any) -> tuple[str, str]:
    if user not in world.USERS:
        raise bad_request("No such user.")
    return str(app or world.CONNECTOR_APP), world.USERS[user].oid


def _meeting(one: Meeting) -> dict[str, Any]:
    calls = [
        {
            "started": times.text(call.started),
            "ended": times.text(call.ended) if call.ended else None,
            "report": call.report_id,
            "record": call.record_id,
        }
        for call in one.room.calls
    ]
    roster = [
        {"participant": who.id, "name": who.name, "user": who.user.key if who.user else None, "state": who.state}
        for who in one.room.roster.values()
    ]
    return {**one.document("include-unknown-enum-members"), "state": one.room.state, "roster": roster, "calls": calls}
