"""Older formats through LibreOffice, in forks of the real nursery. Skipped, saying so, where it is not installed."""

from __future__ import annotations

import asyncio
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openpyxl
import pptx
import psutil
import pytest

from antiphon.config.settings import Ingest, Settings
from antiphon.core.errors import AntiphonError, BadRequest, Timeout, TooLarge, Unsupported
from antiphon.core.runtime import system_runtime
from antiphon.ingest.media_names import ODT
from antiphon.ingest.office import libreoffice
from antiphon.ingest.office.libreoffice import DEBIAN_PACKAGES, find_libreoffice
from antiphon.ingest.parsers import ParserSpec
from antiphon.ingest.worker import ParserPool
from antiphon.testing.office_files import paragraph, table, word_parts, write_parts

PROGRAM = find_libreoffice()
needs_libreoffice = pytest.mark.skipif(
    PROGRAM is None, reason=f"LibreOffice is not installed (Debian: apt-get install {' '.join(DEBIAN_PACKAGES)})"
)


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[ParserPool]:
    pool = ParserPool(Settings(data_dir=tmp_path), system_runtime())
    pool.start()
    yield pool
    await pool.close()


@pytest.fixture(scope="module")
def old_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A DOC, an XLS and a PPT, made by LibreOffice itself of files of ours."""
    folder = tmp_path_factory.mktemp("old")
    body = paragraph("Leave", '<w:outlineLvl w:val="0"/>') + paragraph("年休假二十八天。")
    body += table(["Year", "Days", "Who"], ["2024", "28", "all"]) + paragraph("End.")
    write_parts(folder / "a.docx", word_parts(body))
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["Year", "Ducks"], [2024, 120]):
        book.active.append(row)
    book.save(folder / "b.xlsx")
    show = pptx.Presentation()
    show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = "Wild ducks"
    show.save(str(folder / "c.pptx"))
    for name, kind in (("a.docx", "doc"), ("b.xlsx", "xls"), ("c.pptx", "ppt")):
        command = [str(PROGRAM), f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless", "--convert-to", kind]
        for _ in range(2):  # the first start only makes the profile
            done = subprocess.run([*command, "--outdir", str(folder), str(folder / name)], check=False, capture_output=True)
            if done.returncode != 81:
                break
    return {kind: folder / f"{name}.{kind}" for name, kind in (("a", "doc"), ("b", "xls"), ("c", "ppt"))}


def folders(nursery: int | None) -> list[Path]:
    """Of the workers of one nursery: others may be at work beside this test."""
    return list(Path(tempfile.gettempdir()).glob(f"antiphon-parsers-{nursery}-*/*"))


@needs_libreoffice
async def test_older_formats_keep_headings_tables_and_anchors(pool: ParserPool, old_files: dict[str, Path]) -> None:
    doc = await pool.parse(old_files["doc"], "whatever.txt")
    assert doc.media_type == "application/msword"
    assert doc.pages[0].text == "Leave\n\n年休假二十八天。\n\n| Year | Days | Who\n| Year: 2024 | Days: 28 | Who: all\n\nEnd."
    assert [mark.anchor for mark in doc.anchors] == ["heading:Leave"]
    xls = await pool.parse(old_files["xls"], "b.xls")
    assert xls.pages[0].text == "Sheet\n\n| Year | Ducks\n| Year: 2024 | Ducks: 120"
    assert xls.anchors[0].anchor == "sheet:Sheet!A1:B1"
    ppt = await pool.parse(old_files["ppt"], "c.ppt")
    assert (ppt.pages[0].text, ppt.paged, ppt.anchors[0].anchor) == ("Wild ducks", True, "slide:1")
    nursery = pool.nursery_pid
    await pool.close()
    assert folders(nursery) == []


@needs_libreoffice
async def test_a_damaged_file_is_told(pool: ParserPool, old_files: dict[str, Path], tmp_path: Path) -> None:
    content = bytearray(old_files["doc"].read_bytes())
    content[1536:] = os.urandom(len(content) - 1536)
    broken = tmp_path / "broken.doc"
    broken.write_bytes(bytes(content))
    with pytest.raises(AntiphonError) as caught:
        await pool.parse(broken, "broken.doc")
    assert caught.value.message.endswith(".")


def running(above: int) -> list[psutil.Process]:
    """The LibreOffice below a process."""
    try:
        return [process for process in psutil.Process(above).children(recursive=True) if "soffice" in process.name()]
    except psutil.NoSuchProcess:
        return []


async def until_it_runs(above: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 20
    while not (found := running(above)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    return found


@needs_libreoffice
async def test_cancelling_ends_libreoffice_and_removes_its_folder(pool: ParserPool, old_files: dict[str, Path]) -> None:
    task = asyncio.create_task(pool.parse(old_files["ppt"], "c.ppt"))
    nursery = pool.nursery_pid
    assert nursery is not None
    found = await until_it_runs(nursery)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    _, alive = await asyncio.to_thread(psutil.wait_procs, found, 2)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    deadline = time.monotonic() + 2
    while folders(nursery):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@needs_libreoffice
async def test_limits_hold_for_libreoffice_too(tmp_path: Path, old_files: dict[str, Path]) -> None:
    for limits, error in ((Ingest(timeout_s=0.4), Timeout), (Ingest(memory_bytes=2**27), (TooLarge, BadRequest))):
        pool = ParserPool(Settings(data_dir=tmp_path, ingest=limits), system_runtime())
        pool.start()
        try:
            with pytest.raises(error):
                await pool.parse(old_files["xls"], "b.xls")
            assert pool.nursery_pid is not None
            deadline = time.monotonic() + 2
            while [process for process in running(pool.nursery_pid) if process.status() != psutil.STATUS_ZOMBIE]:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
        finally:
            await pool.close()


SERVER = """
import asyncio, sys
from pathlib import Path
from antiphon.config.settings import Settings
from antiphon.core.runtime import system_runtime
from antiphon.ingest.media_names import ODT
from antiphon.ingest.parsers import ParserSpec
from antiphon.ingest.worker import ParserPool

