"""What a deployment would make: the Bicep files worked out for given parameters, modules entered.

It knows the part of the language that infra/ uses and raises `Fault` at anything else. What only Azure can tell (an
identity's principal, an address) stays `Unknown`, a text that says whose it is.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tree_sitter import Node

from tests.infra.bicep import Declared, Files, beside, declarations, words


class Fault(Exception):
    """The files cannot be worked out."""


class Unknown(str):
    """A value that only a deployment knows."""

    __slots__ = ()


@dataclass(frozen=True, eq=False)
class Resource:
    """A resource, made or referred to. `name` and `id` carry those of its parents."""

    symbol: str
    type: str
    api: str
    body: dict[str, Any] = field(repr=False)
    existing: bool = False

    @property
    def name(self) -> str:
        parent = self.body.get("parent")
        return f"{parent.name}/{self.body['name']}" if parent else self.body["name"]

    @property
    def id(self) -> str:
        return f"/{self.type}/{self.name}"


def stamp(files: Files, **parameters: Any) -> tuple[list[Resource], dict[str, Any]]:
    """All resources that main.bicep makes, through all modules, and its outputs."""
    main = _Deployment(files, "main.bicep", parameters)
    return list(main.resources()), main.outputs()


class _Deployment:
    """One file with its parameters."""

    def __init__(self, files: Files, name: str, parameters: dict[str, Any]) -> None:
        self.files = files
        self.name = name
        self.declared = {(one.kind == "output", one.name): one for one in declarations(files[name])}
        self.values: dict[str, Any] = {}
        for (output, one), declared in self.declared.items():
            if not output and declared.kind == "param":
                self.values[one] = self._parameter(declared, parameters)

    def resources(self) -> Iterator[Resource]:
        for (output, name), declared in self.declared.items():
            if output or declared.kind not in {"resource", "module"}:
                continue
            value = self.symbol(name)
            if isinstance(value, _Deployment):
                yield from value.resources()
            else:
                yield from (one for one in (value if isinstance(value, list) else [value]) if not one.existing)

    def outputs(self) -> dict[str, Any]:
        return {name: self.value(one.value) for (output, name), one in self.declared.items() if output}

    def symbol(self, name: str) -> Any:
        if name not in self.values:
            if (False, name) not in self.declared:
                raise Fault(f"{self.name}: {name} is not declared")
            self.values[name] = self._symbol(self.declared[False, name])
        return self.values[name]

    def value(self, node: Node | None, **loop: Any) -> Any:  # noqa: C901, PLR0911 - one case a kind of expression
        """What an expression amounts to; `loop`: the variables of the loops around it."""
        if node is None:
            raise Fault(f"{self.name}: a value is missing")
        parts = [child for child in node.named_children if child.type != "comment"]
        match node.type:
            case "string":
                return self._text(parts, loop)
            case "number":
                return int(words(node))
            case "boolean":
                return words(node) == "true"
            case "identifier":
                return loop[words(node)] if words(node) in loop else self.symbol(words(node))
            case "array":
                return [self.value(part, **loop) for part in parts]
            case "object":
                return dict(self._pair(part, loop) for part in parts)
            case "member_expression":
                return self._member(self.value(parts[0], **loop), words(parts[1]))
            case "ternary_expression":
                return self.value(parts[1] if self.value(parts[0], **loop) else parts[2], **loop)
            case "binary_expression" if words(node.children[1]) == "==":
                return self.value(parts[0], **loop) == self.value(parts[1], **loop)
            case "call_expression":
                given = [self.value(one, **loop) for one in parts[1].named_children]
                return _call(words(parts[0]), given)
            case "for_statement":
                name, over, body = parts
                return [self.value(body, **loop | {words(name): one}) for one in self.value(over, **loop)]
        raise Fault(f"{self.name}: {node.type} is not known here: {words(node)[:40]}")

    def _text(self, parts: list[Node], loop: dict[str, Any]) -> str:
        found = [
            words(part) if part.type == "string_content" else self.value(part.named_children[0], **loop)
            for part in parts
        ]
        return (Unknown if any(isinstance(one, Unknown) for one in found) else str)("".join(found))

    def _pair(self, node: Node, loop: dict[str, Any]) -> tuple[str, Any]:
        key, value = (child for child in node.named_children if child.type != "comment")
        return self.value(key, **loop) if key.type == "string" else words(key), self.value(value, **loop)

    def _member(self, value: Any, member: str) -> Any:
        match value:
            case Unknown():
                return Unknown(f"{value}.{member}")
            case dict() if member in value:
                return value[member]
            case Resource() if member in {"id", "name"}:
                return getattr(value, member) if member == "id" else value.body["name"]
            case Resource() if member == "properties":
                return Unknown(f"{value.id}.properties")
            case _Deployment() if member == "outputs":
                return value.outputs()
        raise Fault(f"{self.name}: there is no {member}")

    def _symbol(self, declared: Declared) -> Any:
        if declared.kind == "module":
            given = self.value(declared.value)
            return _Deployment(self.files, beside(self.name, declared.type), given["params"])
        value = self.value(declared.value)
        if declared.kind != "resource":
            return value
        if isinstance(value, list):
            return [self._resource(declared, body) for body in value]
        return self._resource(declared, value)

    def _resource(self, declared: Declared, body: dict[str, Any]) -> Resource:
        kind, _, api = declared.type.partition("@")
        return Resource(declared.name, kind, api, body, declared.existing)

    def _parameter(self, declared: Declared, given: dict[str, Any]) -> Any:
        value = given[declared.name] if declared.name in given else self.value(declared.value)
        size = value if isinstance(value, int) else len(value)
        for name, node in declared.decorators.items():
            limit = self.value(node.named_children[0])
            wrong = (
                (name == "allowed" and value not in limit)
                or (name in {"maxLength", "maxValue"} and size > limit)
                or (name in {"minLength", "minValue"} and size < limit)
            )
            if wrong:
                raise Fault(f"{self.name}: {declared.name} may not be {value!r}")
        return value


def _call(function: str, given: list[Any]) -> Any:  # noqa: PLR0911 - one case a function
    match function, given:
        case "union", _:
            return {key: value for one in given for key, value in one.items()}
        case "empty", [value]:
            return not value
        case "take", [value, count]:
            return value[:count]
        case "uniqueString", _:
            return hashlib.sha256("|".join(given).encode()).hexdigest()[:13]
        case "guid", _:
            return f"guid({', '.join(given)})"
        case "subscriptionResourceId", [kind, name]:
            return f"/{kind}/{name}"
        case "resourceGroup", []:
            return {"id": "/group", "location": "westeurope"}
        case "tenant", []:
            return {"tenantId": "00000000-0000-0000-0000-000000000000"}
    raise Fault(f"{function} is not known here")
