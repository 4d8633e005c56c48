"""The people picker, through the host and the Graph stand-in: one's own tenant only, and no way out of the quotes."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from sandbox import world
from sandbox.demo.api import Answer, call
from sandbox.demo.scene import Scene
from tests.e2e.launch.launching import control
from tests.e2e.test_config_api import refused
from tests.e2e.test_onboarding import claimed

pytestmark = pytest.mark.feature("F2.7", "F2.9")


async def found(scene: Scene, text: str, user: str = "adam") -> Answer:
    return await call(scene, user, "GET", f"/config/people?{urlencode({'search': text}, quote_via=quote)}")


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [one["display_name"] for one in answer.body["items"]]


@pytest.mark.parametrize(
    ("typed", "names_"),
    [
        ("an", ["Ana Analyst"]),
        ("AN", ["Ana Analyst"]),
        ("analyst ana", ["Ana Analyst"]),
        ("ana@", ["Ana Analyst"]),
        ("virtual", ["Virtual Visits", "Virtual Visits 2"]),
        (" Ana ", ["Ana Analyst"]),
        ("mallory", []),
        ("olivia", []),
        ("nobody", []),
    ],
)
async def test_people_are_found_as_they_are_typed_in_the_own_tenant(scene: Scene, typed: str, names_: list[str]):
    assert names(await found(scene, typed)) == names_


async def test_an_answer_holds_three_things_of_a_person_and_no_more(scene: Scene):
    ana = world.USERS["ana"]
    (person,) = (await found(scene, "ana", "ana")).body["items"]
    assert person == {"oid": ana.oid, "display_name": ana.name, "upn": ana.upn}
    assert (await call(scene, "adam", "GET", f"/config/people/{ana.oid}")).body == person
    asked = [entry for entry in await scene.seen("graph", "request") if entry["path"].startswith("/v1.0/users")]
    assert asked


@pytest.mark.parametrize(
    "typed",
    [
        'x" OR "displayName:a',
        'x" OR "displayName:a"',
        '"',
        "\\",
        '\\" OR "displayName:a',
        "x') or startswith(displayName,'a",
        "x&$top=999",
        "x#",
        "x%22 OR %22displayName:a",
        "a:b",
        "(a)",
        "é",
        "日本",
    ],
)
async def test_what_is_typed_stays_a_text_to_search_for(scene: Scene, typed: str):
    assert names(await found(scene, typed)) == []


@pytest.mark.parametrize("typed", ["", " ", "x" * 61, "a\x00", "a\n"])
async def test_nothing_and_too_much_are_refused(scene: Scene, typed: str):
    refused(await found(scene, typed), 422, "value-refused")


async def test_a_person_of_another_tenant_is_nobody(scene: Scene):
    for oid in (world.USERS["mallory"].oid, "00000000-0000-4000-8000-000000000000"):
        refused(await call(scene, "adam", "GET", f"/config/people/{oid}"), 404, "not-found")


@pytest.mark.parametrize("user", ["paula", "olivia", "rita"])
async def test_only_who_sets_up_or_approves_may_look_for_people(scene: Scene, user: str):
    refused(await found(scene, "ana", user), 403, "role-missing")
    refused(await call(scene, user, "GET", f"/config/people/{world.USERS['ana'].oid}"), 403, "role-missing")


async def test_without_the_tenants_consent_it_says_so(scene: Scene):
    await control(scene, "entra", "DELETE", f"consents/{world.FABRIKAM_TENANT}")
    await claimed(scene)  # a token from before, if there is one, is let go
    refused(await found(scene, "mallory", "mallory"), 409, "consent-missing")
    oid = world.USERS["mallory"].oid
    refused(await call(scene, "mallory", "GET", f"/config/people/{oid}"), 409, "consent-missing")


@pytest.mark.parametrize("fault", [{"do": "throttle", "retry_after": "2.5"}, {"do": "status", "status": 503}])
async def test_a_busy_graph_is_a_moments_trouble(scene: Scene, fault: dict[str, Any]):
    await scene.fault("graph", route="/v1.0/users", **fault)
    refused(await found(scene, "ana"), 503, "busy")
