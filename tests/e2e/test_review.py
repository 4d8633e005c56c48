"""What an approver sees and says, what differs, what history tells, and removal, through the host."""

import csv
import io
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from sandbox import world
from sandbox.demo import engine
from sandbox.demo.api import Answer, call, change
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.steps.set_up import epic_side, own_side
from tests.e2e.conftest import add, approve, begin, finish, follow, sign_in_to_epic
from tests.e2e.launch.launching import browsers, code, launch_url, rows
from tests.e2e.test_config_api import at, read, refused
from tests.e2e.visiting import Visit, drained, poison
from tests.e2e.visiting import clinic as texting_clinic

OTHER = {"accepted_iss": ["https://alias.example"]}
ADAM, ANA = world.USERS["adam"].oid, world.USERS["ana"].oid


async def waits(scene: Scene) -> None:
    assert (await change(scene, "adam", "POST", "/validation")).status == 200


async def sent_back(scene: Scene, reason: str = "The address is the old one.", user: str = "ana") -> Answer:
    return await change(scene, user, "POST", "/refusals", {"reason": reason})


# --- sending back


@pytest.mark.feature("F3.6")
async def test_the_approver_sends_a_revision_back_and_what_serves_goes_on(connection: Scene):
    before = (await read(connection)).body["active"]
    await change(connection, "adam", "PUT", "/epic", epic_side(connection) | OTHER)
    await waits(connection)
    answer = await sent_back(connection)
    assert answer.status == 200, answer.body
    pending = answer.body["pending"]
    assert (pending["state"], answer.body["active"]) == ("refused", before)
    assert (pending["refusal"]["reason"], pending["refusal"]["who"]) == ("The address is the old one.", ANA)
    refused(await begin(connection), 409, "wrong-state")
    refused(await change(connection, "adam", "POST", "/validation"), 409, "wrong-state")
    again = await change(connection, "adam", "PUT", "/epic", epic_side(connection) | OTHER)
    assert (again.body["pending"]["state"], again.body["pending"]["refusal"]) == ("draft", None)
    assert (await approve(connection)).body["revision"] == 2


async def test_only_the_named_approver_sends_back_and_only_what_waits(draft: Scene):
    refused(await sent_back(draft), 409, "wrong-state")
    await waits(draft)
    refused(await sent_back(draft, user="adam"), 403, "role-missing")
    path = at(draft, "/refusals")
    refused(await call(draft, "mallory", "POST", path, {"reason": "x"}, '"2"'), 404, "connection-unknown")
    refused(await call(draft, "ana", "POST", path, {"reason": "x"}), 428, "precondition-missing")
    refused(await call(draft, "ana", "POST", path, {"reason": "x"}, '"1"'), 412, "changed-meanwhile")
    for reason in ("", "x" * 501, None):
        refused(await sent_back(draft, reason), 422, "value-refused")  # type: ignore[arg-type]  # a wrong one
    await change(draft, "adam", "PUT", "/own", own_side() | {"approver": {"oid": ADAM, "upn": "adam"}})
    refused(await sent_back(draft), 403, "not-the-approver")
    assert (await read(draft)).body["pending"]["state"] == "needs-approval"


async def test_an_attempt_on_what_was_sent_back_approves_nothing(draft: Scene):
    await waits(draft)
    attempt = await begin(draft)
    await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    await sent_back(draft)
    refused(await finish(draft, attempt), 409, "wrong-state")


# --- an attempt


@pytest.mark.feature("F3.2", "F3.8")
async def test_an_attempt_shows_who_signed_in_at_epic_and_for_which_organisation(draft: Scene):
    await waits(draft)
    attempt = await begin(draft)
    path = at(draft, f"/approvals/{attempt.body['attempt']}")
    before = (await call(draft, "ana", "GET", path)).body
    assert (before["state"], before["epic_user"]) == ("waiting", None)
    _, page = await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    after = (await call(draft, "ana", "GET", path)).body
    login = world.EPIC_USERS["ana"].login
    assert (after["state"], after["epic_user"], after["organisation"]) == ("signed-in", login, "Lamna Healthcare")
    assert after["fhir_base_url"] == epic_side(draft)["fhir_base_url"]
    assert login in page
    assert "Lamna Healthcare" in page
    resting = await rows(draft, "RowKey ne ''", "Lookups") + await rows(draft, "RowKey ne ''", "Connections")
    assert login not in json.dumps(resting, default=str)
    refused(await call(draft, "mallory", "GET", path), 404, "connection-unknown")
    refused(await call(draft, "adam", "GET", path), 403, "role-missing")
    assert (await finish(draft, attempt)).status == 200
    refused(await call(draft, "ana", "GET", path), 409, "wrong-state")
    read_at_epic = [entry for entry in await draft.seen("epic") if "Practitioner/" in str(entry.get("path"))]
    assert read_at_epic == []


