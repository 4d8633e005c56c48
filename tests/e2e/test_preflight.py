"""Preflight, discovery and launch test against the running sandbox: all green, then each fault turns its own link red.

What a fault makes a link say stands in docs/troubleshooting.md; `shown` of tests/e2e/troubleshooting.py keeps it so.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from sandbox import world
from sandbox.demo.api import Answer, call, change
from sandbox.demo.scene import Scene
from sandbox.demo.steps.set_up import epic_side
from shared.domain.preflight_findings import FINDINGS
from tests.e2e.launch.launching import control, launch_url, own_changed, rows
from tests.e2e.troubleshooting import shown
from tests.e2e.visiting import clinic

BACKEND, PROVIDER, PATIENT = (world.EPIC_APPS["test", role] for role in ("backend", "provider", "patient"))
ROOMS = world.USERS["rooms"].oid
SMS = {"may_send_for_us": True, "patients_have_consented": True, "number": world.ACS_NUMBER, "reminders": []}
POOL = [world.USERS[key].oid for key in ("rooms", "rooms2")]
#: What is green without anything having happened yet.
USUAL = {"sms-reports": "sms-reports-none"}


@pytest.fixture
async def hospital(connection: Scene) -> AsyncIterator[Scene]:
    """A hospital that is set up: records at Epic, organisers, texts, a certificate, a number on the allow-list."""
    await clinic(connection, 1)
    connection.facts["apps"] = await control(connection, "epic", "GET", "apps")
    yield connection
    await mended(connection)


async def mended(scene: Scene) -> None:
    """Epic, Graph, Entra and Communication Services as they were."""
    for client, record in scene.facts["apps"].items():
        await control(scene, "epic", "PATCH", f"apps/{client}", record)
    for user in ("rooms", "rooms2", "ana"):
        await control(scene, "graph", "PATCH", f"people/{user}", {"enabled": True, "licensed": True})
    await control(scene, "graph", "POST", "policies", {"user": "rooms"})
    await control(scene, "entra", "PUT", f"consents/{world.LAMNA_TENANT}")
    await control(scene, "acs", "POST", "numbers/standing", {"number": world.ACS_NUMBER, "sms": "inbound+outbound"})
    await verification(scene, "verified")
    for peer in ("epic", "graph", "acs", "entra"):
        await scene.behave(peer)


async def preflight(scene: Scene, user: str = "adam", query: str = "") -> Answer:
    return await call(scene, user, "POST", f"/config/connections/{scene.facts['connection']}/preflight{query}")


async def launch_test(scene: Scene, role: str, **more: Any) -> Answer:
    path = f"/config/connections/{scene.facts['connection']}/launch-tests"
    return await call(scene, "adam", "POST", path, {"role": role} | more)


async def discovered(
    scene: Scene, url: str, environment: str = "test", user: str = "adam", **more: Any
) -> dict[str, Any]:
    body = {"fhir_base_url": url, "environment": environment} | more
    answer = await call(scene, user, "POST", "/config/discovery", body)
    assert answer.status == 200, answer.body
    return answer.body


def not_green(answer: Answer) -> dict[str, str]:
    """Links that are not ok, with what was found."""
    assert answer.status == 200, answer.body
    return {link["id"]: link["finding"] for link in answer.body["links"] if link["state"] != "ok"}


def red(answer: Answer) -> set[tuple[str, str]]:
    """Links that failed."""
    return {(link["id"], link["finding"]) for link in answer.body["links"] if link["state"] == "failed"}


def said_of(found: dict[str, Any], fault: str, check: str, *entries: str) -> None:
    """What a check said is what its catalogue says, and stands in the troubleshooting page."""
    entry = FINDINGS[found["finding"]]
    assert found["found"] == entry.found.format_map(found["parameters"])
    assert found["what_to_do"] == entry.to_do.format_map(found["parameters"])
    for name in entries:
        assert name in found["ids"], found
        shown(name, fault, check, f"{entry.found} {entry.to_do}")


# --- all well


@pytest.mark.feature("F4.11")
async def test_a_hospital_that_is_set_up_is_green_and_nothing_is_left_of_the_check(hospital: Scene):
    before = await traces(hospital)
    answer = await preflight(hospital, "ana")
    assert not_green(answer) == USUAL
    assert answer.body["revision"] == "active"
    assert [link["id"] for link in answer.body["links"]].count("organiser") == len(POOL)
    assert all(link["found"] and link["took_ms"] >= 0 for link in answer.body["links"])
    assert await traces(hospital) == before
    assert (await hospital.seen("epic", "write-back"))[-1]["accepted"] is False


@pytest.mark.feature("F1.6")
async def test_what_preflight_found_in_order_is_ticked_on_the_checklist_and_never_unticked(hospital: Scene):
    table = hospital.tables.get_table_client("Organisations")
    async for row in table.list_entities():
        if row["RowKey"].startswith("tick|"):
            await table.delete_entity(row)

    async def ticked() -> dict[str, str]:
        lines = (await call(hospital, "adam", "GET", "/config/onboarding?organisation=lamna")).body["prerequisites"]
        return {one["name"]: one["who"] for one in lines if one["done"] and one["source"] == "preflight"}

    assert await ticked() == {}
    await hospital.fault("epic", route="GET .*/api/FHIR", do="status", status=503)
    await preflight(hospital)
    assert await ticked() == {"licences": "preflight"}
    await hospital.behave("epic")
    await preflight(hospital)
    assert await ticked() == {"licences": "preflight", "epic-version": "preflight"}
    await hospital.fault("epic", route="GET .*/api/FHIR", do="status", status=503)
    await preflight(hospital)
    assert len(await ticked()) == 2


async def traces(scene: Scene) -> dict[str, int]:
    """Rows that a visit would leave, and meetings at Graph."""
    counts = {
        table: len(await rows(scene, "PartitionKey ne ''", table))
        for table in ("Visits", "Audit", "Texts", "DueWork", "Parked")
    }
    return counts | {"meetings": len(await control(scene, "graph", "GET", "meetings"))}


async def test_a_waiting_revision_is_checked_as_it_waits(hospital: Scene):
    proposal = epic_side(hospital) | {"write_back": {"url": f"https://{elsewhere(hospital)}/write-back"}}
    assert (await change(hospital, "adam", "PUT", "/epic", proposal)).status == 200
    assert not_green(await preflight(hospital)) == USUAL
    waiting = await preflight(hospital, query="?revision=pending")
    assert not_green(waiting) == USUAL | {"serving": "serving-not-approved", "write-back": "write-back-not-approved"}
    assert not [one for one in await hospital.seen("graph", "request") if one["path"] == "/write-back"]
    assert (await change(hospital, "adam", "DELETE", "/pending")).status == 200
    refused = await preflight(hospital, query="?revision=pending")
    assert (refused.status, refused.body["code"]) == (409, "wrong-state")


def elsewhere(scene: Scene) -> str:
    """Another host of the sandbox than Epic's, one that may be called."""
    return scene.plan.urls["graph"].removeprefix("https://")


