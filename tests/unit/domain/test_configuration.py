"""The life of a connection's settings, and what its values may be."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from shared.domain import configuration
from shared.domain.connection import (
    Connection,
    EngineCertificate,
    EpicSide,
    Organisation,
    OwnSide,
    Pending,
    Refusal,
    WriteBack,
)
from shared.errors import Code, Refused
from tests.unit.domain.connections import BASE, LAMNA, epic_side, own_side

OTHER = epic_side(pkce=False)
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def a_connection(**changes: Any) -> Connection:
    """A draft, with whatever else a test needs."""
    return configuration.drafted(LAMNA, "test", epic_side(), own_side()).model_copy(update=changes)


DRAFT = a_connection()
WAITING = configuration.validated(DRAFT)
ACTIVE = configuration.approved(WAITING)
NEXT = configuration.proposed(ACTIVE, OTHER)

STEPS: dict[str, Callable[[Connection], Connection]] = {
    "propose": lambda connection: configuration.proposed(connection, OTHER),
    "validate": configuration.validated,
    "approve": configuration.approved,
    "withdraw": configuration.withdrawn,
    "suspend": lambda connection: configuration.suspended(connection, stopped=True),
    "send back": lambda connection: configuration.sent_back(connection, "wrong address", "ana", NOW),
    "switch off": lambda connection: configuration.switched(connection, off=True),
}
REFUSED = STEPS["send back"](configuration.validated(NEXT))


@pytest.mark.feature("F3.6")
@pytest.mark.parametrize(
    ("before", "step", "pending", "serves"),
    [
        (DRAFT, "propose", "draft", False),
        (DRAFT, "validate", "needs-approval", False),
        (DRAFT, "approve", None, None),
        (DRAFT, "withdraw", "", False),
        (WAITING, "propose", "draft", False),
        (WAITING, "validate", "needs-approval", False),
        (WAITING, "approve", "", True),
        (WAITING, "withdraw", "", False),
        (ACTIVE, "propose", "draft", True),
        (ACTIVE, "validate", None, None),
        (ACTIVE, "approve", None, None),
        (ACTIVE, "withdraw", None, None),
        (ACTIVE, "suspend", "", False),
        (NEXT, "validate", "needs-approval", True),
        (NEXT, "approve", None, None),
        (NEXT, "withdraw", "", True),
        (DRAFT, "send back", None, None),
        (WAITING, "send back", "refused", False),
        (ACTIVE, "send back", None, None),
        (NEXT, "send back", None, None),
        (REFUSED, "propose", "draft", True),
        (REFUSED, "validate", None, None),
        (REFUSED, "approve", None, None),
        (REFUSED, "send back", None, None),
        (REFUSED, "withdraw", "", True),
        (ACTIVE, "switch off", "", False),
    ],
)
def test_the_life_of_a_revision(before: Connection, step: str, pending: str | None, serves: bool | None):
    """pending: the state of what waits, empty for nothing, None when the step is refused."""
    if pending is None:
        with pytest.raises(Refused) as refused:
            STEPS[step](before)
        assert refused.value.code == Code.WRONG_STATE
        return
    after = STEPS[step](before)
    assert (after.pending.state if after.pending else "", after.serves) == (pending, serves)
    assert after.change == before.change + 1


def test_the_active_side_changes_only_by_approval():
    assert NEXT.active == epic_side()
    replaced = configuration.approved(configuration.validated(NEXT))
    assert (replaced.active, replaced.pending, replaced.revision) == (OTHER, None, 2)


def test_what_is_resumed_serves_again():
    stopped = configuration.suspended(ACTIVE, stopped=True)
    assert configuration.suspended(stopped, stopped=False).serves


def test_a_step_leaves_what_it_was_given_alone():
    kept = DRAFT.model_dump_json()
    for step in ("propose", "validate", "withdraw", "suspend"):
        STEPS[step](DRAFT)
    assert DRAFT.model_dump_json() == kept


@pytest.mark.parametrize(
    ("entitled", "environment", "taken"), [(0, "test", 1), (1, "test", 1), (0, "production", 0), (1, "production", 1)]
)
def test_production_needs_the_entitlement(entitled: int, environment: Any, taken: int):
    organisation = LAMNA.model_copy(update={"production": bool(entitled)})
    if taken:
        assert configuration.drafted(organisation, environment, epic_side(), own_side()).environment == environment
    else:
        with pytest.raises(Refused) as refused:
            configuration.drafted(organisation, environment, epic_side(), own_side())
        assert refused.value.code == Code.NOT_ENTITLED


def test_an_id_leads_to_its_tenant():
    tenant = uuid4()
    ids = {configuration.new_id(tenant) for _ in range(100)}
    assert len(ids) == 100
    assert {configuration.tenant_of(id_) for id_ in ids} == {tenant}


@pytest.mark.parametrize(
    "id_",
    [
        "",
        "x",
        "0" * 32,
        "0" * 32 + "-AAAAAAAA",
        "0" * 32 + "-aaaaaaaa\n",
        "0" * 32 + "-aaaaaaa8",
        " " + "0" * 32 + "-aaaaaaaa",
    ],
)
def test_what_is_no_id_is_unknown(id_: str):
    with pytest.raises(Refused) as refused:
        configuration.tenant_of(id_)
    assert refused.value.code == Code.CONNECTION_UNKNOWN


@pytest.mark.feature("F2.6")
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (BASE, BASE),
        (BASE + "/", BASE),
        ("HTTPS://Epic.Lamna.Example/Interconnect/", "https://epic.lamna.example/Interconnect"),
        ("https://epic.example:443/x", "https://epic.example/x"),
        ("https://epic.example:8443/x", "https://epic.example:8443/x"),
        ("https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x"),
    ],
)
def test_an_address_has_one_spelling(written: str, kept: str):
    assert epic_side(fhir_base_url=written).fhir_base_url == kept


@pytest.mark.parametrize(
    "written",
    ["http://e.example", "https://", "https:///x", "https://u@e.example", "https://:p@e.example", "https://@e.example",
     "https://e.example?x", "https://e.example#x", "https://e.example:0x1", "https://e.example:99999", "e.example",
     "https://e.example/a/./b", "https://e.example/a/../b", "https://e.example//a", "https://e.example/R%34",
     "https://e.example/a b", "https://e.example/a\\b", "https://e.example:0443/x", "https://e.example./x",
     "https://e.example; script-src 'unsafe-inline'/x", "https://\u00e9.example/x", "https://e.example\\@f.example/x"],
)  # fmt: skip
def test_what_is_no_plain_https_address_is_refused(written: str):
    with pytest.raises(ValidationError):
        epic_side(fhir_base_url=written)


def test_a_launch_may_come_from_the_base_and_from_each_accepted_issuer():
    side = epic_side(accepted_iss=("https://alias.example/FHIR/",))
    assert side.issuers == {BASE, "https://alias.example/FHIR"}


def test_a_sink_that_writes_needs_an_address():
    with pytest.raises(ValidationError):
        WriteBack()
    assert WriteBack(sink="log-only").url is None


@pytest.mark.parametrize(("first", "second", "consented"), [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 1)])
@pytest.mark.feature("F5.3")
def test_consent_means_both_boxes(first: int, second: int, consented: int):
    sms = own_side().sms.model_copy(update={"may_send_for_us": bool(first), "patients_have_consented": bool(second)})
    assert sms.consented == bool(consented)


def test_nothing_is_texted_by_default():
    assert not own_side().sms.consented


@pytest.mark.parametrize(
    "change",
    [
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../etc/passwd"},
        {"region": "ZZ"},
        {"region": "us"},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_value_that_makes_no_sense_is_refused(change: dict[str, Any]):
    with pytest.raises(ValidationError):
        OwnSide.model_validate(own_side().model_dump() | change)


def test_at_most_two_certificates_are_pinned():
    pin = EngineCertificate(spki="a" * 64, not_before="2026-01-01T00:00:00Z", not_after="2027-01-01T00:00:00Z")
    assert own_side(certificates=(pin, pin)).certificates
    with pytest.raises(ValidationError):
        own_side(certificates=(pin, pin, pin))


def test_settings_survive_storage():
    for connection in (DRAFT, WAITING, ACTIVE, NEXT):
        assert Connection.model_validate_json(connection.model_dump_json()) == connection


@pytest.mark.parametrize("model", [Connection, EpicSide, OwnSide, Pending, Organisation, WriteBack, EngineCertificate])
def test_settings_are_frozen_and_take_no_unknown_member(model: Any):
    assert (model.model_config["frozen"], model.model_config["extra"]) == (True, "forbid")


def test_a_tenant_is_an_entra_id():
    with pytest.raises(ValidationError):
        Organisation(tenant="lamna", id="lamna", name="Lamna")
    assert isinstance(LAMNA.tenant, UUID)


def test_a_client_secret_does_not_follow_a_connection_to_another_epic():
    """An administrator may propose another base before anybody approves it; our secret is not shown there."""
    there = configuration.proposed(ACTIVE, epic_side(fhir_base_url="https://elsewhere.example/FHIR"))
    _, name = configuration.with_secret(ACTIVE, "provider", "adam", NOW, serving=False)
    assert name == configuration.secret_name(epic_side(pkce=False), "provider")
    assert configuration.with_secret(there, "provider", "adam", NOW, serving=False)[1] != name
    assert configuration.with_secret(there, "provider", "adam", NOW, serving=True)[1] == name
    assert configuration.secret_name(epic_side(), "patient") != name


def test_what_was_sent_back_says_why_until_there_is_another_proposal():
    assert REFUSED.pending.refusal == Refusal(reason="wrong address", who="ana", at=NOW)
    assert configuration.proposed(REFUSED, epic_side()).pending.refusal is None


def test_what_the_operator_switched_on_again_stays_suspended_if_it_was():
    stopped = configuration.switched(configuration.suspended(ACTIVE, stopped=True), off=True)
    assert not configuration.switched(stopped, off=False).serves
    assert not configuration.suspended(stopped, stopped=False).serves


def test_an_organisation_that_is_switched_off_gets_nothing_new():
    with pytest.raises(Refused) as refused:
        configuration.drafted(LAMNA.model_copy(update={"enabled": False}), "test", epic_side(), own_side())
    assert refused.value.code == Code.ORGANISATION_OFF


def test_of_a_secret_it_is_known_who_gave_it_last_for_which_app_at_which_epic():
    once, _ = configuration.with_secret(ACTIVE, "provider", "adam", NOW, serving=False)
    twice, _ = configuration.with_secret(once, "provider", "eve", NOW, serving=False)
    both, _ = configuration.with_secret(twice, "patient", "adam", NOW, serving=False)
    assert [(one.app, one.who, one.fhir_base_url) for one in both.secrets] == [
        ("provider", "eve", BASE),
        ("patient", "adam", BASE),
    ]


def test_a_connection_of_the_last_release_still_loads():
    later = {"off": True, "secrets": True, "pending": {"refusal"}}
    kept = WAITING.model_dump(mode="json", exclude=later)
    assert Connection.model_validate(kept) == WAITING
    organisation = LAMNA.model_dump(mode="json", exclude={"enabled"})
    assert Organisation.model_validate(organisation) == LAMNA
