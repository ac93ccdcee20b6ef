"""Rows of tables as lines that say their column: `| Name: Li | Age: 30`. So a row is understood wherever a chunk is cut.

For DOCX, PPTX, ODF, XLSX (and other tables). Tests: tests/unit/ingest/office/test_tables.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

_LONGEST_HEADER: Final = 80
_NUMERIC: Final = re.compile(r"[-+(]?[\d.,\s%$€£¥￥/:()-]*\d[\d.,\s%)]*")
_WIDE_TABLE: Final = 3
"""From this many columns on a first row of names needs no further sign to be a header."""


class Cell(Struct, frozen=True, kw_only=True):
    """`spanned`: the text belongs to the cell at the left, which covers this column too."""

    text: str
    spanned: bool = False


class Table(Struct, kw_only=True):
    """Rows as they come, with the header that every later row repeats."""

    header: list[str] = []

    def lines(self, rows: Sequence[tuple[Sequence[Cell], bool]]) -> Iterator[str]:
        """`rows`: (cells, whether the file sets the row apart as a header). The first row names the columns if it looks so."""
        started = False
        for index, (cells, marked) in enumerate(rows):
            once = ["" if cell.spanned else cell.text for cell in cells]
            if not started and any(once):
                started = True
                second = [cell.text for cell in rows[index + 1][0]] if index + 1 < len(rows) else []
                if any(second) and looks_like_header(once, marked=marked, second=second):
                    yield row_line(once)
                    self.header = [" ".join(cell.text.split()) for cell in cells]
                    continue
            line = row_line(once, self.header)
            if line:
                yield line


def looks_like_header(first: Sequence[str], *, marked: bool, second: Sequence[str] = ()) -> bool:
    """Whether the first row names the columns. `marked`: the file sets it apart (repeated header, bold)."""
    filled = [cell for cell in first if cell]
    if len(filled) < 2 or any(len(cell) > _LONGEST_HEADER or "\n" in cell for cell in filled):
        return False
    numeric = [bool(_NUMERIC.fullmatch(cell)) for cell in filled]
    if marked:
        return not all(numeric)
    if any(numeric) or len(set(filled)) != len(filled) or (len(filled) < len(first) - 1 and len(filled) < _WIDE_TABLE):
        return False
    contrast = any(above and below and _NUMERIC.fullmatch(below) for above, below in zip(first, second, strict=False))
    return contrast or len(filled) >= _WIDE_TABLE


def row_line(cells: Sequence[str], header: Sequence[str] = ()) -> str:
    """One line; empty for a row without text. A merged cell counts once: repeat it only where its column needs it."""
    parts: list[str] = []
    for index, cell in enumerate(cells):
        value = " ".join(cell.split())
        if not value:
            continue
        name = header[index] if index < len(header) else ""
        parts.append(f"{name.rstrip(':：')}: {value}" if name and name != value else value)
    return f"| {' | '.join(parts)}" if parts else ""


def is_numeric(text: str) -> bool:
    return bool(_NUMERIC.fullmatch(text))
