"""What no public text says of Epic, as settings of a connection (epic.md section 6).

Each default is what the connector did before the setting was there. docs/advanced.md is made of the descriptions.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared.domain.model import Model

#: What may decide where people meet.
MeetingKey = Literal["session", "csn", "conference", "encounter", "appointment"]
#: As Epic writes it, in percent signs; what follows a semicolon is its parameters, where spaces count.
Mnemonic = Annotated[str, Field(pattern=r"^%[A-Z][A-Z0-9]{0,39}(;[A-Z0-9; ]{0,40})?%$")]
#: The end of an identifier system (epic.md 3.5).
OidSuffix = Annotated[str, Field(pattern=r"^(\.[0-9]{1,12}){2,8}$")]
#: A code or a name by which Epic calls a kind of visit.
TypeCode = Annotated[str, Field(min_length=1, max_length=80)]
CommandCode = Annotated[str, Field(pattern=r"^[A-Z0-9-]{1,60}$")]

#: Rows that the connector itself writes into a launch record.
_OWN_ROWS = frozenset({"URL", "PROTECTED", "CLIENTID", "LAUNCHTYPE", "CONTEXT"})
#: What proves who calls, what the connection itself is made of, and what leads elsewhere.
_OWN_HEADERS = frozenset(
    {"authorization", "epic-client-id", "host", "connection", "content-length", "content-type", "content-encoding"}
    | {"transfer-encoding", "accept", "accept-encoding", "cookie", "expect", "keep-alive", "te", "trailer", "upgrade"}
    | {"forwarded", "via", "traceparent", "tracestate"}
)
_OWN_BEGINNINGS = ("proxy-", "sec-", "x-forwarded-", "x-arr-", "x-ms-")


def _rows(rows: Mapping[str, str]) -> dict[str, str]:
    if _OWN_ROWS & rows.keys():
        raise ValueError(f"{', '.join(sorted(_OWN_ROWS))} are the connector's own rows")
    return dict(rows)


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    names = [name.lower() for name in headers]
    if len(set(names)) < len(names):
        raise ValueError("a header stands twice")
    if _OWN_HEADERS & set(names) or any(name.startswith(_OWN_BEGINNINGS) for name in names):
        raise ValueError("a header that the connector, or HTTP itself, sets")
    return dict(headers)


RecordRows = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")],
        Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,198}[!-~])?$")],
    ],
    Field(max_length=10),
    AfterValidator(_rows),
]
Headers = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")],
        Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,198}[!-~])?$")],
    ],
    Field(max_length=10),
    AfterValidator(_headers),
]


class Mnemonics(Model):
    """What stands in the launch records for each value, between percent signs (epic.md 1.3)."""

    csn: Mnemonic = Field(default="%CSN%", description="Mnemonic for the CSN.")
    session: Mnemonic = Field(default="%CSN%", description="Mnemonic for the session of a single visit.")
    conference: Mnemonic = Field(
        default="%CONFERENCEID%", description="Mnemonic for the conference id, which a whole group shares."
    )
    external_id: Mnemonic = Field(
        default="%EPICUSERID%", description="Mnemonic for the user's id in Epic, in the provider's records."
    )
    patient_external_id: Mnemonic = Field(
        default="%EPICUSERID%",
        description="Mnemonic for the MyChart user's id, in the patient's records; write-back names people by it.",
    )
    department: Mnemonic = Field(
        default="%PERFDEPID;;; ; ;;NONE;%",
        description="Mnemonic for the department, in the provider's records; its spaces count.",
    )
    patient_department: Mnemonic = Field(
        default="%PERFDEPID;;; ; ;;NONE;%",
        description="Mnemonic for the department, in the patient's records; its spaces count.",
    )
    first_name: Mnemonic = Field(default="%USERFNAME%", description="Mnemonic for the patient's first name.")
    last_name: Mnemonic = Field(default="%USERLNAME%", description="Mnemonic for the patient's last name.")


class FhirSetup(Model):
    """How this Epic's FHIR and OAuth are spoken to (epic.md 1.4, 3.2 to 3.5)."""

    version: Literal["R4"] | None = Field(
        default=None,
        description="FHIR version to ask for by name with each read, for a server whose base URL does not end in one; "
        "empty: none is named.",
    )
    csn_systems: tuple[OidSuffix, ...] = Field(
        default=(".7.3.698084.8",),
        min_length=1,
        max_length=5,
        description="Ends of the identifier systems that mean the CSN, in Appointments and Encounters; the first one "
        "that is found counts.",
    )
    scopes: Literal["v1", "v2"] = Field(
        default="v1",
        description="Wording of the scopes that launches ask for: v1 `.read`, v2 `.r`, which Epic knows since August "
        "2024.",
    )
    authorize: Literal["get", "post"] = Field(
        default="get",
        description="How a launch goes to Epic's authorize endpoint: by a redirect, or by a posted form, which Epic "
        "knows since November 2020.",
    )
    calls_per_minute: int = Field(
        default=0,
        ge=0,
        le=6000,
        description="Most token requests, FHIR reads and write-backs per minute that one running instance of the "
        "connector sends for this base URL; 0: no limit. Not counted: discovery and key sets, which are "
        "kept, and what administrators and approvers start. Several instances have as many limits.",
    )
