"""No parser of text formats raises anything but our own errors, whatever the bytes; headings and anchors lie in the text."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.core.errors import AntiphonError
from antiphon.ingest.anchors import Anchored
from antiphon.ingest.chunker import ChunkRules, chunks_of
from antiphon.ingest.document import ParsedDocument, storable
from antiphon.ingest.media_type import media_type_of_file
from antiphon.ingest.parsers import BUILT_IN_PARSERS, load_parser, parser_target


def _epub() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/container.xml", '<container><rootfiles><rootfile full-path="b.opf"/></rootfiles></container>')
        items = '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
        archive.writestr("b.opf", f'<package><manifest>{items}</manifest><spine><itemref idref="a"/></spine></package>')
        archive.writestr("a.xhtml", "<html><body><h1>One</h1><p>Text</p></body></html>")
    return file.getvalue()


SEEDS: dict[str, bytes] = {
    "html": "<!doctype html><title>T</title><h1>年假</h1><table><tr><th>a<th>b<tr><td rowspan=2>1<td>2</table><ul><li>x<pre> y </pre>".encode(),
    "csv": b'a,b,c\n1,"x ""y""",3\n,,\n4,5\n',
    "json": json.dumps({"a": [1, {"b": "c\u00e9"}], "d": {"e": None}}).encode(),
    "ipynb": b'{"cells": [{"cell_type": "markdown", "source": ["# T\\n", "x"]}, {"cell_type": "code", "outputs": [{"text": "1"}]}]}',
    "xml": b'<?xml version="1.0"?><!DOCTYPE a><article><sec><title>T</title><p>x &amp; <b>y</b></p><table><tr><td>1</td></tr></table></sec></article>',
    "rss": b"<rss><channel><title>T</title><item><title>I</title><description>&lt;p>x</description></item></channel></rss>",
    "eml": b'From: a@b\nSubject: =?utf-8?B?5bm0?=\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/html\n\n<p>y\n--x\n'
    b'Content-Disposition: attachment; filename="a.txt"\nContent-Transfer-Encoding: base64\n\nYWJj\n--x--\n',
    "rtf": rb"{\rtf1\ansi{\fonttbl{\f0\fcharset134 A;}}\f0 \'c4\'ea \u24180? \intbl a\cell b\cell\row\pard x\par}",
    "epub": _epub(),
    "py": b"class A:\n    def b(self):\n        return 1\n",
    "md": b"# T\n\ntext\n\nUnder\n-----\n```\n# no\n```\n",
    "txt": "第二章 休假\n\n年假七天。\n".encode("gb18030"),
}  # fmt: skip
OURS = ("text_formats", "ingest.markdown:", "ingest.plain_text:")
TARGETS = sorted({spec.target for spec in BUILT_IN_PARSERS if any(ours in spec.target for ours in OURS)})


def check(path: Path, name: str) -> None:
    try:
        media_type = media_type_of_file(path, name)
        target = parser_target(BUILT_IN_PARSERS, media_type)
        if target not in TARGETS:  # changed so much that it is something else, which has tests of its own
            return
        opened = load_parser(target)(path, None)
        pages = list(opened.pages())
    except AntiphonError:
        return
    opened.close()
    texts = {page.number: page.text for page in pages}
    assert all(storable(text) == text for text in texts.values())
    outline, anchors = opened.outline(), opened.anchors() if isinstance(opened, Anchored) else []
    for heading in outline:
        assert 0 <= heading.start < len(texts[heading.page])
        assert heading.title.strip()
    assert all(0 <= mark.start <= len(texts[mark.page]) for mark in anchors)
    document = ParsedDocument(
        media_type=media_type, title=opened.title, paged=opened.paged, pages=pages, outline=outline, furniture=[], anchors=anchors
    )
    for chunk in chunks_of(document, ChunkRules(characters=200), title=""):
        assert texts[chunk.page][chunk.start : chunk.end] == chunk.text
        assert chunk.anchor or opened.paged


def mutated(seed: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    content = bytearray(seed)
    for at, piece, removed in changes:
        at %= len(content) + 1
        content[at : at + removed] = piece
    return bytes(content)


PIECES = st.binary(max_size=6) | st.sampled_from(
    [b"<", b">", b"</", b"&", b'"', b"\\", b"{", b"}", b"[", b"]", b"\n", b"\n\n", b"--x", b"\x00", b"\xff\xfe", "年".encode(), b"<table>", b"\\'", b"]]>", b"<!--", b"\\bin9", b"=?x?B?", b":", b","]
)  # fmt: skip
CHANGES = st.lists(st.tuples(st.integers(0, 4000), PIECES, st.integers(0, 12)), max_size=12)
BOUNDED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("kind", sorted(SEEDS))
@BOUNDED
@given(CHANGES)
def test_changed_files_give_text_or_our_own_error(kind: str, changes: list[tuple[int, bytes, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blob"
        path.write_bytes(mutated(SEEDS[kind], changes))
        check(path, f"x.{kind}")


@pytest.mark.parametrize("target", TARGETS)
@BOUNDED
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_parser_given_any_bytes_gives_text_or_our_own_error(target: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blob"
        path.write_bytes(content)
        try:
            opened = load_parser(target)(path, None)
        except AntiphonError:
            return
        (page,) = opened.pages()
        assert all(0 <= heading.start < len(page.text) for heading in opened.outline())


@BOUNDED
@given(st.binary(max_size=600), st.sampled_from(["a", "a.txt", "a.csv", "a.html", "a.json", "a.docx", "Makefile"]))
def test_a_type_is_told_of_any_bytes(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blob"
        for lead in (b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\xff\xfe", b"{", b"<", b"From: a\n"):
            path.write_bytes(lead + content)
            assert "/" in media_type_of_file(path, name)
