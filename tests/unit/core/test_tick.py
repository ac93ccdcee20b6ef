"""core/tick.py"""

from __future__ import annotations

import asyncio

from antiphon.core.tick import TickQueue
from antiphon.testing.simulated import simulated_runtime


async def test_callbacks_run_once_in_order_at_the_end_of_the_turn() -> None:
    runtime, seen = simulated_runtime(), list[str]()
    ticks = TickQueue(runtime.scheduler)
    ticks.add(lambda: seen.append("a"))
    ticks.add(lambda: seen.append("b"))
    assert seen == []
    await runtime.scheduler.settle()
    await runtime.scheduler.settle()
    assert seen == ["a", "b"]


async def test_what_callbacks_add_runs_in_the_same_pass() -> None:
    runtime, seen = simulated_runtime(), list[str]()
    ticks = TickQueue(runtime.scheduler)

    def run_flushes() -> None:
        seen.append("run")
        ticks.add(lambda: seen.append("connection"))

    ticks.add(run_flushes)
    asyncio.get_running_loop().call_soon(seen.append, "next callback of the loop")
    await runtime.scheduler.settle()
    assert seen == ["run", "connection", "next callback of the loop"]


async def test_what_a_callback_causes_comes_before_the_next_one() -> None:
    runtime, seen = simulated_runtime(), list[str]()
    ticks = TickQueue(runtime.scheduler)

    def append(run: str, *connections: str) -> None:
        seen.append(run)
        for connection in connections:
            ticks.add(lambda name=connection: seen.append(name))

    ticks.add(lambda: append("run 1", "a", "b"))
    ticks.add(lambda: append("run 2", "c"))
    await runtime.scheduler.settle()
    assert seen == ["run 1", "a", "b", "run 2", "c"]


async def test_what_was_caused_before_a_callback_raised_is_not_lost() -> None:
    runtime, seen = simulated_runtime(), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    ticks = TickQueue(runtime.scheduler)

    def fail() -> None:
        ticks.add(lambda: seen.append("caused"))
        raise ZeroDivisionError

    ticks.add(fail)
    ticks.add(lambda: seen.append("next"))
    await runtime.scheduler.settle()
    assert seen == ["caused", "next"]


async def test_a_callback_that_raises_does_not_silence_the_others() -> None:
    runtime, seen, errors = simulated_runtime(), list[str](), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
    ticks = TickQueue(runtime.scheduler)
    ticks.add(lambda: 1 / 0)
    ticks.add(lambda: seen.append("after"))
    await runtime.scheduler.settle()
    ticks.add(lambda: seen.append("later"))
    await runtime.scheduler.settle()
    assert seen == ["after", "later"]
    assert [type(error) for error in errors] == [ZeroDivisionError]
