"""The parser pool with its real nursery: what it gives back, and that several tasks run beside each other."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from antiphon.config.settings import Settings
from antiphon.core.errors import BadRequest, Unsupported
from antiphon.core.runtime import system_runtime
from antiphon.ingest.chunker import ChunkRules
from antiphon.ingest.guard import NICENESS, active_guards
from antiphon.ingest.worker import ParserPool
from antiphon.sample.documents import sample_documents

ENGLISH, CHINESE, GUIDE, *_ = sample_documents()


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[ParserPool]:
    pool = ParserPool(Settings(data_dir=tmp_path), system_runtime())
    pool.start()
    yield pool
    await pool.close()


async def test_places_of_a_parsed_document_have_rectangles(pool: ParserPool) -> None:
    told: list[tuple[int, int]] = []
    for path, words in [(ENGLISH, "28 days of paid annual leave"), (CHINESE, "七天带薪年休假")]:
        parsed = await pool.parse(path, path.name, on_progress=lambda done, total: told.append((done, total)))
        page = next(page for page in parsed.pages if words in page.text)
        start = page.text.index(words)
        located = await pool.rectangles(path, page.number, start, start + len(words))
        assert (located.page, located.width, located.height) == (page.number, page.width_pt, page.height_pt)
        assert len(located.rects) == 1
        x0, y0, x1, y1 = located.rects[0]
        assert 0 < x0 < x1 < located.width
        assert 5 < y1 - y0 < 20
    assert told[-1] == (10, 10)


async def test_a_page_image_is_a_picture_of_the_page(pool: ParserPool) -> None:
    with Image.open(io.BytesIO(await pool.page_image(ENGLISH, 2, 300))) as image:
        assert (image.format, image.width) == ("PNG", 300)
        assert len(image.convert("L").getcolors() or []) > 10  # not a blank page
    with pytest.raises(BadRequest, match="no page 99"):
        await pool.page_image(ENGLISH, 99, 300)
    with pytest.raises(Unsupported):
        await pool.rectangles(GUIDE, 1, 0, 1)


async def test_chunks_come_with_tokens_and_can_be_continued(pool: ParserPool) -> None:
    parsed = await pool.parse(GUIDE, GUIDE.name)

    async def cut(skip: int) -> list[tuple[int, str, str]]:
        async with pool.chunks(parsed, ChunkRules(characters=300), title=parsed.title, skip=skip) as batches:
            return [(draft.ordinal, draft.text, draft.tokens) async for batch in batches for draft in batch]

    every = await cut(0)
    assert len(every) > 5
    assert await cut(3) == every[3:]
    assert all("fm" in tokens.rpartition("\n")[2].split() for _, _, tokens in every)


async def test_tasks_run_beside_each_other(pool: ParserPool) -> None:
    parsed = await asyncio.gather(*(pool.parse(path, path.name) for path in sample_documents() * 3))
    assert [len(document.pages) for document in parsed[:3]] == [11, 10, 1]
    assert parsed[:6] == parsed[6:12] == parsed[12:]


def test_the_guards_are_told() -> None:
    assert active_guards()["own_process"]
    assert NICENESS == 10
