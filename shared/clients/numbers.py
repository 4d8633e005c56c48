"""Communication Services' phone numbers: search, purchase, list, release (API 2025-06-01; microsoft-apis.md section 3).

A search holds its numbers for some minutes, and is bought once. Whoever does not know whether a purchase was taken
asks for `purchase_of(search)` and for the number itself before asking again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from pydantic import AliasGenerator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from shared.clients.communication import Communication
from shared.clients.outbound import Answer, Unreadable, retry_after
from shared.domain.numbers import Cost, Reason
from shared.errors import ConnectorError

_VERSION = "api-version=2025-06-01"
_WANTED = {
    "phoneNumberType": "tollFree",
    "assignmentType": "application",
    "capabilities": {"calling": "none", "sms": "inbound+outbound"},
    "quantity": 1,
}
#: A wait that is longer is no pace but a quota: searches and purchases are counted by the week (Azure docs 2023).
_LONGEST_WAIT = timedelta(hours=1)
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")

#: The service's codes of errors, in lower case: PhoneNumberSearchResultError of azure-communication-phonenumbers 1.4.0.
_REASONS: dict[str, Reason] = {
    "outofstock": Reason.OUT_OF_STOCK,
    "allnumbersnotacquired": Reason.OUT_OF_STOCK,
    "numberspartiallyacquired": Reason.OUT_OF_STOCK,
    "nowallet": Reason.BILLING,
    "notenoughcredit": Reason.BILLING,
    "notenoughlicenses": Reason.BILLING,
    "billingunavailable": Reason.BILLING,
    "missingaddress": Reason.ADDRESS,
    "invalidaddress": Reason.ADDRESS,
    "authorizationdenied": Reason.NOT_ALLOWED,
    "purchasefailed": Reason.PURCHASE_FAILED,
    "provisioningfailed": Reason.PURCHASE_FAILED,
    "reservationexpired": Reason.PURCHASE_FAILED,
}


class Declined(ConnectorError):
    """The service says no, and will say so again."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class _Body(BaseModel):
    """What we read of a body; the rest is the service's."""

    model_config = ConfigDict(frozen=True, alias_generator=AliasGenerator(validation_alias=to_camel))


class _Cost(_Body):
    amount: float
    currency_code: str
    billing_frequency: str

    @property
    def ours(self) -> Cost:
        return Cost(amount=self.amount, currency=self.currency_code, frequency=self.billing_frequency)


class _Error(_Body):
    code: str = ""


class _Failure(_Body):
    error: _Error = _Error()


class _Operation(_Failure):
    status: Literal["notStarted", "running", "succeeded", "failed"]


class _Result(_Body):
    phone_numbers: list[str]
    cost: _Cost
    search_expires_by: datetime
    error: str = "NoError"


class _Capabilities(_Body):
    sms: str = "none"


class _Owned(_Body):
    capabilities: _Capabilities = _Capabilities()
    phone_number_type: str = ""
    cost: _Cost


@dataclass(frozen=True)
class Begun:
    """Something that Microsoft works on. `id`: what it is about; `operation`: its work."""

    id: str
    operation: str


@dataclass(frozen=True)
class Progress:
    """How far a work is. unknown: the service has forgotten it; `reason` only of one that failed."""

    status: Literal["running", "succeeded", "failed", "unknown"]
    reason: Reason = Reason.REFUSED


@dataclass(frozen=True)
class Offer:
    """What a search found and holds until `until`."""

    number: str = field(repr=False)
    cost: Cost
    until: datetime


@dataclass(frozen=True)
class Owned:
    """A number of the resource. sms: none, inbound, outbound or inbound+outbound."""

    sms: str
    toll_free: bool
    cost: Cost


