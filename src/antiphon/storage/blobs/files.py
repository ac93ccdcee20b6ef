"""Original files in a folder: `{folder}/ab/cdef…`, the sha256 cut after two characters.

A blob is there whole or not at all: it is written to a temporary file beside the others, synced, renamed, and the
folder synced. What a crash left half written is removed at the next `at`. File work runs on threads.
Tests: tests/conformance/test_blobs.py, tests/unit/storage/test_blob_files.py.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from anyio import to_thread

from antiphon.storage.blobs.contract import StoredBlob
from antiphon.storage.blobs.limits import missing, too_large

WRITE_BYTES = 2**20
"""Gathered before a thread writes it: one change of thread a MiB."""
READ_BYTES = 2**18
_INCOMING = ".incoming-"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileBlobStore:
    """See blobs.contract.BlobStore. `at` makes one; one instance a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()  # `local_path` is opened by processes that work elsewhere

    @classmethod
    def at(cls, folder: Path) -> FileBlobStore:
        """Blocks. Makes the folder when missing and removes what a crash left half written."""
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_INCOMING}*"):
            left.unlink()
        return cls(folder)

    async def put(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> StoredBlob:
        incoming = await to_thread.run_sync(_Incoming, self._folder)
        try:
            pending = bytearray()
            async for chunk in chunks:
                pending += chunk
                if 0 < max_bytes < incoming.size_bytes + len(pending):
                    raise too_large(max_bytes)
                if len(pending) >= WRITE_BYTES:
                    await to_thread.run_sync(incoming.write, bytes(pending))
                    pending.clear()
            return await to_thread.run_sync(incoming.finish, bytes(pending), self._folder)
        finally:
            incoming.discard()

    async def open(self, sha256: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        file = await to_thread.run_sync(self._opened, sha256, start)
        try:
            position = start
            while end is None or position < end:
                wanted = READ_BYTES if end is None else min(READ_BYTES, end - position)
                part = await to_thread.run_sync(file.read, wanted)
                if not part:
                    return
                position += len(part)
                yield part
        finally:
            file.close()

    async def size(self, sha256: str) -> int | None:
        return await to_thread.run_sync(self._size, sha256)

    async def remove(self, sha256: str) -> bool:
        return await to_thread.run_sync(self._remove, sha256)

    async def list(self) -> list[str]:
        return await to_thread.run_sync(self._list)

    def local_path(self, sha256: str) -> Path:
        path = blob_path(self._folder, sha256)
        if path is None or not path.is_file():
            raise missing(sha256)
        return path

    # --- on threads ---------------------------------------------------------------------------------------------------

    def _opened(self, sha256: str, start: int) -> BinaryIO:
        path = blob_path(self._folder, sha256)
        if path is None:
            raise missing(sha256)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise missing(sha256) from None
        file.seek(start)
        return file

    def _size(self, sha256: str) -> int | None:
        path = blob_path(self._folder, sha256)
        try:
            return path.stat().st_size if path is not None else None
        except FileNotFoundError:
            return None

    def _remove(self, sha256: str) -> bool:
        path = blob_path(self._folder, sha256)
        if path is None:
            return False
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync_folder(path.parent)
        return True

    def _list(self) -> list[str]:
        names = (path.parent.name + path.name for path in self._folder.glob("??/*"))
        return sorted(name for name in names if _SHA256.fullmatch(name))


class _Incoming:
    """A blob on its way in. All but `discard` block on the disk."""

    def __init__(self, folder: Path) -> None:
        handle, name = tempfile.mkstemp(prefix=_INCOMING, dir=folder)
        self._path = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._sha256 = hashlib.sha256()
        self.size_bytes = 0

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._sha256.update(content)
        self.size_bytes += len(content)

    def finish(self, rest: bytes, folder: Path) -> StoredBlob:
        self.write(rest)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        sha256 = self._sha256.hexdigest()
        target = folder / sha256[:2] / sha256[2:]
        if not target.parent.is_dir():
            target.parent.mkdir(exist_ok=True)
            sync_folder(folder)
        self._path.replace(target)
        sync_folder(target.parent)
        return StoredBlob(sha256=sha256, size_bytes=self.size_bytes)

    def discard(self) -> None:
        """Nothing is left behind when it did not finish."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def blob_path(folder: Path, sha256: str) -> Path | None:
    """None for what is no sha256: nothing a caller sends leads out of the folder."""
    return folder / sha256[:2] / sha256[2:] if _SHA256.fullmatch(sha256) else None


def sync_folder(folder: Path) -> None:
    """Makes names in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
