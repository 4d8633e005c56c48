"""Route templates as ASP.NET Core reads them, as far as one segment is either a literal or a parameter.

`{id}`, `{id:int}`, `{id:length(2,8)}`, `{id?}` and `{*rest}` are known; a template with anything else is refused.
"""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from sandbox.host.settings import Refused

_GUID = r"\{?\(?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\)?\}?"
#: Constraint -> what the value must look like; the numbers of the constraint are filled in.
_CONSTRAINTS = {
    "int": r"-?\d{{1,10}}",
    "long": r"-?\d{{1,19}}",
    "alpha": r"[A-Za-z]*",
    "bool": r"(?i:true|false)",
    "guid": _GUID.replace("{", "{{").replace("}", "}}"),
    "length": r".{{{0}}}",
    "minlength": r".{{{0},}}",
    "maxlength": r".{{0,{0}}}",
}
_PARAMETER = re.compile(r"\{(?P<star>\*?)(?P<name>\w+)(?P<rules>(?::\w+(?:\([\d, ]+\))?)*)(?P<optional>\??)\}")
_RULE = re.compile(r":(?P<name>\w+)(?:\((?P<numbers>[\d, ]+)\))?")
_ENCODED_SLASH = re.compile("%2F", re.IGNORECASE)


@dataclass(frozen=True)
class Segment:
    """One part of a template between slashes. `rank` orders routes: the lower, the more exact."""

    literal: str = ""
    name: str = ""
    patterns: tuple[re.Pattern[str], ...] = ()
    optional: bool = False
    rest: bool = False

    @property
    def rank(self) -> int:
        if self.literal:
            return 1
        return (4 if self.rest else 2) + (not self.patterns)

    def accepts(self, value: str) -> bool:
        if self.literal:
            return value.lower() == self.literal.lower()
        return bool(value) and all(pattern.fullmatch(value) for pattern in self.patterns)


@dataclass(frozen=True)
class Route:
    """A template, ready to be compared with a path."""

    template: str
    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, template: str, function: str) -> Self:
        """Raises `Refused` for a template that ASP.NET Core or this host does not take."""
        if re.match("admin(/|$)", template, re.IGNORECASE):
            raise Refused(f"{function}: The specified route conflicts with one or more built in routes.")
        segments = tuple(_segment(part, function) for part in template.split("/"))
        if any(segment.optional or segment.rest for segment in segments[:-1]):
            raise Refused(f"{function}: only the last part of a route may be optional or a catch-all")
        return cls(template, segments)

    @property
    def rank(self) -> tuple[int, ...]:
        """Sorts literal before constrained before free parameters, part by part."""
        return tuple(segment.rank for segment in self.segments)

    def match(self, raw_path: str) -> dict[str, str] | None:
        """The parameters that the path gives, or None; `raw_path` is still percent-encoded."""
        parts, expected = _parts(raw_path), self.segments
        if expected[-1].rest:
            before = len(expected) - 1
            parts = [*parts[:before], "/".join(parts[before:])]
        if expected[-1].rest or expected[-1].optional:
            expected, parts = _without_empty_end(expected, parts)
        if len(parts) != len(expected):
            return None
        pairs = list(zip(expected, parts, strict=True))
        if not all(segment.accepts(part) for segment, part in pairs):
            return None
        return {segment.name: part for segment, part in pairs if segment.name}


def _without_empty_end(expected: tuple[Segment, ...], parts: list[str]) -> tuple[tuple[Segment, ...], list[str]]:
    """Both without the last parameter when the path leaves it out."""
    given = [part for part in parts if part]
    return (expected[:-1], given) if len(given) < len(expected) else (expected, parts)


def _parts(raw_path: str) -> list[str]:
    """The decoded segments; an encoded slash stays encoded, as Kestrel leaves it."""
    path = raw_path.removeprefix("/").removesuffix("/")
    return [unquote(_ENCODED_SLASH.sub("%252F", part)) for part in path.split("/")]


def _segment(part: str, function: str) -> Segment:
    if not re.search("[{}]", part):
        return Segment(literal=part)
    if not (found := _PARAMETER.fullmatch(part)):
        raise Refused(f"{function}: the sandbox's host does not know the route part '{part}'")
    patterns = tuple(_pattern(rule, function) for rule in _RULE.finditer(found["rules"]))
    return Segment(name=found["name"], patterns=patterns, optional=bool(found["optional"]), rest=bool(found["star"]))


def _pattern(rule: re.Match[str], function: str) -> re.Pattern[str]:
    if rule["name"] not in _CONSTRAINTS:
        raise Refused(f"{function}: the sandbox's host does not know the route constraint '{rule['name']}'")
    return re.compile(_CONSTRAINTS[rule["name"]].format((rule["numbers"] or "").replace(" ", "")), re.DOTALL)
