"""The readable page of the API at /docs/api: plain HTML out of the OpenAPI document, no script, nothing from elsewhere.

Tests: tests/unit/server/test_openapi.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import Any, Final

Schema = dict[str, Any]
_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Antiphon: the HTTP interface</title>
<link rel="stylesheet" href="/static/page.css"></head><body class="reference">
<header class="top"><a class="name" href="/">Antiphon</a></header><main>
<h1>The HTTP interface</h1>
<p>Send <code>Authorization: Bearer KEY</code>, or sign in and send the cookie with an <code>Origin</code> of this server.
Errors always look like <code>{"error":{"code","message","retryable","request_id","data"?}}</code>. The same as a machine reads
it: <a href="/openapi.json">/openapi.json</a>. Answers are streamed over the sockets <code>/ws/v1</code> and <code>/ws/chat</code>.</p>
"""


def render_api_page(document: Schema) -> str:
    operations = [
        (method, path, operation) for path, methods in document["paths"].items() for method, operation in methods.items()
    ]
    operations.sort(key=lambda item: item[2]["tags"][0])
    components = document["components"]["schemas"]
    parts = [_HEAD]
    for tag, group in groupby(operations, key=lambda item: item[2]["tags"][0]):
        parts.append(f'<h2 id="{escape(tag)}">{escape(tag)}</h2>')
        for method, path, operation in group:
            parts.extend(_operation(method, path, operation))
    parts.append("<h2>Shapes</h2>")
    for name, schema in components.items():
        parts.append(f'<h3 id="shape-{escape(name)}">{escape(name)}</h3>')
        parts.append(fields_table(schema))
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def _operation(method: str, path: str, operation: Schema) -> Iterator[str]:
    yield f'<article class="operation"><h3><code><b>{method.upper()}</b> {escape(path)}</code></h3>'
    yield f'<p>{escape(operation["summary"])} <span class="muted">{escape(operation.get("description", ""))}</span></p>'
    for parameter in operation.get("parameters", []):
        mark = "" if parameter["required"] else "?"
        name = f"{parameter['name']}{mark}"
        yield f'<p class="field"><code>{escape(name)}</code> {escape(parameter["in"])}, {_kind(parameter["schema"])}</p>'
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body, <code>{escape(media_type)}</code>:</p>{fields_table(content['schema'])}"
    for status, response in operation["responses"].items():
        if int(status) < 400:
            kinds = [_kind(c["schema"]) if "schema" in c else escape(m) for m, c in response.get("content", {}).items()]
            yield f"<p><b>{status}</b> {', '.join(kinds) or escape(response['description'])}</p>"
    failures = ", ".join(status for status in operation["responses"] if int(status) >= 400)
    yield f'<p class="muted">Errors: {failures}</p></article>'


def fields_table(schema: Schema) -> str:
    """The fields of a shape, with their kinds; a question mark for those that may be missing."""
    required = set(schema.get("required", []))
    rows = [
        f"<tr><td><code>{escape(name + ('' if name in required else '?'))}</code></td><td>{_kind(field)}</td>"
        f"<td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    ]
    return f"<table>{''.join(rows)}</table>" if rows else f"<p>{_kind(schema)}</p>"


def _kind(schema: Schema) -> str:
    """A short word for a type, with a link to a shape."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return f'<a href="#shape-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " | ".join(_kind(member) for member in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(repr(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    return escape(str(schema.get("type", "any")))
