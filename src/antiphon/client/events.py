"""Frames -> typed events, and errors of the wire -> the error tree. Tests: tests/unit/client/test_client_events.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from antiphon.core.errors import AntiphonError, Internal
from antiphon.protocol.events import DURABLE_EVENTS, EPHEMERAL_EVENTS, Event
from antiphon.protocol.reducer import Frame


class UnknownEvent(Event, tag="unknown"):
    """A type this client does not know (rule 5 of section 1: to be ignored). `kind` is its type, `fields` the frame."""

    kind: str
    fields: dict[str, Any]


def _tag(event: type[Event]) -> str:
    return str(event.__struct_config__.tag)


_TYPES: dict[str, type[Event]] = {_tag(event): event for event in (*DURABLE_EVENTS, *EPHEMERAL_EVENTS)}


def typed_event(frame: Frame) -> Event:
    """The Struct of `protocol.events` for the frame's type. A frame that does not fit its type is unknown, too: a newer
    server may have changed it, and a client ignores what it cannot read."""
    kind = str(frame.get("type"))
    event = _TYPES.get(kind)
    if event is not None:
        try:
            return msgspec.convert(frame, event)
        except msgspec.ValidationError:
            pass
    return UnknownEvent(kind=kind, fields=frame)


def _subclasses(root: type[AntiphonError]) -> Iterator[type[AntiphonError]]:
    for child in root.__subclasses__():
        yield child
        yield from _subclasses(child)


def error_from_wire(error: Any) -> AntiphonError:
    """`{"code", "message", ...}` of an ack or an HTTP answer -> the class with that code; Internal for an unknown one."""
    if not isinstance(error, dict):
        return Internal("The server answered with an error it did not describe.")
    fields: dict[str, Any] = {str(key): value for key, value in error.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    code, message = str(fields.get("code", "internal")), str(fields.get("message", "The server gave no reason."))
    data: dict[str, Any] = dict(fields.get("data") or {})
    if fields.get("request_id"):
        data["request_id"] = fields["request_id"]
    for kind in _subclasses(AntiphonError):
        if kind.code == code:
            return kind(message, data=data)
    return Internal(f"{message} (code {code!r})", data=data)
