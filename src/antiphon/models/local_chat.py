"""`LocalChat`: a Hugging Face model in this process (extra `local-chat`). The main road is a model server; this one needs none.

One worker thread (local_worker.py) answers one question after the other; its pieces reach the loop in their order. A cancel
is seen before the next layer of the model, also while it reads the prompt. Made by provider.py. Tests:
tests/integration/test_local_chat.py (with torch only), tests/unit/models/test_local_chat.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from antiphon.core.errors import AntiphonError, ModelUnavailable
from antiphon.core.runtime import Runtime
from antiphon.models.chat import ChatRequest, ChatResult, ListedModel, OnDelta, TextDelta
from antiphon.models.local_worker import LocalJob, LocalWorker


class LocalChat:
    """`models`: folders, or names in the hub's cache. Loads nothing before the first question."""

    def __init__(self, models: Sequence[str], runtime: Runtime, *, max_tokens: int | None = None) -> None:
        self._models = list(models)
        self._max_tokens = max_tokens
        self._worker = LocalWorker()
        self._runtime = runtime

    def __repr__(self) -> str:
        return f"LocalChat({self._models!r})"

    @property
    def server_name(self) -> str:
        return "this process"

    @property
    def steerable(self) -> bool:
        return False

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        """See `ChatModel.stream`. Waits for its turn first: one question is answered at a time."""
        if request.model not in self._models:
            raise ModelUnavailable(f"The model {request.model!r} is not among those of this provider: {', '.join(self._models)}.")
        answer = _LocalAnswer(asyncio.get_running_loop(), on_delta)
        job = LocalJob(request=request, max_tokens=request.max_tokens or self._max_tokens, on_text=answer.text, on_end=answer.end)
        self._worker.put(job)
        try:
            return await answer.result
        finally:
            answer.close()
            job.cancel()
            if job.begun:  # it is over before the next layer: what follows finds the worker free
                await asyncio.shield(answer.over.wait())

    async def list_models(self) -> list[ListedModel]:
        return [ListedModel(name=name, context_window=self._worker.window_of(name)) for name in self._models]

    async def close(self) -> None:
        """Ends what is being answered and the worker."""
        await asyncio.to_thread(self._worker.close)


class _LocalAnswer:
    """Brings the worker's pieces into the loop. `text` and `end` are called in the worker's thread, the rest in the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_delta: OnDelta) -> None:
        self.result: asyncio.Future[ChatResult] = loop.create_future()
        self.over = asyncio.Event()
        self._loop = loop
        self._on_delta = on_delta
        self._pieces: deque[str] = deque()

    def text(self, piece: str) -> None:
        self._pieces.append(piece)
        self._post(self._deliver)

    def end(self, outcome: ChatResult | AntiphonError | None) -> None:
        self._post(lambda: self._end(outcome))

    def close(self) -> None:
        """Nothing is delivered from here on."""
        self.result.cancel()

    def _post(self, call: Callable[[], None]) -> None:
        # A loop that is closed already has nobody left who waits for a piece.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def _deliver(self) -> None:
        while self._pieces and not self.result.done():
            try:
                self._on_delta(TextDelta(self._pieces.popleft()))
            except Exception as error:  # noqa: BLE001 - the listener's own error leaves `stream` as it is
                self.result.set_exception(error)

    def _end(self, outcome: ChatResult | AntiphonError | None) -> None:
        self._deliver()
        self.over.set()
        if self.result.done():
            return
        if isinstance(outcome, ChatResult):
            self.result.set_result(outcome)
        elif outcome is not None:
            self.result.set_exception(outcome)
        else:
            self.result.cancel()
