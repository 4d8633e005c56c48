"""A tenant with four connections, and the records of one of them, as the record tests start from them."""

from typing import Any
from urllib.parse import quote

from shared.domain.connection import Connection, Environment, Pending
from shared.domain.records.record import Kind, Ours, Record, records
from tests.unit.domain.connections import LAMNA, epic_side, own_side

APP = "https://connector.lamna.example"
HL7 = "https://hl7.lamna.example"
#: Client ids as Epic makes them: one for each app and connection.
GUID = "e0000000-0000-4000-8000-0000000000{}"


def connection(suffix: str = "a", environment: Environment = "test", **changes: Any) -> Connection:
    """An approved connection; its client ids end in the suffix."""
    usual: dict[str, Any] = {
        "tenant": LAMNA.tenant,
        "id": f"{LAMNA.tenant.hex}-{suffix * 8}",
        "organisation": "lamna",
        "environment": environment,
        "own": own_side(),
        "active": side(suffix),
    }
    return Connection(**usual | changes)


def side(suffix: str) -> Any:
    """An Epic side with client ids of its own."""
    apps = {"provider": 1, "patient": 2, "backend": 3}
    return epic_side(**{f"{app}_client_id": GUID.format(f"{suffix}{number}") for app, number in apps.items()})


OWN = connection("a", pending=Pending(epic=side("d")))
#: A second test connection, and the production one, of the same tenant.
OTHERS = [connection("b"), connection("c", "production")]


def ours(own: Connection = OWN) -> Ours:
    """What a record is held against."""
    return Ours(own, records(own, APP, HL7), OTHERS)


def record(kind: Kind, own: Connection = OWN) -> Record:
    """One record of a connection."""
    return next(one for one in records(own, APP, HL7) if one.kind == kind)


def typed(kind: Kind, own: Connection = OWN) -> dict[str, str]:
    """The three values as Epic holds them when all was typed right."""
    made = record(kind, own)
    return {
        "launch_url": made.value("launch-url"),
        "client_id": made.value("client-id"),
        "context": made.value("context"),
    }


def escaped_form(values: dict[str, str]) -> str:
    """The three values, each escaped as a browser would."""
    return "\n".join(f"{name}={quote(value, safe='')}" for name, value in values.items())
