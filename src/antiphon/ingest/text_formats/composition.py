"""Puts the text of a document together: blocks, headings and anchors with exact offsets. For the parsers of this folder.

Everything added is mended first, so offsets are those of the text that is stored. Tests:
tests/unit/ingest/text_formats/test_composition.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from antiphon.core.errors import BadRequest, TooLarge
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
    """Blocks are parted by an empty line, lines by a line break. Raises TooLarge beyond MOST_CHARACTERS, at any addition."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.length = 0
        self.outline: list[Heading] = []
        self.anchors: list[AnchorMark] = []

    def block(self, text: str) -> None:
        """A paragraph of its own. Blank text adds nothing."""
        self._add(text, "\n\n")

    def line(self, text: str) -> None:
        """A further line of the same block. Blank text adds nothing."""
        self._add(text, "\n")

    def heading(self, title: str, level: int) -> None:
        """A block, and an entry of the outline."""
        title = one_line(mended(title))
        if not title:
            return
        self._add(title, "\n\n")
        if len(self.outline) < MOST_HEADINGS:
            start = self.length - len(title)
            level = max(1, min(level, _DEEPEST_LEVEL))
            self.outline.append(Heading(title=title[:LONGEST_HEADING_CHARACTERS], level=level, page=1, start=start))

    def mark(self, anchor: str, *, lines_are_rows: bool = False) -> None:
        """What is added from now on stands at this anchor."""
        if len(self.anchors) < MOST_ANCHORS:
            # the separator before the next piece still belongs to what is before
            start = self.length + 2 if self.length else 0
            self.anchors.append(AnchorMark(page=1, start=start, anchor=anchor, lines_are_rows=lines_are_rows))

    def table(self, rows: Sequence[Sequence[str]], header: Sequence[str] | None) -> None:
        """A line for each row, with the column's name before each cell, so that a row read alone says what it means."""
        names = [] if header is None else clean_cells(header)
        self.row(row_text(names, ()), first=True)
        for number, row in enumerate(rows):
            self.row(row_text(row, names), first=number == 0)

    def row(self, text: str, *, first: bool) -> None:
        """A line made by `row_text`; the first one of a table begins a block."""
        if text:
            self._add_mended(text, "\n\n" if first else "\n")

    def extend(self, other: Composition) -> None:
        """All of another composition, as further blocks."""
        if not other.length:
            return
        shift = self.length + 2 if self._pieces else 0
        room_for_headings, room_for_anchors = MOST_HEADINGS - len(self.outline), MOST_ANCHORS - len(self.anchors)
        self.outline += [replace(heading, start=heading.start + shift) for heading in other.outline[:room_for_headings]]
        self.anchors += [replace(mark, start=mark.start + shift) for mark in other.anchors[:room_for_anchors]]
        self._add(other.text(), "\n\n")

    def text(self) -> str:
        return "".join(self._pieces)

    def document(self, title: str = "", *, heading_anchors: bool = False) -> TextDocument:
        """`heading_anchors`: headings are the anchors, unless marks were set. Raises BadRequest when nothing was added."""
        if not self.length:
            raise BadRequest("There is no text in the file.", data={"reason": "no_text"})
        anchors = self.anchors or (heading_marks(self.outline) if heading_anchors else [])
        return TextDocument(self.text(), one_line(mended(title))[:LONGEST_HEADING_CHARACTERS], self.outline, anchors)

    def _add(self, text: str, separator: str) -> None:
        text = mended(text).strip("\n").rstrip()
        if text and not text.isspace():
            self._add_mended(text, separator)

    def _add_mended(self, text: str, separator: str) -> None:
        if self._pieces:
            self._pieces.append(separator)
            self.length += len(separator)
        self._pieces.append(text)
        self.length += len(text)
        if self.length > MOST_CHARACTERS:
            raise TooLarge(f"The document holds more than {MOST_CHARACTERS:,} characters: split it.")


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