async def test_before_the_first_approval_nobodys_backend_app_is_used(draft: Scene):
    """Anybody may draft an Epic and a client id that are not theirs: only the approver's sign-in there proves them."""
    asked = [len(await draft.seen("epic", kind)) for kind in ("token", "write-back")]
    answer = await preflight(draft)
    assert answer.status == 200, answer.body
    assert [len(await draft.seen("epic", kind)) for kind in ("token", "write-back")] == asked


async def test_another_tenant_checks_nothing_of_this_one(hospital: Scene):
    assert (await preflight(hospital, "mallory")).status == 404
    path = f"/config/connections/{hospital.facts['connection']}/launch-tests"
    assert (await call(hospital, "mallory", "POST", path, {"role": "provider"})).status == 404
    assert (await preflight(hospital, "rita")).status == 403


# --- fault by fault


@dataclass(frozen=True)
class Fault:
    """A fault, how it gets in, and what it must turn red, as `link=finding`.

    beside   what else is not green then: links that cannot be tried, and warnings
    ids      entries of the troubleshooting page that it is an example of
    """

    what: str
    put_in: Callable[[Scene], Awaitable[Any]]
    red: str
    beside: dict[str, str] = field(default_factory=dict)
    ids: tuple[str, ...] = ()

    @property
    def failed(self) -> set[tuple[str, ...]]:
        return {tuple(one.split("=")) for one in self.red.split()}

    @property
    def seen(self) -> dict[str, str]:
        return self.beside | dict(self.failed)


