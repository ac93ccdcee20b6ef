"""One data table of an HTML page: cells with their spans, the header's row or rows. For html.py.

Tests: tests/unit/ingest/text_formats/test_html.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antiphon.ingest.composition import Composition
from antiphon.ingest.text_formats.table_header import header_rows

_MOST_SPAN: Final = 50
_MOST_COLUMNS: Final = 1_000
_MOST_FILLED_CELLS: Final = 1_000_000
"""Cells that spans put into further rows and columns: beyond it spans are ignored."""


class HtmlTable:
    """Fed by a walk over the table's elements: `enter` and `leave` for tr, th, td, thead."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self._row: list[str] | None = None
        self._row_is_header = True
        self._header_rows = 0
        self._in_head = False
        self._carried: dict[int, tuple[int, str]] = {}
        """Column -> (further rows, text) of cells that span rows."""
        self._span = (1, 1)
        self._filled = 0
        self._loose: list[str] = []
        self._any_header_cell = False

    def enter(self, tag: str, text_before: str, attributes: Mapping[str, str | None]) -> None:
        """`text_before`: what stood between the cells, where none should be."""
        if text_before:
            self._loose.append(text_before)
        if tag == "thead":
            self._in_head = True
        elif tag == "tr":
            self._end_row()
            self._row, self._row_is_header = [], True
        elif tag in {"td", "th"}:
            if self._row is None:
                self._row, self._row_is_header = [], True
            self._row_is_header = self._row_is_header and (tag == "th" or self._in_head)
            self._any_header_cell |= tag == "th"
            self._span = (_span(attributes.get("colspan")), _span(attributes.get("rowspan")))

    def leave(self, tag: str, text: str) -> None:
        if tag in {"td", "th"} and self._row is not None:
            self._cell(text)
        elif tag in {"tr", "table"}:
            if text:
                self._loose.append(text)
            self._end_row()
        elif tag == "thead":
            self._end_row()
            self._in_head = False

    def add_to(self, composition: Composition) -> None:
        for text in self._loose:
            composition.block(text)
        rows = [row for row in self._rows if any(row)]
        if not rows:
            return
        if max(map(len, rows)) == 1:  # a box, not a table
            for row in rows:
                composition.block(row[0])
            return
        heads = self._header_rows if 0 < self._header_rows < len(rows) else 0
        if not heads and not self._any_header_cell:
            heads = header_rows(rows, certain=False)
        header = _merged(rows[:heads]) if heads else None
        composition.table(rows[heads:], header)

    def _cell(self, text: str) -> None:
        row = self._row
        if row is None:
            return
        self._fill_carried(row)
        across, down = self._span
        if across > 1 or down > 1:
            self._filled += across * down
            if self._filled > _MOST_FILLED_CELLS:
                across = down = 1
        for _ in range(across):
            if len(row) >= _MOST_COLUMNS:
                return
            if down > 1:
                self._carried[len(row)] = (down - 1, text)
            row.append(text)

    def _fill_carried(self, row: list[str]) -> None:
        while len(row) < _MOST_COLUMNS and (carried := self._carried.get(len(row))) is not None:
            left, text = carried
            if left == 1:
                del self._carried[len(row)]
            else:
                self._carried[len(row)] = (left - 1, text)
            row.append(text)

    def _end_row(self) -> None:
        row = self._row
        if row is None:
            return
        self._fill_carried(row)
        if row:
            if self._row_is_header and self._header_rows == len(self._rows) and self._header_rows < 3:
                self._header_rows += 1
            self._rows.append(row)
        self._row = None


def _span(value: str | None) -> int:
    value = (value or "1").strip()
    return max(1, min(int(value), _MOST_SPAN)) if value.isascii() and value.isdigit() and len(value) < 6 else 1


def _merged(rows: list[list[str]]) -> list[str]:
    """Column names over several rows: "2024 Revenue"; a name spanning down is said once."""
    width = max(map(len, rows))
    names: list[str] = []
    for column in range(width):
        parts: list[str] = []
        for row in rows:
            part = row[column] if column < len(row) else ""
            if part and part not in parts:
                parts.append(part)
        names.append(" ".join(parts))
    return names
