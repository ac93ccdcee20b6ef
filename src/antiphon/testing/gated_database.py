"""`GatedDatabase`: a real `Database` whose works wait until a test lets them through, first to the disk, then to the caller.

So every order that threads could produce can be chosen, and a crash can fall between commit and answer. Used by
antiphon.testing.live_core. Tests: tests/unit/testing/test_gated_database.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from antiphon.core.errors import AntiphonError, Internal, ShuttingDown
from antiphon.core.runtime import Runtime
from antiphon.storage.records.contract import Urgency
from antiphon.storage.sqlite.database import Database

T = TypeVar("T")
READERS = 3
"""Reads that may run at the same time, as in storage/sqlite/readers.py."""


class _Gated:
    """One work. `told` gets (result, error) when it is delivered."""

    __slots__ = ("error", "result", "told", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], told: Callable[[Any, BaseException | None], None]) -> None:
        self.work = work
        self.told = told
        self.result: Any = None
        self.error: BaseException | None = None


class GatedDatabase(Database):
    """`gated` False: works go their usual way. `disk_full`: every write fails, as SQLite's would.

    The rules of the real one hold: writes strictly by class and in order within one, answers in the order of the commits,
    reads in any order."""

    def __init__(self, path: Path, connection: sqlite3.Connection, runtime: Runtime) -> None:
        super().__init__(path, connection, runtime)
        self.gated = False
        self.disk_full = False
        self.log_written: Callable[[], None] | None = None
        self._writes: tuple[deque[_Gated], ...] = tuple(deque() for _ in Urgency)
        self._written: deque[_Gated] = deque()
        self._reads: list[_Gated] = []
        self._have_read: list[_Gated] = []
        self._stepping = asyncio.Lock()

    # --- Database -------------------------------------------------------------------------------------------------------

    async def submit(self, work: Callable[[sqlite3.Connection], T], urgency: Urgency = Urgency.COMMAND) -> T:
        if not self.gated:
            self._demand_room()
            return await super().submit(work, urgency)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue(_Gated(work, _teller(future)), urgency)
        return await future

    def submit_nowait(
        self, work: Callable[[sqlite3.Connection], Any], urgency: Urgency, on_done: Callable[[BaseException | None], None]
    ) -> None:
        if not self.gated:
            super().submit_nowait(self._refused if self.disk_full else work, urgency, on_done)
            return
        self._queue(_Gated(work, lambda _, error: on_done(error)), urgency)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if not self.gated:
            return await super().read(work)
        if self._closed:
            raise ShuttingDown("The store is closed; nothing can be read any more.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._reads.append(_Gated(work, _teller(future)))
        return await future

    def _queue(self, gated: _Gated, urgency: Urgency) -> None:
        if self._closed:
            raise ShuttingDown("The store is closing; nothing can be written any more.")
        self._writes[urgency].append(gated)

    async def close(self) -> None:
        """As the real one: queued writes are written, queued reads are cancelled, and a step under way is waited for."""
        if self._closed:
            return
        async with self._stepping:
            while any(self._writes):
                await self._commit(next(queue[0] for queue in self._writes if queue))
            self._closed = True
        for gated in self._reads:
            gated.told(None, asyncio.CancelledError())
        self._reads.clear()
        while await self.step():
            pass
        self._finish()

    def abandon(self) -> None:
        for queue in (*self._writes, self._written, self._reads, self._have_read):
            queue.clear()
        super().abandon()

    # --- the gate -------------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def waiting(self) -> int:
        """Steps that could be taken now."""
        return len(self._steps())

    async def step(self, choice: int = 0) -> bool:
        """Takes one of the possible steps: a commit, a read, or the delivery of what one of them gave. False: none waits."""
        async with self._stepping:  # `close` may take steps of its own meanwhile, and must not shut what one still uses
            steps = self._steps()
            if not steps:
                return False
            act, gated = steps[choice % len(steps)]
            await act(gated)
            return True

    def _steps(self) -> list[tuple[Callable[[_Gated], Any], _Gated]]:
        steps: list[tuple[Callable[[_Gated], Any], _Gated]] = []
        if self._written:
            steps.append((self._tell_written, self._written[0]))
        steps += [(self._tell_read, gated) for gated in self._have_read]
        urgent = next((queue for queue in self._writes if queue), None)
        if urgent:
            steps.append((self._commit, urgent[0]))
        steps += [(self._perform_read, gated) for gated in self._reads[: max(0, READERS - len(self._have_read))]]
        return steps

    async def _commit(self, gated: _Gated) -> None:
        urgency = next(urgency for urgency in Urgency if self._writes[urgency])
        self._writes[urgency].popleft()
        try:
            self._demand_room()
            gated.result = await super().submit(gated.work, urgency)
        except (AntiphonError, sqlite3.Error, LookupError, TypeError, ValueError, RuntimeError) as error:
            gated.error = error
        self._written.append(gated)
        if urgency is Urgency.LOG and self.log_written is not None:
            self.log_written()

    def _demand_room(self) -> None:
        if self.disk_full:
            raise Internal("The data could not be stored or read: the disk is full; free some space and try again.")

    def _refused(self, connection: sqlite3.Connection) -> None:
        del connection
        self._demand_room()

    async def _perform_read(self, gated: _Gated) -> None:
        self._reads.remove(gated)
        try:
            gated.result = await super().read(gated.work)
        except (AntiphonError, sqlite3.Error, LookupError, TypeError, ValueError, RuntimeError) as error:
            gated.error = error
        self._have_read.append(gated)

    async def _tell_written(self, gated: _Gated) -> None:
        self._written.popleft()
        gated.told(gated.result, gated.error)

    async def _tell_read(self, gated: _Gated) -> None:
        self._have_read.remove(gated)
        gated.told(gated.result, gated.error)


def _teller(future: asyncio.Future[Any]) -> Callable[[Any, BaseException | None], None]:
    def tell(result: Any, error: BaseException | None) -> None:
        if future.done():  # the caller was cancelled
            return
        if error is None:
            future.set_result(result)
        elif isinstance(error, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(error)

    return tell
