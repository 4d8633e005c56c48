"""While somebody works on a page the rest goes on: visits and texts while a proposal waits, a number after a crash."""

import asyncio
import itertools
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from sandbox import clock, world
from sandbox import stack as sandbox_stack
from sandbox.demo import engine, siu
from sandbox.demo.siu import Booking
from sandbox.demo.steps.set_up import ASSIGNMENT, ORGANISATION
from sandbox.plan import Plan
from sandbox.stack import Settings, Stack
from tests import free_ports
from tests.portal.approving import approve, at, change, press, register_at_epic
from tests.portal.conftest import Api, Visit, accessible, button, settled

PHONE = "+16085550148"
WITHIN_SECONDS = 40
#: A message of a killed host comes back after so long.
_LEASE_SECONDS = 4


def aside[T](work: Callable[[], Any]) -> Any:
    """Something asynchronous, beside the loop that the browser's driver runs in this thread."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(lambda: asyncio.run(work())).result()


class Clinic:
    """An approved hospital that texts, at the interface engine's and the patients' end."""

    _booked = itertools.count(1)

    def __init__(self, plan: Plan, connection: str) -> None:
        self.plan, self.connection = plan, connection

    def control(self, peer: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """A stand-in's control."""
        url = f"{self.plan.urls[peer]}/_sandbox/{path}"
        answer = requests.request(method, url, json=body, params=query, verify=self.plan.files["ca"], timeout=30)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def book(self) -> str:
        """An appointment at Epic that the engine announces; its CSN."""
        number = next(self._booked)
        start = siu.whole_minute(clock.now(self.plan.path("clock")) + timedelta(minutes=10 + number))
        csn = f"77{number:05}"
        order = {"csn": csn, "patient": "pat", "practitioner": "paula", "start": start.isoformat()}
        self.control("epic", "POST", "appointments", order)
        body = siu.message("S12", Booking(csn, start, PHONE), clock.now(self.plan.path("clock")), f"m{csn}")
        reply = aside(lambda: engine.post(self.plan, f"/hl7v2/{self.connection}", body))
        assert siu.acknowledgement(reply.body)[0] == "AA", reply
        return csn

    def texts(self) -> int:
        """How many the phone shows."""
        return len(self.control("acs", "GET", "texts", to=PHONE))


@pytest.fixture
def clinic(api: Api, hospital: str) -> Iterator[Clinic]:
    api("olivia", "POST", "/config/numbers/assignments", ASSIGNMENT)
    own = api("adam", "GET", at(hospital))["own"]
    sms = {"may_send_for_us": True, "patients_have_consented": True, "number": ASSIGNMENT["number"], "reminders": []}
    pool = [world.USERS[key].oid for key in ("rooms", "rooms2")]
    change(api, "adam", "PUT", f"{hospital}/own", own | {"sms": own["sms"] | sms, "organisers": pool})
    change(api, "adam", "POST", f"{hospital}/allow-list", {"number": PHONE})
    change(api, "adam", "POST", f"{hospital}/certificates", api.plan.path("engine_cer").read_bytes())
    register_at_epic(api.plan, hospital)
    approve(api, hospital)
    made = Clinic(api.plan, hospital)
    record = {
        "role": "provider",
        "launch_url": f"{api.plan.urls['app']}/launch/provider/{hospital}",
        "client_id": world.EPIC_APPS["test", "provider"],
        "context": "csn=%CSN%&sessionId=%CSN%&externalId=%EPICUSERID%",
    }
    made.control("epic", "POST", "fdi", record)
    yield made
    own = api("adam", "GET", at(hospital))["own"]
    change(api, "adam", "PUT", f"{hospital}/own", own | {"sms": own["sms"] | {"number": None}})


def launched(visit: Visit, clinic: Clinic, csn: str) -> None:
    """Paula presses the button in Hyperspace and comes to the meeting of this appointment."""
    page = visit.stranger()
    page.goto(f"{clinic.plan.urls['epic']}/hyperspace")
    page.locator("button[value=paula]").click()
    with page.expect_popup() as opened:
        page.locator(f"a[href*='csn={csn}']").first.click()
    teams = opened.value
    paula = teams.locator("button[value=paula]")
    teams.wait_for_load_state()
    if paula.count():
        paula.click()
    teams.wait_for_url(f"{clinic.plan.urls['graph']}/**")


