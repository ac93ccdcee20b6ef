"""PDF through pypdfium2: text with places, outline, rectangles, page images. Runs in worker processes only.

Tests: tests/unit/ingest/test_pdf.py, tests/properties/test_offsets.py.
"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pypdfium2

from antiphon.core.errors import BadRequest, TooLarge, Unsupported
from antiphon.ingest.document import (
    LONGEST_HEADING_CHARACTERS,
    MOST_CHARACTERS,
    MOST_HEADINGS,
    Furniture,
    Heading,
    PageRectangles,
    ParsedPage,
    storable,
)
from antiphon.ingest.parsers import demand_page
from antiphon.ingest.pdf_text import NO_BOX, LineStart, PageGeometry, PageText, read_page_text
from antiphon.ingest.rectangles import merge_boxes

PASSWORD_ERROR: Final = 4
"""FPDF_ERR_PASSWORD"""
MOST_PIXELS: Final = 25_000_000
WIDEST_IMAGE_PX: Final = 4_000
_HEADING_SIZE: Final = 1.12
_LONGEST_HEADING_LINE: Final = 90
_HEADING_LEVELS: Final = 4
_RUNNING_HEAD_PAGES: Final = 3
_RUNNING_HEAD_SHARE: Final = 0.3
_OUTER_LINES: Final = 2
_PAGE_NUMBER: Final = re.compile(r"^[\d\s|/·–-]+|[\d\s|/·–-]+$")
_DAMAGED = "The PDF is damaged: none of its pages can be read. Open it in a PDF reader, save it anew and add it again."


def open_pdf(path: Path, password: str | None) -> PdfDocument:
    """Raises Unsupported (data.reason `password_required`) for an encrypted file, BadRequest for a damaged one."""
    try:
        document = pypdfium2.PdfDocument(path, password=password)
        pages = len(document)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == PASSWORD_ERROR:
            sentence = "The password is wrong." if password else "The PDF is encrypted."
            raise Unsupported(f"{sentence} Try again with its password.", data={"reason": "password_required"}) from error
        raise BadRequest(_DAMAGED) from error
    if not pages:
        document.close()
        raise BadRequest("The PDF has no pages.")
    return PdfDocument(document, pages)


class PdfDocument:
    """One open file. Pages are loaded one at a time and closed again."""

    paged = True

    def __init__(self, document: Any, page_total: int) -> None:
        self._document = document
        self.page_total = page_total
        self.title = self._metadata_title()
        self._line_starts: list[tuple[int, str, list[LineStart]]] = []

    def pages(self) -> Iterator[ParsedPage]:
        """Raises BadRequest when no page can be loaded, Unsupported when none holds text, TooLarge."""
        total = unreadable = 0
        for number in range(1, self.page_total + 1):
            loaded = self._load(number)
            if loaded is None:
                unreadable += 1
                yield ParsedPage(number=number, text="", width_pt=612.0, height_pt=792.0)
                continue
            page, text_page = loaded
            geometry = PageGeometry(page, text_page)
            content = read_page_text(text_page, geometry)
            _close(page, text_page)
            total += len(content.text)
            if total > MOST_CHARACTERS:
                raise TooLarge(f"The PDF holds more than {MOST_CHARACTERS:,} characters: split it.")
            self._line_starts.append((number, content.text, content.lines))
            yield ParsedPage(number=number, text=content.text, width_pt=geometry.width_pt, height_pt=geometry.height_pt)
        if unreadable == self.page_total:
            raise BadRequest(_DAMAGED)
        if not total:
            raise Unsupported(
                "The PDF holds no text, only pictures of it (a scan?). Run text recognition over it first.",
                data={"reason": "no_text"},
            )

    def outline(self) -> list[Heading]:
        """The file's bookmarks; where it has none, lines in larger letters than the text."""
        bookmarks = self._bookmarks()
        return bookmarks if len(bookmarks) > 1 else self._large_lines()

    def furniture(self) -> list[Furniture]:
        """First and last lines that come back on many pages, but for the page's number."""
        outer: list[tuple[str, Furniture]] = []
        for number, text, lines in self._line_starts:
            for line in {line.start: line for line in (*lines[:_OUTER_LINES], *lines[-_OUTER_LINES:])}.values():
                words = text[line.start : line.end].strip()
                if len(words) <= _LONGEST_HEADING_LINE:
                    outer.append((_PAGE_NUMBER.sub("#", words), Furniture(page=number, start=line.start, end=line.end)))
        pages = Counter(key for key, _ in outer)
        needed = max(_RUNNING_HEAD_PAGES, _RUNNING_HEAD_SHARE * self.page_total)
        return [item for key, item in outer if pages[key] >= needed]

    def rectangles(self, page: int, start: int, end: int) -> PageRectangles:
        with_text = self._demand(page)
        geometry = PageGeometry(*with_text)
        content = read_page_text(with_text[1], geometry)
        if not 0 <= start <= end <= len(content.text):
            _close(*with_text)
            raise BadRequest(f"Page {page} has {len(content.text)} characters; the range {start} to {end} is not inside.")
        rects = _rectangles(content, geometry, start, end)
        _close(*with_text)
        return PageRectangles(page=page, width=geometry.width_pt, height=geometry.height_pt, rects=rects)

    def page_image(self, page: int, width_px: int) -> bytes:
        loaded, text_page = self._demand(page)
        width_pt, height_pt = loaded.get_size()
        width = min(max(width_px, 16), WIDEST_IMAGE_PX)
        scale = width / max(width_pt, 1.0)
        pixels = width * height_pt * scale
        if pixels > MOST_PIXELS:
            scale *= math.sqrt(MOST_PIXELS / pixels)
        bitmap = loaded.render(scale=scale)
        output = io.BytesIO()
        bitmap.to_pil().save(output, format="PNG")
        _close(loaded, text_page)
        return output.getvalue()

    def close(self) -> None:
        self._document.close()

    def _load(self, number: int) -> tuple[Any, Any] | None:
        try:
            page = self._document[number - 1]
            return page, page.get_textpage()
        except pypdfium2.PdfiumError:
            return None

    def _demand(self, number: int) -> tuple[Any, Any]:
        demand_page(number, self.page_total)
        loaded = self._load(number)
        if loaded is None:
            raise BadRequest(f"Page {number} of the PDF is damaged.")
        return loaded

    def _metadata_title(self) -> str:
        title = storable(self._document.get_metadata_value("Title") or "").strip()
        # what programs write when nobody gave a title
        if title.lower().startswith(("untitled", "microsoft word -", "无标题")) or title.lower().endswith(
            (".doc", ".docx", ".indd")
        ):
            return ""
        return title[:LONGEST_HEADING_CHARACTERS]

    def _bookmarks(self) -> list[Heading]:
        texts = {number: (text, lines) for number, text, lines in self._line_starts}
        found: list[Heading] = []
        try:
            for bookmark in islice(self._document.get_toc(max_depth=8), MOST_HEADINGS):
                title = " ".join(storable(bookmark.get_title()).split())[:LONGEST_HEADING_CHARACTERS]
                target = bookmark.get_dest()
                index = None if target is None else target.get_index()
                if not title or index is None or index + 1 not in texts:
                    continue
                start = _start_of(title, *texts[index + 1])
                found.append(Heading(title=title, level=bookmark.level + 1, page=index + 1, start=start))
        except pypdfium2.PdfiumError:
            return []
        found.sort(key=lambda heading: (heading.page, heading.start))
        return found

    def _large_lines(self) -> list[Heading]:
        weights: Counter[float] = Counter()
        for _, _, lines in self._line_starts:
            for line in lines:
                weights[line.size_pt] += line.end - line.start
        if not weights:
            return []
        body_pt = weights.most_common(1)[0][0]
        found: list[tuple[float, Heading]] = []
        for number, text, lines in self._line_starts:
            for place, line in enumerate(lines):
                title = text[line.start : line.end].strip()
                if line.size_pt < _HEADING_SIZE * body_pt or _inside_paragraph(lines, place):
                    continue
                if _reads_like_heading(title):
                    found.append((line.size_pt, Heading(title=title, level=1, page=number, start=line.start)))
        repeated = Counter(heading.title for _, heading in found)
        found = [(size, heading) for size, heading in found if repeated[heading.title] < _RUNNING_HEAD_PAGES][:MOST_HEADINGS]
        sizes = sorted({size for size, _ in found}, reverse=True)
        level_of = {size: min(rank, _HEADING_LEVELS) for rank, size in enumerate(sizes, start=1)}
        return [
            Heading(title=heading.title, level=level_of[size], page=heading.page, start=heading.start) for size, heading in found
        ]


