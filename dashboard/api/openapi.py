"""OpenAPI 3.1 of REST, generated from the table of operations and the types."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from dashboard.api.asking import MAX_BODY
from dashboard.api.operation import Operation
from dashboard.api.types import Failure, Readiness

TAKES = "application/json"
STATUSES = {
    206: "The range that was asked for",
    304: "Unchanged since the ETag that was sent",
    400: "A value is wrong; the message names the field",
    401: "The token is missing or wrong, or nobody has signed in",
    403: "Asked for by another site's page, or more than the role or the cameras of whoever asks allow",
    404: "There is none, or it is no longer kept",
    413: f"The body is larger than {MAX_BODY} bytes",
    415: "The body is not sent as JSON",
    416: "No such range",
    429: "Too many tokens or passwords from this address, or of this user, were wrong; Retry-After says when to return",
    503: "Redis can't be reached",
}
PARAMETERS = {
    "name": "The camera's name",
    "id": "The alert's id",
    "n": "Number of the crop, from 0",
}
_REF = "#/components/schemas/{name}"


@cache
def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document, as plain JSON types."""
    kinds = {kind for one in operations for kind in (one.answer, one.body, one.query) if not isinstance(kind, str)}
    ordered = sorted((kind for kind in {*kinds, Failure} if kind is not None), key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    queries = {one.query.__name__: schemas.pop(one.query.__name__) for one in operations if one.query is not None}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        asked = queries[one.query.__name__] if one.query else None
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, asked)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Unmask",
            "version": "1",
            "summary": "Cameras, alerts, evidence and the operator's verdicts of a real-time deepfake monitor.",
            "description": "Times are Unix seconds. Live events come over the WebSocket, see asyncapi.json.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}, {"login": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer", "description": "dashboard.token, or that of a user",
                },
                "login": {
                    "type": "apiKey", "in": "cookie", "name": "unmask",
                    "description": "Set by POST /api/v1/login; __Host-unmask under TLS",
                },
            },
        },
    }  # fmt: skip


def _operation(one: Operation, asked: dict[str, Any] | None) -> dict[str, Any]:
    about = " ".join((inspect.getdoc(one.handler) or "").split())
    made: dict[str, Any] = {
        "operationId": _name(one),
        "summary": about.partition(":")[0].partition(";")[0].rstrip("."),
        "description": about,
        "parameters": [
            *(
                {
                    "name": name, "in": "path", "required": True, "description": PARAMETERS[name],
                    "schema": {"type": "string"},
                }
                for name in re.findall(r"{(\w+)}", one.path)
            ),
            *(_parameter(name, schema) for name, schema in (asked or {"properties": {}})["properties"].items()),
        ],
        "responses": _responses(one),
    }  # fmt: skip
    if one.role is None:
        made["security"] = []
    else:
        made["x-role"] = one.role
        made["x-unscoped"] = one.unscoped
    if one.body is not None:
        made["requestBody"] = {
            "required": True,
            "content": {TAKES: {"schema": {"$ref": _REF.format(name=one.body.__name__)}}},
        }
    return made


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One field of a query; a list is sent as the same name again and again."""
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"name": name, "in": "query", "description": schema.get("description", ""), "schema": rest}


def _responses(one: Operation) -> dict[str, Any]:
    shown = {"200": {"description": "The answer", "content": _content(one)}}
    for status in sorted(one.refusals):
        answer: dict[str, Any] = {"description": STATUSES[status]}
        if status == 206:
            answer["content"] = _content(one)
        elif status == 503 and one.answer is Readiness:
            answer = {"description": "Something is not ready", "content": _content(one)}
        elif status not in (304, 416):
            answer["content"] = {TAKES: {"schema": {"$ref": _REF.format(name="Failure")}}}
        shown[str(status)] = answer
    return shown


def _content(one: Operation) -> dict[str, Any]:
    if isinstance(one.answer, str):
        return {one.answer: {}}
    return {TAKES: {"schema": {"$ref": _REF.format(name=one.answer.__name__)}}}


def _name(one: Operation) -> str:
    """A name for generated clients, as getAlertsById."""
    words = [word for word in re.split(r"[/.]", one.path) if word]
    return one.method.lower() + "".join(
        f"By{word.strip('{}').capitalize()}" if word.startswith("{") else word.capitalize() for word in words
    )
