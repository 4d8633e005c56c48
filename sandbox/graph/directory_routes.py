"""/users: the tenant's people, as little as a search for an organiser needs; and a no to everything else."""

from typing import Any

from aiohttp import web

from sandbox.graph import directory_search
from sandbox.graph.refusal import Refusal, bad_request, only_query
from sandbox.graph.service import Graph
from sandbox.world import USERS, User

READ = ("User.Read.All",)
#: The service plan of Microsoft Teams (TEAMS1), the same in every tenant.
TEAMS_PLAN = "57ff2da0-773e-42df-b2af-ffb7a2317929"
PAGE, LARGEST_PAGE = 100, 999


class DirectoryRoutes:
    """Handlers over the world's users, and the catch-all, which must be added last."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        router = graph.app.router
        router.add_get("/v1.0/users", self.search)
        router.add_get("/v1.0/users/{oid}", self.read)
        router.add_route("*", "/{version:v1\\.0|beta}/{rest:.*}", self.unsupported)

    async def search(self, request: web.Request) -> web.Response:
        """The tenant's users: by $search, an advanced query, or the first $top of all."""
        caller = await self.graph.caller(request, *READ)
        only_query(request, "$search", "$select", "$top")
        users = [user for user in USERS.values() if user.tenant == caller.tenant]
        if "$search" in request.query:
            if request.headers.get("ConsistencyLevel", "").lower() != "eventual":
                raise bad_request("$search needs the header ConsistencyLevel: eventual.")
            asked = directory_search.parsed(request.query["$search"])
            users = [user for user in users if directory_search.fits(asked, _document(user))]
        elif "$top" not in request.query:
            raise bad_request("This stand-in lists users by $search, or with $top.")
        select = request.query.get("$select")
        return web.json_response({"value": [self._selected(user, select) for user in users[: _top(request)]]})

    async def read(self, request: web.Request) -> web.Response:
        """A user by object id or principal name; $select brings what is not shown by itself."""
        caller = await self.graph.caller(request, *READ)
        only_query(request, "$select")
        for user in USERS.values():
            if user.tenant == caller.tenant and request.match_info["oid"] in (user.oid, user.upn):
                return web.json_response(self._selected(user, request.query.get("$select")))
        raise Refusal(404, "Request_ResourceNotFound", "The user does not exist in this tenant.")

    def _selected(self, user: User, select: str | None) -> dict[str, Any]:
        if select is None:
            return _document(user)
        plan = {"servicePlanId": TEAMS_PLAN, "service": "TeamspaceAPI", "capabilityStatus": "Enabled"}
        licensed = user.oid not in self.graph.unlicensed
        shown: dict[str, Any] = _document(user) | {"accountEnabled": user.oid not in self.graph.disabled}
        shown["assignedPlans"] = [plan] if licensed else [plan | {"capabilityStatus": "Deleted"}]
        if unknown := set(select.split(",")) - set(shown):
            raise bad_request(f"$select: property '{min(unknown)}' is not supported by this stand-in.")
        return {name: shown[name] for name in select.split(",")}

    async def unsupported(self, request: web.Request) -> web.Response:
        """Whatever else Graph has, $batch included."""
        await self.graph.gate.caller(request, self.graph.http)
        raise bad_request("Resource not found for the segment, or not supported by this stand-in.")


def _document(user: User) -> dict[str, str]:
    return {"id": user.oid, "displayName": user.name, "userPrincipalName": user.upn, "mail": user.upn}


def _top(request: web.Request) -> int:
    text = request.query.get("$top", str(PAGE))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= LARGEST_PAGE:
        raise bad_request(f"$top is from 1 to {LARGEST_PAGE}.")
    return int(text)
