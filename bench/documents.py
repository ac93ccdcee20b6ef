"""Parsing in figures: every PDF of a folder through the pool, pages per second, rectangles read back; time
to searchable, many small files, and what waits for what.

python bench/documents.py /path/to/data/docs [--mkpdf /path/to/bench/mkpdf.py] [--news /path/to/passages.jsonl] [--only-rooms]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from antiphon.config.settings import Ingest, Settings
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import system_runtime
from antiphon.ingest.chunker import ChunkRules
from antiphon.ingest.worker import ParserPool
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.ingest_house import WORKSPACE, IngestHouse, person
from antiphon.testing.read_back import comparable, read_back


async def check_rectangles(pool: ParserPool, files: list[Path], passages: int) -> None:
    rng = random.Random(11)
    candidates: list[tuple[Path, int, Any]] = []
    for path in files:
        try:
            parsed = await pool.parse(path, path.name)
        except AntiphonError:
            continue
        async with pool.chunks(parsed, ChunkRules(characters=500), title="") as batches:
            mine = [(path, draft.page, draft) async for batch in batches for draft in batch]
        candidates += rng.sample(mine, min(len(mine), max(3, passages // len(files) + 2)))
    chosen = rng.sample(candidates, min(passages, len(candidates)))
    good, took = 0, []
    for path, page, draft in chosen:
        start = time.perf_counter()
        located = await pool.rectangles(path, page, draft.start, draft.end)
        took.append((time.perf_counter() - start) * 1000)
        wanted, got = comparable(draft.text), comparable(read_back(path, page, located.rects))
        if wanted == got:
            good += 1
        else:
            print(
                "  differs:",
                path.name,
                page,
                (draft.start, draft.end),
                "missing",
                dict(wanted - got),
                "extra",
                dict(got - wanted),
            )
    took.sort()
    print(f"rectangles: {good} of {len(chosen)} passages read back exactly; {took[len(took) // 2]:.1f} ms median")


async def run_all(pool: ParserPool, files: list[Path]) -> None:
    outcomes: Counter[str] = Counter()
    pages, start, slowest = 0, time.perf_counter(), (0.0, "")
    for path in files:
        began = time.perf_counter()
        try:
            parsed = await pool.parse(path, path.name)
            pages += len(parsed.pages)
            outcomes["ready"] += 1
        except AntiphonError as error:
            outcomes[str(error.data.get("reason") or error.code)] += 1
        slowest = max(slowest, (time.perf_counter() - began, path.name))
    took = time.perf_counter() - start
    print(f"{len(files)} files, {pages} pages in {took:.2f} s ({pages / took:.0f} pages/s, one at a time): {dict(outcomes)}")
    print(f"  slowest: {slowest[1]} {slowest[0]:.2f} s")


class LagWatch:
    """The longest time the event loop did not come round, in ms."""

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            self.worst_ms = max(self.worst_ms, (time.perf_counter() - began - 0.005) * 1000)

    def end(self) -> float:
        self._task.cancel()
        return self.worst_ms


async def time_to_searchable(house: IngestHouse, path: Path) -> None:
    """From the moment the row is committed (the 202) to the first and to the last searchable page."""
    content = path.read_bytes()
    watch = LagWatch()
    document_id = (await house.upload(content, path.name)).row.id
    start, first = time.perf_counter(), 0.0
    while (row := await house.row(document_id)) is not None and row.state not in {"ready", "failed"}:
        if row.searchable and not first:
            first = time.perf_counter() - start
        await asyncio.sleep(0.005)
    ready = time.perf_counter() - start
    assert row is not None
    found = await house.search("access code of vault217")
    right = bool(found) and "217" in found[0].text
    print(
        f"{row.pages} pages: first searchable {first:.2f} s, all {ready:.2f} s, {row.passages} passages, state {row.state}, "
        f"loop lag <= {watch.end():.0f} ms, the question finds its page: {right}"
    )


async def many_small(house: IngestHouse, passages: Path) -> None:
    """Every passage as a file of its own, sent in requests of 50 as `antiphon ingest` does."""
    texts = [json.loads(line) for line in passages.read_text().splitlines()]
    watch, start = LagWatch(), time.perf_counter()
    ids: list[str] = []
    for first in range(0, len(texts), 50):
        uploads = [
            await house.put(text["text"].encode(), f"{text['doc_id']}.txt", f"news/{text['doc_id']}.txt")
            for text in texts[first : first + 50]
        ]
        ids += [entry.row.id for entry in await house.library.add(person(), EVERYTHING, WORKSPACE, uploads)]
    sent = time.perf_counter() - start
    await house.settled()
    took = time.perf_counter() - start
    states = Counter([(row := await house.row(document_id)) and row.state for document_id in ids])
    print(
        f"{len(texts)} small files: sent in {sent:.1f} s, all indexed after {took:.1f} s, {dict(states)}, lag <= {watch.end():.0f} ms"
    )


async def beside_large_ones(house: IngestHouse) -> None:
    """How long a small file, and another user's large one, wait while one user's large files take all places."""
    large = "\n\n".join(f"Paragraph {n} tells about the number {n * 7}. It is long enough." for n in range(60_000))
    for number in range(4):
        await house.upload(f"{number}. {large}".encode(), f"large {number}.txt", user="ada")
    await asyncio.sleep(0.3)
    start = time.perf_counter()
    small = await house.upload(b"A heron stands in the reeds.", "small.txt", user="ada")
    await house.until(small.row.id, "ready")
    print(f"beside four large files: a small one of the same user is ready after {time.perf_counter() - start:.2f} s")
    start = time.perf_counter()
    other = await house.upload(large.encode(), "bo.txt", user="bo")
    await house.until(other.row.id, "parsing", "indexing", "ready")
    print(f"beside four large files: another user's large one begins after {time.perf_counter() - start:.2f} s")
    await house.settled()


async def rooms(given: argparse.Namespace, book: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with IngestHouse.open(Path(folder), Ingest()) as house:
            await house.until((await house.upload(b"The nursery is loaded, as in a running server.", "warm.txt")).row.id, "ready")
            if book is not None:
                await time_to_searchable(house, book)
            if given.news is not None:
                await many_small(house, given.news)
            await beside_large_ones(house)


async def run(given: argparse.Namespace) -> None:
    pool = ParserPool(Settings(data_dir=Path()), system_runtime())
    pool.start()
    if not given.only_rooms:
        await run_all(pool, sorted(given.docs.glob("pdf_*/*.pdf")))
        kinds = ("pdf_columns", "pdf_rotated", "pdf_cjk")
        await check_rectangles(pool, [path for kind in kinds for path in sorted((given.docs / kind).glob("*.pdf"))], 200)
    if given.mkpdf is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "300.pdf"
            subprocess.run([sys.executable, str(given.mkpdf), str(path), "300"], check=True)
            await rooms(given, path)
    else:
        await rooms(given, None)
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("docs", type=Path)
    parser.add_argument("--mkpdf", type=Path)
    parser.add_argument("--news", type=Path, help="passages.jsonl: each becomes a file")
    parser.add_argument("--only-rooms", action="store_true", help="leave out the folder of documents")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
