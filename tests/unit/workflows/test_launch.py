"""Which visit a launch means: what is read at Epic, when, and for whom."""

from typing import Any

import pytest

from shared.clients.epic_tokens import IdToken, Tokens
from shared.domain import launch as rules
from shared.domain.connection import ContextNames
from shared.errors import Code, Refused
from shared.workflows import launch
from tests.conftest import Store
from tests.unit.domain.test_booked import ENCOUNTER, EPICS_OWN
from tests.unit.workflows.launch_world import LaunchWorld
from tests.unit.workflows.text_world import CONNECTION

CSN = "10000209577"
PATIENT = IdToken("eNO3", "Patient", "eNO3", None)
STRANGER = IdToken("eMo", "Patient", "eMo", None)
PROXY = IdToken("ePrue", "RelatedPerson", "ePrue", None)
STAFF = IdToken("eElse", "Practitioner", "eElse", None)
APPOINTMENT = EPICS_OWN | {"participant": [{"actor": {"reference": "Patient/eNO3"}}]}


def tokens(patient: str | None = None, appointment: str | None = "a", encounter: str | None = None, **extras: str):
    return Tokens("token", None, extras, patient, encounter, appointment, None, None)


@pytest.fixture
async def world(store: Store) -> LaunchWorld:
    made = LaunchWorld(store)
    await made.approved()
    made.epic.resources = {"Appointment/a": APPOINTMENT, "Encounter/e": ENCOUNTER}
    return made


async def place(world: LaunchWorld, given: Tokens, who: IdToken = PATIENT) -> Any:
    known = rules.context(given.extras, ContextNames())
    connection = await world.connections.serving(CONNECTION)
    return await launch._place(given, who, known, connection, world)


async def test_without_context_the_appointment_says_csn_and_times(world: LaunchWorld):
    found = await place(world, tokens())
    assert (found.csn, found.session, found.start.isoformat()) == (CSN, None, "2022-04-20T20:00:00+00:00")


async def test_a_conference_with_the_appointments_csn_is_a_group(world: LaunchWorld):
    found = await place(world, tokens(sessionid="77"))
    assert (found.csn, found.session) == (CSN, "77")


async def test_what_a_scheduling_message_said_is_not_asked_for_again(world: LaunchWorld):
    await world.book(world.pseudonyms.of("csn", CONNECTION, "5"))
    assert (await place(world, tokens(csn="5"))).csn == "5"
    assert world.epic.read_ == []


async def test_an_encounter_is_read_when_epic_does_not_show_the_appointment(world: LaunchWorld):
    assert (await place(world, tokens(appointment="hidden", encounter="e"))).csn == CSN
    assert world.epic.read_ == ["Appointment/hidden", "Encounter/e"]


async def test_an_appointment_without_csn_leaves_it_to_the_encounter(world: LaunchWorld):
    world.epic.resources["Appointment/a"] = {"resourceType": "Appointment", "identifier": []}
    assert (await place(world, tokens(encounter="e"))).csn == CSN


@pytest.mark.feature("F4.12")
@pytest.mark.parametrize(("who", "chart"), [(STRANGER, None), (STRANGER, "eMo"), (PROXY, None), (PROXY, "eMo")])
async def test_a_visit_of_somebody_else_is_refused(world: LaunchWorld, who: IdToken, chart: str | None):
    """F4.12: the conference must be linked to who launched."""
    for given in (tokens(chart), tokens(chart, appointment=None, encounter="e"), tokens(chart, csn="5")):
        with pytest.raises(Refused) as refusal:
            await place(world, given, who)
        assert refusal.value.code is Code.VISIT_UNKNOWN


async def test_a_proxy_comes_for_the_patient_whose_chart_is_open(world: LaunchWorld):
    assert (await place(world, tokens("eNO3"), PROXY)).csn == CSN


async def test_staff_who_are_not_named_in_the_appointment_may_come(world: LaunchWorld):
    assert (await place(world, tokens(), STAFF)).csn == CSN


async def test_a_context_of_another_visit_than_the_open_chart_takes_no_times_from_it(world: LaunchWorld):
    found = await place(world, tokens(csn="5"))
    assert (found.csn, found.start) == ("5", None)


@pytest.mark.feature("F4.12")
@pytest.mark.parametrize("given", [tokens(appointment=None), tokens(appointment=None, sessionid="77")])
async def test_with_nothing_to_go_on_no_visit_is_guessed(world: LaunchWorld, given: Tokens):
    with pytest.raises(Refused) as refusal:
        await place(world, given)
    assert refusal.value.code is Code.VISIT_UNKNOWN


@pytest.mark.feature("F12.10")
async def test_what_was_read_is_counted_and_not_logged(world: LaunchWorld, caplog):
    with caplog.at_level("INFO"):
        world.epic.resources["Appointment/a"] = EPICS_OWN | {"participant": [{"actor": {"reference": "Patient/eNO3"}}]}
        await place(world, tokens(sessionid="77"))
    assert "conforms=False" in caplog.text
    for secret in (CSN, "eNO3", "Doe", "77 "):
        assert secret not in caplog.text
