"""`simulated_runtime()`: a Runtime whose clock stands still until told, with seeded random and a scheduler on that clock.

For tests, ours and those of plug-in authors. Time passes only by `advance`; nothing here waits for real time. Works on
threads (the SQLite backends) still take the real time they take. Tests: tests/unit/testing/test_simulated.py.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

from antiphon.core.ids import IdFactory
from antiphon.core.runtime import Cancellable, Runtime

START_S = 1_795_000_000.0
"""A fixed moment in November 2026."""
SETTLE_ROUNDS = 20


class SimulatedClock:
    def __init__(self, start_s: float = START_S) -> None:
        self._now = start_s
        self._monotonic = 1000.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def pass_time(self, seconds: float) -> None:
        """Moves both clocks without running any timer; `SimulatedScheduler.advance` runs them."""
        self._now += seconds
        self._monotonic += seconds

    def set_wall(self, now_s: float) -> None:
        """Sets the wall clock alone, as an administrator or NTP would."""
        self._now = now_s


class SimulatedRandom:
    """The same bytes for the same seed. Never for real secrets."""

    def __init__(self, seed: int) -> None:
        self._source = Random(seed)  # noqa: S311 - repeatable on purpose

    def token(self, size_bytes: int, /) -> bytes:
        return self._source.randbytes(size_bytes)

    def uniform(self, low: float, high: float, /) -> float:
        return self._source.uniform(low, high)


class _Timer:
    __slots__ = ("callback", "cancelled", "due_s")

    def __init__(self, due_s: float, callback: Callable[[], None]) -> None:
        self.due_s = due_s
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class SimulatedScheduler:
    """Timers on the simulated clock, tasks on the running loop."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    async def sleep(self, seconds: float, /) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        timer = self.call_soon(wake) if seconds <= 0 else self.call_later(seconds, wake)
        try:
            await future
        finally:
            timer.cancel()

    def call_soon(self, callback: Callable[[], None], /) -> Cancellable:
        return asyncio.get_running_loop().call_soon(callback)

    def call_later(self, delay_s: float, callback: Callable[[], None], /) -> Cancellable:
        timer = _Timer(self._clock.monotonic() + max(delay_s, 0.0), callback)
        heapq.heappush(self._timers, (timer.due_s, next(self._order), timer))
        return timer

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def next_due_s(self) -> float | None:
        """Seconds until the next timer; None when there is none."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return max(self._timers[0][0] - self._clock.monotonic(), 0.0) if self._timers else None

    def cancel_all(self) -> None:
        """Drops all timers and cancels all tasks: what a crash does to them."""
        self._timers.clear()
        for task in tuple(self._tasks):
            task.cancel()

    async def advance(self, seconds: float) -> None:
        """Passes time timer by timer, in order of their moments; the loop settles after each."""
        end = self._clock.monotonic() + seconds
        await self.settle()
        while (wait := self.next_due_s) is not None and self._clock.monotonic() + wait <= end:
            self._clock.pass_time(wait)
            heapq.heappop(self._timers)[2].callback()
            await self.settle()
        self._clock.pass_time(max(end - self._clock.monotonic(), 0.0))

    async def settle(self, rounds: int = SETTLE_ROUNDS) -> None:
        """Lets the loop go round, so that woken tasks run. Does not wait for threads."""
        loop = asyncio.get_running_loop()
        for _ in range(rounds):
            turn: asyncio.Future[None] = loop.create_future()
            loop.call_soon(turn.set_result, None)
            await turn


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedRuntime(Runtime):
    clock: SimulatedClock
    random: SimulatedRandom
    scheduler: SimulatedScheduler

    async def advance(self, seconds: float) -> None:
        await self.scheduler.advance(seconds)


def simulated_runtime(seed: int = 0, *, start_s: float = START_S) -> SimulatedRuntime:
    clock, random = SimulatedClock(start_s), SimulatedRandom(seed)
    return SimulatedRuntime(clock=clock, random=random, ids=IdFactory(clock, random), scheduler=SimulatedScheduler(clock))
