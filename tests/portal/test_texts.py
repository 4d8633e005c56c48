"""The page's words: the same keys in every language, every key used, no words anywhere else."""

import json
import re
from itertools import chain
from typing import get_args

import pytest

from portal.release import HERE
from shared.domain.connection import Environment, PendingState
from shared.domain.numbers import OrderState, Reason, VerificationState
from shared.domain.onboarding import SOURCES, Party, StageName, StageState
from shared.domain.permission import Occasion
from shared.domain.preflight_urls import Mistake
from shared.domain.preview import TextWarning
from shared.domain.texts import State

LANGUAGES = ("en", "fr", "it", "es")
CATALOGUES = {one: json.loads((HERE / f"texts/{one}.json").read_text()) for one in LANGUAGES}
#: Keys as plain strings, and beginnings of keys that are made of what the API says.
_LITERAL = re.compile(r'"([a-z][a-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)"')
_MADE = re.compile(r"`([a-z][A-Za-z0-9_.-]*[.-])\$\{")
#: js/findings.js makes these of a finding's id and of its parameters' names.
_OF_FINDINGS = ("finding.", "todo.", "mistake.", "environment.", "proof.")
_COMMENT = re.compile(r"^\s*(//|\*|/\*).*$|\s//\s.*$", re.MULTILINE)
SCRIPTS = {
    path.relative_to(HERE).as_posix(): _COMMENT.sub("", path.read_text())
    for path in sorted((HERE / "js").rglob("*.js"))
}
#: Two words with a blank between them, or a sentence's end: no selector, class or header looks like this.
_WORDS = re.compile(r"\"[^\"`]*(?:[A-Z][a-z]+ [a-z]{2,}|[a-z]{2,} [a-z]{2,} [a-z]{2,}|[a-z]{2,} [a-z]{2,}[.!?])\"")


def is_used(key: str, literal: set[str], made: tuple[str, ...], endings: set[str]) -> bool:
    return key in literal or key.startswith(made) or any(key.removesuffix(one) in literal for one in endings)


def used() -> tuple[set[str], tuple[str, ...]]:
    """Keys that stand in the scripts, and beginnings of keys."""
    source = "\n".join(SCRIPTS.values())
    literal = set(_LITERAL.findall(source))
    choices = {f"{key}." for key in literal if key.startswith("choice.")}
    return literal, (*_MADE.findall(source), *choices, *_OF_FINDINGS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys(language: str):
    assert CATALOGUES[language].keys() ^ CATALOGUES["en"].keys() == set()


def test_every_key_is_used():
    literal, made = used()
    endings = set(re.findall(r"\$\{\w+\}([-.][a-z]+)`", "\n".join(SCRIPTS.values())))
    assert [key for key in CATALOGUES["en"] if not is_used(key, literal, made, endings)] == []


def test_every_key_that_is_asked_for_is_there():
    asked = set(re.findall(r'\b(?:t|rich)\("([^"]+)"', "\n".join(SCRIPTS.values())))
    assert asked - CATALOGUES["en"].keys() == set()


@pytest.mark.parametrize(
    ("prefix", "values"),
    [
        ("environment.", get_args(Environment)),
        ("state.", (*get_args(PendingState), "serving", "suspended")),
        ("next.", (*get_args(PendingState), "serving", "suspended")),
        ("stage.", get_args(StageName)),
        ("stage-state.", set(get_args(StageState)) - {"waiting"}),
        ("waits-for.", get_args(Party)),
        ("prerequisite.", SOURCES),
        ("mistake.", get_args(Mistake)),
        ("app.", ("provider", "patient", "backend", "write-back")),
        ("consent.", ("waiting", "refused", "unproven", "granted")),
        ("request.", ("requested", "enabled", "declined")),
        ("number-state.", get_args(OrderState)),
        ("number-reason.", Reason),
        ("verification.", get_args(VerificationState)),
        ("occasion.", get_args(Occasion)),
        ("text-state.", State),
        ("text-warning.", get_args(TextWarning)),
    ],
)
def test_whatever_the_api_says_has_words(prefix: str, values: tuple[str, ...]):
    assert {f"{prefix}{value}" for value in values} - CATALOGUES["en"].keys() == set()


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_a_translation_names_the_same_values(language: str):
    english = CATALOGUES["en"]
    differing = [key for key, words in CATALOGUES[language].items() if names(words) != names(english[key])]
    assert differing == []


def names(words: str | dict[str, str]) -> set[str]:
    """What is put into a text; the form for one may leave the number out."""
    forms = [words] if isinstance(words, str) else words.values()
    return set(chain.from_iterable(re.findall(r"\{(\w+)\}", form) for form in forms)) - {"n"}


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_a_translation_is_one(language: str):
    """What reads the same in English is a name, a word of both languages, or short."""
    english = CATALOGUES["en"]
    same = [key for key, words in CATALOGUES[language].items() if words == english[key] and isinstance(words, str)]
    assert [
        key for key in same if len(english[key]) > 30 and not key.startswith(("choice.", "field.", "people."))
    ] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_words_stand_in_code(name: str):
    assert _WORDS.findall(SCRIPTS[name]) == []
