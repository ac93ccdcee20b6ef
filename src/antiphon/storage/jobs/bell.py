"""`Bell`: wakes workers when a job may have come. Shared by the backends of jobs; loop-thread only.

Tests: tests/conformance/test_jobs.py.
"""

from __future__ import annotations

import asyncio

from antiphon.core.errors import Conflict
from antiphon.core.runtime import Scheduler
from antiphon.storage.jobs.contract import Job


class Bell:
    """A ring between a worker's empty claim and its `wait` is not lost: it counts rings, and what was heard of them."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._rings = 0
        self._heard = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def rings(self) -> int:
        return self._rings

    def ring(self) -> None:
        self._rings += 1
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def found_nothing(self, rings: int) -> None:
        """A claim that began at `rings` came back empty."""
        self._heard = max(self._heard, rings)

    async def wait(self, timeout_s: float) -> None:
        if self._rings > self._heard:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def give_up() -> None:
            if not future.done():
                future.set_result(None)

        timer = self._scheduler.call_later(timeout_s, give_up)
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)
            timer.cancel()


def lost_claim(job: Job) -> Conflict:
    return Conflict(f"The claim on job {job.id!r} is lost: its lease lapsed, another took it, or it was cancelled; stop working.")
