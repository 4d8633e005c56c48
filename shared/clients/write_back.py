"""Telling Epic who connects and disconnects: SetExternalConnectionStatus (epic.md 2.1, 2.2)."""

import re
from dataclasses import dataclass, field
from datetime import timedelta

from yarl import URL

from shared.clients.outbound import Answer, Outbound
from shared.domain.connection import WriteBack
from shared.domain.visit import Change, Role
from shared.errors import Later
from shared.telemetry import alarm

#: ExternalIDType: 1 for staff (EMP), 2 for MyChart users (WPR), proxies among them.
_TYPES: dict[Role, str] = {"staff": "1", "patient": "2", "proxy": "2"}
_COMMAND_CODE = re.compile(r"executing the command: ([A-Z0-9-]{1,60})")
_UNAUTHORIZED = 401
#: An account, a record or an address that people must mend: look again in a while.
_MENDED_BY_PEOPLE = timedelta(minutes=5)


class NotLetIn(Later):
    """Epic does not take our token or account, or not any more."""


@dataclass(frozen=True)
class Status:
    """One change as Epic is to show it. `conference` is the session's id in Epic."""

    conference: str = field(repr=False)
    external_id: str = field(repr=False)
    role: Role
    change: Change


class EpicStatus:
    """The sink that Epic's schedule listens to."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def tell(self, sink: WriteBack, status: Status, client_id: str, authorization: str) -> str:
        """Tell one change; answers "ok", or the code of Epic's command, whose refusal no repetition would mend.

        authorization   the header's whole value
        Raises `Later` when Epic is busy, away or broken, and when it was not the command that refused (epic.md 2.2:
        only a 4xx with a code is for good); `NotLetIn` for 401.
        """
        value = sink.connected if status.change.status == "connected" else sink.disconnected
        query = {
            "ConferenceID": status.conference,
            "ExternalID": status.external_id,
            "ExternalIDType": _TYPES[status.role],
            "VendorName": sink.vendor_name,
            "ConnectionStatus": value,
        }
        url = str(URL(sink.url or "").update_query(query))
        headers = {"Authorization": authorization, "Epic-Client-ID": client_id}
        answer = (await self._outbound.call("GET", url, headers=headers)).or_later()
        return "ok" if answer.status < 300 else _refusal(answer)


def _refusal(answer: Answer) -> str:
    """Epic's command code. The rest of the envelope may quote ids and a stack trace."""
    if answer.status == _UNAUTHORIZED:
        raise NotLetIn(answer.peer)
    code = _COMMAND_CODE.search(answer.body.decode("utf-8", "replace"))
    if code is None:
        alarm("write-back was not taken", status=answer.status, peer=answer.peer)
        raise Later(answer.peer, _MENDED_BY_PEOPLE)
    return code[1]
