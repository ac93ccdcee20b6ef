from __future__ import annotations

import msgspec
import pytest

from antiphon.models.chat import ChatMessage, ChatRequest, ReasoningDelta, TextDelta, ToolCallDelta
from antiphon.models.openai_wire import CHUNK_DECODER, Dialect, WireUsage, deltas, finish_reason, request_body, result


def body(request: ChatRequest, *, usage_option: bool = True, limit_name: str = "max_tokens") -> dict[str, object]:
    return msgspec.json.decode(request_body(request, Dialect(usage_option=usage_option, limit_name=limit_name)))


def read(delta: str) -> list[object]:
    chunk = CHUNK_DECODER.decode(b'{"choices":[{"delta":%b}]}' % delta.encode())
    assert chunk.choices is not None
    assert chunk.choices[0].delta is not None
    return list(deltas(chunk.choices[0].delta))


def test_only_what_was_asked_for_is_sent() -> None:
    request = ChatRequest(model="m", messages=[ChatMessage(role="user", content="Hi")])
    assert body(request) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert "stream_options" not in body(request, usage_option=False)


def test_all_options_are_sent() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    request = ChatRequest(model="m", messages=[], temperature=0.0, max_tokens=5, seed=0, stop=["x"], tools=[tool])
    sent = body(request, limit_name="max_completion_tokens")
    assert {name: sent[name] for name in ("temperature", "max_completion_tokens", "seed", "stop", "tools")} == {
        "temperature": 0.0,
        "max_completion_tokens": 5,
        "seed": 0,
        "stop": ["x"],
        "tools": [tool],
    }
    assert "max_tokens" not in sent


def test_images_become_parts() -> None:
    message = ChatMessage(role="user", content="What is this?", images=["data:image/png;base64,AA=="])
    assert body(ChatRequest(model="m", messages=[message]))["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ],
        }
    ]


def test_tool_messages() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asked = ChatMessage(role="assistant", content="", tool_calls=[call])
    told = ChatMessage(role="tool", content="42", tool_call_id="c1")
    assert body(ChatRequest(model="m", messages=[asked, told]))["messages"] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize(
    ("wire", "seen"),
    [
        ('{"content":"a"}', [TextDelta("a")]),
        ('{"content":""}', []),
        ('{"role":"assistant","content":null,"refusal":null,"tool_calls":null}', []),
        ('{"reasoning_content":"r","content":"a"}', [ReasoningDelta("r"), TextDelta("a")]),
        ('{"reasoning":"r","reasoning_details":[{"x":[1]}]}', [ReasoningDelta("r")]),
        ('{"content":[{"type":"text","text":"a"},{"type":"thinking"},{"type":"text","text":"b"}]}', [TextDelta("ab")]),
        (
            '{"tool_calls":[{"index":1,"id":"c","type":"function","function":{"name":"f","arguments":"{\\"a"}}]}',
            [ToolCallDelta(index=1, id="c", name="f", arguments='{"a')],
        ),
        ('{"tool_calls":[{"function":{"arguments":{"a":1}}}]}', [ToolCallDelta(index=0, arguments='{"a":1}')]),
    ],
)
def test_deltas(wire: str, seen: list[object]) -> None:
    assert read(wire) == seen


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        (None, "stop"),
        ("content_filter", "content_filter"),
        ("max_tokens", "length"),
        ("eos", "stop"),
    ],
)
def test_finish_reasons(told: str | None, meant: str) -> None:
    assert finish_reason(told) == meant


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ('{"prompt_tokens":9,"completion_tokens":2}', None),
        ('{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}', 4),
        ('{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":null,"prompt_cache_hit_tokens":5}', 5),
        ('{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":0}}', 0),
    ],
)
def test_usage(usage: str, cached: int | None) -> None:
    told = result("stop", msgspec.json.decode(usage, type=WireUsage))
    assert (told.prompt_tokens, told.cached_prompt_tokens, told.completion_tokens) == (9, cached, 2)
