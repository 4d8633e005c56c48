"""The people of a tenant, as Microsoft Graph's directory has them: for a picker, and nothing more of them."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from shared.clients.graph import TokenFor
from shared.clients.outbound import Answer, Outbound
from shared.errors import Code, Later, Refused

_FIELDS = "id,displayName,userPrincipalName"
_MOST = 10
_OID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Searching directory objects is an advanced query: Graph answers it from an index that may lag a little.
_ADVANCED = {"ConsistencyLevel": "eventual"}
_NOT_FOUND, _FORBIDDEN = 404, 403


@dataclass(frozen=True)
class Found:
    """A user of the tenant: object id, name shown, principal name."""

    oid: str
    name: str
    upn: str


class Directory:
    """Reads users with the connector's own rights. Raises `Later`; `Refused(CONSENT_MISSING)` without the right to."""

    def __init__(self, base: str, outbound: Outbound, token_for: TokenFor) -> None:
        self._base = base.rstrip("/")
        self._outbound = outbound
        self._token_for = token_for

    async def search(self, tenant: str, text: str) -> list[Found]:
        """Ten people at most, of whose name a word, or whose principal name, begins with the text."""
        clauses = " OR ".join(_clause(field, text) for field in ("displayName", "userPrincipalName"))
        query = {"$search": clauses, "$select": _FIELDS, "$top": str(_MOST)}
        answer = await self._ask(tenant, f"/v1.0/users?{urlencode(query, quote_via=quote)}", _ADVANCED)
        return [_found(one) for one in answer.json()["value"]]

    async def read(self, tenant: str, oid: str) -> Found | None:
        """A user by object id; None when the tenant has no such user."""
        if not _OID.fullmatch(oid):
            return None
        answer = await self._ask(tenant, f"/v1.0/users/{oid}?{urlencode({'$select': _FIELDS})}")
        return None if answer.status == _NOT_FOUND else _found(answer.json())

    async def prove(self, tenant: str) -> None:
        """Read something that only the tenant's consent lets us read."""
        await self._ask(tenant, f"/v1.0/users?{urlencode({'$select': 'id', '$top': '1'})}")

    async def _ask(self, tenant: str, path: str, more: dict[str, str] | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {await self._token_for(tenant)}"} | (more or {})
        answer = (await self._outbound.call("GET", self._base + path, headers=headers)).or_later()
        if answer.status == _FORBIDDEN:
            raise Refused(Code.CONSENT_MISSING)
        if answer.status >= 400 and answer.status != _NOT_FOUND:
            raise Later(answer.peer)
        return answer


def _clause(field: str, text: str) -> str:
    """One clause of $search. Within its quotes only quotes and backslashes mean something, and are escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{field}:{escaped}"'


def _found(user: dict[str, Any]) -> Found:
    return Found(str(user["id"]), str(user.get("displayName") or ""), str(user.get("userPrincipalName") or ""))
