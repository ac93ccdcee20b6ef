from __future__ import annotations

import time
from pathlib import Path

import pytest

from antiphon.ingest.composition import Composition
from antiphon.ingest.text_formats.html import add_html, nests_too_deeply, open_html


def text_of(html: str) -> str:
    composition = Composition()
    add_html(composition, html)
    return composition.text()


PAGE = """<!doctype html><html><head><title>Site</title><style>p{}</style><script>evil()</script></head><body>
<nav><a href=/>Home</a></nav><header>Top</header>
<h1>Leave &amp; pay</h1><p>Seven   days<br>of <b>annual</b>
leave&nbsp;a year.</p><p hidden>secret</p><div style="color:red; display : none">hidden too</div>
<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul><ol><li>first</li><li>second</li></ol>
<h2>Table</h2><table><caption>Staff</caption><tr><th>Name</th><th>Days</th></tr><tr><td>Li</td><td>7</td></tr>
<tr><td rowspan=2>Wang</td><td>9</td></tr><tr><td>10</td></tr></table>
<pre>x = 1
  y = 2</pre><img alt="A chart" src=http://127.0.0.1/x.png><footer>Imprint</footer></body></html>"""


def test_a_page_becomes_text_in_order() -> None:
    assert text_of(PAGE) == (
        "Top\n\nLeave & pay\n\nSeven days\nof annual leave a year.\n- one\n  - inner\n- two\n1. first\n2. second\n\nTable\n\nStaff\n\n"
        "| Name | Days\n\n| Name: Li | Days: 7\n| Name: Wang | Days: 9\n| Name: Wang | Days: 10\n\nx = 1\n  y = 2\n\nA chart"
    )


def test_the_outline_and_the_title(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(PAGE)
    document = open_html(path, None)
    text = next(document.pages()).text
    assert document.title == "Site"
    assert [(heading.level, heading.title) for heading in document.outline()] == [(1, "Leave & pay"), (2, "Table")]
    assert all(text.startswith(heading.title, heading.start) for heading in document.outline())
    assert [mark.anchor for mark in document.anchors()] == ["heading:Leave & pay", "heading:Leave & pay > Table"]


def test_the_main_part_is_taken_when_it_is_one() -> None:
    long = "Words of the article. " * 20
    assert text_of(f"<p>aside</p><main><p>{long}</p></main><p>below</p>") == long.strip()
    assert text_of("<p>aside</p><main><p>short</p></main>") == "aside\n\nshort"
    assert text_of(f"<article><p>{long}</p></article><article><p>{long}</p></article>").count("article") == 40


def test_a_page_of_menus_only_keeps_them() -> None:
    assert text_of("<nav><ul><li><a href=/>Home</a></ul></nav>") == "- Home"


def test_layout_tables_are_read_as_blocks() -> None:
    assert text_of(
        "<table><tr><td><h1>T</h1><p>a</p></td><td><table><tr><td>x</td><td>1</td></tr></table></td></tr></table>"
    ) == ("T\n\na\n\n| x | 1")
    assert text_of("<table><tr><td>only</td></tr><tr><td>boxes</td></tr></table>") == "only\n\nboxes"


def test_a_header_without_header_cells_is_seen() -> None:
    rows = "".join(f"<tr><td>c{n}</td><td>{n}</td></tr>" for n in range(3))
    assert text_of(f"<table><tr><td>City</td><td>People</td></tr>{rows}</table>").split("\n")[2] == "| City: c0 | People: 0"
    assert text_of(f"<table>{rows}</table>").split("\n")[0] == "| c0 | 0"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('<meta charset="gb2312"><p>年假七天</p>'.encode("gb18030"), "年假七天"),
        ('<meta http-equiv=Content-Type content="text/html; charset=big5"><p>年假七天</p>'.encode("big5"), "年假七天"),
        ('<meta charset="iso-8859-1"><p>年假七天</p>'.encode(), "年假七天"),
        ("<p>年假七天</p>".encode("utf-16"), "年假七天"),
        ("<p>入职满一年的员工每年享有七天带薪年休假</p>".encode("gbk"), "入职满一年的员工每年享有七天带薪年休假"),
    ],
)
def test_encodings_are_those_declared_or_found(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert next(open_html(path, None).pages()).text == expected


@pytest.mark.parametrize("tag", ["div", "ul><li", "b", "table><tr><td", "x-y"])
def test_c6_nesting_50000_deep_is_bounded(tag: str) -> None:
    started = time.perf_counter()
    assert text_of(f"<{tag}>" * 50_000 + "<script>evil()</script>deep<style>p{}</style>end").split() == ["deep", "end"]
    assert time.perf_counter() - started < 5


def test_deep_nesting_is_no_matter_of_unclosed_paragraphs() -> None:
    assert not nests_too_deeply("<p>a<li>b<br>" * 2000)
    assert not nests_too_deeply("<div><b>x</b></div>" * 2000)
    assert nests_too_deeply("<div>" * 600)


def test_spans_do_not_multiply_without_bound() -> None:
    html = "<table>" + "<tr><td colspan=99999 rowspan=99999>x</td></tr>" * 500 + "</table>"
    assert len(text_of(html)) < 3_000_000
