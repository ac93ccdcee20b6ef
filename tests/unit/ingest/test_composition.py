from __future__ import annotations

import pytest

from antiphon.core.errors import TooLarge
from antiphon.ingest import composition as module
from antiphon.ingest.composition import Composition, clean_cells, row_text


def test_headings_and_anchors_point_at_their_text() -> None:
    composition = Composition()
    composition.block("co\u00adver")
    composition.heading(" Title\n one ", 1)
    composition.mark("rows:1-1")
    composition.row("| a", first=True)
    other = Composition()
    other.heading("Two", 12)
    other.block("text")
    other.mark("x")
    other.block("marked")
    composition.extend(other)
    text = composition.text()
    assert text == "cover\n\nTitle one\n\n| a\n\nTwo\n\ntext\n\nmarked"
    assert [(heading.level, text[heading.start :].partition("\n")[0]) for heading in composition.outline] == [
        (1, "Title one"),
        (9, "Two"),
    ]
    assert [(mark.anchor, text[mark.start :].partition("\n")[0]) for mark in composition.anchors] == [
        ("rows:1-1", "| a"),
        ("x", "marked"),
    ]
    assert composition.length == len(text)


def test_rows_say_their_column() -> None:
    names = clean_cells(["Name", "", "Age"])
    assert row_text(["Li", "x\ny", "3", "more"], names) == "| Name: Li | x y | Age: 3 | more"
    assert row_text(["", " "], names) == ""


def test_heading_anchors_are_given_where_no_marks_are() -> None:
    composition = Composition()
    composition.heading("A", 1)
    composition.heading("B", 2)
    assert [mark.anchor for mark in composition.document(heading_anchors=True).anchors()] == ["heading:A", "heading:A > B"]
    assert composition.document().anchors() == []


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [page.text for page in Composition().document().pages()] == [""]
    monkeypatch.setattr(module, "MOST_CHARACTERS", 10)
    with pytest.raises(TooLarge, match="split it"):
        Composition().block("x" * 11)


def test_pages_say_their_number_and_where_things_begin() -> None:
    page = Composition(3)
    assert page.block("  ") is None
    page.lines(["one", "  two"])
    assert page.text() == "one\n  two"
    start = page.line("three")
    assert start is not None
    page.mark("slide:3", start)
    page.heading("Sheet (hidden)", 1, "Sheet")
    assert page.text()[start:] == "three\n\nSheet (hidden)"
    assert [(mark.page, mark.start) for mark in page.anchors] == [(3, start)]
    assert [(heading.page, heading.title, heading.start) for heading in page.outline] == [(3, "Sheet", start + 7)]


def test_what_is_missing_is_told_with_the_document() -> None:
    part = Composition()
    part.block("text")
    part.shortfall = "The rest is missing."
    whole = Composition()
    whole.extend(part)
    assert whole.document().shortfall() == "The rest is missing."
