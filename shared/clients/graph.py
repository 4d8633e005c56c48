"""Microsoft Graph: online meetings of the organisation's pool accounts,
and who is in their calls (microsoft-apis.md 1, 2)."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from shared.clients.notifications import NotificationKey
from shared.clients.outbound import Answer, Outbound
from shared.domain.visit import Subscription
from shared.errors import Later
from shared.telemetry import alarm

#: An access policy, a consent or a licence is missing: an administrator mends that, so look again in a while.
_MENDED_BY_PEOPLE = timedelta(minutes=5)
_NOT_FOUND, _CONFLICT = 404, 409
#: Of a list; protects us from one that goes round in a circle.
_MOST_PAGES = 100
_CODE = re.compile(r"[A-Za-z0-9_.]{1,60}")

#: Gives an app-only access token for Graph in a tenant.
type TokenFor = Callable[[str], Awaitable[str]]


@dataclass(frozen=True)
class OnlineMeeting:
    """A meeting as Graph keeps it."""

    id: str
    join_url: str = field(repr=False)


@dataclass(frozen=True)
class Wish:
    """What a subscription is to be like. `client_state` proves to us that a notification is of this subscription."""

    notification_url: str
    lifecycle_url: str
    client_state: str = field(repr=False)
    expires: datetime
    key: NotificationKey


@dataclass(frozen=True)
class Attendance:
    """One record of an attendance report. `oid`: the signed-in user's; None for a guest."""

    record: str
    oid: str | None
    intervals: tuple[tuple[datetime, datetime], ...]


@dataclass(frozen=True)
class Account:
    """A user of the tenant. `teams`: a licence with Microsoft Teams is assigned and in force."""

    enabled: bool
    teams: bool


