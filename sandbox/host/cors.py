"""CORS as App Service does it in front of an app (siteConfig.cors), for browsers on other origins.

The platform answers every preflight itself and writes the Access-Control headers; whatever the app says of them is
lost. Only listed origins are let in, without credentials, and no header of an answer is exposed, so a page sees those
that every page sees (Content-Type, Cache-Control, ...) and no other: not ETag, Location or Retry-After.

Documented: who answers the preflight, the list, `supportCredentials`, that the app's own CORS is overruled. Not
verified: the status of a preflight (here 204), that a refused one is answered rather than passed on (here 204 without
headers), whether methods and headers are echoed as asked (here they are), and any Access-Control-Max-Age (here none,
so a browser asks again after five seconds).
"""

import os
from collections.abc import Awaitable, Callable

from aiohttp import web

type Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Origins, comma-separated. No setting of the app: on Azure it is a property of the site.
SETTING = "SANDBOX_CORS_ORIGINS"
_ALLOW = "Access-Control-Allow-"


def allowed_origins() -> tuple[str, ...]:
    """The origins that may call this host's app from a browser. None: there is no CORS in front of it."""
    return tuple(origin for origin in os.environ.get(SETTING, "").split(",") if origin)


def behind(origins: tuple[str, ...], answer: Answering) -> Answering:
    """The app's answers as a browser gets them from App Service."""
    if not origins:
        return answer

    async def answered(request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Access-Control-Request-Method")
        if request.method == "OPTIONS" and "Origin" in request.headers and asked:
            return web.Response(status=204, headers=_of_preflight(request, asked) if _allowed(request, origins) else {})
        response = await answer(request)
        for name in [name for name in response.headers if name.lower().startswith("access-control-")]:
            response.headers.popall(name, None)
        if _allowed(request, origins):
            response.headers.update(_of_origin(request))
        return response

    return answered


def _allowed(request: web.Request, origins: tuple[str, ...]) -> bool:
    return request.headers.get("Origin") in origins


def _of_origin(request: web.Request) -> dict[str, str]:
    return {f"{_ALLOW}Origin": request.headers["Origin"], "Vary": "Origin"}


def _of_preflight(request: web.Request, method: str) -> dict[str, str]:
    headers = request.headers.get("Access-Control-Request-Headers", "")
    told = _of_origin(request) | {f"{_ALLOW}Methods": method}
    return told | ({f"{_ALLOW}Headers": headers} if headers else {})
