"""The AsyncAPI 3 description of the realtime protocol: /asyncapi.json, and the readable page /docs/realtime.

Made from the event and command types (frame_schemas.py); what it says of rules is in docs/protocol.md. The page is plain HTML
without script. Tests: tests/unit/server/test_asyncapi.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from antiphon import __version__
from antiphon.commands.table import CommandTable
from antiphon.core.errors import AntiphonError
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.codec import encode_json
from antiphon.protocol.events import DURABLE_EVENTS
from antiphon.server.api_page import fields_table
from antiphon.server.errors import STATUSES
from antiphon.server.frame_schemas import command_schemas, event_schemas

Schema = dict[str, Any]
_CHANNELS: Final[Mapping[str, tuple[str, str, bool]]] = {
    # name -> (address, what it is, whether commands go up on it)
    "realtime": ("/ws/v1", "The protocol over one WebSocket.", True),
    "event_stream": ("/api/v1/stream", "The same frames as server-sent events; `id:` is one cursor over all topics.", False),
    "long_poll": ("/api/v1/poll", "The same frames and the same cursor, asked for.", False),
    "commands": ("/api/v1/commands", "A command frame in, its ack out: the upstream of SSE and long-poll.", True),
}
_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Antiphon: the realtime protocol</title>
<link rel="stylesheet" href="/static/page.css"></head><body class="reference">
<header class="top"><a class="name" href="/">Antiphon</a></header><main>
<h1>The realtime protocol</h1>
<p>Subscribe to topics, send commands, apply events in the order of <code>seq</code>. The same frames travel over a WebSocket
(<code>/ws/v1</code>), server-sent events (<code>/api/v1/stream</code>) and long-poll (<code>/api/v1/poll</code>), with commands
by <code>POST /api/v1/commands</code>. The same as a machine reads it: <a href="/asyncapi.json">/asyncapi.json</a>; the HTTP
interface: <a href="/docs/api">/docs/api</a>.</p>
"""


def asyncapi_document(commands: CommandTable[Any]) -> Schema:
    """A whole AsyncAPI 3.0 document, ready to be encoded."""
    events, event_shapes = event_schemas()
    verbs, command_shapes = command_schemas(commands)
    messages = {name: _message(name, schema, "down") for name, schema in events.items()}
    messages |= {f"command_{verb}": _message(verb, schema, "up") for verb, schema in verbs.items()}
    channels = {
        name: {
            "address": address, "description": text,
            "messages": {
                message: {"$ref": f"#/components/messages/{message}"}
                for message in messages if not message.startswith("command_") or upward
            },
        }
        for name, (address, text, upward) in _CHANNELS.items()
    }  # fmt: skip
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Antiphon: the realtime protocol", "version": __version__,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "description": "Clients tail one ordered event log for each topic; a position is (epoch, seq). Unknown types and fields are ignored.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            f"{action}_{name}": {
                "action": action, "channel": {"$ref": f"#/channels/{name}"},
                "messages": [
                    {"$ref": f"#/channels/{name}/messages/{message}"}
                    for message in channels[name]["messages"] if message.startswith("command_") == (action == "receive")
                ],
            }
            for name, (_, _, upward) in _CHANNELS.items()
            for action in (("send", "receive") if upward else ("send",))
        },
        "components": {
            "messages": messages,
            "schemas": {**event_shapes, **command_shapes, **events, **{f"command_{verb}": s for verb, s in verbs.items()}},
        },
        "x-close-codes": {str(int(code)): code.name.lower() for code in CloseCode},
        "x-error-codes": _error_codes(),
    }  # fmt: skip


def _error_codes() -> dict[str, str]:
    """{code: what happened and what to do}, of those that can come over the wire."""
    kinds = [kind for kind in AntiphonError.__subclasses__() if kind.__module__ == AntiphonError.__module__]
    return {kind.code: " ".join((kind.__doc__ or "").split()) for kind in kinds if kind.code in STATUSES}


def _message(name: str, schema: Schema, way: str) -> Schema:
    key = name if way == "down" else f"command_{name}"
    text = str(schema.get("description", "")).partition("\n\n")[0]
    return {"name": name, "summary": text, "payload": {"$ref": f"#/components/schemas/{key}"}}


def render_realtime_page(commands: CommandTable[Any]) -> str:
    events, shapes = event_schemas()
    verbs, command_shapes = command_schemas(commands)
    return "\n".join([_HEAD, *_page(events, verbs, {**shapes, **command_shapes}), "</main></body></html>\n"])


def _page(events: Mapping[str, Schema], verbs: Mapping[str, Schema], shapes: Mapping[str, Schema]) -> Iterator[str]:
    durable = len(DURABLE_EVENTS)
    parts = list(events.items())
    for title, group in (
        ("Events that are kept", parts[:durable]),
        ("Frames without seq", parts[durable:]),
        ("Commands", list(verbs.items())),
    ):
        yield f"<h2>{title}</h2>"
        for name, schema in group:
            yield f'<article class="operation"><h3><code>{escape(name)}</code></h3>'
            yield f"<p>{escape(str(schema.get('description', '')))}</p>{fields_table(schema)}</article>"
    yield "<h2>Close codes</h2><table>"
    yield from (f"<tr><td><code>{int(code)}</code></td><td>{escape(code.name.lower())}</td></tr>" for code in CloseCode)
    yield "</table><h2>Error codes</h2><table>"
    yield from (f"<tr><td><code>{escape(code)}</code></td><td>{escape(text)}</td></tr>" for code, text in _error_codes().items())
    yield "</table><h2>Shapes</h2>"
    for name, schema in shapes.items():
        yield f'<h3 id="shape-{escape(name)}">{escape(name)}</h3>{fields_table(schema)}'


def realtime_description_routes(commands: CommandTable[Any]) -> list[Route]:
    encoded, page = encode_json(asyncapi_document(commands)), render_realtime_page(commands).encode()

    async def description(request: Request) -> Response:
        del request
        return Response(encoded, media_type="application/json", headers={"Cache-Control": "no-cache"})

    async def readable(request: Request) -> Response:
        del request
        return Response(page, media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})

    return [Route("/asyncapi.json", description, methods=["GET"]), Route("/docs/realtime", readable, methods=["GET"])]
