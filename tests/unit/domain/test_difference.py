"""What differs between two versions of settings."""

import pytest

from shared.domain import configuration
from shared.domain.connection import Connection, SmsSetup, WriteBack
from shared.domain.difference import between, changed, waiting
from tests.unit.domain.connections import BASE, LAMNA, epic_side, own_side

pytestmark = pytest.mark.feature("F3.6")

DRAFT = configuration.drafted(LAMNA, "test", epic_side(), own_side())
ACTIVE = configuration.approved(configuration.validated(DRAFT))


def said(*differences: object) -> list[tuple[object, ...]]:
    return [tuple(dict(one).values()) for one in differences]


def test_equal_sides_do_not_differ():
    assert between("epic", epic_side(), epic_side()) == ()
    assert between("own", own_side(), own_side()) == ()
    assert waiting(ACTIVE) == ()


def test_each_field_is_named_by_its_path_with_both_values():
    other = epic_side(pkce=False, write_back=WriteBack(url="https://elsewhere.example/w", vendor_name="Ours"))
    assert said(*between("epic", epic_side(), other)) == [
        ("epic.pkce", "changed", True, False),
        ("epic.write_back.url", "changed", "https://epic.lamna.example/write-back", "https://elsewhere.example/w"),
        ("epic.write_back.vendor_name", "changed", "Virtual visit connector", "Ours"),
    ]


def test_a_list_is_one_value_and_its_order_counts():
    before, after = (own_side(sms=SmsSetup(reminders=order)) for order in ((60, 1440), (1440, 60)))
    assert said(*between("own", before, after)) == [("own.sms.reminders", "changed", [60, 1440], [1440, 60])]


def test_what_had_no_value_is_added_and_what_has_none_any_more_is_removed():
    with_number = own_side(sms=SmsSetup(number="+18335550100"))
    assert said(*between("own", own_side(), with_number)) == [("own.sms.number", "added", None, "+18335550100")]
    assert said(*between("own", with_number, own_side())) == [("own.sms.number", "removed", "+18335550100", None)]


def test_a_first_revision_is_new_in_every_field_that_it_sets():
    found = waiting(DRAFT)
    assert {one.kind for one in found} == {"added"}
    assert ("epic.fhir_base_url", BASE) in {(one.path, one.after) for one in found if isinstance(one.after, str)}


def test_a_revision_that_waits_is_compared_with_what_serves():
    proposed = configuration.proposed(ACTIVE, epic_side(pkce=False))
    assert [one.path for one in waiting(proposed)] == ["epic.pkce"]
    assert [one.path for one in waiting(proposed, epic_side(provider_client_id="p2"))] == ["epic.provider_client_id"]


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        (ACTIVE, configuration.proposed(ACTIVE, epic_side(pkce=False)), ("epic.pkce",)),
        (ACTIVE, configuration.with_own_side(ACTIVE, own_side(region="CA")), ("own.region",)),
        (ACTIVE, configuration.suspended(ACTIVE, stopped=True), ()),
        (configuration.validated(DRAFT), ACTIVE, ()),
    ],
    ids=["proposed", "own", "suspended", "approved"],
)
def test_history_names_the_fields_that_a_change_touched(before: Connection, after: Connection, paths: tuple[str, ...]):
    assert tuple(one.path for one in changed(before, after)) == paths


def test_with_its_draft_a_connection_got_all_its_fields():
    assert {"epic.fhir_base_url", "own.time_zone"} <= {one.path for one in changed(None, DRAFT)}
