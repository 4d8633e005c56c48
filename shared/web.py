"""Answers over HTTP: JSON with an ETag, problem documents (RFC 9457), short pages, redirects.

Every route is `answered`: a refusal becomes its problem document, `Later` becomes 503 with Retry-After, and the
unexpected one fixed sentence. No text of an exception reaches a caller.
"""

import functools
import html
import json
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import Morsel
from typing import Any
from urllib.parse import parse_qsl

import azure.functions as func

from shared.domain.visit_page import chosen, refusal, words
from shared.errors import CATALOGUE, Code, Later, Refused
from shared.telemetry import alarm, outcome, place

Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]
#: Says to who asked what was refused: the code and, for programs, names of fields.
_Say = Callable[[func.HttpRequest, Code, tuple[str, ...]], func.HttpResponse]
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def answered(handler: Handler) -> Handler:
    """Turn errors of an API route into problem documents."""
    return _guarded(handler, lambda _, code, fields: problem(code, *fields))


def shown(handler: Handler) -> Handler:
    """Turn errors of a route that people see into a short page with the code, in their language."""
    return _guarded(handler, lambda req, code, _: sorry(code, language(req)))


def _guarded(handler: Handler, say: _Say) -> Handler:
    @functools.wraps(handler)
    async def guarded(req: func.HttpRequest) -> func.HttpResponse:
        try:
            return await handler(req)
        except Refused as refused:
            outcome(handler.__name__, end=f"refused:{refused.code}")
            return say(req, refused.code, refused.fields)
        except Later as later:
            outcome(handler.__name__, end=f"later:{later.peer}")
            return say(req, Code.BUSY, ())
        except Exception as error:  # its text may hold anything: only its type goes on
            alarm(handler.__name__, end="unexpected", error=type(error).__name__, at=place(error))
            return say(req, Code.UNEXPECTED, ())

    return guarded


def problem(code: Code, *fields: str) -> func.HttpResponse:
    """A problem document: stable `code`, a fixed sentence, and the names of the fields at fault."""
    entry = CATALOGUE[code]
    body = {"type": f"urn:virtual-visit-connector:{code}", "title": entry.title, "status": entry.status, "code": code}
    if fields:
        body["fields"] = list(fields)
    headers = {"Retry-After": "10"} if entry.status == 503 else {}
    return func.HttpResponse(
        json.dumps(body), status_code=entry.status, headers=headers, mimetype="application/problem+json"
    )


def answer(body: Any, status: int = 200, *, etag: str | None = None, **headers: str) -> func.HttpResponse:
    """A JSON answer that nobody may cache."""
    more = {"Cache-Control": "no-store", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if etag is not None:
        more["ETag"] = f'"{etag}"'
    return func.HttpResponse(json.dumps(body), status_code=status, headers=more, mimetype="application/json")


def accepted() -> func.HttpResponse:
    """Taken; what became of it is no business of the caller."""
    return func.HttpResponse(status_code=202)


def plain_text(text: str) -> func.HttpResponse:
    """Text that no browser takes for a page."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return func.HttpResponse(text, headers=headers, mimetype="text/plain", charset="utf-8")


def page(
    title: str, body: str, status: int = 200, headers: Mapping[str, str] | None = None, language: str = "en"
) -> func.HttpResponse:
    """A small page. `body` is our own HTML; whatever comes from outside was escaped before."""
    text = (
        f'<!doctype html><html lang="{html.escape(language)}"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.5rem}"
        "a.button,button{display:inline-block;padding:.8rem 1.4rem;border:0;border-radius:.4rem;background:#4f52b2;"
        "color:#fff;font:inherit;text-decoration:none;cursor:pointer}small{color:#555}</style>"
        f"<h1>{html.escape(title)}</h1>{body}</html>"
    )
    merged = _PAGE_HEADERS | dict(headers or {})
    return func.HttpResponse(text, status_code=status, headers=merged, mimetype="text/html", charset="utf-8")


def language(req: func.HttpRequest, known: str | None = None) -> str:
    """The language of a page for this browser, where the patient's own is not known or not one of ours."""
    return chosen(known, req.headers.get("Accept-Language", ""))


def sorry(code: Code, language: str) -> func.HttpResponse:
    """What a patient or a clinician reads when it did not work."""
    said = f"<p>{html.escape(refusal(code, language))}</p><p><small>{code}</small></p>"
    return page(words(language).failed, said, CATALOGUE[code].status, language=language)


def redirect(url: str, *cookies: Morsel[str], status: int = 303) -> func.HttpResponse:
    """Send a browser on. `url` is one of ours or one a connection was approved for."""
    response = func.HttpResponse(status_code=status, headers={"Location": url, "Cache-Control": "no-store"})
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie.OutputString())
    return response


def form(req: func.HttpRequest, limit: int = 64_000) -> dict[str, str]:
    """The fields of a posted form; refuses what is too large or is none."""
    raw = req.get_body()
    if len(raw) > limit:
        raise Refused(Code.BODY_TOO_LARGE)
    kind: str = req.headers.get("Content-Type", "")
    if kind.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise Refused(Code.CONTENT_TYPE)
    try:
        return dict(parse_qsl(raw.decode(), strict_parsing=bool(raw), max_num_fields=20))
    except ValueError:
        raise Refused(Code.BODY_UNREADABLE) from None


def json_body(req: func.HttpRequest, limit: int = 256_000) -> Any:
    """The request's JSON; refuses what is too large or is none."""
    raw = req.get_body()
    if len(raw) > limit:
        raise Refused(Code.BODY_TOO_LARGE)
    try:
        return json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(Code.BODY_UNREADABLE) from None


def _no_number(word: str) -> None:
    """Python would read NaN and Infinity; JSON does not know them."""
    raise ValueError(word)


def if_match(req: func.HttpRequest) -> str:
    """The ETag the caller read; refuses a change without one."""
    tag: str | None = req.headers.get("If-Match")
    if not tag:
        raise Refused(Code.PRECONDITION_MISSING)
    return tag.removeprefix("W/").strip('"')


def expected(req: func.HttpRequest) -> str | None:
    """What the caller wants to change, by its ETag; "": nothing may be there yet; None: they do not say."""
    fresh = req.headers.get("If-None-Match")
    if fresh not in {None, "*"}:
        raise Refused(Code.VALUE_REFUSED, "If-None-Match: only *")
    if fresh:
        return ""
    return if_match(req) if req.headers.get("If-Match") else None


def bearer(req: func.HttpRequest) -> str:
    """The access token of the request."""
    header: str = req.headers.get("Authorization", "")
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Refused(Code.TOKEN_MISSING)
    return token