def epic_app(client: str, without: str = "", **changes: Any) -> Callable[[Scene], Awaitable[Any]]:
    async def put_in(scene: Scene) -> None:
        apps = await control(scene, "epic", "GET", "apps")
        if without:
            changes["incoming_apis"] = [one for one in apps[client]["incoming_apis"] if one != without]
        await control(scene, "epic", "PATCH", f"apps/{client}", changes)

    return put_in


def fault(peer: str, **how: Any) -> Callable[[Scene], Awaitable[Any]]:
    return lambda scene: scene.fault(peer, **how)


def person(user: str, **changes: bool) -> Callable[[Scene], Awaitable[Any]]:
    return lambda scene: control(scene, "graph", "PATCH", f"people/{user}", changes)


def number(sms: str | None) -> Callable[[Scene], Awaitable[Any]]:
    standing = {"number": world.ACS_NUMBER, "sms": sms}
    return lambda scene: control(scene, "acs", "POST", "numbers/standing", standing)


async def _no_policy(scene: Scene) -> None:
    await control(scene, "graph", "DELETE", "policies/rooms")


async def _no_consent(scene: Scene) -> None:
    await control(scene, "entra", "DELETE", f"consents/{world.LAMNA_TENANT}")


_NEEDS = {"fhir-read": "needs", "write-back": "needs"}
_NO_EPIC = _NEEDS | {"app": "needs", "backend-token": "needs"}
FAULTS = [
    Fault(
        "Epic's FHIR server is away",
        fault("epic", route="GET .*/api/FHIR", do="status", status=503),
        "discovery=away",
        _NO_EPIC,
    ),
    Fault(
        "Nothing is at the FHIR base URL",
        fault("epic", route="GET .*/api/FHIR", do="status", status=404),
        "discovery=discovery-not-fhir",
        _NO_EPIC,
        ("F14.1",),
    ),
    Fault(
        "The backend app is not synced to Epic yet",
        epic_app(BACKEND, synced=False),
        "backend-token=discovery-client-unknown",
        _NEEDS,
        ("F14.2",),
    ),
    Fault(
        "The provider app is not synced to Epic yet",
        epic_app(PROVIDER, synced=False),
        "app=discovery-client-unknown",
        ids=("F14.2",),
    ),
    Fault(
        "The patient app lacks our redirect URI", epic_app(PATIENT, redirect_uris=[]), "app=app-refused", ids=("F14.4",)
    ),
    Fault(
        "The provider app lacks a scope",
        epic_app(PROVIDER, scopes=["launch", "openid"]),
        "app=app-error",
        ids=("F14.4",),
    ),
    Fault(
        "The key is not in Epic: its JWK Set URL is another's",
        epic_app(BACKEND, jwks_url=None),
        "backend-token=backend-token-invalid-client",
        _NEEDS,
        ("F14.2",),
    ),
    Fault(
        "No Epic user stands behind the backend app",
        epic_app(BACKEND, mapped_user=False),
        "backend-token=backend-token-invalid-client",
        _NEEDS,
        ("F14.2",),
    ),
    Fault(
        "The backend app may not read appointments",
        epic_app(BACKEND, without="Appointment.Read"),
        "fhir-read=fhir-read-scope",
    ),
    Fault(
        "The backend app may not write back",
        epic_app(BACKEND, without="SetExternalConnectionStatus"),
        "write-back=write-back-scope",
    ),
    Fault(
        "Write-back is down",
        fault("epic", route="SetExternalConnectionStatus", do="status", status=503),
        "write-back=away",
    ),
    Fault(
        "Write-back takes our token no more",
        fault("epic", route="SetExternalConnectionStatus", do="status", status=401),
        "write-back=write-back-not-let-in",
    ),
    Fault(
        "Nothing is at the write-back address",
        fault("epic", route="SetExternalConnectionStatus", do="status", status=404),
        "write-back=write-back-no-address",
    ),
    Fault(
        "The tenant has withdrawn its consent",
        _no_consent,
        "graph-token=graph-token-no-consent",
        {"approver": "needs", "organiser": "needs"},
    ),
    Fault("No access policy", _no_policy, "organiser=organiser-no-policy"),
    Fault("The organiser has no licence", person("rooms", licensed=False), "organiser=organiser-no-licence"),
    Fault("The organiser's account is disabled", person("rooms", enabled=False), "organiser=organiser-disabled"),
    Fault("The approver's account is disabled", person("ana", enabled=False), "approver=approver-disabled"),
    Fault("The number is gone", number(None), "sms=sms-number-gone"),
    Fault("The number cannot send", number("inbound"), "sms=sms-number-silent"),
    Fault(
        "Communication Services refuses us",
        fault("acs", route="GET /phoneNumbers", do="status", status=401),
        "sms=sms-service-refused",
    ),
]


