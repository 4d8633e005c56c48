"""The whole set-up as the people of the guides go through it: Adam administers, Olivia operates, Ana approves.

Each step is one function; STEPS has them in their order. What a step types comes from what the page before it showed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Locator, Page, expect

from sandbox.plan import Plan
from tests.guides.camera import VIEW, Camera
from tests.portal.approving import sign_in_at
from tests.portal.conftest import button, epic_side, settled

WITHIN_MS = 30_000
#: Checks ask every service in turn.
CHECKED_WITHIN_MS = 60_000
CSN = "9003001"


@dataclass
class Walk:
    """Where the walk stands: one browser profile for each person, the sandbox, the camera."""

    plan: Plan
    browser: Browser
    camera: Camera
    pages: dict[str, Page] = field(default_factory=dict)
    connection: str = ""

    def fresh(self) -> Page:
        """A page in a browser profile of its own."""
        context = self.browser.new_context(ignore_https_errors=True, locale="en-US", viewport=VIEW)
        context.set_default_timeout(WITHIN_MS)
        return context.new_page()

    def at(self, user: str, place: str) -> Page:
        """Somebody's page of the portal at a place, signed in."""
        if user not in self.pages:
            self.pages[user] = self.fresh()
            self.pages[user].goto(f"{self.plan.urls['portal']}/#/{place}")
            self.pages[user].locator("main fluent-button").click()
            self.pages[user].locator(f"button[value={user}]").click()
            settled(self.pages[user])
        page = self.pages[user]
        page.goto(f"{self.plan.urls['portal']}/#/{place}")
        page.reload()
        settled(page)
        return page

    def press(self, page: Page, at: Locator) -> None:
        """Shown, then pressed."""
        self.camera.point(page, at)
        at.click()

    def fill(self, page: Page, label: str, text: str) -> None:
        at = page.get_by_label(label, exact=True).first if page.get_by_label(label, exact=True).count() else None
        at = at or page.get_by_label(label).first
        at.fill(text)
        self.camera.point(page, at)

    def done(self, page: Page, words: str) -> None:
        """The page says that it worked."""
        expect(page.locator("fluent-message-bar[intent=success]")).to_contain_text(words)
        self.camera.frame(page)


def sign_in(walk: Walk) -> None:
    page = walk.pages["adam"] = walk.fresh()
    page.goto(walk.plan.urls["portal"])
    begin = page.locator("main fluent-button")
    begin.wait_for()
    walk.camera.picture(page, "sign-in")
    walk.press(page, begin)
    adam = page.locator("button[value=adam]")
    adam.wait_for()
    walk.press(page, adam)
    settled(page)
    walk.camera.frame(page)


def ask_for_access(walk: Walk) -> None:
    page = walk.at("adam", "onboarding")
    walk.camera.picture(page, "access")
    walk.fill(page, "Name of your organisation", "Lamna Healthcare")
    walk.fill(page, "Mail address of the Epic technical contact", "epic@lamna.example")
    walk.press(page, button(page, "Send the request"))
    walk.done(page, "The request is sent")


def let_in(walk: Walk) -> None:
    page = walk.at("olivia", "organisations")
    walk.camera.picture(page, "let-in")
    walk.press(page, button(page, "Let in"))
    _dialog(page).get_by_text("Short name").wait_for()
    walk.press(page, _dialog(page).locator("fluent-button[appearance=primary]"))
    walk.done(page, "is let in")


def consent(walk: Walk) -> None:
    page = walk.at("adam", "onboarding")
    walk.camera.picture(page, "consent")
    begin = button(page, "Give consent at Microsoft")
    walk.camera.point(page, begin)
    with page.context.expect_page() as opened:
        begin.click()
    entra = opened.value
    adam = entra.locator("button[value=adam]")
    adam.wait_for()
    walk.press(entra, adam)
    entra.wait_for_url(f"{walk.plan.urls['app']}/**")
    entra.wait_for_load_state()
    walk.camera.frame(entra)
    entra.close()
    walk.press(page, button(page, "I have done so, look again"))
    walk.done(page, "The consent works")


