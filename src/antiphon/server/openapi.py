"""The OpenAPI 3.1 description, made from the bindings and the payloads of the command table: /openapi.json and /docs/api.

Nothing is written twice: a field added to a payload appears here. Answers are described by answers.py, which a test holds
against real answers. Tests: tests/unit/server/test_openapi.py, tests/integration/http/test_http_description.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from antiphon import __version__
from antiphon.commands.table import Command, CommandTable, Right
from antiphon.protocol.codec import encode_json
from antiphon.server.answers import ANSWERS, Failure
from antiphon.server.api_page import render_api_page
from antiphon.server.bindings import API, Binding
from antiphon.server.errors import STATUSES

Schema = dict[str, Any]
_REFERENCE: Final = "#/components/schemas/{name}"
_FRAME: Final[Schema] = {
    "type": "object",
    "required": ["type", "id"],
    "properties": {
        "type": {"type": "string", "description": "The command, as over a socket: chat_message, stop, ..."},
        "id": {"type": "string", "maxLength": 128, "description": "Chosen by the client; the idempotency key."},
    },
}
_FILE_SCHEMA: Final[Schema] = {"type": "string", "contentMediaType": "application/octet-stream"}
_BINARY_ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "original": ("application/octet-stream",), "image": ("image/png",), "export": ("text/markdown", "application/json"),
}  # fmt: skip


def openapi_document(commands: CommandTable[Any], bindings: Sequence[Binding]) -> Schema:
    """A whole OpenAPI 3.1 document, ready to be encoded."""
    payloads = [commands[binding.verb].payload for binding in bindings if binding.verb is not None]
    answers = list(dict.fromkeys(ANSWERS.values()))
    schemas, components = msgspec.json.schema_components([*payloads, *answers, Failure], ref_template=_REFERENCE)
    by_payload = {
        payload: components[str(schema["$ref"]).rsplit("/", 1)[-1]] for payload, schema in zip(payloads, schemas, strict=False)
    }
    paths: dict[str, Schema] = {}
    for binding in bindings:
        command = commands[binding.verb] if binding.verb is not None else None
        schema = by_payload[command.payload] if command is not None else _FRAME
        paths.setdefault(API + binding.path, {})[binding.method.lower()] = _operation(binding, command, schema)
    own = {payload.__name__ for payload in payloads}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Antiphon", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Answers over a team's own documents, live. The realtime protocol is described apart.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in own},
            "responses": {"Failure": _failure()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "cookie": {
                    "type": "apiKey", "in": "cookie", "name": "antiphon_session",
                    "description": "Set by signing in; changes then need an `Origin` of this server.",
                },
            },
        },
    }  # fmt: skip


def _failure() -> Schema:
    return {
        "description": "The one error shape; the same in an `ack`.",
        "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(name="Failure")}}},
    }


def _operation(binding: Binding, command: Command[Any, Any] | None, payload: Schema) -> Schema:
    in_path = [part[1:-1] for part in binding.path.split("/") if part.startswith("{")]
    properties: Mapping[str, Schema] = payload.get("properties", {})
    required = set(payload.get("required", []))
    parameters = [_parameter(name, "path", properties[name], required=True) for name in in_path]
    rest = {name: schema for name, schema in properties.items() if name not in in_path}
    operation: Schema = {
        "operationId": binding.verb or "command",
        "summary": command.summary if command is not None else "One command frame in, its ack out.",
        "tags": [binding.path.split("/")[1]],
        "responses": _responses(binding),
    }
    if binding.has_body:
        body = _body(binding, rest, [name for name in rest if name in required], payload)
        if body is not None:
            operation["requestBody"] = body
    else:
        parameters += [_parameter(name, "query", schema, required=name in required) for name, schema in rest.items()]
    if parameters:
        operation["parameters"] = parameters
    if command is not None and command.right is Right.ANONYMOUS:
        operation["security"] = []
    elif command is not None:
        operation["description"] = f"Needs: {command.right.value.replace('_', ' ')}."
    return operation


def _parameter(name: str, place: str, schema: Schema, *, required: bool) -> Schema:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _body(binding: Binding, properties: Mapping[str, Schema], required: list[str], payload: Schema) -> Schema | None:
    if binding.form == "upload":
        fields = {name: schema for name, schema in properties.items() if name != "files"}
        form: Schema = {
            "type": "object",
            "required": ["file"],
            "properties": {**fields, "file": {"type": "array", "minItems": 1, "items": _FILE_SCHEMA}},
        }
        return {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    if binding.form == "command":
        return {"required": True, "content": {"application/json": {"schema": payload}}}
    if not properties or binding.form == "ticket":  # its one field is the Origin header
        return None
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _responses(binding: Binding) -> Schema:
    answer = ANSWERS.get(binding.verb or "command")
    schema: Schema = {"$ref": _REFERENCE.format(name=answer.__name__)} if answer is not None else {"type": "object"}
    success: Schema = {"description": "Done.", "content": {"application/json": {"schema": schema}}}
    if binding.form in _BINARY_ANSWERS:
        success["content"] = {media_type: {} for media_type in _BINARY_ANSWERS[binding.form]}
    responses: Schema = {str(binding.status): success}
    if binding.form == "original":
        responses["206"] = {**success, "description": "The range asked for."}
        responses["304"] = {"description": "The caller has this content."}
        responses["416"] = {"$ref": "#/components/responses/Failure"}
    codes = ["bad_request", "unauthorized", "forbidden", "rate_limited", "internal"]
    codes += ["not_found"] if "{" in binding.path else []
    codes += ["conflict"] if binding.changes_state else []
    codes += ["too_large", "unsupported"] if binding.has_body else []
    for code in codes:
        responses[str(STATUSES[code])] = {"$ref": "#/components/responses/Failure"}
    return dict(sorted(responses.items()))


def description_routes(commands: CommandTable[Any], bindings: Sequence[Binding]) -> list[Route]:
    document = openapi_document(commands, bindings)
    encoded, page = encode_json(document), render_api_page(document).encode()

    async def description(request: Request) -> Response:
        del request
        return Response(encoded, media_type="application/json", headers={"Cache-Control": "no-cache"})

    async def api_page(request: Request) -> Response:
        del request
        return Response(page, media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})

    return [Route("/openapi.json", description, methods=["GET"]), Route("/docs/api", api_page, methods=["GET"])]
