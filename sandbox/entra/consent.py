"""Admin consent: GET and POST /{tenant}/v2.0/adminconsent.

The way back carries `tenant` in the query, where anybody could have written it: a client must not trust it.
"""

from urllib.parse import urlencode

from aiohttp import web

from sandbox import world
from sandbox.entra import directory, pages
from sandbox.entra.directory import ADMIN_ROLES, DEFAULT_GRAPH_SCOPE, Directory
from sandbox.entra.refusals import NOT_STORED, Refusal, needed
from sandbox.peer import Peer


class Consent:
    """Asks an administrator to let the connector in."""

    def __init__(self, peer: Peer, registered: Directory) -> None:
        self.peer = peer
        self.directory = registered

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        path = "/{tenant}/v2.0/adminconsent"
        return [web.get(path, self.show), web.post(path, self.decide)]

    async def show(self, request: web.Request) -> web.Response:
        """The page with the question."""
        tenant = self._checked(request)
        title = "Accept for your organisation: Virtual visit connector"
        return pages.choose_user(title, request.path_qs, directory.users_of(tenant), "")

    async def decide(self, request: web.Request) -> web.Response:
        """An administrator accepted or refused."""
        tenant = self._checked(request)
        form = await request.post()
        if "cancel" in form:
            self.peer.saw("consent_refused", tenant=tenant)
            return _back(request, {"error": "permission_denied", "error_description": "The admin canceled the request"})
        user = directory.user_of(tenant, needed(form, "user"))
        if not ADMIN_ROLES & set(user.roles):
            raise Refusal(90094)
        self.directory.consent(user.tenant)
        self.peer.saw("consent", tenant=user.tenant, user=user.key)
        return _back(request, {"admin_consent": "True", "tenant": user.tenant, "scope": DEFAULT_GRAPH_SCOPE})

    def _checked(self, request: web.Request) -> str:
        tenant = directory.tenant(request.match_info["tenant"])
        app = self.directory.registration(needed(request.query, "client_id"))
        if needed(request.query, "redirect_uri") not in app.redirects:
            raise Refusal(50011)
        if app.client_id != world.CONNECTOR_APP or needed(request.query, "scope") != DEFAULT_GRAPH_SCOPE:
            raise Refusal(28002)
        return tenant


def _back(request: web.Request, answer: dict[str, str]) -> web.Response:
    state = {"state": request.query["state"]} if "state" in request.query else {}
    location = f"{request.query['redirect_uri']}?{urlencode({**answer, **state})}"
    return web.Response(status=302, headers={"Location": location, **NOT_STORED})
