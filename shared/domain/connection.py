"""A connection: one FHIR base URL of one organisation in one environment.

It has two sides. `EpicSide` is what Epic must agree to: it changes by revision, and a revision serves once the
named approver has approved it. `OwnSide` is the hospital's own business and applies at once.
"""

import re
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from shared.domain import phone
from shared.domain.advanced import CommandCode, FhirSetup, Headers, MeetingKey, Mnemonics, RecordRows, TypeCode
from shared.domain.hl7v2.event import Action
from shared.domain.hl7v2.settings import FieldMap, IdField, MediaType, ProcessingId, StatusField, Trigger
from shared.domain.model import Model
from shared.domain.quiet import QuietHours
from shared.domain.templates import TELLING, LanguageTag, TextTemplates
from shared.errors import Code, Refused

Environment = Literal["test", "production"]
#: Messages that act where the hospital does not say otherwise: what trains or debugs must not reach real patients.
_PROCESSING_IDS: dict[Environment, frozenset[ProcessingId]] = {
    "production": frozenset({"P"}),
    "test": frozenset({"P", "T", "D"}),
}
PendingState = Literal["draft", "validated", "needs-approval", "refused"]
#: Whose secret: one of the three apps at Epic, or the account that writes back by Basic (`user:password`).
AppName = Literal["provider", "patient", "backend", "write-back"]
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


class WriteBack(Model):
    """Where presence goes (epic.md 2.1; values marked unverified there are settings here)."""

    sink: Literal["set-external-connection-status", "log-only"] = Field(
        default="set-external-connection-status",
        description="Whom presence is told to: Epic's SetExternalConnectionStatus, or nobody but our own audit.",
    )
    url: Https | None = Field(default=None, validate_default=True, description="The call's whole address at this Epic.")
    authentication: Literal["bearer", "basic"] = Field(
        default="bearer", description="Proof of who calls: the backend app's token, or an Epic account by Basic."
    )
    vendor_name: str = Field(
        default="Virtual visit connector", max_length=100, description="VendorName, as Epic's schedule shows it."
    )
    connected: str = Field(default="1", pattern=r"^\d{1,3}$", description="ConnectionStatus of who is connected.")
    disconnected: str = Field(default="2", pattern=r"^\d{1,3}$", description="ConnectionStatus of who has left.")
    headers: Headers = Field(
        default={},
        description="Headers sent with each call, such as Epic-User-ID and Epic-User-IDType. No secrets: everybody who "
        "may see this connection sees them. Never who calls (Authorization, Epic-Client-ID), Host or what HTTP itself "
        "sets.",
    )
    success_member: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}(\.[A-Za-z][A-Za-z0-9_]{0,39}){0,4}$",
        description="Member of the JSON answer that says whether the call succeeded, inner ones behind dots; empty: "
        "any HTTP status from 200 to 299 is success.",
    )
    success_value: str | None = Field(
        default=None,
        validate_default=True,
        max_length=100,
        description="What that member says then, as text (`true`, `0`, `OK`); all else is alarmed and tried again.",
    )
    retryable_codes: tuple[CommandCode, ...] = Field(
        default=(),
        max_length=50,
        description="Codes of Epic's command that pass by themselves: told again every five minutes until the change "
        "is given up. Any other code is for good.",
    )

    @field_validator("url")
    @classmethod
    def _address(cls, url: str | None, fields: ValidationInfo) -> str | None:
        if url is None and fields.data.get("sink") != "log-only":
            raise ValueError("the sink needs an address")
        return url

    @field_validator("success_value")
    @classmethod
    def _told(cls, value: str | None, fields: ValidationInfo) -> str | None:
        if (value is None) != (fields.data.get("success_member") is None):
            raise ValueError("success is told by a member and its value, or by neither")
        return value


class EpicSide(Model):
    """What Epic must agree to."""

    fhir_base_url: Https
    accepted_iss: tuple[Https, ...] = Field(
        default=(), max_length=10, description="Other addresses that a launch may name as `iss`, beside the base URL."
    )
    provider_client_id: ClientId
    patient_client_id: ClientId
    backend_client_id: ClientId
    authentication: Literal["private_key_jwt", "client_secret"] = Field(
        default="private_key_jwt",
        description="How the three apps prove themselves to Epic: a signed assertion, or a secret.",
    )
    pkce: bool = Field(default=True, description="Launches carry PKCE (S256), which Epic knows since August 2019.")
    write_back: WriteBack
    fhir: FhirSetup = FhirSetup()

    @property
    def issuers(self) -> frozenset[str]:
        """Every `iss` that a launch may name."""
        return frozenset({self.fhir_base_url, *self.accepted_iss})


