"""`Runtime`: clock, random, ids and scheduling, injected everywhere, so that a simulation can own all four.

The composition root makes `system_runtime()`; tests make `antiphon.testing.simulated_runtime()`.
Nothing else in `src` may call `time.time`, `random` or `asyncio.sleep` (tests/architecture/test_injection.py).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Protocol

from antiphon.core.ids import IdFactory


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the Unix epoch. For people and expiry, never for ordering."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back. For durations."""
        ...


class RandomSource(Protocol):
    def token(self, size_bytes: int, /) -> bytes:
        """Unpredictable bytes (secrets, ids)."""
        ...

    def uniform(self, low: float, high: float, /) -> float:
        """For jitter only, never for secrets."""
        ...


class Cancellable(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    async def sleep(self, seconds: float, /) -> None: ...

    def call_soon(self, callback: Callable[[], None], /) -> Cancellable: ...

    def call_later(self, delay_s: float, callback: Callable[[], None], /) -> Cancellable: ...

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Starts a task that is kept alive until it ends; the caller handles its errors."""
        ...


class SystemClock:
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)  # the bare functions: asked several times a token


class SystemRandom:
    def __init__(self) -> None:
        self._jitter = Random()  # noqa: S311 - jitter only

    def token(self, size_bytes: int, /) -> bytes:
        return secrets.token_bytes(size_bytes)

    def uniform(self, low: float, high: float, /) -> float:
        return self._jitter.uniform(low, high)


class LoopScheduler:
    """Schedules on the running asyncio loop. Holds its tasks, so that none is collected while it runs."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(seconds)

    def call_soon(self, callback: Callable[[], None], /) -> Cancellable:
        return asyncio.get_running_loop().call_soon(callback)

    def call_later(self, delay_s: float, callback: Callable[[], None], /) -> Cancellable:
        return asyncio.get_running_loop().call_later(delay_s, callback)

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    clock: Clock
    random: RandomSource
    ids: IdFactory
    scheduler: Scheduler


def system_runtime() -> Runtime:
    clock, random = SystemClock(), SystemRandom()
    return Runtime(clock=clock, random=random, ids=IdFactory(clock, random), scheduler=LoopScheduler())


def rfc3339(moment_s: float) -> str:
    """`2026-11-20T10:23:45.120Z`: UTC, milliseconds."""
    seconds, ms = divmod(int(moment_s * 1000), 1000)  # `fromtimestamp` would round up to the next second
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms:03d}Z"
