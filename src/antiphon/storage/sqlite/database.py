"""`Database`: one SQLite file with one writer and a few readers. All embedded backends stand on one of these.

`submit` returns when the work is durable (WAL, synchronous=FULL). Reads see one consistent state and everything whose
`submit` had returned. Works and reads run on other threads: they must not touch what belongs to the loop.
Subsystem: docs/decisions/0002-one-writer.md. Tests: tests/unit/storage/test_database.py,
tests/integration/test_database_crash.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from antiphon.core.errors import ShuttingDown
from antiphon.core.runtime import Runtime
from antiphon.storage.records.contract import Urgency
from antiphon.storage.sqlite.connections import connect_writer
from antiphon.storage.sqlite.readers import Readers
from antiphon.storage.sqlite.revisions import prepare_schema
from antiphon.storage.sqlite.writer import Work, Writer

T = TypeVar("T")
FILE_NAME = "antiphon.db"
"""The name inside a data folder."""


class Database:
    """`open` it, never construct it. One instance a file; who may open is settled by `storage.lock.FolderLock`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, runtime: Runtime) -> None:
        self.path = path
        self._connection = connection
        self._writer = Writer(path, connection, runtime.clock)
        self._readers = Readers(path)
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, runtime: Runtime) -> Database:
        """Blocks. Makes the file, or brings it to the present schema. Raises Unsupported for a newer schema's file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = connect_writer(path)
        try:
            prepare_schema(connection)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, runtime)

    @property
    def backlog(self) -> int:
        """Works that wait for the writer."""
        return self._writer.backlog

    async def submit(self, work: Callable[[sqlite3.Connection], T], urgency: Urgency = Urgency.COMMAND) -> T:
        """Runs `work` on the writer's thread in a transaction; its changes are durable on return, gone if it raises.

        Cancelling the caller does not cancel the work. Raises what the work raises; Internal (retryable) for a full or
        broken disk; ShuttingDown after `close`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def deliver(result: Any, error: BaseException | None) -> None:
            if future.done():  # the caller was cancelled
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self._writer.push(Work(work, loop, deliver), urgency)
        return await future

    def submit_nowait(
        self,
        work: Callable[[sqlite3.Connection], Any],
        urgency: Urgency,
        on_done: Callable[[BaseException | None], None],
    ) -> None:
        """As `submit`; `on_done` is called in the loop's thread, with None when the work is durable."""
        self._writer.push(Work(work, asyncio.get_running_loop(), lambda _, error: on_done(error)), urgency)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` on a reader's thread. A change inside raises Internal; after `close`: ShuttingDown."""
        if self._closed:
            raise ShuttingDown("The store is closed; nothing can be read any more.")
        return await self._readers.read(work)

    def read_inline(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` at once, in the loop's thread: for questions of microseconds only. May be nested."""
        return self._readers.read_inline(work)

    async def close(self) -> None:
        """Writes what is queued, then closes. Idempotent."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._finish)

    def _finish(self) -> None:
        self._writer.finish()
        self._readers.close()
        self._connection.close()  # the last to close: it folds the write-ahead log into the file

    def abandon(self) -> None:
        """As a crash, for tests: what is queued is dropped, nobody is answered; what was committed stays."""
        if self._closed:
            return
        self._closed = True
        self._writer.abandon()
        self._readers.close()
        self._connection.close()