async def main():
    pool = ParserPool(Settings(data_dir=Path(".")), system_runtime())
    pool.start()
    while True:
        await pool.parse(Path(sys.argv[1]), "a.ppt")

asyncio.run(main())
"""


@needs_libreoffice
async def test_a_killed_server_takes_libreoffice_along(old_files: dict[str, Path]) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(old_files["ppt"])])
    try:
        found = await until_it_runs(server.pid)
        (nursery,) = psutil.Process(server.pid).children()
        server.kill()
        server.wait(5)
        _, alive = await asyncio.to_thread(psutil.wait_procs, found, 3)
        assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
    deadline = time.monotonic() + 3
    while folders(nursery.pid):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


MACRO = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE script:module PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "module.dtd">
<script:module xmlns:script="http://openoffice.org/2000/script" script:name="M" script:language="StarBasic">
Sub Run
 Open "{mark}" For Output As #1
 Print #1, "ran"
 Close #1
End Sub
</script:module>"""


@pytest.fixture
def watched_server() -> Iterator[tuple[str, list[str]]]:
    """(address, paths that were asked for)"""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

    for method in ("HEAD", "OPTIONS", "PROPFIND"):
        setattr(Handler, f"do_{method}", Handler.do_GET)
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@needs_libreoffice
async def test_macros_do_not_run_and_nothing_is_fetched(tmp_path: Path, watched_server: tuple[str, list[str]]) -> None:
    """A document whose macro runs when it is opened, with a picture on a server of ours and a section of another file."""
    address, asked = watched_server
    mark = tmp_path / "ran.txt"
    pool = ParserPool(Settings(data_dir=tmp_path), system_runtime(), libreoffice_only())
    pool.start()
    try:
        parsed = await pool.parse(macro_document(tmp_path, mark, f"{address}/picture.png"), "a.odt")
    finally:
        await pool.close()
    assert "Words." in parsed.pages[0].text
    assert "SECRET" not in parsed.pages[0].text
    assert not mark.exists()
    assert asked == []


