"""`BlobStore`: contract for original files. Backends: memory.py, files.py (a folder).

Content-addressed by sha256; the count of references lives with the records (a document row refers to its sha256), so a
blob may only be removed by the job that saw no row referring to it. Conformance: antiphon.testing.conformance.blobs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct


class StoredBlob(Struct, frozen=True, kw_only=True):
    sha256: str
    size_bytes: int


class BlobStore(Protocol):
    async def put(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> StoredBlob:
        """Streams the content in; durable (fsync of file and folder) when it returns. The same content twice is one
        blob. Raises TooLarge beyond `max_bytes` (0: no limit) and leaves nothing behind then."""
        ...

    def open(self, sha256: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes [start, end). Raises NotFound at the first step when there is no such blob."""
        ...

    async def size(self, sha256: str) -> int | None:
        """In bytes; None when there is no such blob."""
        ...

    async def remove(self, sha256: str) -> bool: ...

    async def list(self) -> list[str]:
        """All sha256, for `doctor --storage`."""
        ...

    def local_path(self, sha256: str) -> Path:
        """A file with the content, for parsers in other processes (read only). Raises NotFound."""
        ...
