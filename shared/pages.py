"""Pages and redirects on the way into a visit. What comes from outside is escaped here."""

import base64
import hashlib
import html
from datetime import datetime, timedelta
from http.cookies import Morsel
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

import azure.functions as func

from shared.cookies import cookie, gone, named
from shared.domain.connection import Connection
from shared.domain.launch import TICKET_LASTS, Ticket
from shared.domain.visit_page import at, words
from shared.settings import Settings
from shared.storage.launch_cookies import LaunchCookies
from shared.web import page, redirect
from shared.workflows.enter import Preparing, SignInFirst, TooEarly, ToTeams, Way
from shared.workflows.join import Invitation

_SOON = timedelta(seconds=5)
_LATER = timedelta(seconds=60)
#: The only script of ours that a visitor meets; without it the button is pressed by hand.
_POST_NOW = "document.forms[0].submit()"
_POST_POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; script-src 'sha256-"
    f"{base64.b64encode(hashlib.sha256(_POST_NOW.encode()).digest()).decode()}'"
)


class Deps(Protocol):
    """What pages need of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def launch_cookies(self) -> LaunchCookies: ...


def outside(url: str, connection: Connection, language: str) -> func.HttpResponse:
    """In a frame: one link that opens the same launch in a window of its own. Only this page may be framed."""
    origins = connection.own.launch.frame_ancestors or (_origin(connection.approved.fhir_base_url),)
    policy = f"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors {' '.join(origins)}"
    said, address = words(language), html.escape(url)
    button = f'<a class="button" target="_blank" rel="noopener" href="{address}">{html.escape(said.outside)}</a>'
    return page(said.launch, f"<p>{button}</p>", headers={"Content-Security-Policy": policy}, language=language)


def to_epic(url: str, connection: Connection, held: Morsel[str], language: str) -> func.HttpResponse:
    """On to Epic's authorize endpoint, the way this Epic wants to be asked (epic.md 1.4)."""
    if connection.approved.fhir.authorize == "get":
        return redirect(url, held)
    address, _, query = url.partition("?")
    fields = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in parse_qsl(query)
    )
    said = words(language)
    button = f"<button>{html.escape(said.to_epic)}</button>"
    form = f'<form method="post" action="{html.escape(address)}">{fields}{button}</form>'
    script = f"<script>{_POST_NOW}</script>"
    headers = {"Content-Security-Policy": _POST_POLICY}
    response = page(said.launch, form + script, headers=headers, language=language)
    response.headers.add("Set-Cookie", held.OutputString())
    return response


def on_the_way(way: Way, ticket: Ticket, language: str, deps: Deps) -> func.HttpResponse:
    """What a person sees next: Teams, Entra, or a page that goes on by itself by way of the ticket's cookie."""
    name, said = named("v", ticket.id), words(language)
    after: timedelta | None = _SOON
    match way:
        case ToTeams(url):
            return redirect(url, gone(name))
        case SignInFirst():
            held = cookie(name, deps.launch_cookies.seal(name, ticket), TICKET_LASTS)
            return redirect(_own(deps, "/launch/sign-in", ticket), held)
        case Preparing():
            shown = _paragraph(said.preparing)
        case TooEarly():
            shown, after = _early(way, ticket, language), _until(way, ticket)
    response = page(said.title, shown, language=language)
    if after:
        response.headers["Refresh"] = f"{round(after.total_seconds())}; url={_own(deps, '/visit', ticket)}"
        held = cookie(name, deps.launch_cookies.seal(name, ticket), TICKET_LASTS)
        response.headers.add("Set-Cookie", held.OutputString())
    return response


def invitation(found: Invitation, token: str, language: str) -> func.HttpResponse:
    """The page behind the link of a text."""
    said = words(language)
    match found.state:
        case "open":
            when = at(said.invited, found.start, found.zone, language, found.organisation)
            shown = _paragraph(when) + _button(said.join, token)
        case "early":
            shown = _paragraph(at(said.early, found.start, found.zone, language))
            shown += _paragraph(at(said.opens, found.opens, found.zone, language))
        case "over":
            shown = _paragraph(said.over)
        case "cancelled":
            shown = _paragraph(said.cancelled)
    response = page(said.title, shown, language=language)
    if found.state == "early":
        response.headers["Refresh"] = str(round(_wait(found.opens, found.now).total_seconds()))
    return response


def _button(text: str, token: str) -> str:
    field = f'<input type="hidden" name="t" value="{html.escape(token)}">'
    return f'<form method="post" action="/j">{field}<button>{html.escape(text)}</button></form>'


def _early(way: TooEarly, ticket: Ticket, language: str) -> str:
    said = words(language)
    sentences = [
        at(said.early, way.start, way.zone, language),
        at(said.opens, way.opens, way.zone, language),
        said.stay if _until(way, ticket) else said.again,
    ]
    return "".join(map(_paragraph, sentences))


def _until(way: TooEarly, ticket: Ticket) -> timedelta | None:
    """When the page looks again; None when the ticket ends before the visit opens."""
    return _wait(way.opens, way.now) if way.opens < ticket.issued + TICKET_LASTS else None


def _wait(opens: datetime, now: datetime) -> timedelta:
    return min(max(opens - now, _SOON), _LATER)


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _own(deps: Deps, path: str, ticket: Ticket) -> str:
    return f"{deps.settings.public_url}{path}?{urlencode({'ticket': ticket.id})}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
