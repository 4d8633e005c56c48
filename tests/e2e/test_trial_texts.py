"""Wording and test texts over the running sandbox: what a script can do, and what arrives."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox import world
from sandbox.demo import engine, siu
from sandbox.demo.api import call, change
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking
from sandbox.demo.steps.texts import texts
from tests.e2e.launch.launching import csn

PHONE = "+16085550146"
READY = {"may_send_for_us": True, "patients_have_consented": True, "number": world.ACS_NUMBER}


async def set_sms(scene: Scene, **sms: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of a PUT of the own side with other settings for texts."""
    own = (await call(scene, "adam", "GET", path(scene))).body["own"]
    saved = await change(scene, "adam", "PUT", "/own", own | {"sms": own["sms"] | sms})
    return saved.status, saved.body


def path(scene: Scene, rest: str = "") -> str:
    return f"/config/connections/{scene.facts['connection']}{rest}"


@pytest.mark.feature("F5.15")
async def test_a_test_text_arrives_in_the_organisations_words_and_says_what_it_is(draft: Scene):
    status, _ = await set_sms(draft, **READY, texts={"fr": {"reminder": "{organisation} : {day}. {link}"}})
    assert status == 200
    trial = {"number": PHONE, "kind": "reminder", "language": "fr"}
    refused = await call(draft, "adam", "POST", path(draft, "/test-texts"), trial)
    assert (refused.status, refused.body["fields"]) == (422, ["number: not on the allow list"])
    assert (await change(draft, "adam", "POST", "/allow-list", {"number": PHONE})).status == 201
    asked = await call(draft, "adam", "POST", path(draft, "/test-texts"), trial)
    assert (asked.status, PHONE in str(asked.body)) == (202, False)
    [arrived] = await eventually(lambda: texts(draft, PHONE), lambda found: len(found) > 0)
    preview = await call(draft, "adam", "POST", path(draft, "/text-previews"), {"kind": "reminder", "language": "fr"})
    assert arrived["message"] == f"TEST: {preview.body['body']}"
    shown = await call(draft, "adam", "GET", path(draft, f"/test-texts/{asked.body['id']}"))
    assert (shown.status, shown.body["state"] in {"sending", "accepted", "delivered"}) == (200, True)


@pytest.mark.feature("F5.15")
async def test_a_preview_counts_and_warns_without_saving(draft: Scene):
    wanted = {"kind": "booked", "language": "es", "template": "{organisation} ✅ {link}"}
    shown = await call(draft, "adam", "POST", path(draft, "/text-previews"), wanted)
    assert (shown.status, shown.body["encoding"], shown.body["outside"]) == (200, "UCS-2", "✅")
    assert shown.body["warnings"] == ["letters", "no-time"]
    assert (await call(draft, "adam", "GET", path(draft))).body["own"]["sms"]["texts"] == {}


@pytest.mark.feature("F5.15")
@pytest.mark.parametrize(
    ("texts_", "field"),
    [
        ({"en": {"booked": "{patient} {link}"}}, "sms.texts.en.booked"),
        ({"en": {"reminder": "{day}"}}, "sms.texts.en.reminder"),
        ({"en": {"reminder": "{department} {link}"}}, "sms.texts.en.reminder"),
    ],
)
async def test_a_template_that_is_not_allowed_is_refused_with_its_path(draft: Scene, texts_: Any, field: str):
    status, body = await set_sms(draft, texts=texts_)
    assert (status, body["code"]) == (422, "value-refused")
    assert [one.split(":")[0] for one in body["fields"]] == [field]


@pytest.mark.feature("F5.15")
async def test_a_text_tells_of_the_visit_only_what_the_hospital_switched_on(connection: Scene):
    words = {"en": {"booked": "{organisation}: {visit_type}, {provider}, {department}. {link}"}}
    switches = {f"may_name_{name}": True for name in ("department", "provider", "visit_type")}
    own = (await call(connection, "adam", "GET", path(connection))).body["own"]
    listed = own["hl7"] | {"video_visit_types": ["VV", "VIDEO VISIT"]}
    for status, told in ((422, {}), (200, switches)):
        sms = own["sms"] | READY | {"texts": words, "reminders": []} | told
        assert (await change(connection, "adam", "PUT", "/own", own | {"sms": sms, "hl7": listed})).status == status
    assert (await change(connection, "adam", "POST", "/allow-list", {"number": PHONE})).status == 201
    booking = Booking(csn(), siu.whole_minute(connection.now() + timedelta(hours=3)), PHONE)
    body = siu.message("S12", booking, connection.now(), booking.csn)
    assert (await engine.post(connection.plan, f"/hl7v2/{connection.facts['connection']}", body)).status == 200
    found = await eventually(lambda: texts(connection, PHONE), lambda all_: "PROVIDER" in str(all_))
    assert found[-1]["message"].startswith(
        "Lamna Healthcare: VIDEO VISIT, PAULA PROVIDER, TELEHEALTH CARDIOLOGY. https"
    )
    kept = [row async for row in connection.tables.get_table_client("Visits").list_entities()]
    assert "PAULA" not in str(kept)


async def test_an_approver_and_another_tenant_try_nothing_out(draft: Scene):
    for user, status in (("ana", 403), ("mallory", 404)):
        for end, body in (("/text-previews", {"kind": "booked"}), ("/test-texts", {"number": PHONE})):
            assert (await call(draft, user, "POST", path(draft, end), body)).status == status