def tick_the_checklist(walk: Walk) -> None:
    page = walk.at("adam", "onboarding")
    walk.camera.frame(page)
    walk.press(page, page.locator("#prerequisite-teams-in-use"))
    expect(page.locator("#prerequisite-teams-in-use")).to_be_checked()
    settled(page)
    walk.camera.frame(page)
    walk.camera.picture(page, "checklist", page.get_by_role("heading", name="Prerequisites"))


def add_a_connection(walk: Walk) -> None:
    page = walk.at("adam", "configuration")
    walk.press(page, button(page, "Add FHIR base URL"))
    settled(page)
    told = epic_side(walk.plan)
    walk.fill(page, "FHIR base URL", told["fhir_base_url"])
    page.get_by_label("FHIR base URL").blur()
    expect(page.locator(".finding[data-state=ok]").first).to_contain_text("answers as a FHIR server")
    for app in ("provider", "patient", "backend"):
        walk.fill(page, f"Client id of the {app} app", told[f"{app}_client_id"])
    walk.camera.picture(page, "connection", _section(page, "Epic"))
    walk.fill(page, "Address of SetExternalConnectionStatus", told["write_back"]["url"])
    _choose(walk, page, "Epic analyst who approves", "Ana", "Ana Analyst")
    _choose(walk, page, "Accounts that organise the meetings", "Virtual", "Virtual Visits")
    walk.fill(page, "Time zone of the messages", "America/Chicago")
    walk.camera.picture(page, "people", _section(page, "People"))
    walk.press(page, button(page, "Add connection"))
    page.wait_for_url(re.compile(r"#/configuration/(?!new)[^/]+$"))
    settled(page)
    walk.connection = page.url.rpartition("/")[2]
    walk.done(page, "saved as a draft")


def _section(page: Page, title: str) -> Locator:
    return page.locator("legend, summary, h2").filter(has_text=re.compile(rf"^{title}$")).first


def _choose(walk: Walk, page: Page, label: str, typed: str, name: str) -> None:
    """One person of those found while typing."""
    page.get_by_label(label).type(typed)
    found = page.get_by_role("option").filter(has_text=name).first
    found.wait_for()
    walk.press(page, found)


def register(walk: Walk) -> None:
    page = walk.at("ana", f"configuration/{walk.connection}")
    title = page.get_by_role("heading", name="To register at Epic")
    walk.camera.picture(page, "register", title)
    walk.camera.frame(page)
    uris = {app: _redirects(page, f"{app.title()} app") for app in ("provider", "patient")}
    epic = walk.pages["epic"] = walk.fresh()
    epic.goto(f"{walk.plan.urls['epic']}/records")
    for app, wanted in uris.items():
        box = epic.locator(f"#redirect-{app}")
        box.fill("\n".join(wanted))
        walk.camera.point(epic, box)
        walk.press(epic, epic.get_by_role("button", name=f"Save {app} app"))
    expect(epic.locator("#redirect-patient")).to_have_value("\n".join(uris["patient"]))
    walk.camera.picture(epic, "register-in-epic")
    walk.camera.frame(epic)


def _redirects(page: Page, app: str) -> list[str]:
    """What stands to copy as the redirect URIs of an app."""
    section = page.locator("section.app").filter(has=page.get_by_role("heading", name=app))
    rows = section.locator(".copyable").filter(has_text="Redirect URI").all()
    return [_copied(row) for row in rows]


def _copied(row: Locator) -> str:
    return row.locator("code").inner_text().strip()


def check_the_address(walk: Walk) -> None:
    page = walk.at("adam", f"configuration/{walk.connection}")
    walk.camera.picture(page, "draft")
    walk.press(page, button(page, "Check the address"))
    walk.done(page, "The address answers as it should")


def order_a_number(walk: Walk) -> None:
    page = walk.at("adam", "sms")
    walk.press(page, button(page, "Generate a new phone number"))
    walk.press(page, _dialog(page).locator("fluent-button[appearance=primary]"))
    page.locator(".number[data-state=ready]").wait_for(timeout=CHECKED_WITHIN_MS)
    settled(page)
    walk.camera.frame(page)
    walk.press(page, button(page, "Say how the verification stands"))
    page.get_by_label("Toll-free verification").select_option("verified")
    walk.press(page, _dialog(page).locator("fluent-button[appearance=primary]"))
    walk.done(page, "The verification is noted")
    walk.camera.picture(page, "number")


