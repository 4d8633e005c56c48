"""Microsoft Graph: online meetings of the organisation's pool accounts (microsoft-apis.md 1)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.clients.outbound import Answer, Outbound
from shared.errors import Later
from shared.telemetry import alarm

#: An access policy, a consent or a licence is missing: an administrator mends that, so look again in a while.
_MENDED_BY_PEOPLE = timedelta(minutes=5)

#: Gives an app-only access token for Graph in a tenant.
type TokenFor = Callable[[str], Awaitable[str]]


@dataclass(frozen=True)
class OnlineMeeting:
    """A meeting as Graph keeps it."""

    id: str
    join_url: str = field(repr=False)


class Graph:
    """Asks Graph on behalf of the connector itself. Raises `Later` whenever another try may help."""

    def __init__(self, base: str, outbound: Outbound, token_for: TokenFor) -> None:
        self._base = base.rstrip("/")
        self._outbound = outbound
        self._token_for = token_for

    async def create_or_get(
        self, tenant: str, organiser: str, external_id: str, start: datetime, end: datetime
    ) -> OnlineMeeting:
        """The organiser's meeting with this external id, made if there is none. It has no lobby yet: see `guard`."""
        body = {"externalId": external_id, "startDateTime": _utc(start), "endDateTime": _utc(end), "subject": SUBJECT}
        answer = await self._ask(tenant, "POST", f"/users/{organiser}/onlineMeetings/createOrGet", body)
        made = answer.json()
        return OnlineMeeting(made["id"], made["joinWebUrl"])

    async def guard(self, tenant: str, organiser: str, meeting_id: str, start: datetime, end: datetime) -> None:
        """Give the meeting its times and its door: staff walk in, everybody else waits in the lobby (F8.5)."""
        options = {
            "startDateTime": _utc(start),
            "endDateTime": _utc(end),
            "lobbyBypassSettings": {"scope": "organization", "isDialInBypassEnabled": False},
            "allowedPresenters": "organization",
        }
        await self._ask(tenant, "PATCH", f"/users/{organiser}/onlineMeetings/{meeting_id}", options)

    async def _ask(self, tenant: str, method: str, path: str, body: dict[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {await self._token_for(tenant)}"}
        url = f"{self._base}/v1.0{path}"
        answer = (await self._outbound.call(method, url, headers=headers, json=body)).or_later()
        if answer.status >= 400:
            alarm("graph", status=answer.status, code=_code(answer), tenant=tenant)
            raise Later(answer.peer, _MENDED_BY_PEOPLE)
        return answer


#: A group's meeting must not carry one patient's name, and no meeting needs any (F9.5).
SUBJECT = "Virtual visit"


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _code(answer: Answer) -> str:
    """Graph's error code, a word; its message may name people and stays out."""
    try:
        code = str(answer.json()["error"]["code"])
    except (Later, KeyError, TypeError):
        return "unknown"
    return code if code.isalnum() and len(code) < 60 else "unknown"
