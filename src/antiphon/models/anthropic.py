"""`AnthropicChat`: chat over Anthropic's Messages API, with this room's own transport and SSE reader.

Made by providers.py. Subsystem: docs/subsystems/models.md. Tests: tests/unit/models/test_anthropic.py,
tests/conformance/test_chat_model.py, tests/integration/test_anthropic.py.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import structs

from antiphon.core.errors import AntiphonError, ContextTooLong
from antiphon.core.runtime import Runtime
from antiphon.models.answer_sink import AnswerSink, CallerError
from antiphon.models.anthropic_wire import EVENT_DECODER, WireEvent, WireUsage, merged_usage, request_body, result
from antiphon.models.chat import ChatRequest, ChatResult, ListedModel, OnDelta, ReasoningDelta, TextDelta, ToolCallDelta
from antiphon.models.model_list import list_models
from antiphon.models.openai_compatible import demand_header_key
from antiphon.models.openai_errors import Verdict, judge_status, judge_stream_error, may_try_again, read_complaint
from antiphon.models.retries import Retries
from antiphon.models.transport import HttpRequest, ServerAddress, Transport

ANTHROPIC_ADDRESS: Final = "https://api.anthropic.com/v1"
ANTHROPIC_VERSION: Final = "2023-06-01"
CONTEXT_WINDOW: Final = 200_000
"""Of every model this wire serves, unless its list says otherwise."""
_SOON_AGAIN: Final = frozenset({"overloaded_error", "api_error", "rate_limit_error", "timeout_error"})


class AnthropicChat:
    """Streams from one server; `address` with or without `/v1`. `retries`, `temperature` and `max_tokens` as in
    `OpenAICompatibleChat`. Raises BadRequest for a key that cannot stand in a header."""

    def __init__(
        self,
        address: ServerAddress,
        transport: Transport,
        runtime: Runtime,
        *,
        api_key: str | None = None,
        retries: int = 2,
        connect_timeout_s: float = 10.0,
        idle_timeout_s: float = 120.0,
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> None:
        self._address = address
        self._prefix = "" if address.path.endswith("/v1") else "/v1"
        self._transport = transport
        self._runtime = runtime
        self._key = api_key or None
        self._retries = retries
        self._connect_timeout_s = connect_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._without: dict[str, frozenset[str]] = {}
        self._headers = _headers(self._key)

    def __repr__(self) -> str:
        return f"AnthropicChat({self._address.name!r})"

    @property
    def server_name(self) -> str:
        """`host:port`, for people."""
        return self._address.name

    @property
    def steerable(self) -> bool:
        return True

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        """See `ChatModel.stream`. `on_delta` is called from the socket's callback, without a task switch."""
        if request.temperature is None and self._temperature is not None:
            request = structs.replace(request, temperature=self._temperature)
        if request.max_tokens is None and self._max_tokens is not None:
            request = structs.replace(request, max_tokens=self._max_tokens)
        retries = Retries(self._retries, self._runtime)
        while True:
            answer = _MessageSink(on_delta, self._address.name, request.model, self._key)
            without = self._without.get(request.model, frozenset())
            verdict = await self._try(request, answer, without)
            if verdict is None:
                return answer.result()
            if answer.emitted:
                raise verdict.error
            if request.temperature is not None and "temperature" in answer.words and "temperature" not in without:
                self._without[request.model] = without | {"temperature"}
                continue
            if not verdict.again:
                raise verdict.error
            await retries.wait(verdict)

    async def list_models(self) -> list[ListedModel]:
        """What `GET /models` tells. One try. Raises like `stream`."""
        found = await list_models(
            self._address,
            self._transport,
            self._runtime,
            headers=self._headers,
            key=self._key,
            timeout_s=min(self._idle_timeout_s, self._connect_timeout_s),
            path=f"{self._prefix}/models",
        )
        return [structs.replace(model, context_window=model.context_window or CONTEXT_WINDOW) for model in found]

    async def close(self) -> None:
        await self._transport.close()

    async def _try(self, request: ChatRequest, answer: _MessageSink, without: frozenset[str]) -> Verdict | None:
        """None: `answer` is whole."""
        sending = HttpRequest(
            address=self._address,
            path=f"{self._prefix}/messages",
            headers=self._headers,
            body=request_body(request, without=without),
            connect_timeout_s=self._connect_timeout_s,
            idle_timeout_s=self._idle_timeout_s,
        )
        try:
            await self._transport.send(sending, answer)
            if answer.status == 200:
                answer.end()
                return None
        except CallerError as error:
            raise error.cause from None
        except AntiphonError as error:
            if answer.finished and not answer.told_error:
                return None
            of_the_connection = answer.status in {None, 200} and not answer.told_error and may_try_again(error)
            return Verdict(error=error, again=answer.soon_again or of_the_connection)
        finally:
            answer.release()
        complaint = read_complaint(bytes(answer.collected), key=self._key)
        verdict = judge_status(
            answer.status or 0,
            answer.headers,
            complaint,
            server=self._address.name,
            model=request.model,
            now_s=self._runtime.clock.now(),
        )
        if answer.status == 400 and not isinstance(verdict.error, ContextTooLong):
            answer.words = complaint.words
        return verdict


