"""Step 2: numbers, set-up of texts, wording, certificates, allow-list and a text to one's own number."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID
from playwright.sync_api import Page, expect

from sandbox.demo.steps.set_up import ASSIGNMENT
from sandbox.stack import Stack
from tests.portal.conftest import Api, Visit, accessible, button, settled

PHONE = "+16085550147"
#: A key that must be refused.
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is weak is the point


@pytest.fixture
def number(api: Api, hospital: str) -> str:
    """A number that the operator has assigned."""
    del hospital
    api("olivia", "POST", "/config/numbers/assignments", ASSIGNMENT)
    return str(ASSIGNMENT["number"])


@pytest.fixture
def second(api: Api, hospital: str) -> str:
    """Another FHIR base URL of the same environment."""
    first = api("adam", "GET", f"/config/connections/{hospital}")
    epic = first["pending"]["epic"] | {"fhir_base_url": "https://second.lamna.example/api/FHIR/R4"}
    body = {"organisation": "lamna", "environment": "test", "epic": epic, "own": first["own"]}
    made: str = api("adam", "POST", "/config/connections", body)["id"]
    return made


@pytest.fixture
def texting(api: Api, hospital: str, number: str) -> Iterator[str]:
    """The connection with both consents and the number."""
    change_sms(api, hospital, may_send_for_us=True, patients_have_consented=True, number=number)
    yield hospital
    change_sms(api, hospital, number=None)


def sms(api: Api, hospital: str) -> dict[str, Any]:
    found: dict[str, Any] = api("adam", "GET", f"/config/connections/{hospital}")["own"]["sms"]
    return found


def change_sms(api: Api, hospital: str, **changes: Any) -> None:
    one = api("adam", "GET", f"/config/connections/{hospital}")
    own = one["own"] | {"sms": one["own"]["sms"] | changes}
    api("adam", "PUT", f"/config/connections/{hospital}/own", own, one["change"])


def message(page: Page, kind: str = "success") -> Any:
    return page.locator(f"fluent-message-bar[intent={kind}]")


# --- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F5.4", "F5.5")
def test_a_number_is_ordered_survives_a_reload_and_becomes_ready(visit: Visit, api: Api, hospital: str):
    page = visit("adam", "#/sms")
    before = {one["id"] for one in api("adam", "GET", "/config/numbers")["items"]}
    accessible(page)
    shown_before, ready_before = (page.locator(one).count() for one in (".number", ".number[data-state=ready]"))
    button(page, "Generate a new phone number").click()
    expect(page.locator("fluent-dialog")).to_contain_text("cost whoever runs the connector money")
    button(page, "Cancel").click()
    expect(page.locator("fluent-dialog")).to_have_count(0)
    assert {one["id"] for one in api("adam", "GET", "/config/numbers")["items"]} == before
    button(page, "Generate a new phone number").click()
    button(page, "Buy the number").click()
    expect(page.locator(".number")).to_have_count(shown_before + 1)
    page.reload()
    settled(page)
    [made] = [one for one in api("adam", "GET", "/config/numbers")["items"] if one["id"] not in before]
    expect(page.locator(".number[data-state=ready]")).to_have_count(ready_before + 1, timeout=60_000)
    ready = api("adam", "GET", f"/config/numbers/{made['id']}")
    expect(page.locator(".number").filter(has_text=ready["number"])).to_contain_text("Not verified")
    accessible(page)


@pytest.mark.feature("F5.6", "F5.7", "F5.10", "F5.12")
def test_one_number_is_linked_to_several_fhir_base_urls_and_said_to_be_verified(
    visit: Visit, api: Api, hospital: str, second: str, number: str
):
    page = visit("adam", "#/sms")
    card = page.locator(".number").filter(has=page.get_by_role("heading", name=number))
    card.locator("fluent-button").filter(has_text="Link to FHIR base URLs").click()
    dialog = page.locator("fluent-dialog")
    expect(dialog).to_contain_text("might stop the SMS service")
    for box in dialog.get_by_role("checkbox").all():
        box.check()
    accessible(page)
    button(page, "Save").click()
    expect(message(page)).to_be_visible()
    assert [sms(api, one)["number"] for one in (hospital, second)] == [number, number]
    card.locator("fluent-button").filter(has_text="verification").click()
    page.get_by_label("Toll-free verification").select_option("verified")
    button(page, "Save").click()
    expect(message(page)).to_contain_text("noted")
    expect(card).to_contain_text("Verified")
    expect(card).to_contain_text("Adam")
    for one in (hospital, second):
        change_sms(api, one, number=None)


# --- set-up --------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F5.3", "F5.8", "F5.9", "F5.16", "F5.17")
def test_texts_are_set_up_with_consents_number_intervals_and_quiet_hours(
    visit: Visit, api: Api, hospital: str, number: str
):
    page = visit("adam", f"#/sms/{hospital}/setup")
    page.get_by_label("I allow SMS to be sent").check()
    page.get_by_label("I acknowledge").check()
    page.get_by_label("Phone number").select_option(number)
    page.get_by_label("Reminders, in minutes").fill("2880, 1440, 30")
    page.get_by_label("Quiet hours, from").fill("21:00")
    page.get_by_label("until", exact=True).fill("08:00")
    accessible(page)
    button(page, "Save").click()
    expect(message(page)).to_contain_text("applies at once")
    saved = sms(api, hospital)
    assert (saved["may_send_for_us"], saved["patients_have_consented"], saved["number"]) == (True, True, number)
    assert saved["reminders"] == [2880, 1440, 30]
    assert saved["quiet_hours"] == {"starts": "21:00", "ends": "08:00"}
    page.get_by_label("Quiet hours, from").fill("")
    page.get_by_label("until", exact=True).fill("")
    button(page, "Save").click()
    expect(page.get_by_label("Quiet hours, from")).to_have_value("")
    expect(message(page)).to_be_visible()
    assert sms(api, hospital)["quiet_hours"] is None
    change_sms(api, hospital, number=None)


@pytest.mark.feature("F5.10")
def test_what_would_stop_texts_is_said_before_it_is_saved(visit: Visit, api: Api, texting: str):
    page = visit("adam", f"#/sms/{texting}/setup")
    expect(page.locator(".stops fluent-message-bar")).to_have_count(0)
    page.get_by_label("I acknowledge").uncheck()
    page.get_by_label("Reminders, in minutes").fill("")
    stops = page.locator(".stops")
    expect(stops).to_contain_text("Without both consents no text goes out any more")
    expect(stops).to_contain_text("Patients will no longer be reminded")
    accessible(page)
    assert sms(api, texting)["patients_have_consented"] is True


def test_one_time_alone_is_no_quiet_hours(visit: Visit, hospital: str):
    visit.expects("422")
    page = visit("adam", f"#/sms/{hospital}/setup")
    page.get_by_label("Quiet hours, from").fill("21:00")
    button(page, "Save").click()
    expect(page.get_by_role("alert").filter(has_text="Two times that differ")).to_be_visible()


# --- wording -------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F5.15")
def test_wording_is_written_with_a_preview_and_its_cost(visit: Visit, api: Api, hospital: str):
    page = visit("adam", f"#/sms/{hospital}/texts")
    preview = page.locator(".text-preview[data-kind=reminder]")
    expect(preview).to_contain_text("Lamna Healthcare: reminder of your video visit on")
    expect(preview).to_contain_text("GSM-7")
    page.get_by_label("Reminder").fill("{organisation}: {day}, {time} ✅ {link}")
    expect(preview).to_contain_text("UCS-2")
    expect(preview).to_contain_text("times as many segments: ✅")
    page.get_by_label("Reminder").fill("{organisation}: {day}, {time}. {link}")
    expect(preview).to_contain_text("1 segment")
    accessible(page)
    button(page, "Save").click()
    expect(message(page)).to_be_visible()
    assert sms(api, hospital)["texts"]["en"]["reminder"] == "{organisation}: {day}, {time}. {link}"
    page.get_by_role("link", name="Spanish").click()
    settled(page)
    expect(page.locator(".text-preview[data-kind=booked]")).to_contain_text("su visita por video")


@pytest.mark.feature("F5.15")
@pytest.mark.parametrize(
    ("template", "why"),
    [("Hello {patient_name} {link}", "no placeholder but those above"), ("See you {day}", "It must have {link}")],
)
def test_a_patients_name_and_a_text_without_link_are_refused_at_the_field(
    visit: Visit, api: Api, hospital: str, template: str, why: str
):
    visit.expects("422")
    page = visit("adam", f"#/sms/{hospital}/texts/fr")
    page.get_by_label("Visit scheduled").fill(template)
    button(page, "Save").click()
    expect(page.locator(".field-error").filter(has_text=why)).to_be_visible()
    assert "fr" not in sms(api, hospital)["texts"]


@pytest.mark.feature("F5.15")
@pytest.mark.parametrize(
    ("name", "spoken"), [("department", "department"), ("provider", "provider"), ("visit_type", "visit type")]
)
def test_what_tells_of_the_visit_needs_its_switch_and_another_language_its_code(
    visit: Visit, api: Api, hospital: str, name: str, spoken: str
):
    visit.expects("422")
    page = visit("adam", f"#/sms/{hospital}/texts")
    page.get_by_label("Another language").fill("de")
    button(page, "Write texts in it").click()
    settled(page)
    page.get_by_label("Reminder").fill(f"{{organisation}}, {{{name}}}: {{day}} um {{time}}. {{link}}")
    expect(page.locator(".text-preview[data-kind=reminder]")).to_contain_text(f"It names the {spoken}")
    button(page, "Save").click()
    expect(page.locator(".summary").get_by_role("link", name="Reminder")).to_be_visible()
    page.get_by_label(f"Texts may name the {spoken}").check()
    button(page, "Save").click()
    expect(message(page)).to_be_visible()
    assert sms(api, hospital)[f"may_name_{name}"] is True
    page.get_by_label("Reminder").fill("")
    button(page, "Save").click()
    expect(page.get_by_label("Reminder")).to_have_value("")
    expect(message(page)).to_be_visible()
    assert "de" not in sms(api, hospital)["texts"]


def test_a_second_tenant_reaches_no_texts_of_the_first(visit: Visit, hospital: str):
    visit.expects("404", "connection-unknown")
    page = visit("mallory", "#/sms")
    for place in ("", "/setup", "/texts", "/certificates", "/trial"):
        visit.go(page, f"#/sms/{hospital}{place}")
        assert "interconnect" not in page.locator("main").inner_text()
        assert page.locator("main form").count() == 0


# --- certificates --------------------------------------------------------------------------------------------------


def certificate(key: Any, days: int = 400) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine.lamna.example")])
    ends = datetime.now(UTC) + timedelta(days=days)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    return made.not_valid_before(ends - timedelta(days=800)).not_valid_after(ends).sign(key, hashes.SHA256())


@pytest.mark.feature("F6.2")
def test_a_certificate_is_uploaded_in_either_form_and_two_stand_during_rollover(
    visit: Visit, api: Api, hospital: str, stack: Stack, tmp_path: Path
):
    visit.expects("409")
    page = visit("adam", f"#/sms/{hospital}/certificates")
    expect(page.locator("#page")).to_contain_text("every appointment message is refused")
    upload(page, stack.plan.path("engine_cer"))
    expect(message(page)).to_contain_text("is accepted")
    second = tmp_path / "second.cer"
    second.write_bytes(certificate(ec.generate_private_key(ec.SECP256R1()), days=20).public_bytes(Encoding.DER))
    upload(page, second)
    expect(page.locator(".certificate")).to_have_count(2)
    expect(page.locator(".certificate").filter(has_text="Ends soon")).to_have_count(1)
    accessible(page)
    third = tmp_path / "third.cer"
    third.write_bytes(certificate(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.PEM))
    upload(page, third)
    expect(page.locator(".field-error:visible")).to_contain_text("Remove one first")
    assert len(api("adam", "GET", f"/config/connections/{hospital}")["own"]["certificates"]) == 2


@pytest.mark.feature("F6.2")
def test_one_file_serves_every_fhir_base_url_of_an_environment(
    visit: Visit, api: Api, hospital: str, second: str, stack: Stack
):
    page = visit("adam", f"#/sms/{second}/certificates")
    expect(page.get_by_label("For all 2 FHIR base URLs of this environment (Test)")).to_be_checked()
    upload(page, stack.plan.path("engine_cer"))
    expect(message(page)).to_contain_text("accepted for 2 FHIR base URLs")
    pins = [api("adam", "GET", f"/config/connections/{one}")["own"]["certificates"] for one in (hospital, second)]
    assert pins[0] == pins[1] != []


@pytest.mark.feature("F6.2")
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("expired", "It has expired"),
        ("weak", "too weak"),
        ("private", "holds a private key. It was not sent"),
        ("private-der", "holds a private key. It was not sent"),
        ("private-base64", "holds a private key. It was not sent"),
        ("pfx", "holds a private key. It was not sent"),
        ("garbage", "no certificate that can be read"),
    ],
)
def test_what_is_no_good_certificate_is_refused_with_the_reason(
    visit: Visit, api: Api, hospital: str, tmp_path: Path, kind: str, why: str
):
    visit.expects("422")
    key = ec.generate_private_key(ec.SECP256R1())
    content = {
        "expired": lambda: certificate(key, days=-1).public_bytes(Encoding.PEM),
        "weak": lambda: certificate(WEAK).public_bytes(Encoding.DER),
        "private": lambda: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "private-der": lambda: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "private-base64": lambda: base64.encodebytes(
            key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        ),
        "pfx": lambda: pkcs12.serialize_key_and_certificates(None, key, certificate(key), None, NoEncryption()),
        "garbage": lambda: b"0\x82 this is none",
    }[kind]
    bad = tmp_path / "bad.cer"
    bad.write_bytes(content())
    page = visit("adam", f"#/sms/{hospital}/certificates")
    upload(page, bad)
    expect(page.locator(".field-error:visible")).to_contain_text(why)
    accessible(page)
    assert api("adam", "GET", f"/config/connections/{hospital}")["own"]["certificates"] == []


def upload(page: Page, path: Path) -> None:
    page.get_by_label("Certificate file").set_input_files(path)
    button(page, "Upload certificate").click()
    settled(page)


# --- allow-list and test text --------------------------------------------------------------------------------------


@pytest.mark.feature("F5.1")
def test_a_number_is_allowed_gets_a_test_text_and_its_arrival_is_shown(visit: Visit, api: Api, texting: str):
    visit.expects("422")
    page = visit("adam", f"#/sms/{texting}/trial")
    page.get_by_label("Your phone number").fill(PHONE)
    button(page, "Send").click()
    expect(page.locator(".field-error:visible")).to_contain_text("not on the allow-list yet")
    page.get_by_label("Phone number to allow").fill(PHONE)
    button(page, "Allow it").click()
    expect(message(page)).to_contain_text("on the list")
    page.get_by_label("Your phone number").fill(PHONE)
    page.get_by_label("Which text").select_option("reminder")
    accessible(page)
    button(page, "Send").click()
    expect(page.locator(".trial-state[data-state=accepted], .trial-state[data-state=delivered]")).to_be_visible(
        timeout=30_000
    )
    accessible(page)
    page.reload()
    settled(page)
    expect(page.locator(".trial-state")).to_be_visible()
    page.get_by_label("Remove number 1").click()
    expect(page.locator("#page")).to_contain_text("nobody gets a text")