def set_up_texts(walk: Walk) -> None:
    page = walk.at("adam", f"sms/{walk.connection}/setup")
    for words in ("I allow SMS to be sent", "I acknowledge that my organisation"):
        page.get_by_label(words).check()
        walk.camera.point(page, page.get_by_label(words))
    page.get_by_label("Phone number", exact=True).select_option(index=1)
    walk.camera.picture(page, "texts")
    walk.press(page, button(page, "Save"))
    walk.done(page, "It applies at once")


def allow_a_number(walk: Walk) -> None:
    page = walk.at("adam", f"sms/{walk.connection}/trial")
    walk.fill(page, "Phone number to allow", "+16085550140")
    walk.press(page, button(page, "Allow it"))
    walk.done(page, "The number is on the list")
    walk.fill(page, "Your phone number", "+16085550140")
    walk.press(page, page.locator("fluent-button[appearance=primary]").last)
    page.locator(".trial-state:is([data-state=accepted], [data-state=delivered])").wait_for()
    walk.camera.frame(page)
    walk.camera.picture(page, "test-text", page.locator(".card").first)


def upload_the_certificate(walk: Walk) -> None:
    page = walk.at("adam", f"sms/{walk.connection}/certificates")
    page.locator("input[type=file]").set_input_files(walk.plan.path("engine_cer"))
    walk.press(page, button(page, "Upload certificate"))
    page.locator(".certificate").wait_for()
    settled(page)
    walk.camera.frame(page)
    walk.camera.picture(page, "certificate")


def _dialog(page: Page) -> Locator:
    return page.locator("fluent-dialog").last


def approve(walk: Walk) -> None:
    page = walk.at("ana", f"approve/{walk.connection}")
    walk.camera.picture(page, "approve")
    go = page.locator(".approval fluent-button[appearance=primary]")
    walk.camera.point(page, go)
    with page.expect_popup() as opened:
        go.click()
    epic = opened.value
    epic.get_by_label("User").wait_for()
    walk.camera.frame(epic)
    code = sign_in_at(epic, "ana")
    walk.camera.picture(epic, "approval-code")
    walk.camera.frame(epic)
    epic.close()
    box = page.get_by_label("Code", exact=False).first
    page.locator(".signed-in").wait_for()
    box.fill(code)
    walk.camera.point(page, box)
    walk.camera.picture(page, "approval-signed-in", page.locator(".approval"))
    walk.press(page, page.locator(".approval fluent-button[type=submit]"))
    expect(page.locator("fluent-message-bar[intent=success]")).to_be_visible()
    walk.camera.frame(page)


def type_the_records(walk: Walk) -> None:
    page = walk.at("ana", f"review/{walk.connection}")
    walk.camera.picture(page, "records")
    walk.camera.frame(page)
    epic = walk.pages["epic"]
    for role in ("provider", "patient"):
        page.get_by_role("tab", name=role.title(), exact=False).first.click()
        values = {name: _value(page, name) for name in ("URL", "CLIENTID", "CONTEXT")}
        walk.camera.frame(page)
        epic.goto(f"{walk.plan.urls['epic']}/records")
        epic.get_by_label("Role").select_option(role)
        for name, value in values.items():
            epic.get_by_label(name, exact=True).fill(value)
        save = epic.get_by_role("button", name="Save record")
        if role == "provider":
            walk.camera.picture(epic, "records-in-epic", epic.get_by_role("heading", name="Integration record"))
        walk.press(epic, save)
    expect(epic.locator("table")).to_contain_text("patient")
    walk.camera.frame(epic)


def _value(page: Page, mnemonic: str) -> str:
    """What stands beside a mnemonic in the record that is shown."""
    rows = page.locator(".tab-panel:not([hidden]) .copyable")
    return _copied(rows.filter(has_text=f"({mnemonic})").first)


