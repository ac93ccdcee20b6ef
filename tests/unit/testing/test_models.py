from __future__ import annotations

import asyncio

import pytest

from antiphon.core.errors import BadRequest, ModelError
from antiphon.models.chat import ChatMessage, ChatRequest, ChatResult, ReasoningDelta, TextDelta
from antiphon.testing.models import ScriptedChat, ScriptedModels, Wait
from antiphon.testing.simulated import simulated_runtime

REQUEST = ChatRequest(model="m", messages=[ChatMessage(role="user", content="Hi")])


async def test_plays_texts_deltas_pauses_and_errors_in_order() -> None:
    runtime = simulated_runtime()
    chat = ScriptedChat(runtime, ["a", ReasoningDelta("r"), Wait(5.0), "b", ModelError("Enough.")])
    seen: list[object] = []
    task = asyncio.ensure_future(chat.stream(REQUEST, seen.append))
    await runtime.advance(4.9)
    assert seen == [TextDelta("a"), ReasoningDelta("r")]
    await runtime.advance(0.2)
    with pytest.raises(ModelError, match="Enough"):
        await task
    assert seen[2:] == [TextDelta("b")]
    assert (chat.requests, chat.cancelled, chat.streaming) == ([REQUEST], 0, 0)


async def test_counts_cancels() -> None:
    runtime = simulated_runtime()
    chat = ScriptedChat(runtime, ["a", Wait(5.0)])
    task = asyncio.ensure_future(chat.stream(REQUEST, lambda _: None))
    await runtime.advance(1.0)
    assert chat.streaming == 1
    task.cancel()
    await asyncio.wait({task})
    assert (chat.cancelled, chat.streaming) == (1, 0)


async def test_another_script_at_each_call() -> None:
    chat = ScriptedChat(simulated_runtime(), answers=[["a"], ["b"]], result=ChatResult(finish_reason="length"))
    seen: list[object] = []
    for _ in range(3):
        result = await chat.stream(REQUEST, seen.append)
    assert seen == [TextDelta("a"), TextDelta("b"), TextDelta("b")]
    assert result.finish_reason == "length"


async def test_registry() -> None:
    chat = ScriptedChat(simulated_runtime())
    models = ScriptedModels({"one": chat})
    assert models.resolve(None) == ("one", chat)
    assert [info.id for info in models.list()] == ["one"]
    with pytest.raises(BadRequest, match="Known are 'one'"):
        models.resolve("two")
    await models.close()
    assert models.closed
