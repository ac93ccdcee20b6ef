"""core/tick.py"""

from __future__ import annotations

import asyncio
from typing import Any

from antiphon.core.tick import TickQueue
from antiphon.testing import simulated_runtime


async def test_nothing_runs_before_the_turn_ends_and_then_all_in_order() -> None:
    runtime, seen = simulated_runtime(), list[str]()
    ticks = TickQueue(runtime.scheduler)
    ticks.add(lambda: seen.append("a"))
    ticks.add(lambda: seen.append("b"))
    assert seen == []
    await runtime.scheduler.settle(1)
    assert seen == ["a", "b"]
    await runtime.scheduler.settle()
    assert seen == ["a", "b"]


async def test_what_a_callback_adds_runs_in_the_same_pass() -> None:
    runtime, seen = simulated_runtime(), list[str]()
    ticks = TickQueue(runtime.scheduler)
    ticks.add(lambda: (seen.append("run"), ticks.add(lambda: seen.append("connection"))))
    ticks.add(lambda: seen.append("other run"))
    asyncio.get_running_loop().call_soon(seen.append, "next callback of the loop")
    await runtime.scheduler.settle()
    assert seen == ["run", "other run", "connection", "next callback of the loop"]


async def test_one_callback_of_the_loop_serves_all_of_a_turn() -> None:
    runtime = simulated_runtime()
    calls: list[Any] = []

    class Counting:
        def call_soon(self, callback: Any) -> Any:
            calls.append(callback)
            return runtime.scheduler.call_soon(callback)

    ticks = TickQueue(Counting())  # type: ignore[arg-type]
    for _ in range(100):
        ticks.add(lambda: None)
    assert len(calls) == 1
    await runtime.scheduler.settle()
    ticks.add(lambda: None)
    assert len(calls) == 2


async def test_a_callback_that_raises_does_not_silence_the_others() -> None:
    runtime, seen, heard = simulated_runtime(), list[str](), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["exception"]))
    ticks = TickQueue(runtime.scheduler)

    def fail() -> None:
        raise IndexError

    ticks.add(lambda: seen.append("before"))
    ticks.add(fail)
    ticks.add(lambda: seen.append("after"))
    await runtime.scheduler.settle()
    assert seen == ["before", "after"]
    assert [type(error) for error in heard] == [IndexError]
    ticks.add(fail)  # the last one of its turn
    await runtime.scheduler.settle()
    ticks.add(lambda: seen.append("later"))
    await runtime.scheduler.settle()
    assert seen == ["before", "after", "later"]
