"""Answers over HTTP: what a caller reads, and what never reaches one."""

import json
import logging

import azure.functions as func
import pytest

from shared.domain.visit_page import words
from shared.errors import CATALOGUE, Broken, Code, Later, Refused
from shared.storage.tables import Conflict
from shared.web import answer, answered, bearer, if_match, json_body, page, plain_text, problem, redirect, shown

SECRET = "+16085550142"


def request(body: bytes = b"", **headers: str) -> func.HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return func.HttpRequest("POST", "https://connector.example/", headers=named, body=body)


@pytest.mark.parametrize("code", Code)
def test_a_problem_document_has_the_codes_status_and_sentence(code: Code):
    response = problem(code)
    body = json.loads(response.get_body())
    assert response.status_code == body["status"] == CATALOGUE[code].status
    assert (body["code"], body["title"]) == (code, CATALOGUE[code].title)
    assert response.mimetype == "application/problem+json"
    assert ("Retry-After" in response.headers) == (response.status_code == 503)


def test_a_problem_document_names_the_fields():
    assert json.loads(problem(Code.VALUE_REFUSED, "own.time_zone").get_body())["fields"] == ["own.time_zone"]


ENDS = [
    (Refused(Code.FHIR_BASE_TAKEN, "fhir_base_url"), 409, "fhir-base-taken"),
    (Later(f"peer {SECRET}"), 503, "busy"),
    (Broken(SECRET), 500, "unexpected"),
    (Conflict(SECRET), 500, "unexpected"),
    (KeyError(SECRET), 500, "unexpected"),
]


@pytest.mark.parametrize(("error", "status", "code"), ENDS)
async def test_an_error_of_an_api_route_becomes_its_problem_document(caplog, error: Exception, status: int, code: str):
    @answered
    async def route(req: func.HttpRequest) -> func.HttpResponse:
        raise error

    with caplog.at_level(logging.INFO):
        response = await route(request())
    assert response.status_code == status
    assert json.loads(response.get_body())["code"] == code
    assert SECRET.encode() not in response.get_body()
    if not isinstance(error, Later):  # its peer is a host name by contract
        assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(("error", "status", "code"), ENDS)
async def test_an_error_of_a_page_becomes_a_short_page_with_the_code(error: Exception, status: int, code: str):
    @shown
    async def route(req: func.HttpRequest) -> func.HttpResponse:
        raise error

    response = await route(request())
    assert (response.status_code, response.mimetype) == (status, "text/html")
    text = response.get_body().decode()
    assert code in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("asked", "language", "sentence"),
    [
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr", "Ce lien n&#x27;est pas valable"),
        ("it", "it", "Questo link non è valido"),
        ("es-MX", "es", "Este enlace no es válido"),
        ("en-GB", "en", "This link is not valid"),
        ("de", "en", "This link is not valid"),
        ("", "en", "This link is not valid"),
    ],
)
async def test_a_page_that_refuses_speaks_the_browsers_language(asked: str, language: str, sentence: str):
    @shown
    async def route(req: func.HttpRequest) -> func.HttpResponse:
        raise Refused(Code.LINK_UNKNOWN)

    response = await route(request(Accept_Language=asked))
    text = response.get_body().decode()
    assert f'<html lang="{language}">' in text
    assert sentence in text
    assert words(language).failed.replace("'", "&#x27;") in text
    assert "link-unknown" in text


async def test_the_unexpected_is_logged_by_type_and_place(caplog):
    @answered
    async def route(req: func.HttpRequest) -> func.HttpResponse:
        raise ValueError(SECRET)

    await route(request())
    [record] = [one for one in caplog.records if one.name == "connector"]
    assert (record.levelno, "error=ValueError" in record.getMessage(), "route:" in record.getMessage()) == (
        logging.ERROR,
        True,
        True,
    )


def test_a_page_may_run_nothing_and_be_framed_by_nobody():
    response = page("<Title>", "<p>ours</p>")
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "<h1>&lt;Title&gt;</h1><p>ours</p>" in response.get_body().decode()


def test_an_answer_is_cached_by_nobody_and_carries_its_etag():
    response = answer({"a": 1}, 201, etag="7", Location="/here")
    assert (response.headers["Cache-Control"], response.headers["ETag"]) == ("no-store", '"7"')
    assert (response.headers["Location"], response.status_code) == ("/here", 201)


def test_text_is_not_taken_for_a_page():
    assert plain_text("<script>").headers["X-Content-Type-Options"] == "nosniff"


def test_a_redirect_is_stored_by_nobody():
    response = redirect("https://epic.example/authorize?state=x")
    assert (response.status_code, response.headers["Cache-Control"]) == (303, "no-store")


@pytest.mark.parametrize(("sent", "read"), [('"7"', "7"), ('W/"7"', "7"), ("7", "7")])
def test_if_match_is_read_in_its_spellings(sent: str, read: str):
    assert if_match(request(If_Match=sent)) == read


def test_a_change_without_if_match_is_refused():
    with pytest.raises(Refused) as refused:
        if_match(request())
    assert refused.value.entry.status == 428


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "abc"])
def test_a_request_without_a_bearer_token_is_refused(header: str):
    with pytest.raises(Refused) as refused:
        bearer(request(Authorization=header))
    assert refused.value.code == Code.TOKEN_MISSING


def test_the_word_bearer_may_be_written_as_one_likes():
    assert bearer(request(Authorization="bEaReR abc.def")) == "abc.def"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe\xfd", b"[" * 200_000, b'{"n": ' + b"9" * 5000 + b"}", b"NaN", b'{"n": Infinity}']
)
def test_what_is_no_json_is_refused(body: bytes):
    with pytest.raises(Refused) as refused:
        json_body(request(body))
    assert refused.value.code == Code.BODY_UNREADABLE


def test_a_body_may_be_as_large_as_the_limit_and_no_larger():
    assert json_body(request(b'"xx"'), limit=4) == "xx"
    with pytest.raises(Refused) as refused:
        json_body(request(b'"xxx"'), limit=4)
    assert refused.value.code == Code.BODY_TOO_LARGE
