"""The Teams page and the interface behind it: joining, the lobby, leaving, ending. Its clicks are the roster.

Errors are `{"error": sentence}`: 400 for a bad body, 403 for lacking the right, 404 unknown, 409 not in that state.
"""

import html
import json
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Any

from aiohttp import web

from sandbox.graph.calls import Participant
from sandbox.graph.meetings import Meeting
from sandbox.graph.service import Graph
from sandbox.world import USERS

PAGE = Path(__file__).parent / "teams_page"
HEADERS = {"Content-Security-Policy": "default-src 'self'; img-src data:", "X-Content-Type-Options": "nosniff"}
LONGEST_NAME = 256
#: Cookie in which the page remembers who last joined signed in from this browser.
SIGNED_IN = "teams_user"


class TeamsRoutes:
    """Handlers over the rooms of the meetings."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        router = graph.app.router
        router.add_get("/l/meetup-join/{thread}/0", self.page)
        router.add_get("/teams/{asset:page\\.(?:js|css)}", self.asset)
        router.add_get("/teams/meetings/{id}", self.show)
        router.add_post("/teams/meetings/{id}/join", self.join)
        router.add_post("/teams/meetings/{id}/end", self.end)
        router.add_post("/teams/participants/{pid}/admit", self.admit)
        router.add_post("/teams/participants/{pid}/deny", self.deny)
        router.add_post("/teams/participants/{pid}/leave", self.leave)

    async def page(self, request: web.Request) -> web.Response:
        """The page behind a meeting's address."""
        meeting = self.graph.meetings.by_thread(request.match_info["thread"], self.graph.now())
        if meeting is None or not _context_fits(request.query.get("context", ""), meeting):
            return web.Response(status=404, text="This meeting does not exist.", headers=HEADERS)
        template = Template((PAGE / "page.html").read_text())
        chosen = request.query.get("as") or request.cookies.get(SIGNED_IN, "")
        people = "".join(
            f'<option value="{key}"{" selected" if key == chosen else ""}>{html.escape(user.name)}</option>'
            for key, user in USERS.items()
        )
        subject = html.escape(meeting.options["subject"] or "Meeting")
        self.graph.saw("page", meeting=meeting.id)
        text = template.substitute(meeting=html.escape(meeting.id), subject=subject, people=people)
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    async def asset(self, request: web.Request) -> web.Response:
        """The page's script and style."""
        name = request.match_info["asset"]
        kind = "text/javascript" if name.endswith(".js") else "text/css"
        return web.Response(text=(PAGE / name).read_text(), content_type=kind, headers=HEADERS)

    async def show(self, request: web.Request) -> web.Response:
        """Who is there, for the page and for scripts."""
        meeting = self._meeting(request)
        return web.json_response(
            {
                "id": meeting.id,
                "subject": meeting.options["subject"],
                "state": meeting.room.state,
                "participants": [_shown(meeting, one) for one in meeting.room.roster.values()],
            }
        )

    async def join(self, request: web.Request) -> web.Response:
        """Into the meeting or its lobby, as a user of the world or as a guest with a name."""
        meeting, body = self._meeting(request), await _body(request)
        key, name = body.get("as"), body.get("name")
        if key is not None and key not in USERS:
            raise _no(400, "There is no such user.")
        if key is None and not (isinstance(name, str) and 0 < len(name.strip()) <= LONGEST_NAME):
            raise _no(400, "A guest types a name.")
        user = USERS[key] if key is not None else None
        one = meeting.room.arrive(user, user.name if user else str(name).strip())
        if not one.present:
            now = self.graph.now()
            meeting.use(now)
            straight_in = meeting.bypasses_lobby(user)
            events = meeting.room.enter(one, now) if straight_in else meeting.room.wait(one, now)
            self.graph.happened(meeting, events)
        return web.json_response({"participant": one.id, "state": one.state}, status=201)

    async def admit(self, request: web.Request) -> web.Response:
        """From the lobby into the meeting; somebody inside who may must do it."""
        meeting, one = self._waiting(request)
        _actor(meeting, await _body(request), meeting.may_admit)
        self.graph.happened(meeting, meeting.room.enter(one, self.graph.now()))
        return web.json_response({"participant": one.id, "state": one.state})

    async def deny(self, request: web.Request) -> web.Response:
        """Out of the lobby, not into the meeting."""
        meeting, one = self._waiting(request)
        _actor(meeting, await _body(request), meeting.may_admit)
        self.graph.happened(meeting, meeting.room.go(one, "removed", self.graph.now()))
        return web.json_response({"participant": one.id, "state": one.state})

    async def leave(self, request: web.Request) -> web.Response:
        """Out of the meeting or its lobby; the meeting goes on. Once its time is over the last one ends it."""
        meeting, one = self._participant(request)
        if not one.present:
            raise _no(409, "They are not there.")
        now = self.graph.now()
        self.graph.happened(meeting, meeting.room.go(one, "left", now))
        self.graph.happened(meeting, meeting.room.close_if_over(meeting.end, now))
        return web.json_response({"participant": one.id, "state": one.state})

    async def end(self, request: web.Request) -> web.Response:
        """End the meeting for all; an organiser or presenter inside does it."""
        meeting, body = self._meeting(request), await _body(request)
        if meeting.room.call is None:
            raise _no(409, "No call is on.")
        if meeting.room.inside():  # an empty call ends when told, as Teams does after a while
            _actor(meeting, body, meeting.may_end)
        self.graph.happened(meeting, meeting.room.end(self.graph.now()))
        return web.json_response({"id": meeting.id, "state": meeting.room.state})

    def _meeting(self, request: web.Request) -> Meeting:
        if meeting := self.graph.meetings.get(request.match_info["id"], self.graph.now()):
            return meeting
        raise _no(404, "This meeting does not exist.")

    def _participant(self, request: web.Request) -> tuple[Meeting, Participant]:
        if found := self.graph.meetings.of_participant(request.match_info["pid"], self.graph.now()):
            return found
        raise _no(404, "There is no such participant.")

    def _waiting(self, request: web.Request) -> tuple[Meeting, Participant]:
        meeting, one = self._participant(request)
        if one.state != "lobby":
            raise _no(409, "They are not in the lobby.")
        return meeting, one


def _no(status: int, sentence: str) -> web.HTTPException:
    kinds: dict[int, type[web.HTTPException]] = {
        400: web.HTTPBadRequest,
        403: web.HTTPForbidden,
        404: web.HTTPNotFound,
        409: web.HTTPConflict,
    }
    return kinds[status](text=json.dumps({"error": sentence}), content_type="application/json")


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read() or "{}")
    except ValueError:
        raise _no(400, "The body must be JSON.") from None
    if not isinstance(body, dict):
        raise _no(400, "The body must be an object.")
    return body


def _actor(meeting: Meeting, body: dict[str, Any], may: Callable[[Participant], bool]) -> None:
    """Somebody inside with the right; `by` says who, otherwise anyone who has it."""
    named = body.get("by")
    if not any(may(one) for one in meeting.room.roster.values() if named in (None, one.id)):
        raise _no(403, "Nobody inside may do this.")


def _shown(meeting: Meeting, one: Participant) -> dict[str, Any]:
    return {
        "participant": one.id,
        "name": one.name,
        "kind": "user" if one.user else "guest",
        "state": one.state,
        "may_admit": meeting.may_admit(one),
        "may_end": meeting.may_end(one),
    }


def _context_fits(text: str, meeting: Meeting) -> bool:
    try:
        return bool(json.loads(text) == {"Tid": meeting.organizer.tenant, "Oid": meeting.organizer.oid})
    except ValueError:
        return False
