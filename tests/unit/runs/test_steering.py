"""runs/steering.py alone: the call is cut and made again, words are heard in order, nothing is lost or heard twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.core.errors import ModelError
from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, ChatResult, OnDelta, TextDelta
from antiphon.runs.steering import Steer, Steering
from antiphon.testing.models import DirectedChat

REQUEST = ChatRequest(model="m", messages=[ChatMessage(role="user", content="Question")])


class Desk:
    def __init__(self, model: Any = None) -> None:
        self.model = model or DirectedChat()
        self.heard: list[str] = []
        self.results: list[ChatResult] = []
        self.steering = Steering(lambda steer: self.heard.append(steer.content))
        self.text = ""
        self.task = asyncio.ensure_future(self._run())

    def _add(self, delta: ChatDelta) -> None:
        assert isinstance(delta, TextDelta)
        self.text += delta.text

    def _write(self, text: str) -> None:
        self.text += text

    async def _run(self) -> ChatResult:
        return await self.steering.through(
            self.model, REQUEST, self._add, written=lambda: self.text, write=self._write, on_result=self.results.append
        )

    async def turn(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)

    async def says(self, text: str) -> None:
        self.model.open_calls[0].emit(text)
        await self.turn()

    def give(self, content: str) -> None:
        self.steering.give(Steer(id=content, content=content, offset=0, author={}))

    def last(self) -> list[tuple[str, str]]:
        return [(message.role, message.content) for message in self.model.requests[-1].messages]


async def test_without_words_it_is_one_call() -> None:
    desk = Desk()
    await desk.turn()
    await desk.says("A")
    desk.model.open_calls[0].end()
    assert (await desk.task).finish_reason == "stop"
    assert (desk.text, len(desk.results), desk.last()) == ("A", 1, [("user", "Question")])
    assert not desk.steering.reserve(), "it is over"


async def test_words_cut_the_call_and_go_into_the_next() -> None:
    desk = Desk()
    await desk.turn()
    await desk.says("A")
    assert desk.steering.reserve()
    desk.give("Shorter")
    await desk.turn()
    assert desk.model.calls[0].over
    assert desk.last() == [("user", "Question"), ("assistant", "A"), ("user", "Shorter")]
    await desk.says("B")
    assert desk.steering.reserve()
    desk.give("Longer")
    await desk.turn()
    assert desk.last()[2:] == [("user", "Shorter"), ("assistant", "B"), ("user", "Longer")]
    desk.model.open_calls[0].end()
    await desk.task
    assert desk.text == "A\n\nB\n\n"
    assert desk.heard == ["Shorter", "Longer"]
    assert len(desk.results) == 1


async def test_an_end_waits_for_words_on_their_way() -> None:
    desk = Desk()
    await desk.turn()
    await desk.says("A")
    assert desk.steering.reserve()
    assert desk.steering.reserve()
    desk.model.open_calls[0].end()
    await desk.turn()
    assert not desk.task.done()
    desk.give("One")
    await desk.turn()
    assert len(desk.model.calls) == 1, "the other may still come"
    desk.steering.release()
    await desk.turn()
    assert desk.last()[-1] == ("user", "One")
    desk.model.open_calls[0].end()
    await desk.task
    assert len(desk.results) == 2


async def test_words_that_came_to_nothing_end_nothing() -> None:
    desk = Desk()
    await desk.turn()
    assert desk.steering.reserve()
    desk.model.open_calls[0].end()
    await desk.turn()
    desk.steering.release()
    assert (await desk.task).finish_reason == "stop"
    assert len(desk.model.calls) == 1


async def test_failures_and_cancellation_go_through() -> None:
    desk = Desk()
    await desk.turn()
    desk.model.open_calls[0].fail(ModelError("No."))
    with pytest.raises(ModelError):
        await desk.task
    other = Desk()
    await other.turn()
    other.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other.task
    assert other.model.calls[0].over


async def test_a_time_limit_of_the_models_own_is_no_cut() -> None:
    class Slow:
        steerable = True

        async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        await Desk(Slow()).task


async def test_what_was_not_heard_is_told_at_the_end() -> None:
    steering = Steering()
    assert steering.reserve(), "no model writes yet"
    steering.give(Steer(id="1", content="Early", offset=0, author={}))
    assert [steer.content for steer in steering.unheard()] == ["Early"]
    assert not steering.reserve()
