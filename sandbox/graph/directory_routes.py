"""/users: the tenant's people, as little as a search for an organiser needs; and a no to everything else."""

import re
from typing import Any

from aiohttp import web

from sandbox.graph.refusal import Refusal, bad_request, only_query
from sandbox.graph.service import Graph
from sandbox.world import USERS, User

READ = ("User.Read.All",)
SEARCH = re.compile(r'"(displayName|userPrincipalName|mail):([^"]+)"')


class DirectoryRoutes:
    """Handlers over the world's users, and the catch-all, which must be added last."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        router = graph.app.router
        router.add_get("/v1.0/users", self.search)
        router.add_get("/v1.0/users/{oid}", self.read)
        router.add_route("*", "/{version:v1\\.0|beta}/{rest:.*}", self.unsupported)

    async def search(self, request: web.Request) -> web.Response:
        """$search="displayName:..." with ConsistencyLevel: eventual, as advanced queries need."""
        caller = await self.graph.caller(request, *READ)
        only_query(request, "$search")
        if request.headers.get("ConsistencyLevel", "").lower() != "eventual":
            raise bad_request("$search needs the header ConsistencyLevel: eventual.")
        asked = SEARCH.fullmatch(request.query.get("$search", ""))
        if not asked:
            raise bad_request('Only $search="displayName|userPrincipalName|mail:text" is supported.')
        people = [_document(user) for user in USERS.values() if user.tenant == caller.tenant]
        found = [one for one in people if asked[2].lower() in one[asked[1]].lower()]
        return web.json_response({"value": found})

    async def read(self, request: web.Request) -> web.Response:
        """A user by object id or principal name."""
        caller = await self.graph.caller(request, *READ)
        only_query(request)
        for user in USERS.values():
            if user.tenant == caller.tenant and request.match_info["oid"] in (user.oid, user.upn):
                return web.json_response(_document(user))
        raise Refusal(404, "Request_ResourceNotFound", "The user does not exist in this tenant.")

    async def unsupported(self, request: web.Request) -> web.Response:
        """Whatever else Graph has, $batch included."""
        await self.graph.gate.caller(request, self.graph.http)
        raise bad_request("Resource not found for the segment, or not supported by this stand-in.")


def _document(user: User) -> dict[str, Any]:
    return {"id": user.oid, "displayName": user.name, "userPrincipalName": user.upn, "mail": user.upn}