@pytest.mark.feature("F14.2")
@pytest.mark.parametrize("one", FAULTS, ids=lambda one: one.what)
async def test_a_fault_turns_exactly_its_own_link_red_until_it_is_mended(hospital: Scene, one: Fault):
    await one.put_in(hospital)
    answer = await preflight(hospital)
    assert red(answer) == one.failed
    assert not_green(answer) == USUAL | one.seen
    for link in answer.body["links"]:
        if link["state"] == "failed":
            assert link["what_to_do"]
            said_of(link, one.what, "preflight", *one.ids)
    await mended(hospital)
    assert not_green(await preflight(hospital)) == USUAL


async def stored(scene: Scene, change_settings: Callable[[dict[str, Any]], None]) -> None:
    """Change the connection's row: what no door would take, or what time has done."""
    table = scene.tables.get_table_client("Connections")
    row = await table.get_entity(world.LAMNA_TENANT, f"conn|{scene.facts['connection']}")
    settings = json.loads(row["settings"])
    change_settings(settings)
    row["settings"] = json.dumps(settings)
    await table.update_entity(row)


async def pinned_until(scene: Scene, end: timedelta) -> None:
    def ends(settings: dict[str, Any]) -> None:
        for pin in settings["own"]["certificates"]:
            pin["not_after"] = (scene.now() + end).isoformat()

    await stored(scene, ends)


async def short_code(scene: Scene) -> None:
    await stored(scene, lambda settings: settings["own"]["sms"].update({"number": "12345"}))


async def unverified(scene: Scene) -> None:
    """A person says so: no API would."""
    await verification(scene, "pending")


async def verification(scene: Scene, state: str) -> None:
    """How the verification of the hospital's number stands, as somebody says."""
    listed = await call(scene, "adam", "GET", "/config/numbers")
    order = next(one["id"] for one in listed.body["items"] if one["number"] == world.ACS_NUMBER)
    said = await call(scene, "adam", "PUT", f"/config/numbers/{order}/verification", {"state": state})
    assert said.status == 200, said.body


async def unpinned(scene: Scene) -> None:
    row = await call(scene, "adam", "GET", f"/config/connections/{scene.facts['connection']}")
    for pin in row.body["own"]["certificates"]:
        await change(scene, "adam", "DELETE", f"/certificates/{pin['spki']}")


async def no_longer_allowed(scene: Scene) -> None:
    row = await call(scene, "adam", "GET", f"/config/connections/{scene.facts['connection']}")
    for pseudonym in row.body["own"]["sms"]["allow_list"]:
        await change(scene, "adam", "DELETE", f"/allow-list/{pseudonym}")


async def suspended(scene: Scene) -> None:
    assert (await change(scene, "adam", "PUT", "/suspension", {"suspended": True})).status == 200


async def of_production_that_is_not_entitled(scene: Scene) -> None:
    """As if the operator had taken the entitlement back after approval."""
    await stored(scene, lambda settings: settings.update({"environment": "production"}))


async def texted(scene: Scene, **facts: Any) -> None:
    """A text of today, as its row would stand."""
    now = scene.now()
    usual = {"appointment": "a", "kind": "reminder", "slot": 1, "version": 1, "state": "accepted"}
    row = {
        "PartitionKey": f"{scene.facts['connection']}|{now:%Y%m%d}",
        "RowKey": "t1",
        "first_sent": now - timedelta(hours=2),
    }
    await scene.tables.get_table_client("Texts").upsert_entity(row | usual | facts)


def own(**changes: Any) -> Callable[[Scene], Awaitable[Any]]:
    return lambda scene: own_changed(scene, {"organisers": POOL, "sms": SMS} | changes)


