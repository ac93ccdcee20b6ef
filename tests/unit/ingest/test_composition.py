from __future__ import annotations

import pytest

from antiphon.core.errors import BadRequest, TooLarge
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
    with pytest.raises(BadRequest, match="no text"):
        Composition().document()
    monkeypatch.setattr(module, "MOST_CHARACTERS", 10)
    with pytest.raises(TooLarge, match="split it"):
        Composition().block("x" * 11)
