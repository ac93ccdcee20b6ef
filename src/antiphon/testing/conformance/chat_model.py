"""The conformance suite of `ChatModel`: what every adapter must keep. For our own adapters and for plug-in authors.

A factory opens a model in one of the `Situation`s; `CHECKS` says which checks need which. Example and users:
tests/conformance/test_chat_model.py. Every check raises AssertionError with a sentence.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Literal

from antiphon.core.errors import (
    AntiphonError,
    ContextTooLong,
    ModelError,
    ModelUnavailable,
    RateLimited,
    Timeout,
)
from antiphon.models.chat import ChatDelta, ChatModel, ChatRequest, ChatResult, ReasoningDelta, TextDelta

Situation = Literal["answers", "slow", "fails_before", "fails_midway"]
FINISH_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter"})
ALLOWED_ERRORS: Final = (ModelUnavailable, ModelError, ContextTooLong, RateLimited, Timeout)
_WAIT_S: Final = 10.0
_CLOSED_WITHIN_S: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatModelCase:
    """`text`: the whole text that `request` must bring (in "fails_midway": up to the failure). `upstream_open`: whether the
    model's server still works on an answer; None where there is no server. `tick` lets simulated time or real time pass."""

    model: ChatModel
    request: ChatRequest
    text: str
    tick: Callable[[], Awaitable[None]]
    upstream_open: Callable[[], bool] | None = None


ChatModelFactory = Callable[[Situation], AbstractAsyncContextManager[ChatModelCase]]
Check = Callable[[ChatModelFactory], Awaitable[None]]


class Deltas:
    """An `on_delta` that remembers everything, and the thread it was called in."""

    def __init__(self) -> None:
        self.seen: list[ChatDelta] = []
        self.first = asyncio.Event()
        self.threads: set[int] = set()

    def __call__(self, delta: ChatDelta) -> None:
        self.seen.append(delta)
        self.threads.add(threading.get_ident())
        self.first.set()

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.seen if isinstance(delta, TextDelta))


async def check_order_and_wholeness(factory: ChatModelFactory) -> None:
    """The pieces join to the text, none is empty, all come in the loop's thread and before `stream` returns."""
    async with factory("answers") as case:
        deltas = Deltas()
        await case.model.stream(case.request, deltas)
        count = len(deltas.seen)
        assert deltas.text == case.text, f"The pieces join to {deltas.text!r}, not to {case.text!r}."
        assert len([d for d in deltas.seen if isinstance(d, TextDelta)]) > 1, "The answer came in one piece: it is not streamed."
        assert all(d.text for d in deltas.seen if isinstance(d, TextDelta | ReasoningDelta)), "A piece was empty."
        assert deltas.threads == {threading.get_ident()}, "A piece came in another thread than the loop's."
        await case.tick()
        assert len(deltas.seen) == count, "A piece came after `stream` had returned."


async def check_result(factory: ChatModelFactory) -> None:
    """The finish reason is one of four; counts are None or not negative; cached tokens are no more than all."""
    async with factory("answers") as case:
        result = await case.model.stream(case.request, Deltas())
        assert result.finish_reason in FINISH_REASONS, (
            f"Finish reason {result.finish_reason!r} is none of {sorted(FINISH_REASONS)}."
        )
        counts = (result.prompt_tokens, result.cached_prompt_tokens, result.completion_tokens)
        assert all(count is None or count >= 0 for count in counts), f"A token count is negative: {counts}."
        assert (result.cached_prompt_tokens or 0) <= (result.prompt_tokens or 0), "More cached tokens than tokens."


async def check_steerable_is_told(factory: ChatModelFactory) -> None:
    async with factory("answers") as case:
        assert isinstance(case.model.steerable, bool), "`steerable` is not a bool."


async def check_concurrent_streams_stay_apart(factory: ChatModelFactory) -> None:
    async with factory("answers") as case:
        several = [Deltas() for _ in range(4)]
        await asyncio.gather(*(case.model.stream(case.request, deltas) for deltas in several))
        for deltas in several:
            assert deltas.text == case.text, f"Side by side the pieces join to {deltas.text!r}, not to {case.text!r}."


