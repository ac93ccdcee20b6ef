from __future__ import annotations

import asyncio
import gc

import pytest

from antiphon.core.completion import to_the_end
from antiphon.core.errors import Conflict
from antiphon.testing.simulated import simulated_runtime


async def test_result_and_error_reach_the_caller():
    scheduler = simulated_runtime().scheduler

    async def work(error: Exception | None) -> int:
        if error:
            raise error
        return 7

    assert await to_the_end(scheduler, work(None), name="test") == 7
    with pytest.raises(Conflict):
        await to_the_end(scheduler, work(Conflict("No.")), name="test")


@pytest.mark.parametrize("fails", [False, True])
async def test_it_goes_on_when_the_caller_is_cancelled(fails: bool):
    scheduler = simulated_runtime().scheduler
    started, release, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        await release.wait()
        done.set()
        if fails:
            raise Conflict("Nobody is left to hear it.")

    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    caller = asyncio.create_task(to_the_end(scheduler, work(), name="test"))
    await started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    release.set()
    await scheduler.settle()
    assert done.is_set()
    del caller
    gc.collect()
    assert unhandled == []
