"""Puts the text of a page together: blocks, headings and anchors with exact offsets. For the parsers of all formats but PDF.

Everything added is mended first, so offsets are those of the text that is stored. Rows begin with `| `, so that each is a
sentence of its own. Tests: tests/unit/ingest/test_composition.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from antiphon.core.errors import TooLarge
from antiphon.ingest.anchors import heading_marks
from antiphon.ingest.document import (
    LONGEST_HEADING_CHARACTERS,
    MOST_ANCHORS,
    MOST_CHARACTERS,
    MOST_HEADINGS,
    AnchorMark,
    Heading,
)
from antiphon.ingest.plain_text import TextDocument
from antiphon.ingest.text_formats.mending import mended, one_line

_DEEPEST_LEVEL: Final = 9
_MOST_COLUMNS: Final = 1_000


class Composition:
    """One page; of documents without pages the whole. Blocks are parted by an empty line, lines by a line break. Raises TooLarge
    beyond MOST_CHARACTERS, at any addition. `length`: of the text so far."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.length = 0
        self.outline: list[Heading] = []
        self.anchors: list[AnchorMark] = []
        self.shortfall = ""
        """What could not be read and what would help, as a sentence; told with the document."""
        self._pieces: list[str] = []

    def block(self, text: str) -> int | None:
        """A paragraph of its own. Where it begins; None for blank text, which adds nothing."""
        return self._add(text, "\n\n")

    def line(self, text: str) -> int | None:
        """A further line of the same block: an item of a list, a row of a table. As `block`."""
        return self._add(text, "\n")

    def lines(self, texts: Iterable[str]) -> None:
        """One below the other, as a block of their own."""
        for index, text in enumerate(texts):
            _ = self.line(text) if index else self.block(text)

    def heading(self, text: str, level: int, title: str | None = None) -> None:
        """A block, and an entry of the outline; `title`: what the outline says, where it differs from the text."""
        line = one_line(mended(text))
        start = self._add_mended(line, "\n\n") if line else None
        if start is not None and len(self.outline) < MOST_HEADINGS:
            name = line if title is None else one_line(mended(title)) or line
            level = max(1, min(level, _DEEPEST_LEVEL))
            self.outline.append(Heading(title=name[:LONGEST_HEADING_CHARACTERS], level=level, page=self.number, start=start))

    def mark(self, anchor: str, start: int | None = None, *, lines_are_rows: bool = False) -> None:
        """What begins at `start` stands at this anchor; without it, what is added from now on."""
        if len(self.anchors) < MOST_ANCHORS:
            if start is None:  # the separator before the next piece still belongs to what is before
                start = self.length + 2 if self.length else 0
            self.anchors.append(AnchorMark(page=self.number, start=start, anchor=anchor, lines_are_rows=lines_are_rows))

    def table(self, rows: Sequence[Sequence[str]], header: Sequence[str] | None) -> None:
        """A line for each row, with the column's name before each cell, so that a row read alone says what it means."""
        names = [] if header is None else clean_cells(header)
        self.row(row_text(names, ()), first=True)
        for number, row in enumerate(rows):
            self.row(row_text(row, names), first=number == 0)

    def row(self, text: str, *, first: bool) -> int | None:
        """A line that is mended already (made by `row_text`, say); the first one of a table begins a block. As `block`."""
        return self._add_mended(text, "\n\n" if first else "\n") if text else None

    def extend(self, other: Composition) -> None:
        """All of another composition, as further blocks."""
        if not other.length:
            return
        shift = self.length + 2 if self._pieces else 0
        room_for_headings, room_for_anchors = MOST_HEADINGS - len(self.outline), MOST_ANCHORS - len(self.anchors)
        self.shortfall = self.shortfall or other.shortfall
        self.outline += [replace(heading, start=heading.start + shift) for heading in other.outline[:room_for_headings]]
        self.anchors += [replace(mark, start=mark.start + shift) for mark in other.anchors[:room_for_anchors]]
        self._add(other.text(), "\n\n")

    def text(self) -> str:
        return "".join(self._pieces)

    def document(self, title: str = "", *, heading_anchors: bool = False) -> TextDocument:
        """`heading_anchors`: headings are the anchors, unless marks were set."""
        anchors = self.anchors or (heading_marks(self.outline) if heading_anchors else [])
        title = one_line(mended(title))[:LONGEST_HEADING_CHARACTERS]
        return TextDocument(self.text(), title, self.outline, anchors, shortfall=self.shortfall)

    def _add(self, text: str, separator: str) -> int | None:
        text = mended(text).strip("\n").rstrip()
        return self._add_mended(text, separator) if text and not text.isspace() else None

    def _add_mended(self, text: str, separator: str) -> int:
        if self._pieces:
            self._pieces.append(separator)
            self.length += len(separator)
        start = self.length
        self._pieces.append(text)
        self.length += len(text)
        if self.length > MOST_CHARACTERS:
            raise TooLarge(f"The document holds more than {MOST_CHARACTERS:,} characters: split it.")
        return start


def row_text(row: Sequence[str], names: Sequence[str]) -> str:
    """One line: `| name: cell | name: cell`. `names`: made by `clean_cells`; cells beyond them stand alone, empty ones are
    left out."""
    cells: list[str] = []
    for number, value in enumerate(clean_cells(row)):
        if value:
            name = names[number] if number < len(names) else ""
            cells.append(f"{name}: {value}" if name and name != value else value)
    return "| " + " | ".join(cells) if cells else ""


def clean_cells(row: Sequence[str]) -> list[str]:
    """Each cell mended and on one line."""
    return [one_line(mended(cell)) for cell in row[:_MOST_COLUMNS]]
