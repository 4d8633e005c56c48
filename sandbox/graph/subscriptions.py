"""Subscriptions: what may be asked for, and which ones live (microsoft-apis.md 2a, 2b, 2d)."""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from sandbox.graph import meeting_body, sealing, times
from sandbox.graph.refusal import Refusal, bad_request, forbidden
from sandbox.graph.sealing import Receiver
from sandbox.graph.tokens import Caller

LONGEST = timedelta(minutes=4230)
#: Beyond this a lifecycleNotificationUrl is required.
WITHOUT_LIFECYCLE = timedelta(hours=1)
LONGEST_TEXT = 128
CALL_EVENTS = re.compile(r"/?communications/onlineMeetings\(joinWebUrl='([^']+)'\)/meetingCallEvents")
CALL_RECORDS = re.compile(r"/?communications/callRecords")
FIELDS = frozenset({
    "changeType", "notificationUrl", "lifecycleNotificationUrl", "resource", "includeResourceData",
    "encryptionCertificate", "encryptionCertificateId", "expirationDateTime", "clientState",
    "latestSupportedTlsVersion",
})  # fmt: skip
RENEWAL_FIELDS = frozenset({"expirationDateTime", "encryptionCertificate", "encryptionCertificateId"})


@dataclass
class Subscription:
    """One application's wish to be told. `meeting_id` is None for the tenant's call records."""

    version: str
    caller: Caller
    resource: str
    join_url: str | None
    change_type: str
    notification_url: str
    lifecycle_url: str | None
    client_state: str | None
    expires: datetime
    lock: Receiver | None
    meeting_id: str | None = None
    id: str = field(default_factory=lambda: str(uuid4()))
    #: First attempts go out one after another, so that a calm sandbox delivers in order.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def document(self) -> dict[str, Any]:
        """The resource, without its secrets."""
        return {
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.caller.app,
            "changeType": self.change_type,
            "clientState": None,
            "notificationUrl": self.notification_url,
            "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": times.text(self.expires),
            "creatorId": self.caller.app,
            "includeResourceData": self.lock is not None,
            "encryptionCertificate": None,
            "encryptionCertificateId": self.lock.name if self.lock else None,
        }

    @property
    def topic(self) -> tuple[str, str, str]:
        """Of one topic an application has at most one subscription."""
        return self.caller.tenant, self.caller.app, self.meeting_id or "callRecords"


class Subscriptions:
    """All subscriptions; one that expired is as good as gone."""

    def __init__(self) -> None:
        self._all: dict[str, Subscription] = {}

    def living(self, now: datetime) -> list[Subscription]:
        """Those that have not expired, oldest first."""
        return [one for one in self._all.values() if now < one.expires]

    def get(self, subscription_id: str, now: datetime) -> Subscription | None:
        """The living subscription with this id."""
        return next((one for one in self.living(now) if one.id == subscription_id), None)

    def admit(self, fresh: Subscription, quota: int, now: datetime) -> None:
        """409 for a second one of the same topic, 403 over the quota."""
        living = self.living(now)
        if any(one.topic == fresh.topic for one in living):
            raise Refusal(409, "Conflict", "A subscription of this application for this resource already exists.")
        if sum(one.caller.app == fresh.caller.app and one.topic[0] == fresh.topic[0] for one in living) >= quota:
            raise forbidden("The subscription quota of this application in this tenant is used up.")

    def add(self, fresh: Subscription) -> None:
        """Keep a subscription that was admitted and validated."""
        self._all[fresh.id] = fresh

    def remove(self, subscription_id: str) -> None:
        """Forget a subscription."""
        del self._all[subscription_id]


def parse(body: dict[str, Any], version: str, caller: Caller, now: datetime) -> Subscription:
    """A subscription from a request body; every documented rule that needs no call is checked here."""
    meeting_body.known_fields("subscription", body, FIELDS)
    resource = str(body.get("resource"))
    call_events = CALL_EVENTS.fullmatch(resource)
    if not call_events and not CALL_RECORDS.fullmatch(resource):
        raise bad_request("The resource is not supported.")
    if (version == "beta") != bool(call_events):
        raise bad_request(f"The resource cannot be subscribed to in {version}.")
    _known_change_type(str(body.get("changeType")), of_call_events=bool(call_events))
    lifecycle = body.get("lifecycleNotificationUrl")
    expires = expiry(body, now)
    if lifecycle is None and expires - now > WITHOUT_LIFECYCLE:
        raise bad_request("lifecycleNotificationUrl is required for more than one hour.")
    return Subscription(
        version=version,
        caller=caller,
        resource=resource,
        join_url=unquote(call_events[1]) if call_events else None,
        change_type=str(body["changeType"]),
        notification_url=_https("notificationUrl", body.get("notificationUrl")),
        lifecycle_url=_https("lifecycleNotificationUrl", lifecycle) if lifecycle is not None else None,
        client_state=_short("clientState", body["clientState"]) if body.get("clientState") is not None else None,
        expires=expires,
        lock=_lock_of_new(body, of_call_events=bool(call_events)),
    )


def expiry(body: dict[str, Any], now: datetime) -> datetime:
    """expirationDateTime: in the future, at most 4,230 minutes away."""
    expires = times.instant(body.get("expirationDateTime"), "expirationDateTime")
    if expires <= now:
        raise bad_request("expirationDateTime must be in the future.")
    if expires > now + LONGEST:
        raise bad_request("Subscription expiration can only be 4230 minutes in the future.")
    return expires


def lock(body: dict[str, Any]) -> Receiver:
    """The certificate and its id, which come together."""
    name = _short("encryptionCertificateId", body.get("encryptionCertificateId"))
    return sealing.receiver(body.get("encryptionCertificate"), name)


def _lock_of_new(body: dict[str, Any], *, of_call_events: bool) -> Receiver | None:
    wanted = body.get("includeResourceData", False)
    meeting_body.boolean("includeResourceData", wanted)
    if wanted != of_call_events:
        raise bad_request("includeResourceData is required for meetingCallEvents, and only there supported.")
    return lock(body) if wanted else None


def _known_change_type(value: str, *, of_call_events: bool) -> None:
    parts = value.split(",")
    known = {"updated"} if of_call_events else {"created", "updated"}
    if set(parts) - known or len(set(parts)) != len(parts):
        raise bad_request("changeType is not supported for this resource.")


def _https(name: str, value: object) -> str:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname or parts.fragment:
        raise bad_request(f"{name} must be an https address.")
    return parts.geturl()


def _short(name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise bad_request(f"{name} must be text of at most {LONGEST_TEXT} characters.")
    return value
