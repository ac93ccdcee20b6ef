"""The suite of `BlobStore`. Subclass it with a fixture `blobs` that yields an empty one.

Users: tests/conformance/test_blobs.py.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from antiphon.core.errors import NotFound, TooLarge
from antiphon.storage.blobs.contract import BlobStore

LARGE = bytes(range(256)) * 4096 * 5  # 5 MiB: several steps of every backend


class PlannedFailure(Exception):
    """Raised in the middle of an upload by these tests."""


async def parts(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for offset in range(0, len(content), size):
        yield content[offset : offset + size]


async def gathered(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


class BlobStoreSuite:
    """The whole contract."""

    @pytest.mark.parametrize("content", [b"", b"x", LARGE], ids=["empty", "small", "large"])
    async def test_content_comes_back(self, blobs: BlobStore, content: bytes) -> None:
        stored = await blobs.put(parts(content), max_bytes=0)
        assert stored.sha256 == hashlib.sha256(content).hexdigest()
        assert stored.size_bytes == len(content)
        assert await gathered(blobs.open(stored.sha256)) == content
        assert await blobs.size(stored.sha256) == len(content)
        assert blobs.local_path(stored.sha256).read_bytes() == content

    @pytest.mark.parametrize(("start", "end"), [(0, 1), (5, 5), (3, None), (1_000_000, 3_000_000), (10**7, None), (0, 10**8)])
    async def test_ranges(self, blobs: BlobStore, start: int, end: int | None) -> None:
        stored = await blobs.put(parts(LARGE), max_bytes=0)
        assert await gathered(blobs.open(stored.sha256, start=start, end=end)) == LARGE[start:end]

    async def test_the_same_content_is_one_blob(self, blobs: BlobStore) -> None:
        first, *others = await asyncio.gather(*(blobs.put(parts(b"same", n), max_bytes=0) for n in (1, 2, 3)))
        assert all(other == first for other in others)
        assert await blobs.list() == [first.sha256]
        assert await blobs.remove(first.sha256)
        assert await blobs.size(first.sha256) is None

    async def test_the_limit_is_exact_and_leaves_nothing(self, blobs: BlobStore) -> None:
        await blobs.put(parts(b"12345"), max_bytes=5)
        with pytest.raises(TooLarge):
            await blobs.put(parts(b"123456"), max_bytes=5)
        assert await blobs.list() == [hashlib.sha256(b"12345").hexdigest()]

    async def test_the_limit_ends_the_upload_at_once(self, blobs: BlobStore) -> None:
        taken = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal taken
            while True:
                taken += 1
                yield b"x" * 1000

        with pytest.raises(TooLarge):
            await blobs.put(endless(), max_bytes=10_000)
        assert taken == 11

    async def test_a_broken_upload_leaves_nothing(self, blobs: BlobStore) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield LARGE
            raise PlannedFailure

        with pytest.raises(PlannedFailure):
            await blobs.put(broken(), max_bytes=0)
        assert await blobs.list() == []

    async def test_what_is_missing(self, blobs: BlobStore) -> None:
        for sha256 in ("0" * 64, "", "../../etc/passwd", "A" * 64):
            with pytest.raises(NotFound):
                await gathered(blobs.open(sha256))
            with pytest.raises(NotFound):
                blobs.local_path(sha256)
            assert await blobs.size(sha256) is None
            assert not await blobs.remove(sha256)

    async def test_list_and_remove(self, blobs: BlobStore) -> None:
        stored = [(await blobs.put(parts(content), max_bytes=0)).sha256 for content in (b"a", b"b", b"c")]
        assert await blobs.list() == sorted(stored)
        assert await blobs.remove(stored[0])
        assert not await blobs.remove(stored[0])
        assert await blobs.list() == sorted(stored[1:])
