"""What holds for every operation of the config API: a POST is done once, a change is made to what was read."""

import csv
import hashlib
import io
import json
import secrets
from typing import Any

import pytest

from sandbox import world
from sandbox.demo.api import Answer, call, change
from sandbox.demo.rows import all_opened
from sandbox.demo.scene import Scene
from sandbox.demo.steps.set_up import epic_side, own_side

KEY = "a-script-made-this-key"
NUMBER = {"number": "+16085550142"}


async def post(
    scene: Scene, user: str, path: str, body: Any = None, *, key: str = KEY, etag: str | None = None
) -> Answer:
    """A POST with an Idempotency-Key."""
    token = await scene.token(user)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key} | ({"If-Match": etag} if etag else {})
    async with scene.http.post(scene.plan.urls["app"] + path, headers=headers, json=body) as answer:
        return Answer(answer.status, await answer.json(content_type=None), answer.headers.get("ETag"))


def at(scene: Scene, path: str = "") -> str:
    return f"/config/connections/{scene.facts['connection']}{path}"


async def read(scene: Scene) -> Answer:
    return await call(scene, "adam", "GET", at(scene))


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body.get("code")) == (status, code), answer.body


# --- Idempotency-Key


async def test_a_change_that_is_sent_again_with_its_key_is_made_once_and_answered_alike(draft: Scene):
    before = await read(draft)
    first = await post(draft, "adam", at(draft, "/allow-list"), NUMBER, etag=before.etag)
    again = await post(draft, "adam", at(draft, "/allow-list"), NUMBER, etag=before.etag)
    assert (first.status, again.status) == (201, 201), again.body
    assert (again.body, again.etag) == (first.body, first.etag)
    assert (await read(draft)).body["change"] == before.body["change"] + 1


async def test_without_its_key_the_same_change_is_refused_the_second_time(draft: Scene):
    before = await read(draft)
    await post(draft, "adam", at(draft, "/allow-list"), NUMBER, etag=before.etag)
    refused(await post(draft, "adam", at(draft, "/allow-list"), NUMBER, key="other", etag=before.etag), 412,
            "changed-meanwhile")  # fmt: skip


async def test_a_key_answers_no_other_request(draft: Scene):
    before = await read(draft)
    await post(draft, "adam", at(draft, "/allow-list"), NUMBER, etag=before.etag)
    other = await post(draft, "adam", at(draft, "/allow-list"), {"number": "+16085550143"}, etag=before.etag)
    refused(other, 422, "value-refused")


async def test_what_only_asks_is_answered_anew_and_leaves_nothing_behind(connection: Scene):
    """Whoever pastes a record to have it checked, or writes a text, leaves it nowhere, with a key or without."""
    pasted = {"kind": "provider", "pasted": "CONTEXT=csn=%CSN%&somethingofours=%EPICUSERID%"}
    for path, body in (("/records/check", pasted), ("/text-previews", {"kind": "booked", "template": "Ours {link}"})):
        before = await lookups(connection)
        answers = [await post(connection, "adam", at(connection, path), body) for _ in range(2)]
        assert [one.status for one in answers] == [200, 200], answers
        assert await lookups(connection) == before


async def lookups(scene: Scene) -> set[str]:
    return {row["RowKey"] async for row in scene.tables.get_table_client("Lookups").list_entities()}


async def test_a_key_gives_nobody_the_answer_of_somebody_else(draft: Scene):
    body = {"epic": epic_side(draft)}
    assert (await post(draft, "adam", at(draft, "/difference"), body)).status == 200
    refused(await post(draft, "mallory", at(draft, "/difference"), body), 404, "connection-unknown")
    refused(await post(draft, "rita", at(draft, "/difference"), body), 403, "role-missing")


async def test_a_long_answer_is_given_again_too(draft: Scene):
    own = own_side()
    own["hl7"] = {"video_visit_types": [secrets.token_urlsafe(600) for _ in range(200)]}
    first = await post(draft, "adam", at(draft, "/difference"), {"own": own})
    again = await post(draft, "adam", at(draft, "/difference"), {"own": own})
    assert (first.status, again.status) == (200, 200), again.body
    assert again.body == first.body
    assert len(first.body["at_once"][0]["after"]) == 200


