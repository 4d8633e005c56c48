"""Azure Static Web Apps, as far as a page without functions needs it: a folder and its staticwebapp.config.json.

Rules after learn.microsoft.com/azure/static-web-apps/configuration. A file that the service would not take is refused
here too, and so is every member that this imitation does not know (`auth`, `platform`, `networking`, roles).
Not verified: which headers the service adds by itself (it is known to send an ETag), and its answer to other methods.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from aiohttp import web

RULES = "staticwebapp.config.json"
#: Quota of the service.
LARGEST_RULES = 20 * 1024
_MEMBERS = {"globalHeaders", "navigationFallback", "mimeTypes", "routes", "responseOverrides"}
_OF_ROUTE = {"route", "methods", "headers", "redirect", "rewrite", "statusCode"}
_OF_FALLBACK = {"rewrite", "exclude"}
_OF_OVERRIDE = {"rewrite", "redirect", "statusCode"}
_METHODS = {"GET", "HEAD"}
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
#: A wildcard stands at the end, perhaps with the endings it is for: /img/*, /img/*.{png,jpg}, /*.txt
_PATTERN = re.compile(r"(?P<start>/[^*{}]*)(?P<wild>\*(\.(?P<one>[a-z0-9]+)|\.\{(?P<many>[a-z0-9,]+)\})?)?")


class BadRules(Exception):
    """The service would not take this file."""


@dataclass(frozen=True)
class Rules:
    """What staticwebapp.config.json says, checked."""

    headers: dict[str, str]
    kinds: dict[str, str]
    fallback: str
    excluded: tuple[str, ...]
    routes: tuple[dict[str, Any], ...]
    overrides: dict[str, dict[str, Any]]


def read(folder: Path) -> Rules:
    """The rules of a folder. Raises BadRules."""
    raw = (folder / RULES).read_bytes()
    _require(len(raw) <= LARGEST_RULES, "the file is larger than 20 kB")
    try:
        told = json.loads(raw)
    except ValueError as error:
        raise BadRules("not JSON") from error
    _known(told, _MEMBERS, "the file")
    fallback = _known(told.get("navigationFallback", {}), _OF_FALLBACK, "navigationFallback")
    routes = tuple(_route(one) for one in told.get("routes", []))
    overrides = told.get("responseOverrides", {})
    for status, one in overrides.items():
        _require(status in {"400", "401", "403", "404"}, f"responseOverrides: {status}")
        _known(one, _OF_OVERRIDE, "responseOverrides")
    kinds = told.get("mimeTypes", {})
    _require(all(ending.startswith(".") and isinstance(kind, str) for ending, kind in kinds.items()), "mimeTypes")
    excluded = tuple(_pattern(one) for one in fallback.get("exclude", []))
    found = Rules(
        _headers(told.get("globalHeaders", {})), kinds, fallback.get("rewrite", ""), excluded, routes, overrides
    )
    _exists(folder, found.fallback)
    return found


def matches(pattern: str, path: str) -> bool:
    """Whether a route's pattern is for this path."""
    found = _PATTERN.fullmatch(pattern)
    if found is None or not found["wild"]:
        return path == pattern
    if not path.startswith(found["start"]):
        return False
    endings = (found["many"] or found["one"] or "").split(",")
    return endings == [""] or path.rpartition(".")[2] in endings


class Site:
    """A folder as the service would answer for it. Files are read anew for each request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules = read(folder)
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        """A file, the fallback, or 404; with the headers of the rules on all of them."""
        if request.method not in _METHODS:
            return self._with_headers(web.Response(status=405), {})
        rule = next((one for one in self.rules.routes if _for(one, request)), {})
        if "redirect" in rule:
            found = web.Response(status=rule.get("statusCode", 302), headers={"Location": rule["redirect"]})
            return self._with_headers(found, rule)
        path = rule.get("rewrite", request.path)
        if rule.get("statusCode", 200) == 404:
            return self._with_headers(web.Response(status=404), rule)
        return self._with_headers(self._file(request, path), rule)

    def _file(self, request: web.Request, path: str) -> web.Response:
        if (file := self._found(path)) is None and not any(matches(one, path) for one in self.rules.excluded):
            file = self._found(self.rules.fallback)
        if file is None:
            return web.Response(status=404)
        body = file.read_bytes()
        tag = f'"{sha256(body).hexdigest()[:32]}"'
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers={"ETag": tag})
        kind = self.rules.kinds.get(file.suffix) or guess_type(file.name)[0] or "application/octet-stream"
        return web.Response(body=body, headers={"ETag": tag, "Content-Type": kind})

    def _found(self, path: str) -> Path | None:
        """The file of a path; never one outside the folder, nor the rules themselves."""
        file = (self.folder / (path.lstrip("/") or "index.html")).resolve()
        inside = file.is_relative_to(self.folder.resolve()) and file.name != RULES
        return file if inside and file.is_file() else None

    def _with_headers(self, response: web.Response, rule: dict[str, Any]) -> web.Response:
        """A route's header outdoes the global one; an empty value takes it away."""
        for name, value in (self.rules.headers | rule.get("headers", {})).items():
            if value:
                response.headers[name] = value
            else:
                response.headers.popall(name, None)
        return response


def _for(rule: dict[str, Any], request: web.Request) -> bool:
    return request.method in rule.get("methods", _METHODS) and matches(rule["route"], request.path)


def _route(told: Any) -> dict[str, Any]:
    one = _known(told, _OF_ROUTE, "routes")
    _pattern(one.get("route"))
    _require(not ("redirect" in one and "rewrite" in one), "a route redirects or rewrites, not both")
    _headers(one.get("headers", {}))
    return one


def _pattern(told: Any) -> str:
    _require(isinstance(told, str) and bool(_PATTERN.fullmatch(told)), f"not a pattern: {told}")
    return str(told)


def _headers(told: Any) -> dict[str, str]:
    headers = _known(told, None, "headers")
    for name, value in headers.items():
        _require(bool(_HEADER.fullmatch(name)), f"not a header: {name}")
        _require(isinstance(value, str) and "\n" not in value and "\r" not in value, f"not a value of {name}")
    return headers


def _known(told: Any, members: set[str] | None, where: str) -> dict[str, Any]:
    _require(isinstance(told, dict), f"{where} is not an object")
    unknown = set(told) - members if members is not None else set()
    _require(not unknown, f"{where}: unknown {', '.join(sorted(unknown))}")
    found: dict[str, Any] = told
    return found


def _exists(folder: Path, path: str) -> None:
    _require(not path or (folder / path.lstrip("/")).is_file(), f"no file {path}")


def _require(holds: bool, why: str) -> None:  # noqa: FBT001 - a sentence about each rule, not a switch
    if not holds:
        raise BadRules(why)
