"""Step 5: who did what and when, of one connection and of the organisation, and the export."""

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from portal.release import HERE
from sandbox import world
from tests.portal.approving import approve, at, change, press
from tests.portal.conftest import Api, Visit, accessible, clear
from tests.portal.test_texts import CATALOGUES

LANGUAGES = {"en": "en-US", "fr": "fr-FR", "it": "it-IT", "es": "es-ES"}
SHARED = HERE.parent / "shared" / "workflows"


@pytest.fixture
def approved(api: Api, hospital: str) -> str:
    approve(api, hospital)
    return hospital


def rows(page: Page) -> list[list[str]]:
    """When, who, what, connection, fields: as they are read."""
    return [row.locator("th, td").all_inner_texts() for row in page.locator(".history tbody tr").all()]


def test_a_connections_history_says_who_did_what_newest_first(visit: Visit, api: Api, approved: str):
    own = api("adam", "GET", at(approved))["own"]
    change(api, "adam", "PUT", f"{approved}/own", own | {"time_zone": "America/Denver"})
    page = visit("ana", f"#/history/{approved}")
    expect(page.locator(".history")).to_contain_text("Ana Analyst")
    expect(page.locator(".history")).to_contain_text("Adam Admin")
    found = [(who, what, fields) for _, who, what, _, fields in rows(page)]
    assert found[0] == ("Adam Admin", "Settings changed", "Time zone of the messages: America/Chicago → America/Denver")
    assert [one[:2] for one in found[1:]] == [
        ("Ana Analyst", "Approved"),
        ("Adam Admin", "Address checked"),
        ("Adam Admin", "Added"),
    ]
    times = page.locator(".history time").evaluate_all("all => all.map(one => one.getAttribute('datetime'))")
    told = api("ana", "GET", at(approved, "/history"))["items"]
    assert times == [one["at"] for one in reversed(told)]


def test_the_organisations_own_way_stands_in_its_history_too(visit: Visit, api: Api, organisation: str):
    asked = api(
        "adam", "POST", "/config/access-requests", {"organisation": "Lamna South", "contact": "e@lamna.example"}
    )
    api("olivia", "POST", f"/config/access-requests/{asked['id']}/refusals", {"reason": "No."})
    page = visit("ana", "#/history")
    first, second = (rows(page)[place][1:4] for place in range(2))
    assert first == ["The operator", "Declined by the operator", ""]
    assert second[1:] == ["Access requested", ""]
    expect(page.locator(".history tbody tr").nth(1)).to_contain_text("Adam Admin")
    accessible(page)


def test_a_refusal_and_a_removal_stay_in_the_organisations_history(visit: Visit, api: Api, hospital: str):
    change(api, "adam", "POST", f"{hospital}/validation")
    change(api, "ana", "POST", f"{hospital}/refusals", {"reason": "Another address."})
    clear(api)
    page = visit("adam", "#/history")
    expect(page.locator(".history tbody tr").nth(0)).to_contain_text("Removed")
    expect(page.locator(".history tbody tr").nth(1)).to_contain_text("Sent back")
    expect(page.locator(".history tbody tr").nth(0)).to_contain_text(f"Removed connection …{hospital[-8:]}")
    expect(page.locator(".history tbody tr").nth(1)).to_contain_text("Ana Analyst")


def test_the_export_is_all_of_it(visit: Visit, api: Api, approved: str):
    page = visit("adam", f"#/history/{approved}")
    with page.expect_download() as told:
        press(page, "Export all (CSV)")
    assert told.value.suggested_filename == "history.csv"
    lines = list(csv.DictReader(io.StringIO(Path(told.value.path()).read_text())))
    page_of = api("adam", "GET", "/config/history?limit=1000")
    assert page_of["next"] is None
    keys = ("connection", "who", "did", "at")
    assert [[line[key] for key in keys] for line in lines] == [[one[key] for key in keys] for one in page_of["items"]]
    assert world.USERS["ana"].oid in {line["who"] for line in lines if line["connection"] == approved}


@pytest.mark.parametrize("place", ["#/history", "#/history/{id}"])
def test_older_entries_come_by_a_button(visit: Visit, api: Api, hospital: str, place: str):
    own = api("adam", "GET", at(hospital))["own"]
    for number in range(55):
        hour = {"time_zone": f"Etc/GMT+{number % 12}"}
        change(api, "adam", "PUT", f"{hospital}/own", own | hour)
    page = visit("ana", place.format(id=hospital))
    assert page.locator(".history tbody tr").count() == 50
    press(page, "Show older ones")
    expect(page.locator(".history tbody tr").nth(50).locator("th")).to_be_focused()
    assert page.locator(".history tbody tr").count() > 55
    of_this = page.locator(".history tbody tr").filter(has_text="Added")
    assert of_this.count() >= 1
    times = page.locator(".history time").evaluate_all("all => all.map(one => one.getAttribute('datetime'))")
    assert times == sorted(times, reverse=True)


def test_one_connection_is_chosen_in_the_list(visit: Visit, approved: str):
    page = visit("ana", "#/history")
    page.get_by_label("FHIR base URL").select_option(approved)
    page.wait_for_function("id => location.hash === `#/history/${id}`", arg=approved)
    expect(page.locator(".history tbody tr")).to_have_count(3)
    page.get_by_label("FHIR base URL").select_option("")
    page.wait_for_function("location.hash === '#/history'")


def test_a_second_tenant_sees_nothing_of_it(visit: Visit, approved: str):
    visit.expects("404", "connection-unknown", "/config/people/")  # before consent nobody there is known by name
    page = visit("mallory", "#/history")
    assert "interconnect" not in page.locator("main").inner_text()
    with page.expect_download() as told:
        press(page, "Export all (CSV)")
    text = Path(told.value.path()).read_text()
    assert text.startswith("connection,change,who,did,at,differences")
    assert (approved in text, world.USERS["ana"].oid in text) == (False, False)
    visit.go(page, f"#/history/{approved}")
    expect(page.locator("main")).to_contain_text("no such connection")
    assert page.locator(".history").count() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_history_is_accessible_in_each_language_and_on_a_phone(visit: Visit, approved: str, language: str):
    page = visit("ana", "#/history", locale=LANGUAGES[language])
    expect(page.locator(".history")).to_contain_text(CATALOGUES[language]["did.approved"])
    accessible(page)
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    page.locator(".history details summary").first.click()
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_whatever_history_says_was_done_has_words():
    """Names of changes stand where they are saved."""
    source = "\n".join((SHARED / f"{one}.py").read_text() for one in ("configuration", "approval", "onboarding"))
    named = set(re.findall(r'_save\([^)]*?"([a-z][a-z -]*)"', source)) | set(re.findall(r'did="([a-z -]+)"', source))
    way = (SHARED / "history.py").read_text()
    named |= set(re.findall(r'"((?:access|let in|declined|consent|number) [a-z ]+)"', way))
    named |= {"suspended", "resumed", "removed", "switched off by the operator", "switched on by the operator"}
    named |= {f"secret of {app} set" for app in ("provider", "patient", "backend", "write-back")}
    assert {"approved", "drafted", "own side changed"} <= named
    assert {f"did.{one.replace(' ', '-')}" for one in named} - CATALOGUES["en"].keys() == set()