class _MessageSink(AnswerSink):
    """`words`: what the server complained of in a 400. `soon_again`: it was overloaded, and said so inside the stream."""

    def __init__(self, on_delta: OnDelta, server: str, model: str, key: str | None) -> None:
        super().__init__(on_delta, server)
        self.words = ""
        self.soon_again = False
        self._model = model
        self._key = key
        self._finish: str | None = None
        self._usage: WireUsage | None = None
        self._calls: dict[int, int] = {}

    def result(self) -> ChatResult:
        return result(self._finish, self._usage)

    def on_event(self, data: bytes) -> None:
        try:
            event = EVENT_DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self.broken(error) from error
        match event.type:
            case "content_block_delta":
                self._delta(event)
            case "content_block_start":
                self._block(event)
            case "message_start" if event.message is not None:
                self._usage = event.message.usage
            case "message_delta":
                self._usage = merged_usage(self._usage, event.usage)
                if event.delta is not None and event.delta.stop_reason is not None:
                    self._finish, self.finished = event.delta.stop_reason, True
            case "message_stop":
                self.close_stream()
            case "message":
                self._whole(event)
            case "error":
                self._error(event)
            case _:
                pass  # ping, content_block_stop, and what comes later

    def _delta(self, event: WireEvent) -> None:
        delta = event.delta
        if delta is None:
            return
        if delta.type == "text_delta" and delta.text:
            self.emit(TextDelta(delta.text))
        elif delta.type == "thinking_delta" and delta.thinking:
            self.emit(ReasoningDelta(delta.thinking))
        elif delta.type == "input_json_delta" and delta.partial_json:
            self.emit(ToolCallDelta(index=self._call_of(event.index), arguments=delta.partial_json))

    def _block(self, event: WireEvent) -> None:
        block = event.content_block
        if block is None:
            return
        if block.type == "tool_use":
            self.emit(ToolCallDelta(index=self._call_of(event.index), id=block.id or None, name=block.name or None))
        elif block.type == "text" and block.text:
            self.emit(TextDelta(block.text))
        elif block.type == "thinking" and block.thinking:
            self.emit(ReasoningDelta(block.thinking))

    def _whole(self, event: WireEvent) -> None:
        """An answer of a server that does not stream."""
        for index, block in enumerate(event.content or ()):
            self._block(WireEvent(index=index, content_block=block))
            if block.type == "tool_use" and block.input:
                arguments = msgspec.json.encode(block.input).decode()
                self.emit(ToolCallDelta(index=self._call_of(index), arguments=arguments))
        self._usage, self._finish, self.finished = event.usage, event.stop_reason, True

    def _error(self, event: WireEvent) -> None:
        self.told_error = True
        self.soon_again = read_complaint({"error": event.error}, key=self._key).code in _SOON_AGAIN
        raise judge_stream_error(event.error, server=self._server, model=self._model, key=self._key)

    def _call_of(self, block: int) -> int:
        """The contract counts tool calls; this wire counts blocks, text and thinking among them."""
        return self._calls.setdefault(block, len(self._calls))


def _headers(key: str | None) -> dict[str, str]:
    headers = {
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "antiphon",
        "anthropic-version": ANTHROPIC_VERSION,
    }
    if key is not None:
        headers["x-api-key"] = demand_header_key(key)
    return headers
