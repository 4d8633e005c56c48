"""The catalogue of findings, and what people paste for a FHIR base URL."""

import re
from string import Formatter

import pytest

from shared.domain.preflight import Entry, Link, in_order, worst
from shared.domain.preflight_findings import FINDINGS, said
from shared.domain.preflight_urls import base_url, other_environment, server, spoken, suggestions, version_of
from tests.unit.sources import ROOT

_SOURCES = "".join(path.read_text() for path in sorted((ROOT / "shared/workflows").glob("*.py")))
_FEATURES = set(re.findall(r"^\| (F[0-9.]+) \|", (ROOT / "docs/features.md").read_text(), re.MULTILINE))
each = pytest.mark.parametrize("name", FINDINGS)


# --- the catalogue


@each
def test_a_finding_of_the_catalogue_can_be_found(name: str):
    assert f'"{name}"' in _SOURCES


def test_what_is_found_stands_in_the_catalogue():
    assert set(re.findall(r'said\(\s*"([a-z0-9-]+)"', _SOURCES)) <= set(FINDINGS)


@each
def test_what_is_not_as_it_should_be_says_what_to_do_and_who_does_it(name: str):
    entry = FINDINGS[name]
    if entry.state == "failed":
        assert entry.to_do
        assert entry.who
    if entry.state == "ok":
        assert not entry.to_do
    if entry.state == "warning":
        assert entry.to_do


@each
def test_a_finding_is_one_sentence_or_two_in_plain_words(name: str):
    for sentence in (FINDINGS[name].found, FINDINGS[name].to_do):
        assert not sentence or (sentence[0] == "{" or sentence[0].isupper())
        assert not sentence or sentence.endswith((".", "}"))


@each
def test_a_finding_names_known_features(name: str):
    assert set(FINDINGS[name].ids) <= _FEATURES


@each
def test_its_parameters_fill_its_sentences(name: str):
    names = {field for text in (FINDINGS[name].found, FINDINGS[name].to_do) for _, field, *_ in Formatter().parse(text)}
    parameters = {field: f"<{field}>" for field in names if field}
    found = said(name, **parameters)
    assert found.parameters == parameters
    assert all(value in found.found + found.what_to_do for value in parameters.values())


def test_a_parameter_that_is_missing_is_a_bug():
    with pytest.raises(KeyError):
        said("discovery")


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ([], "ok"),
        (["ok", "ok"], "ok"),
        (["ok", "skipped"], "skipped"),
        (["skipped", "warning", "ok"], "warning"),
        (["warning", "failed", "skipped"], "failed"),
    ],
)
def test_the_whole_is_as_its_worst_part(states: list[str], whole: str):
    names = {entry.state: name for name, entry in FINDINGS.items() if not _parameters(entry)}
    assert worst([said(names[state]) for state in states]) == whole


def _parameters(entry: Entry) -> list[str]:
    return [field for _, field, *_ in Formatter().parse(entry.found + entry.to_do) if field]


def test_links_come_in_the_order_of_a_launch():
    missing = dict(said("keys-missing", environment="test"))
    mixed = [("organiser", "b"), ("discovery", ""), ("organiser", "a"), ("serving", "")]
    links = [Link(**missing, id=id_, about=about, took_ms=0) for id_, about in mixed]
    wanted = [("serving", ""), ("discovery", ""), ("organiser", "a"), ("organiser", "b")]
    assert [(link.id, link.about) for link in in_order(links)] == wanted


# --- addresses

R4 = "https://epic.example/x/api/FHIR/R4"
PASTED = [
    (f"{R4}/metadata", "metadata", R4),
    (f"{R4}/.well-known/smart-configuration", "metadata", R4),
    (f"{R4}/Patient/123", "trailing-path", R4),
    (f"{R4}?apiKey=1", "query", R4),
    (f"{R4}#top", "query", R4),
    ("https://epic.example/x/api/FHIR/r4", "version-case", R4),
    ("https://epic.example/x/api/FHIR/DSTU2", "version-old", R4),
    ("https://epic.example/x/api/FHIR/STU3/metadata", "metadata", "https://epic.example/x/api/FHIR/STU3"),
    ("https://epic.example/x/api/FHIR", "version-missing", R4),
    ("https://epic.example/x/api", "version-missing", R4),
    ("https://epic.example/x", "version-missing", R4),
    ("https://epic.example/x/oauth2/token", "sign-in-address", R4),
    ("http://epic.example/x/api/FHIR/R4", "scheme", R4),
    ("epic.example/x/api/FHIR/R4", "scheme", R4),
]


@pytest.mark.feature("F2.10", "F14.1")
@pytest.mark.parametrize(("typed", "mistake", "meant"), PASTED, ids=[typed for typed, _, _ in PASTED])
def test_what_was_meant_is_suggested_first(typed: str, mistake: str, meant: str):
    first = suggestions(typed)[0]
    assert (first.mistake, first.url) == (mistake, meant)


@pytest.mark.parametrize("typed", [R4, f"{R4}/", f" {R4} "])
def test_a_base_url_as_it_should_be_gets_no_suggestion(typed: str):
    assert suggestions(typed) == []
    assert base_url(typed) == R4


NO_ADDRESSES = ["", " ", "https://", "ftp://a/b", "javascript:alert(1)", "https://a b/c", "https://u:p@h/x"]


@pytest.mark.parametrize("typed", NO_ADDRESSES)
def test_what_is_no_address_suggests_only_addresses(typed: str):
    assert base_url(typed) is None
    assert all(base_url(one.url) for one in suggestions(typed))


@pytest.mark.feature("F2.12")
@pytest.mark.parametrize(
    ("url", "environment", "word"),
    [
        ("https://epic.example/interconnect-prd/api/FHIR/R4", "test", "prd"),
        ("https://lamnahealthcare.com/fhir/auth/connect-ocurprd-oauth/api/FHDST", "test", "ocurprd"),
        ("https://epic.example/interconnect-prod/api/FHIR/R4", "production", None),
        ("https://epic-tst.example/x/api/FHIR/R4", "production", "tst"),
        ("https://epic-tst.example/x/api/FHIR/R4", "test", None),
        ("https://epic.example/nonprod/api/FHIR/R4", "production", "nonprod"),
        ("https://epic.example/nonprod/api/FHIR/R4", "test", None),
        ("https://products.example/x/api/FHIR/R4", "test", None),
        ("https://latest.example/x/api/FHIR/R4", "production", None),
    ],
)
def test_an_address_may_look_like_one_of_the_other_environment(url: str, environment: str, word: str | None):
    assert other_environment(url, environment) == word  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("version", "name"), [("4.0.1", "R4"), ("4.3.0", "R4B"), ("3.0.2", "STU3"), ("1.0.2", "DSTU2"), ("", ""), ("9", "")]
)
def test_a_version_has_a_name(version: str, name: str):
    assert spoken(version) == name


def test_the_end_of_an_address_says_a_version_or_none():
    assert [version_of(url) for url in (R4, f"{R4}/", "https://h/dstu2", "https://h/x")] == ["R4", "R4", "DSTU2", ""]


def test_two_bases_of_one_server_have_its_address_in_common():
    assert server(R4) == server("https://epic.example/x/api/fhir/DSTU2") != server("https://epic.example/y/api/FHIR/R4")
