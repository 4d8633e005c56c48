"""The record check: a sample of every difference, and what is never repeated."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.connection import ContextNames, LaunchSetup
from shared.domain.records.check import Checked, check
from shared.domain.records.differences import TABLE, Difference, What
from shared.domain.records.pasted import Held
from shared.domain.records.record import SHAPES, Kind
from shared.errors import Refused
from tests.unit.domain.connections import own_side
from tests.unit.domain.launch_records import APP, GUID, OTHERS, OWN, connection, ours, record, typed
from tests.unit.sources import ROOT

pytestmark = pytest.mark.feature("F4.10")

SERVED: tuple[Kind, ...] = ("patient", "provider", "patient-group", "provider-group")
SECOND, PRODUCTION = OTHERS
UNKNOWN = f"{OWN.id[:32]}-zzzzzzzz"
PLACE, USER = "%PERFDEPID;;; ; ;;NONE;%", "%EPICUSERID%"


def compared(kind: Kind | None = "provider", **held: str) -> Checked:
    return check(Held.model_validate({"kind": kind} | held), ours())


def changed(kind: Kind, value: str, old: str, new: str) -> list[Difference]:
    """The differences of a record in one value of which something was replaced."""
    values = typed(kind)
    assert old in values[value]
    return list(compared(kind, **values | {value: values[value].replace(old, new)}).differences)


def said(differences: list[Difference]) -> list[tuple[Any, ...]]:
    return [(one.id, one.where, one.effect, one.key, one.found, one.expected) for one in differences]


URL, CLIENT, CONTEXT = ("launch_url", "launch-url"), ("client_id", "client-id"), ("context", "context")
PROVIDER, PATIENT, GROUP, PATIENTS = "provider", "patient", "provider-group", "patient-group"
FAILS, LOSES, NOTHING = "fails", "loses", "harmless"
HOST, PATH, CONFERENCE = APP.removeprefix("https://"), f"/launch/patient/{OWN.id}", "%CONFERENCEID%"
SESSION, TIGHT = "sessionId", PLACE.replace(" ", "")
#: Client ids: a is the connection's own, d its waiting revision's, b the neighbour's, c production's; 3 is a backend's.
A1, A2, A3, B1, C1, D1, D2, FF = (GUID.format(end) for end in ("a1", "a2", "a3", "b1", "c1", "d1", "d2", "ff"))
#: kind, the value (field, where), what was replaced, by what -> the difference: id, effect, key, found, expected;
#: `...` for the whole value.
SAMPLES: list[tuple[Any, tuple[str, str], str, str, tuple[Any, ...]]] = [
    # the launch URL
    (PROVIDER, URL, "https://", "http://", ("url-not-https", FAILS, None, "http", "https")),
    (PROVIDER, URL, "connector.", "old.", ("url-other-host", FAILS, None, "old.lamna.example", HOST)),
    (PROVIDER, URL, "lamna.example", "lamna.example:8443", ("url-other-host", FAILS, None, f"{HOST}:8443", HOST)),
    (PROVIDER, URL, PROVIDER, PATIENT, ("url-other-kind", FAILS, None, PATIENT, PROVIDER)),
    ("provider-group", URL, PROVIDER, "device-test", ("url-other-kind", FAILS, None, "device-test", PROVIDER)),
    (PATIENT, URL, OWN.id, SECOND.id, ("url-other-connection", FAILS, None, SECOND.id, OWN.id)),
    (PATIENT, URL, OWN.id, PRODUCTION.id, ("url-other-environment", FAILS, None, PRODUCTION.id, OWN.id)),
    (PATIENT, URL, OWN.id, UNKNOWN, ("url-unknown-connection", FAILS, None, UNKNOWN, OWN.id)),
    (PATIENT, URL, OWN.id, "lamna-test", ("url-unknown-connection", FAILS, None, None, OWN.id)),
    (PATIENT, URL, PATH, "/launch", ("url-other-path", FAILS, None, None, PATH)),
    (PATIENT, URL, "/patient/", "/Patient/", ("url-spelling", FAILS, None, None, PATH)),
    (PATIENT, URL, OWN.id, f"{OWN.id}/", ("url-spelling", FAILS, None, None, PATH)),
    (PATIENT, URL, OWN.id, f"{OWN.id}?iss=https://e.example&launch=x", ("url-has-query", FAILS, None, None, ...)),
    (PATIENT, URL, "https://", "https//", ("url-unreadable", FAILS, None, None, ...)),
    (PATIENT, URL, "https://", "https://user:password@", ("url-unreadable", FAILS, None, None, ...)),
    (PATIENT, URL, "https://connector", " https://connector", ("stray-space", FAILS, None, None, None)),
    (PATIENT, URL, OWN.id, f"{OWN.id}\n", ("stray-space", FAILS, None, None, None)),
    (PATIENT, URL, "https://connector", "\u201chttps://connector", ("quotes", FAILS, None, None, None)),
    (PATIENT, URL, OWN.id, f"{OWN.id}\u200b", ("invisible-characters", FAILS, None, None, None)),
    (PATIENT, URL, "https://", "https%3A%2F%2F", ("escaped", FAILS, None, None, None)),
    # the client id
    (PATIENT, CLIENT, A2, A1, ("client-id-swapped", FAILS, None, A1, A2)),
    (PROVIDER, CLIENT, A1, A2, ("client-id-swapped", FAILS, None, A2, A1)),
    (PROVIDER, CLIENT, A1, A3, ("client-id-backend", FAILS, None, A3, A1)),
    (PROVIDER, CLIENT, A1, D1, ("client-id-waits-for-approval", FAILS, None, D1, A1)),
    (PATIENT, CLIENT, A2, D2, ("client-id-waits-for-approval", FAILS, None, D2, A2)),
    (PROVIDER, CLIENT, A1, C1, ("client-id-other-environment", FAILS, None, C1, A1)),
    (PROVIDER, CLIENT, A1, B1, ("client-id-other-connection", FAILS, None, B1, A1)),
    (PROVIDER, CLIENT, A1, FF, ("client-id-unknown", FAILS, None, FF, A1)),
    (PROVIDER, CLIENT, A1, "6085550142", ("client-id-unknown", FAILS, None, None, A1)),
    (PROVIDER, CLIENT, "e0000000", "e0000000\u00ad", ("invisible-characters", FAILS, None, None, None)),
    # the context: the visit
    (PROVIDER, CONTEXT, "csn=%CSN%&", "", ("csn-missing", LOSES, "csn", None, "%CSN%")),
    (PROVIDER, CONTEXT, "csn=%CSN%", "visit=%CSN%", ("key-other-name", LOSES, "visit", "visit", "csn")),
    (PROVIDER, CONTEXT, "csn=%CSN%", "csn=%PATID%", ("other-mnemonic", FAILS, "csn", "%PATID%", "%CSN%")),
    (PROVIDER, CONTEXT, "csn=%CSN%", "csn=CSN", ("mnemonic-percent", FAILS, "csn", None, "%CSN%")),
    (PROVIDER, CONTEXT, "csn=%CSN%", "csn=%csn%", ("mnemonic-case", LOSES, "csn", "%csn%", "%CSN%")),
    (PROVIDER, CONTEXT, "csn=%CSN%", "csn=", ("value-missing", LOSES, "csn", None, "%CSN%")),
    (PROVIDER, CONTEXT, "csn=%CSN%", "csn=9003001", ("looks-expanded", FAILS, "csn", None, "%CSN%")),
    (PROVIDER, CONTEXT, "sessionId=%CSN%&", "", ("session-missing", NOTHING, "sessionId", None, "%CSN%")),
    (PROVIDER, CONTEXT, "Id=%CSN%", f"Id={CONFERENCE}", ("session-is-conference", FAILS, SESSION, CONFERENCE, "%CSN%")),
    (PATIENTS, CONTEXT, f"Id={CONFERENCE}", "Id=%CSN%", ("session-is-csn", FAILS, "sessionId", "%CSN%", CONFERENCE)),
    (PATIENTS, CONTEXT, "sessionId=%CONFERENCEID%&", "", ("conference-missing", FAILS, "sessionId", None, CONFERENCE)),
    (GROUP, CONTEXT, "sessionId", "conference", ("key-other-name", FAILS, "conference", "conference", "sessionId")),
    (GROUP, CONTEXT, CONFERENCE, "CONFERENCEID", ("mnemonic-percent", FAILS, "sessionId", None, CONFERENCE)),
    (GROUP, CONTEXT, CONFERENCE, "", ("value-missing", FAILS, "sessionId", None, CONFERENCE)),
    # the context: who and where
    (PROVIDER, CONTEXT, "&externalId=%EPICUSERID%", "", ("external-id-missing", LOSES, "externalId", None, USER)),
    (PROVIDER, CONTEXT, USER, "%USERPROVID%", ("other-mnemonic", LOSES, "externalId", "%USERPROVID%", USER)),
    (PROVIDER, CONTEXT, USER, "%EPICUSERID", ("mnemonic-percent", LOSES, "externalId", None, USER)),
    (PROVIDER, CONTEXT, f"&departmentId={PLACE}", "", ("department-missing", LOSES, "departmentId", None, PLACE)),
    (PROVIDER, CONTEXT, ";;; ; ;;", ";;;;;;", ("mnemonic-spaces", LOSES, "departmentId", TIGHT, PLACE)),
    (PROVIDER, CONTEXT, PLACE, "%PERFDEPID%", ("other-mnemonic", LOSES, "departmentId", "%PERFDEPID%", PLACE)),
    (PATIENT, CONTEXT, "&lname=%USERLNAME%", "", ("name-missing", LOSES, "lname", None, "%USERLNAME%")),
    (PATIENT, CONTEXT, "fname=%USERFNAME%", "fname=Krishnan", ("looks-expanded", FAILS, "fname", None, "%USERFNAME%")),
    # the context: what stands beside
    (PROVIDER, CONTEXT, "csn=", "tenantId=x&csn=", ("key-ignored", NOTHING, "tenantId", None, None)),
    (PROVIDER, CONTEXT, "csn=", "UPN=ann@lamna.example&csn=", ("key-ignored", NOTHING, "UPN", None, None)),
    (PROVIDER, CONTEXT, "csn=", "role=provider&csn=", ("key-extra", NOTHING, "role", None, None)),
    (PROVIDER, CONTEXT, "csn=", "dob=%DOB%&csn=", ("key-extra", NOTHING, "dob", None, None)),
    (PROVIDER, CONTEXT, "csn=", "mrn=E4471203&csn=", ("looks-expanded", FAILS, "mrn", None, None)),
    (PROVIDER, CONTEXT, "csn=", "encounter=%CSN%&csn=", ("key-reserved", FAILS, "encounter", None, None)),
    (PROVIDER, CONTEXT, "csn=%CSN%", "csn=%CSN%&CSN=%CSN%", ("key-twice", FAILS, "CSN", None, None)),
    (PROVIDER, CONTEXT, "csn=", "Ram, Krishnan&csn=", ("not-a-pair", FAILS, None, None, None)),
    (PROVIDER, CONTEXT, "csn=%CSN%", "csn = %CSN%", ("stray-space", FAILS, "csn", None, None)),
    (PROVIDER, CONTEXT, "&sessionId", " &sessionId", ("stray-space", FAILS, "csn", None, None)),
    (PROVIDER, CONTEXT, "&sessionId", "&\n sessionId", ("stray-space", FAILS, None, None, None)),
    (PROVIDER, CONTEXT, "%CSN%&session", "\u2019%CSN%\u2019&session", ("quotes", FAILS, None, None, None)),
    (PROVIDER, CONTEXT, "%CSN%&session", "%25CSN%25&session", ("escaped", FAILS, None, None, None)),
    (PROVIDER, CONTEXT, "; ;", ";\u00a0;", ("invisible-characters", FAILS, None, None, None)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "old", "new", "expected"), SAMPLES, ids=[f"{row[4][0]}-{row[0]}-{row[3]!a}" for row in SAMPLES]
)
def test_a_difference_is_named_and_nothing_else(
    kind: Kind, value: tuple[str, str], old: str, new: str, expected: tuple[Any, ...]
):
    field, where = value
    (found,) = said(changed(kind, field, old, new))
    what, effect, key, shown, right = expected
    assert found == (what, where, effect, key, shown, typed(kind)[field] if right is ... else right)


@pytest.mark.parametrize(
    ("kind", "value", "what"),
    [
        ("provider", "launch_url", What.URL_MISSING),
        ("provider", "client_id", What.CLIENT_MISSING),
        ("provider", "context", What.CONTEXT_MISSING),
        ("provider-group", "context", What.CONTEXT_MISSING_IN_GROUP),
    ],
)
def test_a_value_that_is_not_there_is_one_difference_with_the_whole_of_it(kind: Kind, value: str, what: What):
    values = typed(kind)
    (found,) = compared(kind, **values | {value: ""}).differences
    assert (found.id, found.expected) == (what, values[value])


@pytest.mark.feature("F14.4", "F14.5", "F14.7", "F14.9")
def test_every_difference_has_its_words_and_a_sample():
    """The last four are met in tests of their own."""
    met = {row[4][0] for row in SAMPLES} | {
        What.URL_MISSING,
        What.CLIENT_MISSING,
        What.CONTEXT_MISSING,
        What.CONTEXT_MISSING_IN_GROUP,
    }
    apart = {What.KIND_UNKNOWN, What.KIND_NOT_SERVED, What.URL_OF_PUBLIC_PRODUCT}
    assert set(What) == met | apart == set(TABLE)
    assert {entry.see for entry in TABLE.values()} == {"F14.4", "F14.5", "F14.7", "F14.9"}


def test_the_page_about_records_explains_every_difference():
    page = (ROOT / "docs/records.md").read_text()
    for what, entry in TABLE.items():
        assert f"| `{what}` | {entry.effect} | {entry.see} | {entry.why} | {entry.do} |" in page


@pytest.mark.parametrize("kind", SERVED)
def test_a_record_typed_right_has_no_difference_and_launches(kind: Kind):
    found = compared(kind, **typed(kind))
    assert (found.differences, found.launches) == ((), True)
    assert found.record == record(kind)
    assert found.in_order[:2] == ("csn", "sessionId")


@pytest.mark.parametrize("kind", set(SHAPES) - set(SERVED))
def test_a_record_that_nobody_serves_yet_is_said_not_to_launch(kind: Kind):
    found = compared(kind, **typed(kind))
    assert [one.id for one in found.differences] == [What.KIND_NOT_SERVED]
    assert not found.launches


def test_capitals_do_not_matter_where_they_do_not():
    values = typed("provider")
    values["launch_url"] = values["launch_url"].replace("https://connector.lamna", "HTTPS://Connector.LAMNA")
    values["client_id"] = values["client_id"].upper()
    values["context"] = values["context"].replace("sessionId=", "SESSIONID=")
    assert compared("provider", **values).differences == ()


def test_provider_and_patient_swapped_as_a_whole_are_two_differences():
    found = compared("provider", **typed("patient") | {"context": typed("provider")["context"]})
    assert [one.id for one in found.differences] == [What.URL_OTHER_KIND, What.CLIENT_SWAPPED]


@pytest.mark.feature("F14.5")
def test_the_other_environments_record_is_named_in_both_values():
    found = compared("provider", **typed("provider", PRODUCTION))
    assert [one.id for one in found.differences] == [What.URL_OTHER_ENVIRONMENT, What.CLIENT_OTHER_ENVIRONMENT]
    assert {one.see for one in found.differences} == {"F14.5"}


def test_a_client_id_that_several_connections_share_is_right_in_each():
    shared = connection("b", active=OWN.active)
    found = check(Held(kind="provider", **typed("provider")), ours().__class__(OWN, ours().records, [shared]))
    assert found.differences == ()


def test_names_of_the_hospitals_own_are_expected():
    own = connection(own=own_side(launch=LaunchSetup(context=ContextNames(session="7th-visit"))))
    found = check(Held(kind="provider", **typed("provider", own)), ours(own))
    assert found.differences == ()


# --- which record is it?


@pytest.mark.parametrize("kind", SHAPES)
def test_a_record_is_known_by_its_launch_url(kind: Kind):
    assert compared(None, **typed(kind)).kind == kind


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        ({"client_id": GUID.format("a1")}, "provider"),
        ({"client_id": GUID.format("A2")}, "patient"),
        ({"client_id": GUID.format("a2"), "context": "sessionId=%CONFERENCEID%"}, "patient-group"),
        ({"context": "tenantId=x&userType=1&sessionId=%CSN%"}, "provider"),
        ({"context": "userType=2&sessionId=%CONFERENCEID%"}, "patient-group"),
        ({"pasted": "Patient integration details\nContext token: sessionId=%CSN%"}, "patient"),
        ({"pasted": "Provider, group visits\nContext token: sessionId=%CSN%"}, "provider-group"),
        ({"pasted": "Device test\nContext token: sessionId=%CSN%"}, "device-test"),
        ({"pasted": "Patient ID Type: EPI\nCONTEXT=sessionId=%CSN%"}, None),
        ({"pasted": "between patient and provider\nCONTEXT=sessionId=%CSN%"}, None),
    ],
)
def test_or_by_what_else_tells(held: dict[str, str], kind: Kind | None):
    found = compared(None, **held)
    assert found.kind == kind
    if kind is None:
        assert [one.id for one in found.differences] == [What.KIND_UNKNOWN]
        assert not found.launches


def test_one_client_id_for_both_apps_tells_nothing():
    active = OWN.approved.model_copy(update={"patient_client_id": OWN.approved.provider_client_id})
    own = connection(active=active)
    assert check(Held(client_id=active.provider_client_id), ours(own)).kind is None


def test_the_sms_configuration_is_no_launch_record():
    with pytest.raises(Refused):
        compared("sms-configuration", **typed("provider"))


@pytest.mark.parametrize("held", [{}, {"kind": "provider"}, {"pasted": "x", "context": "y"}])
def test_a_record_comes_one_way_or_the_other(held: dict[str, str]):
    with pytest.raises(ValidationError):
        Held.model_validate(held)


# --- what is never repeated

#: What an answer may hold anyway.
_OURS = "".join(
    [record(kind).model_dump_json() for kind in SHAPES]
    + [f"{entry.why} {entry.do} {what} {entry.effect} {entry.see}" for what, entry in TABLE.items()]
    + [str(Checked.model_json_schema()), OWN.model_dump_json()]
).lower()
SECRETS = st.text("abcXYZ0123456789 -@.é", min_size=4, max_size=30).filter(
    lambda text: text == text.strip() and text.lower() not in _OURS
)


@given(secret=SECRETS, name=st.sampled_from(["csn", "sessionId", "externalId", "departmentId", "fname", "upn", "x"]))
def test_a_value_that_epic_filled_in_is_not_repeated(secret: str, name: str):
    for held in (
        {"kind": "patient", "context": f"{name}={secret}&a=%CSN%"},
        {"kind": "patient", "pasted": f"CONTEXT: a=%CSN%&{name}={secret}"},
    ):
        answer = check(Held.model_validate(held), ours())
        assert secret not in answer.model_dump_json(exclude={"record"})
        assert secret not in repr(Held.model_validate(held))


@given(secret=SECRETS)
def test_neither_is_an_odd_address_or_client_id(secret: str):
    held = Held(kind="patient", launch_url=f"{APP}/launch/patient/{secret}?{secret}", client_id=secret)
    answer = check(held, ours())
    assert secret not in answer.model_dump_json(exclude={"record"})


@given(st.text(max_size=200), st.sampled_from([None, *SHAPES]))
def test_whatever_is_pasted_is_answered(text: str, kind: Kind | None):
    assert check(Held(kind=kind, pasted=text), ours()).id == OWN.id
    assert check(Held(kind=kind, launch_url=text, client_id=text, context=text), ours()).id == OWN.id