class Approver(Model):
    """Who approves, as an Entra object id in the connection's tenant; the name is for the page."""

    oid: UUID
    upn: str = Field(max_length=200)


class Hl7Setup(Model):
    """How the hospital's scheduling feed is read (epic.md 4.1, 4.2, 4.5)."""

    events: tuple[Trigger, ...] = Field(
        default=("S12", "S13", "S14", "S15", "S16", "S17", "S26"),
        max_length=7,
        description="Events that are acted on; any other SIU is answered AA, counted and left alone.",
    )
    csn_fields: tuple[IdField, ...] = Field(
        default=(IdField.PV1_19, IdField.SCH_2, IdField.SCH_1),
        description="Fields that may hold the CSN; the first one that is filled counts.",
    )
    moved_from: IdField | None = Field(
        default=IdField.SCH_2,
        description="Field by which S13 and S14 name the appointment that a new one replaces; empty: none does.",
    )
    video_visit_types: tuple[str, ...] = Field(
        default=(),
        max_length=200,
        description="Visit types, by code or name in SCH-7, SCH-8 or AIS-3, that are video visits; empty: the feed "
        "holds nothing else.",
    )
    home_phone: bool = Field(
        default=False, description="Text to a home phone when there is no mobile one; others may read it there."
    )
    work_phone: bool = Field(
        default=False, description="Text to a phone at work when there is no other; others may read it there."
    )
    status_field: StatusField = Field(
        default=StatusField.SCH_25, description="Field that holds the appointment's status; its first component counts."
    )
    status_actions: dict[str, Action] = Field(
        default={},
        max_length=20,
        description='Status codes that outdo the events S12, S13 and S14, such as {"3": "cancel"}; empty: the event '
        "alone counts.",
    )
    content_types: tuple[MediaType, ...] = Field(
        default=tuple(MediaType),
        min_length=1,
        max_length=4,
        description="Content types that messages may be posted as; any other is answered 415.",
    )
    processing_ids: tuple[ProcessingId, ...] = Field(
        default=(),
        max_length=3,
        description="Processing ids (MSH-11) that are acted on; any other is answered AR, a missing one is taken. "
        "Empty: P in production; P, T and D in a test connection.",
    )


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
    texts: dict[LanguageTag, TextTemplates] = Field(
        default={},
        max_length=20,
        description="Own wording by language (BCP 47 primary tag) and kind, with {organisation}, {day}, {time} and "
        "{link}; what is left out is said in the connector's own words.",
    )
    may_name_department: bool = Field(
        default=False,
        description="Templates may have {department}: whoever sees the phone then learns what the visit is about.",
    )
    may_name_provider: bool = Field(
        default=False,
        description="Templates may have {provider}: the name in AIP-3 or PV1-7. Only then is it kept, encrypted, until "
        "the last text can be sent.",
    )
    may_name_visit_type: bool = Field(
        default=False,
        description="Templates may have {visit_type}: the one of hl7.video_visit_types that the message names.",
    )
    quiet_hours: QuietHours | None = Field(
        default=None,
        description="Confirmations and reminders that fall into these hours wait for their end, unless the visit is "
        "too near; cancellations never wait. Empty: texts go out at any hour.",
    )

    @property
    def may_name(self) -> tuple[str, ...]:
        """What templates may tell of the visit."""
        return tuple(name for name in TELLING if getattr(self, f"may_name_{name}"))

    @property
    def consented(self) -> bool:
        """Both boxes of the organisation are ticked."""
        return self.may_send_for_us and self.patients_have_consented


class ContextNames(Model):
    """What the members of CONTEXT are called in the hospital's launch records (epic.md 1.3). Case does not matter."""

    csn: ContextName = Field(default="csn", description="Name of the CSN.")
    session: ContextName = Field(default="sessionId", description="Name of the session: a group's conference, or CSN.")
    conference: ContextName = Field(
        default="conferenceId", description="Name of the conference id; read where it is the meeting key."
    )
    external_id: ContextName = Field(default="externalId", description="Name of the user's id in Epic.")
    department: ContextName = Field(default="departmentId", description="Name of the department.")
    first_name: ContextName = Field(default="fname", description="Name of the patient's first name.")
    last_name: ContextName = Field(default="lname", description="Name of the patient's last name.")