def check_a_record(walk: Walk) -> None:
    page = walk.at("ana", f"review/{walk.connection}/check")
    cells = walk.pages["epic"].locator("table tr").nth(1).locator("td").all_inner_texts()
    text = f"URL={cells[1]}\nCLIENTID={cells[2]}\nCONTEXT={cells[3].replace('%CSN%', '%csn%', 1)}"
    page.locator("textarea").first.fill(text)
    walk.camera.frame(page)
    walk.press(page, page.locator(".card fluent-button[appearance=primary]"))
    result = page.locator(".outcome .card")
    result.wait_for()
    walk.camera.frame(page)
    walk.camera.picture(page, "record-check", result)


def run_preflight(walk: Walk) -> None:
    page = walk.at("adam", f"review/{walk.connection}/preflight")
    walk.press(page, page.locator(".card fluent-button[appearance=primary]"))
    page.locator(".outcome .card").wait_for(timeout=CHECKED_WITHIN_MS)
    walk.camera.frame(page)
    walk.camera.picture(page, "preflight")


def play_a_launch(walk: Walk) -> None:
    page = walk.at("ana", f"review/{walk.connection}/launch-test")
    walk.press(page, page.locator(".card fluent-button[appearance=primary]"))
    page.locator(".outcome .card").wait_for(timeout=CHECKED_WITHIN_MS)
    walk.camera.frame(page)
    walk.camera.picture(page, "launch-test")


def launch_from_epic(walk: Walk) -> None:
    epic = walk.pages["epic"]
    epic.goto(f"{walk.plan.urls['epic']}/records")
    epic.get_by_label("CSN").fill(CSN)
    walk.press(epic, epic.get_by_role("button", name="Book"))
    epic.goto(f"{walk.plan.urls['epic']}/hyperspace")
    walk.press(epic, epic.locator("button[value=paula]"))
    epic.get_by_role("link", name="Begin virtual visit").wait_for()
    walk.camera.picture(epic, "hyperspace")
    visit = _begin(walk, epic)
    walk.press(visit, visit.locator("button[value=paula]"))
    _in_teams(walk, visit)
    walk.camera.picture(visit, "teams")
    patient = walk.fresh()
    patient.goto(f"{walk.plan.urls['epic']}/mychart")
    walk.press(patient, patient.locator("button[value=pat]"))
    _in_teams(walk, _begin(walk, patient))


def _begin(walk: Walk, epic: Page) -> Page:
    """The tab that the visit opens in."""
    begin = epic.get_by_role("link", name="Begin virtual visit")
    walk.camera.point(epic, begin)
    with epic.expect_popup() as opened:
        begin.click()
    return opened.value


def _in_teams(walk: Walk, visit: Page) -> None:
    visit.wait_for_url(f"{walk.plan.urls['graph']}/**")
    visit.get_by_role("heading", name="Virtual visit").wait_for()
    walk.camera.frame(visit)


def look_back(walk: Walk) -> None:
    page = walk.at("adam", "history")
    walk.camera.picture(page, "history")
    walk.camera.frame(page)
    page = walk.at("adam", "onboarding")
    walk.camera.frame(page)
    walk.camera.picture(page, "stages")


#: In their order; the name is the clip's.
STEPS: dict[str, Callable[[Walk], None]] = {
    "sign-in": sign_in,
    "access": ask_for_access,
    "let-in": let_in,
    "consent": consent,
    "checklist": tick_the_checklist,
    "connection": add_a_connection,
    "register": register,
    "check": check_the_address,
    "approve": approve,
    "records": type_the_records,
    "record-check": check_a_record,
    "launch-test": play_a_launch,
    "launch": launch_from_epic,
    "number": order_a_number,
    "texts": set_up_texts,
    "certificate": upload_the_certificate,
    "test-text": allow_a_number,
    "preflight": run_preflight,
    "history": look_back,
}


def walk(plan: Plan, browser: Browser, camera: Camera) -> None:
    """Every step, each with its clip."""
    made = Walk(plan, browser, camera)
    for name, step in STEPS.items():
        with camera.clip(name):
            step(made)
