"""An approval as the approver's browser goes through it, for pages that begin behind it; and Epic's side of it."""

import re
from typing import Any
from urllib.parse import urljoin

import requests
from playwright.sync_api import Page

from sandbox import world
from sandbox.plan import Plan
from tests.portal.conftest import Api


def at(connection: str, rest: str = "") -> str:
    return f"/config/connections/{connection}{rest}"


def change(api: Api, user: str, method: str, path: str, body: Any = None) -> Any:
    """A change to a connection as it stands now. `path` begins behind /config/connections/."""
    now = api(user, "GET", f"/config/connections/{path.partition('/')[0]}")["change"]
    return api(user, method, f"/config/connections/{path}", body, now)


def approve(api: Api, connection: str) -> dict[str, Any]:
    """Check the address, sign in to Epic, approve: by the API."""
    change(api, "adam", "POST", f"{connection}/validation")
    begun = change(api, "ana", "POST", f"{connection}/approvals")
    code = sign_in_to_epic(api.plan, begun["authorize_url"], "ana")
    made: dict[str, Any] = api("ana", "POST", at(connection, f"/approvals/{begun['attempt']}"), {"code": code})
    return made


def sign_in_to_epic(plan: Plan, url: str, who: str) -> str:
    """Sign in at the Epic stand-in without a browser; the code of the page that follows."""
    person, ca = world.EPIC_USERS[who], plan.files["ca"]
    page = requests.get(url, verify=ca, timeout=30).text
    form = {"request": _value(page, "request"), "login": person.login, "password": person.password}
    action = re.search(r'action="([^"]+)"', page)
    assert action, page
    landed = requests.post(urljoin(url, action[1]), data=form, verify=ca, timeout=30).text
    code = re.search(r'id="code">([^<]+)<', landed)
    assert code, landed
    return code[1]


def _value(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return found[1]


def sign_in_at(page: Page, who: str) -> str:
    """The same in a browser that stands on Epic's sign-in page."""
    person = world.EPIC_USERS[who]
    page.get_by_label("User").fill(person.login)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    return page.locator("#code").inner_text()


def press(page: Page, words: str) -> None:
    """One of Fluent's buttons, by what stands on it."""
    page.locator("fluent-button, fluent-anchor-button").filter(
        has_text=re.compile(rf"^\s*{re.escape(words)}\s*$")
    ).click()


def register_at_epic(plan: Plan, connection: str) -> None:
    """The Epic analyst enters the connection's redirect URI in the records of both launch apps."""
    uris = [f"{plan.urls['app']}/launch/callback/{connection}"]
    for app in ("provider", "patient"):
        more = [f"{plan.urls['app']}/config/epic-callback"] if app == "provider" else []
        url = f"{plan.urls['epic']}/_sandbox/apps/{world.EPIC_APPS['test', app]}"
        body = {"redirect_uris": uris + more}
        requests.patch(url, json=body, verify=plan.files["ca"], timeout=30).raise_for_status()
