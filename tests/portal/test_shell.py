"""What surrounds every page: sign-in, languages, colours, navigation by keyboard and screen reader, CSP and CORS."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from portal.release import HERE
from tests.portal.conftest import Api, Visit, accessible, button, settled

LANGUAGES = ("en", "fr", "it", "es")
ADMINISTRATORS = (
    "#/onboarding",
    "#/configuration",
    "#/configuration/new",
    "#/sms",
    "#/approve",
    "#/review",
    "#/history",
)
OF_A_CONNECTION = (
    "#/configuration/{id}",
    "#/configuration/{id}/epic",
    "#/configuration/{id}/own",
    "#/sms/{id}/setup",
    "#/sms/{id}/texts",
    "#/sms/{id}/certificates",
    "#/sms/{id}/trial",
    "#/approve/{id}",
    "#/review/{id}",
    "#/review/{id}/check",
    "#/review/{id}/preflight",
    "#/history/{id}",
)
PROFILES = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 320, "height": 640}, "has_touch": True},
}


def words(language: str, key: str) -> str:
    return json.loads((HERE / f"texts/{language}.json").read_text())[key]


# --- sign-in -------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F2.1")
def test_after_the_sign_in_one_is_where_one_wanted_to_be(visit: Visit):
    page = visit("adam", "#/configuration")
    expect(page.get_by_role("heading", level=1)).to_have_text("Configuration")
    assert page.url == f"{visit.address}/#/configuration"
    expect(page.locator(".account summary")).to_contain_text("Adam Admin")
    expect(page.locator(".account summary")).to_contain_text("lamna.example")


def test_tokens_stay_in_this_tab(visit: Visit):
    page = visit("adam")
    assert page.evaluate("Object.keys(localStorage)") == []
    assert page.context.cookies(visit.address) == []
    other = page.context.new_page()
    other.goto(visit.address)
    expect(other.locator("main fluent-button")).to_have_text("Sign in")


def test_a_reload_keeps_the_sign_in_and_signing_out_ends_it(visit: Visit):
    page = visit("adam", "#/configuration")
    page.reload()
    settled(page)
    page.locator(".account summary").click()
    button(page, "Sign out").click()
    expect(page.locator("main fluent-button")).to_have_text("Sign in")
    assert page.evaluate("sessionStorage.length") == 0
    page.locator("main fluent-button").click()
    expect(page.locator("button[value=adam]")).to_be_visible()  # Entra asks again


def test_a_cancelled_sign_in_is_said(visit: Visit):
    page = visit.stranger("#/configuration")
    page.locator("main fluent-button").click()
    page.locator("button[name=cancel]").click()
    expect(page.get_by_role("alert")).to_have_text(words("en", "sign-in.cancelled"))
    accessible(page)


@pytest.mark.parametrize(
    ("user", "entries"),
    [("olivia", {"organisations"}), ("rita", {"onboarding"})],
)
def test_each_role_sees_its_own_steps(visit: Visit, user: str, entries: set[str]):
    page = visit(user)
    links = page.locator(".navigation a").evaluate_all("all => all.map(one => one.hash)")
    assert {link.removeprefix("#/") for link in links} == entries


@pytest.mark.feature("F2.11")
def test_a_page_of_another_role_says_so(visit: Visit):
    page = visit("ana", "#/configuration/new")
    expect(page.locator("main")).to_contain_text(words("en", "page.not-yours"))


# --- words and colours ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_browsers_language_comes_first(visit: Visit, language: str):
    page = visit("adam", "#/onboarding", locale=language)
    expect(page.get_by_role("heading", level=1)).to_have_text(words(language, "nav.onboarding"))
    assert page.evaluate("document.documentElement.lang") == language
    assert page.title() == f"{words(language, 'nav.onboarding')} - {words(language, 'product')}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_has_words_in_each_language(visit: Visit, hospital: str, language: str):
    page = visit("adam", locale=language)
    for place in (*ADMINISTRATORS, *OF_A_CONNECTION):
        visit.go(page, place.format(id=hospital))
        assert page.locator("fluent-message-bar[intent=error]").count() == 0, place


def test_a_language_once_chosen_is_kept_and_what_was_typed_stays(visit: Visit, organisation: str):
    page = visit("adam", "#/configuration/new")
    page.get_by_label("Client id of the provider app").fill("typed")
    page.get_by_label("Language").select_option("fr")
    expect(page.get_by_role("heading", level=1)).to_have_text(words("fr", "configuration.add"))
    expect(page.get_by_label(words("fr", "field.provider_client_id"))).to_have_value("typed")
    page.reload()
    settled(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(words("fr", "configuration.add"))


def test_the_colours_can_be_switched_and_stay(visit: Visit):
    page = visit("adam", color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    button = page.get_by_role("button", name="Dark colours")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    page.reload()
    settled(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


# --- everybody can use it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_axe_finds_nothing(visit: Visit, hospital: str, profile: str):
    page = visit("adam", **PROFILES[profile])
    for place in (*ADMINISTRATORS, *OF_A_CONNECTION):
        visit.go(page, place.format(id=hospital))
        for advanced in page.locator("details.advanced > summary").all():
            advanced.click()
        accessible(page)


@pytest.mark.parametrize("profile", PROFILES)
def test_axe_finds_nothing_for_the_operator_and_a_stranger(visit: Visit, organisation: str, profile: str):
    welcome = visit.stranger(**PROFILES[profile])
    welcome.locator("h1").wait_for()
    accessible(welcome)
    accessible(visit("olivia", "#/organisations", **PROFILES[profile]))


@pytest.mark.parametrize("height", [640, 256])  # a phone; a desktop of 1280 x 1024 at 400 %
def test_nothing_scrolls_sideways_at_320_pixels(visit: Visit, hospital: str, height: int):
    page = visit("adam", viewport={"width": 320, "height": height})
    for place in (*ADMINISTRATORS, *OF_A_CONNECTION):
        visit.go(page, place.format(id=hospital))
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, place


def test_one_can_go_everywhere_by_keyboard(visit: Visit, hospital: str):
    page = visit("adam", "#/onboarding")
    page.keyboard.press("Tab")
    assert focused(page) == words("en", "shell.skip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator(".navigation a[href='#/configuration']").focus()
    page.keyboard.press("Enter")
    settled(page)
    assert focused(page) == "Configuration"  # the heading, so that a screen reader begins there
    tab_to(page, words("en", "configuration.add"))
    page.keyboard.press("Enter")
    settled(page)
    assert focused(page) == words("en", "configuration.add")


def test_what_happens_is_said_to_a_screen_reader(visit: Visit):
    page = visit("adam", "#/onboarding")
    visit.go(page, "#/configuration")
    expect(page.get_by_role("status").first).to_have_text("Page: Configuration")
    expect(page.locator(".navigation a[aria-current=page]")).to_have_text("1. Configuration")


def test_on_a_phone_the_steps_open_and_close(visit: Visit):
    page = visit("adam", "#/onboarding", **PROFILES["phone"])
    steps = page.locator("nav")
    expect(steps).to_be_hidden()
    page.get_by_role("button", name="Steps").click()
    expect(steps).to_be_visible()
    steps.get_by_role("link", name="1. Configuration").click()
    settled(page)
    expect(steps).to_be_hidden()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent")).strip()


def tab_to(page: Page, wanted: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused(page) == wanted:
            return
    raise AssertionError(f"no Tab leads to {wanted}")


# --- what the page may and may not ---------------------------------------------------------------------------------


def test_a_script_in_the_page_is_not_run(visit: Visit):
    visit.expects("TrustedHTML")
    page = visit("adam")
    refused = page.evaluate("""() => {
        try { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.broken = true'>"); return ""; }
        catch (refusal) { return refusal.name; }
    }""")
    assert refused == "TypeError"
    assert page.evaluate("window.broken") is None


def test_the_page_can_send_nothing_to_a_foreign_address(visit: Visit):
    visit.expects("Content Security Policy", "Refused to connect", "violates")
    page = visit("adam")
    sent = page.evaluate("url => fetch(url).then(() => 'sent', () => 'refused')", visit.plan.urls["epic"])
    assert sent == "refused"


def test_another_origin_gets_no_answer_of_the_api(visit: Visit, api: Api):
    """The same page at another name of the same machine: its CSP would let it, CORS does not."""
    visit.expects("CORS policy", "ERR_FAILED")
    elsewhere = f"https://127.0.0.1:{visit.plan.ports['portal']}"
    page = visit.stranger()
    asks = "([url, headers]) => fetch(url, {headers}).then((one) => one.status, () => 'refused')"
    described = f"{visit.plan.urls['app']}/openapi.json"
    assert page.evaluate(asks, [described, {}]) == 200
    page.goto(elsewhere)
    assert page.evaluate(asks, [described, {}]) == "refused"
    assert (
        page.evaluate(asks, [f"{visit.plan.urls['app']}/config/connections", {"Authorization": "Bearer x"}])
        == "refused"
    )


def test_across_origins_no_header_of_the_connector_can_be_read(visit: Visit):
    page = visit.stranger()
    shown = page.evaluate(
        "url => fetch(url).then((one) => [...one.headers.keys()])", f"{visit.plan.urls['app']}/openapi.json"
    )
    assert set(shown) <= {"cache-control", "content-length", "content-type"}


def test_the_page_loads_nothing_from_elsewhere(visit: Visit):
    page = visit.stranger()
    loaded = page.evaluate("performance.getEntriesByType('resource').map((one) => new URL(one.name).origin)")
    assert set(loaded) == {visit.address}
    assert re.search(r"\bjs/main\.js", page.content())


@pytest.mark.parametrize("address", ["#/%", "#/approve/%E0%A4%A", "#/approve/..", "#/configuration/%2e%2e"])
def test_an_address_that_leads_nowhere_leads_to_the_first_page(visit: Visit, api: Api, address: str):
    page = visit("adam", address)
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator("main h1")).to_have_text(visit("adam", "#/").locator("main h1").inner_text())
