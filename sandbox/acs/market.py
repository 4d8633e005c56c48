"""What the number market trades in: requests, searches, owned numbers, operations (API 2025-06-01)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from sandbox.acs.bodies import Body, ControlBody, digits

COST = {"amount": 2.0, "currencyCode": "USD", "billingFrequency": "monthly"}
STOCK = [f"+1833555{line:04}" for line in range(110, 200)]

Direction = Literal["none", "inbound", "outbound", "inbound+outbound"]
Kind = Literal["search", "purchase", "releasePhoneNumber"]


class Capabilities(Body):
    """What a number can do."""

    calling: Direction
    sms: Direction


class SearchRequest(Body):
    """PhoneNumberSearchRequest."""

    phone_number_type: Literal["geographic", "tollFree", "mobile"]
    assignment_type: Literal["person", "application"]
    capabilities: Capabilities
    area_code: str = "833"
    quantity: int = Field(default=1, ge=1)


class PurchaseRequest(Body):
    """PhoneNumberPurchaseRequest; the agreement must be said, either way."""

    search_id: str
    agree_to_not_resell: bool


class Market(ControlBody):
    """Quotas per week, and how long an operation runs (seconds of the sandbox's clock).

    fails    the code with which each purchase fails once it has been taken, one of PhoneNumberSearchResultError
    """

    searches: int = 5
    purchases: int = 1
    seconds: float = 1.0
    fails: str | None = None


@dataclass
class Owned:
    """A number of this resource."""

    number: str
    verified: bool
    capabilities: dict[str, str]
    since: datetime

    def json(self) -> dict[str, Any]:
        """A PurchasedPhoneNumber."""
        return {
            "id": digits(self.number), "phoneNumber": self.number, "countryCode": "US",
            "phoneNumberType": "tollFree", "assignmentType": "application", "capabilities": self.capabilities,
            "purchaseDate": iso(self.since), "cost": COST,
        }  # fmt: skip


@dataclass
class Search:
    """Numbers held for a purchase."""

    id: str
    numbers: list[str]
    capabilities: dict[str, str]
    expires: datetime
    used: bool = False

    def json(self) -> dict[str, Any]:
        """A PhoneNumberSearchResult."""
        return {
            "searchId": self.id, "phoneNumbers": self.numbers, "phoneNumberType": "tollFree",
            "assignmentType": "application", "capabilities": self.capabilities, "cost": COST,
            "searchExpiresBy": iso(self.expires), "isAgreementToNotResellRequired": False,
        }  # fmt: skip


@dataclass
class Operation:
    """Something that is done a little later."""

    id: str
    kind: Kind
    created: datetime
    finish: Callable[[], None]
    location: str | None = None
    done: bool = False
    fails: str | None = None

    def json(self) -> dict[str, Any]:
        """A PhoneNumberOperation."""
        ended = "failed" if self.fails else "succeeded"
        facts = {
            "id": self.id, "operationType": self.kind, "status": ended if self.done else "running",
            "createdDateTime": iso(self.created), "lastActionDateTime": iso(self.created),
        }  # fmt: skip
        error = {"error": {"code": self.fails, "message": "It failed."}} if self.done and self.fails else {}
        return facts | error | ({"resourceLocation": self.location} if self.location else {})


@dataclass
class Ledger:
    """What exists, by id or number."""

    owned: dict[str, Owned] = field(default_factory=dict)
    searches: dict[str, Search] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    operations: dict[str, Operation] = field(default_factory=dict)
    counted: list[tuple[str, datetime]] = field(default_factory=list)


def iso(moment: datetime) -> str:
    """`2020-11-19T16:31:49.048Z`, as in the spec's examples."""
    return f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
