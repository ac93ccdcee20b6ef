"""`ScriptedChat`, `DirectedChat` and `ScriptedModels`: public fakes of a chat model and of the registry. The scripted ones
pass the conformance suite.

Tests: tests/unit/testing/test_models.py, tests/conformance/test_chat_model.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from antiphon.core.errors import AntiphonError, BadRequest
from antiphon.core.runtime import Runtime
from antiphon.models.chat import ChatDelta, ChatModel, ChatRequest, ChatResult, ModelInfo, OnDelta, TextDelta


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause of the script, on the runtime's clock."""

    seconds: float


Step = str | ChatDelta | Wait | AntiphonError


class ScriptedChat:
    """Plays `steps` for every request: a text or delta is emitted, a `Wait` sleeps, an error is raised there.

    Give `answers` instead to play another script at each call (the last one repeats). `requests` and `cancelled` tell what
    happened; `streaming` counts the calls that run now."""

    def __init__(
        self,
        runtime: Runtime,
        steps: Sequence[Step] = ("Scripted", " answer."),
        *,
        answers: Sequence[Sequence[Step]] | None = None,
        result: ChatResult | None = None,
        steerable: bool = True,
    ) -> None:
        self.requests: list[ChatRequest] = []
        self.cancelled = 0
        self.streaming = 0
        self._runtime = runtime
        self._answers = [list(answer) for answer in (answers or [steps])]
        self._result = result
        self._steerable = steerable

    @property
    def steerable(self) -> bool:
        return self._steerable

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        steps = self._answers[min(len(self.requests), len(self._answers) - 1)]
        self.requests.append(request)
        emitted = 0
        self.streaming += 1
        whole = False
        try:
            await self._runtime.scheduler.sleep(0)
            for step in steps:
                match step:
                    case AntiphonError():
                        whole = True
                        raise step
                    case Wait(seconds=seconds):
                        await self._runtime.scheduler.sleep(seconds)
                    case str():
                        emitted += 1
                        on_delta(TextDelta(step))
                    case _:
                        emitted += 1
                        on_delta(step)
            whole = True
        finally:
            self.streaming -= 1
            self.cancelled += not whole
        return self._result or ChatResult(finish_reason="stop", prompt_tokens=len(request.messages), completion_tokens=emitted)


class ScriptedModels:
    """A registry over given models; the first one is the default. `windows`: context windows by id; `fallbacks`: for all."""

    def __init__(
        self,
        models: Mapping[str, ChatModel],
        *,
        windows: Mapping[str, int] | None = None,
        fallbacks: Sequence[str] = (),
        provider: str = "scripted",
    ) -> None:
        self._models = dict(models)
        self._windows = dict(windows or {})
        self._fallbacks = list(fallbacks)
        self._provider = provider
        self.closed = False

    def resolve(self, model: str | None) -> tuple[str, ChatModel]:
        name = model or next(iter(self._models))
        if name not in self._models:
            raise BadRequest(f"No model {name!r} here. Known are {', '.join(map(repr, self._models))}.")
        return name, self._models[name]

    def list(self) -> list[ModelInfo]:
        return [
            ModelInfo(
                id=name, provider=self._provider, kind=self._provider, label=name, context_window=self._windows.get(name), default=n == 0
            )
            for n, name in enumerate(self._models)
        ]  # fmt: skip

    def describe(self, model: str) -> ModelInfo:
        name, _ = self.resolve(model)
        return next(info for info in self.list() if info.id == name)

    def fallbacks(self, model: str) -> Sequence[str]:
        return [name for name in self._fallbacks if name != model]

    async def close(self) -> None:
        self.closed = True


class DirectedCall:
    """One call of a `DirectedChat`. `over`: it has left, for whatever reason."""

    def __init__(self) -> None:
        self.over = False
        self._steps: asyncio.Queue[Step | None] = asyncio.Queue()

    def emit(self, text: str) -> None:
        self._steps.put_nowait(text)

    def end(self) -> None:
        self._steps.put_nowait(None)

    def fail(self, error: AntiphonError) -> None:
        self._steps.put_nowait(error)

    async def next(self) -> Step | None:
        return await self._steps.get()


class DirectedChat:
    """Says what its test tells each of its `calls` to say, when it tells it."""

    def __init__(self) -> None:
        self.calls: list[DirectedCall] = []
        self.requests: list[ChatRequest] = []

    @property
    def open_calls(self) -> list[DirectedCall]:
        return [call for call in self.calls if not call.over]

    @property
    def steerable(self) -> bool:
        return True

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        call = DirectedCall()
        self.calls.append(call)
        self.requests.append(request)
        emitted = 0
        try:
            while (step := await call.next()) is not None:
                if isinstance(step, AntiphonError):
                    raise step
                if isinstance(step, str):
                    emitted += 1
                    on_delta(TextDelta(step))
        finally:
            call.over = True
        return ChatResult(finish_reason="stop", prompt_tokens=len(request.messages), completion_tokens=emitted)
