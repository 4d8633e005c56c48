"""Every public FHIR resource: Appointments and Encounters are read as they stand, anything else is none of ours."""

import json
from datetime import datetime
from typing import Any

import pytest

from shared.clients.epic import _resource
from shared.clients.outbound import Answer
from shared.domain.booked import booked
from shared.errors import Code, Refused
from tests.corpus.location import CORPUS, require

FILES = sorted(path.name for path in (CORPUS / "fhir").glob("*.json")) or ["absent"]
pytestmark = pytest.mark.feature("F4.12")


def resource(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((require("fhir") / name).read_text("utf-8-sig"))
    return found


def times(one: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Start and end as the standard places them; a day without a time is none."""
    place = one.get("period", {}) if one["resourceType"] == "Encounter" else one
    read = [datetime.fromisoformat(place[name]) if "T" in place.get(name, "") else None for name in ("start", "end")]
    return read[0], read[1]


def people(one: dict[str, Any]) -> set[str]:
    actors = [part.get("actor", part.get("individual", {})) for part in one.get("participant", [])]
    return {actor["reference"] for actor in [*actors, one.get("subject", {})] if "reference" in actor}


@pytest.mark.parametrize("name", FILES)
def test_a_resource_is_read_as_it_stands_or_is_none_of_ours(name: str) -> None:
    one = resource(name)
    found = booked(one)
    assert found.csn is None  # none of these is Epic's
    if one["resourceType"] not in {"Appointment", "Encounter"}:
        assert not found.conforms
        return
    assert found.conforms
    assert (found.start, found.end) == times(one)
    assert found.people == people(one)


@pytest.mark.parametrize("name", [name for name in FILES if "OperationOutcome" in name or name == "absent"])
def test_what_a_server_says_of_a_refusal_never_reaches_ours(name: str) -> None:
    body = json.dumps(resource(name)).encode()
    with pytest.raises(Refused) as refusal:
        _resource(Answer(403, {}, body, "epic"))
    assert refusal.value.code is Code.EPIC_REFUSED
    assert all(field.isdigit() for field in refusal.value.fields)
