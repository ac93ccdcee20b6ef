"""`OpenAICompatibleChat`: chat over the OpenAI-compatible wire (OpenAI, Ollama, vLLM, LM Studio, DeepSeek, Qwen, ...).

Made by registry.py. Subsystem: docs/subsystems/models.md. Tests: tests/unit/models/test_openai_compatible.py,
tests/conformance/test_chat_model.py, tests/integration/test_openai_compatible.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import structs

from antiphon.core.errors import AntiphonError, BadRequest, ContextTooLong, ModelError
from antiphon.core.runtime import Runtime
from antiphon.models.chat import ChatDelta, ChatRequest, ChatResult, OnDelta
from antiphon.models.openai_errors import Verdict, judge_status, judge_stream_error, may_try_again, read_complaint
from antiphon.models.openai_wire import CHUNK_DECODER, MODELS_DECODER, WireUsage, deltas, request_body, result
from antiphon.models.sse import SseReader
from antiphon.models.transport import HttpRequest, ResponseControl, ServerAddress, Transport

FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 8.0
_COMPLAINT_BYTES: Final = 65_536
_WHOLE_ANSWER_BYTES: Final = 16 * 2**20


class OpenAICompatibleChat:
    """Streams from one server. `retries`: further tries, only before the first delta. `temperature` and `max_tokens` stand in
    where a request has None. Raises BadRequest for a key that cannot stand in a header."""

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
        self._transport = transport
        self._runtime = runtime
        self._key = api_key or None
        self._retries = retries
        self._connect_timeout_s = connect_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._usage_option = True
        self._limit_name = "max_tokens"
        self._headers = _headers(self._key)

    def __repr__(self) -> str:
        return f"OpenAICompatibleChat({self._address.name!r})"

    @property
    def server_name(self) -> str:
        """`host:port`, for people."""
        return self._address.name

    @property
    def steerable(self) -> bool:
        return True

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        """See `ChatModel.stream`. `on_delta` is called from the socket's callback, without a task switch."""
        request = self._with_defaults(request)
        tries_left = self._retries
        backoff_s = FIRST_BACKOFF_S
        while True:
            answer = _StreamedAnswer(on_delta, self._address.name, request.model, self._key)
            verdict = await self._try(request, answer)
            if verdict is None:
                return answer.result()
            if answer.emitted or not verdict.again:
                raise verdict.error
            if self._adapt(answer):
                continue
            if tries_left <= 0:
                raise verdict.error
            tries_left -= 1
            jittered_s = backoff_s * self._runtime.random.uniform(0.75, 1.25)
            await self._runtime.scheduler.sleep(max(jittered_s, verdict.wait_s or 0.0))
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def list_models(self) -> list[str]:
        """The ids of `GET /models`, in the server's order. One try. Raises like `stream`."""
        body = _Collected()
        await self._transport.send(
            HttpRequest(
                method="GET",
                address=self._address,
                path="/models",
                headers=self._headers,
                connect_timeout_s=self._connect_timeout_s,
                idle_timeout_s=min(self._idle_timeout_s, self._connect_timeout_s),
            ),
            body,
        )
        if body.status != 200:
            complaint = read_complaint(bytes(body.text), key=self._key)
            raise judge_status(
                body.status, body.headers, complaint, server=self._address.name, model="", now_s=self._runtime.clock.now()
            ).error
        try:
            return [model.id for model in MODELS_DECODER.decode(body.text).data]
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ModelError(f"The model server at {self._address.name} gave no readable list of models.") from None

    async def close(self) -> None:
        await self._transport.close()

    def _with_defaults(self, request: ChatRequest) -> ChatRequest:
        if request.temperature is None and self._temperature is not None:
            request = structs.replace(request, temperature=self._temperature)
        if request.max_tokens is None and self._max_tokens is not None:
            request = structs.replace(request, max_tokens=self._max_tokens)
        return request

    async def _try(self, request: ChatRequest, answer: _StreamedAnswer) -> Verdict | None:
        """None: `answer` is whole."""
        answer.usage_option, answer.limit_name = self._usage_option, self._limit_name
        body = request_body(request, usage_option=self._usage_option, limit_name=self._limit_name)
        sending = HttpRequest(
            address=self._address,
            path="/chat/completions",
            headers=self._headers,
            body=body,
            connect_timeout_s=self._connect_timeout_s,
            idle_timeout_s=self._idle_timeout_s,
        )
        try:
            await self._transport.send(sending, answer)
            if answer.status == 200:
                answer.end()
                return None
        except _CallerError as error:
            raise error.cause from None
        except AntiphonError as error:
            # With its finish reason the answer is whole, even if the connection then broke: only the usage is missing.
            if answer.finished and not answer.told_error:
                return None
            return Verdict(error=error, again=answer.status in {None, 200} and not answer.told_error and may_try_again(error))
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
        if answer.status in {400, 422} and not isinstance(verdict.error, ContextTooLong):
            answer.note_unknown_options(complaint.words)
            return Verdict(error=verdict.error, again=answer.adaptable)
        return verdict

    def _adapt(self, answer: _StreamedAnswer) -> bool:
        """Whether the server was older or newer than the request assumed, and the next try differs. Remembered for the next
        questions; compared with what this try had sent, since others may have learnt the same meanwhile."""
        if answer.dislikes_usage_option and answer.usage_option:
            self._usage_option = False
            return True
        if answer.wants_completion_limit and answer.limit_name == "max_tokens":
            self._limit_name = "max_completion_tokens"
            return True
        return False


