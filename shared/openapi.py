"""The API's description, OpenAPI 3.1, made of its operations (shared/api.py): served, so it is what runs."""

import re
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from shared.api import OPERATIONS, Csv, Operation
from shared.errors import Code

type Document = dict[str, Any]

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
#: What any operation may answer: who asks, what is not there, what does not fit the present state, and our trouble.
_ALWAYS = (401, 403, 404, 409, 422, 502, 503)
_WITH_BODY = (400, 413, 415)
_WITH_ETAG = (412, 428)
_IF_MATCH = {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}}
_GUARDS = [_IF_MATCH | {"name": name, "required": False} for name in ("If-Match", "If-None-Match")]
_IDEMPOTENCY = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 100}}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"enum": [str(code) for code in Code]},
        "fields": {"type": "array", "items": {"type": "string"}},
    },
}


def document(server: str) -> Document:
    """The whole description. `server`: the API's address."""
    used: dict[tuple[Any, JsonSchemaMode], None] = {}
    for one in OPERATIONS:
        used |= {(one.body, "validation"): None} if one.body not in {None, bytes} else {}
        used |= {(one.gives, "serialization"): None} if one.gives not in {None, Csv} else {}
    references, schemas = models_json_schema(list(used), ref_template="#/components/schemas/{model}")
    paths: dict[str, Document] = {}
    for one in OPERATIONS:
        paths.setdefault(_path(one), {})[one.method.lower()] = _described(one, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Virtual visit connector", "version": "1"},
        "servers": [{"url": server}],
        "security": [{"entra": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}) | {"Problem": _PROBLEM},
            "responses": {"Problem": _of("application/problem+json", {"$ref": "#/components/schemas/Problem"})},
            "securitySchemes": {"entra": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _path(one: Operation) -> str:
    return "/" + _PARAMETER.sub(r"{\1}", one.path)


def _described(one: Operation, references: dict[tuple[Any, JsonSchemaMode], Document]) -> Document:
    described: Document = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"Roles: {', '.join(one.roles)}.",
        "parameters": _parameters(one),
        "responses": _responses(one, references),
    }
    if one.body is bytes:
        described["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    elif one.body is not None:
        schema = references[one.body, "validation"]
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _parameters(one: Operation) -> list[Document]:
    found: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(one.path)
    ]
    if one.query is not None:
        schema = one.query.model_json_schema()
        needed = schema.get("required", [])
        found += [
            {"name": name, "in": "query", "required": name in needed, "schema": each}
            for name, each in schema["properties"].items()
        ]
    return found + [_IF_MATCH] * one.changes + _GUARDS * one.guards + [_IDEMPOTENCY] * (not one.reads)


def _responses(one: Operation, references: dict[tuple[Any, JsonSchemaMode], Document]) -> Document:
    refusals = _ALWAYS + _WITH_BODY * (one.body is not None) + _WITH_ETAG * (one.changes or one.guards)
    return {str(one.status): _good(one, references)} | {
        str(status): {"$ref": "#/components/responses/Problem"} for status in sorted(refusals)
    }


def _good(one: Operation, references: dict[tuple[Any, JsonSchemaMode], Document]) -> Document:
    if one.gives is None:
        return {"description": "Taken."}
    if one.gives is Csv:
        return _of("text/csv", {"type": "string"})
    return _of("application/json", references[one.gives, "serialization"])


def _of(kind: str, schema: Document) -> Document:
    return {"description": "The answer.", "content": {kind: {"schema": schema}}}
