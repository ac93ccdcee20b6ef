"""The Anthropic adapter over real sockets against the scripted server: deltas, usage, adaptation, and each failure."""

from __future__ import annotations

import pytest

from antiphon.core.errors import AntiphonError, ContextTooLong, ModelError, RateLimited
from antiphon.core.runtime import system_runtime
from antiphon.models.anthropic import AnthropicChat
from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, ChatResult, ReasoningDelta, TextDelta, ToolCallDelta
from antiphon.models.transport import parse_server_address
from antiphon.models.transport_choice import choose_transport
from antiphon.testing.anthropic_server import (
    arguments_event,
    block_start,
    block_stop,
    message_end,
    message_reply,
    message_start,
    named_event,
    refusal_reply,
    stream_error,
    text_event,
    thinking_event,
)
from antiphon.testing.model_server import ModelServer, Reply, json_reply, serve_model

KEY = "sk-ant-secret-0123456789"
REQUEST = ChatRequest(
    model="claude",
    messages=[ChatMessage(role="system", content="Rules."), ChatMessage(role="user", content="Hi")],
    temperature=0.5,
)


async def ask(*script: Reply, path: str = "", retries: int = 0) -> tuple[list[ChatDelta], ChatResult, ModelServer]:
    runtime = system_runtime()
    async with serve_model(*script) as server:
        address = parse_server_address(server.base_url.removesuffix("/v1") + path)
        chat = AnthropicChat(address, choose_transport(address, runtime), runtime, api_key=KEY, retries=retries)
        seen: list[ChatDelta] = []
        try:
            result = await chat.stream(REQUEST, seen.append)
        except AntiphonError as error:
            error.seen, error.server = seen, server  # for the tests that look at how it failed
            raise
        finally:
            await chat.close()
        return seen, result, server


@pytest.mark.parametrize("path", ["", "/v1", "/v1/"])
async def test_an_answer_with_its_usage_and_headers(path: str) -> None:
    seen, result, server = await ask(message_reply("Hello", " there."), path=path)
    assert seen == [TextDelta("Hello"), TextDelta(" there.")]
    assert result == ChatResult(finish_reason="stop", prompt_tokens=7, cached_prompt_tokens=3, completion_tokens=2)
    (asked,) = server.messages
    assert (asked.path, asked.headers["x-api-key"], asked.headers["anthropic-version"]) == ("/v1/messages", KEY, "2023-06-01")
    assert "authorization" not in asked.headers
    assert asked.body["system"][0]["text"] == "Rules."


async def test_thinking_text_and_tool_calls_in_order() -> None:
    reply = Reply(
        pieces=[
            message_start(),
            block_start(0, "thinking", thinking=""),
            thinking_event("Hm", 0),
            named_event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "x"}),
            block_stop(0),
            block_start(1, text=""),
            text_event("I add.", 1),
            block_stop(1),
            block_start(2, "tool_use", id="t1", name="add", input={}),
            arguments_event('{"a":', 2),
            arguments_event("1}", 2),
            block_stop(2),
            block_start(3, "tool_use", id="t2", name="sub", input={}),
            arguments_event("{}", 3),
            *message_end("tool_use", completion=9),
        ]
    )
    seen, result, _ = await ask(reply)
    assert seen == [
        ReasoningDelta("Hm"),
        TextDelta("I add."),
        ToolCallDelta(index=0, id="t1", name="add"),
        ToolCallDelta(index=0, arguments='{"a":'),
        ToolCallDelta(index=0, arguments="1}"),
        ToolCallDelta(index=1, id="t2", name="sub"),
        ToolCallDelta(index=1, arguments="{}"),
    ]
    assert (result.finish_reason, result.completion_tokens) == ("tool_calls", 9)


async def test_a_server_that_does_not_stream() -> None:
    content = [{"type": "text", "text": "Whole."}, {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 1}}]
    usage = {"input_tokens": 4, "output_tokens": 2}
    seen, result, _ = await ask(json_reply({"type": "message", "content": content, "stop_reason": "tool_use", "usage": usage}))
    assert seen == [
        TextDelta("Whole."),
        ToolCallDelta(index=0, id="t", name="add"),
        ToolCallDelta(index=0, arguments='{"a":1}'),
    ]
    assert (result.prompt_tokens, result.finish_reason) == (4, "tool_calls")


async def test_overload_is_tried_again_before_the_first_delta_in_both_forms() -> None:
    inside = Reply(pieces=[message_start(), stream_error("overloaded_error", "Overloaded")])
    before = refusal_reply(529, "overloaded_error", "Overloaded")
    seen, _, server = await ask(inside, before, message_reply("At last."), retries=2)
    assert (seen, len(server.messages)) == ([TextDelta("At last.")], 3)


async def test_a_temperature_that_the_model_refuses_is_left_out() -> None:
    refusal = refusal_reply(400, "invalid_request_error", "temperature: this model does not take it")
    seen, _, server = await ask(refusal, message_reply("x"))
    assert seen == [TextDelta("x")]
    assert [request.body.get("temperature") for request in server.messages] == [0.5, None]


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (refusal_reply(401, "authentication_error", f"invalid x-api-key {KEY}"), ModelError, "refused the API key"),
        (refusal_reply(403, "permission_error", "no"), ModelError, "refused the API key"),
        (refusal_reply(404, "not_found_error", "model: claude"), ModelError, "does not know the model 'claude'"),
        (refusal_reply(400, "invalid_request_error", "prompt is too long: 210000 tokens"), ContextTooLong, "too long"),
        (refusal_reply(429, "rate_limit_error", "slow down", {"Retry-After": "7"}), RateLimited, "Try again in 7 s"),
        (refusal_reply(529, "overloaded_error", "Overloaded"), ModelError, "Overloaded"),
        (Reply(pieces=[stream_error("rate_limit_error", "slow down")]), RateLimited, "too many requests"),
        (Reply(pieces=[stream_error("api_error", f"broke with {KEY}")]), ModelError, r"\[key\]"),
        (Reply(pieces=[b"data: {nonsense\n\n"]), ModelError, "broken piece"),
        (Reply(pieces=[message_start()]), ModelError, "without a word"),
        (Reply(pieces=[b"<html>"], headers={"Content-Type": "text/html"}), ModelError, "web page"),
    ],
)
async def test_failures_in_plain_words_and_without_the_key(reply: Reply, kind: type[AntiphonError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        await ask(reply)
    assert KEY not in repr(caught.value) + str(caught.value.data)
    assert caught.value.message.endswith((".", "…"))
    assert caught.value.seen == []


async def test_an_error_within_the_answer_is_not_tried_again() -> None:
    reply = Reply(pieces=[message_start(), block_start(0, text=""), text_event("Half"), stream_error("overloaded_error", "Busy")])
    with pytest.raises(AntiphonError) as caught:
        await ask(reply, retries=3)
    assert (caught.value.seen, len(caught.value.server.messages)) == ([TextDelta("Half")], 1)


async def test_models_are_listed_with_their_window() -> None:
    runtime = system_runtime()
    async with serve_model(models=["claude-a"]) as server:
        address = parse_server_address(server.base_url)
        chat = AnthropicChat(address, choose_transport(address, runtime), runtime, api_key=KEY)
        assert [(model.name, model.context_window) for model in await chat.list_models()] == [("claude-a", 200_000)]
        await chat.close()
