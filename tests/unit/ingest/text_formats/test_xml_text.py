from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

from antiphon.core.errors import BadRequest
from antiphon.ingest.text_formats.xml_text import open_xml


def read(tmp_path: Path, content: str | bytes) -> tuple[str, list[tuple[int, str]]]:
    path = tmp_path / "x"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    document = open_xml(path, None)
    text = next(document.pages()).text
    assert all(text.startswith(heading.title[:40], heading.start) for heading in document.outline())
    return text, [(heading.level, heading.title) for heading in document.outline()]


def test_data_is_lines_with_paths(tmp_path: Path) -> None:
    content = '<shop xmlns:x="y"><book id="1"><title>War</title><price cur="EUR">5</price></book><book id="2"><title>和平</title></book></shop>'
    assert read(tmp_path, content)[0] == (
        "shop/book: id = 1\nshop/book/title: War\nshop/book/price: cur = EUR\nshop/book/price: 5\n\n"
        "shop/book: id = 2\nshop/book/title: 和平"
    )


def test_feeds_are_items(tmp_path: Path) -> None:
    rss = """<?xml version="1.0"?><rss xmlns:c="z"><channel><title>News</title><image><title>logo</title></image>
    <item><title>One</title><link>http://a/1</link><pubDate>Mon</pubDate><category>x</category><category>y</category>
    <description>&lt;p&gt;Short text&lt;/p&gt;</description><c:encoded><![CDATA[<p>Short text and more</p>]]></c:encoded></item></channel></rss>"""
    assert read(tmp_path, rss) == (
        "News\n\nOne\n\nLink: http://a/1\nDate: Mon\nCategory: x, y\n\nShort text and more", [(1, "News"), (2, "One")]
    )  # fmt: skip
    atom = """<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title><entry><title>E</title><link href="http://b"/>
    <author><name>Li</name></author><content type="xhtml"><div><p>Text <b>bold</b></p></div></content></entry></feed>"""
    assert read(tmp_path, atom)[0] == "F\n\nE\n\nLink: http://b\nAuthor: Li\n\nText bold"


def test_articles_have_headings_paragraphs_and_tables(tmp_path: Path) -> None:
    content = """<article><front><article-title>On <i>leave</i></article-title></front><body><sec><title>Rules</title>
    <p>Seven <b>days</b> of
    leave.</p><sec><title>Details</title><p>x</p></sec></sec>
    <table><thead><tr><th>Name</th><th>Days</th></tr></thead><tbody><tr><td>Li</td><td><p>7</p></td></tr></tbody></table>
    </body><back><ref><article-title>Cited</article-title></ref></back></article>"""
    text, outline = read(tmp_path, content)
    assert text == "On leave\n\nRules\n\nSeven days of leave.\n\nDetails\n\nx\n\n| Name | Days\n\n| Name: Li | Days: 7\n\nCited"
    assert outline == [(1, "On leave"), (2, "Rules"), (3, "Details")]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "big5", "iso-8859-1"])
def test_declared_encodings(tmp_path: Path, encoding: str) -> None:
    word = "été" if encoding == "iso-8859-1" else "年假"
    assert (
        read(tmp_path, f'<?xml version="1.0" encoding="{encoding}"?><a><b>{word}</b></a>'.encode(encoding))[0] == f"a/b: {word}"
    )


def test_a_broken_file_gives_what_stands_before_the_fault(tmp_path: Path) -> None:
    assert read(tmp_path, "<a><b>text</b><c>more</d>")[0] == "a/b: text\na/c: more"
    with pytest.raises(BadRequest, match="damaged in line 1"):
        read(tmp_path, "<a")


@pytest.mark.parametrize(
    "content",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY x "lol"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>',
        '<!DOCTYPE a [<!ENTITY x "&#60;b/>">]><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY x "' + "long" * 60 + '">]><a>&x;</a>',
        "<!DOCTYPE a [" + "".join(f'<!ENTITY x{n} "y">' for n in range(400)) + "]><a>&x1;</a>",
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;]><a>t</a>',
    ],
)
def test_c4_entities_of_the_file_are_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(BadRequest, match="entity of its own"):
        read(tmp_path, content)


def test_scripts_and_style_sheets_of_drawings_are_no_text(tmp_path: Path) -> None:
    svg = "<svg><style>.a{fill:red}</style><script>alert(1)<b>x</b></script><text>drawn</text></svg>"
    assert read(tmp_path, svg)[0] == "drawn"


def test_abbreviations_of_the_file_are_written_out(tmp_path: Path) -> None:
    content = (
        '<!DOCTYPE a [<!ENTITY co "Lindenbrook 公司"><!ENTITY ns "http://www.w3.org/2000/svg">]><a b="&ns;">&co; &amp; &co;</a>'
    )
    assert read(tmp_path, content)[0] == "a: b = http://www.w3.org/2000/svg\na: Lindenbrook 公司 & Lindenbrook 公司"


def test_c4_no_document_type_is_fetched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        assert read(tmp_path, f'<!DOCTYPE a SYSTEM "http://127.0.0.1:{port}/x.dtd"><a>t &eacute;&unknown;</a>')[0] == "a: t é"
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    "content",
    [
        "<a>" * 50_000,
        "<a>x" * 9_000,
        "<a " + " ".join(f'a{n}="x"' for n in range(50_000)) + "/>",
        "<a>" + "<b>x</b>" * 100_000,
        "<a>" + "<!--" * 300_000,
    ],
)
def test_c6_nesting_and_long_tokens_are_bounded(tmp_path: Path, content: str) -> None:
    started = time.perf_counter()
    with contextlib.suppress(BadRequest):
        read(tmp_path, content)
    assert time.perf_counter() - started < 5
