"""Containers made to hurt, through the real parser pool: refused quickly, and the server does not notice (security C2, C3, C4)."""

from __future__ import annotations

import asyncio
import http.server
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import system_runtime
from antiphon.ingest.worker import ParserPool
from antiphon.testing.bombs import (
    MIB,
    TYPES,
    archive_in_document,
    laughing_document,
    long_document,
    lying_workbook,
    many_rows,
    many_tags,
    overlapping_document,
    pdf_that_loops,
    pdf_with_object_stream_bomb,
    pdf_with_stream_bomb,
    pdf_with_vast_picture,
    vast_png,
    wide_table,
    zip_in_zip,
)
from antiphon.testing.office_files import RawZip, paragraph, word_parts, write_parts


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[ParserPool]:
    pool = ParserPool(Settings(data_dir=tmp_path), system_runtime())
    pool.start()
    yield pool
    await pool.close()


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (long_document, {"archive_bomb"}),
        (lying_workbook, {"archive_bomb"}),
        (overlapping_document, {"archive_bomb"}),
        (zip_in_zip, {"nested_archive"}),
        (archive_in_document, {"archive_bomb"}),
        (laughing_document, {"unsafe_markup"}),
        (many_tags, {None}),
        (vast_png, {None}),
        (pdf_with_stream_bomb, {None, "no_text", "unreadable", "crashed"}),
        (pdf_with_object_stream_bomb, {None, "no_text", "unreadable", "crashed"}),
        (pdf_with_vast_picture, {None, "no_text", "unreadable", "crashed"}),
        (pdf_that_loops, {None, "no_text", "unreadable", "crashed"}),
    ],
)
async def test_c2_c3_c4_c5_bombs_are_refused_within_five_seconds_and_64_mib(
    pool: ParserPool, tmp_path: Path, make: Callable[[Path], None], reasons: set[str | None]
) -> None:
    path = tmp_path / "bomb"
    await asyncio.to_thread(make, path)
    fine = write_parts(tmp_path / "fine", word_parts(paragraph("Fine.")))
    await pool.parse(fine, "fine.docx")  # the nursery is loaded
    me = psutil.Process()
    before, peak, stop = me.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.01):
            peak = max(peak, me.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    try:
        with pytest.raises(AntiphonError) as caught:
            await pool.parse(path, "report.docx")
    finally:
        took_s = time.perf_counter() - start
        stop.set()
        watcher.join()
    print(
        f"\n{make.__name__}: {path.stat().st_size / 1000:.0f} kB, {took_s:.2f} s, server +{max(0, peak - before) / MIB:.1f} MiB: {caught.value}"
    )
    assert caught.value.data.get("reason") in reasons
    assert took_s < 5
    assert peak - before <= 64 * MIB
    assert (await pool.parse(fine, "fine.docx")).pages[0].text == "Fine."


@pytest.mark.parametrize("make", [many_rows, wide_table])
async def test_c6_dull_structure_is_read_in_bounded_time(pool: ParserPool, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "dull")
    start = time.perf_counter()
    parsed = await pool.parse(tmp_path / "dull", "dull.xlsx")
    print(f"\n{make.__name__}: {time.perf_counter() - start:.2f} s, {len(parsed.pages[0].text)} characters")
    assert time.perf_counter() - start < 10


async def test_c4_nothing_is_fetched_and_no_file_is_read(pool: ParserPool, tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    body = (
        f'<w:p><w:r><w:drawing><a:blip r:link="pic"/></w:drawing><w:t>Text</w:t></w:r></w:p><w:altChunk r:id="chunk"/>'
        f'<w:p><w:r><w:instrText>INCLUDETEXT "{secret}"</w:instrText><w:instrText>INCLUDEPICTURE "{address}/field"</w:instrText></w:r></w:p>'
    )
    parts = word_parts(body)
    parts["word/_rels/document.xml.rels"] = (
        '<Relationships><Relationship Id="pic" Type="x/image" TargetMode="External" Target="' + address + '/picture"/>'
        f'<Relationship Id="chunk" Type="x/aFChunk" Target="file://{secret}"/>'
        f'<Relationship Id="t" Type="x/attachedTemplate" TargetMode="External" Target="{address}/template.dotm"/></Relationships>'
    )
    try:
        parsed = await pool.parse(write_parts(tmp_path / "a", parts), "a.docx")
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
    assert parsed.pages[0].text == "Text"
    assert asked == []


async def test_c2_a_refused_archive_leaves_nothing_outside(pool: ParserPool, tmp_path: Path) -> None:
    raw = RawZip()
    raw.add_text("[Content_Types].xml", TYPES)
    raw.add_text("word/document.xml", "<x/>")
    raw.add_text("../../antiphon-slipped.txt", "x")
    with pytest.raises(AntiphonError, match="leads outside"):
        await pool.parse(raw.write(tmp_path / "slip"), "a.docx")
    assert not [place for place in (tmp_path, tmp_path.parent, Path("/tmp")) if (place / "antiphon-slipped.txt").exists()]
