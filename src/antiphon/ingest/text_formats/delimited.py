"""CSV and TSV: a line for each row with the column's name before each cell; anchors `rows:…`. Runs in worker processes.

The separator is the one that cuts the first rows most evenly. A quote that is never closed is taken as a letter, so that it
can't swallow the file. Tests: tests/unit/ingest/text_formats/test_delimited.py.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from antiphon.core.errors import BadRequest
from antiphon.ingest.anchors import row_anchor
from antiphon.ingest.composition import Composition, clean_cells, row_text
from antiphon.ingest.document import MOST_CHARACTERS
from antiphon.ingest.plain_text import TextDocument, lines_of, read_text
from antiphon.ingest.text_formats.table_header import header_rows

_SEPARATORS: Final = (",", "\t", ";", "|")
_SAMPLE_ROWS: Final = 50
_SAMPLE_CHARACTERS: Final = 100_000
_LONGEST_QUOTED_CHARACTERS: Final = 50_000
_MOST_TITLE_ROWS: Final = 5


def open_delimited(path: Path, _password: str | None) -> TextDocument:
    text = read_text(path)
    composition = Composition()
    with _longest_field(MOST_CHARACTERS):
        try:
            title = _add_rows(composition, _rows(text))
        except csv.Error as error:
            raise BadRequest(f"The table can't be read: {error}.", data={"reason": "unreadable"}) from error
    return composition.document(title)


def _add_rows(composition: Composition, rows: Iterator[tuple[int, list[str]]]) -> str:
    first = list(islice(rows, _SAMPLE_ROWS))
    titles, header_at = _front([row for _, row in first])
    title = ""
    for number, row in first[:titles]:
        text = " ".join(cell.strip() for cell in row if cell.strip())
        title = title or text
        composition.mark(row_anchor(number))
        composition.block(text)
    names: list[str] = []
    if header_at is not None:
        number, header = first[header_at]
        names = clean_cells(header)
        composition.mark(row_anchor(number))
        composition.row(row_text(names, ()), first=True)
        titles = header_at + 1
    expected: int | None = None
    for part in (first[titles:], rows):
        for number, row in part:
            line = row_text(row, names)
            if not line:
                continue
            if number != expected:  # the first row, or behind rows that were left out
                composition.mark(row_anchor(number), lines_are_rows=True)
            composition.row(line, first=number != expected)
            expected = number + 1
    return title


def _front(rows: list[list[str]]) -> tuple[int, int | None]:
    """(rows before the table that are titles, place of the header or None)"""
    width = Counter(sum(1 for cell in row if cell.strip()) for row in rows).most_common(1)
    usual = width[0][0] if width else 0
    titles = 0
    while titles < min(_MOST_TITLE_ROWS, len(rows) - 2) and usual > 2 and sum(1 for cell in rows[titles] if cell.strip()) == 1:
        titles += 1
    return titles, titles if header_rows(rows[titles:], certain=True) else None


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number from 1, cells) of the rows that are not empty."""
    first_line, _, rest = text.partition("\n")
    separator = None
    if first_line.lower().startswith("sep=") and len(first_line) == 5:  # Excel's own hint
        separator, text = first_line[4], rest
    sample = text[:_SAMPLE_CHARACTERS]
    separator = separator or _separator(sample)
    quoting = csv.QUOTE_NONE if _quotes_run_away(text, separator) else csv.QUOTE_MINIMAL
    for number, row in enumerate(csv.reader(_lines(text), delimiter=separator, quoting=quoting), start=1):
        if any(cell.strip() for cell in row):
            yield number, row


def _separator(sample: str) -> str:
    best, best_score = ",", 0.0
    for separator in _SEPARATORS:
        try:
            rows = list(islice(csv.reader(sample.split("\n"), delimiter=separator), _SAMPLE_ROWS))
        except csv.Error:
            continue
        widths = Counter(len(row) for row in rows if row)
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))
        if width > 1:
            score = count / widths.total() + min(width, 20) / 1000
            if score > best_score:
                best, best_score = separator, score
    return best


def _quotes_run_away(text: str, separator: str) -> bool:
    """A very long cell, or quotes still open at the end: then they are not CSV's."""
    if '"' not in text:
        return False
    last: list[str] = []
    with _longest_field(_LONGEST_QUOTED_CHARACTERS):
        try:
            for last in csv.reader(_lines(text), delimiter=separator):  # noqa: B007 - the last one is looked at
                pass
        except csv.Error:
            return True
    return text.count('"') % 2 == 1 and bool(last) and last[-1].count("\n") > 1


def _lines(text: str) -> Iterator[str]:
    return (line + "\n" for _, line in lines_of(text))


@contextmanager
def _longest_field(characters: int) -> Generator[None]:
    """The reader's limit is one of the whole process."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)
