"""The authorize endpoint, EHR and standalone launch (1.4)."""

import re
import secrets
import time
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from sandbox import world
from sandbox.epic import html
from sandbox.epic.hospital import AT_INSTANCE, Asked, Epic, Grant, Instance, Launch, of
from sandbox.epic.records import AppRecord
from sandbox.epic.signing import opaque
from sandbox.world import EpicUser

#: 122 bits in base64url are 21 characters; the reference asks for at least that.
STATE = re.compile(r"[A-Za-z0-9._~-]{22,}")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
Params = Mapping[str, str]


class Refused(Exception):
    """Sent back to the app as `error`; `why` stays with us."""

    def __init__(self, error: str, why: str) -> None:
        super().__init__(why)
        self.error = error
        self.why = why


async def authorize(request: web.Request) -> web.Response:
    """GET, or a form POST (recommended for the EHR launch)."""
    epic, instance = of(request)
    params = await _params(request)
    app = _trusted_app(request, epic, instance, params)
    try:
        asked = _check(app, params, instance)
        if "launch" not in params:
            return _ask_to_sign_in(epic, instance, asked, app)
        _check_method(request, instance)
        launch = _take_launch(app, params, instance, asked.scopes)
    except Refused as refused:
        epic.saw("authorize", accepted=False, client_id=app.client_id, error=refused.error, why=refused.why)
        return _back(params["redirect_uri"], params.get("state"), error=refused.error)
    return _grant(epic, instance, Grant(asked, launch.user, launch))


def _check_method(request: web.Request, instance: Instance) -> None:
    if request.method == "GET" and not instance.options.authorize_by_get:
        raise Refused("invalid_request", "an EHR launch must be posted")


async def sign_in(request: web.Request) -> web.Response:
    """Epic's own sign-in page is posted: `request`, `login`, `password`, or `cancel`."""
    epic, instance = of(request)
    form = await request.post()
    handle = str(form.get("request"))
    at, asked = epic.sign_ins.get(handle, (None, None))
    if asked is None or at is not instance:
        raise web.HTTPBadRequest(text="This sign-in is not known or is over.")
    if "cancel" in form:
        del epic.sign_ins[handle]
        epic.saw("authorize", accepted=False, client_id=asked.client_id, error="access_denied", why="cancelled")
        return _back(asked.redirect_uri, asked.state, error="access_denied")
    user = _who(str(form.get("login")), str(form.get("password")), instance.apps[asked.client_id])
    if user is None:
        page = html.sign_in(instance.key, request.path, handle, "Sign-in failed.")
        return web.Response(text=page, content_type="text/html", status=401)
    del epic.sign_ins[handle]
    return _grant(epic, instance, Grant(asked, user, None))


async def _params(request: web.Request) -> dict[str, str]:
    """The parameters of the query or the form; none may come twice, nor in both."""
    given = request.query if request.method == "GET" else await request.post()
    if len(set(given)) != len(given) or (request.method == "POST" and request.query_string):
        raise web.HTTPBadRequest(text=CANNOT_TRUST)
    return {name: str(value) for name, value in given.items()}


CANNOT_TRUST = "Something went wrong trying to authorize the client. Please try logging in again."


def _trusted_app(request: web.Request, epic: Epic, instance: Instance, params: Params) -> AppRecord:
    """Nobody is sent to an address we do not know: that is a page with status 400."""
    app = instance.apps.get(params.get("client_id", ""))
    folder = request.match_info["folder"]
    if app and app.oauth_folder == folder and params.get("redirect_uri") in app.redirect_uris:
        return app
    epic.saw("authorize", accepted=False, client_id=params.get("client_id"), error=None, why="client or redirect URI")
    raise web.HTTPBadRequest(text=CANNOT_TRUST)


def _check(app: AppRecord, params: Params, instance: Instance) -> Asked:
    """The rules that both kinds of launch share."""
    scopes = tuple(params.get("scope", "").split())
    if params.get("response_type") != "code":
        raise Refused("unsupported_response_type", "response_type is not code")
    if not STATE.fullmatch(params.get("state", "")):
        raise Refused("invalid_request", "state is missing or guessable")
    if params.get("aud") not in (instance.r4, instance.dstu2):
        raise Refused("invalid_request", "aud is not this FHIR base")
    if not scopes or set(scopes) - set(app.scopes):
        raise Refused("invalid_scope", "a scope is missing or unknown")
    challenge = _challenge(params, instance)
    return Asked(app.client_id, params["redirect_uri"], scopes, params["state"], params.get("nonce"), challenge)


def _challenge(params: Params, instance: Instance) -> str | None:
    """S256 only. An Epic from before August 2019 does not know the parameters and ignores them."""
    if not instance.options.pkce:
        return None
    challenge = params.get("code_challenge", "")
    if params.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
        raise Refused("invalid_request", "PKCE with S256 is required")
    return challenge


def _take_launch(app: AppRecord, params: Params, instance: Instance, scopes: tuple[str, ...]) -> Launch:
    """Take the one-time launch token; only a request that is right in all else uses it up."""
    if "launch" not in scopes:
        raise Refused("invalid_scope", "the launch scope is required")
    launch = instance.launches.get(params["launch"])
    if launch is None:
        raise Refused("invalid_request", "launch is unknown, used, or another instance's")
    if launch.issued + instance.options.launch_seconds < time.time():
        raise Refused("invalid_request", "launch is too old")
    if launch.client_id != app.client_id or launch.user.kind not in app.user_types:
        raise Refused("access_denied", "launch belongs to another app or kind of user")
    if params["aud"] != launch.iss:
        raise Refused("invalid_request", "aud is not the iss that was sent")
    return instance.launches.pop(params["launch"])


def _ask_to_sign_in(epic: Epic, instance: Instance, asked: Asked, app: AppRecord) -> web.Response:
    """Standalone launch: nobody is signed in yet."""
    handle = secrets.token_urlsafe(32)
    epic.sign_ins[handle] = (instance, asked)
    action = f"{instance.url.removeprefix(epic.url)}/{app.oauth_folder}/sign-in"
    return web.Response(text=html.sign_in(instance.key, action, handle), content_type="text/html")


def _who(login: str, password: str, app: AppRecord) -> EpicUser | None:
    known = (user for user in world.EPIC_USERS.values() if (user.login, user.password) == (login, password))
    return next((user for user in known if user.login and user.kind in app.user_types), None)


def _grant(epic: Epic, instance: Instance, grant: Grant) -> web.Response:
    code = opaque("code")
    instance.grants[code] = grant
    asked, standalone = grant.asked, grant.launch is None
    epic.saw("authorize", accepted=True, client_id=asked.client_id, user=grant.user.key, standalone=standalone)
    return _back(asked.redirect_uri, asked.state, code=code)


def _back(redirect_uri: str, state: str | None, **answer: str) -> web.Response:
    """Send the browser back to the app."""
    query = urlencode(answer if state is None else answer | {"state": state})
    joint = "&" if urlsplit(redirect_uri).query else "?"
    return web.Response(status=302, headers={"Location": f"{redirect_uri}{joint}{query}"})


FOLDER = AT_INSTANCE + "/{folder:oauth2(?:-[a-z0-9]+)?}"
routes = [
    web.get(FOLDER + "/authorize", authorize),
    web.post(FOLDER + "/authorize", authorize),
    web.post(FOLDER + "/sign-in", sign_in),
]
