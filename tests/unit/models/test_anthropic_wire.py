from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.models.anthropic_wire import WireUsage, finish_reason, merged_usage, request_body, result
from antiphon.models.chat import ChatMessage, ChatRequest


def body(*messages: ChatMessage, **fields: Any) -> dict[str, Any]:
    return msgspec.json.decode(request_body(ChatRequest(model="m", messages=list(messages), **fields)))


def user(content: str, **fields: Any) -> ChatMessage:
    return ChatMessage(role="user", content=content, **fields)


def test_the_systems_words_stand_apart_and_are_marked_to_be_cached() -> None:
    sent = body(ChatMessage(role="system", content="Rules."), user("Hi"))
    assert sent == {
        "model": "m",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "stream": True,
        "system": [{"type": "text", "text": "Rules.", "cache_control": {"type": "ephemeral"}}],
    }


def test_options() -> None:
    sent = body(user("Hi"), temperature=1.7, max_tokens=9, stop=["END", "\n"], seed=4)
    assert (sent["temperature"], sent["max_tokens"], sent["stop_sequences"]) == (1.0, 9, ["END"])
    assert "seed" not in sent
    request = ChatRequest(model="m", messages=[user("Hi")], temperature=0.5)
    assert "temperature" not in msgspec.json.decode(request_body(request, without=frozenset({"temperature"})))


def test_turns_alternate_and_begin_with_the_users() -> None:
    sent = body(
        ChatMessage(role="assistant", content="Earlier."), user("One"), user("two"), ChatMessage(role="assistant", content=" "), user("3")
    )  # fmt: skip
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    assert [block["text"] for block in sent["messages"][2]["content"]] == ["One", "two", "3"]


def test_images() -> None:
    sent = body(user("What is it?", images=["data:image/png;base64,QUJD", "https://h/x.jpg"]))
    assert sent["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
        {"type": "image", "source": {"type": "url", "url": "https://h/x.jpg"}},
        {"type": "text", "text": "What is it?"},
    ]


def test_tools_their_calls_and_their_results() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    sent = body(
        user("Add"),
        ChatMessage(role="assistant", content="", tool_calls=[call]),
        ChatMessage(role="tool", content="2", tool_call_id="c1"),
        tools=[{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": schema}}],
    )
    assert sent["messages"][1:] == [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "2"}]},
    ]
    assert sent["tools"] == [{"name": "add", "description": "Adds.", "input_schema": schema}]


@pytest.mark.parametrize(
    ("told", "reason"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"), ("refusal", "content_filter"), ("new", "stop")],
)
def test_finish_reasons(told: str, reason: str) -> None:
    assert finish_reason(told) == reason


def test_cached_and_written_tokens_belong_to_the_prompt() -> None:
    begin = WireUsage(input_tokens=3, cache_read_input_tokens=20, cache_creation_input_tokens=7, output_tokens=1)
    usage = merged_usage(begin, WireUsage(output_tokens=42))
    told = result("end_turn", usage)
    assert (told.prompt_tokens, told.cached_prompt_tokens, told.completion_tokens) == (30, 20, 42)
    assert result(None, None).prompt_tokens is None
