"""What the record check says of the entries of the troubleshooting catalogue that are about records."""

from typing import Any

import pytest

from sandbox.demo.api import call
from sandbox.demo.scene import Scene
from shared.domain.records.differences import TABLE, What
from tests.e2e.troubleshooting import shown

#: Entry, what was mistyped, in which record and row, what stands there, what is typed instead, the difference.
MISTYPED = [
    ("F14.4", "A space got into the launch URL", "patient", "launch_url", "https://", " https://", What.STRAY_SPACE),
    (
        "F14.4",
        "The launch URL of the other record",
        "patient",
        "launch_url",
        "/patient/",
        "/provider/",
        What.URL_OTHER_KIND,
    ),
    ("F14.4", "The context lacks the CSN", "patient", "context", "csn=%CSN%&", "", What.CSN_MISSING),
    (
        "F14.9",
        "The group record carries %CSN% as its session",
        "patient-group",
        "context",
        "%CONFERENCEID%",
        "%CSN%",
        What.SESSION_IS_CSN,
    ),
]


@pytest.mark.feature("F4.10", "F14.4", "F14.9")
@pytest.mark.parametrize(
    ("entry", "what", "kind", "row", "ours", "typed", "difference"),
    MISTYPED,
    ids=[mistyped[1] for mistyped in MISTYPED],
)
async def test_the_record_check_explains_a_mistyped_record(
    connection: Scene, entry: str, what: str, kind: str, row: str, ours: str, typed: str, difference: What
):
    path = f"/config/connections/{connection.facts['connection']}/records"
    held = _held((await call(connection, "ana", "GET", path)).body, kind)
    right = await call(connection, "ana", "POST", f"{path}/check", held)
    assert right.body["differences"] == []
    assert ours in held[row]
    wrong = await call(connection, "ana", "POST", f"{path}/check", held | {row: held[row].replace(ours, typed, 1)})
    found = {one["id"]: one for one in wrong.body["differences"]}
    assert found[difference]["see"] == entry
    shown(entry, what, "record check", f"{TABLE[difference].why} {TABLE[difference].do}")
    assert found[difference]["why"] == TABLE[difference].why


def _held(shown_records: dict[str, Any], kind: str) -> dict[str, str]:
    """A record as it would be copied into Epic."""
    record = next(one for one in shown_records["records"] if one["kind"] == kind)
    rows = {row["id"]: row["value"] for row in record["rows"]}
    values = {"launch_url": rows["launch-url"], "client_id": rows["client-id"], "context": rows["context"]}
    return values | {"kind": kind}
