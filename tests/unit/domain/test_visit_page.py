"""The words of the pages on the way into a visit."""

import re
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from shared.domain.visit_page import Words, at, spoken, words

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
