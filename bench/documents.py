"""Parsing in figures: every PDF of a folder through the pool, pages per second, time to searchable, rectangles read back.

python bench/documents.py /path/to/data/docs [--mkpdf /path/to/bench/mkpdf.py]
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from antiphon.access.scope import system_scope
from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import system_runtime
from antiphon.ingest.chunker import ChunkRules
from antiphon.ingest.worker import ParserPool
from antiphon.ingest.workers import IngestWorkers
from antiphon.retrieve.lexical import LexicalRetriever
from antiphon.storage.blobs.files import FileBlobStore
from antiphon.storage.jobs.contract import Job
from antiphon.storage.jobs.sqlite import SqliteJobQueue
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.rows import DOCUMENTS, DocumentRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database

EVERYTHING = system_scope("bench")


def read_back(path: Path, page_number: int, rects: list[list[float]]) -> str:
    """The characters whose middle lies in one of the rectangles, in pdfium's order, white space left out.

    Independent of the product: pdfium itself turns each character's box into display coordinates."""
    document = pypdfium2.PdfDocument(path)
    page = document[page_number - 1]
    width, height = page.get_size()
    text_page = page.get_textpage()
    scale = 100
    found: list[str] = []
    box = [ctypes.c_double() for _ in range(4)]
    for index in range(text_page.count_chars()):
        code = pdfium.FPDFText_GetUnicode(text_page, index)
        if not pdfium.FPDFText_GetCharBox(text_page, index, *(ctypes.byref(number) for number in box)):
            continue
        x, y = ctypes.c_int(), ctypes.c_int()
        middle = (box[0].value + box[1].value) / 2, (box[2].value + box[3].value) / 2
        if box[1].value <= box[0].value or box[3].value <= box[2].value:
            continue
        pdfium.FPDF_PageToDevice(
            page, 0, 0, int(width * scale), int(height * scale), 0, *middle, ctypes.byref(x), ctypes.byref(y)
        )  # fmt: skip
        at = x.value / scale, y.value / scale
        if any(x0 <= at[0] <= x1 and y0 <= at[1] <= y1 for x0, y0, x1, y1 in rects):
            found.append(chr(code))
    return "".join(found)


def comparable(text: str) -> Counter[str]:
    """Which characters, how often: the mended ones (hyphens, ligatures, spaces, controls) left out."""
    for ligature, letters in zip("ﬀﬁﬂﬃﬄ", ("ff", "fi", "fl", "ffi", "ffl"), strict=True):
        text = text.replace(ligature, letters)
    return Counter(c for c in text if c.isprintable() and not c.isspace() and c not in "-\u00ad\u2010")


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


async def time_to_searchable(folder: Path, path: Path) -> None:
    runtime = system_runtime()
    settings = Settings(data_dir=folder)
    pool = ParserPool(settings, runtime)
    pool.start()
    store = SqliteStore(Database.open(folder / "antiphon.db", runtime=runtime))
    jobs = SqliteJobQueue(store, runtime=runtime)
    blobs, index = FileBlobStore.at(folder / "blobs"), SqliteLexicalIndex()
    workers = IngestWorkers(
        store=store, jobs=jobs, blobs=blobs, index=index, pool=pool, settings=settings, runtime=runtime,
        on_event=lambda _workspace, _event: None,
    )  # fmt: skip
    await workers.start()
    await pool.parse(path, path.name)  # the nursery is loaded, as in a running server

    async def pieces() -> AsyncIterator[bytes]:
        yield path.read_bytes()

    start = time.perf_counter()
    blob = await blobs.put(pieces(), max_bytes=0)

    def add(tx: Any) -> None:
        tx.insert(
            DOCUMENTS,
            DocumentRow(id="doc_1", workspace_id="ws_1", name=path.name, sha256=blob.sha256, created_at=0.0, updated_at=0.0),
        )
        jobs.enqueue(tx, Job(id="job_1", kind="ingest", user_id="u", workspace_id="ws_1", subject="doc_1"))

    await store.write(add)
    first, worst_lag, last_tick = 0.0, 0.0, time.perf_counter()
    while True:
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        worst_lag, last_tick = max(worst_lag, now - last_tick - 0.005), now
        row = await store.read(lambda tx: tx.get(DOCUMENTS, EVERYTHING, "doc_1"))
        assert row is not None
        if row.searchable and not first:
            first = now - start
        if row.state in {"ready", "failed"}:
            break
    ready = time.perf_counter() - start
    found = await LexicalRetriever(store, index, runtime).retrieve(EVERYTHING, ["ws_1"], "access code of vault217", k=3)
    right = bool(found.passages) and "217" in found.passages[0].text
    print(
        f"{row.pages} pages: first searchable {first:.2f} s, all {ready:.2f} s, {row.passages} passages, state {row.state}, "
        f"loop lag <= {worst_lag * 1000:.0f} ms, the question finds its page: {right}"
    )
    await workers.close()
    await pool.close()
    await store.close()


async def run(given: argparse.Namespace) -> None:
    pool = ParserPool(Settings(data_dir=Path()), system_runtime())
    pool.start()
    await run_all(pool, sorted(given.docs.glob("pdf_*/*.pdf")))
    kinds = ("pdf_columns", "pdf_rotated", "pdf_cjk")
    await check_rectangles(pool, [path for kind in kinds for path in sorted((given.docs / kind).glob("*.pdf"))], 100)
    if given.mkpdf is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "300.pdf"
            subprocess.run([sys.executable, str(given.mkpdf), str(path), "300"], check=True)
            start = time.perf_counter()
            parsed = await pool.parse(path, path.name)
            took = time.perf_counter() - start
            print(f"300 pages parsed in {took:.2f} s ({len(parsed.pages) / took:.0f} pages/s)")
            await time_to_searchable(Path(folder), path)
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("docs", type=Path)
    parser.add_argument("--mkpdf", type=Path)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
