"""The integration records of a connection, each row as it is typed into Epic.

Nothing in them is an authority: who is let in, and where, follows from the approved connection (architecture, rule 6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.domain.advanced import Mnemonics
from shared.domain.connection import Connection, Environment, LaunchSetup
from shared.domain.launch import KINDS
from shared.domain.model import Model

Kind = Literal[
    "patient", "provider", "patient-group", "provider-group", "direct-sms", "sms-configuration", "device-test"
]
LaunchApp = Literal["provider", "patient"]
RowId = Literal[
    "launch-url",
    "client-id",
    "context",
    "protected",
    "launch-type",
    "hl7-url",
    "hl7-events",
    "hl7-appointment-id",
    "hl7-time-zone",
    "hl7-certificate",
    "sms-number",
    "more",
]
#: What a member of CONTEXT means to us; `ContextNames` says what the hospital calls it.
Member = Literal["csn", "session", "conference", "external_id", "department", "first_name", "last_name"]

#: By these mnemonics the public product and we know each other's records (epic.md 1.3).
MNEMONICS = Mnemonics()


@dataclass(frozen=True)
class Shape:
    """What a launch record is made of.

    path    the part of the launch URL that says who comes
    names   the context carries the user's name: only patients need to be told apart in a roster
    """

    path: str
    app: LaunchApp
    group: bool = False
    names: bool = False


SHAPES: Mapping[Kind, Shape] = {
    "patient": Shape("patient", "patient", names=True),
    "provider": Shape("provider", "provider"),
    "patient-group": Shape("patient", "patient", group=True, names=True),
    "provider-group": Shape("provider", "provider", group=True),
    "direct-sms": Shape("direct-sms", "provider"),
    "device-test": Shape("device-test", "patient", names=True),
}
_ORDER: tuple[Kind, ...] = (*SHAPES, "sms-configuration")
_TITLES: Mapping[Kind, str] = {
    "patient": "Patient, single visit",
    "provider": "Provider, single visit",
    "patient-group": "Patient, group visit",
    "provider-group": "Provider, group visit",
    "direct-sms": "Direct SMS",
    "device-test": "Device test",
    "sms-configuration": "SMS configuration",
}
_LABELS: Mapping[RowId, str] = {
    "launch-url": "Launch URL",
    "client-id": "Client ID",
    "context": "Context token",
    "protected": "Protected",
    "launch-type": "Launch type",
    "hl7-url": "Address for scheduling messages",
    "hl7-events": "Events",
    "hl7-appointment-id": "Appointment id (CSN) in",
    "hl7-time-zone": "Time zone of times without offset",
    "hl7-certificate": "Pinned client certificate, SHA-256 of its public key",
    "sms-number": "Texts come from",
}
#: As Epic's record names them, with the order of epic.md 1.2.
_FDI_NAMES: Mapping[RowId, str] = {
    "launch-url": "URL",
    "protected": "PROTECTED",
    "client-id": "CLIENTID",
    "launch-type": "LAUNCHTYPE",
    "context": "CONTEXT",
}


class Row(Model):
    """One value to copy. `mnemonic`: its name in an FDI record; None for what is typed elsewhere."""

    id: RowId
    label: str
    mnemonic: str | None = None
    value: str


class Record(Model):
    """One integration record.

    served   False: this launch is not built yet; the values are what it will be, and nobody answers there
    text     the same for a file or a mail
    """

    kind: Kind
    environment: Environment
    served: bool
    rows: tuple[Row, ...]
    text: str

    def value(self, row: RowId) -> str:
        """What stands in a row; empty when the record has no such row."""
        return next((one.value for one in self.rows if one.id == row), "")


@dataclass(frozen=True)
class Ours:
    """What a record in Epic is held against: the connection, its records, and its tenant's other connections."""

    connection: Connection
    records: Sequence[Record]
    others: Sequence[Connection]


