"""`TextView` gathers the text of a page with its headings and marks; `OfficeDocument` is what the parsers of this folder return.

Blocks are parted by blank lines, rows and items by line breaks, and rows begin with `| ` so that each is a sentence of its own.
Tests: tests/unit/ingest/office/test_docx.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from antiphon.core.errors import TooLarge, Unsupported
from antiphon.ingest.anchors import heading_marks
from antiphon.ingest.document import (
    LONGEST_HEADING_CHARACTERS,
    MOST_ANCHORS,
    MOST_CHARACTERS,
    MOST_HEADINGS,
    AnchorMark,
    Furniture,
    Heading,
    PageRectangles,
    ParsedPage,
    storable,
)

_SPACES: Final = re.compile(r"[ \t\u00a0\u3000\r\f\v]+")
_BREAKS: Final = re.compile(r" ?\n ?")
_SOFT_HYPHEN: Final = "\u00ad"


def tidy(text: str) -> str:
    """One space where there were several, no control characters, line breaks kept."""
    return _BREAKS.sub("\n", _SPACES.sub(" ", storable(text).replace(_SOFT_HYPHEN, ""))).strip()


def one_line(text: str) -> str:
    return " ".join(storable(text).replace(_SOFT_HYPHEN, "").split())


class TextView:
    """One page. Raises TooLarge when the text outgrows what is kept of a document."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.outline: list[Heading] = []
        self.marks: list[AnchorMark] = []
        self._pieces: list[str] = []
        self._length = 0

    @property
    def length(self) -> int:
        return self._length

    def block(self, text: str) -> int | None:
        """A paragraph, after a blank line. Where it begins; None for an empty one."""
        return self._add(text, "\n\n")

    def row(self, text: str) -> int | None:
        """A line below the one before: an item of a list, a row of a table."""
        return self._add(text, "\n")

    def rows(self, lines: Iterable[str]) -> None:
        """One below the other, as a block of their own."""
        for index, line in enumerate(lines):
            _ = self.row(line) if index else self.block(line)

    def heading(self, text: str, level: int, title: str | None = None) -> None:
        """`title`: for the outline, where it differs from the line in the text."""
        line = one_line(text)
        start = self.block(line)
        if start is not None and len(self.outline) < MOST_HEADINGS:
            name = one_line(title or line)[:LONGEST_HEADING_CHARACTERS]
            self.outline.append(Heading(title=name, level=max(1, min(level, 9)), page=self.number, start=start))

    def mark(self, anchor: str, start: int, *, lines_are_rows: bool = False) -> None:
        if len(self.marks) < MOST_ANCHORS:
            self.marks.append(AnchorMark(page=self.number, start=start, anchor=anchor, lines_are_rows=lines_are_rows))

    def text(self) -> str:
        return "".join(self._pieces)

    def _add(self, text: str, gap: str) -> int | None:
        if not text:
            return None
        if self._length:
            self._pieces.append(gap)
            self._length += len(gap)
        start = self._length
        self._pieces.append(text)
        self._length += len(text)
        if self._length > MOST_CHARACTERS:
            raise TooLarge(f"The document holds more than {MOST_CHARACTERS:,} characters: split it.")
        return start


class OfficeDocument:
    """An open document. `views`: its pages, made as they are iterated; `paged`: as for OpenDocument."""

    def __init__(
        self, views: Iterator[TextView], *, page_total: int, paged: bool, title: str, size_pt: tuple[float, float] | None = None
    ) -> None:
        self.paged = paged
        self.title = title
        self.page_total = page_total
        self._views = views
        self._size_pt = size_pt
        self._outline: list[Heading] = []
        self._marks: list[AnchorMark] = []

    def pages(self) -> Iterator[ParsedPage]:
        width_pt, height_pt = self._size_pt or (None, None)
        for view in self._views:
            self._outline += view.outline[: MOST_HEADINGS - len(self._outline)]
            self._marks += view.marks[: MOST_ANCHORS - len(self._marks)]
            yield ParsedPage(number=view.number, text=view.text(), width_pt=width_pt, height_pt=height_pt)

    def outline(self) -> list[Heading]:
        return self._outline

    def anchors(self) -> list[AnchorMark]:
        """The parser's marks; the headings where it made none."""
        return self._marks or heading_marks(self._outline)

    def furniture(self) -> list[Furniture]:
        return []

    def rectangles(self, _page: int, _start: int, _end: int, /) -> PageRectangles:
        raise Unsupported("Rectangles are made of PDF files only; in this one places are anchors and character ranges.")

    def page_image(self, _page: int, _width_px: int, /) -> bytes:
        raise Unsupported("Page images are made of PDF files only; show the text of the page instead.")

    def close(self) -> None:
        self._views = iter(())