@pytest.mark.parametrize(
    ("language", "words"), [("es", "vuelva a la página"), ("fr", "revenez à la page"), ("de", "go back")]
)
async def test_the_page_with_the_code_speaks_the_browsers_language(draft: Scene, language: str, words: str):
    await waits(draft)
    attempt = await begin(draft)
    url = await sign_in_to_epic(draft, attempt.body["authorize_url"])
    async with draft.http.get(url, headers={"Accept-Language": language}) as answer:
        text = await answer.text()
    assert (answer.status, words in text, f'<html lang="{language if language != "de" else "en"}">' in text) == (
        200, True, True,
    )  # fmt: skip


async def test_an_attempt_whose_sign_in_came_to_nothing_says_so(draft: Scene):
    """Epic's code is spent: the approver's page need not wait for anything any more."""
    await waits(draft)
    attempt = await begin(draft)
    await draft.fault("epic", route="oauth2/token", do="status", status=400)
    status, _ = await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    assert status >= 400
    path = at(draft, f"/approvals/{attempt.body['attempt']}")
    assert (await call(draft, "ana", "GET", path)).body["state"] == "failed"
    await draft.behave("epic")
    refused(await finish(draft, attempt), 409, "wrong-state")


async def test_without_the_secret_that_the_sign_in_needs_no_attempt_begins(draft: Scene):
    side = epic_side(draft) | {"authentication": "client_secret"}
    assert (await change(draft, "adam", "PUT", "/epic", side)).status == 200
    await waits(draft)
    refused(await begin(draft), 409, "wrong-state")


@pytest.mark.feature("F3.5")
async def test_an_approver_lists_what_is_theirs_to_approve(draft: Scene):
    async def listed(user: str, query: str = "?mine=true&limit=1000") -> list[str]:
        items = (await call(draft, user, "GET", f"/config/connections{query}")).body["items"]
        return [one["id"] for one in items]

    mine = draft.facts["connection"]
    assert mine not in await listed("ana")
    await waits(draft)
    assert mine in await listed("ana")
    assert mine not in await listed("adam")
    assert mine in await listed("adam", "?limit=1000")
    assert mine not in await listed("mallory", "?limit=1000")
    await sent_back(draft)
    assert mine not in await listed("ana")


# --- what differs


@pytest.mark.feature("F3.6")
async def test_a_difference_names_what_waits_and_what_was_applied_since_the_approval(connection: Scene):
    nothing = {"waits": [], "at_once": []}
    assert (await call(connection, "ana", "GET", at(connection, "/difference"))).body == nothing
    await change(connection, "ana", "PUT", "/epic", epic_side(connection) | {"pkce": False})
    await change(connection, "adam", "PUT", "/own", own_side() | {"time_zone": "America/Denver"})
    found = (await call(connection, "ana", "GET", at(connection, "/difference"))).body
    assert found["waits"] == [{"path": "epic.pkce", "kind": "changed", "before": True, "after": False}]
    zone = {"path": "own.time_zone", "kind": "changed", "before": "America/Chicago", "after": "America/Denver"}
    assert zone in found["at_once"]
    refused(await call(connection, "mallory", "GET", at(connection, "/difference")), 404, "connection-unknown")


@pytest.mark.feature("F2.8", "F5.10")
async def test_before_saving_it_says_what_would_wait_and_what_would_apply_at_once(connection: Scene):
    before = (await read(connection)).body
    edited = {"epic": epic_side(connection) | {"pkce": False}, "own": own_side() | {"region": "CA"}}
    found = await call(connection, "ana", "POST", at(connection, "/difference"), edited)
    assert found.status == 200, found.body
    assert [one["path"] for one in found.body["waits"]] == ["epic.pkce"]
    assert [one["path"] for one in found.body["at_once"]] == ["own.region"]
    assert (await read(connection)).body == before
    wrong: list[dict[str, Any]] = [{"epic": {}}, {"own": {"time_zone": "x"}}, {"more": 1}]
    for body in wrong:
        refused(await call(connection, "ana", "POST", at(connection, "/difference"), body), 422, "value-refused")


# --- secrets and history


@pytest.mark.feature("F2.11")
async def test_of_a_secret_the_page_says_who_gave_it_and_when_and_never_what_it_is(draft: Scene):
    answer = await change(draft, "adam", "PUT", "/secrets/provider", {"secret": "plover-secret"})
    (given,) = answer.body["secrets"]
    assert (given["app"], given["who"], bool(given["at"])) == ("provider", ADAM, True)
    assert (given["client_id"], given["fhir_base_url"]) == (
        world.EPIC_APPS["test", "provider"],
        epic_side(draft)["fhir_base_url"],
    )
    history = await call(draft, "adam", "GET", "/config/history")
    for shown in (answer.body, (await read(draft)).body, history.body):
        assert "plover" not in json.dumps(shown)


