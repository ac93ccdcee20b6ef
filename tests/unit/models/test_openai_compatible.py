"""The adapter over a transport in memory and simulated time: retries, back-off, adaptation, what counts as whole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from antiphon.core.errors import AntiphonError, BadRequest, ContextTooLong, ModelError, ModelUnavailable, RateLimited, Timeout
from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, ChatResult, ReasoningDelta, TextDelta, ToolCallDelta
from antiphon.models.openai_compatible import OpenAICompatibleChat
from antiphon.models.transport import HttpRequest, ResponseSink, parse_server_address
from antiphon.testing.model_server import DONE, Break, Reply, delta_event, error_reply, event, json_reply, text_reply, usage_event
from antiphon.testing.simulated import simulated_runtime

REQUEST = ChatRequest(model="m", messages=[ChatMessage(role="user", content="Hi")])
KEY = "sk-very-secret-0123456789"


class MemoryTransport:
    """Plays replies; an error instead of a reply is raised by `send`. Also the `ResponseControl`."""

    def __init__(self, *script: Reply | AntiphonError) -> None:
        self.script = list(script)
        self.sent: list[HttpRequest] = []
        self.at_s: list[float] = []
        self.runtime = simulated_runtime()
        self.finished = False

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def finish(self) -> None:
        self.finished = True

    async def send(self, request: HttpRequest, sink: ResponseSink) -> None:
        self.sent.append(request)
        self.at_s.append(self.runtime.clock.monotonic())
        reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.finished = False
        if isinstance(reply, AntiphonError):
            raise reply
        sink.on_head(reply.status, {name.lower(): value for name, value in reply.headers.items()}, self)
        for piece in reply.pieces:
            if self.finished:
                return
            if isinstance(piece, Break):
                raise ModelError("The connection broke off.")
            assert isinstance(piece, bytes)
            sink.on_body(piece)

    async def close(self) -> None: ...


async def ask(
    *script: Reply | AntiphonError, request: ChatRequest = REQUEST, **options: object
) -> tuple[list[ChatDelta], ChatResult, MemoryTransport]:
    transport = MemoryTransport(*script)
    seen: list[ChatDelta] = []
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime, api_key=KEY, **options)
    task = asyncio.ensure_future(chat.stream(request, seen.append))
    while not task.done():
        await transport.runtime.advance(0.25)
    try:
        return seen, task.result(), transport
    except AntiphonError as error:
        error.seen, error.transport = seen, transport  # for the tests that look at how it failed
        raise


def bodies(transport: MemoryTransport) -> list[dict[str, object]]:
    return [msgspec.json.decode(sent.body) for sent in transport.sent]


async def test_whole_answer() -> None:
    seen, result, transport = await ask(text_reply("Hello", " 世界"))
    assert seen == [TextDelta("Hello"), TextDelta(" 世界")]
    assert result == ChatResult(finish_reason="stop", prompt_tokens=7, cached_prompt_tokens=3, completion_tokens=2)
    assert transport.finished, "The adapter waits for the end of the body after `[DONE]`."
    assert transport.sent[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_no_key_no_header() -> None:
    transport = MemoryTransport(text_reply("x"))
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime)
    await chat.stream(REQUEST, lambda _: None)
    assert "Authorization" not in transport.sent[0].headers


async def test_reasoning_and_tool_calls_keep_their_order() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": "{}"}}
    pieces = [
        delta_event(reasoning_content="hm"),
        delta_event("Let me see."),
        delta_event(tool_calls=[call]),
        delta_event(tool_calls=[more]),
        delta_event(finish="tool_calls"),
        DONE,
    ]
    seen, result, _ = await ask(Reply(pieces=pieces))
    assert seen == [
        ReasoningDelta("hm"),
        TextDelta("Let me see."),
        ToolCallDelta(index=0, id="c", name="f"),
        ToolCallDelta(index=0, arguments="{}"),
    ]
    assert result.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "pieces",
    [
        [delta_event("a"), delta_event(finish="length")],
        [delta_event("a", finish="length")],
        [delta_event("a"), delta_event(finish="length"), Break()],
        [delta_event("a"), delta_event(finish="length"), usage_event(1, 1), DONE, event(b"garbage {")],
        [delta_event("a"), delta_event(finish="length")[:-2]],
    ],
    ids=["no DONE", "finish with the last piece", "broken after the finish", "garbage after DONE", "no last empty line"],
)
async def test_ways_to_end(pieces: Sequence[bytes]) -> None:
    seen, result, _ = await ask(Reply(pieces=pieces))
    assert seen == [TextDelta("a")]
    assert result.finish_reason == "length"


async def test_http_framing_decides_when_a_server_just_closes() -> None:
    seen, result, _ = await ask(Reply(pieces=[delta_event("a")]))
    assert (seen, result.finish_reason) == ([TextDelta("a")], "stop")


async def test_server_that_does_not_stream() -> None:
    message = {"role": "assistant", "content": "All at once."}
    whole = {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    seen, result, _ = await ask(json_reply(whole))
    assert seen == [TextDelta("All at once.")]
    assert result == ChatResult(finish_reason="stop", prompt_tokens=3, completion_tokens=4)


async def test_other_choices_are_passed_over() -> None:
    second = event({"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": None}]})
    seen, _, _ = await ask(Reply(pieces=[delta_event("a"), second, DONE]))
    assert seen == [TextDelta("a")]


@pytest.mark.parametrize(
    "failure",
    [
        error_reply(500, "x"),
        error_reply(503, "x"),
        error_reply(429, "x"),
        ModelUnavailable("away."),
        Reply(pieces=[Break()]),
        Reply(),
    ],
    ids=["500", "503", "429", "unavailable", "broke before the first delta", "nothing in it"],
)
async def test_retries_before_the_first_delta(failure) -> None:
    seen, _, transport = await ask(failure, failure, text_reply("ok"), retries=2)
    assert seen == [TextDelta("ok")]
    assert len(transport.sent) == 3
    first_s, second_s, third_s = transport.at_s
    assert 0.375 <= second_s - first_s <= 0.9
    assert 0.75 <= third_s - second_s <= 1.5


async def test_retries_end() -> None:
    with pytest.raises(ModelUnavailable) as caught:
        await ask(ModelUnavailable("away."), retries=2)
    assert len(caught.value.transport.sent) == 3


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (error_reply(401, "x"), ModelError),
        (error_reply(404, "x"), ModelError),
        (error_reply(400, "maximum context length is 9"), ContextTooLong),
        (error_reply(400, "bad"), ModelError),
        (error_reply(429, "x", headers={"Retry-After": "3600"}), RateLimited),
        (Timeout("The model server was silent."), Timeout),
        (Reply(pieces=[b"<html>"], headers={"Content-Type": "text/html; charset=utf-8"}), ModelError),
        (Reply(pieces=[event(b"{broken")]), ModelError),
        (Reply(pieces=[event({"choices": [{"delta": {"content": 7}}]})]), ModelError),
        (Reply(pieces=[event(b"[" * 9)]), ModelError),
        (Reply(pieces=[event(b'{"error":' + b"[" * 50_000)]), ModelError),
        (Reply(pieces=[event({"error": {"message": "overloaded"}})]), ModelError),
        (Reply(pieces=[event(b'{"choices":[{"delta":{"content":"\xff\xfe"}}]}')]), ModelError),
    ],
)
async def test_no_retry_where_it_cannot_help(failure, kind) -> None:
    with pytest.raises(AntiphonError) as caught:
        await ask(failure, text_reply("never"), retries=2)
    assert type(caught.value) is kind
    assert caught.value.message.endswith((".", "…"))
    assert len(caught.value.transport.sent) == 1


async def test_no_retry_after_the_first_delta() -> None:
    with pytest.raises(ModelError, match="broke off") as caught:
        await ask(Reply(pieces=[delta_event("a"), Break()]), text_reply("never"))
    assert caught.value.seen == [TextDelta("a")]
    assert len(caught.value.transport.sent) == 1


async def test_error_inside_the_stream_keeps_what_came() -> None:
    with pytest.raises(ModelError, match=r"reported an error within the answer\. It said: overloaded\.") as caught:
        await ask(Reply(pieces=[delta_event("a"), event({"error": {"message": "overloaded"}})]))
    assert caught.value.seen == [TextDelta("a")]


async def test_retry_after_is_honoured() -> None:
    _, _, transport = await ask(error_reply(429, "x", headers={"Retry-After": "20"}), text_reply("ok"))
    assert 20.0 <= transport.at_s[1] - transport.at_s[0] < 21.0


async def test_cancel_while_waiting_for_a_retry() -> None:
    transport = MemoryTransport(ModelUnavailable("away."))
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime)
    task = asyncio.ensure_future(chat.stream(REQUEST, lambda _: None))
    await transport.runtime.scheduler.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await transport.runtime.advance(30.0)
    assert len(transport.sent) == 1


async def test_server_that_does_not_know_stream_options() -> None:
    unknown = error_reply(400, "Unrecognized request argument supplied: stream_options")
    transport = MemoryTransport(unknown, text_reply("ok"))
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime, retries=0)
    for _ in range(2):
        await chat.stream(REQUEST, lambda _: None)
    assert ["stream_options" in body for body in bodies(transport)] == [True, False, False]
    assert transport.at_s[0] == transport.at_s[1], "It waited before asking differently."


async def test_server_that_wants_the_newer_name_of_the_limit() -> None:
    unknown = error_reply(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    _, _, transport = await ask(unknown, text_reply("ok"), retries=0, max_tokens=9)
    assert [body.get("max_completion_tokens") for body in bodies(transport)] == [None, 9]


async def test_server_that_never_likes_it_is_not_asked_for_ever() -> None:
    with pytest.raises(ModelError) as caught:
        await ask(error_reply(400, "stream_options and max_completion_tokens are odd"), retries=0)
    assert len(caught.value.transport.sent) == 2


async def test_options_that_a_model_refuses_are_left_out_and_remembered_for_that_model() -> None:
    refusal = error_reply(
        400, "Unsupported value: 'temperature' does not support 0.2 with this model. Unknown parameter: 'seed'."
    )
    transport = MemoryTransport(refusal, text_reply("x"))
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime, retries=0)
    request = msgspec.structs.replace(REQUEST, temperature=0.2, seed=7, stop=["END"])
    await chat.stream(request, lambda _: None)
    await chat.stream(request, lambda _: None)
    await chat.stream(msgspec.structs.replace(request, model="another"), lambda _: None)
    sent = [(body.get("temperature"), body.get("seed"), body.get("stop")) for body in bodies(transport)]
    assert sent == [(0.2, 7, ["END"]), (None, None, ["END"]), (None, None, ["END"]), (0.2, 7, ["END"])]


async def test_a_complaint_about_a_value_is_no_unknown_option() -> None:
    with pytest.raises(ModelError) as caught:
        await ask(error_reply(400, "temperature must be between 0 and 2"), retries=0, temperature=9.0)
    assert len(caught.value.transport.sent) == 1


async def test_context_error_that_names_the_limit_is_not_taken_for_an_unknown_option() -> None:
    words = "'max_completion_tokens' is too large: this model's maximum context length is 4096 tokens"
    with pytest.raises(ContextTooLong) as caught:
        await ask(error_reply(400, words), retries=0)
    assert len(caught.value.transport.sent) == 1


async def test_settings_stand_in_and_the_request_wins() -> None:
    _, _, transport = await ask(text_reply("x"), temperature=0.3, max_tokens=50)
    assert (bodies(transport)[0]["temperature"], bodies(transport)[0]["max_tokens"]) == (0.3, 50)
    own = msgspec.structs.replace(REQUEST, temperature=0.9, max_tokens=5)
    _, _, transport = await ask(text_reply("x"), request=own, temperature=0.3, max_tokens=50)
    assert (bodies(transport)[0]["temperature"], bodies(transport)[0]["max_tokens"]) == (0.9, 5)


async def test_error_of_the_listener_is_not_taken_for_the_servers() -> None:
    transport = MemoryTransport(text_reply("a", "b"))
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime)
    own = ModelUnavailable("The listener's own error.")

    def fails(_: ChatDelta) -> None:
        raise own

    with pytest.raises(ModelUnavailable) as caught:
        await chat.stream(REQUEST, fails)
    assert caught.value is own
    assert len(transport.sent) == 1


async def test_error_of_the_listener_after_the_finish_reason_is_not_swallowed() -> None:
    transport = MemoryTransport(Reply(pieces=[delta_event(finish="stop"), delta_event("late"), DONE]))
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime)

    def fails(_: ChatDelta) -> None:
        raise ModelError("The listener's own error.")

    with pytest.raises(ModelError, match="listener's own"):
        await chat.stream(REQUEST, fails)


async def test_huge_error_body_is_cut() -> None:
    transport = MemoryTransport(Reply(status=400, pieces=[b"x" * 50_000] * 50, headers={"Content-Type": "text/plain"}))
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime)
    with pytest.raises(ModelError) as caught:
        await chat.stream(REQUEST, lambda _: None)
    assert transport.finished
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 200])
async def test_key_is_in_no_error(status: int) -> None:
    told = {"error": {"message": f"I was given {KEY} and do not like it"}}
    reply = Reply(pieces=[event(told)]) if status == 200 else json_reply(told, status=status)
    with pytest.raises(AntiphonError) as caught:
        await ask(reply, retries=0)
    assert KEY not in repr(caught.value) + str(caught.value.data)


async def test_models_are_listed() -> None:
    transport = MemoryTransport(json_reply({"data": [{"id": "a"}, {"id": "b"}]}))
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime)
    assert [model.name for model in await chat.list_models()] == ["a", "b"]
    assert (transport.sent[0].method, transport.sent[0].path) == ("GET", "/models")


@pytest.mark.parametrize("reply", [error_reply(404, "x"), json_reply({"data": 7}), Reply(pieces=[b"<html>"])])
async def test_no_list_of_models_is_a_model_error(reply: Reply) -> None:
    transport = MemoryTransport(reply)
    chat = OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime)
    with pytest.raises(ModelError):
        await chat.list_models()


def test_bad_key_is_refused_without_being_shown() -> None:
    transport = MemoryTransport(text_reply("x"))
    with pytest.raises(BadRequest) as caught:
        OpenAICompatibleChat(parse_server_address("http://h:1/v1"), transport, transport.runtime, api_key="sk evil\r\n")
    assert "evil" not in str(caught.value)
