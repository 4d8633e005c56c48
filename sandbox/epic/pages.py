"""Hyperspace and MyChart, small enough to hold a visit by hand.

GET  /hyperspace[?instance=production][&frame=1]   sign in, then the schedule; frame=1 opens visits in a frame
POST /hyperspace/sign-in    form: user
GET  /hyperspace/begin?csn=C[&instance=I][&how=post]   to the launch URL
POST /hyperspace/sign-out
and the same under /mychart.
"""

import secrets
from datetime import timedelta

from aiohttp import web
from pydantic import ValidationError

from sandbox import world
from sandbox.epic import html, launches, mnemonics
from sandbox.epic.hospital import EPIC, Appointment, Epic, Instance
from sandbox.epic.records import USER_TYPES, LaunchOrder
from sandbox.world import EpicUser

#: Which people sit where.
KINDS = {"hyperspace": USER_TYPES["provider"], "mychart": USER_TYPES["patient"]}
TITLES = {"hyperspace": "Hyperspace", "mychart": "MyChart"}
#: The schedule reaches from the past half day to the next day.
BACK, AHEAD = timedelta(hours=12), timedelta(hours=24)
REFRESH_SECONDS = 5


async def schedule(request: web.Request) -> web.Response:
    """The visits of these hours, or the people who may sign in."""
    epic, instance, place = _where(request)
    user = _user(request, epic, place)
    if user is None:
        people = [one for one in world.EPIC_USERS.values() if one.kind in KINDS[place]]
        action = f"/{place}/sign-in?{request.query_string}"
        return _page(html.choose(f"{TITLES[place]} sign-in", action, people))
    framed = request.query.get("frame") == "1"
    visits = _visits(epic, instance, user)
    title = f"{TITLES[place]}: {user.first} {user.last}"
    answer = _page(html.schedule(title, f"/{place}", instance, visits, framed=framed))
    if not framed:
        answer.headers["Refresh"] = str(REFRESH_SECONDS)
    return answer


async def sign_in(request: web.Request) -> web.Response:
    """Sit down as one of the people of this place."""
    epic, _, place = _where(request)
    key = str((await request.post()).get("user"))
    if key not in world.EPIC_USERS or world.EPIC_USERS[key].kind not in KINDS[place]:
        raise web.HTTPForbidden
    session = secrets.token_urlsafe(32)
    epic.sessions[session] = world.EPIC_USERS[key]
    answer = web.Response(status=303, headers={"Location": f"/{place}?{request.query_string}"})
    answer.set_cookie(f"epic-{place}", session, secure=True, httponly=True, samesite="Lax")
    return answer


async def sign_out(request: web.Request) -> web.Response:
    """Stand up."""
    epic, _, place = _where(request)
    epic.sessions.pop(request.cookies.get(f"epic-{place}", ""), None)
    return web.Response(status=303, headers={"Location": f"/{place}"})


async def begin(request: web.Request) -> web.Response:
    """ "Begin virtual visit" was pressed."""
    epic, instance, place = _where(request)
    user = _user(request, epic, place)
    if user is None:
        raise web.HTTPForbidden
    asked = {"instance": instance.key, "user": user.key, "csn": request.query.get("csn")}
    try:
        started = launches.start(instance, LaunchOrder.model_validate(asked))
    except (launches.CannotLaunch, ValidationError) as cannot:
        why = str(cannot) if isinstance(cannot, launches.CannotLaunch) else "unknown CSN"
        return web.Response(text=html.page("Begin virtual visit", why), status=409, content_type="text/html")
    epic.saw("launch", user=user.key, how=request.query.get("how", "get"))
    if request.query.get("how") == "post":
        return _page(html.post_launch(started))
    return web.Response(status=302, headers={"Location": started.url})


def _where(request: web.Request) -> tuple[Epic, Instance, str]:
    epic = request.app[EPIC]
    key = request.query.get("instance", "test")
    if key not in epic.instances:
        raise web.HTTPNotFound
    return epic, epic.instances[key], request.match_info["place"]


def _user(request: web.Request, epic: Epic, place: str) -> EpicUser | None:
    return epic.sessions.get(request.cookies.get(f"epic-{place}", ""))


def _visits(epic: Epic, instance: Instance, user: EpicUser) -> list[Appointment]:
    """Staff see everyone's, a MyChart user the chart's."""
    chart, now = mnemonics.patient_of(user), epic.now()
    near = (one for one in instance.appointments.values() if now - BACK <= one.order.start <= now + AHEAD)
    return sorted((one for one in near if chart in (None, one.patient)), key=lambda one: one.order.start)


def _page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


PLACE = "/{place:hyperspace|mychart}"
routes = [
    web.get(PLACE, schedule),
    web.post(PLACE + "/sign-in", sign_in),
    web.post(PLACE + "/sign-out", sign_out),
    web.get(PLACE + "/begin", begin),
]
