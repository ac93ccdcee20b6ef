"""Original files in memory: a public test double. Tests: tests/conformance/test_blobs.py."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from antiphon.storage.blobs.contract import StoredBlob
from antiphon.storage.blobs.limits import missing, too_large

STEP_BYTES = 65_536


class MemoryBlobStore:
    """See blobs.contract.BlobStore. `local_path` writes a temporary copy that lives as long as the store."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def put(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> StoredBlob:
        content = bytearray()
        async for chunk in chunks:
            content += chunk
            if 0 < max_bytes < len(content):
                raise too_large(max_bytes)
        sha256 = hashlib.sha256(content).hexdigest()
        self._blobs[sha256] = bytes(content)
        return StoredBlob(sha256=sha256, size_bytes=len(content))

    async def open(self, sha256: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        part = self._content(sha256)[start:end]
        for offset in range(0, len(part), STEP_BYTES):
            yield part[offset : offset + STEP_BYTES]

    async def size(self, sha256: str) -> int | None:
        content = self._blobs.get(sha256)
        return None if content is None else len(content)

    async def remove(self, sha256: str) -> bool:
        return self._blobs.pop(sha256, None) is not None

    async def list(self) -> list[str]:
        return sorted(self._blobs)

    def local_path(self, sha256: str) -> Path:
        content = self._content(sha256)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="antiphon-blobs-")
        path = Path(self._folder.name) / sha256
        path.write_bytes(content)
        return path

    async def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _content(self, sha256: str) -> bytes:
        content = self._blobs.get(sha256)
        if content is None:
            raise missing(sha256)
        return content
