"""Replies that speak Anthropic's Messages API, for the scriptable `ModelServer` of model_server.py.

`async with serve_model(message_reply("Hello", " there.")) as server`; the adapter's address is `server.base_url`, its requests
are `server.messages`. Users: tests/conformance, tests/integration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from antiphon.testing.model_server import Pause, Piece, Reply, json_reply


def named_event(kind: str, **fields: Any) -> bytes:
    """One SSE event with its name line, as this API sends them."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


def message_start(*, prompt: int = 7, cached: int = 0, written: int = 0) -> bytes:
    usage = {
        "input_tokens": prompt - cached - written,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
        "output_tokens": 1,
    }
    return named_event("message_start", message={"id": "msg_1", "type": "message", "content": [], "usage": usage})


def block_start(index: int, kind: str = "text", **fields: Any) -> bytes:
    return named_event("content_block_start", index=index, content_block={"type": kind, **fields})


def text_event(text: str, index: int = 0) -> bytes:
    return named_event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})


def thinking_event(text: str, index: int = 0) -> bytes:
    return named_event("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": text})


def arguments_event(text: str, index: int) -> bytes:
    return named_event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": text})


def block_stop(index: int = 0) -> bytes:
    return named_event("content_block_stop", index=index)


def message_end(stop_reason: str = "end_turn", *, completion: int = 5) -> list[Piece]:
    return [
        named_event("message_delta", delta={"stop_reason": stop_reason}, usage={"output_tokens": completion}),
        named_event("message_stop"),
    ]


def stream_error(kind: str, message: str) -> bytes:
    return named_event("error", error={"type": kind, "message": message})


def message_reply(*pieces: str, pause_s: float | None = None, cached: int = 3) -> Reply:
    """A whole streamed answer; each piece after a pause, when given. A ping goes before the text, as the real one does."""
    script: list[Piece] = [message_start(cached=cached), block_start(0, text=""), named_event("ping")]
    for piece in pieces:
        script += [text_event(piece)] if pause_s is None else [Pause(pause_s), text_event(piece)]
    return Reply(pieces=[*script, block_stop(), *message_end(completion=len(pieces))])


def refusal_reply(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> Reply:
    """An error before any stream, in this API's form."""
    return json_reply({"type": "error", "error": {"type": kind, "message": message}}, status=status, headers=headers)


def scripted(pieces: Sequence[Piece]) -> Reply:
    return Reply(pieces=list(pieces))
