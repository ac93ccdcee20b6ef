"""Plain text and Markdown: one page, number 1, holding the decoded text as it is. Headings become the outline.

Runs in worker processes. Offsets are those of the stored text, so nothing is removed but characters no store can keep.
Tests: tests/unit/ingest/test_plain_text.py, test_markdown.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from antiphon.core.errors import TooLarge, Unsupported
from antiphon.ingest.decoding import decode
from antiphon.ingest.document import (
    MOST_CHARACTERS,
    MOST_HEADINGS,
    AnchorMark,
    Furniture,
    Heading,
    PageRectangles,
    ParsedPage,
)
from antiphon.ingest.text_formats.mending import mended

_CHAPTER: Final = re.compile(
    r"^(?:第[一二三四五六七八九十百\d]{1,4}(?P<unit>[编篇章节])(?:[ \t\u3000]+\S|[ \t\u3000]*$)|(?P<number>\d{1,2}(?:\.\d{1,2}){0,3})\.?[ \t]+[A-Z\u4e00-\u9fff])"
)
_UNITS: Final = {"编": 1, "篇": 1, "章": 1, "节": 2}
_LONGEST_CHAPTER_LINE: Final = 60
_SENTENCE_END: Final = tuple(".。!！?？;；,，:：")


def demand_size(path: Path) -> None:
    """Raises TooLarge for a file whose text can't fit, before it is read."""
    if path.stat().st_size > 4 * MOST_CHARACTERS:
        raise TooLarge(f"The text is longer than {MOST_CHARACTERS:,} characters: split the file.")


def read_text(path: Path) -> str:
    """Decoded and mended. Raises TooLarge as `demand_size`, or when the text turns out too long."""
    demand_size(path)
    text = mended(decode(path.read_bytes()))
    if len(text) > MOST_CHARACTERS:
        raise TooLarge(f"The text is longer than {MOST_CHARACTERS:,} characters: split the file.")
    return text


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """(offset, line without its end). Lines are those at `\\n`, unlike `str.splitlines`."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        if end < 0:
            end = len(text)
        yield start, text[start:end]
        start = end + 1


class TextDocument:
    """An open document without pages: its text, and the headings and anchors found in it."""

    paged = False

    def __init__(
        self, text: str, title: str, outline: list[Heading], anchors: list[AnchorMark] | None = None, *, shortfall: str = ""
    ) -> None:
        self.title = title
        self.page_total = 1
        self._text = text
        self._outline = outline
        self._anchors = anchors or []
        self._shortfall = shortfall

    def pages(self) -> Iterator[ParsedPage]:
        yield ParsedPage(number=1, text=self._text)

    def outline(self) -> list[Heading]:
        return self._outline

    def anchors(self) -> list[AnchorMark]:
        return self._anchors

    def furniture(self) -> list[Furniture]:
        return []

    def shortfall(self) -> str:
        """See reading.Incomplete."""
        return self._shortfall

    def rectangles(self, _page: int, _start: int, _end: int, /) -> PageRectangles:
        raise Unsupported("Only documents with pages have rectangles; this one has character ranges.")

    def page_image(self, _page: int, _width_px: int, /) -> bytes:
        raise Unsupported("Only documents with pages have page images.")

    def close(self) -> None:
        pass


def open_plain_text(path: Path, _password: str | None) -> TextDocument:
    """Numbered lines ("2.1 Leave", "第二章 休假") that stand alone count as headings."""
    text = read_text(path)
    outline: list[Heading] = []
    blank_before = True
    for start, line in lines_of(text):
        bare = line.strip()
        if blank_before and 0 < len(bare) <= _LONGEST_CHAPTER_LINE and not bare.endswith(_SENTENCE_END):
            match = _CHAPTER.match(bare)
            if match is not None and len(outline) < MOST_HEADINGS:
                number = match["number"]
                level = number.count(".") + 1 if number else _UNITS[match["unit"]]
                outline.append(Heading(title=bare, level=level, page=1, start=start))
        blank_before = not bare
    return TextDocument(text, "", outline)