_NO_SMS = {"sms-reports": "needs", "allow-list": "needs"}
SETTINGS = [
    Fault("The connection is suspended", suspended, "serving=serving-suspended", ids=("F14.7",)),
    Fault(
        "Production, and the organisation is not entitled to it",
        of_production_that_is_not_entitled,
        "entitlement=entitlement-missing backend-token=backend-token-invalid-client",
        _NEEDS | {"allow-list": "allow-list-not-needed"},
        ("F14.6",),
    ),
    Fault("Nobody is in the organiser pool", own(organisers=[]), "organiser=organiser-none"),
    Fault(
        "An organiser is of another tenant", own(organisers=[world.USERS["mallory"].oid]), "organiser=organiser-unknown"
    ),
    Fault(
        "The approver is of another tenant",
        own(approver={"oid": world.USERS["mallory"].oid, "upn": "x@lamna.example"}),
        "approver=approver-unknown",
    ),
    Fault(
        "A number without both consents",
        own(sms=SMS | {"patients_have_consented": False}),
        "sms=sms-no-consent",
        _NO_SMS,
    ),
    Fault("Consents without a number", own(sms=SMS | {"number": None}), "sms=sms-no-number", _NO_SMS),
    Fault("Texts are off", own(sms={}), "", _NO_SMS | {"sms": "sms-off"}),
    Fault("A short code", short_code, "", {"sms": "sms-short-code"}),
    Fault("The number's verification is not granted", unverified, "sms=sms-not-verified"),
    Fault("The allow-list is empty", no_longer_allowed, "allow-list=allow-list-empty"),
    Fault(
        "The engine's certificate is over",
        lambda scene: pinned_until(scene, timedelta(hours=-1)),
        "hl7-certificate=hl7-certificate-over",
    ),
    Fault(
        "The engine's certificate ends soon",
        lambda scene: pinned_until(scene, timedelta(days=9)),
        "",
        {"hl7-certificate": "hl7-certificate-ends"},
    ),
    Fault("No certificate is pinned", unpinned, "", {"hl7-certificate": "hl7-certificate-none"}),
    Fault("No report came for a text", texted, "", {"sms-reports": "sms-reports-missing"}),
    Fault(
        "The toll-free number is not verified",
        lambda scene: texted(scene, state="failed", code="4010"),
        "sms-reports=sms-unverified",
    ),
]


@pytest.mark.feature("F14.6", "F14.7")
@pytest.mark.parametrize("one", SETTINGS, ids=lambda one: one.what)
async def test_a_setting_that_is_wrong_turns_its_own_link_red(hospital: Scene, one: Fault):
    assert not_green(await preflight(hospital)) == USUAL
    await one.put_in(hospital)
    answer = await preflight(hospital)
    assert red(answer) == one.failed
    assert not_green(answer) == USUAL | one.seen
    for link in answer.body["links"]:
        if link["state"] == "failed" and link["id"] in {"serving", "entitlement"}:
            said_of(link, one.what, "preflight", *one.ids)


async def test_a_text_that_was_reported_shows_that_reports_come(hospital: Scene):
    await texted(hospital, state="delivered", code="2000", reported_at=hospital.now())
    assert not_green(await preflight(hospital)) == {}


async def test_neither_tokens_nor_patients_stand_in_answers(hospital: Scene):
    for answer in (await preflight(hospital), await launch_test(hospital, "patient")):
        text = json.dumps(answer.body)
        tokens = [*await control_tokens(hospital), world.ACS_ACCESS_KEY, world.ACS_NUMBER.removeprefix("+")]
        assert not [one for one in tokens if one in text]
        assert "eyJ" not in text


async def control_tokens(scene: Scene) -> list[str]:
    """Secrets of the sandbox's far sides."""
    return [world.CONNECTOR_SECRET, world.EPIC_WRITE_BACK_ACCOUNT[1]]


# --- discovery


def base(scene: Scene, environment: str = "test") -> str:
    return scene.plan.urls["epic"] + world.EPIC_INSTANCES[environment] + "/api/FHIR/R4"