def goes_on(visit: Visit, clinic: Clinic, page: Page) -> None:
    """A visit is booked, texted about and launched."""
    before = clinic.texts()
    csn = clinic.book()
    launched(visit, clinic, csn)
    for _ in range(WITHIN_SECONDS):
        if clinic.texts() > before:
            return
        page.wait_for_timeout(1000)
    raise AssertionError("no text came")


@pytest.mark.feature("F2.8", "F3.6")
def test_launches_and_texts_go_on_while_a_proposal_waits_and_is_refused(visit: Visit, api: Api, clinic: Clinic):
    hospital = clinic.connection
    adam, ana = visit("adam", f"#/configuration/{hospital}/epic"), visit("ana", f"#/approve/{hospital}")
    goes_on(visit, clinic, adam)
    adam.get_by_label("Client id of the patient app").fill("another-patient-app")
    button(adam, "Propose the change").click()
    settled(adam)
    press(adam, "Check the address")
    expect(adam.locator("fluent-message-bar[intent=success]")).to_be_visible()
    goes_on(visit, clinic, adam)
    ana.reload()
    settled(ana)
    expect(ana.locator(".differences")).to_contain_text("another-patient-app")
    press(ana, "Send back")
    ana.get_by_label("Reason").fill("That app is not ours.")
    ana.locator("fluent-dialog fluent-button[appearance=primary]").click()
    expect(ana.locator("fluent-message-bar[intent=success]")).to_be_visible()
    goes_on(visit, clinic, adam)
    adam.reload()
    settled(adam)
    expect(adam.locator("main")).to_contain_text("That app is not ours.")
    assert api("adam", "GET", at(hospital))["active"]["patient_client_id"] != "another-patient-app"


@pytest.mark.parametrize(("pressed", "said", "sent"), [("Release them", "released", 1), ("Drop them", "dropped", 0)])
def test_what_the_brake_holds_goes_out_or_never_on_the_administrators_word(
    visit: Visit, api: Api, clinic: Clinic, pressed: str, said: str, sent: int
):
    hospital, before = clinic.connection, clinic.texts()
    own = api("adam", "GET", at(hospital))["own"]
    change(api, "adam", "PUT", f"{hospital}/own", own | {"sms": own["sms"] | {"hourly_brake": 0}})
    page = visit("adam", f"#/sms/{hospital}/setup")
    clinic.book()
    for _ in range(WITHIN_SECONDS):
        page.reload()
        settled(page)
        if page.locator(".held").count():
            break
        page.wait_for_timeout(1000)
    expect(page.locator(".held")).to_contain_text("One text is held back")
    accessible(page)
    press(page, pressed)
    page.locator("fluent-dialog fluent-button[appearance=primary]").click()
    expect(page.locator("fluent-message-bar[intent=success]")).to_contain_text(f"One text is {said}")
    expect(page.locator(".held")).to_have_count(0)
    page.wait_for_timeout(5000)
    assert clinic.texts() == before + sent


# --- the host dies


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox of its own, whose queue messages come back soon."""
    folder: Path = tmp_path_factory.mktemp("mortal")
    with free_ports.block() as first:
        made = sandbox_stack.sandbox(folder, first, Settings(lease_seconds=_LEASE_SECONDS))
        aside(made.__aenter__)
        yield made
        aside(made.stop)


@pytest.mark.promise("P1")
@pytest.mark.feature("F5.4")
def test_a_number_whose_order_the_host_did_not_survive_is_there_once(mortal: Stack, chromium: Browser):
    visit, api = Visit(mortal.plan, chromium), Api(mortal.plan)
    visit.expects("net::ERR", "Failed to load resource")
    api("olivia", "PUT", "/config/organisations", ORGANISATION)
    clinic = Clinic(mortal.plan, "")
    clinic.control("acs", "POST", "numbers", {"searches": 1000, "purchases": 1000, "seconds": 3})
    page = visit("adam", "#/sms")
    button(page, "Generate a new phone number").click()
    button(page, "Buy the number").click()
    expect(page.locator(".number").first).to_be_visible()
    expect(page.locator("[aria-current=step]")).to_contain_text("Buying", timeout=30_000)
    aside(lambda: mortal.restart("app", signal.SIGKILL))
    expect(page.locator(".number[data-state=ready]").first).to_be_visible(timeout=90_000)
    [order] = api("adam", "GET", "/config/numbers")["items"]
    assert (order["state"], len(clinic.control("acs", "GET", "seen", kind="purchase"))) == ("ready", 1)
    visit.leave()
    assert visit.unexpected() == []
