"""What parsers give back: pages of text, an outline, drafts of chunks. These structs cross the pipe from worker processes.

Places: pages count from 1; `start`, `end` are code points of the page's text, half open; lengths are PDF points.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

MOST_CHARACTERS: Final = 16_000_000
"""Of one document: a book of 5,000 pages has fewer; more would not fit the memory of a small server."""

MOST_HEADINGS: Final = 2_000
LONGEST_HEADING_CHARACTERS: Final = 200
LONGEST_ANCHOR_CHARACTERS: Final = 200
MOST_ANCHORS: Final = 20_000

_UNSTORABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff\ufffe\uffff]")


def storable(text: str) -> str:
    """Without control characters and lone surrogates, which neither JSON nor SQLite's text functions survive."""
    return _UNSTORABLE.sub("", text)


class Heading(Struct, frozen=True, kw_only=True):
    """`level` counts from 1 (highest); the heading's own line begins at `start` on `page`."""

    title: str
    level: int
    page: int
    start: int


class Furniture(Struct, frozen=True, kw_only=True):
    """Running heads and page numbers: part of the page's text, left out of chunks."""

    page: int
    start: int
    end: int


class AnchorMark(Struct, frozen=True, kw_only=True):
    """From `start` on `page` to the next mark, text stands at `anchor` (the forms: anchors.py).

    `lines_are_rows`: each further line is the next row, for `sheet:` and `rows:` anchors of one row."""

    page: int
    start: int
    anchor: str
    lines_are_rows: bool = False


class WordBox(Struct, frozen=True, kw_only=True, array_like=True):
    """Where a recognised word stands: code points of the page's text, points from the top left of the page as displayed."""

    start: int
    end: int
    x0: float
    y0: float
    x1: float
    y1: float


class ParsedPage(Struct, frozen=True, kw_only=True):
    """`width_pt`, `height_pt`: as displayed; None for a document without pages (one page, number 1). `recognised`: the text was
    read off a picture, and `words` say where it stands."""

    number: int
    text: str
    width_pt: float | None = None
    height_pt: float | None = None
    recognised: bool = False
    attempted: bool = False
    """Its picture was looked at for text, whatever came of it: that takes seconds."""
    words: list[WordBox] = []


class ParsedDocument(Struct, frozen=True, kw_only=True):
    """`title` may be empty; `outline` is in reading order. `paged`: pages mean something to a reader."""

    media_type: str
    title: str
    paged: bool
    pages: list[ParsedPage]
    outline: list[Heading] = []
    furniture: list[Furniture] = []
    anchors: list[AnchorMark] = []


class ChunkDraft(Struct, frozen=True, kw_only=True):
    """A chunk before it has an id: `text == page_text[start:end]`. `anchor`: of the page's marks; `line:12` where a document
    has neither marks nor pages."""

    ordinal: int
    page: int
    anchor: str | None = None
    start: int
    end: int
    text: str
    heading_path: list[str] = []
    tokens: str = ""


class PageRectangles(Struct, frozen=True, kw_only=True):
    """`rects`: [x0, y0, x1, y1] from the top left of the page as displayed, one per line of text."""

    page: int
    width: float
    height: float
    rects: list[list[float]]


class WebLinks(Struct, frozen=True, kw_only=True):
    """What a page of the web, or a sitemap, points to, as it is written there. `base`: what its links are relative to, when it
    says so; `canonical`: its own name for itself; `follow` False: it asks not to be followed. `sitemaps`: further sitemaps.
    `cut`: there were more."""

    links: list[str] = []
    sitemaps: list[str] = []
    base: str = ""
    canonical: str = ""
    follow: bool = True
    cut: bool = False
