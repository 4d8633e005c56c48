"""The portal's page in real Chromium, on the sandbox's own stack.

    stack      the running sandbox, for all tests of this folder
    api        the config API as a script uses it: api("adam", "GET", "/config/connections")
    hospital   Lamna Healthcare, let in, and the id of a draft at the Epic stand-in's test instance
    visit      visit("adam", "#/configuration") gives a page of somebody signed in, in a browser profile of its own

Whatever a page says on its console as an error fails the test, above all a breach of the CSP; a test that provokes an
answer that browsers complain of says so: visit.expects("412"). `accessible(page)` runs axe.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, sync_playwright

from portal import vendor
from sandbox import plan as sandbox_plan
from sandbox import stack as sandbox_stack
from sandbox import world
from sandbox.stack import Stack
from tests import chromium as tests_chromium
from tests import free_ports

WITHIN_MS = 15_000
AXE = vendor.HERE / "node_modules" / "axe-core" / "axe.min.js"
#: What is promised: WCAG 2.2 A and AA, and axe's own advice.
_AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("portal")
    with free_ports.block() as first, asyncio.Runner() as runner:
        made = sandbox_stack.sandbox(folder, first)
        runner.run(made.__aenter__())
        yield made
        dead = made.dead()
        runner.run(made.stop())
        assert not dead, f"ended unasked: {dead}"


@dataclass(frozen=True)
class Api:
    """The config API, for a user of the world."""

    plan: sandbox_plan.Plan

    def __call__(self, user: str, method: str, path: str, body: Any = None, change: int | None = None) -> Any:
        ca = self.plan.files["ca"]
        control = f"{self.plan.urls['entra']}/_sandbox/token"
        token = requests.get(control, params={"user": user}, verify=ca, timeout=30).json()["token"]
        headers = {"Authorization": f"Bearer {token}"} | ({} if change is None else {"If-Match": f'"{change}"'})
        url = self.plan.urls["app"] + path
        sent: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
        answer = requests.request(method, url, **sent, headers=headers, verify=ca, timeout=30)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None


@pytest.fixture(scope="session")
def api(stack: Stack) -> Api:
    return Api(stack.plan)


def epic_side(plan: sandbox_plan.Plan) -> dict[str, Any]:
    instance = plan.urls["epic"] + world.EPIC_INSTANCES["test"]
    ids = {f"{app}_client_id": world.EPIC_APPS["test", app] for app in ("provider", "patient", "backend")}
    write_back = {"url": instance + world.WRITE_BACK_PATH}
    return {"fhir_base_url": f"{instance}/api/FHIR/R4", "write_back": write_back, **ids}


@pytest.fixture
def organisation(api: Api) -> str:
    body = {"tenant": world.LAMNA_TENANT, "id": "lamna", "name": "Lamna Healthcare"}
    api("olivia", "PUT", "/config/organisations", body)
    return "lamna"


@pytest.fixture
def hospital(api: Api, organisation: str, visit: "Visit") -> Iterator[str]:
    ana = world.USERS["ana"]
    own = {"approver": {"oid": ana.oid, "upn": ana.upn}, "time_zone": "America/Chicago"}
    body = {"organisation": organisation, "environment": "test", "epic": epic_side(api.plan), "own": own}
    made: str = api("adam", "POST", "/config/connections", body)["id"]
    yield made
    visit.leave()
    clear(api)


def clear(api: Api) -> None:
    """Remove every connection, so that the Epic stand-in's address is free again."""
    for one in api("adam", "GET", "/config/connections")["items"]:
        api("adam", "DELETE", f"/config/connections/{one['id']}", change=one["change"])


@pytest.fixture(scope="module")
def chromium(stack: Stack) -> Iterator[Browser]:
    installed = tests_chromium.found()
    if installed is None:
        assert os.environ.get("CI") != "true", tests_chromium.HOW
        pytest.skip(tests_chromium.HOW)
    switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=installed, args=switches)
        yield running
        running.close()


@dataclass
class Visit:
    """Opens pages for people, and keeps what their browsers complained of."""

    plan: sandbox_plan.Plan
    browser: Browser
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.plan.urls["portal"]

    def expects(self, *words: str) -> None:
        """A complaint with these words is part of the test."""
        self.expected += words

    def stranger(self, place: str = "", **profile: Any) -> Page:
        """A page in a fresh profile, with nobody signed in."""
        usual: dict[str, Any] = {"locale": "en-US", "viewport": {"width": 1280, "height": 900}}
        context = self.browser.new_context(ignore_https_errors=True, **(usual | profile))
        self.contexts.append(context)
        context.set_default_timeout(WITHIN_MS)
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.goto(f"{self.address}/{place}")
        return page

    def __call__(self, user: str, place: str = "", **profile: Any) -> Page:
        """A page of somebody who is signed in."""
        page = self.stranger(place, **profile)
        self.sign_in(page, user)
        return page

    def sign_in(self, page: Page, user: str) -> None:
        page.locator("main fluent-button").click()
        page.locator(f"button[value={user}]").click()
        settled(page)

    def go(self, page: Page, place: str) -> None:
        """Another page by its address, as a link would."""
        page.evaluate("place => { location.hash = place; }", place)
        page.wait_for_function("place => location.hash === place", arg=place)
        settled(page)

    def _heard(self, message: ConsoleMessage) -> None:
        ours = self.address in message.location.get("url", "") or self.plan.urls["app"] in message.text
        if message.type == "error" and (
            ours or "Security Policy" in message.text or "favicon" not in str(message.location)
        ):
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def leave(self) -> None:
        """Close every profile: what a page still asks for is nobody's any more."""
        for context in self.contexts:
            context.close()
        self.contexts.clear()

    def unexpected(self) -> list[str]:
        return [one for one in self.complaints if not any(words in one for words in self.expected)]


@pytest.fixture
def visit(stack: Stack, chromium: Browser) -> Iterator[Visit]:
    made = Visit(stack.plan, chromium)
    yield made
    made.leave()
    assert made.unexpected() == []


def settled(page: Page) -> None:
    """The router has shown what the address names."""
    page.locator("#page > .content:not([aria-busy])").wait_for()


def accessible(page: Page) -> None:
    """axe finds nothing on the page once it has come to rest: a colour on its way to another one is no finding."""
    page.evaluate(AXE.read_text())
    deadline = time.monotonic() + WITHIN_MS / 1000
    while (faults := _faults(page)) and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert faults == {}


def _faults(page: Page) -> dict[str, list[str]]:
    found: Callable[..., Any] = page.evaluate
    result = found("tags => axe.run(document, { runOnly: tags })", _AXE_TAGS)
    return {
        one["id"]: [f"{node['target']} {node['failureSummary']}" for node in one["nodes"]]
        for one in result["violations"]
    }


def button(page: Page, words: str) -> Locator:
    """One of Fluent's buttons that is seen. Their role stands in their internals, which Playwright does not read."""
    return page.locator("fluent-button:visible, fluent-anchor-button:visible").filter(has_text=words)
