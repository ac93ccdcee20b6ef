"""How connections to the one SQLite file are made, and what its errors mean to a caller.

For storage/sqlite and storage/backup only. Tests: tests/unit/storage/test_database.py.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from antiphon.core.errors import AntiphonError, Internal
from antiphon.storage.records.where import contains_folded, has_element

BUSY_TIMEOUT_MS = 5000
STATEMENTS = 512
"""Prepared statements kept by each connection; the records have about 100 shapes in use."""
WRITER_CACHE_KIB = 16_384
READER_CACHE_KIB = 4096
WAL_LIMIT_BYTES = 4 * 2**20
"""The write-ahead log is cut back to this when it starts again: a longer one is to be folded into the file."""

_REASONS: dict[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk reported an error; look at the system's log",
    sqlite3.SQLITE_READONLY: "the data folder can't be written; look at its permissions",
    sqlite3.SQLITE_CANTOPEN: "the database file can't be opened; look at the data folder and its permissions",
    sqlite3.SQLITE_BUSY: "another program holds the database; stop it and try again",
    sqlite3.SQLITE_LOCKED: "another program holds the database; stop it and try again",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged; restore a backup",
    sqlite3.SQLITE_NOTADB: "the database file is damaged or not a database; restore a backup",
}


def connect_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes. In autocommit mode: transactions are begun and ended by hand."""
    connection = _connect(path.absolute().as_uri() + "?mode=rwc")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # storage/sqlite/checkpoints.py does it
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that can't change anything. May be used by one thread at a time."""
    connection = _connect(path.absolute().as_uri() + "?mode=ro")
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS, timeout=BUSY_TIMEOUT_MS / 1000
    )
    connection.create_function("contains_folded", 2, contains_folded, deterministic=True)
    connection.create_function("has_element", 2, has_element, deterministic=True)
    return connection


def translated(error: BaseException) -> BaseException:
    """Trouble of disk and file becomes `Internal` (retryable) with a sentence; everything else stays what it is."""
    if not isinstance(error, sqlite3.Error):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    reason = _REASONS.get(code & 0xFF) if code is not None else None
    if reason is None:
        return error
    trouble: AntiphonError = Internal(f"The data could not be stored or read: {reason} ({error}).")
    trouble.__cause__ = error
    return trouble
