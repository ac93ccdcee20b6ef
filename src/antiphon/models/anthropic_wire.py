"""The wire of Anthropic's Messages API: what is sent to `/messages`, and the events of its stream that are read.

Called by anthropic.py only. Unknown events and fields are passed over. Tests: tests/unit/models/test_anthropic_wire.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from antiphon.models.chat import ChatMessage, ChatRequest, ChatResult

DEFAULT_MAX_TOKENS: Final = 4096
"""This wire demands a limit; every model it serves takes this one."""
_DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]+);base64,(.*)", re.IGNORECASE | re.DOTALL)
_FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class WireUsage(Struct):
    """The prompt's tokens are the sum: those read from the cache and those written into it are not within `input_tokens`."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class WireBlock(Struct):
    type: str = ""
    id: str | None = None
    name: str | None = None
    text: str | None = None
    thinking: str | None = None
    input: Any = None


class WireDelta(Struct):
    """Of a content block (`type` says which), or of the message (`stop_reason`)."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class WireMessage(Struct):
    content: list[WireBlock] = []
    stop_reason: str | None = None
    usage: WireUsage | None = None


class WireEvent(Struct):
    """One event of the stream; a whole answer (`type` message) has the fields of `WireMessage` itself."""

    type: str = ""
    index: int = 0
    message: WireMessage | None = None
    content_block: WireBlock | None = None
    delta: WireDelta | None = None
    usage: WireUsage | None = None
    error: Any = None
    content: list[WireBlock] | None = None
    stop_reason: str | None = None


EVENT_DECODER: Final = msgspec.json.Decoder(WireEvent)


def finish_reason(told: str | None) -> str:
    return _FINISH_REASONS.get(told or "end_turn", "stop")


def merged_usage(before: WireUsage | None, told: WireUsage | None) -> WireUsage | None:
    """Counts are cumulative; what a later event leaves out stays."""
    if before is None or told is None:
        return told or before
    fields = {
        name: getattr(told, name) if getattr(told, name) is not None else getattr(before, name)
        for name in WireUsage.__struct_fields__
    }
    return WireUsage(**fields)


def result(told_finish: str | None, usage: WireUsage | None) -> ChatResult:
    if usage is None or usage.input_tokens is None:
        completion = usage.output_tokens if usage is not None else None
        return ChatResult(finish_reason=finish_reason(told_finish), completion_tokens=completion)
    cached = usage.cache_read_input_tokens
    return ChatResult(
        finish_reason=finish_reason(told_finish),
        prompt_tokens=usage.input_tokens + (cached or 0) + (usage.cache_creation_input_tokens or 0),
        cached_prompt_tokens=cached,
        completion_tokens=usage.output_tokens,
    )


def request_body(request: ChatRequest, *, without: frozenset[str] = frozenset()) -> bytes:
    """The JSON of one streaming request. `without`: options that this model refuses. A seed is not known to this wire. The
    system's words are marked to be cached: they stay the same over a conversation."""
    system = "\n\n".join(message.content for message in request.messages if message.role == "system" and message.content)
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": _turns([message for message in request.messages if message.role != "system"]),
        "stream": True,
    }
    if system:
        body["system"] = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
    if request.temperature is not None and "temperature" not in without:
        body["temperature"] = min(request.temperature, 1.0)
    stops = [word for word in request.stop if word.strip()]  # one of white space alone is refused
    if stops:
        body["stop_sequences"] = stops
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    return msgspec.json.encode(body)


def _turns(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Turns that alternate and begin with the user's, as this wire wants them; empty ones are left out."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"].extend(blocks)
        else:
            turns.append({"role": role, "content": blocks})
    if turns and turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": "…"}]})
    return turns


def _blocks(message: ChatMessage) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": message.content}]
    blocks: list[dict[str, Any]] = [_image(address) for address in message.images]
    if message.content.strip():
        blocks.append({"type": "text", "text": message.content})
    return [*blocks, *(_tool_use(call) for call in message.tool_calls)]


def _image(address: str) -> dict[str, Any]:
    match = _DATA_URL.match(address)
    if match is None:
        return {"type": "image", "source": {"type": "url", "url": address}}
    return {"type": "image", "source": {"type": "base64", "media_type": match[1].lower(), "data": match[2]}}


def _tool_use(call: dict[str, Any]) -> dict[str, Any]:
    function = cast("dict[str, Any]", call.get("function") or {})
    arguments: Any = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments)
        except msgspec.DecodeError:
            arguments = {"arguments": arguments}  # this wire takes objects only
    return {"type": "tool_use", "id": call.get("id") or "", "name": function.get("name") or "", "input": arguments}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = cast("dict[str, Any]", tool.get("function") or tool)
    made: dict[str, Any] = {
        "name": function.get("name"),
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
    }
    if function.get("description"):
        made["description"] = function["description"]
    return made