@pytest.mark.feature("F2.10")
async def test_discovery_says_what_answers_at_an_address(connection: Scene):
    found = await discovered(
        connection, base(connection, "production"), "production", client_id=world.EPIC_APPS["production", "provider"]
    )
    assert found["usable"]
    assert found["state"] == "ok"
    server, host = found["server"], connection.plan.urls["epic"].removeprefix("https://")
    assert (server["fhir_version"], server["speaks"], server["suffix"]) == ("4.0.1", "R4", "R4")
    assert server["pkce"]
    assert "launch-ehr" in server["capabilities"]
    assert "private_key_jwt" in server["authentication"]
    assert {server["authorize_host"], server["token_host"], server["keys_host"]} == {host}
    assert [one["finding"] for one in found["findings"]] == ["discovery", "discovery-client"]


MISTAKES = [
    ("{instance}/api/FHIR/R4/metadata", "metadata", "/metadata is pasted"),
    ("{instance}/api/FHIR/R4/.well-known/smart-configuration", "metadata", "the discovery address is pasted"),
    ("{instance}/api/FHIR/R4/Patient/1", "trailing-path", "a path stands behind it"),
    ("{instance}/api/FHIR/R4?x=1", "query", "a query stands behind it"),
    ("{instance}/api/FHIR/DSTU2", "version-old", "the DSTU2 address instead of R4"),
    ("{instance}/api/FHIR", "version-missing", "the R4 part is missing"),
    ("{instance}", "version-missing", "the FHIR part is missing"),
    ("{instance}/oauth2/authorize", "sign-in-address", "the sign-in address is pasted"),
    ("{plain}/api/FHIR/R4", "scheme", "http instead of https"),
    ("{bare}/api/FHIR/R4", "scheme", "https is missing"),
]


@pytest.mark.feature("F14.1", "F2.6")
@pytest.mark.parametrize(("pattern", "mistake", "what"), MISTAKES, ids=[what for _, _, what in MISTAKES])
async def test_a_mistyped_address_is_corrected_by_trying(connection: Scene, pattern: str, mistake: str, what: str):
    instance = connection.plan.urls["epic"] + world.EPIC_INSTANCES["production"]
    bare = instance.removeprefix("https://")
    typed = pattern.format(instance=instance, plain=f"http://{bare}", bare=bare)
    found = await discovered(connection, typed, "production")
    assert not found["usable"]
    assert found["suggestion"]["mistake"] == mistake
    assert found["suggestion"]["server"]["fhir_base_url"] == base(connection, "production")
    assert [one["finding"] for one in found["findings"]][1:] == [f"url-{mistake}"]
    said_of(found["findings"][1], f"The FHIR base URL is mistyped: {what}", "discovery", "F14.1")


async def test_an_address_that_is_no_fhir_server_gets_no_suggestion(connection: Scene):
    found = await discovered(connection, connection.plan.urls["graph"])
    assert (found["usable"], found["suggestion"], found["server"]) == (False, None, None)
    assert [one["finding"] for one in found["findings"]] == ["discovery-not-fhir"]


@pytest.mark.parametrize(
    "url", ["https://127.0.0.2/api/FHIR/R4", "https://169.254.169.254/api/FHIR/R4", "https://localhost:3/never-drafted"]
)
async def test_discovery_calls_no_address_that_the_outbound_rules_forbid(connection: Scene, url: str):
    found = await discovered(connection, url)
    assert not found["usable"]
    assert [one["finding"] for one in found["findings"]] == ["address-refused"]


@pytest.mark.feature("F2.12")
async def test_whose_an_address_is_is_said_to_its_own_tenant_alone(connection: Scene):
    mine = await discovered(connection, base(connection))
    taken = [one["parameters"]["connection"] for one in mine["findings"] if one["finding"] == "url-taken-here"]
    assert connection.facts["connection"] in taken
    assert not mine["usable"]
    other = await discovered(connection, base(connection), "production")
    assert {"url-other-environment", "url-looks-other"} <= {one["finding"] for one in other["findings"]}
    assert not other["usable"]
    said_of(other["findings"][-1], "The test address is entered for production", "discovery", "F14.5", "F14.7")
    strangers = await discovered(connection, base(connection), user="mallory")
    assert [one["finding"] for one in strangers["findings"]] == ["discovery", "url-taken"]
    assert strangers["findings"][1]["parameters"] == {}
    assert connection.facts["connection"] not in json.dumps(strangers)
    assert world.LAMNA_TENANT not in json.dumps(strangers)


