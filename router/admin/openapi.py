"""The OpenAPI 3.1 document of the admin API, made from the table of operations and from the types of the schema.

Pure. Every answer that an operation may give stands in it, refusals with the codes that they bear. Called by
`router.admin.api`, once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from router import __version__
from router.admin.errors import MEDIA_TYPE, UNAUTHORIZED, Code
from router.admin.operations import Answer, Operation, Scope
from router.admin.parameters import Parameter
from router.admin.shapes import JsonSchema, reference, schemas
from router.model import fields

_DESCRIPTION: Final = (
    "Endpoints, their versions, keys and tokens. Whoever changes an endpoint and sends its etag in If-Match changes "
    "the state that was read, or nothing."
)
_HEADERS: Final = {
    "etag": {"description": "Another one after every change.", "schema": {"type": "string"}, "required": True},
    "location": {"description": "Where it is.", "schema": {"type": "string"}, "required": True},
    "x-request-id": {"description": "As in the body.", "schema": {"type": "string"}, "required": True},
    "www-authenticate": {"schema": {"const": "Bearer"}, "required": True},
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in operations:
        paths[operation.path][operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "maitre", "version": __version__, "description": _DESCRIPTION},
        "paths": dict(paths),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation) -> JsonSchema:
    described: JsonSchema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "security": [] if operation.scope is Scope.OPEN else [{"token": []}],
        "parameters": [*_in_path(operation), *map(_in_query, operation.query), *_in_header(operation)],
        "responses": _responses(operation),
    }
    if operation.scope is not Scope.OPEN:
        part = f"/{operation.part}" if operation.part else ""
        described["description"] = f"Needs the verb {operation.verb} on scoringendpoints{part}."
    if (body := operation.body) is not None:
        schema = {"schema": reference(body.schema)}
        described["requestBody"] = {"required": not body.optional, "content": dict.fromkeys(body.types, schema)}
    return described


def _in_path(operation: Operation) -> Iterable[JsonSchema]:
    schema = TypeAdapter(fields.Name).json_schema()
    for name in re.findall(r"{(\w+)}", operation.path):
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(parameter: Parameter) -> JsonSchema:
    described = {"name": parameter.name, "in": "query", "description": parameter.description}
    schema = parameter.schema()
    return {**described, "schema": schema, **({"explode": False} if schema["type"] == "array" else {})}


def _in_header(operation: Operation) -> Iterable[JsonSchema]:
    tags = {"type": "string", "pattern": r'^(\*|"[!#-~]*"(, "[!#-~]*")*)$'}
    if operation.conditional:
        yield {"name": "If-Match", "in": "header", "description": "The etag that it must have.", "schema": tags}
        yield {"name": "If-None-Match", "in": "header", "description": "*: it must not be there.", "schema": tags}
    if operation.replays:
        number = {"type": "string", "pattern": "^[0-9]+$"}
        yield {"name": "Last-Event-ID", "in": "header", "description": "The last event that came.", "schema": number}


def _responses(operation: Operation) -> JsonSchema:
    several = {str(answer.status.value): _answer(answer) for answer in operation.answers}
    by_status: dict[str, list[Code]] = defaultdict(list)
    for code in operation.all_refusals():
        by_status[str(code.status.value)].append(code)
    return several | {status: _refusals(codes) for status, codes in by_status.items()}


def _answer(answer: Answer) -> JsonSchema:
    described: JsonSchema = {"description": answer.description}
    if answer.schema is not None:
        described["content"] = {answer.media_type: {"schema": reference(answer.schema)}}
    given = (("etag", answer.etag), ("location", answer.location))
    if headers := {name: _HEADERS[name] for name, is_given in given if is_given}:
        described["headers"] = headers
    return described


def _refusals(codes: Sequence[Code]) -> JsonSchema:
    names = [code.name for code in codes]
    schema = {"allOf": [reference("Problem"), {"properties": {"code": {"enum": names}}}]}
    headers = ["x-request-id", *(["www-authenticate"] if UNAUTHORIZED in codes else [])]
    return {
        "description": f"{codes[0].status.phrase}: {', '.join(names)}.",
        "headers": {name: _HEADERS[name] for name in headers},
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
