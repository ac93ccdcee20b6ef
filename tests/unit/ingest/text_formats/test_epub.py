from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from antiphon.core.errors import AntiphonError, BadRequest, Unsupported
from antiphon.ingest.text_formats.epub import open_epub

CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="O/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="d"><dc:title>My book</dc:title></metadata>
<manifest><item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
<item id="b" href="two%20b.xhtml" media-type="application/xhtml+xml"/><item id="a" href="one.xhtml" media-type="application/xhtml+xml"/>
<item id="i" href="cover.jpg" media-type="image/jpeg"/></manifest><spine><itemref idref="a"/><itemref idref="b"/><itemref idref="i"/></spine></package>"""
NAV = (
    '<html xmlns="h"><body><nav><a href="one.xhtml#x">First <b>part</b></a><a href="two%20b.xhtml">Unused</a></nav></body></html>'
)


def book(tmp_path: Path, **changed: str) -> Path:
    parts = {
        "META-INF/container.xml": CONTAINER, "O/book.opf": PACKAGE, "O/nav.xhtml": NAV,
        "O/one.xhtml": "<html><body><p>Text of one.</p></body></html>",
        "O/two b.xhtml": "<html><body><h1>Two</h1><h2>Inner</h2><p>文字</p></body></html>",
    }  # fmt: skip
    parts |= {name.replace("__", "/").replace("_xml", ".xml"): content for name, content in changed.items()}
    path = tmp_path / "x.epub"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        for name, content in parts.items():
            if content:
                archive.writestr(name, content)
    return path


def test_chapters_come_in_the_order_of_the_spine(tmp_path: Path) -> None:
    document = open_epub(book(tmp_path), None)
    text = next(document.pages()).text
    assert document.title == "My book"
    assert text == "First part\n\nText of one.\n\nTwo\n\nInner\n\n文字"
    assert [(heading.level, text[heading.start :].partition("\n")[0]) for heading in document.outline()] == [
        (1, "First part"),
        (1, "Two"),
        (2, "Inner"),
    ]
    assert [mark.anchor for mark in document.anchors()] == ["heading:First part", "heading:Two", "heading:Two > Inner"]


def test_books_under_drm_are_told_and_obfuscated_fonts_are_not_taken_for_it(tmp_path: Path) -> None:
    entry = '<encryption><EncryptedData><EncryptionMethod Algorithm="{}"/></EncryptedData></encryption>'
    with pytest.raises(Unsupported, match="DRM") as caught:
        open_epub(
            book(tmp_path, **{"META-INF/encryption.xml": entry.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")}), None
        )
    assert caught.value.data == {"reason": "protected"}
    assert open_epub(book(tmp_path, **{"META-INF/encryption.xml": entry.format("http://www.idpf.org/2008/embedding")}), None)


def test_a_book_without_its_container_or_chapters(tmp_path: Path) -> None:
    assert next(open_epub(book(tmp_path, **{"META-INF/container.xml": ""}), None).pages()).text.startswith("First part")
    with pytest.raises(BadRequest, match="list of chapters"):
        open_epub(book(tmp_path, **{"O/book.opf": "", "META-INF/container.xml": ""}), None)
    with pytest.raises(BadRequest, match="no chapters"):
        open_epub(book(tmp_path, **{"O/book.opf": "<package><manifest/></package>"}), None)


def test_c2_links_out_of_the_book_are_not_followed(tmp_path: Path) -> None:
    package = PACKAGE.replace("one.xhtml", "../../../etc/passwd").replace("two%20b.xhtml", "http://127.0.0.1/x")
    with pytest.raises(AntiphonError):
        open_epub(book(tmp_path, **{"O/book.opf": package}), None)


def test_c3_a_bomb_is_refused(tmp_path: Path) -> None:
    path = book(tmp_path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("O/three.xhtml", "w") as file:
        for _ in range(64):
            file.write(bytes(2**20))
    with pytest.raises(AntiphonError, match="was not opened"):
        open_epub(path, None)
