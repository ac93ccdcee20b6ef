"""`Bell`: wakes workers when a job of theirs may have come. Shared by the backends of jobs; loop-thread only.

Tests: tests/conformance/test_jobs.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple

from antiphon.core.errors import Conflict
from antiphon.core.runtime import Scheduler
from antiphon.storage.jobs.contract import Job


class Heard(NamedTuple):
    """How often it had rung when a claim began: for the kinds of the claim, and in all."""

    kinds: tuple[str, ...]
    rings: int
    in_all: int


class Bell:
    """A ring between a worker's empty claim and its `wait` is not lost: it counts rings of each kind, and what was heard of
    them. Workers that claim other kinds neither wake each other nor make each other deaf."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._rings: Counter[str] = Counter()
        self._for_all = 0
        self._heard: dict[tuple[str, ...], int] = {}
        self._waiting: dict[asyncio.Future[None], tuple[str, ...]] = {}

    def listen(self, kinds: tuple[str, ...]) -> Heard:
        """For a claim that begins now."""
        return Heard(kinds, self._count(kinds), self._count(()))

    def ring(self, kind: str | None = None) -> None:
        """`kind` None: for everybody."""
        if kind is None:
            self._for_all += 1
        else:
            self._rings[kind] += 1
        for future, kinds in self._waiting.items():
            if not future.done() and (kind is None or not kinds or kind in kinds):
                future.set_result(None)

    def found_nothing(self, heard: Heard) -> None:
        """The claim came back empty."""
        self._heard[heard.kinds] = max(self._heard.get(heard.kinds, 0), heard.rings)
        self._heard[()] = max(self._heard.get((), 0), heard.in_all)

    async def wait(self, timeout_s: float, kinds: tuple[str, ...] = ()) -> None:
        """`kinds`: those that the caller claims; none: any."""
        if self._count(kinds) > self._heard.get(kinds, 0):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def give_up() -> None:
            if not future.done():
                future.set_result(None)

        timer = self._scheduler.call_later(timeout_s, give_up)
        self._waiting[future] = kinds
        try:
            await future
        finally:
            del self._waiting[future]
            timer.cancel()

    def _count(self, kinds: tuple[str, ...]) -> int:
        return self._for_all + (sum(self._rings[kind] for kind in kinds) if kinds else self._rings.total())


def lost_claim(job: Job) -> Conflict:
    return Conflict(f"The claim on job {job.id!r} is lost: its lease lapsed, another took it, or it was cancelled; stop working.")
