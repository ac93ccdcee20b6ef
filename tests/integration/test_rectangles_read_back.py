"""Rectangles of 200 random passages of more than 20 PDFs (columns, rotated, Chinese): the text read back inside them is the passage.

Needs ../shared/data/docs. Only characters that are mended (hyphens, ligatures, spaces) are not compared.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import system_runtime
from antiphon.ingest.chunker import ChunkRules
from antiphon.ingest.document import ChunkDraft
from antiphon.ingest.worker import ParserPool
from antiphon.testing.read_back import comparable, read_back

DOCS = Path(__file__).resolve().parents[3] / "shared" / "data" / "docs"
KINDS = ("pdf_columns", "pdf_rotated", "pdf_cjk", "pdf_tables")
PASSAGES = 200
SEED = 20


async def passages_of(pool: ParserPool, path: Path) -> list[ChunkDraft]:
    try:
        parsed = await pool.parse(path, path.name)
    except AntiphonError:
        return []
    if any(page.recognised for page in parsed.pages):
        return []  # read off pictures: the words' boxes are kept, the file has none
    async with pool.chunks(parsed, ChunkRules(characters=500), title="") as batches:
        return [draft async for batch in batches for draft in batch]


async def test_the_text_inside_the_rectangles_of_a_passage_is_the_passage(tmp_path: Path) -> None:
    if not DOCS.exists():
        pytest.skip(f"no documents at {DOCS}")
    chance = random.Random(SEED)
    pool = ParserPool(Settings(data_dir=tmp_path), system_runtime())
    pool.start()
    good: Counter[Path] = Counter()
    chosen: Counter[Path] = Counter()
    try:
        found = {path: await passages_of(pool, path) for kind in KINDS for path in sorted((DOCS / kind).glob("*.pdf"))}
        # a few of each document, then at random among all: a long one must not be most of them
        each = [(path, draft) for path, drafts in found.items() for draft in chance.sample(drafts, min(len(drafts), 4))]
        taken = {(path, draft.ordinal) for path, draft in each}
        rest = [(path, draft) for path, drafts in found.items() for draft in drafts if (path, draft.ordinal) not in taken]
        sample = chance.sample(each, min(len(each), PASSAGES))
        sample += chance.sample(rest, PASSAGES - len(sample))
        for path, draft in sample:
            assert draft.page is not None
            located = await pool.rectangles(path, draft.page, draft.start, draft.end)
            chosen[path] += 1
            wanted, got = comparable(draft.text), comparable(read_back(path, draft.page, located.rects))
            if wanted == got:
                good[path] += 1
            else:
                print(path.name, draft.page, (draft.start, draft.end), "missing", dict(wanted - got), "extra", dict(got - wanted))
    finally:
        await pool.close()
    print(f"\n{good.total()} of {chosen.total()} passages of {len(chosen)} documents read back exactly")
    assert chosen.total() == PASSAGES
    assert len(chosen) >= 20
    assert good.total() >= 0.98 * PASSAGES
