"""Anchors: places in documents whose pages mean nothing to a reader, as short strings. Pure; for parsers and the chunker.

    line:12                      plain text (given by the chunker where a parser gives no marks)
    heading:Title > Subtitle     DOCX, ODT, RTF, HTML, EPUB, Markdown
    slide:3                      PPTX, ODP, PPT
    sheet:Name!A12:D40           XLSX, ODS, XLS: the rows of the chunk; the name as it is, so the last `!` divides
    rows:12-40                   CSV

A mark holds from its offset to the next one. One whose lines are counted grows by a row with every line break, so a table of
a hundred thousand rows needs one mark. Tests: tests/unit/ingest/test_anchors.py, test_chunker.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from antiphon.ingest.document import LONGEST_ANCHOR_CHARACTERS, AnchorMark, Heading
from antiphon.storage.lexical.anchor_ranges import column_name, joined, moved

_LONGEST_PART: Final = 60
_DIVIDER: Final = " > "


@runtime_checkable
class Anchored(Protocol):
    """An open document that has marks; complete when its pages were iterated."""

    def anchors(self) -> list[AnchorMark]: ...


def cells_anchor(sheet: str, first_column: int, last_column: int, row: int) -> str:
    """One row of a sheet; columns and rows count from 1."""
    return f"sheet:{sheet[:_LONGEST_PART]}!{column_name(first_column)}{row}:{column_name(last_column)}{row}"


def row_anchor(row: int) -> str:
    """One row of a table without sheets; rows count from 1 as a spreadsheet would show them."""
    return f"rows:{row}-{row}"


def slide_anchor(number: int) -> str:
    return f"slide:{number}"


def heading_marks(outline: Sequence[Heading]) -> list[AnchorMark]:
    """One mark per heading, with the headings above it. What stands before the first heading keeps its lines."""
    marks: list[AnchorMark] = []
    path: list[Heading] = []
    for heading in outline:
        path = [*(above for above in path if above.level < heading.level), heading]
        parts = [above.title[:_LONGEST_PART] for above in path]
        while len(parts) > 1 and len(_DIVIDER.join(parts)) > LONGEST_ANCHOR_CHARACTERS - len("heading:"):
            parts.pop(0)
        marks.append(AnchorMark(page=heading.page, start=heading.start, anchor=f"heading:{_DIVIDER.join(parts)}"))
    return marks


class PageAnchors:
    """The marks of one page, asked for ranges in rising order or any other."""

    def __init__(self, marks: Sequence[AnchorMark], text: str) -> None:
        self._marks = sorted(marks, key=lambda mark: mark.start)
        self._starts = [mark.start for mark in self._marks]
        self._text = text
        self._counted = (0, 0, 0)
        """(from, to, line breaks between): chunks come in order, so each stretch of text is counted once."""

    def of(self, start: int, end: int) -> str | None:
        """The anchor of text[start:end]; None before the first mark."""
        first = self._at(start)
        return None if first is None else joined(first, self._at(max(start, end - 1)))

    def _at(self, position: int) -> str | None:
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            return None
        mark = self._marks[index]
        return moved(mark.anchor, self._lines(mark.start, position)) if mark.lines_are_rows else mark.anchor

    def _lines(self, start: int, end: int) -> int:
        counted_from, counted_to, lines = self._counted
        if counted_from != start:
            counted_to, lines = start, 0
        if counted_to > end:  # chunks overlap
            lines -= self._text.count("\n", end, counted_to)
        else:
            lines += self._text.count("\n", counted_to, end)
        self._counted = (start, end, lines)
        return lines
