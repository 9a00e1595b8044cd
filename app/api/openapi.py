"""The OpenAPI 3.1 document, written from the table of operations and their types."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.operations import OPERATIONS, TAGS, Operation
from app.api.problems import KINDS, MEDIA_TYPE, Problem
from pipeline import __version__

SERVER = "/api/v1"
FORM = "question", "picture"
ALWAYS = ("usage", "no-token", "scope", "rate", "fault")
PATTERNS = {"id": r"^[0-9a-f]{32}$", "gallery": r"^[a-z][a-z0-9_]{0,63}$", "case": r"^[a-z][a-z0-9_]{0,47}$"}
_REFS = "#/components/schemas/{model}"


@functools.cache
def document() -> dict[str, Any]:
    """Of what is in the table; it is full once app.api.routes is imported."""
    asked = [one for operation in OPERATIONS for one in (operation.query, operation.body) if one]
    told = [operation.answer for operation in OPERATIONS if not isinstance(operation.answer, str)]
    models = [(one, "validation") for one in dict.fromkeys(asked)]
    models += [(one, "serialization") for one in dict.fromkeys([*told, Problem])]
    _, schemas = models_json_schema(models, ref_template=_REFS)  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas["$defs"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Semblance",
            "version": __version__,
            "summary": "Search pictures by pictures, words and filters; find copies, clusters and label errors",
            "description": "Errors are problem details (RFC 9457). Every answer has X-Request-Id; answers to GET have an "
            "ETag. Lists have `limit` and `after`, which takes the `next_after` of the page before.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": SERVER}],
        "tags": [{"name": name} for name in TAGS],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`python -m pipeline tokens add NAME --scope read|write|admin`; on one's own machine none "
                    "is needed until the first is made",
                }
            },
        },
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary.rstrip("."),
        "description": f"{operation.description} Needs the scope `{operation.scope}`.".strip(),
        "tags": [operation.tag],
        "parameters": [_in_path(name) for name in operation.parameters] + _in_query(operation.query, schemas),
        "responses": {str(operation.status): _answer(operation)} | _problems(operation),
        "x-scope": operation.scope,
    }
    if operation.body or operation.files:
        made["requestBody"] = {"required": True, "content": _contents(operation)}
    return made


def _in_path(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"} | ({"pattern": PATTERNS[name]} if name in PATTERNS else {})
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(type_: type[BaseModel] | None, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if type_ is None:
        return []
    fields = schemas[type_.__name__]["properties"]
    return [
        {"name": name, "in": "query", "schema": {key: value for key, value in schema.items() if key != "title"}}
        for name, schema in fields.items()
    ]


def _contents(operation: Operation) -> dict[str, Any]:
    contents: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    if operation.body:
        schema = {"$ref": _REFS.format(model=operation.body.__name__)}
        contents["application/json"] = {"schema": schema}
        properties[FORM[0]] = schema
    if operation.files:
        file = {"type": "string", "contentMediaType": "application/octet-stream"}
        properties[FORM[1]] = {"type": "array", "items": file, "maxItems": operation.files}
        contents["multipart/form-data"] = {
            "schema": {"type": "object", "properties": properties, "additionalProperties": False},
            "encoding": {FORM[0]: {"contentType": "application/json"}} if operation.body else {},
        }
    return contents


def _answer(operation: Operation) -> dict[str, Any]:
    if isinstance(operation.answer, str):
        return {"description": operation.summary, "content": {kind: {} for kind in operation.answer.split(", ")}}
    schema = {"$ref": _REFS.format(model=operation.answer.__name__)}
    return {"description": operation.summary, "content": {"application/json": {"schema": schema}}}


def _problems(operation: Operation) -> dict[str, Any]:
    kinds = [*ALWAYS, *operation.problems]
    kinds += ["not-found"] if operation.parameters else []
    kinds += ["invalid"] if operation.query or operation.body else []
    kinds += ["too-large", "media-type"] if operation.body or operation.files else []
    statuses: dict[str, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        statuses.setdefault(str(KINDS[kind][0]), []).append(KINDS[kind][1])
    schema = {"schema": {"$ref": _REFS.format(model="Problem")}}
    return {
        status: {"description": "; ".join(titles), "content": {MEDIA_TYPE: schema}}
        for status, titles in sorted(statuses.items())
    }
