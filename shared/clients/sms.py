"""Communication Services: asks for one text, with an id and a FirstSent of ours.

Microsoft's client makes a new id for every call and cannot be given one; a policy that runs before signing sets
ours in the body, per recipient, as the service wants it (microsoft-apis.md section 3). A 202 may hide a refusal of
the one recipient. The answer never carries a number or a text of the service's.
"""

import json
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy, RetryMode, SansIOHTTPPolicy

from shared.domain.delivery import Verdict
from shared.errors import Broken

_READ_SECONDS = 10
_CONNECT_SECONDS = 5
_ASK_AGAIN = timedelta(seconds=2)
#: A number's rate is counted by the minute; a longer wait than that is not the service's to ask.
_LONGEST_WAIT = timedelta(minutes=2)
#: Our key or identity is refused, or the service counts: nothing has been taken.
_NOT_TAKEN = frozenset({401, 403, 404, 429})
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True)
class SmsOrder:
    """One text for one phone. `id` is a GUID: repeatability id and tag."""

    id: str
    first_sent: datetime
    number: str
    to: str = field(repr=False)
    words: str = field(repr=False)


@dataclass(frozen=True)
class SmsAnswer:
    """What came of it.

    code    the HTTP status, or the kind of error
    after   when to ask again, if the service said so
    ours    our key, identity, address or number is at fault: an operator must see it
    """

    verdict: Verdict
    message_id: str = ""
    code: str = ""
    after: timedelta | None = None
    ours: bool = False


class Sms:
    """One resource of Communication Services."""

    def __init__(
        self,
        endpoint: str,
        credential: AzureKeyCredential | AsyncTokenCredential,
        trust: str | None = None,
    ) -> None:
        """`trust`: a file of certificates to trust instead of the machine's."""
        if not endpoint:
            raise Broken("ACS_ENDPOINT is missing")
        from azure.communication.sms.aio import SmsClient  # noqa: PLC0415 - slow to load; most processes send no text

        self._client = SmsClient(
            endpoint.rstrip("/"),  # a trailing slash would be signed as part of the host
            credential,
            per_call_policies=[_Repeatable()],
            retry_policy=AsyncRetryPolicy(retry_total=0, retry_mode=RetryMode.Fixed),
            permit_redirects=False,  # a text and its number go to our own resource alone (architecture, rule 7)
            read_timeout=_READ_SECONDS,
            connection_timeout=_CONNECT_SECONDS,
            connection_verify=trust or True,
        )

    async def send(self, order: SmsOrder) -> SmsAnswer:
        """Ask for one text; a lost answer is asked for once more at once, with the same id and FirstSent.

        A refusal of the second call proves nothing: the first may have been taken. Ends within half a minute.
        """
        answer = await self._ask(order)
        if answer.verdict is not Verdict.UNCERTAIN:
            return answer
        again = await self._ask(order)
        if again.verdict in {Verdict.ACCEPTED, Verdict.REJECTED}:
            return again
        return SmsAnswer(Verdict.UNCERTAIN, code=again.code, after=again.after or _ASK_AGAIN)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(self, order: SmsOrder) -> SmsAnswer:
        exchange = _Exchange(order.id, format_datetime(order.first_sent.astimezone(UTC), usegmt=True))
        kept = _exchange.set(exchange)
        try:
            await self._client.send(order.number, order.to, order.words, enable_delivery_report=True, tag=order.id)
        except HttpResponseError as error:
            return _refused(error)
        except AzureError as error:
            return _lost(error)
        finally:
            _exchange.reset(kept)
        return _read(exchange.item)


@dataclass
class _Exchange:
    """What one call brings along and what comes back for its recipient."""

    id: str
    first_sent: str
    item: dict[str, Any] = field(default_factory=dict)


_exchange: ContextVar[_Exchange] = ContextVar("sms_exchange")


class _Repeatable(SansIOHTTPPolicy[Any, Any]):
    """Sets id and FirstSent before the request is signed, and keeps the item that the client's result leaves out."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        ours = _exchange.get()
        body = json.loads(request.http_request.body)
        for recipient in body["smsRecipients"]:
            recipient |= {"repeatabilityRequestId": ours.id, "repeatabilityFirstSent": ours.first_sent}
        text = json.dumps(body)
        request.http_request.set_bytes_body(text.encode())  # sets the length
        request.http_request.body = text  # the signing policy takes text

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        del request
        if response.http_response.status_code == 202:
            items = json.loads(response.http_response.text()).get("value") or [{}]
            _exchange.get().item = items[0]


def _read(item: dict[str, Any]) -> SmsAnswer:
    status = item.get("httpStatusCode")
    code = str(status or "")
    if item.get("successful"):
        return SmsAnswer(Verdict.ACCEPTED, message_id=str(item.get("messageId") or ""), code=code)
    if item.get("repeatabilityResult") == "rejected":
        return SmsAnswer(Verdict.REJECTED, code=code)
    if not isinstance(status, int) or status >= 500:
        return SmsAnswer(Verdict.UNCERTAIN, code=code, after=_ASK_AGAIN)
    return SmsAnswer(Verdict.BUSY if status == 429 else Verdict.FAILED, code=code)


def _refused(error: HttpResponseError) -> SmsAnswer:
    """The whole request is refused. 503 is a refusal only where the service itself says when to come back."""
    status = error.status_code or 0
    wait = _wait(error)
    no_token = isinstance(error, ClientAuthenticationError)
    if no_token or status in _NOT_TAKEN or (status == 503 and wait is not None):
        return SmsAnswer(Verdict.BUSY, code=str(status), after=wait, ours=status not in {429, 503})
    if 400 <= status < 500:
        return SmsAnswer(Verdict.FAILED, code=str(status), ours=True)
    return SmsAnswer(Verdict.UNCERTAIN, code=str(status), after=_ASK_AGAIN)


def _lost(error: AzureError) -> SmsAnswer:
    """No answer. Only where not even a connection came about has surely nothing been taken."""
    if isinstance(error.inner_exception, _NO_CONNECTION):
        return SmsAnswer(Verdict.BUSY, code="unreachable")
    return SmsAnswer(Verdict.UNCERTAIN, code="no answer", after=_ASK_AGAIN)


def _wait(error: HttpResponseError) -> timedelta | None:
    """Retry-After in seconds, whole or fractional; a date is not used here."""
    headers = getattr(error.response, "headers", {})  # the SDK's type leaves them out
    asked = headers.get("Retry-After", "")
    try:
        return min(timedelta(seconds=float(asked)), _LONGEST_WAIT)
    except ValueError:
        return None
