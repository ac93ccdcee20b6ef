"""A runtime whose time passes at once: a sleep only lets the others go first, and is written down."""

from __future__ import annotations

import asyncio
import random

import pytest

from antiphon.core.ids import IdFactory
from antiphon.core.runtime import LoopScheduler, Runtime, SystemClock


class SeededRandom:
    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)

    def token(self, size_bytes: int, /) -> bytes:
        return self._random.randbytes(size_bytes)

    def uniform(self, low: float, high: float, /) -> float:
        return self._random.uniform(low, high)


class InstantScheduler(LoopScheduler):
    def __init__(self) -> None:
        super().__init__()
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float, /) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0)

    def call_later(self, delay_s: float, callback, /):
        return self.call_soon(callback)


@pytest.fixture
def runtime() -> Runtime:
    clock, source = SystemClock(), SeededRandom()
    return Runtime(clock=clock, random=source, ids=IdFactory(clock, source), scheduler=InstantScheduler())
