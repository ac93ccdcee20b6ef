"""Containers made to hurt, through the real parser pool: refused quickly, and the server does not notice (security C2, C3, C4)."""

from __future__ import annotations

import asyncio
import http.server
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import system_runtime
from antiphon.ingest.worker import ParserPool
from antiphon.testing.office_files import RawZip, paragraph, relationships, word_parts, write_parts, zeros_deflated

MIB = 2**20
TYPES = "<Types/>"
DOCUMENT = relationships({"r": ("officeDocument", "word/document.xml")})
WORKBOOK = relationships({"r": ("officeDocument", "xl/workbook.xml")})


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[ParserPool]:
    pool = ParserPool(Settings(data_dir=tmp_path), system_runtime())
    pool.start()
    yield pool
    await pool.close()


def long_document(path: Path) -> None:
    """Honest about its 640 MB of empty paragraphs, which would take 3 GB as a tree."""
    packed, checksum, size = zeros_deflated(640 * MIB, b"<w:document xmlns:w='w'><w:body>", b"</w:body></w:document>", b"<w:p/>")
    raw = RawZip()
    raw.add_text("[Content_Types].xml", TYPES)
    raw.add_text("_rels/.rels", DOCUMENT)
    raw.add("word/document.xml", packed, size=size, checksum=checksum)
    raw.write(path)


def lying_workbook(path: Path) -> None:
    packed, checksum, _ = zeros_deflated(200 * MIB, b"<worksheet><sheetData>", b"", b"<row/>")
    raw = RawZip()
    raw.add_text("[Content_Types].xml", TYPES)
    raw.add_text("_rels/.rels", WORKBOOK)
    raw.add_text("xl/workbook.xml", "<workbook/>")
    raw.add("xl/worksheets/sheet1.xml", packed, size=4000, checksum=checksum)
    raw.write(path)


def overlapping_document(path: Path) -> None:
    """3.1 GB from one stretch of bytes that 10 parts share."""
    packed, checksum, size = zeros_deflated(310 * MIB)
    raw = RawZip()
    raw.add_text("[Content_Types].xml", TYPES)
    first = raw.add("word/document.xml", packed, size=size, checksum=checksum)
    for number in range(9):
        raw.add(f"word/media/{number}.bin", packed, size=size, checksum=checksum, offset=first)
    raw.write(path)


def zip_in_zip(path: Path) -> None:
    """As 42.zip: archives of archives."""
    inner = path.with_suffix(".inner")
    packed, checksum, size = zeros_deflated(40 * MIB)
    raw = RawZip()
    raw.add("0.dll", packed, size=size, checksum=checksum)
    content = raw.write(inner).read_bytes()
    for _ in range(4):
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(16):
                archive.writestr(f"lib {number}.zip", content)
        content = inner.read_bytes()
    path.write_bytes(content)


def archive_in_document(path: Path) -> None:
    packed, checksum, size = zeros_deflated(300 * MIB)
    raw = RawZip()
    for number in range(3):
        raw.add(f"{number}", packed, size=size, checksum=checksum)
    content = raw.write(path).read_bytes()
    write_parts(path, {**word_parts(paragraph("x")), "word/embeddings/oleObject1.xlsx": content})


def laughing_document(path: Path) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    parts = word_parts("")
    parts["word/document.xml"] = f'<!DOCTYPE d [<!ENTITY l0 "lol">{entities}]><d>&l9;</d>'
    write_parts(path, parts)


def many_tags(path: Path) -> None:
    """Small enough for the container's limits; the tree would be a hundred times larger."""
    write_parts(path, word_parts("<w:p/>" * 5_000_000))


def many_rows(path: Path) -> None:
    parts = {
        "[Content_Types].xml": TYPES, "_rels/.rels": WORKBOOK,
        "xl/workbook.xml": '<workbook xmlns:r="r"><sheets><sheet name="S" r:id="s"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relationships({"s": ("worksheet", "worksheets/sheet1.xml")}),
        "xl/worksheets/sheet1.xml": "<worksheet><sheetData>" + "<row/>" * 4_000_000 + "</sheetData></worksheet>",
    }  # fmt: skip
    write_parts(path, parts)


def wide_table(path: Path) -> None:
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="2147483647"/><w:vMerge w:val="restart"/></w:tcPr><w:p><w:r><w:t>word</w:t></w:r></w:p></w:tc>'
    write_parts(path, word_parts(f"<w:tbl>{f'<w:tr>{cell * 50}</w:tr>' * 100}</w:tbl>"))


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
    ],
)
async def test_c2_c3_c4_bombs_are_refused_within_five_seconds_and_64_mib(
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
