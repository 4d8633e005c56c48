"""Step 4: records to copy, the record check, migration, preflight, launch test, and words for all that they say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Page, expect

from portal.release import HERE
from sandbox import world
from shared.domain.preflight import HopId, LinkId, State, Who
from shared.domain.preflight_findings import FINDINGS
from shared.domain.records.differences import TABLE, Effect, Where
from shared.domain.records.record import Kind, RowId
from tests.portal.approving import approve, at, change, press, register_at_epic
from tests.portal.conftest import Api, Visit, accessible, settled

LANGUAGES = {"en": "en-US", "fr": "fr-FR", "it": "it-IT", "es": "es-ES"}
WORDS = {one: json.loads((HERE / f"texts/{one}.json").read_text()) for one in LANGUAGES}
PARTS = ("", "/check", "/migration", "/preflight", "/launch-test")
PHONE = {"width": 360, "height": 740}
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}
LONGEST_MS = 60_000


@pytest.fixture
def approved(api: Api, hospital: str) -> str:
    approve(api, hospital)
    return hospital


def records(api: Api, connection: str) -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in api("ana", "GET", at(connection, "/records"))["records"]}


def held(record: dict[str, Any]) -> dict[str, str]:
    """The three values of a record."""
    values = {row["id"]: row["value"] for row in record["rows"]}
    return {name: values[name] for name in ("launch-url", "client-id", "context")}


def paste(page: Page, values: dict[str, str]) -> None:
    text = f"URL={values['launch-url']}\nCLIENTID={values['client-id']}\nCONTEXT={values['context']}"
    page.locator("textarea").first.fill(text)


def run(page: Page) -> None:
    """Press the part's own button and wait for what comes of it."""
    page.locator(".card fluent-button[appearance=primary]").click()
    page.locator(".outcome .card").first.wait_for(timeout=LONGEST_MS)


# --- records


@pytest.mark.feature("F4.1", "F4.2", "F4.5")
def test_every_value_that_is_copied_is_the_apis(visit: Visit, api: Api, approved: str):
    page = visit("ana", f"#/review/{approved}", **CLIPBOARD)
    expect(page.locator("main")).to_contain_text("Approved. Next, these records go into Epic.")
    tabs = page.get_by_role("tab")
    for index, (kind, record) in enumerate(records(api, approved).items()):
        tabs.nth(index).click()
        expect(tabs.nth(index)).to_have_text(WORDS["en"][f"record.{kind}"])
        buttons = page.locator(".tab-panel:not([hidden]) .copyable fluent-button").all()
        assert len(buttons) == len(record["rows"])
        for button, row in zip(buttons, record["rows"], strict=True):
            button.click()
            expect(button).to_have_text("Copied")
            copied = page.evaluate("navigator.clipboard.readText()")
            assert copied == (row["value"] if row["value"] != "none yet" else "none")


@pytest.mark.feature("F4.3")
def test_the_file_for_the_epic_team_is_the_apis_text(visit: Visit, api: Api, approved: str):
    page = visit("ana", f"#/review/{approved}")
    with page.expect_download() as told:
        press(page, "Download all records")
    assert told.value.suggested_filename == "records-test.txt"
    assert Path(told.value.path()).read_text() == api("ana", "GET", at(approved, "/records"))["text"]


def test_before_approval_there_is_what_to_register_and_no_record(visit: Visit, api: Api, hospital: str):
    page = visit("ana", f"#/review/{hospital}")
    expect(page.locator("main")).to_contain_text("The integration records are shown once the Epic analyst has approved")
    told = api("ana", "GET", at(hospital, "/registration"))
    for uri in told["apps"][0]["redirect_uris"]:
        expect(page.get_by_text(uri, exact=True).first).to_be_visible()
    for part in ("/check", "/migration", "/launch-test"):
        visit.go(page, f"#/review/{hospital}{part}")
        expect(page.locator("main")).to_contain_text("once the connection has been approved")
        assert page.locator("main textarea").count() == 0


def test_tabs_are_chosen_by_arrow_keys(visit: Visit, approved: str):
    page = visit("ana", f"#/review/{approved}")
    tabs = page.get_by_role("tab")
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tabs.nth(1)).to_be_focused()
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    expect(page.locator(".tab-panel:not([hidden])")).to_contain_text("To register at Epic")
    page.keyboard.press("ArrowRight")
    expect(tabs.first).to_be_focused()


# --- record check

Break = Callable[[dict[str, str]], dict[str, str]]


def put(name: str, old: str, new: str) -> Break:
    def broken(values: dict[str, str]) -> dict[str, str]:
        assert old in values[name]
        return values | {name: values[name].replace(old, new)}

    return broken


