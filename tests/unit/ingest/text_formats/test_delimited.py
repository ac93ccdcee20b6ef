from __future__ import annotations

import contextlib
import csv
import time
from pathlib import Path

import pytest

from antiphon.core.errors import AntiphonError
from antiphon.ingest.anchors import PageAnchors
from antiphon.ingest.text_formats.delimited import open_delimited
from antiphon.ingest.text_formats.table_header import header_rows, is_number


def read(tmp_path: Path, content: str | bytes) -> tuple[str, list[tuple[str, int]]]:
    path = tmp_path / "x"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    document = open_delimited(path, None)
    return next(document.pages()).text, [(mark.anchor, mark.start) for mark in document.anchors()]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_each_row_says_its_columns(tmp_path: Path, separator: str) -> None:
    rows = [["Name", "City, Land", "Age"], ["Li", 'a "b"; c', "30"], ["Wang", "", "4"]]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    text, _ = read(tmp_path, path.read_bytes())
    assert text == '| Name | City, Land | Age\n\n| Name: Li | City, Land: a "b"; c | Age: 30\n| Name: Wang | Age: 4'


def test_rows_are_numbered_as_a_spreadsheet_does_across_blank_ones(tmp_path: Path) -> None:
    content = "Stanley Cups,,\nTeam,Place,Cups\nBlues,STL,1\n,,\n,,\n,,\nFlyers,PHI,2\nLeafs,TOR,13\n"
    path = tmp_path / "x"
    path.write_text(content)
    document = open_delimited(path, None)
    text = next(document.pages()).text
    assert document.title == "Stanley Cups"
    anchors = PageAnchors(document.anchors(), text)
    for row, word in [(1, "Stanley Cups"), (2, "| Team | Place"), (3, "Blues"), (7, "Flyers"), (8, "Leafs")]:
        at = text.index(word)
        assert anchors.of(at, at + 1) == f"rows:{row}-{row}"
    assert anchors.of(text.index("Blues"), len(text)) == "rows:3-8"


def test_a_table_without_header_and_ragged_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "1,2\n3,4,5\n6\n")[0] == "| 1 | 2\n| 3 | 4 | 5\n| 6"
    assert read(tmp_path, "a,b,c\n1,2\n1,2,3,4")[0] == "| a | b | c\n\n| a: 1 | b: 2\n| a: 1 | b: 2 | c: 3 | 4"


def test_encodings_and_excels_hint(tmp_path: Path) -> None:
    assert read(tmp_path, "姓名,年龄\n李,30\n".encode("gb18030"))[0] == "| 姓名 | 年龄\n\n| 姓名: 李 | 年龄: 30"
    assert read(tmp_path, "sep=;\na;b\nx;1\n")[0] == "| a | b\n\n| a: x | b: 1"


def test_a_quote_that_is_never_closed_swallows_nothing(tmp_path: Path) -> None:
    text, _ = read(tmp_path, 'a,b\nx,"5 inch\ny,2\nz,3\n')
    assert text.count("\n") == 4
    assert '| a: x | b: "5 inch' in text


@pytest.mark.parametrize("content", [b"a" * 4_000_000, b"," * 4_000_000, b'"' * 4_000_001, b'a,b\n"' + b"x,y\n" * 400_000])
def test_c6_long_lines_and_quotes_are_bounded(tmp_path: Path, content: bytes) -> None:
    before = csv.field_size_limit()
    started = time.perf_counter()
    with contextlib.suppress(AntiphonError):  # more text than is kept
        read(tmp_path, content)
    assert time.perf_counter() - started < 8
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", True), ("-1,234.50", True), ("12%", True), ("$5", True), ("2020-08-24", True), ("3 apples", False), ("x3", False)],
)
def test_numbers_are_told(text: str, expected: bool) -> None:
    assert is_number(text) is expected


def test_headers_are_told() -> None:
    assert header_rows([["a", "b"], ["1", "2"]], certain=False) == 1
    assert header_rows([["a", "b"], ["c", "d"]], certain=False) == 0
    assert header_rows([["a", "b"], ["c", "d"]], certain=True) == 1
    assert header_rows([["1", "b"], ["2", "d"]], certain=True) == 0
    assert header_rows([["a", "a"], ["1", "2"]], certain=True) == 0
    assert header_rows([["a", "b"]], certain=True) == 0