def _inside_paragraph(lines: list[LineStart], place: int) -> bool:
    """Whether the line stands among three of one size: a preface in large letters, not a heading."""
    sizes = [line.size_pt for line in lines[max(0, place - 2) : place + 3]]
    own = place - max(0, place - 2)
    return any(sizes[first : first + 3] == [sizes[own]] * 3 for first in range(max(0, own - 2), own + 1))


def _start_of(title: str, text: str, lines: list[LineStart]) -> int:
    """Where the line with the bookmark's title begins, spaces apart; 0 when the page shows other words."""
    wanted = "".join(title.split())[:40]
    for line in lines:
        if "".join(text[line.start : line.end].split()).startswith(wanted):
            return line.start
    return max(0, text.find(title))


def _reads_like_heading(line: str) -> bool:
    letters = sum(character.isalpha() for character in line)
    return letters >= 2 and letters * 2 >= len(line) and len(line) <= _LONGEST_HEADING_LINE and line[-1] not in "。.;；,，"


def _rectangles(content: PageText, geometry: PageGeometry, start: int, end: int) -> list[list[float]]:
    indexes: dict[int, None] = {}
    for offset in range(start, end):
        if content.places[offset] != NO_BOX and not content.text[offset].isspace():
            indexes[content.places[offset]] = None
    boxes: list[tuple[Any, Any]] = []
    for index in indexes:
        loose = geometry.loose_box(index)
        tight = geometry.tight_box(index) or loose
        if tight is not None:
            boxes.append((tight, loose or tight))
    return merge_boxes(boxes, geometry.width_pt, geometry.height_pt)


def _close(page: Any, text_page: Any) -> None:
    text_page.close()
    page.close()
