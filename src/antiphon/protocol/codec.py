"""Frames <-> bytes. Bodies are encoded once; envelope fields are spliced on. Tests: tests/unit/protocol/test_codec.py."""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.core.errors import BadRequest
from antiphon.protocol.events import Event

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder()

MAX_SAFE_INTEGER = 2**53 - 1


def encode_body(event: Event, timestamp: str) -> bytes:
    """The event as a JSON object without topic and seq, ready for `Entry`."""
    return b'%b,"timestamp":"%b"}' % (_encoder.encode(event)[:-1], timestamp.encode())


def encode_ephemeral(event: Event, timestamp: str) -> bytes:
    """A whole frame without seq. The topic of those that have one is a field of theirs."""
    return encode_body(event, timestamp)


def encode_json(value: Any) -> bytes:
    return _encoder.encode(value)


def decode_frame(data: bytes | str) -> dict[str, Any]:
    """A JSON object. Raises BadRequest for anything else, for invalid UTF-8 and for nesting beyond what is safe."""
    try:
        value = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, UnicodeEncodeError) as error:
        raise BadRequest(f"The frame is not valid JSON: {str(error)[:120]}.") from None
    if not isinstance(value, dict):
        raise BadRequest("A frame is a JSON object.")
    return value  # pyright: ignore[reportUnknownVariableType] - msgspec decodes objects to dict[str, Any]