async def test_history_of_the_tenant_is_newest_first_and_paged(draft: Scene):
    await change(draft, "adam", "PUT", "/own", own_side() | {"region": "CA"})
    await waits(draft)
    first = (await call(draft, "ana", "GET", "/config/history?limit=2")).body
    assert [one["did"] for one in first["items"]] == ["validated", "own side changed"]
    [region] = first["items"][1]["differences"]
    assert (first["items"][1]["who"], region["path"], region["before"], region["after"]) == (
        ADAM, "own.region", "US", "CA",
    )  # fmt: skip
    everything: list[str] = []
    after: str | None = ""
    for _ in range(4):  # other tests have left thousands
        if after is None:
            break
        page = (await call(draft, "ana", "GET", f"/config/history?limit=3&after={_quoted(after)}")).body
        everything += [f"{one['at']}|{one['connection']}|{one['change']:08d}" for one in page["items"]]
        after = page["next"]
    assert everything == sorted(set(everything), reverse=True)
    theirs = (await call(draft, "mallory", "GET", "/config/history")).body["items"]
    assert not [
        one for one in theirs if one["connection"] and not one["connection"].startswith(UUID(world.FABRIKAM_TENANT).hex)
    ]
    refused(await call(draft, "paula", "GET", "/config/history"), 403, "role-missing")


async def test_history_is_exported_as_a_file(draft: Scene):
    headers = {"Authorization": f"Bearer {await draft.token('ana')}"}
    async with draft.http.get(f"{draft.plan.urls['app']}/config/history.csv", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/csv")
        found = list(csv.DictReader(io.StringIO(await answer.text())))
    newest = (await call(draft, "ana", "GET", "/config/history?limit=1000")).body["items"]
    assert [row["at"] for row in found][: len(newest)] == [one["at"] for one in newest]
    assert set(found[0]) == {"connection", "change", "who", "did", "at", "differences"}
    async with draft.http.get(f"{draft.plan.urls['app']}/config/history.csv") as answer:
        assert answer.status == 401


def _quoted(text: str) -> str:
    return text.replace("+", "%2B").replace("|", "%7C")


# --- removal


async def test_a_removed_connection_serves_nobody_and_its_base_url_is_free_at_once(connection: Scene):
    await change(connection, "adam", "PUT", "/secrets/provider", {"secret": "plover-secret"})
    id_, url = connection.facts["connection"], launch_url(connection, "patient")
    refused(await call(connection, "adam", "DELETE", at(connection)), 428, "precondition-missing")
    refused(await call(connection, "adam", "DELETE", at(connection), etag='"1"'), 412, "changed-meanwhile")
    refused(await change(connection, "ana", "DELETE", ""), 403, "role-missing")
    assert (await change(connection, "adam", "DELETE", "")).status == 204
    refused(await read(connection), 404, "connection-unknown")
    async with browsers(connection, 1) as (pat,):
        assert code(await pat.go(f"{url}?iss=https://x.example&launch=y")) == "connection-unknown"
    assert (await engine.post(connection.plan, f"/hl7v2/{id_}", b"MSH|^~\\&|")).status == 404
    kept = [row["RowKey"] for row in await rows(connection, "RowKey ne ''", "Connections") if id_ in row["RowKey"]]
    assert {key.partition("|")[0] for key in kept} == {"gone", "hist"}
    assert await rows(connection, f"PartitionKey eq '{id_}'", "Secrets") == []
    history = (await call(connection, "adam", "GET", "/config/history")).body["items"]
    assert (history[0]["did"], history[0]["connection"], history[0]["who"]) == ("removed", id_, ADAM)
    again = await add(connection)
    assert again.status == 201, again.body
    connection.facts["connection"] = again.body["id"]


async def test_work_that_was_planned_for_a_removed_connection_ends_without_poison(connection: Scene):
    await texting_clinic(connection, 1)
    visit = await Visit.at_epic(connection, 0)
    await visit.announced()
    await visit.planned()
    await connection.run_timer("dispatch_due")
    assert await eventually(visit.ready, bool)
    assert (await change(connection, "adam", "DELETE", "")).status == 204
    before = await visit.texts()
    for wait in (timedelta(minutes=20), timedelta(hours=5)):  # reminders and the watch; then the visit's end
        connection.move(wait)
        await connection.run_timer("dispatch_due")
        assert await drained(connection) == {}
    await connection.run_timer("watch")
    await connection.run_timer("expire")
    assert await poison(connection) == {}
    assert await visit.texts() == before
    due = await rows(connection, f"connection eq '{connection.facts['connection']}'", "DueWork")
    assert {row["kind"] for row in due} <= {"erase-visit", "erase-phone"}, "only what is still to be erased"
