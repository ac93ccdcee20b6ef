"""A sheet's rows -> lines with the names of their columns and marks with their cells. For xlsx.py and odf.py.

A sheet may hold several tables, parted by empty rows. Each is read a few rows ahead to see whether it begins with names.
Tests: tests/unit/ingest/office/test_xlsx.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from msgspec import Struct

from antiphon.ingest.anchors import cells_anchor
from antiphon.ingest.composition import Composition
from antiphon.ingest.office.tables import is_numeric, looks_like_header, row_line
from antiphon.ingest.office.xlsx_parts import Range

_MOST_FILLED_ROWS: Final = 2_000
"""A cell merged over more rows than this is not repeated in them."""


class GridRow(Struct, frozen=True, kw_only=True):
    """`cells`: column from 1 -> text, only those that have one. `marked`: all of them are bold."""

    number: int
    cells: dict[int, str]
    marked: bool = False


class SheetView:
    """`most_characters`: what may still be added to the document; beyond it the sheet is cut, and says so."""

    def __init__(self, view: Composition, name: str, merged: Sequence[Range], most_characters: int) -> None:
        self._view = view
        self._name = name
        self._most_characters = most_characters
        self._down: dict[int, list[Range]] = {}
        """First row -> ranges of more rows, whose text is repeated in each."""
        self._across: dict[tuple[int, int], int] = {}
        """(row, column) of ranges of one or more columns -> their last column."""
        for area in merged:
            if area.first_row < area.last_row <= area.first_row + _MOST_FILLED_ROWS:
                self._down.setdefault(area.first_row, []).append(area)
            if area.last_column > area.first_column:
                self._across[area.first_row, area.first_column] = area.last_column
        self._repeated: list[tuple[Range, str]] = []
        self._header: dict[int, str] = {}
        self._last_marked = (0, 0, 0)
        view.mark(cells_anchor(name, 1, 1, 1), 0)

    def fill(self, rows: Iterator[GridRow]) -> None:
        before: GridRow | None = None
        for row, following in _with_next(self._filled(row) for row in rows):
            if self._view.length > self._most_characters:
                self._view.block(f"[Row {row.number} and those below are left out: the workbook holds too much text.]")
                return
            new_table = before is None or row.number > before.number + 1
            if new_table and not self._belongs(row):
                self._header = {}
            header = not self._header and self._names_columns(row, following)
            self._add(row, {} if header else self._header, new_table=new_table)
            if header:
                self._header = self._spread(row)
            before = row

    def _belongs(self, row: GridRow) -> bool:
        """Whether a row below a gap goes on with the table above: the same columns, and something that is no name."""
        return bool(self._header) and set(row.cells) <= set(self._header) and any(map(is_numeric, row.cells.values()))

    def _names_columns(self, row: GridRow, following: GridRow | None) -> bool:
        if following is None or following.number != row.number + 1 or len(row.cells) < 2:
            return False
        first, last = min(row.cells), max(row.cells)
        names = self._spread(row)
        columns = range(first, max(last, *names) + 1)
        return looks_like_header(
            [row.cells[column] for column in columns if column in row.cells], marked=row.marked and not following.marked,
            second=[following.cells.get(column, "") for column in columns if column in row.cells],
        )  # fmt: skip

    def _spread(self, row: GridRow) -> dict[int, str]:
        """The names with those over several columns given to each of them."""
        names: dict[int, str] = {}
        for column, text in row.cells.items():
            for covered in range(column, min(self._across.get((row.number, column), column), column + 200) + 1):
                names[covered] = " ".join(text.split())
        return names

    def _filled(self, row: GridRow) -> GridRow:
        """With the texts of merged cells that reach down into it."""
        self._repeated = [(area, text) for area, text in self._repeated if area.last_row >= row.number]
        cells = dict(row.cells)
        for area, text in self._repeated:
            cells.setdefault(area.first_column, text)
        for area in self._down.get(row.number, ()):
            text = row.cells.get(area.first_column)
            if text:
                self._repeated.append((area, text))
        return row if len(cells) == len(row.cells) else GridRow(number=row.number, cells=cells, marked=row.marked)

    def _add(self, row: GridRow, header: dict[int, str], *, new_table: bool) -> None:
        columns = sorted(row.cells)
        line = row_line([row.cells[column] for column in columns], [header.get(column, "") for column in columns])
        start = self._view.block(line) if new_table else self._view.line(line)
        if start is None:
            return
        first, last = min(columns[0], *header) if header else columns[0], max(columns[-1], *header) if header else columns[-1]
        if self._last_marked == (0, 0, 0):  # the sheet's name stands with its first row
            self._view.anchors[-1:] = []
            self._view.mark(cells_anchor(self._name, first, last, row.number), 0)
        expected = (row.number - 1, first, last)
        if new_table or self._last_marked != expected:
            self._view.mark(cells_anchor(self._name, first, last, row.number), start, lines_are_rows=True)
        self._last_marked = (row.number, first, last)


def _with_next(rows: Iterator[GridRow]) -> Iterator[tuple[GridRow, GridRow | None]]:
    before: GridRow | None = None
    for row in chain(rows, (None,)):
        if before is not None:
            yield before, row
        before = row
