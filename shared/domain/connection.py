"""A connection: one FHIR base URL of one organisation in one environment.

It has two sides. `EpicSide` is what Epic must agree to: it changes by revision, and a revision serves once the
named approver has approved it. `OwnSide` is the hospital's own business and applies at once.
"""

import re
from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.domain import phone
from shared.domain.hl7v2.event import Action
from shared.domain.hl7v2.settings import FieldMap, IdField
from shared.errors import Code, Refused

Environment = Literal["test", "production"]
PendingState = Literal["draft", "validated", "needs-approval"]
#: Longest a text may be moved ahead of a visit: a reminder a month before is a booking confirmation.
_LONGEST_REMINDER = 30 * 24 * 60
#: A host name or an IP literal, and perhaps a port. What may be called is judged by shared/clients/addresses.py.
_AUTHORITY = re.compile(
    r"([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\])(:[1-9]\d{0,4})?"
)
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


def _https(url: str) -> str:
    """An https URL in one spelling: lower-case host, no default port, no trailing slash, nothing behind the path.

    What has a second spelling (escapes, dots, empty parts of a path) is refused: a FHIR base is known by its text.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.query or parts.fragment or not _AUTHORITY.fullmatch(parts.netloc.lower()):
        raise ValueError("must be an https address without query, fragment or user")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("must have a plain path: letters, digits and -._~, no dots or empty parts")
    _ = parts.port  # refuses what is no port
    return urlunsplit((parts.scheme, parts.netloc.lower().removesuffix(":443"), path, "", ""))


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("must be an IANA time zone such as America/Chicago") from None
    return name


def _region(name: str) -> str:
    if not phone.is_region(name):
        raise ValueError("must be a region with a numbering plan, such as US")
    return name


Https = Annotated[str, AfterValidator(_https), Field(max_length=2000)]
Zone = Annotated[str, AfterValidator(_zone)]
Region = Annotated[str, AfterValidator(_region)]
OrganisationId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
#: As Content-Security-Policy writes it; one label may be a wildcard.
Origin = Annotated[str, Field(pattern=r"^https://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?$", max_length=200)]
ContextName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]


class Model(BaseModel):
    """Frozen, and strict about members it does not know. What was refused is not quoted: it may be a patient's."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class WriteBack(Model):
    """Where presence goes (epic.md 2.1; values marked unverified there are settings here)."""

    sink: Literal["set-external-connection-status", "log-only"] = "set-external-connection-status"
    url: Https | None = None
    authentication: Literal["bearer", "basic"] = "bearer"
    vendor_name: str = Field(default="Virtual visit connector", max_length=100)
    connected: str = Field(default="1", pattern=r"^\d{1,3}$")
    disconnected: str = Field(default="2", pattern=r"^\d{1,3}$")

    @model_validator(mode="after")
    def _address(self) -> Self:
        if self.sink != "log-only" and self.url is None:
            raise ValueError("the sink needs an address")
        return self


class EpicSide(Model):
    """What Epic must agree to."""

    fhir_base_url: Https
    accepted_iss: tuple[Https, ...] = Field(default=(), max_length=10)
    provider_client_id: ClientId
    patient_client_id: ClientId
    backend_client_id: ClientId
    authentication: Literal["private_key_jwt", "client_secret"] = "private_key_jwt"
    pkce: bool = True
    write_back: WriteBack

    @property
    def issuers(self) -> frozenset[str]:
        """Every `iss` that a launch may name."""
        return frozenset({self.fhir_base_url, *self.accepted_iss})


class Approver(Model):
    """Who approves, as an Entra object id in the connection's tenant; the name is for the page."""

    oid: UUID
    upn: str = Field(max_length=200)


class Hl7Setup(Model):
    """How the hospital's scheduling feed is read (epic.md 4.2); shared/domain/hl7v2/settings.py says what each means.

    status_actions   SCH-25 codes that outdo the trigger event, such as {"3": "cancel"}
    """

    csn_fields: tuple[IdField, ...] = (IdField.PV1_19, IdField.SCH_2, IdField.SCH_1)
    moved_from: IdField | None = IdField.SCH_2
    video_visit_types: tuple[str, ...] = Field(default=(), max_length=200)
    home_phone: bool = False
    work_phone: bool = False
    status_actions: dict[str, Action] = Field(default_factory=dict, max_length=20)


