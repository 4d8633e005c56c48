"""The words of the pages on the way into a visit."""

import re
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from shared.domain.visit_page import Words, at, chosen, refusal, spoken, words
from shared.errors import CATALOGUE, Code

LANGUAGES = ("en", "es", "fr", "it")
START = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [field.name for field in fields(Words)])
def test_every_sentence_exists_in_every_language_with_the_same_places_to_fill(language: str, name: str):
    sentence, english = getattr(words(language), name), getattr(words("en"), name)
    assert sentence.strip()
    assert set(re.findall(r"{\w+}", sentence)) == set(re.findall(r"{\w+}", english))
    assert (sentence == english) is (language == "en")


@pytest.mark.parametrize("language", ["xx", "", "EN", "de"])
def test_an_unknown_language_is_english(language: str):
    assert spoken(language) == "en"
    assert words(language) == words("en")


def test_times_are_the_clinics_own():
    said = at(words("en").invited, START, "America/Chicago", "en", "Lamna Healthcare")
    assert said == "Lamna Healthcare: your visit is on Monday, March 2 at 9:30 AM."
    assert "9:30" in at(words("it").early, START, "America/Chicago", "it")


#: What only programs are told, so that no page has a sentence of its own for it.
FOR_PROGRAMS = {
    Code.TOKEN_MISSING, Code.TOKEN_REFUSED, Code.ROLE_MISSING, Code.NOT_THE_APPROVER, Code.CERTIFICATE_MISSING,
    Code.CERTIFICATE_REFUSED, Code.ORGANISATION_UNKNOWN, Code.VALUE_REFUSED, Code.FHIR_BASE_TAKEN,
    Code.PRECONDITION_MISSING, Code.NOT_ENTITLED, Code.ORGANISATION_OFF, Code.CONSENT_MISSING, Code.NUMBER_NOT_YOURS,
    Code.NUMBER_TAKEN, Code.NUMBER_IN_USE, Code.RELEASE_UNCONFIRMED, Code.TEXTS_NOT_READY, Code.TOO_SOON,
}  # fmt: skip


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_what_a_page_may_refuse_is_said_in_every_language(language: str):
    said = {code: refusal(code, language) for code in Code if code not in FOR_PROGRAMS}
    assert len(set(said.values())) == len(said)
    assert [code for code, sentence in said.items() if sentence == CATALOGUE[code].title] == []
    [otherwise] = {refusal(code, language) for code in FOR_PROGRAMS}
    assert otherwise not in said.values()


@pytest.mark.parametrize("code", Code)
def test_english_says_what_the_catalogue_says(code: Code):
    assert refusal(code, "en") == CATALOGUE[code].title


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("FR-ca", "fr"),
        ("it-IT,it;q=0.9,en;q=0.8", "it"),
        ("en;q=0.5, es;q=0.9", "es"),
        ("en;Q=0.5,es;Q=0.9", "es"),
        ("de, fr;q=0.1", "fr"),
        ("de-DE,de;q=0.9", "en"),
        ("zh", "en"),
        ("*", "en"),
        ("fr;q=0, it;q=0.000", "en"),
        ("fr;q=2, it;q=nan, es;level=1, en;q=0.1", "en"),
        (",;=,q=1;,;q=1", "en"),
        ("x," * 20 + "fr", "en"),
    ],
)
def test_the_browser_is_asked_where_nobody_said_the_patients_language(asked: str, language: str):
    assert chosen(None, asked) == language


@pytest.mark.parametrize(("known", "language"), [("es", "es"), ("en", "en"), ("ar", "it"), ("", "it")])
def test_the_patients_own_language_counts_more_than_the_browsers(known: str, language: str):
    assert chosen(known, "it") == language
