"""storage/blobs/files.py: what is particular to a folder; the rest is in the conformance suite."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.storage.blobs.files import FileBlobStore
from antiphon.testing.conformance.blobs import parts


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_places(tmp_path: Path) -> None:
    store = FileBlobStore.at(tmp_path / "blobs")
    await store.put(parts(b"x"), max_bytes=0)
    name = hashlib.sha256(b"x").hexdigest()
    assert files(tmp_path) == [f"blobs/{name[:2]}/{name[2:]}"]
    assert store.local_path(name) == tmp_path / "blobs" / name[:2] / name[2:]


async def test_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    store = FileBlobStore.at(tmp_path)
    kept = await store.put(parts(b"x"), max_bytes=0)
    (tmp_path / ".incoming-abc").write_bytes(b"half")
    again = FileBlobStore.at(tmp_path)
    assert await again.list() == [kept.sha256]
    assert len(files(tmp_path)) == 1


async def test_a_cancelled_upload_leaves_nothing(tmp_path: Path) -> None:
    store = FileBlobStore.at(tmp_path)
    started = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x" * 3_000_000
        started.set()
        await asyncio.Event().wait()

    upload = asyncio.ensure_future(store.put(stalled(), max_bytes=0))
    await asyncio.wait_for(started.wait(), 10)
    assert len(files(tmp_path)) == 1
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert files(tmp_path) == []
