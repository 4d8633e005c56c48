"""Step 3: the approver's whole way, what is refused and why, and who may not approve."""

import pytest
from playwright.sync_api import Page, expect

from sandbox import world
from tests.portal.approving import approve, at, change, press, sign_in_at, sign_in_to_epic
from tests.portal.conftest import Api, Visit, accessible, epic_side, settled

LANGUAGES = {"en": "en-US", "fr": "fr-FR", "it": "it-IT", "es": "es-ES"}
PHONE = {"width": 360, "height": 740}
REASON = "The patient app is the one of the other hospital."


@pytest.fixture
def waiting(api: Api, hospital: str) -> str:
    """A first revision that needs approval."""
    change(api, "adam", "POST", f"{hospital}/validation")
    return hospital


@pytest.fixture
def approved(api: Api, hospital: str) -> str:
    approve(api, hospital)
    return hospital


def changed_side(api: Api) -> dict[str, object]:
    return epic_side(api.plan) | {"patient_client_id": "other-patient-app", "pkce": False}


def proposed(api: Api, connection: str) -> None:
    """A change that waits beside what serves."""
    change(api, "adam", "PUT", f"{connection}/epic", changed_side(api))
    change(api, "adam", "POST", f"{connection}/validation")


def begin(page: Page) -> Page:
    """Press the button; the tab with Epic's sign-in."""
    with page.expect_popup() as opened:
        page.locator(".approval fluent-button[appearance=primary]").click()
    epic = opened.value
    epic.get_by_label("User").wait_for()
    return epic


def enter(page: Page, code: str) -> None:
    page.get_by_label("Code").fill(code)
    page.locator(".approval fluent-button[type=submit]").click()


def said(page: Page) -> str:
    page.locator(".bars fluent-message-bar").wait_for()
    return page.locator(".bars").inner_text()


# --- the whole way


@pytest.mark.feature("F3.1", "F3.4", "F3.5", "F3.8")
def test_the_approver_signs_in_to_epic_in_another_tab_and_approves(visit: Visit, api: Api, waiting: str):
    adam, ana = visit("adam", f"#/approve/{waiting}"), visit("ana", "#/approve")
    expect(adam.locator("main")).to_contain_text("This waits for the approval of ana@lamna.example")
    assert adam.locator(".approval").count() == 0
    expect(ana.get_by_role("heading", name="Needs your approval (1)")).to_be_visible()
    press(ana, "Sign in to Epic and approve")
    expect(ana.locator("main")).to_contain_text("Adam Admin")
    epic = begin(ana)
    expect(ana.locator(".approval-wait")).to_be_visible()
    code = sign_in_at(epic, "ana")
    assert "Lamna Healthcare" in epic.locator("body").inner_text()
    expect(ana.locator(".signed-in")).to_contain_text("AANALYST at Lamna Healthcare")
    expect(ana.get_by_label("Code")).to_be_focused()
    enter(ana, code.lower())
    assert "Approved" in said(ana)
    assert api("adam", "GET", at(waiting))["revision"] == 1
    adam.reload()
    settled(adam)
    expect(adam.locator("main")).to_contain_text("In use")
    expect(adam.locator("main")).to_contain_text("Ana Analyst")


@pytest.mark.feature("F3.6")
def test_the_page_names_exactly_what_differs_and_what_serves(visit: Visit, api: Api, approved: str):
    proposed(api, approved)
    page = visit("ana", f"#/approve/{approved}")
    rows = page.locator(".differences tbody tr")
    assert [row.get_attribute("data-path") for row in rows.all()] == ["epic.patient_client_id", "epic.pkce"]
    expect(rows.nth(0)).to_contain_text("Client id of the patient app")
    cells = rows.nth(0).locator("td").all_inner_texts()
    assert cells == [world.EPIC_APPS["test", "patient"], "other-patient-app"]
    assert rows.nth(1).locator("td").all_inner_texts() == ["yes", "no"]
    page.locator("summary", has_text="What is in use now: revision 1").click()
    expect(page.locator("details[open] dl")).to_contain_text(world.EPIC_APPS["test", "patient"])


def test_what_applied_without_approval_is_said_apart(visit: Visit, api: Api, approved: str):
    own = api("adam", "GET", at(approved))["own"]
    rooms = [world.USERS["rooms"].oid]
    change(api, "adam", "PUT", f"{approved}/own", own | {"time_zone": "America/Denver", "organisers": rooms})
    page = visit("ana", f"#/approve/{approved}")
    page.locator("summary", has_text="2 settings changed since the last approval").click()
    shown = page.locator("details[open] .differences")
    expect(shown).to_contain_text("America/Denver")
    expect(shown).to_contain_text("Virtual Visits")


