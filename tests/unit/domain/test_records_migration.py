"""From the public product's records to ours with the fewest keystrokes."""

import pytest

from shared.domain.records.check import check
from shared.domain.records.differences import What
from shared.domain.records.migration import Migrated, migration
from shared.domain.records.pasted import Held
from shared.domain.records.record import Kind
from tests.unit.domain.launch_records import OWN, ours, record, typed

pytestmark = pytest.mark.feature("F4.6", "F4.7")

AUTHORITY = (
    "tenantId=1a1a1a1a-0000-4000-8000-000000000002&upn=rooms@lamna.example"
    "&organizerId=c0000000-0000-4000-8000-000000000006&userType={}"
)
DEPARTMENT = "&departmentId=%PERFDEPID;;; ; ;;NONE;%"


def old(heading: str, user_type: int, session: str, more: str = "") -> str:
    """A record as the public product's page gave it."""
    return (
        f"{heading} integration details\n"
        "Meeting URL\nhttps://telehealth-amer.teams.microsoft.com/api/launchmeeting/epic\n"
        "Client ID\n5f0e0000-0000-4000-8000-00000000abcd\n"
        f"Context token\n{AUTHORITY.format(user_type)}&subject=Visit&sessionId={session}{more}\n"
    )


def migrated(text: str, kind: Kind | None = None) -> Migrated:
    (found,) = migration((Held(kind=kind, pasted=text),), ours()).records
    return found


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (old("Provider", 1, "%CSN%", DEPARTMENT), "provider"),
        (old("Patient", 2, "%CSN%", DEPARTMENT), "patient"),
        (old("Provider", 1, "%CONFERENCEID%", DEPARTMENT), "provider-group"),
        (old("Patient", 2, "%CONFERENCEID%", DEPARTMENT), "patient-group"),
    ],
)
def test_launch_url_and_client_id_are_all_that_must_change(text: str, kind: Kind):
    found = migrated(text)
    new = typed(kind)
    assert found.kind == kind
    assert found.public_product
    assert [(one.id, one.expected) for one in found.needed] == [
        (What.URL_OF_PUBLIC_PRODUCT, new["launch_url"]),
        (What.CLIENT_UNKNOWN, new["client_id"]),
    ]
    assert found.ignored == ("tenantId", "upn", "organizerId", "userType")
    assert found.stays == ("sessionId", "departmentId", "subject")
    assert found.record == record(kind)


@pytest.mark.parametrize(
    ("text", "append"),
    [
        (old("Provider", 1, "%CSN%", DEPARTMENT), "&csn=%CSN%&externalId=%EPICUSERID%"),
        (old("Provider", 1, "%CSN%"), f"&csn=%CSN%&externalId=%EPICUSERID%{DEPARTMENT}"),
        (
            old("Patient", 2, "%CONFERENCEID%", DEPARTMENT),
            "&csn=%CSN%&externalId=%EPICUSERID%&fname=%USERFNAME%&lname=%USERLNAME%",
        ),
    ],
)
def test_what_is_advised_can_be_typed_behind_what_is_there(text: str, append: str):
    """And then nothing that matters is left to say."""
    found = migrated(text)
    assert found.append == append
    new = typed(found.kind or "patient")
    after = text.replace("https://telehealth-amer.teams.microsoft.com/api/launchmeeting/epic", new["launch_url"])
    after = after.replace("5f0e0000-0000-4000-8000-00000000abcd", new["client_id"]).rstrip("\n") + append
    assert {one.effect for one in check(Held(pasted=after), ours()).differences} == {"harmless"}


def test_a_group_record_without_the_conference_must_get_it():
    found = migrated(old("Provider", 1, "%CSN%", DEPARTMENT), "provider-group")
    assert found.needed[-1].id is What.SESSION_IS_CSN
    assert found.needed[-1].expected == "%CONFERENCEID%"


def test_a_record_whose_kind_nobody_can_tell_is_asked_about_and_the_others_are_done():
    unknown = "https://telehealth-emea.teams.microsoft.com/api/launchmeeting/epic\ntenantId=x&sessionId=%CSN%"
    first, second = migration((Held(pasted=unknown), Held(pasted=old("Patient", 2, "%CSN%"))), ours()).records
    assert (first.number, first.kind, first.record) == (0, None, None)
    assert [one.id for one in first.needed] == [What.KIND_UNKNOWN]
    assert (second.number, second.kind) == (1, "patient")
    assert migrated(unknown, "patient").kind == "patient"


def test_a_record_of_ours_needs_nothing():
    found = migrated(record("provider").text)
    assert (found.public_product, found.needed, found.advised, found.append, found.ignored) == (False, (), (), "", ())


def test_what_epic_filled_in_is_not_repeated():
    found = migration((Held(pasted=old("Patient", 2, "9003001").replace("Visit", "KrishnanRam")),), ours())
    assert "9003001" not in found.model_dump_json()
    assert "Krishnan" not in found.model_dump_json()
    assert found.id == OWN.id
