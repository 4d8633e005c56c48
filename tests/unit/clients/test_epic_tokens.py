"""Epic's token responses, as Epic's documentation shows them and as hospitals bend them."""

import pytest

from shared.clients import epic_tokens
from shared.clients.jwts import Verified
from shared.errors import Code, Refused

ISSUERS = frozenset({"https://epic.example/oauth2", "https://epic.example/oauth2/token"})
CLAIMS = {
    "iss": "https://epic.example/oauth2",
    "sub": "eAbc",
    "nonce": "n",
    "fhirUser": "https://epic.example/oauth2/api/FHIR/R4/Practitioner/eXyz-1.2",
    "preferred_username": "PPROVIDER",
}


def who(nonce="n", rule="always", **changes):
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return epic_tokens.id_token(Verified(claims, None), ISSUERS, nonce, rule)


@pytest.mark.parametrize(
    ("body", "csn"),
    [
        ('{"access_token":"t","token_type":"bearer","csn":"1"}', "1"),
        ('{"access_token":"t","CSN":"1",}', "1"),
        ('{"access_token":"t","Csn":"1" , \r\n }', "1"),
        ('{"access_token":"t","csn":"a,}b,]\\",}",}', 'a,}b,]",}'),
        ('{"access_token":"t","list":[1,2,],"csn":"1",}', "1"),
    ],
)
def test_epics_trailing_comma_is_forgiven_and_names_are_in_lower_case(body, csn):
    assert epic_tokens.tokens(epic_tokens.read(body.encode()), None).extras["csn"] == csn


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", "null", "{,}", '{"a":' * 100_000, '{"access_token":""}', '{"access_token":1}',
     '{"access_token":"t","token_type":"mac"}', '{"access_token":"t"', '{"access_token":"t",,}'],
)  # fmt: skip
def test_what_holds_no_access_token_is_refused_without_its_content(body):
    with pytest.raises(Refused) as refusal:
        epic_tokens.read(body.encode())
    assert refusal.value.code == Code.EPIC_REFUSED
    assert refusal.value.fields in {("token_response",), ("access_token",)}


def test_context_is_every_other_text_and_no_secret():
    members = {
        "access_token": "t", "refresh_token": "r", "id_token": "i", "scope": "openid", "expires_in": 3240,
        "patient": "eP", "encounter": "eE", "appointment": "eA", "location": "eL", "loginDepartment": "eD",
        "__epic.dstu2.patient": "T1", "sessionId": "100", "empty": "", "number": 1, "list": ["x"],
    }  # fmt: skip
    read = epic_tokens.tokens(members, None)
    assert read.extras == {
        "patient": "eP", "encounter": "eE", "appointment": "eA", "location": "eL", "logindepartment": "eD",
        "__epic.dstu2.patient": "T1", "sessionid": "100", "empty": "",
    }  # fmt: skip
    assert (read.patient, read.encounter, read.appointment, read.location, read.login_department) == (
        "eP", "eE", "eA", "eL", "eD",
    )  # fmt: skip


def test_context_of_a_hospitals_own_making_does_not_replace_a_standard_member():
    read = epic_tokens.tokens({"access_token": "t", "patient": "eP", "PATIENT": "mine", "APPOINTMENT": "x"}, None)
    assert (read.patient, read.appointment) == ("eP", None)


def test_nothing_a_token_response_holds_is_shown():
    read = epic_tokens.tokens({"access_token": "topsecret", "patient": "topsecret", "csn": "topsecret"}, who())
    assert "topsecret" not in repr(read)
    assert "eAbc" not in repr(read)
    assert "eXyz" not in repr(read)
    assert "PPROVIDER" not in repr(read)


@pytest.mark.parametrize(
    ("fhir_user", "kind", "fhir_id"),
    [
        (CLAIMS["fhirUser"], "Practitioner", "eXyz-1.2"),
        ("https://elsewhere.example/a/b/Patient/e1", "Patient", "e1"),
        ("RelatedPerson/e2", "RelatedPerson", "e2"),
        ("https://epic.example/Person/e3", None, None),
        ("https://epic.example/Patient/e1/more", None, None),
        ("https://epic.example/NotPatient/e1", None, None),
        ("https://epic.example/Patient/", None, None),
        ("https://epic.example/Patient/e1?x", None, None),
        (None, None, None),
        (["Patient/e1"], None, None),
    ],
)
def test_only_the_last_two_parts_of_fhir_user_count(fhir_user, kind, fhir_id):
    launched = who(fhirUser=fhir_user)
    assert (launched.kind, launched.fhir_id) == (kind, fhir_id)


@pytest.mark.parametrize("iss", sorted(ISSUERS))
def test_both_forms_of_the_issuer_are_epics(iss):
    assert who(iss=iss).subject == "eAbc"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"iss": "https://epic.example/oauth2/"}, "iss"),
        ({"iss": "https://evil.example/oauth2"}, "iss"),
        ({"iss": None}, "iss"),
        ({"sub": ""}, "sub"),
        ({"sub": None}, "sub"),
        ({"nonce": "other"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": "other", "rule": "if-sent"}, "nonce"),
        ({"nonce": "", "rule": "if-sent"}, "nonce"),
    ],
)
def test_an_id_token_of_somebody_else_is_refused_by_name_of_the_claim(changes, named):
    rule, claims = changes.get("rule", "always"), {name: value for name, value in changes.items() if name != "rule"}
    verified = Verified({name: value for name, value in (CLAIMS | claims).items() if value is not None}, None)
    with pytest.raises(Refused) as refusal:
        epic_tokens.id_token(verified, ISSUERS, "n", rule)
    assert (refusal.value.code, refusal.value.fields) == (Code.EPIC_REFUSED, (named,))


def test_an_epic_that_returns_no_nonce_is_forgiven_only_where_that_is_said():
    verified = Verified({name: value for name, value in CLAIMS.items() if name != "nonce"}, None)
    assert epic_tokens.id_token(verified, ISSUERS, "n", "if-sent").subject == "eAbc"
