"""JSON Schemas of every frame of the realtime protocol, made from the types the server runs on. Used by asyncapi.py and by tests.

Down: an event's fields and its envelope. Up: a command's payload with `type` and `id`. Nothing is written twice: a field
added to an event appears here. Tests: tests/unit/server/test_asyncapi.py, and every frame that RawSocket gets in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from antiphon.commands.table import CommandTable
from antiphon.protocol import commands as frames
from antiphon.protocol.commands import Payload
from antiphon.protocol.events import DURABLE_EVENTS, EPHEMERAL_EVENTS, Event

Schema = dict[str, Any]
REFERENCE: Final = "#/components/schemas/{name}"
CONNECTION_COMMANDS: Final[Mapping[str, type[Payload]]] = {
    "hello": frames.Hello, "auth_refresh": frames.AuthRefresh, "subscribe": frames.Subscribe, "unsubscribe": frames.Unsubscribe,
    "pong": frames.Pong,
}  # fmt: skip
"""Command frames that belong to a connection; all others are the command table's."""

_TIMESTAMP: Final[Schema] = {
    "type": "string",
    "format": "date-time",
    "description": "UTC, milliseconds; for people, never for order.",
}
_POSITION: Final[Mapping[str, Schema]] = {
    "topic": {"type": "string", "description": "`{kind}:{id}`; kinds: session, run, workspace, user."},
    "seq": {"type": "integer", "minimum": 1, "description": "+1 for each event of the topic within an epoch."},
    "prev_seq": {
        "type": "integer",
        "minimum": 0,
        "description": "There when the frame does not follow `seq - 1` on this subscription.",
    },
    "epoch": {"type": "string", "description": "On events only where the simple profile begins."},
}


def event_schemas() -> tuple[dict[str, Schema], dict[str, Schema]]:
    """({type: schema of the whole frame}, the shapes they refer to). Durable events first, in the order of the protocol."""
    kinds: tuple[type[Event], ...] = (*DURABLE_EVENTS, *EPHEMERAL_EVENTS)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    found: dict[str, Schema] = {}
    for kind, schema in zip(kinds, schemas, strict=True):
        own = components.pop(str(schema["$ref"]).rsplit("/", 1)[-1])
        found[str(own["properties"]["type"]["enum"][0])] = _enveloped(own, durable=kind in DURABLE_EVENTS)
    return found, components


def command_schemas(commands: CommandTable[Any]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """({verb: schema of the whole frame}, the shapes they refer to)."""
    payloads = {**CONNECTION_COMMANDS, **{command.verb: command.payload for command in commands if command.socket}}
    schemas, components = msgspec.json.schema_components(payloads.values(), ref_template=REFERENCE)
    found: dict[str, Schema] = {}
    for verb, schema in zip(payloads, schemas, strict=True):
        own: Schema = components[str(schema["$ref"]).rsplit("/", 1)[-1]]
        found[verb] = {
            "title": verb, "type": "object", "required": ["type", "id", *own.get("required", [])],
            "description": own.get("description", ""), "additionalProperties": False,
            "properties": {
                "type": {"const": verb},
                "id": {"type": "string", "minLength": 1, "maxLength": 128, "description": "A fresh UUID; the idempotency key."},
                **own.get("properties", {}),
            },
        }  # fmt: skip
    payload_names = {payload.__name__ for payload in payloads.values()}
    return found, {name: schema for name, schema in components.items() if name not in payload_names}


def _enveloped(own: Schema, *, durable: bool) -> Schema:
    properties: dict[str, Schema] = {**own["properties"], "timestamp": _TIMESTAMP}
    if durable:
        properties.update(_POSITION)
    required = [*own.get("required", []), "timestamp", *(["topic", "seq"] if durable else [])]
    return {**own, "properties": properties, "required": required}
