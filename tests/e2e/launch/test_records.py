"""Integration records on the running app: what a record says launches, and what it does not say changes nothing."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from sandbox import world
from sandbox.demo.api import Answer, call
from sandbox.demo.scene import Scene
from sandbox.demo.steps.set_up import ORGANISATION, epic_side, own_side
from tests.e2e.conftest import add, approve
from tests.e2e.launch.launching import (
    book,
    browsers,
    code,
    control,
    csn,
    meetings,
    own_changed,
    people,
    provider,
    rows,
    visits,
)

SERVED = {"provider": False, "patient": False, "provider-group": True, "patient-group": True}
#: A record of the public product, whose authority is somebody else's: another tenant, organiser and role.
FOREIGN = (
    f"tenantId={world.FABRIKAM_TENANT}&upn=mallory@fabrikam.example"
    f"&organizerId={world.USERS['mallory'].oid}&userType={{}}&subject=Visit&sessionId=%CSN%"
    "&departmentId=%PERFDEPID;;; ; ;;NONE;%"
)
OLD = "https://telehealth-amer.teams.microsoft.com/api/launchmeeting/epic"


async def asked(
    scene: Scene, method: str, path: str, body: dict[str, Any] | None = None, user: str | None = "ana"
) -> Answer:
    return await call(scene, user, method, f"/config/connections/{scene.facts['connection']}{path}", body)


async def values(scene: Scene) -> dict[str, dict[str, str]]:
    """Every record's rows, by kind."""
    shown = (await asked(scene, "GET", "/records")).body["records"]
    return {record["kind"]: {row["id"]: row["value"] for row in record["rows"]} for record in shown}


async def typed_into_epic(scene: Scene, role: str, record: dict[str, str], *, group: bool = False) -> None:
    """The analyst copies three values, and nothing else, into Epic's record."""
    copied = {"launch_url": record["launch-url"], "client_id": record["client-id"], "context": record["context"]}
    await control(scene, "epic", "POST", "fdi", copied | {"role": role, "group": group})


@pytest.mark.feature("F4.1", "F4.2", "F4.3", "F4.11")
@pytest.mark.parametrize(("kind", "group"), SERVED.items())
async def test_a_served_record_typed_into_epic_launches(clinic: Scene, kind: str, group: bool):
    records = await values(clinic)
    role = kind.removesuffix("-group")
    await typed_into_epic(clinic, role, records[kind], group=group)
    number, conference = csn(), csn()
    await book(clinic, number, **({"conference_id": conference} if group else {}))
    async with browsers(clinic, 1) as (browser,):
        page = await provider(browser, number) if role == "provider" else await browser.launch("pat", number)
    assert page.host == "graph"
    (visit,) = await visits(clinic)
    assert await people(clinic, visit["PartitionKey"]) == ["staff" if role == "provider" else "patient"]


@pytest.mark.feature("F9.2")
async def test_by_the_group_records_everybody_meets_in_one_room(clinic: Scene):
    records = await values(clinic)
    for role in ("provider", "patient"):
        await typed_into_epic(clinic, role, records[f"{role}-group"], group=True)
    conference, first, second = csn(), csn(), csn()
    await book(clinic, first, conference_id=conference)
    await book(clinic, second, patient="mo", conference_id=conference)
    async with browsers(clinic, 3) as (pat, mo, paula):
        pages = [await pat.launch("pat", first), await mo.launch("mo", second), await provider(paula, first)]
    assert len({_path(page.url) for page in pages}) == 1
    (visit,) = await visits(clinic)
    assert await people(clinic, visit["PartitionKey"]) == ["patient", "patient", "staff"]


async def test_a_record_that_says_it_is_not_served_is_not(clinic: Scene):
    shown = (await asked(clinic, "GET", "/records")).body["records"]
    launches = [one for one in shown if one["kind"] != "sms-configuration"]
    assert {one["kind"] for one in launches if one["served"]} == set(SERVED)
    async with browsers(clinic, 1) as (browser,):
        for record in launches:
            url = next(row["value"] for row in record["rows"] if row["id"] == "launch-url")
            page = await browser.ask("GET", url, params={"iss": epic_side(clinic)["fhir_base_url"], "launch": "x"})
            assert (page.status == 303) is record["served"], record["kind"]


