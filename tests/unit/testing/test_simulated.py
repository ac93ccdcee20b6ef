"""testing/simulated.py"""

from __future__ import annotations

import asyncio

from antiphon.testing import simulated_runtime


async def test_time_passes_only_when_told() -> None:
    runtime = simulated_runtime()
    start, monotonic = runtime.clock.now(), runtime.clock.monotonic()
    await runtime.advance(2.5)
    assert (runtime.clock.now() - start, runtime.clock.monotonic() - monotonic) == (2.5, 2.5)
    runtime.clock.set_wall(5.0)
    assert runtime.clock.now() == 5.0
    assert runtime.clock.monotonic() - monotonic == 2.5


async def test_timers_fire_in_order_at_their_moment() -> None:
    runtime = simulated_runtime()
    start, seen = runtime.clock.monotonic(), []

    async def sleeper(name: str, seconds: float) -> None:
        await runtime.scheduler.sleep(seconds)
        seen.append((name, runtime.clock.monotonic() - start))
        if name == "a":
            await runtime.scheduler.sleep(0.5)
            seen.append(("a again", runtime.clock.monotonic() - start))

    for name, seconds in (("b", 2.0), ("a", 1.0), ("late", 9.0), ("now", 0.0)):
        runtime.scheduler.spawn(sleeper(name, seconds), name=name)
    runtime.scheduler.call_later(1.0, lambda: seen.append(("never", 0.0))).cancel()
    await runtime.advance(3.0)
    assert seen == [("now", 0.0), ("a", 1.0), ("a again", 1.5), ("b", 2.0)]
    assert runtime.scheduler.next_due_s == 6.0
    runtime.scheduler.cancel_all()
    assert runtime.scheduler.next_due_s is None
    await runtime.advance(10.0)
    assert len(seen) == 4


async def test_a_cancelled_sleep_leaves_no_timer() -> None:
    runtime = simulated_runtime()
    task = asyncio.ensure_future(runtime.scheduler.sleep(5.0))
    await runtime.scheduler.settle()
    task.cancel()
    await runtime.scheduler.settle()
    assert runtime.scheduler.next_due_s is None


def test_the_same_seed_gives_the_same() -> None:
    one, same, other = simulated_runtime(7), simulated_runtime(7), simulated_runtime(8)
    assert [one.ids.new("run") for _ in range(5)] == [same.ids.new("run") for _ in range(5)]
    assert one.ids.new("run") != other.ids.new("run")