PLANTED: dict[str, Break] = {
    "url-not-https": put("launch-url", "https://", "http://"),
    "url-has-query": lambda values: values | {"launch-url": values["launch-url"] + "?launch=1"},
    "client-id-swapped": lambda values: values | {"client-id": world.EPIC_APPS["test", "provider"]},
    "client-id-backend": lambda values: values | {"client-id": world.EPIC_APPS["test", "backend"]},
    "csn-missing": put("context", "csn=%CSN%&", ""),
    "mnemonic-case": put("context", "csn=%CSN%", "csn=%csn%"),
    "department-missing": put("context", "&departmentId=%PERFDEPID;;; ; ;;NONE;%", ""),
    "mnemonic-spaces": put("context", ";;; ; ;;", ";;;;;;"),
    "looks-expanded": put("context", "%EPICUSERID%", "190011234"),
    "key-ignored": lambda values: values | {"context": "upn=x&" + values["context"]},
}


@pytest.mark.feature("F4.10")
def test_the_check_names_each_planted_difference_and_says_what_to_do(visit: Visit, api: Api, approved: str):
    right = held(records(api, approved)["patient"])
    page = visit("ana", f"#/review/{approved}/check")
    page.get_by_label("Which record it is").select_option("patient")
    for name, break_ in PLANTED.items():
        paste(page, break_(right))
        run(page)
        found = page.locator(f".result[data-id={name}]")
        expect(found).to_contain_text(WORDS["en"][f"why.{name}"])
        expect(found).to_contain_text(WORDS["en"][f"do.{name}"])
        page.locator(".outcome").evaluate("one => one.replaceChildren()")
    paste(page, right)
    run(page)
    expect(page.locator(".outcome")).to_contain_text("Everything is as it should be")


def test_several_differences_are_all_named_in_the_pages_language(visit: Visit, api: Api, approved: str):
    page = visit("ana", f"#/review/{approved}/check", locale="it-IT")
    right = held(records(api, approved)["patient"])
    broken = PLANTED["csn-missing"](PLANTED["client-id-backend"](PLANTED["key-ignored"](right)))
    paste(page, broken)
    run(page)
    for name in ("csn-missing", "client-id-backend", "key-ignored"):
        expect(page.locator(f".result[data-id={name}]")).to_contain_text(WORDS["it"][f"why.{name}"])
    accessible(page)


def test_the_three_values_can_be_typed_one_by_one(visit: Visit, api: Api, approved: str):
    page = visit("ana", f"#/review/{approved}/check")
    press(page, "Check")
    expect(page.get_by_text("Paste a record first.")).to_be_visible()
    right = held(records(api, approved)["provider"])
    page.get_by_text("Enter the three values one by one instead").click()
    for label, name in (("Launch URL", "launch-url"), ("Client id", "client-id"), ("Context token", "context")):
        page.get_by_label(label).fill(right[name] + (" " if name == "client-id" else ""))
    run(page)
    assert [one.get_attribute("data-id") for one in page.locator(".result").all()] == ["stray-space"]


@pytest.mark.feature("F12.2")
def test_nothing_that_was_pasted_is_kept(visit: Visit, api: Api, approved: str):
    page = visit("ana", f"#/review/{approved}/check")
    paste(page, PLANTED["looks-expanded"](held(records(api, approved)["patient"])))
    run(page)
    kept = page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert "190011234" not in kept
    assert "190011234" not in page.locator(".outcome").inner_text()
    page.reload()
    settled(page)
    expect(page.locator("textarea").first).to_have_value("")


# --- migration


@pytest.mark.feature("F4.6", "F4.7")
def test_migration_says_the_smallest_change_of_each_record(visit: Visit, api: Api, approved: str):
    old = {
        "launch-url": "https://telehealth-amer.teams.microsoft.com/api/launchmeeting/epic",
        "client-id": "e0000000-0000-4000-8000-0000000000f9",
        "context": f"tenantId={world.LAMNA_TENANT}&upn=x&organizerId=y&userType=1&sessionId=%CSN%"
        "&departmentId=%PERFDEPID;;; ; ;;NONE;%",
    }
    page = visit("ana", f"#/review/{approved}/migration")
    paste(page, old)
    press(page, "Add another record")
    expect(page.locator("textarea").nth(1)).to_be_focused()
    page.locator("textarea").nth(1).fill(records(api, approved)["patient"]["text"])
    run(page)
    first, second = page.locator(".outcome > .card").all()
    expect(first).to_contain_text("A record of the public product. 2 changes are needed.")
    needed = first.locator(".result[data-state=fails]")
    assert [one.get_attribute("data-id") for one in needed.all()] == ["url-of-public-product", "client-id-unknown"]
    expect(first).to_contain_text("&csn=%CSN%&externalId=%EPICUSERID%")
    expect(first).to_contain_text("tenantId, upn, organizerId, userType")
    expect(second).to_contain_text("It launches here as it is.")
    accessible(page)


