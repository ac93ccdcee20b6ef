"""What an HTTP request says, as fields of a payload: bounded JSON bodies, and query strings converted by the payload's types.

Types are checked by the command table; here only text becomes numbers, switches and lists. Tests: tests/unit/server/test_bodies.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from starlette.requests import Request

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.protocol.codec import decode_frame
from antiphon.protocol.commands import Payload
from antiphon.server.errors import MalformedRequest, body_too_large


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be larger than the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise body_too_large(limit_bytes)
    pieces, size = list[bytes](), 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit_bytes:
            raise body_too_large(limit_bytes)
        pieces.append(piece)
    return b"".join(pieces)


async def read_fields(request: Request, limit_bytes: int) -> dict[str, Any]:
    """The JSON object of the body; {} for an empty body. Raises MalformedRequest, TooLarge, Unsupported (not JSON)."""
    body = await read_body(request, limit_bytes)
    if not body:
        return {}
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Unsupported("The body must be JSON, sent as `Content-Type: application/json`.")
    try:
        return decode_frame(body)
    except BadRequest as error:
        raise MalformedRequest(error.message.replace("The frame", "The body").replace("A frame", "A body")) from None


def text_fields(items: Iterable[tuple[str, str]], payload: type[Payload]) -> dict[str, Any]:
    """Path and query parameters as fields of `payload`. A list takes a parameter given several times, or once with commas.

    Raises BadRequest for a name the payload does not have, for a single value given twice and for text of another type."""
    kinds = _kinds(payload)
    fields: dict[str, Any] = {}
    for name, text in items:
        if name not in kinds:
            raise BadRequest(f"There is no parameter {name[:80]!r} here.")
        kind, many = kinds[name]
        if many:
            fields.setdefault(name, []).extend(part for part in text.split(",") if part)
            continue
        if name in fields:
            raise BadRequest(f"The parameter {name!r} is given twice.")
        try:
            fields[name] = msgspec.to_builtins(msgspec.convert(text, kind, strict=False))
        except msgspec.ValidationError as error:
            raise BadRequest(f"The parameter {name!r} is wrong: {error}.") from None
    return fields


@lru_cache(maxsize=256)
def _kinds(payload: type[Payload]) -> dict[str, tuple[Any, bool]]:
    """Field name -> (its type, whether it is a list of text)."""
    described = msgspec.inspect.type_info(payload)
    assert isinstance(described, msgspec.inspect.StructType)
    types = {field.name: field.type for field in msgspec.structs.fields(payload)}
    return {field.encode_name: (types[field.name], _is_list(field.type)) for field in described.fields}


def _is_list(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_is_list(member) for member in kind.types)
    return isinstance(kind, msgspec.inspect.ListType)
