"""core/runtime.py: the system's runtime, and timestamps of stored moments."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from antiphon.core.runtime import LoopScheduler, rfc3339, system_runtime


@pytest.mark.parametrize(
    ("moment_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"), (1.9999999, "1970-01-01T00:00:01.999Z"), (1_795_000_000.5, "2026-11-18T11:06:40.500Z"),
        (59.001, "1970-01-01T00:00:59.001Z"),
    ],
)  # fmt: skip
def test_moments_are_cut_not_rounded(moment_s: float, text: str) -> None:
    assert rfc3339(moment_s) == text


def test_the_system_runtime_is_the_system() -> None:
    runtime = system_runtime()
    assert abs(runtime.clock.now() - time.time()) < 1
    assert abs(runtime.clock.monotonic() - time.monotonic()) < 1
    assert runtime.random.token(16) != runtime.random.token(16)
    assert len(runtime.random.token(16)) == 16
    assert 1.0 <= runtime.random.uniform(1.0, 2.0) <= 2.0
    assert runtime.ids.new("run").startswith("run_")


async def test_a_spawned_task_is_kept_until_it_ends() -> None:
    scheduler, seen = LoopScheduler(), list[str]()

    async def work() -> None:
        waiting = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, waiting.set_result, None)
        await waiting
        seen.append("done")

    name = scheduler.spawn(work(), name="work").get_name()
    gc.collect()
    assert name == "work"
    assert len(scheduler._tasks) == 1
    while not seen:
        await scheduler.sleep(0.005)
    await scheduler.sleep(0)
    assert scheduler._tasks == set()


async def test_callbacks_soon_later_and_not_at_all() -> None:
    scheduler, seen = LoopScheduler(), list[str]()
    scheduler.call_later(0.01, lambda: seen.append("later"))
    scheduler.call_later(0.005, lambda: seen.append("never")).cancel()
    scheduler.call_soon(lambda: seen.append("soon"))
    scheduler.call_soon(lambda: seen.append("never")).cancel()
    async with asyncio.timeout(5):
        while "later" not in seen:
            await scheduler.sleep(0.005)
    assert seen == ["soon", "later"]