class _CallerError(Exception):
    """Carries what `on_delta` raised past everything that handles the server's errors."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("on_delta raised")
        self.cause = cause


class _Collected:
    """A sink that keeps a small body."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.text = bytearray()

    def on_head(self, status: int, headers: Mapping[str, str], control: ResponseControl) -> None:
        self.status, self.headers, self._control = status, headers, control

    def on_body(self, piece: bytes) -> None:
        self.text += piece
        if len(self.text) > _WHOLE_ANSWER_BYTES:
            self._control.finish()


class _StreamedAnswer:
    """The sink of one try: events to deltas, or a body that explains why there are none."""

    def __init__(self, on_delta: OnDelta, server: str, model: str, key: str | None) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.collected = bytearray()
        self.emitted = False
        self.finished = False
        self.told_error = False
        self.usage_option = True
        self.limit_name = "max_tokens"
        self.dislikes_usage_option = False
        self.wants_completion_limit = False
        self._on_delta = on_delta
        self._server = server
        self._model = model
        self._key = key
        self._reader: SseReader | None = None
        self._finish: str | None = None
        self._usage: WireUsage | None = None
        self._done = False

    def on_head(self, status: int, headers: Mapping[str, str], control: ResponseControl) -> None:
        self.status, self.headers, self._control = status, headers, control
        if status != 200:
            return
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html":
            self.told_error = True
            raise ModelError(
                f"The model server at {self._server} answered with a web page. Check its address: it usually ends in `/v1`."
            )
        if kind != "application/json":
            self._reader = SseReader(self._on_event)

    def on_body(self, piece: bytes) -> None:
        if self._reader is not None:
            self._reader.feed(piece)
            return
        limit_bytes = _WHOLE_ANSWER_BYTES if self.status == 200 else _COMPLAINT_BYTES
        self.collected += piece[: limit_bytes - len(self.collected)]
        if len(self.collected) >= limit_bytes:
            self._control.finish()

    def end(self) -> None:
        """The body is whole. Raises ModelError when there was no answer in it."""
        if self._reader is not None:
            if not self._done:
                self._reader.end()
        elif self.collected:
            self._on_event(bytes(self.collected))  # a server that does not stream
        if not (self.emitted or self.finished or self._done):
            raise ModelError(f"The model server at {self._server} closed the answer without a word in it.")

    def release(self) -> None:
        """Nothing more comes: opens the ring with the reader, in which the listener's text would wait for the collector."""
        self._reader = None

    def result(self) -> ChatResult:
        return result(self._finish, self._usage)

    @property
    def adaptable(self) -> bool:
        return self.dislikes_usage_option or self.wants_completion_limit

    def note_unknown_options(self, words: str) -> None:
        self.dislikes_usage_option = self.usage_option and ("stream_options" in words or "include_usage" in words)
        self.wants_completion_limit = self.limit_name == "max_tokens" and "max_completion_tokens" in words

    def _on_event(self, data: bytes) -> None:
        if self._done:
            return
        if data == b"[DONE]" or data.strip() == b"[DONE]":
            self._done = True
            self._control.finish()
            return
        if not data:
            return
        try:
            chunk = CHUNK_DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self.told_error = True
            raise ModelError(f"The model server at {self._server} sent a broken piece of its answer: {error}.") from error
        if chunk.error is not None:
            self.told_error = True
            raise judge_stream_error(chunk.error, server=self._server, model=self._model, key=self._key)
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices or ():
            if choice.index == 0:
                text = choice.delta or choice.message
                if text is not None:
                    for delta in deltas(text):
                        self._emit(delta)
                if choice.finish_reason is not None:
                    self._finish = choice.finish_reason
                    self.finished = True

    def _emit(self, delta: ChatDelta) -> None:
        self.emitted = True
        try:
            self._on_delta(delta)
        except Exception as error:
            raise _CallerError(error) from error


def _headers(key: str | None) -> dict[str, str]:
    headers = {
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "antiphon",
    }
    if key is not None:
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise BadRequest("The API key of the model server has characters that no key has. Check ANTIPHON_CHAT_API_KEY.")
        headers["Authorization"] = f"Bearer {key}"
    return headers