@pytest.mark.feature("F4.9")
async def test_records_are_shown_once_approved_with_the_hospitals_own_names(clinic: Scene):
    named = own_side() | {"launch": {"context": {"csn": "visit"}}}
    assert (await own_changed(clinic, named)).status == 200
    answer = await asked(clinic, "GET", "/records", user="adam")
    assert answer.body["environment"] == "test"
    assert answer.etag == f'"{answer.body["change"]}"'
    records = await values(clinic)
    assert records["provider"]["context"].startswith("visit=%CSN%&sessionId=%CSN%&")
    assert records["provider"]["client-id"] == world.EPIC_APPS["test", "provider"]
    assert records["sms-configuration"]["hl7-url"] == f"{clinic.plan.urls['hl7']}/hl7v2/{clinic.facts['connection']}"
    assert all(row in answer.body["text"] for record in records.values() for row in record.values())
    await typed_into_epic(clinic, "patient", records["patient"])
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (pat,):
        assert (await pat.launch("pat", number)).host == "graph"


# --- before approval


@pytest.fixture
async def unregistered(draft: Scene) -> AsyncIterator[Scene]:
    """A draft, and at Epic apps that nobody has set up; they are as before afterwards."""
    usual = await control(draft, "epic", "GET", "apps?instance=test")
    bare: dict[str, Any] = {"redirect_uris": [], "user_types": [], "scopes": [], "incoming_apis": [], "jwks_url": None}
    for client_id in usual:
        await control(draft, "epic", "PATCH", f"apps/{client_id}", bare)
    yield draft
    for client_id, app in usual.items():
        await control(draft, "epic", "PATCH", f"apps/{client_id}", app)


@pytest.mark.feature("F1.1")
async def test_what_is_registered_beforehand_is_all_that_epic_needs(unregistered: Scene):
    """The stand-in refuses what was not registered: with exactly these values approval and a launch go through."""
    refused = await asked(unregistered, "GET", "/records")
    assert (refused.status, refused.body["code"]) == (409, "wrong-state")
    told = (await asked(unregistered, "GET", "/registration")).body
    assert (told["revision"], told["environment"]) == ("pending", "test")
    for app in told["apps"]:
        registered = {
            "redirect_uris": app["redirect_uris"],
            "user_types": app["user_types"],
            "jwks_url": told["key_set"],
            "incoming_apis": app["apis"],
            "scopes": app["scopes"],
        }
        await control(unregistered, "epic", "PATCH", f"apps/{app['client_id']}", registered)
    approved = await approve(unregistered)
    assert approved.status == 200, approved.body
    assert (await asked(unregistered, "GET", "/registration")).body["revision"] == "active"
    records = await values(unregistered)
    await typed_into_epic(unregistered, "patient", records["patient"])
    await book(unregistered, number := csn())
    async with browsers(unregistered, 1) as (pat,):
        assert (await pat.launch("pat", number)).host == "graph"


async def test_the_keys_shown_are_those_that_are_published(draft: Scene):
    told = (await asked(draft, "GET", "/registration")).body
    async with draft.http.get(told["key_set"]) as answer:
        published = await answer.json()
    assert [key["kid"] for key in told["keys"]] == [key["kid"] for key in published["keys"]]


# --- the check


@pytest.mark.feature("F4.10", "F14.4")
async def test_a_record_copied_right_is_in_order_and_one_copied_wrong_is_told_what_is_wrong(clinic: Scene):
    shown = (await asked(clinic, "GET", "/records")).body["records"]
    text = next(record["text"] for record in shown if record["kind"] == "provider")
    right = await asked(clinic, "POST", "/records/check", {"pasted": text})
    assert (right.status, right.body["kind"], right.body["differences"]) == (200, "provider", [])
    assert right.body["launches"]
    wrong = text.replace("https://", "http://").replace("&externalId=%EPICUSERID%", "")
    found = await asked(clinic, "POST", "/records/check", {"kind": "provider", "pasted": wrong})
    assert [one["id"] for one in found.body["differences"]] == ["url-not-https", "external-id-missing"]
    assert not found.body["launches"]
    assert all(one["why"] and one["do"] and one["see"] for one in found.body["differences"])


