"""The authorize endpoint: who asks for what, who signs in, and the way back with a code.

    GET  /{tenant}/oauth2/v2.0/authorize   the page to pick a user, or straight back when a session answers
    POST the same address and query        form field `user` (a user's key) or `cancel`
    GET  /{tenant}/oauth2/v2.0/logout      ends the session

Until the redirect URI has proved to be the client's own, a refusal is shown here; from then on it goes back
to the client, as in life. A session is one browser's last user, in the cookie ESTSAUTH.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

from aiohttp import web

from sandbox import world
from sandbox.entra import directory, pages
from sandbox.entra.codes import CHALLENGE, Codes, Grant
from sandbox.entra.directory import OPENID_SCOPES, Directory, Registration
from sandbox.entra.refusals import NOT_STORED, Refusal, needed, only
from sandbox.peer import Handler, Peer

SESSION = "ESTSAUTH"
PROMPTS = ("", "login", "none", "select_account", "consent")
#: Where the answer goes: query or fragment.
RESPONSE_MODES = {"": "?", "query": "?", "fragment": "#"}


@dataclass(frozen=True)
class Asked:
    """An authorization request that holds."""

    tenant: str
    app: Registration
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    nonce: str
    prompt: str
    hint: str


class Returned(Exception):
    """A refusal that goes back to the client."""

    def __init__(self, refusal: Refusal, location: str) -> None:
        self.refusal = refusal
        self.location = location
        super().__init__(str(refusal))


class SignIn:
    """Signs people in and hands out codes."""

    def __init__(self, peer: Peer, registered: Directory, codes: Codes) -> None:
        self.peer = peer
        self.directory = registered
        self.codes = codes
        self._sessions: dict[str, world.User] = {}

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        return [
            web.get("/{tenant}/oauth2/v2.0/authorize", self._returning(self.show)),
            web.post("/{tenant}/oauth2/v2.0/authorize", self._returning(self.choose)),
            web.get("/{tenant}/oauth2/v2.0/logout", self.sign_out),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Ask who it is, unless the session knows."""
        asked = self._asked(request)
        known = self._known(request, asked)
        if known is None and asked.prompt == "none":
            raise Returned(Refusal(50058), _location(request, asked.redirect_uri))
        if known and asked.prompt in {"", "none"}:
            return _back(self._agreed(request, asked, known))
        users = directory.users_of(asked.tenant)
        return pages.choose_user(f"Sign in to {asked.app.name}", request.path_qs, users, asked.hint)

    async def choose(self, request: web.Request) -> web.StreamResponse:
        """Someone pressed a button."""
        form = await request.post()
        asked = self._asked(request)
        if "cancel" in form:
            raise Returned(Refusal(65004), _location(request, asked.redirect_uri))
        user = directory.user_of(asked.tenant, needed(form, "user"))
        response = _back(self._agreed(request, asked, user))
        session = secrets.token_urlsafe(32)
        self._sessions[session] = user
        response.set_cookie(SESSION, session, secure=True, httponly=True, samesite="None")
        return response

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """Forget the session; go on only to an address that some application has registered."""
        self._sessions.pop(request.cookies.get(SESSION, ""), None)
        self.peer.saw("sign_out")
        target = only(request.query, "post_logout_redirect_uri")
        known = any(target in app.redirects for app in self.directory.registrations.values())
        response = _back(target) if known else pages.message("You signed out")
        response.del_cookie(SESSION)
        return response

    def _asked(self, request: web.Request) -> Asked:
        """The request, checked. Raises Refusal before the redirect URI is known good, Returned after."""
        query = request.query
        tenant = directory.tenant(request.match_info["tenant"])
        app = self.directory.registration(needed(query, "client_id"))
        redirect_uri = needed(query, "redirect_uri")
        if redirect_uri not in app.redirects:
            raise Refusal(50011)
        try:
            return _checked(query, tenant, app, redirect_uri)
        except Refusal as refusal:
            raise Returned(refusal, _location(request, redirect_uri)) from refusal

    def _known(self, request: web.Request, asked: Asked) -> world.User | None:
        """The session's user, when that is who is asked for."""
        user = self._sessions.get(request.cookies.get(SESSION, ""))
        fits = user is not None and user in directory.users_of(asked.tenant) and asked.hint in {"", user.upn}
        return user if fits else None

    def _agreed(self, request: web.Request, asked: Asked, user: world.User) -> str:
        """Where the browser goes with its code."""
        code = self.codes.issue(
            Grant(
                user=user,
                client_id=asked.app.client_id,
                redirect_uri=asked.redirect_uri,
                challenge=asked.challenge,
                scopes=asked.scopes,
                nonce=asked.nonce,
                issued=time.time(),
            )
        )
        self.peer.saw(
            "sign_in",
            user=user.key,
            client_id=asked.app.client_id,
            tenant=asked.tenant,
            redirect_uri=asked.redirect_uri,
            scopes=asked.scopes,
            prompt=asked.prompt,
            hint=asked.hint,
            state="state" in request.query,
            nonce=bool(asked.nonce),
        )
        return _location(request, asked.redirect_uri, {"code": code, "session_state": str(uuid4())})

    def _returning(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Returned as back:
                return self._refused(back)

        return answer

    def _refused(self, back: Returned) -> web.Response:
        refusal = back.refusal
        self.peer.saw("refused", path="authorize", number=refusal.number, error=refusal.error)
        answer = {"error": refusal.error, "error_description": refusal.description}
        mark = "" if back.location.endswith(("?", "#")) else "&"
        return _back(back.location + mark + urlencode(answer))


def _checked(query: Mapping[str, str], tenant: str, app: Registration, redirect_uri: str) -> Asked:
    if needed(query, "response_type") != "code":
        raise Refusal(70005)
    if only(query, "response_mode") not in RESPONSE_MODES:
        raise Refusal(70007)
    if (prompt := only(query, "prompt")) not in PROMPTS:
        raise Refusal(90023)
    scopes = allowed_scopes(app, needed(query, "scope"))
    challenge = only(query, "code_challenge")
    if not challenge:
        raise Refusal(9002325)
    if only(query, "code_challenge_method") != "S256":
        raise Refusal(50149)
    if not CHALLENGE.fullmatch(challenge):
        raise Refusal(501491)
    only(query, "state")
    nonce, hint = only(query, "nonce"), only(query, "login_hint")
    return Asked(tenant, app, redirect_uri, scopes, challenge, nonce, prompt, hint)


def allowed_scopes(app: Registration, scope: str) -> tuple[str, ...]:
    """The scopes asked for. Raises Refusal for one that the application is not registered for."""
    scopes = tuple(scope.split())
    if not scopes:
        raise Refusal(70011)
    if foreign := set(scopes) - set(OPENID_SCOPES) - set(app.scopes):
        raise Refusal(650053, min(foreign))
    return scopes


def _location(request: web.Request, redirect_uri: str, answer: dict[str, str] | None = None) -> str:
    """The address of the answer, with the client's state when it sent one."""
    state = {"state": request.query["state"]} if "state" in request.query else {}
    separator = RESPONSE_MODES.get(request.query.get("response_mode", ""), "?")
    return redirect_uri + separator + urlencode({**(answer or {}), **state})


def _back(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location, **NOT_STORED})
