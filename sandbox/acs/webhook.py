"""A webhook of Event Grid: how it shows that it wants events, and how one is handed to it."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import aiohttp
from pydantic import Field
from yarl import URL

from sandbox import plan, world
from sandbox.acs.bodies import ControlBody
from sandbox.acs.reports import stamp

TOPIC = (
    "/subscriptions/50000000-0000-4000-8000-000000000001/resourceGroups/sandbox"
    "/providers/microsoft.communication/communicationservices/sandbox"
)
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
ORIGIN = "eventgrid.azure.net"
ANSWER_WITHIN = aiohttp.ClientTimeout(total=30)
Event = dict[str, Any]


class Asked(ControlBody):
    """A subscription to make. `secret` becomes the query parameter `secret_name` of `url`."""

    name: str
    url: str
    auth: Literal["entra", "secret"]
    audience: str = ""
    event_schema: Literal["eventgrid", "cloudevents"] = Field(default="eventgrid", alias="schema")
    secret: str = ""
    secret_name: str = "code"


@dataclass
class Subscription:
    """A webhook and whether it has shown that it wants events."""

    asked: Asked
    code: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    state: Literal["Creating", "AwaitingManualAction", "Succeeded", "Failed"] = "Creating"
    reason: str = ""

    @property
    def target(self) -> URL:
        """The webhook's address with its secret."""
        asked = self.asked
        return URL(asked.url).update_query({asked.secret_name: asked.secret} if asked.auth == "secret" else {})

    @property
    def cloud(self) -> bool:
        """Whether events go as CloudEvents 1.0."""
        return self.asked.event_schema == "cloudevents"

    def facts(self) -> dict[str, Any]:
        """What the control route shows: no secret."""
        asked = self.asked
        return {
            "name": asked.name, "url": asked.url, "auth": asked.auth, "schema": asked.event_schema,
            "state": self.state, "reason": self.reason,
        }  # fmt: skip


class HandshakeError(Exception):
    """The webhook did not prove that it wants events; the text says how."""


class Courier:
    """Calls webhooks. Raises aiohttp.ClientError or TimeoutError when one does not answer in 30 s."""

    def __init__(self, here: plan.Plan, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._plan = here
        self._session = session

    async def shake_hands(self, made: Subscription, now: datetime) -> None:
        """Let the webhook prove that it wants events; sets the state, or raises `HandshakeError`."""
        if made.cloud:
            await self._ask_origin(made)
        else:
            await self._ask_code(made, now)

    async def hand(self, to: Subscription, happened: Event, count: int) -> int:
        """One delivery, the `count`-th; the webhook's status."""
        body = cloud_event(happened) if to.cloud else [happened]
        return (await self._post(to, "Notification", body, count - 1))[0]

    async def _ask_code(self, made: Subscription, now: datetime) -> None:
        """200 with the code at once, or the validation URL opened later."""
        url = f"{self._plan.urls['acs']}/eventgrid/validate?name={made.asked.name}&code={made.code}"
        data = {"validationCode": made.code, "validationUrl": url}
        asking = event(VALIDATION, str(uuid.uuid4()), "", data, now) | {"dataVersion": "2"}
        made.state = "AwaitingManualAction"
        status, answer = await self._post(made, "SubscriptionValidation", [asking], 0)
        if status != 200:
            raise HandshakeError(f"the webhook answered {status}, not 200")
        if isinstance(answer, dict) and "validationResponse" in answer:
            if answer["validationResponse"] != made.code:
                raise HandshakeError("the validation response is not the code")
            made.state = "Succeeded"

    async def _ask_origin(self, made: Subscription) -> None:
        """The CloudEvents handshake (HTTP webhook specification 1.0)."""
        headers = {"WebHook-Request-Origin": ORIGIN} | await self._bearer(made)
        async with self._session().options(made.target, headers=headers, timeout=ANSWER_WITHIN) as answer:
            allowed = answer.headers.get("WebHook-Allowed-Origin")
            if answer.status != 200 or allowed not in {ORIGIN, "*"}:
                raise HandshakeError(f"the webhook answered {answer.status} and allows {allowed}")
        made.state = "Succeeded"

    async def _post(self, to: Subscription, kind: str, body: Any, earlier: int) -> tuple[int, Any]:
        """The webhook's status and, if it is JSON, its answer. `earlier` counts the tries before this one."""
        headers = {
            "Content-Type": f"application/{'cloudevents+' if to.cloud else ''}json; charset=utf-8",
            "aeg-event-type": kind,
            "aeg-subscription-name": to.asked.name.upper(),
            "aeg-delivery-count": str(earlier),
            "aeg-data-version": "1.0",
            "aeg-metadata-version": "1",
        } | await self._bearer(to)
        session = self._session()
        sending = session.post(to.target, json=body, headers=headers, timeout=ANSWER_WITHIN, allow_redirects=False)
        async with sending as answer:
            return answer.status, parsed(await answer.text(errors="replace"))

    async def _bearer(self, to: Subscription) -> dict[str, str]:
        """Event Grid's own token for the webhook's audience, if it is secured with Entra."""
        if to.asked.auth != "entra":
            return {}
        wish = {"kind": "event-grid", "tenant": world.OPERATOR_TENANT, "audience": to.asked.audience}
        url = f"{self._plan.urls['entra']}/_sandbox/mint"
        async with self._session().post(url, json=wish, raise_for_status=True) as answer:
            return {"Authorization": f"Bearer {(await answer.json())['token']}"}


def event(kind: str, key: str, subject: str, data: dict[str, Any], now: datetime) -> Event:
    """An event in Event Grid's own schema."""
    return {
        "id": key, "topic": TOPIC, "subject": subject, "data": data, "eventType": kind, "dataVersion": "1.0",
        "metadataVersion": "1", "eventTime": stamp(now),
    }  # fmt: skip


def cloud_event(happened: Event) -> Event:
    """The same event by CloudEvents 1.0."""
    return {
        "id": happened["id"], "source": happened["topic"], "subject": happened["subject"],
        "type": happened["eventType"], "time": happened["eventTime"], "specversion": "1.0", "data": happened["data"],
    }  # fmt: skip


def parsed(text: str) -> Any:
    """The JSON in `text`, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None