@pytest.mark.feature("F14.5", "F14.7")
async def test_production_values_in_a_test_record_are_named_as_such(clinic: Scene):
    await call(clinic, "olivia", "PUT", "/config/organisations", ORGANISATION | {"production": True})
    epic = epic_side(clinic) | {"fhir_base_url": "https://epic.lamna.example/FHIR/R4"}
    epic |= {f"{app}_client_id": world.EPIC_APPS["production", app] for app in ("provider", "patient", "backend")}
    other = await add(clinic, environment="production", epic=epic)
    assert other.status == 201, other.body
    held = {
        "kind": "patient",
        "launch_url": f"{clinic.plan.urls['app']}/launch/patient/{other.body['id']}",
        "client_id": world.EPIC_APPS["production", "patient"],
        "context": (await values(clinic))["patient"]["context"],
    }
    found = await asked(clinic, "POST", "/records/check", held)
    assert [one["id"] for one in found.body["differences"]] == [
        "url-other-environment",
        "client-id-other-environment",
    ]
    await call(clinic, "olivia", "PUT", "/config/organisations", ORGANISATION)


async def test_a_pasted_patient_value_comes_back_nowhere(clinic: Scene):
    secret = "7209998877"
    pasted = f"CONTEXT=csn={secret}&externalId=%EPICUSERID%&fname=Umbrosia&{secret}"
    held = {"kind": "patient", "pasted": pasted, "launch_url": None}
    found = await asked(clinic, "POST", "/records/check", held)
    assert {one["id"] for one in found.body["differences"]} >= {"looks-expanded", "not-a-pair"}
    refused = await asked(clinic, "POST", "/records/check", held | {"context": pasted})
    assert refused.status == 422
    logs = b"".join(path.read_bytes() for path in clinic.plan.path("logs").glob("*.log"))
    for said in (str(found.body), str(refused.body), logs.decode(errors="replace")):
        assert secret not in said
        assert "Umbrosia" not in said


@pytest.mark.parametrize("path", ["/records", "/registration", "/records/check", "/records/migration"])
async def test_nobody_else_sees_or_checks_a_record(connection: Scene, path: str):
    body = {"/records/check": {"pasted": "x"}, "/records/migration": {"records": [{"pasted": "x"}]}}.get(path)
    method = "POST" if body else "GET"
    assert (await asked(connection, method, path, body, user=None)).status == 401
    assert (await asked(connection, method, path, body, user="mallory")).status == 404
    assert (await asked(connection, method, path, body, user="paula")).status == 403


# --- migration


@pytest.mark.feature("F4.6", "F4.7", "F4.12")
@pytest.mark.parametrize(("role", "user_type"), [("provider", 2), ("patient", 1)])
async def test_a_migrated_record_launches_with_its_old_context_and_the_old_authority_is_nothing(
    clinic: Scene, role: str, user_type: int
):
    """Only launch URL and client id change. The old record names another tenant, organiser and role, to no effect."""
    context = FOREIGN.format(user_type)
    pasted = f"Meeting URL {OLD}\nClient ID: {world.API_APP}\nContext token: {context}"
    answer = await asked(clinic, "POST", "/records/migration", {"records": [{"kind": role, "pasted": pasted}]})
    (made,) = answer.body["records"]
    assert [one["id"] for one in made["needed"]] == ["url-of-public-product", "client-id-unknown"]
    assert made["ignored"] == ["tenantId", "upn", "organizerId", "userType"]
    url, client_id = (one["expected"] for one in made["needed"])
    await typed_into_epic(clinic, role, {"launch-url": url, "client-id": client_id, "context": context})
    await book(clinic, number := csn())
    async with browsers(clinic, 1) as (browser,):
        page = await provider(browser, number) if role == "provider" else await browser.launch("pat", number)
    assert page.host == "graph", code(page)
    (visit,) = await visits(clinic)
    assert await people(clinic, visit["PartitionKey"]) == ["staff" if role == "provider" else "patient"]
    (meeting,) = [one for one in await meetings(clinic) if _path(one["joinWebUrl"]) == _path(page.url)]
    organiser = meeting["participants"]["organizer"]["identity"]["user"]
    assert organiser["id"] in {world.USERS[key].oid for key in ("rooms", "rooms2")}
    assert organiser["tenantId"] == world.LAMNA_TENANT
    assert await rows(clinic, f"PartitionKey eq '{world.FABRIKAM_TENANT}'", "People") == []


def _path(url: str) -> str:
    return unquote(urlsplit(url).path)