# --- preflight and launch test


@pytest.mark.feature("F14.2")
def test_preflight_is_red_and_green_once_the_faults_are_mended(visit: Visit, api: Api, approved: str):
    page = visit("adam", f"#/review/{approved}/preflight")
    run(page)

    def link(finding: str) -> Any:
        return page.locator(f".result[data-finding={finding}]")

    expect(page.locator(".outcome")).to_contain_text("Something does not work")
    expect(link("organiser-none")).to_contain_text("What to do (administrator): Add at least one account")
    expect(link("app-refused").first).to_contain_text("What to do (Epic team): Compare client id and redirect URI")
    page.reload()
    settled(page)
    expect(link("organiser-none")).to_be_visible()
    own = api("adam", "GET", at(approved))["own"]
    change(api, "adam", "PUT", f"{approved}/own", own | {"organisers": [world.USERS["rooms"].oid]})
    register_at_epic(api.plan, approved)
    press(page, "Run again")
    expect(link("organiser")).to_contain_text("Virtual Visits", timeout=LONGEST_MS)
    expect(link("app")).to_have_count(2)
    assert page.locator(".result[data-state=failed]").count() == 0
    accessible(page)


def test_preflight_checks_what_waits_as_well(visit: Visit, api: Api, approved: str):
    other = api("adam", "GET", at(approved))["active"] | {"pkce": False}
    change(api, "ana", "PUT", f"{approved}/epic", other)
    page = visit("ana", f"#/review/{approved}/preflight")
    page.get_by_label("Which revision").select_option("pending")
    run(page)
    expect(page.locator(".result[data-finding=serving-not-approved]")).to_be_visible(timeout=LONGEST_MS)


@pytest.mark.feature("F4.11")
@pytest.mark.parametrize("role", ["provider", "patient"])
def test_a_launch_test_shows_each_hop(visit: Visit, api: Api, approved: str, role: str):
    own = api("adam", "GET", at(approved))["own"]
    change(api, "adam", "PUT", f"{approved}/own", own | {"organisers": [world.USERS["rooms"].oid]})
    register_at_epic(api.plan, approved)
    page = visit("ana", f"#/review/{approved}/launch-test", locale="es-ES")
    page.get_by_label(WORDS["es"]["launch-test.role"]).select_option(role)
    run(page)
    titles = page.locator(".result h3").all_inner_texts()
    assert titles == [WORDS["es"][f"hop.{hop}"] for hop in get_args(HopId)]
    assert page.locator(".result[data-state=ok]").count() == len(titles)
    page.locator(".result summary").first.click()
    expect(page.locator(".result").first).to_contain_text(f"/launch/{role}/{approved}")
    accessible(page)


# --- who sees nothing, and everybody


def test_a_second_tenant_sees_nothing_of_it(visit: Visit, approved: str):
    page = visit("mallory", f"#/review/{approved}")
    for part in PARTS:
        visit.go(page, f"#/review/{approved}{part}")
        expect(page.locator("main")).to_contain_text("There is no connection yet")
        assert page.locator(".copyable, textarea, .result").count() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_part_is_accessible_in_each_language_and_on_a_phone(visit: Visit, approved: str, language: str):
    page = visit("ana", f"#/review/{approved}", locale=LANGUAGES[language])
    for size, scheme in (({"width": 1280, "height": 900}, "light"), (PHONE, "dark")):
        page.set_viewport_size(size)  # type: ignore[arg-type]  # a ViewportSize
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its two
        for part in PARTS:
            visit.go(page, f"#/review/{approved}{part}")
            accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- words


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_checks_say_has_words(language: str):
    wanted = {
        *(f"{word}.{one}" for one in TABLE for word in ("why", "do")),
        *(f"finding.{one}" for one in FINDINGS),
        *(f"todo.{one}" for one, entry in FINDINGS.items() if entry.to_do),
        *(f"record.{one}" for one in get_args(Kind)),
        *(f"record-use.{one}" for one in get_args(Kind)),
        *(f"row.{one}" for one in get_args(RowId)),
        *(f"where.{one}" for one in get_args(Where)),
        *(f"effect.{one}" for one in get_args(Effect)),
        *(f"link.{one}" for one in get_args(LinkId)),
        *(f"hop.{one}" for one in get_args(HopId)),
        *(f"mends.{one}" for one in get_args(Who)),
        *(f"{part}.{one}" for one in get_args(State) for part in ("preflight", "launch-test", "found")),
    }
    assert wanted - WORDS[language].keys() == set()


def test_english_says_of_a_difference_what_the_api_says():
    assert {one: (WORDS["en"][f"why.{one}"], WORDS["en"][f"do.{one}"]) for one in TABLE} == {
        one.value: (entry.why, entry.do) for one, entry in TABLE.items()
    }
