"""Damaged containers: what is left of them is read, and nothing dangerous comes out of them."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from pathlib import Path

import pytest

from antiphon.core.errors import BadRequest, TooLarge
from antiphon.ingest.containers import zip_media_type
from antiphon.ingest.media_names import DOCX
from antiphon.ingest.office import zip_salvage
from antiphon.ingest.office.docx import open_docx
from antiphon.ingest.office.office_document import OfficeDocument
from antiphon.ingest.office.zip_salvage import salvaged
from antiphon.testing.office_files import RawZip, paragraph, word_parts, write_parts, zeros_deflated


def text_of(document: OfficeDocument) -> str:
    return "\n".join(page.text for page in document.pages())


def names_of(content: bytes) -> list[str]:
    found = salvaged(io.BytesIO(content))
    return [] if found is None else zipfile.ZipFile(found).namelist()


def test_a_file_without_its_directory_is_read_and_says_so(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "a", word_parts(paragraph("The heron stands in the reeds.")))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"PK\x01\x02")])
    document = open_docx(path, None)
    assert text_of(document) == "The heron stands in the reeds."
    assert document.shortfall().startswith("The file is damaged: what could be read of it is searchable")
    with path.open("rb") as file:
        assert zip_media_type(file) == DOCX


def test_a_download_that_was_cut_off_gives_what_had_arrived(tmp_path: Path) -> None:
    paragraphs = "".join(paragraph(f"Line {number} tells of {number * 7919 % 10007}.") for number in range(5_000))
    path = write_parts(tmp_path / "a", word_parts(paragraphs))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    text = text_of(open_docx(path, None))
    assert text.startswith("Line 0 tells of 0.\n\nLine 1 tells of 7919.")
    assert 500 < text.count("Line") < 4_500


def test_a_damaged_file_without_text_fails(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "a", word_parts(""))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadRequest, match="no text is left"):
        text_of(open_docx(path, None))


def test_the_first_whole_part_of_a_name_counts() -> None:
    first, second = io.BytesIO(), io.BytesIO()
    for file, text in ((first, "one"), (second, "two")):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.xml", f"<a>{text}</a>")
    both = salvaged(io.BytesIO(first.getvalue()[:60] + second.getvalue()))
    assert both is not None
    assert zipfile.ZipFile(both).read("a.xml") == b"<a>one</a>"


@pytest.mark.parametrize("name", ["../a.xml", "/etc/a.xml", "a\x00.xml", "x" * 300 + ".xml", "word/vba.bin", "evil.exe"])
def test_c2_names_that_lead_outside_and_what_is_no_markup_are_left(tmp_path: Path, name: str) -> None:
    raw = RawZip()
    raw.add_text(name, "<a/>")
    assert names_of(raw.write(tmp_path / "a").read_bytes()[:-30]) == []


def test_c3_a_damaged_bomb_is_a_bomb(tmp_path: Path) -> None:
    packed, _, size = zeros_deflated(100 * 2**20, b"<a>")
    raw = RawZip()
    raw.add("word/document.xml", packed, size=size)
    content = raw.write(tmp_path / "a").read_bytes()[:-30]
    with pytest.raises(TooLarge, match="damaged") as caught:
        names_of(content)
    assert caught.value.data == {"reason": "archive_bomb"}


def test_c3_headers_inside_each_others_data_are_bounded() -> None:
    name = b"a.xml"
    header = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, 0, 0, len(name), 0) + name
    stored_block = b"\x00\xff\xff\x00\x00"  # the deflated data of each header runs on through the following ones
    started = time.process_time()
    names_of((header + stored_block) * 30_000)
    assert time.process_time() - started < 10


def test_large_files_are_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_salvage, "LARGEST_FILE_BYTES", 100)
    assert salvaged(io.BytesIO(b"PK\x03\x04" * 100)) is None
    assert salvaged(io.BytesIO(b"nothing")) is None