# --- sent back


@pytest.mark.feature("F3.6")
def test_the_administrator_sees_what_was_refused_and_why_while_the_old_serves(visit: Visit, api: Api, approved: str):
    proposed(api, approved)
    ana = visit("ana", f"#/approve/{approved}")
    press(ana, "Send back")
    ana.get_by_label("Reason, for the administrator").fill(REASON)
    ana.locator("fluent-dialog fluent-button[appearance=primary]").click()
    assert "Sent back" in said(ana)
    now = api("adam", "GET", at(approved))
    assert (now["pending"]["state"], now["revision"]) == ("refused", 1)
    assert now["active"]["patient_client_id"] == world.EPIC_APPS["test", "patient"]
    adam = visit("adam", f"#/approve/{approved}")
    refusal = adam.locator(".refusal")
    expect(refusal).to_contain_text(REASON)
    expect(refusal).to_contain_text("Ana Analyst")
    expect(adam.locator(".differences")).to_contain_text("other-patient-app")
    accessible(adam)
    press(adam, "Withdraw the change")
    adam.locator("fluent-dialog fluent-button[appearance=primary]").click()
    assert "withdrawn" in said(adam)
    assert api("adam", "GET", at(approved))["pending"] is None


def test_a_reason_is_asked_for(visit: Visit, waiting: str):
    page = visit("ana", f"#/approve/{waiting}")
    press(page, "Send back")
    page.locator("fluent-dialog fluent-button[appearance=primary]").click()
    expect(page.get_by_label("Reason, for the administrator")).to_be_visible()
    accessible(page)
    page.keyboard.press("Escape")
    expect(page.locator("fluent-dialog")).to_have_count(0)


# --- proposing


@pytest.mark.feature("F2.8", "F3.3")
def test_an_approver_proposes_too_and_is_told_before_saving_what_waits(visit: Visit, api: Api, approved: str):
    page = visit("ana", f"#/approve/{approved}")
    press(page, "Propose a change")
    field = page.get_by_label("Client id of the patient app")
    field.fill("other-patient-app")
    field.blur()
    preview = page.locator(".preview")
    expect(preview).to_contain_text("One change waits for approval")
    expect(preview).to_contain_text("other-patient-app")
    assert api("adam", "GET", at(approved))["pending"] is None
    press(page, "Propose the change")
    expect(page.locator(".bars")).to_contain_text("The change is proposed")
    change(api, "ana", "POST", f"{approved}/validation")
    visit.go(page, f"#/approve/{approved}")
    code = sign_in_at(begin(page), "ana")
    page.locator(".signed-in").wait_for()
    enter(page, code)
    assert "Approved" in said(page)
    assert api("adam", "GET", at(approved))["revision"] == 2


@pytest.mark.feature("F5.10")
def test_what_applies_at_once_is_said_before_saving(visit: Visit, approved: str):
    page = visit("adam", f"#/configuration/{approved}/own")
    field = page.get_by_label("Time zone of the messages")
    field.fill("America/Denver")
    field.blur()
    expect(page.locator(".preview")).to_contain_text("One change applies at once")
    field.fill("America/Chicago")
    field.blur()
    expect(page.locator(".preview")).to_be_empty()


def test_a_first_proposal_that_a_script_withdrew_leaves_pages_that_work(visit: Visit, api: Api, hospital: str):
    change(api, "adam", "DELETE", f"{hospital}/pending")
    page = visit("adam", "#/configuration")
    places = ("configuration", f"configuration/{hospital}", "approve", f"approve/{hospital}", f"review/{hospital}")
    for place in places:
        visit.go(page, f"#/{place}")
        expect(page.locator("main")).to_contain_text(hospital)
        expect(page.locator("main")).to_contain_text("ithdrawn")
    visit.go(page, f"#/approve/{hospital}")
    press(page, "Propose a change")
    expect(page.get_by_label("Client id of the patient app")).to_have_value("")


# --- who may not


@pytest.mark.parametrize(
    ("user", "words"),
    [("mallory", "no such connection"), ("rita", "does not have the role"), ("paula", "does not have the role")],
)
def test_an_approval_link_opened_by_a_stranger_shows_nothing(visit: Visit, waiting: str, user: str, words: str):
    visit.expects("404", "connection-unknown")
    page = visit(user, f"#/approve/{waiting}")
    expect(page.locator("main")).to_contain_text(words)
    assert "interconnect" not in page.locator("main").inner_text()
    assert page.locator(".approval").count() == 0


