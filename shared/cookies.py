"""Cookies of a launch: one per launch, so two tabs do not disturb each other; for this host only, never for a script.

Lax, because the browser comes back from Epic or Entra by a top-level GET of another site.
"""

import functools
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie
from typing import Literal

import azure.functions as func

from shared.domain.launch import cookie_of
from shared.web import Handler

#: l: on the way through Epic; s: on the way through Entra; v: waiting on our page.
Kind = Literal["l", "s", "v"]


def named(kind: Kind, name: str) -> str:
    """The whole name. `__Host-` keeps other hosts of the domain from setting it."""
    return f"__Host-{kind}-{name}"


def cookie(name: str, value: str, life: timedelta) -> Morsel[str]:
    """A cookie to set."""
    jar = SimpleCookie()
    jar[name] = value
    morsel = jar[name]
    morsel.update(
        {
            "path": "/",
            "max-age": str(round(life.total_seconds())),
            "secure": "true",
            "httponly": "true",
            "samesite": "Lax",
        }
    )
    return morsel


def gone(name: str) -> Morsel[str]:
    """A cookie to forget."""
    return cookie(name, "", timedelta())


def carried(req: func.HttpRequest, name: str) -> str | None:
    """The value of a cookie that the request brought."""
    header: str = req.headers.get("Cookie", "")
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return next((value for given, _, value in pairs if given == name), None)


def spent(kind: Kind) -> "functools.partial[Handler]":
    """After such a route the cookie named by its `state` is gone, however the route ended."""
    return functools.partial(_spent, kind)


def _spent(kind: Kind, handler: Handler) -> Handler:
    @functools.wraps(handler)
    async def clearing(req: func.HttpRequest) -> func.HttpResponse:
        response = await handler(req)
        name = named(kind, cookie_of(req.params.get("state", "")))
        if carried(req, name) is not None:
            response.headers.add("Set-Cookie", gone(name).OutputString())
        return response

    return clearing