class Numbers:
    """The numbers of one resource. Every call raises `Later`, and `Declined` where the service will go on saying no."""

    def __init__(self, resource: Communication) -> None:
        self._resource = resource

    async def search(self) -> Begun:
        """Let Microsoft look for a toll-free number of the US that can text. Costs one of few searches a week."""
        answer = await self._call("POST", "/availablePhoneNumbers/countries/US/:search", _WANTED)
        headers = _accepted(answer).headers
        return Begun(_tail(headers, "Location"), _tail(headers, "Operation-Location"))

    async def result(self, search: str) -> Offer | None:
        """What a search found; None when the service does not know it any more."""
        answer = await self._call("GET", f"/availablePhoneNumbers/searchResults/{_id(search)}")
        if answer.status == 404:
            return None
        read = _read(_ok(answer), _Result)
        if read.error != "NoError":
            raise Declined(_reason(read.error))
        if not read.phone_numbers:
            raise Declined(Reason.OUT_OF_STOCK)
        return Offer(read.phone_numbers[0], read.cost.ours, _aware(read.search_expires_by))

    async def purchase(self, search: str) -> str:
        """Buy what a search holds; the id of the work."""
        body = {"searchId": _id(search), "agreeToNotResell": False}
        answer = await self._call("POST", "/availablePhoneNumbers/:purchase", body)
        return _tail(_accepted(answer).headers, "Operation-Location")

    async def purchase_of(self, search: str) -> str | None:
        """The id of a purchase whose answer was lost, if it goes by the name that the service's examples give it."""
        operation = f"purchase_{_id(search)}"
        answer = await self._call("GET", f"/phoneNumbers/operations/{operation}")
        return operation if answer.status == 200 else None

    async def progress(self, operation: str) -> Progress:
        """How far the work is."""
        answer = await self._call("GET", f"/phoneNumbers/operations/{_id(operation)}")
        if answer.status == 404:
            return Progress("unknown")
        read = _read(_ok(answer), _Operation)
        if read.status == "failed":
            return Progress("failed", _reason(read.error.code, Reason.PURCHASE_FAILED))
        return Progress("succeeded" if read.status == "succeeded" else "running")

    async def owned(self, number: str) -> Owned | None:
        """A number, if it is the resource's."""
        answer = await self._call("GET", f"/phoneNumbers/{quote(number, safe='')}")
        if answer.status == 404:
            return None
        read = _read(_ok(answer), _Owned)
        return Owned(read.capabilities.sms, read.phone_number_type == "tollFree", read.cost.ours)

    async def release(self, number: str) -> str | None:
        """Give a number back for good; the id of the work, or None when it is not the resource's any more."""
        answer = await self._call("DELETE", f"/phoneNumbers/{quote(number, safe='')}")
        return None if answer.status == 404 else _tail(_accepted(answer).headers, "Operation-Location")

    async def _call(self, method: str, path: str, json: object = None) -> Answer:
        if not self._resource.endpoint:
            raise Declined(Reason.NO_RESOURCE)
        answer = await self._resource.call(method, f"{path}?{_VERSION}", json)
        if answer.status in {401, 403}:
            raise Declined(Reason.NOT_ALLOWED)
        if answer.status == 429 and (retry_after(answer.headers) or timedelta()) > _LONGEST_WAIT:
            raise Declined(Reason.QUOTA)
        return answer.or_later()


def _accepted(answer: Answer) -> Answer:
    if answer.status != 202:
        raise Declined(_reason(_code(answer)))
    return answer


def _ok(answer: Answer) -> Answer:
    if answer.status != 200:
        raise Declined(_reason(_code(answer)))
    return answer


def _code(answer: Answer) -> str:
    """The error's code, as far as the answer has one."""
    try:
        return _read(answer, _Failure).error.code
    except Unreadable:
        return ""


def _reason(code: str, otherwise: Reason = Reason.REFUSED) -> Reason:
    return _REASONS.get(code.lower(), otherwise)


def _read[Body: _Body](answer: Answer, model: type[Body]) -> Body:
    body: Mapping[str, Any] = answer.json()
    try:
        return model.model_validate(body)
    except ValidationError:  # its text would quote the body
        raise Unreadable(answer.peer) from None


def _tail(headers: Mapping[str, str], name: str) -> str:
    """The id at the end of an address in a header, whose query may follow it."""
    return _id(headers.get(name, "").partition("?")[0].rpartition("/")[2])


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise Unreadable("communication services")
    return text


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
