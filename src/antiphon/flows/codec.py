"""Flow definitions to and from JSON. Nothing is executed, looked up or fetched (security.md, G1).

Saving is deterministic: equal definitions give equal bytes, settings sorted by name. Tests: tests/unit/flows/test_codec.py.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antiphon.core.errors import BadRequest, TooLarge
from antiphon.flows.definition import FlowDefinition

MAX_DEFINITION_BYTES: Final = 1_048_576

_decoder = msgspec.json.Decoder(FlowDefinition)
_encoder = msgspec.json.Encoder(order="deterministic")


def load_definition(data: bytes | str) -> FlowDefinition:
    """Reads a saved flow. Raises BadRequest naming the place of what is not of the file format, TooLarge beyond
    MAX_DEFINITION_BYTES. An unknown node type is no error here, but a problem of `validate`."""
    if len(data) > MAX_DEFINITION_BYTES:
        raise TooLarge(f"A flow may have at most {MAX_DEFINITION_BYTES} bytes, this one has {len(data)}.")
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadRequest(f"This is not a flow definition: {str(error)[:200]}.") from None


def save_definition(definition: FlowDefinition) -> bytes:
    """The definition as indented JSON. Raises BadRequest when the settings hold what JSON cannot."""
    try:
        return msgspec.json.format(_encoder.encode(definition), indent=2) + b"\n"
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise BadRequest(f"The flow cannot be saved: {str(error)[:200]}.") from None


def definition_from_data(data: Any) -> FlowDefinition:
    """The definition from plain dicts and lists, as records and HTTP bodies hold it. Raises BadRequest as above."""
    try:
        return msgspec.convert(data, FlowDefinition)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequest(f"This is not a flow definition: {str(error)[:200]}.") from None


def definition_to_data(definition: FlowDefinition) -> dict[str, Any]:
    return msgspec.to_builtins(definition)
