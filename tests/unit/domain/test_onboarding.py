"""The five stages and the checklist, each derived from what is stored."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from shared.domain import configuration, onboarding
from shared.domain.onboarding import Consent, Facts, SharedBase, Tick, Wanted
from shared.errors import Code, Refused
from tests.unit.domain.connections import BASE, LAMNA, epic_side, own_side

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
OFF = LAMNA.model_copy(update={"enabled": False})
DRAFT = configuration.drafted(LAMNA, "test", epic_side(), own_side())
WAITING = configuration.validated(DRAFT)
REFUSED = configuration.sent_back(WAITING, "no", "ana", NOW)
ACTIVE = configuration.approved(WAITING)
LAUNCHED = frozenset({"provider-launch", "patient-launch"})
HELD = LAUNCHED | {"visit-held"}


def facts(**known: Any) -> Facts:
    nothing: dict[str, Any] = {"asked": False, "organisation": None, "consented": False, "connections": ()}
    return Facts(**{**nothing, "reached": frozenset()} | known)


IN = {"asked": True, "organisation": LAMNA, "consented": True}


@pytest.mark.feature("F1.1", "F1.2")
@pytest.mark.parametrize(
    ("known", "done", "waits_for"),
    [
        ({}, 0, "administrator"),
        ({"asked": True}, 1, "operator"),
        ({"asked": True, "organisation": OFF, "consented": True}, 1, "operator"),
        ({"organisation": LAMNA}, 1, "administrator"),
        (IN, 2, "administrator"),
        (IN | {"connections": (DRAFT,)}, 2, "administrator"),
        (IN | {"connections": (WAITING,)}, 2, "approver"),
        (IN | {"connections": (REFUSED,)}, 2, "administrator"),
        (IN | {"connections": (ACTIVE,)}, 3, "epic"),
        (IN | {"connections": (ACTIVE, WAITING)}, 3, "epic"),
        (IN | {"connections": (ACTIVE,), "reached": frozenset({"patient-launch"})}, 3, "epic"),
        (IN | {"connections": (ACTIVE,), "reached": LAUNCHED}, 4, "administrator"),
        (IN | {"connections": (ACTIVE,), "reached": HELD}, 5, None),
    ],
)
def test_the_first_stage_that_is_not_done_waits_for_somebody(known: dict[str, Any], done: int, waits_for: str | None):
    found = onboarding.stages(facts(**known))
    assert [one.name for one in found] == [
        "request-app-access",
        "app-enablement",
        "connector-configuration",
        "epic-configuration",
        "testing",
    ]
    states = ["done"] * done + ["waiting", "open", "open", "open", "open"][: 5 - done]
    assert [one.state for one in found] == states
    assert [one.waits_for for one in found if one.waits_for] == ([waits_for] if waits_for else [])


def test_what_was_undone_waits_again_and_what_came_after_it_stays_done():
    found = onboarding.stages(facts(**IN | {"consented": False, "connections": (ACTIVE,), "reached": HELD}))
    assert [one.state for one in found] == ["done", "waiting", "done", "done", "done"]


@pytest.mark.feature("F1.5", "F1.6", "F1.7", "F13.1")
def test_a_checklist_holds_ticks_and_what_follows_from_what_is_stored():
    ticks = {"teams-in-use": Tick(done=True, who="adam", at=NOW), "licences": Tick(done=False, who="preflight", at=NOW)}
    entitled = LAMNA.model_copy(update={"production": True})
    lines = onboarding.prerequisites(facts(organisation=entitled), ticks, Consent(who="eve", at=NOW))
    said = {line.name: (line.done, line.who) for line in lines}
    assert said["teams-in-use"] == (True, "adam")
    assert said["licences"] == (False, "preflight")
    assert said["epic-version"] == (False, None)
    assert said["admin-consent"] == (True, "eve")
    assert said["production-entitlement"] == (True, None)


def test_nothing_is_ticked_by_itself():
    assert not any(line.done for line in onboarding.prerequisites(facts(), {}, None))


@pytest.mark.parametrize(
    "contact", ["", "plover", "@lamna.example", "a b@lamna.example", "a@b@c", "a@x\n", "a@" + "x" * 121]
)
def test_a_contact_is_an_address(contact: str):
    with pytest.raises(ValidationError) as wrong:
        Wanted(organisation="Lamna", contact=contact)
    assert not contact or contact not in str(wrong.value)


def test_an_id_of_a_request_leads_to_its_row():
    tenant = uuid4()
    assert onboarding.request_place(onboarding.request_id(tenant, 7)) == (str(tenant), "0007")


@pytest.mark.parametrize(
    "id_", ["", "x", "0001", f"{uuid4()}", f"{uuid4()}.1", f"{uuid4()}.00001", "'.0001", "\x00.0001"]
)
def test_what_is_no_id_of_a_request_is_not_found(id_: str):
    with pytest.raises(Refused) as refused:
        onboarding.request_place(id_)
    assert refused.value.code == Code.NOT_FOUND


@pytest.mark.feature("F1.13")
def test_a_shared_base_is_for_the_network_and_one_environment():
    child = uuid4()
    shared = SharedBase(fhir_base_url=BASE, environment="test", parent=LAMNA.tenant, children=(child,))
    childs = DRAFT.model_copy(update={"tenant": child})
    for connection, admitted in (
        (DRAFT, True),
        (childs, True),
        (DRAFT.model_copy(update={"tenant": uuid4()}), False),
        (childs.model_copy(update={"environment": "production"}), False),
        (DRAFT.model_copy(update={"environment": "production"}), False),
    ):
        assert shared.admits(connection) == admitted
