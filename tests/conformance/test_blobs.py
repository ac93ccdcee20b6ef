"""The blob suite over every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.storage.blobs.files import FileBlobStore
from antiphon.storage.blobs.memory import MemoryBlobStore
from antiphon.testing.conformance.blobs import BlobStoreSuite


class TestMemoryBlobStore(BlobStoreSuite):
    @pytest.fixture
    async def blobs(self) -> AsyncIterator[MemoryBlobStore]:
        store = MemoryBlobStore()
        yield store
        await store.close()


class TestFileBlobStore(BlobStoreSuite):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> FileBlobStore:
        return FileBlobStore.at(tmp_path / "blobs")
