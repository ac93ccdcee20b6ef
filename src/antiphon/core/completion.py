"""`to_the_end`: work that must not be cut in two when its caller is cancelled (a client that leaves mid-request).

The failing case: the store commits a revocation also when the caller is cancelled while it waits, but what follows the
commit (telling open sockets, forgetting what is cached) would be skipped. Tests: tests/unit/core/test_completion.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from antiphon.core.runtime import Scheduler

T = TypeVar("T")


async def to_the_end(scheduler: Scheduler, work: Coroutine[Any, Any, T], *, name: str) -> T:
    """Awaits `work` in a task of its own, which goes on when this call is cancelled. Its errors reach the caller, if it is
    still there."""
    outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    outcome.add_done_callback(_look_at)

    async def run() -> None:
        try:
            result = await work
        except BaseException as error:
            if not outcome.done():
                outcome.set_exception(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            if not outcome.done():  # a caller that was cancelled has cancelled it
                outcome.set_result(result)

    scheduler.spawn(run(), name=name)
    return await outcome


def _look_at(outcome: asyncio.Future[Any]) -> None:
    """Marks an error as seen: a caller that left will not look."""
    if not outcome.cancelled():
        outcome.exception()
