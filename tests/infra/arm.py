"""Resources against Azure's own JSON schemas: property names, types, enums, patterns, what is required.

The schemas are data beside the repository, as of the API versions in infra/. They do not say all that Azure refuses.
"""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.infra.evaluate import Resource, Unknown

SCHEMAS = Path(__file__).parents[3] / "shared" / "arm-schemas"
#: Files that are not named after their provider alone.
_FILES = {"Microsoft.Insights/components": "Microsoft.Insights.Application"}
#: What Bicep has beside the resource itself.
_BICEP = {"parent", "scope", "dependsOn"}
#: What Bicep writes from the declaration.
_DECLARED = {"type", "apiVersion"}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "string": str,
    "object": dict,
    "array": list,
}

type Schema = dict[str, Any]


def require() -> None:
    """Skips the test where the schemas are absent, and fails it where CI promises they are there."""
    if not SCHEMAS.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("arm-schemas is absent")
        pytest.skip("arm-schemas is absent")


def faults(resource: Resource) -> list[str]:
    """What the schema of its type has against a resource."""
    provider, *rest = resource.type.split("/")
    path = SCHEMAS / resource.api / f"{_FILES.get(resource.type, provider)}.json"
    document = _document(path) if path.exists() else {}
    schema = document.get("resourceDefinitions", {}).get("_".join(rest))
    if not schema:
        return [f"{resource.symbol}: no schema for {resource.type}@{resource.api}"]
    return _Check(document, resource).value(resource.body, schema, resource.symbol)


@cache
def _document(path: Path) -> Schema:
    document: Schema = json.loads(path.read_text())
    return document


class _Check:
    def __init__(self, document: Schema, resource: Resource) -> None:
        self.document = document
        self.resource = resource

    def value(self, value: Any, schema: Schema, path: str) -> list[str]:
        """Faults of one value. A reference into another document allows ARM expressions, which Bicep has none of."""
        found = self._follow(schema)
        if found is None:
            return [f"{path}: only an expression"]
        for word in ("oneOf", "anyOf"):
            if word in found:
                return self._best(value, found, word, path)
        if isinstance(value, Unknown) or not found:
            return []
        if isinstance(value, dict):
            return self._object(value, found, path)
        if isinstance(value, list):
            return self._type(value, found, path) or [
                fault
                for index, one in enumerate(value)
                for fault in self.value(one, found.get("items", {}), f"{path}[{index}]")
            ]
        return self._type(value, found, path) or self._scalar(value, found, path)

    def _follow(self, schema: Schema) -> Schema | None:
        while "$ref" in schema:
            document, _, pointer = schema["$ref"].partition("#/")
            if document:
                return None
            schema = self.document
            for part in pointer.split("/"):
                schema = schema[part]
        return schema

    def _best(self, value: Any, schema: Schema, word: str, path: str) -> list[str]:
        """The faults of the alternative that fits best, each with what stands beside the alternatives."""
        beside = {key: one for key, one in schema.items() if key not in {word, "description"}}
        options = [found for one in schema[word] if (found := self._follow(one)) is not None]
        return min((self.value(value, _merged(beside, one), path) for one in options), key=len, default=[])

    def _object(self, value: dict[str, Any], schema: Schema, path: str) -> list[str]:
        if wrong := self._type(value, schema, path):
            return wrong
        known, further = schema.get("properties", {}), schema.get("additionalProperties")
        if not known and further is None:
            return []
        found = []
        for key, one in value.items():
            if key in _BICEP:
                continue
            if key == "name" and one is self.resource.body.get("name"):
                found += self._name(known.get("name", {}), path)
            elif key in known or isinstance(further, dict):
                found += self.value(one, known.get(key, further), f"{path}.{key}")
            elif not further:
                found.append(f"{path}: unknown property '{key}'")
        needed = set(schema.get("required", [])) - _DECLARED
        return found + [f"{path}: '{key}' is missing" for key in sorted(needed - value.keys())]

    def _name(self, schema: Schema, path: str) -> list[str]:
        """Some schemas mean the last part of a name, some the whole of it."""
        whole, last = self.resource.name, self.resource.body["name"]
        return min((self.value(name, schema, f"{path}.name") for name in (whole, last)), key=len)

    def _type(self, value: Any, schema: Schema, path: str) -> list[str]:
        wanted = schema.get("type")
        number = wanted in {"integer", "number"} and isinstance(value, bool)
        if wanted and (number or not isinstance(value, _TYPES[wanted])):
            return [f"{path}: {type(value).__name__} where {wanted} is wanted"]
        return []

    def _scalar(self, value: Any, schema: Schema, path: str) -> list[str]:
        if "enum" in schema and value not in schema["enum"]:
            return [f"{path}: '{value}' is none of {', '.join(schema['enum'])}"]
        if not isinstance(value, str):
            return []
        long = len(value) > schema.get("maxLength", len(value)) or len(value) < schema.get("minLength", 0)
        if long or not re.search(schema.get("pattern", ""), value):
            return [f"{path}: '{value}' has not the form that is wanted"]
        return []


def _merged(one: Schema, other: Schema) -> Schema:
    """Two schemas that both hold."""
    both = one | other
    if "properties" in one and "properties" in other:
        both["properties"] = one["properties"] | other["properties"]
    if "required" in one and "required" in other:
        both["required"] = [*one["required"], *other["required"]]
    return both
