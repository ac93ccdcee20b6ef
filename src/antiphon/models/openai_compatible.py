"""`OpenAICompatibleChat`: chat over the OpenAI-compatible wire (OpenAI, Ollama, vLLM, LM Studio, DeepSeek, Qwen, ...).

Made by providers.py. Subsystem: docs/subsystems/models.md. Tests: tests/unit/models/test_openai_compatible.py,
tests/conformance/test_chat_model.py, tests/integration/test_openai_compatible.py.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import structs

from antiphon.core.errors import AntiphonError, BadRequest, ContextTooLong
from antiphon.core.runtime import Runtime
from antiphon.models.answer_sink import AnswerSink, CallerError
from antiphon.models.chat import ChatRequest, ChatResult, ListedModel, OnDelta
from antiphon.models.model_list import list_models
from antiphon.models.openai_errors import Verdict, judge_status, judge_stream_error, may_try_again, read_complaint
from antiphon.models.openai_wire import CHUNK_DECODER, PLAIN_DIALECT, Dialect, WireUsage, deltas, request_body, result
from antiphon.models.retries import Retries
from antiphon.models.transport import HttpRequest, ServerAddress, Transport

_OPTIONAL: Final = ("temperature", "seed", "stop")
"""Options that some models refuse, and that an answer can do without."""
_REFUSING = re.compile(
    r"unsupported|not (be )?supported|does not support|only the default|unknown|unrecogni[sz]ed|unexpected"
    r"|not permitted|extra inputs|deprecated|not allowed",
    re.IGNORECASE,
)


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
        self._dialects: dict[str, Dialect] = {}
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
        retries = Retries(self._retries, self._runtime)
        while True:
            dialect = self._dialects.get(request.model, PLAIN_DIALECT)
            answer = _CompletionSink(on_delta, self._address.name, request.model, self._key)
            verdict = await self._try(request, answer, dialect)
            if verdict is None:
                return answer.result()
            if answer.emitted:
                raise verdict.error
            if answer.words and self._adapt(request, dialect, answer.words):
                continue
            if not verdict.again:
                raise verdict.error
            await retries.wait(verdict)

    async def list_models(self) -> list[ListedModel]:
        """What `GET /models` tells, in the server's order. One try. Raises like `stream`."""
        return await list_models(
            self._address,
            self._transport,
            self._runtime,
            headers=self._headers,
            key=self._key,
            timeout_s=min(self._idle_timeout_s, self._connect_timeout_s),
        )

    async def close(self) -> None:
        await self._transport.close()

    def _with_defaults(self, request: ChatRequest) -> ChatRequest:
        if request.temperature is None and self._temperature is not None:
            request = structs.replace(request, temperature=self._temperature)
        if request.max_tokens is None and self._max_tokens is not None:
            request = structs.replace(request, max_tokens=self._max_tokens)
        return request

    async def _try(self, request: ChatRequest, answer: _CompletionSink, dialect: Dialect) -> Verdict | None:
        """None: `answer` is whole."""
        sending = HttpRequest(
            address=self._address,
            path="/chat/completions",
            headers=self._headers,
            body=request_body(request, dialect),
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
            answer.words = complaint.words
        return verdict

    def _adapt(self, request: ChatRequest, sent: Dialect, words: str) -> bool:
        """Whether the server was older or newer than the request assumed, and the next try differs. Remembered for the next
        questions to the same model; compared with what this try had sent, since others may have learnt the same meanwhile."""
        changed = sent
        if sent.usage_option and ("stream_options" in words or "include_usage" in words):
            changed = structs.replace(changed, usage_option=False)
        if request.max_tokens is not None and sent.limit_name == "max_tokens" and "max_completion_tokens" in words:
            changed = structs.replace(changed, limit_name="max_completion_tokens")
        given = [name for name in _OPTIONAL if getattr(request, name) not in (None, ()) and name not in sent.without]
        refused = [name for name in given if re.search(rf"\b{name}\b", words)] if _REFUSING.search(words) else []
        if refused:
            changed = structs.replace(changed, without=sent.without | frozenset(refused))
        if changed == sent:
            return False
        self._dialects[request.model] = changed
        return True


class _CompletionSink(AnswerSink):
    """`words`: what the server complained of, when it did not accept the request's options."""

    def __init__(self, on_delta: OnDelta, server: str, model: str, key: str | None) -> None:
        super().__init__(on_delta, server)
        self.words = ""
        self._model = model
        self._key = key
        self._finish: str | None = None
        self._usage: WireUsage | None = None

    def result(self) -> ChatResult:
        return result(self._finish, self._usage)

    def on_event(self, data: bytes) -> None:
        if data == b"[DONE]" or data.strip() == b"[DONE]":
            self.close_stream()
            return
        try:
            chunk = CHUNK_DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self.broken(error) from error
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
                        self.emit(delta)
                if choice.finish_reason is not None:
                    self._finish = choice.finish_reason
                    self.finished = True


def demand_header_key(key: str) -> str:
    """The key. Raises BadRequest, without repeating it, for one that cannot stand in a header."""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadRequest(
            "The API key of the model server has characters that no key has. Check ANTIPHON_CHAT_API_KEY, or the provider's key."
        )
    return key


def _headers(key: str | None) -> dict[str, str]:
    headers = {
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "antiphon",
    }
    if key is not None:
        headers["Authorization"] = f"Bearer {demand_header_key(key)}"
    return headers