async def check_cancel_midway(factory: ChatModelFactory) -> None:
    """After `cancel` no piece is delivered, CancelledError leaves, the upstream is closed, and the model works on."""
    async with factory("slow") as case:
        deltas = Deltas()
        task = asyncio.ensure_future(case.model.stream(case.request, deltas))
        await _until_first(task, deltas, case)
        task.cancel()
        count = len(deltas.seen)
        await _expect_cancelled(task, case)
        await case.tick()
        assert len(deltas.seen) == count, "A piece was delivered after the cancel."
        assert len(deltas.text) < len(case.text), "The answer was whole already: the case is not slow enough to test a cancel."
        again = Deltas()
        task = asyncio.ensure_future(case.model.stream(case.request, again))
        await _until_first(task, again, case)
        assert case.text.startswith(again.text), "After a cancel the next answer begins with something else."
        task.cancel()
        await _expect_cancelled(task, case)


async def check_cancel_before_first_piece(factory: ChatModelFactory) -> None:
    async with factory("slow") as case:
        deltas = Deltas()
        task = asyncio.ensure_future(case.model.stream(case.request, deltas))
        await case.tick()
        task.cancel()
        count = len(deltas.seen)
        await _expect_cancelled(task, case)
        await case.tick()
        assert len(deltas.seen) == count, "A piece was delivered after the cancel."


async def check_error_before_first_piece(factory: ChatModelFactory) -> None:
    async with factory("fails_before") as case:
        deltas = Deltas()
        error = await _expect_error(case, deltas)
        assert not deltas.seen, "Pieces came although the model failed before the first one."
        assert error.message.endswith((".", "!", "?", "…")), f"The message {error.message!r} is not a whole sentence."


async def check_error_midway(factory: ChatModelFactory) -> None:
    """What came before the failure is delivered once: no retry after the first piece."""
    async with factory("fails_midway") as case:
        deltas = Deltas()
        error = await _expect_error(case, deltas)
        assert deltas.text == case.text, f"Before the failure {deltas.text!r} was delivered, not {case.text!r}."
        assert not isinstance(error, ModelUnavailable), "ModelUnavailable promises that nothing was emitted."


async def check_error_of_the_listener(factory: ChatModelFactory) -> None:
    """What `on_delta` raises leaves `stream` as it is, closes the upstream, and is not retried."""
    async with factory("answers") as case:
        calls = 0

        def fails(_delta: ChatDelta) -> None:
            nonlocal calls
            calls += 1
            raise LookupError("the listener's own error")

        try:
            await case.model.stream(case.request, fails)
        except LookupError:
            pass
        else:
            raise AssertionError("The listener's error was swallowed.")
        assert calls == 1, f"`on_delta` was called {calls} times although its first call raised."
        await _expect_closed(case)
        deltas = Deltas()
        await case.model.stream(case.request, deltas)
        assert deltas.text == case.text, "After an error of the listener the next answer is another one."


CHECKS: Final[dict[Check, Situation]] = {
    check_order_and_wholeness: "answers",
    check_result: "answers",
    check_steerable_is_told: "answers",
    check_concurrent_streams_stay_apart: "answers",
    check_error_of_the_listener: "answers",
    check_cancel_midway: "slow",
    check_cancel_before_first_piece: "slow",
    check_error_before_first_piece: "fails_before",
    check_error_midway: "fails_midway",
}


async def _until_first(task: asyncio.Future[ChatResult], deltas: Deltas, case: ChatModelCase) -> None:
    async with asyncio.timeout(_WAIT_S):
        while not deltas.first.is_set() and not task.done():
            await case.tick()
    if task.done():
        task.result()  # raises what went wrong, if that is why
        raise AssertionError("`stream` returned before the first piece could be seen: the case is not slow.")


async def _expect_cancelled(task: asyncio.Future[ChatResult], case: ChatModelCase) -> None:
    done, _ = await asyncio.wait({task}, timeout=_CLOSED_WITHIN_S)
    assert done, f"`stream` did not end within {_CLOSED_WITHIN_S} s of its cancel."
    assert task.cancelled(), "The cancel was swallowed: `stream` ended some other way."
    await _expect_closed(case)


async def _expect_closed(case: ChatModelCase) -> None:
    if case.upstream_open is None:
        return
    try:
        async with asyncio.timeout(_CLOSED_WITHIN_S):
            while case.upstream_open():
                await case.tick()
    except TimeoutError:
        raise AssertionError(f"The upstream was not closed within {_CLOSED_WITHIN_S} s.") from None


async def _expect_error(case: ChatModelCase, deltas: Deltas) -> AntiphonError:
    try:
        await case.model.stream(case.request, deltas)
    except ALLOWED_ERRORS as error:
        return error
    raise AssertionError("The failing model ended as if its answer were whole.")
