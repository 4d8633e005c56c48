"""What the record check says of the entries of the troubleshooting catalogue that are about records."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from portal.release import HERE as PORTAL
from sandbox.demo.api import call, change
from sandbox.demo.scene import Scene
from shared.domain.records.differences import TABLE, What
from tests.e2e.conftest import begin
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


# --- what people see of the entries that no check can try


async def _page(scene: Scene, url: str) -> str:
    """What a page says that refuses: its sentence, and the code that one reads out on the telephone."""
    async with scene.http.get(url, headers={"Accept-Language": "en"}, allow_redirects=False) as answer:
        text = await answer.text()
    assert answer.status >= 400, text
    sentence, code = re.findall(r"<p>(?:<small>)?([^<]+)", text)
    return f"{sentence} ({code})"


@pytest.mark.feature("F14.3")
async def test_an_approver_whom_epic_refuses_reads_so_and_so_does_their_page(draft: Scene):
    await change(draft, "adam", "POST", "/validation")
    attempt = await begin(draft)
    asked = parse_qs(urlsplit(attempt.body["authorize_url"]).query)
    query = urlencode({"error": "access_denied", "state": asked["state"][0]})
    words = await _page(draft, f"{draft.plan.urls['app']}/config/epic-callback?{query}")
    shown("F14.3", "Epic refuses the approver's sign-in", "the page after Epic's sign-in", words)
    path = f"/config/connections/{draft.facts['connection']}/approvals/{attempt.body['attempt']}"
    assert (await call(draft, "ana", "GET", path)).body["state"] == "failed"


@pytest.mark.feature("F14.14")
async def test_an_account_without_a_role_reads_which_it_needs(draft: Scene):
    refused = await call(draft, "paula", "GET", "/config/connections")
    assert refused.status == 403
    page = json.loads((PORTAL / "texts" / "en.json").read_text())[f"problem.{refused.body['code']}"]
    shown("F14.14", "The account has no role", "the configuration page", page)


@pytest.mark.feature("F14.16")
async def test_a_launch_that_fails_says_a_short_code_and_the_log_the_rest(connection: Scene):
    url = f"{connection.plan.urls['app']}/launch/provider/{connection.facts['connection']}"
    words = await _page(connection, f"{url}?iss=https://another.epic.example&launch=x")
    shown("F14.16", "A launch comes from another Epic", "the launch's page", words)
    assert "issuer-unknown" in words
    log = (connection.plan.path("logs") / "app.log").read_text()
    assert "begin_launch end=refused:issuer-unknown" in log


def _held(shown_records: dict[str, Any], kind: str) -> dict[str, str]:
    """A record as it would be copied into Epic."""
    record = next(one for one in shown_records["records"] if one["kind"] == kind)
    rows = {row["id"]: row["value"] for row in record["rows"]}
    values = {"launch_url": rows["launch-url"], "client_id": rows["client-id"], "context": rows["context"]}
    return values | {"kind": kind}
