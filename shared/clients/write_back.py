"""Telling Epic who connects and disconnects: SetExternalConnectionStatus (epic.md 2.1, 2.2)."""

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from yarl import URL

from shared.clients.outbound import Answer, Outbound
from shared.clients.pace import Pace
from shared.domain.connection import EpicSide, WriteBack
from shared.domain.visit import Change, Role
from shared.errors import Later
from shared.telemetry import alarm

#: ExternalIDType: 1 for staff (EMP), 2 for MyChart users (WPR), proxies among them.
_TYPES: dict[Role, str] = {"staff": "1", "patient": "2", "proxy": "2"}
_COMMAND_CODE = re.compile(r"executing the command: ([A-Z0-9-]{1,60})")
_OK, _REDIRECT, _UNAUTHORIZED = 200, 300, 401
#: An account, a record or an address that people must mend, or what passes by itself: look again in a while.
_IN_A_WHILE = timedelta(minutes=5)


class NotLetIn(Later):
    """Epic does not take our token or account, or not any more."""


@dataclass(frozen=True)
class Status:
    """One change as Epic is to show it. `conference` is the session's id in Epic."""

    conference: str = field(repr=False)
    external_id: str = field(repr=False)
    role: Role
    change: Change


@dataclass(frozen=True)
class _Asked:
    """The parameters that differ from call to call."""

    conference: str = field(repr=False)
    external_id: str = field(repr=False)
    kind: str
    value: str


def basic(account: str) -> str:
    """The header's value for an account `user:password` of Epic's (epic.md 2.1)."""
    return "Basic " + base64.b64encode(f"emp${account}".encode()).decode()


class EpicStatus:
    """The sink that Epic's schedule listens to."""

    def __init__(self, outbound: Outbound, pace: Pace) -> None:
        self._outbound = outbound
        self._pace = pace

    async def probe(self, sink: WriteBack, client_id: str, authorization: str) -> tuple[int, str]:
        """A call that Epic must refuse once it has let us in: somebody who is not there leaves a visit that is not.

        The HTTP status and the command's code, empty without one (epic.md 2.2). Raises `Refused(ADDRESS_REFUSED)`,
        `Later` when nobody answers.
        """
        answer = await self._ask(
            sink, _Asked("TEST-PREFLIGHT", "TEST-PREFLIGHT", "2", sink.disconnected), client_id, authorization
        )
        return answer.status, _code(answer)

    async def tell(self, side: EpicSide, status: Status, authorization: str) -> str:
        """Tell one change; answers "ok", or the code of Epic's command, whose refusal no repetition would mend.

        authorization   the header's whole value
        Raises `Later` when Epic is busy, away or broken, when the code is one that passes by itself, and when it was
        not the command that refused (epic.md 2.2: only a 4xx with a code is for good); `NotLetIn` for 401.
        """
        sink = side.write_back
        value = sink.connected if status.change.status == "connected" else sink.disconnected
        asked = _Asked(status.conference, status.external_id, _TYPES[status.role], value)
        await self._pace.turn(side.fhir_base_url, side.fhir.calls_per_minute)
        answer = (await self._ask(sink, asked, side.backend_client_id, authorization)).or_later()
        return "ok" if _succeeded(answer, sink) else _refusal(answer, sink)

    async def _ask(self, sink: WriteBack, asked: _Asked, client_id: str, authorization: str) -> Answer:
        query = {
            "ConferenceID": asked.conference,
            "ExternalID": asked.external_id,
            "ExternalIDType": asked.kind,
            "VendorName": sink.vendor_name,
            "ConnectionStatus": asked.value,
        }
        headers = {**sink.headers, "Authorization": authorization, "Epic-Client-ID": client_id}
        return await self._outbound.call("GET", str(URL(sink.url or "").update_query(query)), headers=headers)


def _succeeded(answer: Answer, sink: WriteBack) -> bool:
    """By the HTTP status, and by what a member of the answer says where the connection names one."""
    if not _OK <= answer.status < _REDIRECT:
        return False
    return sink.success_member is None or _said(answer.body, sink.success_member) == sink.success_value


def _said(body: bytes, member: str) -> str | None:
    """A member of a JSON object as text, as JSON writes it; None when it is not there."""
    try:
        found: Any = json.loads(body)
        for name in member.split("."):
            found = found[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else json.dumps(found)


def _refusal(answer: Answer, sink: WriteBack) -> str:
    """Epic's command code. The rest of the envelope may quote ids and a stack trace."""
    if answer.status == _UNAUTHORIZED:
        raise NotLetIn(answer.peer)
    code = _code(answer)
    if code in sink.retryable_codes:
        raise Later(answer.peer, _IN_A_WHILE)
    if not code:
        alarm("write-back was not taken", status=answer.status, peer=answer.peer)
        raise Later(answer.peer, _IN_A_WHILE)
    return code


def _code(answer: Answer) -> str:
    """Of Epic's command (epic.md 2.2); empty without one."""
    found = _COMMAND_CODE.search(answer.body.decode("utf-8", "replace"))
    return found[1] if found else ""
