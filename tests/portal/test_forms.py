"""Forms: what is typed survives, faults are named where they are, and two people do not overwrite each other."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from sandbox import world
from tests.portal.conftest import Api, Visit, accessible, button, clear, epic_side, settled

ZONE = "Time zone of the messages"
EARLY = "Minutes before the start that patients may come in"


@pytest.fixture
def no_connection(api: Api, organisation: str, visit: Visit) -> Iterator[None]:
    yield
    visit.leave()
    clear(api)


def own(api: Api, hospital: str) -> dict[str, Any]:
    found: dict[str, Any] = api("adam", "GET", f"/config/connections/{hospital}")
    return found


def advanced(page: Page) -> None:
    page.locator("details.advanced > summary").first.click()


# --- step 1: adding a connection -----------------------------------------------------------------------------------


@pytest.mark.feature("F2.3", "F2.7", "F2.9", "F2.10")
def test_an_administrator_adds_a_connection(visit: Visit, api: Api, no_connection: None):
    page = visit("adam", "#/configuration")
    button(page, "Add FHIR base URL").click()
    settled(page)
    told = epic_side(api.plan)
    page.get_by_label("FHIR base URL").fill(told["fhir_base_url"])
    page.get_by_label("FHIR base URL").blur()
    expect(page.locator(".finding[data-state=ok]").first).to_contain_text("answers as a FHIR server of version")
    for app in ("provider", "patient", "backend"):
        page.get_by_label(f"Client id of the {app} app").fill(told[f"{app}_client_id"])
    page.get_by_label("Epic analyst who approves").type("Ana")
    page.get_by_role("option", name="Ana Analyst").click()
    page.get_by_label(ZONE).fill("America/Chicago")
    page.get_by_label("Address of SetExternalConnectionStatus").fill(told["write_back"]["url"])
    accessible(page)
    button(page, "Add connection").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(told["fhir_base_url"])
    expect(page.locator("fluent-message-bar[intent=success]")).to_contain_text("saved as a draft")
    made = api("adam", "GET", "/config/connections")["items"][0]
    assert made["own"]["approver"] == {"oid": world.USERS["ana"].oid, "upn": world.USERS["ana"].upn}
    assert made["pending"]["epic"]["fhir_base_url"] == told["fhir_base_url"]


@pytest.mark.feature("F2.10", "F14.1")
def test_a_mistaken_address_is_corrected_by_a_press(visit: Visit, api: Api, no_connection: None):
    page = visit("adam", "#/configuration/new")
    right = epic_side(api.plan)["fhir_base_url"]
    page.get_by_label("FHIR base URL").fill(right.removesuffix("/R4"))
    page.get_by_label("FHIR base URL").blur()
    expect(page.locator(".finding[data-state=failed]").first).to_be_visible()
    button(page, f"Use {right}").click()
    expect(page.get_by_label("FHIR base URL")).to_have_value(right)
    expect(page.locator(".finding[data-state=failed]")).to_have_count(0)


def test_what_is_missing_is_listed_and_the_list_leads_to_the_fields(visit: Visit, organisation: str):
    page = visit("adam", "#/configuration/new")
    button(page, "Add connection").click()
    summary = page.get_by_role("alert").filter(has_text="things to correct")
    expect(summary).to_be_focused()
    accessible(page)
    summary.get_by_role("link", name=ZONE).click()
    field = page.get_by_label(ZONE)
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    assert "Please fill this in" in described(field)
    field.fill("Europe/Zurich")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    assert "Please fill this in" not in described(field)


_DESCRIBED = """field => field.getAttribute("aria-describedby").split(" ")
    .map((id) => document.getElementById(id).textContent).join(" ")"""


def described(field: Locator) -> str:
    """What a screen reader adds to a field."""
    return str(field.evaluate(_DESCRIBED))


def test_what_the_api_refuses_is_said_at_the_field_in_our_words(visit: Visit, hospital: str):
    visit.expects("422")
    page = visit("adam", f"#/configuration/{hospital}/own")
    advanced(page)
    page.get_by_label(EARLY).fill("9999")
    advanced(page)
    button(page, "Save").click()
    page.locator(".summary a").click()
    expect(page.get_by_label(EARLY)).to_be_focused()
    assert "from 0 to 1440" in described(page.get_by_label(EARLY))


def test_every_field_says_its_default(visit: Visit, hospital: str):
    page = visit("adam", f"#/configuration/{hospital}/own")
    advanced(page)
    assert "Default: 30." in described(page.get_by_label(EARLY))
    assert "Default: PV1-19, SCH-2, SCH-1." in described(page.get_by_label("Fields that hold the CSN"))


# --- the people picker ---------------------------------------------------------------------------------------------


def test_people_are_found_and_chosen_by_keyboard(visit: Visit, hospital: str):
    page = visit("adam", f"#/configuration/{hospital}/own")
    box = page.get_by_label("Accounts that organise the meetings")
    box.type("Virtual")
    expect(page.locator(".people-found [role=option]:visible").first).to_be_visible()
    accessible(page)
    box.press("ArrowDown")
    box.press("ArrowDown")
    box.press("Enter")
    expect(page.locator(".field-people .chip")).to_have_count(1)
    button(page, "Save").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_be_visible()


def test_nobody_of_another_organisation_is_found(visit: Visit, hospital: str):
    page = visit("adam", f"#/configuration/{hospital}/own")
    page.get_by_label("Accounts that organise the meetings").type("Mallory")
    expect(page.locator(".people-note:visible")).to_contain_text("Nobody of that name")


# --- nothing that was typed is lost --------------------------------------------------------------------------------


def test_a_reload_keeps_what_was_typed_and_it_can_be_discarded(visit: Visit, hospital: str):
    page = visit("adam", f"#/configuration/{hospital}/own")
    page.get_by_label(ZONE).fill("Europe/Rome")
    page.reload()
    settled(page)
    expect(page.get_by_label(ZONE)).to_have_value("Europe/Rome")
    button(page, "Discard it").click()
    expect(page.get_by_label(ZONE)).to_have_value("America/Chicago")


def test_a_sign_in_that_ends_mid_edit_loses_nothing(visit: Visit, api: Api, hospital: str):
    page = visit.stranger(f"#/configuration/{hospital}/own")
    page.clock.install()
    visit.sign_in(page, "adam")
    page.get_by_label(ZONE).fill("Europe/Rome")
    page.clock.fast_forward("02:00:00")
    button(page, "Save").click()
    expect(page.locator("fluent-dialog h2")).to_have_text("Your sign-in has ended")
    accessible(page)
    assert own(api, hospital)["own"]["time_zone"] == "America/Chicago"
    button(page, "Sign in again").click()  # Entra's own session still knows who it is
    settled(page)
    assert page.url.endswith(f"#/configuration/{hospital}/own")
    expect(page.get_by_label(ZONE)).to_have_value("Europe/Rome")
    button(page, "Save").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_be_visible()
    assert own(api, hospital)["own"]["time_zone"] == "Europe/Rome"


def test_without_a_network_the_page_says_what_was_not_saved(visit: Visit, api: Api, hospital: str):
    visit.expects("ERR_INTERNET_DISCONNECTED")
    page = visit("adam", f"#/configuration/{hospital}/own")
    page.get_by_label(ZONE).fill("Europe/Rome")
    page.context.set_offline(True)
    button(page, "Save").click()
    said = page.locator("fluent-message-bar[intent=error]")
    expect(said).to_contain_text("could not be reached")
    expect(said).to_contain_text(f"Not saved: {ZONE}")
    page.context.set_offline(False)
    button(page, "Save").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_be_visible()
    assert own(api, hospital)["own"]["time_zone"] == "Europe/Rome"


def test_a_secret_is_never_kept_or_shown(visit: Visit, api: Api, hospital: str):
    found = own(api, hospital)
    epic = found["pending"]["epic"] | {"authentication": "client_secret"}
    api("adam", "PUT", f"/config/connections/{hospital}/epic", epic, change=found["change"])
    page = visit("adam", f"#/configuration/{hospital}")
    page.locator("dd", has_text="Nobody has set it yet").first.locator("fluent-button").click()
    page.get_by_label("Client secret").fill("hush")
    assert "hush" not in page.evaluate("JSON.stringify(sessionStorage)")
    button(page, "Save").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_contain_text("The secret is set")
    assert "hush" not in page.content()
    assert own(api, hospital)["secrets"][0]["app"] == "provider"


# --- two people at once --------------------------------------------------------------------------------------------


def meanwhile(api: Api, hospital: str, **changes: Any) -> None:
    """Somebody else saves first."""
    found = own(api, hospital)
    api("adam", "PUT", f"/config/connections/{hospital}/own", found["own"] | changes, change=found["change"])


def test_two_who_change_the_same_field_choose(visit: Visit, api: Api, hospital: str):
    visit.expects("412")
    page = visit("adam", f"#/configuration/{hospital}/own")
    page.get_by_label(ZONE).fill("Europe/Rome")
    meanwhile(api, hospital, time_zone="Europe/Paris", region="FR")
    button(page, "Save").click()
    dialog = page.locator("fluent-dialog")
    expect(dialog).to_contain_text("When you began: America/Chicago")
    expect(dialog).to_contain_text("Europe/Paris")
    expect(dialog).to_contain_text("Europe/Rome")
    accessible(page)
    button(page, "Save with these").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_be_visible()
    saved = own(api, hospital)["own"]
    assert (saved["time_zone"], saved["region"]) == ("Europe/Rome", "FR")


def test_the_other_ones_value_can_be_taken(visit: Visit, api: Api, hospital: str):
    visit.expects("412")
    page = visit("adam", f"#/configuration/{hospital}/own")
    page.get_by_label(ZONE).fill("Europe/Rome")
    meanwhile(api, hospital, time_zone="Europe/Paris")
    button(page, "Save").click()
    page.get_by_role("radio", name="Europe/Paris").check()
    button(page, "Save with these").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_be_visible()
    assert own(api, hospital)["own"]["time_zone"] == "Europe/Paris"


def test_one_may_look_again_and_nothing_is_saved(visit: Visit, api: Api, hospital: str):
    visit.expects("412")
    page = visit("adam", f"#/configuration/{hospital}/own")
    page.get_by_label(ZONE).fill("Europe/Rome")
    meanwhile(api, hospital, time_zone="Europe/Paris")
    button(page, "Save").click()
    page.keyboard.press("Escape")
    expect(page.get_by_label(ZONE)).to_have_value("Europe/Rome")
    assert own(api, hospital)["own"]["time_zone"] == "Europe/Paris"


# --- step 0 --------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F1.3")
def test_a_request_is_sent_and_the_operator_declines_it_with_a_reason(visit: Visit, api: Api):
    asking = visit("mallory", "#/onboarding")
    asking.get_by_label("Name of your organisation").fill("Fabrikam Clinics")
    asking.get_by_label("Mail address of the Epic technical contact").fill("epic@fabrikam.example")
    button(asking, "Send the request").click()
    expect(asking.locator(".stage[aria-current]")).to_contain_text("Waits for the operator")
    operator = visit("olivia", "#/organisations")
    button(operator, "Decline").click()
    operator.get_by_label("Reason").fill("Please ask your own stamp")
    operator.locator("fluent-dialog fluent-button", has_text="Decline").click()
    expect(operator.locator("fluent-message-bar[intent=success]")).to_contain_text("is declined")
    asking.reload()
    settled(asking)
    expect(asking.locator("main")).to_contain_text("Please ask your own stamp")


@pytest.mark.feature("F2.4")
def test_each_organisation_of_a_tenant_has_its_own_way_and_another_is_asked_for(
    visit: Visit, api: Api, organisation: str
):
    second = {"tenant": world.LAMNA_TENANT, "id": "lamna-west", "name": "Lamna West"}
    api("olivia", "PUT", "/config/organisations", second)
    page = visit("adam", "#/onboarding")
    page.get_by_label("Organisation", exact=True).select_option("lamna-west")
    page.wait_for_function("location.hash === '#/onboarding/lamna-west'")
    settled(page)
    page.get_by_label("Teams is in use").click()
    expect(page.get_by_label("Teams is in use")).to_be_checked()
    told = api("adam", "GET", "/config/onboarding?organisation=lamna-west")
    assert told["organisation"] == "lamna-west"
    assert [one["name"] for one in told["prerequisites"] if one["who"]] == ["teams-in-use"]
    page.get_by_text("Ask for another organisation").click()
    page.get_by_label("Name of your organisation").fill("Lamna East")
    page.get_by_label("Mail address of the Epic technical contact").fill("epic@lamna.example")
    accessible(page)
    button(page, "Send the request").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_be_visible()
    [asked] = [
        one for one in api("olivia", "GET", "/config/access-requests")["items"] if one["organisation"] == "Lamna East"
    ]
    assert asked["tenant"] == world.LAMNA_TENANT
    api("olivia", "POST", f"/config/access-requests/{asked['id']}/refusals", {"reason": "No."})
    api("olivia", "PUT", "/config/organisations", second | {"enabled": False})


@pytest.mark.feature("F1.13")
def test_the_operator_shares_a_base_url_with_named_tenants_and_ends_it(visit: Visit, api: Api):
    visit.expects("422")
    address = epic_side(api.plan)["fhir_base_url"]
    page = visit("olivia", "#/organisations")
    button(page, "Share a FHIR base URL").click()
    settled(page)
    page.get_by_label("FHIR base URL").fill(address)
    page.get_by_label("Environment").select_option("test")
    page.get_by_label("Tenant that runs this Epic").fill(world.LAMNA_TENANT)
    page.get_by_label("Tenants that may use it").fill("fabrikam")
    button(page, "Save").click()
    expect(page.locator(".field-error").filter(has_text="At most a hundred ids of tenants")).to_be_visible()
    accessible(page)
    page.get_by_label("Tenants that may use it").fill(world.FABRIKAM_TENANT)
    button(page, "Save").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_contain_text("It is shared")
    expect(page.locator("main")).to_contain_text(address)
    [shared] = [one for one in api("olivia", "GET", "/config/shared-bases")["items"] if one["fhir_base_url"] == address]
    assert (shared["parent"], shared["children"]) == (world.LAMNA_TENANT, [world.FABRIKAM_TENANT])
    accessible(page)
    button(page, "End sharing").click()
    page.locator("fluent-dialog fluent-button[appearance=primary]").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_contain_text("shared no longer")
    assert api("olivia", "GET", "/config/shared-bases")["items"] == []


@pytest.mark.feature("F2.10")
def test_a_missing_write_back_address_and_an_id_of_two_apps_are_named_at_their_fields(visit: Visit, hospital: str):
    visit.expects("422")
    page = visit("adam", f"#/configuration/{hospital}/epic")
    page.get_by_label("Address of SetExternalConnectionStatus").fill("")
    button(page, "Propose").click()
    expect(page.locator(".summary").get_by_role("link")).to_have_text(["Address of SetExternalConnectionStatus"])
    page.get_by_label("Address of SetExternalConnectionStatus").fill("https://epic.example/write")
    page.get_by_label("Client id of the patient app").fill(
        page.get_by_label("Client id of the provider app").input_value()
    )
    button(page, "Propose").click()
    expect(page.locator(".summary").get_by_role("link")).to_have_text(["Client id of the patient app"])


def test_the_card_of_the_account_closes_when_one_goes_on(visit: Visit, organisation: str):
    page = visit("adam", "#/onboarding")
    card = page.locator(".account-card")
    page.locator(".account summary").click()
    expect(card).to_be_visible()
    page.locator("main h1").click()
    expect(card).to_be_hidden()
    page.locator(".account summary").click()
    expect(card).to_be_visible()
    for _ in range(4):  # its two buttons, and out at the other end
        page.keyboard.press("Tab")
    expect(card).to_be_hidden()


@pytest.mark.feature("F1.5")
def test_a_prerequisite_once_ticked_stays(visit: Visit, organisation: str):
    page = visit("adam", "#/onboarding")
    box = page.get_by_label("Teams is in use")
    box.click()
    expect(page.get_by_label("Teams is in use")).to_be_focused()
    page.reload()
    settled(page)
    expect(page.get_by_label("Teams is in use")).to_be_checked()
