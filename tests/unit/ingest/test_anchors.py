from __future__ import annotations

import msgspec
import pytest

from antiphon.ingest.anchors import PageAnchors, cells_anchor, heading_marks, row_anchor
from antiphon.ingest.chunker import ChunkRules, chunks_of
from antiphon.ingest.document import LONGEST_ANCHOR_CHARACTERS, AnchorMark, Heading, ParsedDocument, ParsedPage
from antiphon.storage.lexical.anchor_ranges import column_name, column_number, joined


@pytest.mark.parametrize(("number", "name"), [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (703, "AAA"), (16384, "XFD")])
def test_columns_have_letters(number: int, name: str) -> None:
    assert column_name(number) == name
    assert column_number(name) == number


def test_rows_are_joined_within_one_table_only() -> None:
    assert joined(cells_anchor("A!b", 2, 4, 12), cells_anchor("A!b", 1, 28, 40)) == "sheet:A!b!A12:AB40"
    assert joined(cells_anchor("A", 1, 2, 3), cells_anchor("B", 1, 2, 4)) == "sheet:A!A3:B3"
    assert joined(row_anchor(12), row_anchor(40)) == "rows:12-40"
    assert joined("slide:3", "slide:4") == "slide:3"
    assert joined("heading:1 > 2", None) == "heading:1 > 2"


def test_lines_count_rows_forwards_and_back() -> None:
    text = "\n".join(f"| row {row}" for row in range(1, 2001))
    marks = [AnchorMark(page=1, start=0, anchor=row_anchor(5), lines_are_rows=True)]
    anchors = PageAnchors(marks, text)
    starts = [text.index(f"| row {row}\n") for row in (1, 300, 1999, 200)]
    assert [anchors.of(start, start + 5) for start in starts] == ["rows:5-5", "rows:304-304", "rows:2003-2003", "rows:204-204"]
    assert anchors.of(0, text.index("| row 10\n") + 8) == "rows:5-14"
    assert PageAnchors([], text).of(0, 5) is None
    late = [AnchorMark(page=1, start=10, anchor="slide:2")]
    assert PageAnchors(late, text).of(9, 30) is None
    assert PageAnchors(late, text).of(10, 30) == "slide:2"


def test_headings_are_anchors_with_those_above_them() -> None:
    outline = [
        Heading(title="Leave", level=1, page=1, start=0), Heading(title="Sick", level=2, page=1, start=50),
        Heading(title="Long " * 40, level=3, page=1, start=60), Heading(title="Travel", level=1, page=1, start=90),
    ]  # fmt: skip
    marks = heading_marks(outline)
    assert [mark.anchor for mark in marks[:2]] == ["heading:Leave", "heading:Leave > Sick"]
    assert marks[3].anchor == "heading:Travel"
    assert all(len(mark.anchor) <= LONGEST_ANCHOR_CHARACTERS for mark in marks)
    deep = heading_marks([Heading(title="x" * 200, level=level, page=1, start=level) for level in range(1, 10)])
    assert all(len(mark.anchor) <= LONGEST_ANCHOR_CHARACTERS for mark in deep)


def test_chunks_take_the_mark_at_or_before_their_start() -> None:
    rows = "\n".join(f"| Year: {2000 + row} | Ducks counted on the lake: {row * 7}" for row in range(40))
    text = f"Sheet\n\n{rows}"
    marks = [
        AnchorMark(page=2, start=0, anchor=cells_anchor("S", 1, 2, 3)),
        AnchorMark(page=2, start=7, anchor=cells_anchor("S", 1, 2, 3), lines_are_rows=True),
    ]
    pages = [ParsedPage(number=1, text="Words before."), ParsedPage(number=2, text=text)]
    document = ParsedDocument(media_type="x", title="", paged=False, pages=pages, anchors=marks)
    for overlap in (0, 120):
        found = list(chunks_of(document, ChunkRules(characters=400, overlap_characters=overlap), title=""))
        assert found[0].anchor == "line:1"
        for chunk in found[1:]:
            years = [int(line.split("|")[1].split(":")[1]) - 2000 for line in chunk.text.split("\n") if line.startswith("| Year")]
            assert chunk.anchor == f"sheet:S!A{years[0] + 3}:B{years[-1] + 3}"
        assert len(found) > 5


def test_a_document_stored_before_there_were_marks_is_read() -> None:
    old = b'{"media_type":"text/plain","title":"","paged":false,"pages":[{"number":1,"text":"One."}]}'
    parsed = msgspec.json.decode(old, type=ParsedDocument)
    assert parsed.anchors == []
    assert [chunk.anchor for chunk in chunks_of(parsed, ChunkRules(characters=200), title="")] == ["line:1"]