class GraphRefused(Later):
    """Graph says no to the request: `status`, its `code`, and whether an application access policy is missing."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.peer, _MENDED_BY_PEOPLE)
        self.status = answer.status
        self.code = _code(answer)
        self.no_policy = _NO_POLICY in answer.body


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
        answer = await self._ask(tenant, "POST", f"/v1.0/users/{organiser}/onlineMeetings/createOrGet", body)
        made = answer.json()
        return OnlineMeeting(made["id"], made["joinWebUrl"])

    async def guard(self, tenant: str, organiser: str, meeting_id: str, start: datetime, end: datetime) -> None:
        """Give the meeting its times and its door: staff walk in, everybody else waits in the lobby (F8.5)."""
        options = {
            "startDateTime": _utc(start),
            "endDateTime": _utc(end),
            **_door(),
        }
        await self._ask(tenant, "PATCH", f"/v1.0/users/{organiser}/onlineMeetings/{meeting_id}", options)

    async def account(self, tenant: str, oid: str) -> Account | None:
        """The user with this object id; None when the tenant has none. Raises `GraphRefused`, `Later`."""
        answer = await self._call(tenant, "GET", f"/v1.0/users/{oid}?$select=accountEnabled,assignedPlans")
        if answer.status == _NOT_FOUND:
            return None
        user = _granted(answer).json()
        plans = user.get("assignedPlans") or []
        in_force = {one.get("servicePlanId") for one in plans if one.get("capabilityStatus") in _IN_FORCE}
        return Account(bool(user.get("accountEnabled")), bool(in_force & _TEAMS_PLANS))

    async def try_meeting(self, tenant: str, organiser: str, external_id: str, at: datetime) -> tuple[str, bool]:
        """Make a meeting as a visit's is made, and remove it: its join address, and whether it is gone.

        Raises `GraphRefused`, `Later`.
        """
        path, end = f"/v1.0/users/{organiser}/onlineMeetings", at + timedelta(minutes=15)
        times = {"startDateTime": _utc(at), "endDateTime": _utc(end)}
        body = times | {"externalId": external_id, "subject": SUBJECT}
        made = _granted(await self._call(tenant, "POST", f"{path}/createOrGet", body)).json()
        meeting = f"{path}/{made['id']}"
        _granted(await self._call(tenant, "PATCH", meeting, times | _door()))
        removed = await self._call(tenant, "DELETE", meeting)
        return str(made["joinWebUrl"]), removed.status in {204, _NOT_FOUND}

    async def subscribe(self, tenant: str, join_url: str, wish: Wish) -> Subscription:
        """Be told of the meeting's call. One subscription per meeting: one that is there already is taken over."""
        resource = f"communications/onlineMeetings(joinWebUrl='{quote(join_url, safe='')}')/meetingCallEvents"
        body = {
            "changeType": "updated",
            "notificationUrl": wish.notification_url,
            "lifecycleNotificationUrl": wish.lifecycle_url,
            "resource": resource,
            "includeResourceData": True,
            "encryptionCertificate": wish.key.certificate,
            "encryptionCertificateId": wish.key.id,
            "expirationDateTime": _utc(wish.expires),
            "clientState": wish.client_state,
        }
        answer = await self._call(tenant, "POST", "/beta/subscriptions", body)
        if answer.status == _CONFLICT:
            listed = await self._all(tenant, "/beta/subscriptions")
            found = next((one["id"] for one in listed if one["resource"].lstrip("/") == resource), None)
            renewed = await self.renew(tenant, found, wish) if found else None
            if renewed is None:
                raise Later(answer.peer)
            return renewed
        made = _checked(answer, tenant).json()
        return Subscription(id=made["id"], expires=wish.expires)

    async def renew(self, tenant: str, subscription_id: str, wish: Wish) -> Subscription | None:
        """Let a subscription live longer, with the newest certificate; this reauthorises it as well. None: gone."""
        body = {
            "expirationDateTime": _utc(wish.expires),
            "encryptionCertificate": wish.key.certificate,
            "encryptionCertificateId": wish.key.id,
        }
        answer = await self._call(tenant, "PATCH", f"/beta/subscriptions/{subscription_id}", body)
        if answer.status == _NOT_FOUND:
            return None
        _checked(answer, tenant)
        return Subscription(id=subscription_id, expires=wish.expires)

    async def unsubscribe(self, tenant: str, subscription_id: str) -> None:
        """Stop being told; one that is gone is no trouble."""
        answer = await self._call(tenant, "DELETE", f"/beta/subscriptions/{subscription_id}")
        if answer.status != _NOT_FOUND:
            _checked(answer, tenant)

    async def attendance(self, tenant: str, organiser: str, meeting_id: str) -> list[Attendance]:
        """Who was in the meeting's calls and when, by its attendance reports; empty until there is one."""
        path = f"/v1.0/users/{organiser}/onlineMeetings/{meeting_id}/attendanceReports"
        found: list[Attendance] = []
        for report in await self._all(tenant, path):
            records = await self._all(tenant, f"{path}/{report['id']}/attendanceRecords")
            found += [_attendance(record) for record in records]
        return found

    async def _all(self, tenant: str, path: str) -> list[dict[str, Any]]:
        """Every page of a list. A next link is followed only back to Graph itself, whom alone our token is for."""
        found: list[dict[str, Any]] = []
        for _ in range(_MOST_PAGES):
            page = (await self._ask(tenant, "GET", path)).json()
            found += page["value"]
            following = str(page.get("@odata.nextLink", ""))
            if not following.startswith(f"{self._base}/"):
                break
            path = following.removeprefix(self._base)
        return found

    async def _ask(self, tenant: str, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        return _checked(await self._call(tenant, method, path, body), tenant)

    async def _call(self, tenant: str, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {await self._token_for(tenant)}"}
        return (await self._outbound.call(method, self._base + path, headers=headers, json=body)).or_later()


#: Staff of the organisation; everybody else waits in the lobby until one of them admits (F8.5).
WHO_WALKS_IN = "organization"
#: A group's meeting must not carry one patient's name, and no meeting needs any (F9.5).
SUBJECT = "Virtual visit"


#: Service plans that hold Microsoft Teams: commercial, and the three of the United States' government clouds.
_TEAMS_PLANS = frozenset(
    {
        "57ff2da0-773e-42df-b2af-ffb7a2317929",  # TEAMS1
        "304767db-7d23-49e8-a945-4a7eb65f9f28",  # TEAMS_GOV
        "9953b155-8aef-4c56-92f3-72b0487fce41",  # TEAMS_AR_GCCHIGH
        "fd500458-c24c-478e-856c-a6067a8376cd",  # TEAMS_AR_DOD
    }
)
#: A plan in its grace period still works.
_IN_FORCE = frozenset({"Enabled", "Warning"})
#: Graph gives this refusal no code of its own (microsoft-apis.md 1, "Access").
_NO_POLICY = b"application access policy"


def _door() -> dict[str, Any]:
    return {
        "lobbyBypassSettings": {"scope": WHO_WALKS_IN, "isDialInBypassEnabled": False},
        "allowedPresenters": "organization",
    }


def _granted(answer: Answer) -> Answer:
    """For a check that somebody waits for: no alarm, they are told."""
    if answer.status >= 400:
        raise GraphRefused(answer)
    return answer


def _checked(answer: Answer, tenant: str) -> Answer:
    if answer.status >= 400:
        alarm("graph", status=answer.status, code=_code(answer), tenant=tenant)
        raise Later(answer.peer, _MENDED_BY_PEOPLE)
    return answer


def _attendance(record: dict[str, Any]) -> Attendance:
    spans = [(one.get("joinDateTime"), one.get("leaveDateTime")) for one in record.get("attendanceIntervals") or []]
    times = tuple((datetime.fromisoformat(begin), datetime.fromisoformat(end)) for begin, end in spans if begin and end)
    return Attendance(record["id"], (record.get("identity") or {}).get("id"), times)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _code(answer: Answer) -> str:
    """Graph's error code, a word; its message may name people and stays out."""
    try:
        code = str(answer.json()["error"]["code"])
    except (Later, KeyError, TypeError):
        return "unknown"
    return code if _CODE.fullmatch(code) else "unknown"
