"""The OpenAI-compatible wire: what is sent to `/chat/completions`, and the parts of its answers that are read.

Called by openai_compatible.py and openai_errors.py only. Unknown fields are passed over; known ones may be null, as servers differ.
Tests: tests/unit/models/test_openai_wire.py.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, ChatResult, ReasoningDelta, TextDelta, ToolCallDelta


class WireFunction(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class WireToolCall(Struct):
    index: int | None = None
    id: str | None = None
    function: WireFunction | None = None


class WireText(Struct):
    """`content` is a text, or a list of parts of which only the text ones are read."""

    content: str | list[dict[str, Any]] | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[WireToolCall] | None = None


class WireChoice(Struct):
    """`delta` comes in streams, `message` in whole answers."""

    index: int = 0
    delta: WireText | None = None
    message: WireText | None = None
    finish_reason: str | None = None


class WirePromptDetails(Struct, gc=False):
    cached_tokens: int | None = None


class WireUsage(Struct):
    """Cached tokens: OpenAI's place, and DeepSeek's."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: WirePromptDetails | None = None
    prompt_cache_hit_tokens: int | None = None


class WireChunk(Struct):
    choices: list[WireChoice] | None = None
    usage: WireUsage | None = None
    error: Any = None


class Dialect(Struct, frozen=True, kw_only=True):
    """What a server takes: `usage_option`: `stream_options`; `limit_name`: what it calls `max_tokens`; `without`: options of
    the request that it refuses."""

    usage_option: bool = True
    limit_name: str = "max_tokens"
    without: frozenset[str] = frozenset()


PLAIN_DIALECT: Final = Dialect()
CHUNK_DECODER: Final = msgspec.json.Decoder(WireChunk)

_FINISH_REASONS: Final = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


def finish_reason(told: str | None) -> str:
    """One of the contract's four; whatever is not known there (`eos`, `end_turn`, ...) is a plain end."""
    return _FINISH_REASONS.get(told or "stop", "stop")


def deltas(text: WireText) -> list[ChatDelta]:
    """Reasoning, then text, then tool calls, as they belong in order within one chunk; empty pieces are left out."""
    found: list[ChatDelta] = []
    thought: Any = text.reasoning_content or text.reasoning
    if thought and isinstance(thought, str):  # some send an object, which says nothing readable
        found.append(ReasoningDelta(thought))
    content = text.content
    if content:
        words = content if isinstance(content, str) else "".join(_part_text(part) for part in content)
        if words:
            found.append(TextDelta(words))
    for place, call in enumerate(text.tool_calls or ()):
        function = call.function or WireFunction()
        arguments = function.arguments or ""
        found.append(
            ToolCallDelta(
                index=place if call.index is None else call.index,
                id=call.id or None,
                name=function.name or None,
                arguments=arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode(),
            )
        )
    return found


def result(told_finish: str | None, usage: WireUsage | None) -> ChatResult:
    if usage is None:
        return ChatResult(finish_reason=finish_reason(told_finish))
    details = usage.prompt_tokens_details
    cached = details.cached_tokens if details is not None and details.cached_tokens is not None else usage.prompt_cache_hit_tokens
    return ChatResult(
        finish_reason=finish_reason(told_finish),
        prompt_tokens=usage.prompt_tokens,
        cached_prompt_tokens=cached,
        completion_tokens=usage.completion_tokens,
    )


def request_body(request: ChatRequest, dialect: Dialect = PLAIN_DIALECT) -> bytes:
    """The JSON of one streaming request. None and empty are not sent."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
    }
    if dialect.usage_option:
        body["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        body[dialect.limit_name] = request.max_tokens
    if request.tools:
        body["tools"] = list(request.tools)
    options = {"temperature": request.temperature, "seed": request.seed, "stop": list(request.stop) or None}
    body.update({name: value for name, value in options.items() if value is not None and name not in dialect.without})
    return msgspec.json.encode(body)


def _message(message: ChatMessage) -> dict[str, Any]:
    content: str | list[dict[str, Any]] | None = message.content
    if message.images:
        content = [{"type": "text", "text": message.content}] if message.content else []
        content += [{"type": "image_url", "image_url": {"url": address}} for address in message.images]
    elif message.tool_calls and not message.content:
        content = None
    wire: dict[str, Any] = {"role": message.role, "content": content}
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["tool_calls"] = message.tool_calls
    return wire


def _part_text(part: dict[str, Any]) -> str:
    text = part.get("text")
    return text if isinstance(text, str) else ""
