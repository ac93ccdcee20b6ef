"""`BlobGate`: keeps the removal of a blob apart from uploads that may be about to refer to it.

An upload of content that is there already writes nothing and only later commits its row; a removal that looked for rows in
between would take the blob away from under it. Uploads hold the gate from before `BlobStore.put` until their row is
committed; a removal runs only while none does. Tests: tests/unit/ingest/test_blob_gate.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class BlobGate:
    """One per process; loop-thread only."""

    def __init__(self) -> None:
        self._uploads = 0
        self._removing = asyncio.Lock()

    @asynccontextmanager
    async def uploading(self) -> AsyncGenerator[None]:
        """Waits while a removal is looking (milliseconds)."""
        async with self._removing:
            self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    @asynccontextmanager
    async def removing(self) -> AsyncGenerator[bool]:
        """Gives False at once when an upload is under way: try again later."""
        async with self._removing:
            yield self._uploads == 0