@needs_libreoffice
def test_the_profile_alone_keeps_it_from_fetching(
    tmp_path: Path, watched_server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, which has a network: where a worker can't be cut off from its own, the settings must do."""
    address, asked = watched_server
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = macro_document(tmp_path, tmp_path / "ran.txt", f"{address}/picture.png")
    (page,) = libreoffice.open_old_text(source, None).pages()
    assert "Words." in page.text
    assert "SECRET" not in page.text
    assert asked == []
    assert not (tmp_path / "ran.txt").exists()


def libreoffice_only() -> list[ParserSpec]:
    return [ParserSpec(media_types=[ODT], target="antiphon.ingest.office.libreoffice:open_old_text", label="x")]


def macro_document(tmp_path: Path, mark: Path, picture: str) -> Path:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    spaces = (
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
        'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'xmlns:script="urn:oasis:names:tc:opendocument:xmlns:script:1.0" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'
    )
    content = (
        f'<office:document-content {spaces} office:version="1.2"><office:scripts><office:event-listeners><script:event-listener '
        'script:language="ooo:script" script:event-name="dom:load" xlink:href="vnd.sun.star.script:Standard.M.Run?language=Basic&amp;location=document" '
        'xlink:type="simple"/></office:event-listeners></office:scripts><office:body><office:text><text:p>Words.</text:p>'
        f'<text:section text:name="s"><text:section-source xlink:href="{secret.as_uri()}" xlink:type="simple"/></text:section>'
        f'<text:p><draw:frame svg:width="2cm" svg:height="2cm"><draw:image xlink:href="{picture}" xlink:type="simple"/></draw:frame></text:p>'
        "</office:text></office:body></office:document-content>"
    )
    library = (
        '<?xml version="1.0"?><!DOCTYPE library:{} PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "x.dtd"><library:{} '
        'xmlns:library="http://openoffice.org/2000/library" xmlns:xlink="http://www.w3.org/1999/xlink" {}>{}</library:{}>'
    )
    names = ("content.xml", "Basic/script-lc.xml", "Basic/Standard/script-lb.xml", "Basic/Standard/M.xml")
    kinds = "".join(f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="text/xml"/>' for name in names)
    path = tmp_path / "macro.odt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", content)
        listed = '<library:library library:name="Standard" library:link="false"/>'
        archive.writestr("Basic/script-lc.xml", library.format("libraries", "libraries", "", listed, "libraries"))
        element = '<library:element library:name="M"/>'
        attributes = 'library:name="Standard" library:readonly="false" library:passwordprotected="false"'
        archive.writestr("Basic/Standard/script-lb.xml", library.format("library", "library", attributes, element, "library"))
        archive.writestr("Basic/Standard/M.xml", MACRO.format(mark=mark))
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry '
            f'manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.text"/>{kinds}</manifest:manifest>',
        )
    return path


def test_without_libreoffice_it_is_said_what_would_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libreoffice, "find_libreoffice", lambda: None)
    for opener, kind in (("open_old_text", "docx"), ("open_old_sheets", "xlsx"), ("open_old_slides", "pptx")):
        with pytest.raises(Unsupported, match="install it") as caught:
            getattr(libreoffice, opener)(tmp_path / "a", None)
        assert f".{kind}" in caught.value.message
        assert caught.value.data == {"reason": "libreoffice_missing"}


def test_the_program_itself_is_started_not_the_script_before_it() -> None:
    if PROGRAM is None or not shutil.which("soffice"):
        pytest.skip("LibreOffice is not installed")
    assert Path(PROGRAM).name in {"soffice.bin", "soffice"}
    assert Path(PROGRAM).is_file()
