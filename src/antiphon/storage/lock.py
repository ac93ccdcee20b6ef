"""`FolderLock`: one owner process a data folder. A flock held for life; server.json only says whom to talk to.

A pid is never trusted: after kill -9 the file stays and the pid may be anybody's, but the kernel has freed the lock.
Take it after the forkserver of the parsers was started: a forked child would hold the lock on.
Called by the composition root and the command line. Tests: tests/unit/storage/test_lock.py.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from antiphon.core.errors import FolderInUse

LOCK_NAME = "antiphon.lock"
SERVER_NAME = "server.json"
TRIES = 10
TRY_EVERY_S = 0.02
"""Another command's look (`running_server`) holds the lock for an instant: a start tries for 0.2 s before it refuses."""


class ServerInfo(Struct, frozen=True, kw_only=True):
    """What server.json says."""

    pid: int
    url: str
    version: str
    token: str | None = None
    """For commands on this machine; the file's mode keeps it the owner's."""


class FolderLock:
    """`acquire` it, never construct it. Freed by `release`, or by the kernel when the process ends, however it ends."""

    def __init__(self, data_dir: Path, handle: int) -> None:
        self._data_dir = data_dir
        self._handle: int | None = handle

    @classmethod
    def acquire(cls, data_dir: Path) -> FolderLock:
        """Makes the folder (mode 700) when missing. Raises FolderInUse, naming pid and address."""
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(handle, tries=TRIES):
            os.close(handle)
            raise FolderInUse(_in_use(data_dir))
        (data_dir / SERVER_NAME).unlink(missing_ok=True)  # of an owner that was killed
        return cls(data_dir, handle)

    def announce(self, info: ServerInfo) -> None:
        """Writes server.json (mode 600), once the server listens."""
        fresh = self._data_dir / f"{SERVER_NAME}.new"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(info))
        fresh.replace(self._data_dir / SERVER_NAME)

    def release(self) -> None:
        """Idempotent."""
        if self._handle is None:
            return
        (self._data_dir / SERVER_NAME).unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def running_server(data_dir: Path) -> ServerInfo | None:
    """Who serves the folder now. None: nobody does, or the owner does not listen (yet)."""
    try:
        handle = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(handle, tries=1) else _announced(data_dir)
    finally:
        os.close(handle)


def _locked(handle: int, *, tries: int) -> bool:
    for attempt in range(tries):
        if attempt:
            threading.Event().wait(TRY_EVERY_S)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False


def _announced(data_dir: Path) -> ServerInfo | None:
    try:
        return msgspec.json.decode((data_dir / SERVER_NAME).read_bytes(), type=ServerInfo)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _in_use(data_dir: Path) -> str:
    info = _announced(data_dir)
    who = f"by process {info.pid} at {info.url}" if info is not None else "by another Antiphon process that is not listening yet"
    return f"The data folder {str(data_dir)!r} is in use {who}; stop it, or give another folder with --data-dir."