@pytest.mark.feature("F2.12")
async def test_a_production_address_in_test_is_flagged(connection: Scene):
    found = await discovered(connection, base(connection, "production"))
    assert [one["finding"] for one in found["findings"]] == ["discovery", "url-looks-other"]
    assert found["usable"]
    assert found["state"] == "warning"


async def test_an_unknown_client_id_is_named(connection: Scene):
    found = await discovered(connection, base(connection, "production"), "production", client_id="nobody")
    assert [one["finding"] for one in found["findings"]] == ["discovery", "discovery-client-unknown"]
    assert not found["usable"]


# --- launch test


@pytest.mark.feature("F4.11")
@pytest.mark.parametrize("role", ["provider", "patient"])
@pytest.mark.parametrize("group", [False, True], ids=["single", "group"])
async def test_a_launch_is_played_to_its_end_and_leaves_nothing(hospital: Scene, role: str, group: bool):
    before = await traces(hospital)
    answer = await launch_test(hospital, role, group=group)
    assert answer.status == 200, answer.body
    hops = {hop["id"]: hop for hop in answer.body["hops"]}
    assert {name: hop["state"] for name, hop in hops.items()} == dict.fromkeys(
        ("launch-url", "authorize-url", "epic-authorize", "token", "visit", "organiser", "meeting", "join-url"), "ok"
    )
    assert hops["launch-url"]["shown"]["launch-url"] == launch_url(hospital, role)
    asked = hops["authorize-url"]["shown"]
    assert (asked["aud"], asked["response_type"], asked["state"]) == (base(hospital), "code", "(secret)")
    assert hops["visit"]["shown"]["csn"] == "TEST-CSN-1"
    assert ("session" in hops["visit"]["shown"]) is group
    assert {one["finding"] for one in answer.body["not_shown"]} == {
        "not-shown-launch",
        "not-shown-identity",
        "not-shown-context",
    }
    assert await traces(hospital) == before


async def _wrong_names(scene: Scene) -> None:
    """A context name that is one of Epic's own members."""
    saved = await own_changed(scene, {"organisers": POOL, "launch": {"context": {"csn": "scope"}}})
    assert saved.status == 200, saved.body


async def _alone_without_policy(scene: Scene) -> None:
    await own_changed(scene, {"organisers": [ROOMS]})
    await _no_policy(scene)


LAUNCH_FAULTS = [
    Fault(
        "The connection is suspended",
        suspended,
        "launch-url=launch-refused",
        {"authorize-url": "needs", "epic-authorize": "needs", "token": "needs", "visit": "needs"},
        ("F14.4", "F14.7"),
    ),
    Fault(
        "The app lacks our redirect URI",
        epic_app(PROVIDER, redirect_uris=[]),
        "epic-authorize=app-refused",
        ids=("F14.4",),
    ),
    Fault("The record's context has other names", _wrong_names, "visit=visit-unknown", ids=("F14.4",)),
    Fault(
        "Nobody is in the organiser pool",
        own(organisers=[]),
        "organiser=organiser-none",
        {"meeting": "needs", "join-url": "needs"},
    ),
    Fault("No access policy", _alone_without_policy, "meeting=organiser-no-policy", {"join-url": "needs"}),
]


@pytest.mark.feature("F14.4", "F4.11")
@pytest.mark.parametrize("one", LAUNCH_FAULTS, ids=lambda one: one.what)
async def test_a_fault_turns_its_own_hop_red(hospital: Scene, one: Fault):
    await one.put_in(hospital)
    answer = await launch_test(hospital, "provider")
    assert {hop["id"]: hop["finding"] for hop in answer.body["hops"] if hop["state"] != "ok"} == one.seen
    for hop in answer.body["hops"]:
        if hop["state"] == "failed":
            said_of(hop, one.what, "launch test", *one.ids)


async def test_a_draft_can_be_checked_and_a_launch_of_it_is_refused(draft: Scene):
    answer = await preflight(draft)
    assert answer.body["revision"] == "pending"
    found = {link["id"]: link["finding"] for link in answer.body["links"]}
    assert found["serving"] == "serving-not-approved"
    assert {found[link] for link in ("backend-token", "fhir-read", "write-back")} == {"needs"}
    launched = await launch_test(draft, "provider")
    assert launched.body["hops"][0]["finding"] == "launch-refused"
