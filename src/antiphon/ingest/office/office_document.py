"""`OfficeDocument` is what the parsers of this folder return: its pages, each put together by a `Composition` when it is read.

Tests: tests/unit/ingest/office/test_docx.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.anchors import heading_marks
from antiphon.ingest.composition import Composition
from antiphon.ingest.document import (
    MOST_ANCHORS,
    MOST_HEADINGS,
    AnchorMark,
    Furniture,
    Heading,
    PageRectangles,
    ParsedPage,
    storable,
)
from antiphon.ingest.office.package import Package

_NOTHING_LEFT: Final = (
    "The file is damaged, and no text is left in it: store it again from the program it was made with, or upload it again."
)
_ONLY_PICTURES: Final = "The file holds pictures and no text; pictures are read in PDF files: export it as PDF and add that."
_SPACES: Final = re.compile(r"[ \t\u00a0\u3000\r\f\v]+")
_BREAKS: Final = re.compile(r" ?\n ?")
_SOFT_HYPHEN: Final = "\u00ad"


def tidy(text: str) -> str:
    """One space where there were several, no control characters, line breaks kept."""
    return _BREAKS.sub("\n", _SPACES.sub(" ", storable(text).replace(_SOFT_HYPHEN, ""))).strip()


def one_line(text: str) -> str:
    return " ".join(storable(text).replace(_SOFT_HYPHEN, "").split())


class OfficeDocument:
    """An open document. `views`: its pages, made as they are iterated; `paged`: as for OpenDocument."""

    def __init__(
        self, package: Package, views: Iterator[Composition], *, page_total: int, paged: bool, title: str,
        size_pt: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        self.paged = paged
        self.title = title
        self.page_total = page_total
        self._views = views
        self._size_pt = size_pt
        self._shortfall = package.shortfall
        self._holds_pictures = package.holds_pictures()
        self._outline: list[Heading] = []
        self._marks: list[AnchorMark] = []

    def pages(self) -> Iterator[ParsedPage]:
        """Raises Unsupported when there is no text but pictures, BadRequest when nothing is left of a damaged file."""
        width_pt, height_pt = self._size_pt or (None, None)
        holds_text = False
        for view in self._views:
            self._outline += view.outline[: MOST_HEADINGS - len(self._outline)]
            self._marks += view.anchors[: MOST_ANCHORS - len(self._marks)]
            holds_text = holds_text or view.length > 0
            yield ParsedPage(number=view.number, text=view.text(), width_pt=width_pt, height_pt=height_pt)
        if not holds_text and self._shortfall:
            raise BadRequest(_NOTHING_LEFT, data={"reason": "unreadable"})
        if not holds_text and self._holds_pictures:
            raise Unsupported(_ONLY_PICTURES, data={"reason": "no_text"})

    def shortfall(self) -> str:
        """See reading.Incomplete."""
        return self._shortfall

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
