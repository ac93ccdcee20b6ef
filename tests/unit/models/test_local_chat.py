"""The local adapter without its libraries: what is told when they are missing, and the ways between thread and loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from antiphon.core.errors import ModelError, ModelUnavailable
from antiphon.core.runtime import system_runtime
from antiphon.models import local_worker
from antiphon.models.chat import ChatMessage, ChatRequest, ChatResult, TextDelta
from antiphon.models.local_chat import LocalChat
from antiphon.models.local_worker import LocalJob, Stopped

REQUEST = ChatRequest(model="tiny", messages=[ChatMessage(role="user", content="Hi")])


class FakeModel:
    """Says `steps` in the worker's thread; `gate` lets it go on."""

    def __init__(self, name: str, _current: Any) -> None:
        self.window = 64

    gate = threading.Event()
    steps: tuple[str, ...] = ("a ", "b ", "c")

    def generate(self, job: LocalJob) -> ChatResult:
        for step in self.steps:
            if step == "wait":
                while not self.gate.wait(0.01):
                    if job.cancelled:
                        raise Stopped
            elif step == "break":
                raise RuntimeError("out of memory")
            else:
                job.on_text(step)
        return ChatResult(finish_reason="stop", completion_tokens=len(self.steps))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeModel]:
    class Fresh(FakeModel):
        gate = threading.Event()

    monkeypatch.setattr(local_worker, "_LoadedModel", Fresh)
    return Fresh


async def test_pieces_come_in_order_in_the_loops_thread(fake: type[FakeModel]) -> None:
    chat = LocalChat(["tiny"], system_runtime())
    seen: list[str] = []
    threads: set[int] = set()

    def listen(delta: TextDelta) -> None:
        seen.append(delta.text)
        threads.add(threading.get_ident())

    results = await asyncio.gather(*(chat.stream(REQUEST, listen) for _ in range(3)))
    assert seen == ["a ", "b ", "c"] * 3
    assert threads == {threading.get_ident()}
    assert [result.completion_tokens for result in results] == [3, 3, 3]
    assert [(model.name, model.context_window) for model in await chat.list_models()] == [("tiny", 64)]
    await chat.close()


async def test_a_cancel_frees_the_worker_and_those_who_wait_are_not_touched(fake: type[FakeModel]) -> None:
    fake.steps = ("a", "wait", "b")
    chat = LocalChat(["tiny"], system_runtime())
    seen: list[TextDelta] = []
    first = asyncio.ensure_future(chat.stream(REQUEST, seen.append))
    second = asyncio.ensure_future(chat.stream(REQUEST, lambda _: None))
    waiting = asyncio.ensure_future(chat.stream(REQUEST, lambda _: None))
    while not seen:
        await asyncio.sleep(0.001)
    waiting.cancel()
    first.cancel()
    for task in (first, waiting):
        with pytest.raises(asyncio.CancelledError):
            await task
    fake.gate.set()
    assert (await second).finish_reason == "stop"
    assert seen == [TextDelta("a")]
    await chat.close()


async def test_errors(fake: type[FakeModel]) -> None:
    chat = LocalChat(["tiny"], system_runtime())
    fake.steps = ("a", "break")
    with pytest.raises(ModelError, match="failed: RuntimeError"):
        await chat.stream(REQUEST, lambda _: None)
    with pytest.raises(ModelUnavailable, match="'other' is not among those"):
        await chat.stream(ChatRequest(model="other", messages=[]), lambda _: None)
    await chat.close()


async def test_closing_ends_what_is_being_answered(fake: type[FakeModel]) -> None:
    fake.steps = ("wait",)
    chat = LocalChat(["tiny"], system_runtime())
    task = asyncio.ensure_future(chat.stream(REQUEST, lambda _: None))
    await asyncio.sleep(0.02)
    await asyncio.wait_for(chat.close(), 2)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 2)


async def test_missing_libraries_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(local_worker.importlib, "import_module", missing)
    chat = LocalChat(["tiny"], system_runtime())
    with pytest.raises(ModelUnavailable, match=r"extra `local-chat` .*torch is missing"):
        await chat.stream(REQUEST, lambda _: None)
    await chat.close()