async def test_nothing_of_a_request_can_be_guessed_from_what_is_kept_of_it(draft: Scene):
    before = await read(draft)
    await post(draft, "adam", at(draft, "/allow-list"), NUMBER, key="guessed", etag=before.etag)
    known = hashlib.sha256(b"\n" + json.dumps(NUMBER).encode()).hexdigest()
    entities = draft.tables.get_table_client("Lookups").list_entities()
    kept = [str(dict(row)) async for row in entities if row["PartitionKey"].startswith("idempotency|")]
    assert kept
    assert not [row for row in kept if known in row]
    assert known in await all_opened(draft, "Lookups")  # so it was looked for as it is kept


async def test_a_refusal_does_not_use_a_key_up(draft: Scene):
    before = await read(draft)
    refused(await post(draft, "adam", at(draft, "/allow-list"), NUMBER, etag='"0"'), 412, "changed-meanwhile")
    assert (await post(draft, "adam", at(draft, "/allow-list"), NUMBER, etag=before.etag)).status == 201


# --- a change is made to what was read


@pytest.mark.feature("F2.10", "F3.3")
async def test_nobody_begins_to_approve_what_they_have_not_read(draft: Scene):
    read_by_ana = (await change(draft, "adam", "POST", "/validation")).etag
    elsewhere = epic_side(draft)
    elsewhere["write_back"] = elsewhere["write_back"] | {"url": "https://elsewhere.example/collect"}
    assert (await change(draft, "adam", "PUT", "/epic", elsewhere)).status == 200
    refused(await call(draft, "ana", "POST", at(draft, "/approvals"), None, read_by_ana), 412, "changed-meanwhile")
    refused(await call(draft, "ana", "POST", at(draft, "/approvals")), 428, "precondition-missing")


# --- what is stored and exported


async def test_settings_that_no_row_holds_are_refused_and_change_nothing(draft: Scene):
    before = await read(draft)
    own = own_side()
    own["hl7"] = {"video_visit_types": [f"{number:0400}" for number in range(200)]}
    refused(await change(draft, "adam", "PUT", "/own", own), 413, "body-too-large")
    assert (await read(draft)).body == before.body


@pytest.mark.feature("F1.12")
async def test_no_cell_of_the_exported_history_becomes_a_formula_whatever_separates_cells(draft: Scene):
    own = own_side() | {"hl7": {"status_actions": {"x;=cmd|'/C calc'!A0": "cancel", "a\t@SUM(1)": "cancel"}}}
    assert (await change(draft, "adam", "PUT", "/own", own)).status == 200
    token = await draft.token("adam")
    url = draft.plan.urls["app"] + "/config/history.csv"
    async with draft.http.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        text = await answer.text()
    assert "own.hl7.status_actions.x__cmd" in text
    for separator in ",;\t|":
        cells = [cell for row in csv.reader(io.StringIO(text), delimiter=separator) for cell in row]
        assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]


@pytest.mark.feature("F2.12")
@pytest.mark.parametrize("spelt", ["/API/FHIR/R4", "/api/FHIR/r4", "/Api/Fhir/R4"])
async def test_an_address_in_other_letters_is_the_same_address(draft: Scene, spelt: str):
    fabrikam = {"tenant": world.FABRIKAM_TENANT, "id": "fabrikam", "name": "Fabrikam"}
    assert (await call(draft, "olivia", "PUT", "/config/organisations", fabrikam)).status == 200
    mallory = {"oid": world.USERS["mallory"].oid, "upn": world.USERS["mallory"].upn}
    epic = epic_side(draft)
    epic["fhir_base_url"] = epic["fhir_base_url"].replace("/api/FHIR/R4", spelt)
    body = {"organisation": "fabrikam", "environment": "test", "epic": epic, "own": own_side() | {"approver": mallory}}
    refused(await call(draft, "mallory", "POST", "/config/connections", body), 409, "fhir-base-taken")