class LaunchSetup(Model):
    """How people come in from Epic.

    frame_ancestors          origins that may show the launch page in a frame; none: only the FHIR base's own
    patient_early_minutes    how long before the start patients may come in (F8.12); staff always may
    late_minutes             how long after the end anybody may
    """

    frame_ancestors: tuple[Origin, ...] = Field(default=(), max_length=10)
    patient_early_minutes: int = Field(default=30, ge=0, le=1440)
    late_minutes: int = Field(default=240, ge=0, le=1440)
    launch_type: str = Field(
        default="6",
        pattern=r"^[0-9]{1,2}$",
        description="LAUNCHTYPE of the launch records: 6 an external window, 7 a frame, where our page can only offer "
        "a button that leaves it.",
    )
    record_rows: RecordRows = Field(
        default={},
        description="More rows of the launch records, such as USEEDGEBROWSER = 1; they stand in every launch record.",
    )
    context: ContextNames = ContextNames()
    mnemonics: Mnemonics = Mnemonics()
    meeting_key: MeetingKey = Field(
        default="session",
        description="What decides who meets whom: `session`, which differs from the CSN in a group; `csn` alone, so "
        "that nobody shares a room; `conference`, a member of its own; `encounter` or `appointment`, by their FHIR ids "
        "in Epic's token response. Where the launch lacks it, the CSN decides.",
    )
    video_visit_types: tuple[TypeCode, ...] = Field(
        default=(),
        max_length=200,
        description="Visit types of FHIR Appointments, by code or name, that are video visits: a launch of another is "
        "refused. Empty: every launch is one.",
    )
    video_encounter_types: tuple[TypeCode, ...] = Field(
        default=(),
        max_length=200,
        description="The same by the encounter type of FHIR Encounters: where no visit types are listed, or Epic shows "
        "no Appointment. Empty: every launch is one.",
    )

    @property
    def video_only(self) -> bool:
        """Every launch is held against what Epic shows of its visit."""
        return bool(self.video_visit_types or self.video_encounter_types)


class OwnSide(Model):
    """What applies at once."""

    approver: Approver
    time_zone: Zone = Field(description="IANA zone of the times in scheduling messages, which carry no offset.")
    region: Region = Field(
        default="US", description="Region whose numbering plan a phone without a country code belongs to."
    )
    hl7: Hl7Setup = Hl7Setup()
    certificates: tuple[EngineCertificate, ...] = Field(
        default=(),
        max_length=2,
        description="Client certificates whose keys may post scheduling messages; two while one follows the other.",
    )
    sms: SmsSetup = SmsSetup()
    launch: LaunchSetup = LaunchSetup()
    organisers: tuple[UUID, ...] = Field(default=(), max_length=50)

    def field_map(self, environment: Environment) -> FieldMap:
        """The hl7 settings as the reader takes them, for a connection of this environment."""
        hl7 = self.hl7
        return FieldMap(
            zone=self.time_zone,
            region=self.region,
            csn_fields=hl7.csn_fields,
            moved_from=hl7.moved_from,
            video_visit_types=frozenset(hl7.video_visit_types),
            home_phone=hl7.home_phone,
            work_phone=hl7.work_phone,
            status_field=hl7.status_field,
            status_actions=hl7.status_actions,
            triggers=frozenset(hl7.events),
            content_types=frozenset(hl7.content_types),
            provider_name=self.sms.may_name_provider,
            processing_ids=frozenset(hl7.processing_ids) or _PROCESSING_IDS[environment],
        )


class Refusal(Model):
    """Why the approver sent a revision back. `who` is an Entra object id."""

    reason: str
    who: str
    at: datetime


class Pending(Model):
    """A revision on its way: it waits beside the active one, which goes on serving.

    refusal   of a revision that is `refused`: another proposal takes its place
    """

    epic: EpicSide
    state: PendingState = "draft"
    refusal: Refusal | None = None


class SecretSet(Model):
    """A secret that is there, for one app at one Epic: who gave it and when, never what it is."""

    app: AppName
    client_id: str
    fhir_base_url: str
    who: str
    at: datetime


class Connection(Model):
    """One connection as stored. `change` counts every change; `revision` counts approvals.

    suspended   by the hospital's administrator
    off         the operator has switched the whole organisation off
    """

    tenant: UUID
    id: str
    organisation: str
    environment: Environment
    own: OwnSide
    active: EpicSide | None = None
    pending: Pending | None = None
    suspended: bool = False
    off: bool = False
    secrets: tuple[SecretSet, ...] = ()
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
        return self.active is not None and not self.suspended and not self.off


class Organisation(Model):
    """Who may have connections, let in by the operator.

    production   it may have connections to the production environment
    enabled      False: switched off; nothing of it serves
    """

    tenant: UUID
    id: OrganisationId
    name: str = Field(min_length=1, max_length=100)
    production: bool = False
    enabled: bool = True
