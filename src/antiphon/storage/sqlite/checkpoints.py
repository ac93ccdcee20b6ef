"""`Checkpoints`: folds the write-ahead log into the file beside the writer, so that no commit waits for it.

SQLite's own way does it inside the COMMIT that passes 1000 pages: with a busy ingestion that was p99 48 ms for a commit,
20 without. Here a thread of its own copies most of it while the writer goes on; the writer then copies the little that
came meanwhile, so that the log can start again from its beginning. Used by `Writer` only.
Tests: tests/unit/storage/test_database.py. Measured: docs/decisions/0002-one-writer.md.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from antiphon.storage.sqlite.connections import WAL_LIMIT_BYTES, connect_writer

PASSES = 4
FEW_PAGES = 500
"""Left over by a pass: little enough for the writer to finish at once (2 MiB, about 5 ms)."""


class Checkpoints:
    """The thread starts with the first log that grows too long: most short-lived databases never have one."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._connection = connection
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._running = False
        self._caught_up = False
        self._ending = False

    def after_commit(self) -> None:
        """In the writer's thread, outside a transaction. Costs 2 us unless there is something to finish."""
        if self._caught_up:
            self._caught_up = False
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._running = False
        elif not self._running and self._log.stat().st_size > WAL_LIMIT_BYTES:
            self._running = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="antiphon-checkpoints", daemon=True)
                self._thread.start()
            self._wake.set()

    def close(self) -> None:
        """Blocks until a running pass has ended."""
        self._ending = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        connection = connect_writer(self._path)
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._ending:
                break
            try:
                self._pass(connection)
            except sqlite3.Error:
                # A full or broken disk: the log keeps everything, the writer meets the same trouble and tells its callers.
                self._running = False
            else:
                self._caught_up = True
        connection.close()

    def _pass(self, connection: sqlite3.Connection) -> None:
        for _ in range(PASSES):
            _, pages, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if self._ending or pages - copied < FEW_PAGES:
                return
