from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from antiphon.core.errors import AntiphonError, BadRequest, Unsupported
from antiphon.ingest.office.zip_guard import inspect
from antiphon.testing.office_files import RawZip, paragraph, word_parts, write_parts, zeros_deflated

TYPES = "<Types/>"


def reason(path: Path) -> str:
    with pytest.raises(AntiphonError) as caught:
        inspect(path)
    assert caught.value.message.endswith(".")
    return str(caught.value.data.get("reason"))


def test_an_honest_document_passes(tmp_path: Path) -> None:
    contents = inspect(write_parts(tmp_path / "a", word_parts(paragraph("Fine."))))
    assert "word/document.xml" in contents.names
    assert contents.inflated_bytes > 500


@pytest.mark.parametrize("declared", [600 * 2**20, 40 * 2**20, 1000])
def test_bombs_are_refused_whatever_they_declare(tmp_path: Path, declared: int) -> None:
    packed, checksum, _ = zeros_deflated(40 * 2**20)
    raw = RawZip()
    raw.add_text("[Content_Types].xml", TYPES)
    raw.add("word/document.xml", packed, size=declared, checksum=checksum)
    assert reason(raw.write(tmp_path / "bomb")) == "archive_bomb"


def test_many_members_that_are_large_together_are_refused(tmp_path: Path) -> None:
    packed, checksum, size = zeros_deflated(30 * 2**20)
    raw = RawZip()
    for number in range(20):
        raw.add(f"{number}.bin", packed, size=size, checksum=checksum)
    assert reason(raw.write(tmp_path / "many")) == "archive_bomb"


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    packed, checksum, size = zeros_deflated(2**20)
    raw = RawZip()
    first = raw.add("0.bin", packed, size=size, checksum=checksum)
    for number in range(1, 50):
        raw.add(f"{number}.bin", packed, size=size, checksum=checksum, offset=first)
    assert reason(raw.write(tmp_path / "overlap")) == "archive_bomb"


def test_a_directory_of_a_million_names_is_not_read(tmp_path: Path) -> None:
    raw = RawZip()
    first = raw.add("x", b"", size=0, method=0)
    for _ in range(30_000):
        raw.add("x", b"", size=0, method=0, offset=first)
    assert reason(raw.write(tmp_path / "names")) == "archive_bomb"


def test_a_directory_of_long_names_is_not_read_either(tmp_path: Path) -> None:
    raw = RawZip()
    for number in range(300):
        raw.add(f"{number:060000}", b"", size=0, method=0)
    assert reason(raw.write(tmp_path / "names")) == "archive_bomb"


@pytest.mark.parametrize("name", ["../evil.xml", "/etc/passwd", "a/../../b", "C:/x", "..\\..\\x", "word/..\\..\\..\\x"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    raw = RawZip()
    raw.add_text(name, "x")
    assert reason(raw.write(tmp_path / "slip")) == "unsafe_archive"


def test_links_are_refused(tmp_path: Path) -> None:
    raw = RawZip()
    raw.add("link", b"/etc/passwd", size=11, method=0, mode=0o120777)
    assert reason(raw.write(tmp_path / "link")) == "unsafe_archive"


def zipped(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_archives_inside_are_refused_but_embedded_workbooks_are_looked_through(tmp_path: Path) -> None:
    inner = zipped({"xl/workbook.xml": b"<workbook/>"})
    (tmp_path / "zips").write_bytes(zipped({"a.zip": inner}))
    assert reason(tmp_path / "zips") == "nested_archive"
    (tmp_path / "ok").write_bytes(zipped({"ppt/embeddings/sheet1.xlsx": inner}))
    inspect(tmp_path / "ok")
    bad = zipped({"../x": b"1"})
    (tmp_path / "deep").write_bytes(zipped({"ppt/embeddings/sheet1.xlsx": bad}))
    assert reason(tmp_path / "deep") == "unsafe_archive"
    for _ in range(3):
        inner = zipped({"ppt/embeddings/a.pptx": inner})
    (tmp_path / "deeper").write_bytes(zipped({"ppt/embeddings/a.pptx": inner}))
    assert reason(tmp_path / "deeper") == "nested_archive"


LAUGHS = '<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]><l>&b;</l>'


@pytest.mark.parametrize(
    "markup",
    [
        LAUGHS,
        '<?xml version="1.0"?>\n<!-- x --><!DOCTYPE d SYSTEM "http://127.0.0.1:1/x.dtd"><d/>',
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>',
        '<!DOCTYPE d [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><d/>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_every_encoding(tmp_path: Path, markup: str, encoding: str) -> None:
    parts = word_parts("")
    parts["word/document.xml"] = markup.encode(encoding)
    assert reason(write_parts(tmp_path / "x", parts)) == "unsafe_markup"


def test_a_book_may_declare_its_document_type_but_no_dangerous_entity(tmp_path: Path) -> None:
    page = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd"{}><html/>'
    inspect(write_parts(tmp_path / "book", {"mimetype": "application/epub+zip", "a.xhtml": page.format("")}))
    inspect(write_parts(tmp_path / "nbsp", {"a.xhtml": page.format(' [<!ENTITY nbsp "&#160;">]')}))
    path = write_parts(tmp_path / "bad", {"a.xhtml": page.format(' [<!ENTITY a "x"><!ENTITY b "&a;&a;">]')})
    assert reason(path) == "unsafe_markup"


@pytest.mark.parametrize("cut", [10, 100, -1, -30])
def test_truncated_files_say_so(tmp_path: Path, cut: int) -> None:
    whole = write_parts(tmp_path / "whole", word_parts(paragraph("Fine."))).read_bytes()
    (tmp_path / "cut").write_bytes(whole[:cut])
    with pytest.raises(BadRequest, match="damaged"):
        inspect(tmp_path / "cut")


def test_encrypted_members_and_odd_packing_are_told(tmp_path: Path) -> None:
    raw = RawZip()
    raw.add("a.txt", b"xxxx", size=4, method=0, flags=1)
    assert reason(raw.write(tmp_path / "locked")) == "encrypted"
    with zipfile.ZipFile(tmp_path / "lzma", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", "b")
    with pytest.raises(Unsupported):
        inspect(tmp_path / "lzma")


def test_markup_that_has_changed_is_damaged_and_a_picture_is_not(tmp_path: Path) -> None:
    for name, content in (("a.xml", b"<a>text</a>"), ("a.png", b"\x89PNG picture")):
        raw = RawZip()
        raw.add(name, content, size=len(content), checksum=7, method=0)
        raw.write(tmp_path / name)
    assert reason(tmp_path / "a.xml") == "unreadable"
    assert inspect(tmp_path / "a.png").names == ["a.png"]


def test_encodings_that_hide_entities_are_refused_in_office_files_only(tmp_path: Path) -> None:
    hidden = b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE d+AD4-<d/>'
    assert reason(write_parts(tmp_path / "a", {**word_parts(""), "word/document.xml": hidden})) == "unsafe_markup"
    page = '<?xml version="1.0" encoding="gb2312"?><html>书</html>'.encode("gb2312")
    assert "a.xhtml" in inspect(write_parts(tmp_path / "book", {"a.xhtml": page})).names