def test_to_a_second_tenant_there_is_nothing_to_approve(visit: Visit, waiting: str):
    page = visit("mallory", "#/approve")
    expect(page.locator("main")).to_contain_text("Nothing waits for your approval")
    assert page.locator("main table").count() == 0
    assert waiting not in page.content()


@pytest.mark.feature("F3.1")
def test_a_link_to_epic_that_a_stranger_follows_approves_nothing(visit: Visit, api: Api, waiting: str):
    """A colleague follows the address of Epic's sign-in: only they see the code, and Ana is told who it was."""
    visit.expects("422")
    page = visit("ana", f"#/approve/{waiting}")
    with page.context.expect_page():
        page.locator(".approval fluent-button[appearance=primary]").click()
    url = page.locator(".steps a").get_attribute("href")
    assert url
    sign_in_to_epic(api.plan, url, "noor")
    expect(page.locator(".signed-in")).to_contain_text("NNURSE")
    enter(page, "AAAA-AAAA")
    expect(page.locator(".approval .summary")).to_contain_text("not the code")
    accessible(page)
    assert api("adam", "GET", at(waiting))["revision"] == 0
    press(page, "That is not me, begin again")
    expect(page.locator(".approval fluent-button[appearance=primary]")).to_have_text("Sign in to Epic and approve")


# --- in between


def test_a_reload_goes_on_with_the_same_attempt(visit: Visit, api: Api, waiting: str):
    page = visit("ana", f"#/approve/{waiting}")
    epic = begin(page)
    page.locator(".approval-wait").wait_for()
    page.reload()
    settled(page)
    expect(page.locator(".approval-wait")).to_be_visible()
    code = sign_in_at(epic, "ana")
    page.locator(".signed-in").wait_for()
    page.reload()
    settled(page)
    enter(page, code)
    assert "Approved" in said(page)
    assert api("adam", "GET", at(waiting))["revision"] == 1


def test_what_is_replaced_meanwhile_ends_the_attempt(visit: Visit, api: Api, waiting: str):
    visit.expects("404", "409")
    page = visit("ana", f"#/approve/{waiting}")
    begin(page)
    proposed(api, waiting)
    expect(page.locator(".approval")).to_contain_text("Begin again")
    expect(page.locator(".approval fluent-button[appearance=primary]")).to_be_visible()


# --- for everybody


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_is_accessible_in_each_language(visit: Visit, waiting: str, language: str):
    page = visit("ana", "#/approve", locale=LANGUAGES[language])
    accessible(page)
    visit.go(page, f"#/approve/{waiting}")
    accessible(page)
    epic = begin(page)
    page.locator(".approval-wait").wait_for()
    accessible(page)
    sign_in_at(epic, "ana")
    page.locator(".signed-in").wait_for()
    accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off(visit: Visit, api: Api, approved: str, scheme: str):
    proposed(api, approved)
    page = visit("ana", "#/approve", viewport=PHONE, color_scheme=scheme)
    for place in ("#/approve", f"#/approve/{approved}"):
        visit.go(page, place)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        accessible(page)


def test_by_keyboard_alone_one_gets_to_the_sign_in_and_back(visit: Visit, waiting: str):
    page = visit("ana", f"#/approve/{waiting}")
    button = page.locator(".approval fluent-button[appearance=primary]")
    for _ in range(40):
        page.keyboard.press("Tab")
        if button.evaluate("one => one === document.activeElement"):
            break
    with page.expect_popup() as opened:
        page.keyboard.press("Enter")
    code = sign_in_at(opened.value, "ana")
    expect(page.get_by_label("Code")).to_be_focused()
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    assert "Approved" in said(page)


@pytest.mark.feature("F3.3")
def test_what_was_proposed_while_the_page_was_open_is_not_approved_unread(visit: Visit, api: Api, waiting: str):
    ana = visit("ana", f"#/approve/{waiting}")
    visit.expects("412")
    proposed(api, waiting)
    ana.locator(".approval fluent-button[appearance=primary]").click()
    assert "changed" in said(ana)
    assert ana.locator(".approval-wait").count() == 0
    ana.reload()
    expect(ana.locator("main")).to_contain_text("other-patient-app")