def records(connection: Connection, app_url: str, hl7_url: str) -> tuple[Record, ...]:
    """Every record of the active revision; refuses when there is none.

    app_url, hl7_url   where the two apps are reached; an empty `hl7_url` is not known here, and a place says so
    """
    made: list[Record] = []
    for kind in _ORDER:
        shape = SHAPES.get(kind)
        rows = _launch_rows(connection, shape, app_url) if shape else _feed_rows(connection, hl7_url)
        served = shape is None or shape.path in KINDS
        made.append(_record(kind, connection, rows, served=served))
    return tuple(made)


def title(kind: Kind) -> str:
    """A record's name in English."""
    return _TITLES[kind]


def context(setup: LaunchSetup, shape: Shape) -> dict[str, tuple[Member, str]]:
    """The members of a CONTEXT in order: the hospital's name for each, what it means, its mnemonic.

    Where two members have one name, it stands once: as the session, which for a single visit is the CSN anyway. Case
    does not tell names apart.
    """
    wanted: list[Member] = ["csn"]
    if setup.meeting_key in {"session", "conference"}:
        wanted.append(setup.meeting_key)
    wanted += ["external_id", "department"]
    wanted += ["first_name", "last_name"] if shape.names else []
    made: dict[str, tuple[Member, str]] = {}
    for member in wanted:
        name = str(getattr(setup.context, member))
        made = {other: about for other, about in made.items() if other.lower() != name.lower()}
        made[name] = member, mnemonic(setup.mnemonics, member, shape)
    return made


def mnemonic(mnemonics: Mnemonics, member: Member, shape: Shape) -> str:
    """What Epic fills in for a member of this record."""
    if member == "session" and shape.group:
        return mnemonics.conference
    if shape.app == "patient" and member in {"external_id", "department"}:
        return str(getattr(mnemonics, f"patient_{member}"))
    return str(getattr(mnemonics, member))


def _launch_rows(connection: Connection, shape: Shape, app_url: str) -> list[Row]:
    side = connection.approved
    values: dict[RowId, str] = {
        "launch-url": f"{app_url}/launch/{shape.path}/{connection.id}",
        "protected": "1",
        "client-id": side.provider_client_id if shape.app == "provider" else side.patient_client_id,
        "launch-type": connection.own.launch.launch_type,
        "context": "&".join(f"{name}={filled}" for name, (_, filled) in context(connection.own.launch, shape).items()),
    }
    rows = [Row(id=name, label=_LABELS[name], mnemonic=_FDI_NAMES[name], value=value) for name, value in values.items()]
    more = connection.own.launch.record_rows.items()
    return rows + [Row(id="more", label=name, mnemonic=name, value=value) for name, value in more]


def _feed_rows(connection: Connection, hl7_url: str) -> list[Row]:
    """What the interface analyst sets up so that texts can be sent."""
    own = connection.own
    values: list[tuple[RowId, str]] = [
        ("hl7-url", f"{hl7_url or '<address of the hl7 app>'}/hl7v2/{connection.id}"),
        ("hl7-events", f"SIU {', '.join(own.hl7.events)}"),
        ("hl7-appointment-id", ", else ".join(own.hl7.csn_fields)),
        ("hl7-time-zone", own.time_zone),
        *(("hl7-certificate", pin.spki) for pin in own.certificates),
        ("sms-number", own.sms.number or "none yet"),
    ]
    return [Row(id=name, label=_LABELS[name], value=value) for name, value in values]


def _record(kind: Kind, connection: Connection, rows: list[Row], *, served: bool) -> Record:
    environment = connection.environment
    head = f"{_TITLES[kind]} record ({environment.upper()})"
    notes = [] if served else ["Not served yet: do not build this record in Epic."]
    lines = [f"{one.mnemonic or one.label}{'=' if one.mnemonic else ': '}{one.value}" for one in rows]
    text = "\n".join([head, "-" * len(head), *notes, *lines, ""])
    return Record(kind=kind, environment=environment, served=served, rows=tuple(rows), text=text)
