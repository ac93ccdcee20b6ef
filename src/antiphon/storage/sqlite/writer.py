"""`Writer`: the one thread that writes, and its queue of three classes. Used by `Database` only.

Works of one class that are queued together share a transaction, a SAVEPOINT each: one fsync answers all of them, and a
failing one takes only its own changes back. A group ends when a more urgent work arrives, after GROUP_S, or when it is
full; so a command waits for at most one running work and one commit. Strictly by class: ingestion waits while there are
commands. Tests: tests/unit/storage/test_database.py, tests/integration/test_database_crash.py. Measured:
docs/decisions/0002-one-writer.md.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from antiphon.core.errors import Internal, ShuttingDown
from antiphon.core.runtime import Clock
from antiphon.storage.records.contract import Urgency
from antiphon.storage.sqlite.checkpoints import Checkpoints
from antiphon.storage.sqlite.connections import translated

GROUP_S = {Urgency.COMMAND: 0.008, Urgency.LOG: 0.008, Urgency.INGEST: 0.004}
"""A group takes no further work after this; with one work of 10 ms and the commit it stays below the 20 ms allowed."""
GROUP_WORKS = {Urgency.COMMAND: 512, Urgency.LOG: 64, Urgency.INGEST: 16}

Deliver = Callable[[Any, BaseException | None], None]
"""Gets (result, error) in the loop's thread. Must not raise."""


class Work:
    """A queued function with the way back to its caller."""

    __slots__ = ("deliver", "error", "function", "loop", "result")

    def __init__(self, function: Callable[[sqlite3.Connection], Any], loop: asyncio.AbstractEventLoop, deliver: Deliver) -> None:
        self.function = function
        self.loop = loop
        self.deliver = deliver
        self.result: Any = None
        self.error: BaseException | None = None


class Writer:
    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection = connection
        self._checkpoints = Checkpoints(path, connection)
        self._clock = clock
        self._queues: tuple[deque[Work], ...] = tuple(deque() for _ in Urgency)
        self._wake = threading.Condition()
        self._closing = False
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="antiphon-writer", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        return sum(len(queue) for queue in self._queues)

    def push(self, work: Work, urgency: Urgency) -> None:
        """From any thread. Raises ShuttingDown once closing began."""
        with self._wake:
            if self._closing:
                raise ShuttingDown("The store is closing; nothing can be written any more.")
            self._queues[urgency].append(work)
            self._wake.notify()

    def finish(self) -> None:
        """Blocks until everything queued is written and the thread has ended."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._checkpoints.close()

    def abandon(self) -> None:
        """Ends the thread as a crash would: the queue and the open transaction are dropped, nobody is answered."""
        with self._wake:
            self._closing = self._abandoned = True
            for queue in self._queues:
                queue.clear()
            self._wake.notify()
        self._thread.join()
        self._checkpoints.close()

    # --- the writer's thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not any(self._queues):
                    if self._closing:
                        return
                    self._wake.wait()
                urgency = next(urgency for urgency in Urgency if self._queues[urgency])
            group = self._write_group(urgency)
            self._answer(group)
            self._tidy()

    def _tidy(self) -> None:
        try:
            self._checkpoints.after_commit()
        except (sqlite3.Error, OSError):  # the log keeps everything; the next commit meets the trouble and tells its callers
            return

    def _pop(self, urgency: Urgency) -> Work | None:
        """The next of the class; None when it is empty or something more urgent waits."""
        with self._wake:
            for queue in self._queues[:urgency]:
                if queue:
                    return None
            queue = self._queues[urgency]
            return queue.popleft() if queue else None

    def _write_group(self, urgency: Urgency) -> list[Work]:
        group: list[Work] = []
        until = self._clock.monotonic() + GROUP_S[urgency]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            while len(group) < GROUP_WORKS[urgency] and (not group or self._clock.monotonic() < until):
                work = self._pop(urgency)
                if work is None:
                    break
                group.append(work)
                self._perform(work)
            if self._abandoned:
                self._connection.execute("ROLLBACK")
            else:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(group or self._take_one(urgency), error)
        return group

    def _take_one(self, urgency: Urgency) -> list[Work]:
        work = self._pop(urgency)
        return [work] if work is not None else []

    def _perform(self, work: Work) -> None:
        """Runs one work in its savepoint. Raises sqlite3.Error only when the group's transaction is lost."""
        connection = self._connection
        connection.execute("SAVEPOINT work")
        try:
            work.result = work.function(connection)
        except BaseException as error:  # noqa: BLE001 - it becomes the caller's error; the writer must outlive it
            work.error = RuntimeError(f"The work ended with {error!r}.") if isinstance(error, StopIteration) else error
        if not connection.in_transaction:
            # SQLite gave the whole transaction up (disk full), or the work ended it: its group mates are lost with it.
            if isinstance(work.error, sqlite3.Error):
                raise work.error
            raise sqlite3.ProgrammingError("A work must not end the writer's transaction.")
        if work.error is not None:
            connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")

    def _fail(self, group: list[Work], error: sqlite3.Error) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        for work in group:
            if work.error is None:
                trouble = translated(error)
                work.error = trouble if trouble is not error else _lost(error)

    def _answer(self, group: list[Work]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Work]] = {}
        for work in group:
            if work.error is not None:
                work.error = translated(work.error)
            by_loop.setdefault(work.loop, []).append(work)
        for loop, works in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._deliver, works)
            except RuntimeError:  # the loop was closed: nobody waits any more, and what was committed stays
                continue

    def _deliver(self, works: list[Work]) -> None:
        for work in works:
            if self._abandoned:
                return
            work.deliver(work.result, work.error)


def _lost(error: sqlite3.Error) -> Internal:
    trouble = Internal(f"The transaction this belonged to was lost, nothing was stored; try again ({error}).")
    trouble.__cause__ = error
    return trouble
