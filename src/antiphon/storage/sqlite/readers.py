"""`Readers`: a few threads, each reading with a connection of its own. Used by `Database` only.

Tests: tests/unit/storage/test_database.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from antiphon.storage.sqlite.connections import connect_reader, translated

T = TypeVar("T")
THREADS = 3


class Readers:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="antiphon-reader")
        self._mine = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._inline = connect_reader(path)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, work)

    def read_inline(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return consistent(self._inline, work)

    def close(self) -> None:
        """Blocks until the running reads have ended; queued ones are cancelled."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for connection in (*self._connections, self._inline):
            connection.close()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = connect_reader(self._path)
            self._mine.connection = connection
            self._connections.append(connection)
        return consistent(connection, work)


def consistent(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Runs `work` in one read transaction (inside the present one when nested)."""
    if connection.in_transaction:
        return work(connection)
    try:
        connection.execute("BEGIN")
        return work(connection)
    except sqlite3.Error as error:
        raise translated(error) from None
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
