"""core/runtime.py"""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from datetime import UTC, datetime

import pytest

from antiphon.core.runtime import LoopScheduler, SystemRandom, rfc3339, system_runtime


def test_clocks_are_the_systems() -> None:
    clock = system_runtime().clock
    assert abs(clock.now() - time.time()) < 5
    assert abs(clock.monotonic() - time.monotonic()) < 5


def test_random_bytes_have_their_size_and_differ() -> None:
    random = SystemRandom()
    assert {len(random.token(size)) for size in (0, 16, 32)} == {0, 16, 32}
    assert len({random.token(16) for _ in range(100)}) == 100
    assert all(2.0 <= random.uniform(2.0, 3.0) <= 3.0 for _ in range(100))


def test_two_runtimes_make_different_ids() -> None:
    assert system_runtime().ids.new("ses") != system_runtime().ids.new("ses")


async def test_a_spawned_task_is_kept_while_it_runs_and_let_go_after() -> None:
    scheduler, done = LoopScheduler(), asyncio.Event()

    async def work() -> None:
        await done.wait()

    held = weakref.ref(scheduler.spawn(work(), name="kept"))
    await asyncio.sleep(0)
    gc.collect()
    task = held()
    assert task is not None, "collected while it ran"
    assert task.get_name() == "kept"
    assert scheduler._tasks == {task}
    done.set()
    await task
    await asyncio.sleep(0)
    assert scheduler._tasks == set()


async def test_timers_run_unless_cancelled() -> None:
    scheduler, seen = LoopScheduler(), list[str]()
    scheduler.call_later(0.0, lambda: seen.append("later"))
    scheduler.call_later(0.0, lambda: seen.append("never")).cancel()
    scheduler.call_soon(lambda: seen.append("soon"))
    scheduler.call_soon(lambda: seen.append("never")).cancel()
    assert seen == []
    await scheduler.sleep(0.0)
    await scheduler.sleep(0.001)
    assert seen == ["soon", "later"]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (datetime(2026, 11, 20, 10, 23, 45, 125_000, UTC).timestamp(), "2026-11-20T10:23:45.125Z"),
        (1_795_000_000.999_999_7, "2026-11-18T11:06:40.999Z"),  # never rounded up into the next second
        (1_795_000_000.000_4, "2026-11-18T11:06:40.000Z"),
    ],
)
def test_rfc3339(moment: float, text: str) -> None:
    assert rfc3339(moment) == text