class EngineCertificate(Model):
    """A pinned certificate of the interface engine. `spki` is the SHA-256 of its public key, in hex."""

    spki: str = Field(pattern=r"^[0-9a-f]{64}$")
    not_before: datetime
    not_after: datetime


class SmsSetup(Model):
    """Texts to patients. Nothing is sent before both consents are given (F5.3)."""

    may_send_for_us: bool = False
    patients_have_consented: bool = False
    number: str | None = Field(default=None, pattern=r"^\+?\d{5,15}$")
    confirmations: bool = True
    reminders: tuple[Annotated[int, Field(ge=5, le=_LONGEST_REMINDER)], ...] = Field(default=(1440, 60), max_length=5)
    #: Pseudonyms of the numbers a test connection may text.
    allow_list: tuple[str, ...] = Field(default=(), max_length=100)
    initial_load: bool = False
    #: A confirmation for a message older than this would come as a surprise.
    stale_after_minutes: int = Field(default=120, ge=1, le=1440)
    hourly_brake: int = Field(default=500, ge=0)

    @property
    def consented(self) -> bool:
        """Both boxes of the organisation are ticked."""
        return self.may_send_for_us and self.patients_have_consented


class ContextNames(Model):
    """What the members of CONTEXT are called in the hospital's launch records (epic.md 1.3). Case does not matter."""

    csn: ContextName = "csn"
    session: ContextName = "sessionId"
    external_id: ContextName = "externalId"
    department: ContextName = "departmentId"
    first_name: ContextName = "fname"
    last_name: ContextName = "lname"


class LaunchSetup(Model):
    """How people come in from Epic.

    frame_ancestors          origins that may show the launch page in a frame; none: only the FHIR base's own
    patient_early_minutes    how long before the start patients may come in (F8.12); staff always may
    late_minutes             how long after the end anybody may
    """

    frame_ancestors: tuple[Origin, ...] = Field(default=(), max_length=10)
    patient_early_minutes: int = Field(default=30, ge=0, le=1440)
    late_minutes: int = Field(default=240, ge=0, le=1440)
    context: ContextNames = ContextNames()


class OwnSide(Model):
    """What applies at once."""

    approver: Approver
    time_zone: Zone
    region: Region = "US"
    hl7: Hl7Setup = Hl7Setup()
    certificates: tuple[EngineCertificate, ...] = Field(default=(), max_length=2)
    sms: SmsSetup = SmsSetup()
    launch: LaunchSetup = LaunchSetup()
    organisers: tuple[UUID, ...] = Field(default=(), max_length=50)

    @property
    def field_map(self) -> FieldMap:
        """The hl7 settings as the reader takes them."""
        hl7 = self.hl7
        return FieldMap(
            zone=self.time_zone,
            region=self.region,
            csn_fields=hl7.csn_fields,
            moved_from=hl7.moved_from,
            video_visit_types=frozenset(hl7.video_visit_types),
            home_phone=hl7.home_phone,
            work_phone=hl7.work_phone,
            status_actions=hl7.status_actions,
        )


class Pending(Model):
    """A revision on its way: it waits beside the active one, which goes on serving."""

    epic: EpicSide
    state: PendingState = "draft"


class Connection(Model):
    """One connection as stored. `change` counts every change; `revision` counts approvals."""

    tenant: UUID
    id: str
    organisation: str
    environment: Environment
    own: OwnSide
    active: EpicSide | None = None
    pending: Pending | None = None
    suspended: bool = False
    change: int = 1
    revision: int = 0

    @property
    def approved(self) -> EpicSide:
        """The side that serves; refuses when there is none."""
        if self.active is None:
            raise Refused(Code.CONNECTION_NOT_SERVING)
        return self.active

    @property
    def serves(self) -> bool:
        """Launches, messages and texts are taken."""
        return self.active is not None and not self.suspended


class Organisation(Model):
    """Who may have connections, enabled by the operator."""

    tenant: UUID
    id: OrganisationId
    name: str = Field(min_length=1, max_length=100)
    production: bool = False
