"""PDF through pypdfium2: text with places, outline, rectangles, page images. Runs in worker processes only.

Tests: tests/unit/ingest/test_pdf.py, tests/properties/test_offsets.py.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from stringprep import in_table_b1, in_table_c12
from typing import Any, Final

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from antiphon.core.errors import BadRequest, TooLarge, Unsupported
from antiphon.ingest.document import (
    LONGEST_HEADING_CHARACTERS,
    MOST_CHARACTERS,
    Furniture,
    Heading,
    PageRectangles,
    ParsedPage,
    storable,
)
from antiphon.ingest.ocr import RECOGNITION_DPI, Recognition
from antiphon.ingest.parsers import demand_page
from antiphon.ingest.pdf_objects import holds_nothing, rebuilt
from antiphon.ingest.pdf_outline import PdfOutline
from antiphon.ingest.pdf_page import LoadedPage, load_page
from antiphon.ingest.pdf_text import NO_BOX, PageGeometry, PageText
from antiphon.ingest.rectangles import merge_boxes

PASSWORD_ERROR: Final = 4
"""FPDF_ERR_PASSWORD"""
MOST_PIXELS: Final = 25_000_000
MOST_PAGES: Final = 20_000
"""A damaged file may promise a thousand million."""
WIDEST_IMAGE_PX: Final = 4_000
_LEAST_TEXT_CHARACTERS: Final = 8
"""A page with less and a picture is a scan: what there is may be a stamp or a page number put over it."""
_PICTURE_SHARE: Final = 0.1
_MOST_OBJECTS: Final = 200
_PAGES_TRIED: Final = 100
_REBUILT: Final = "The PDF is damaged: its pages were found one by one, so some may be missing or in another order."
_CONTENT_LOST: Final = (
    "No text could be read in the PDF, though its pages are not empty: their content is damaged, or made for one program only (a "
    "form of Adobe LiveCycle). Open it in the program that shows it, print it to a new PDF and add that."
)
_DAMAGED: Final = "The PDF is damaged: none of its pages can be read. Open it in a PDF reader, save it anew and add it again."


def open_pdf(path: Path, password: str | None) -> PdfDocument:
    """Raises Unsupported (data.reason `password_required`) for an encrypted file, BadRequest for a damaged one."""
    try:
        document = _unlocked(path, password)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == PASSWORD_ERROR:
            sentence = "The password is wrong." if password else "The PDF is encrypted."
            raise Unsupported(f"{sentence} Try again with its password.", data={"reason": "password_required"}) from error
        document = None
    if document is not None and _has_a_page(document):
        return PdfDocument(document, path)
    if document is not None:
        document.close()
    content = rebuilt(path)
    try:
        document = None if content is None else pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError:
        document = None
    if document is None or not _has_a_page(document):
        raise BadRequest(_DAMAGED, data={"reason": "unreadable"})
    return PdfDocument(document, path, rebuilt=True)


def _unlocked(path: Path, password: str | None) -> Any:
    """A password is tried as it was typed, then as the standard prepares it (ISO 32000-2: SASLprep), which pdfium leaves out."""
    try:
        return pypdfium2.PdfDocument(path, password=password)
    except pypdfium2.PdfiumError as error:
        prepared = prepared_password(password or "")
        if getattr(error, "err_code", None) != PASSWORD_ERROR or prepared == (password or ""):
            raise
        return pypdfium2.PdfDocument(path, password=prepared)


def prepared_password(password: str) -> str:
    """RFC 4013 without its prohibitions: what is not seen goes, other spaces become spaces, letters take their plain form."""
    mapped = "".join(" " if in_table_c12(c) else c for c in password if not in_table_b1(c))
    return unicodedata.normalize("NFKC", mapped)


def _has_a_page(document: Any) -> bool:
    """Whether one of the first pages can be loaded; a tree may promise pages it does not have."""
    for number in range(min(len(document), _PAGES_TRIED)):
        try:
            document[number].close()
        except pypdfium2.PdfiumError:
            continue
        return True
    return False


class PdfDocument:
    """One open file. Pages are loaded one at a time and closed again."""

    paged = True

    def __init__(self, document: Any, path: Path, *, rebuilt: bool = False) -> None:
        self._document = document
        self._path = path
        self._rebuilt = rebuilt
        self.page_total = len(document)
        self.title = self._metadata_title()
        self._outline = PdfOutline(document)
        self._recognition = Recognition()
        self._unreadable: list[int] = []
        self._drawn = False
        self._told: tuple[list[Heading], list[Furniture]] | None = None

    def pages(self) -> Iterator[ParsedPage]:
        """Raises BadRequest when no page can be loaded, Unsupported when none holds text, TooLarge."""
        if self.page_total > MOST_PAGES:
            raise TooLarge(f"The PDF has more than {MOST_PAGES:,} pages: split it.")
        total = 0
        for number in range(1, self.page_total + 1):
            page = self._read(number)
            if len(self._unreadable) == number >= _PAGES_TRIED:
                raise BadRequest(_DAMAGED, data={"reason": "unreadable"})
            total += len(page.text)
            if total > MOST_CHARACTERS:
                raise TooLarge(f"The PDF holds more than {MOST_CHARACTERS:,} characters: split it.")
            yield page
        if len(self._unreadable) == self.page_total:
            raise BadRequest(_DAMAGED, data={"reason": "unreadable"})
        if not total:
            self._demand_nothing_lost()

    def _demand_nothing_lost(self) -> None:
        """Of a document without text. Raises Unsupported or BadRequest unless its pages are empty indeed."""
        if self._recognition.pages_seen:
            raise self._recognition.nothing_read("The PDF holds no text, only pictures of it.")
        if self._rebuilt or self._unreadable:
            raise BadRequest(_DAMAGED, data={"reason": "unreadable"})
        if not self._drawn and not holds_nothing(self._path):
            raise Unsupported(_CONTENT_LOST, data={"reason": "no_text"})

    def _read(self, number: int) -> ParsedPage:
        try:
            loaded = load_page(self._document, number)
        except pypdfium2.PdfiumError:
            self._unreadable.append(number)
            return ParsedPage(number=number, text="", width_pt=612.0, height_pt=792.0)
        with closing(loaded):
            return self._parsed(number, loaded)

    def _parsed(self, number: int, loaded: LoadedPage) -> ParsedPage:
        text, size = loaded.content.text, {"width_pt": loaded.geometry.width_pt, "height_pt": loaded.geometry.height_pt}
        if len(text.strip()) < _LEAST_TEXT_CHARACTERS and _is_picture(loaded.page):
            before = self._recognition.attempts
            found = self._recognition.read(number, lambda: _picture(loaded.page), **size)
            attempted = self._recognition.attempts > before
            if found is not None and found.text:
                return ParsedPage(number=number, text=found.text, recognised=True, attempted=attempted, words=found.words, **size)
            return ParsedPage(number=number, text=text, attempted=attempted, **size)
        self._drawn = self._drawn or next(iter(loaded.page.get_objects(max_depth=1)), None) is not None
        self._outline.add(number, loaded.content)
        return ParsedPage(number=number, text=text, **size)

    def outline(self) -> list[Heading]:
        """The file's bookmarks; where it has none, lines in larger letters than the text."""
        return self._whole()[0]

    def furniture(self) -> list[Furniture]:
        """First and last lines that come back on many pages, but for the page's number."""
        return self._whole()[1]

    def window(self, first: int, last: int) -> tuple[list[Heading], list[Furniture]]:
        """Headings and furniture of these pages, as far as the pages read so far can tell (reading.InWindows)."""
        return self._outline.window(first, last)

    def _whole(self) -> tuple[list[Heading], list[Furniture]]:
        if self._told is None:
            self._told = self._outline.window(1, self.page_total)
        return self._told

    def recall(self, pages: int, texts: Mapping[int, str]) -> None:
        """Pictures up to this page are not recognised again (reading.Resumable)."""
        self._recognition.recall(pages, texts)

    def shortfall(self) -> str:
        """See reading.Incomplete."""
        told = self._recognition.shortfall(self._unreadable)
        return f"{_REBUILT} {told}".strip() if self._rebuilt else told

    def rectangles(self, page: int, start: int, end: int) -> PageRectangles:
        demand_page(page, self.page_total)
        try:
            loaded = load_page(self._document, page)
        except pypdfium2.PdfiumError as error:
            raise _damaged_page(page) from error
        with closing(loaded):
            geometry, characters = loaded.geometry, len(loaded.content.text)
            if not 0 <= start <= end <= characters:
                raise BadRequest(f"Page {page} has {characters} characters; the range {start} to {end} is not inside.")
            rects = _rectangles(loaded.content, geometry, start, end)
            return PageRectangles(page=page, width=geometry.width_pt, height=geometry.height_pt, rects=rects)

    def page_image(self, page: int, width_px: int) -> bytes:
        demand_page(page, self.page_total)
        try:
            loaded = self._document[page - 1]
        except pypdfium2.PdfiumError as error:
            raise _damaged_page(page) from error
        width_pt, height_pt = loaded.get_size()
        width = min(max(width_px, 16), WIDEST_IMAGE_PX)
        scale = width / max(width_pt, 1.0)
        pixels = width * height_pt * scale
        if pixels > MOST_PIXELS:
            scale *= math.sqrt(MOST_PIXELS / pixels)
        bitmap = loaded.render(scale=scale)
        output = io.BytesIO()
        bitmap.to_pil().save(output, format="PNG")
        loaded.close()
        return output.getvalue()

    def close(self) -> None:
        self._document.close()

    def _metadata_title(self) -> str:
        title = storable(self._document.get_metadata_value("Title") or "").strip()
        # what programs write when nobody gave a title
        if title.lower().startswith(("untitled", "microsoft word -", "无标题")) or title.lower().endswith(
            (".doc", ".docx", ".indd")
        ):
            return ""
        return title[:LONGEST_HEADING_CHARACTERS]


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


def _is_picture(page: Any) -> bool:
    """Whether images cover a good part of the page, or it is drawn with lines (letters as outlines)."""
    width_pt, height_pt = page.get_size()
    covered, drawn = 0.0, 0
    for item in islice(page.get_objects(max_depth=3), _MOST_OBJECTS):
        if item.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = item.get_bounds()
            covered += max(0.0, right - left) * max(0.0, top - bottom)
        drawn += item.type == pdfium.FPDF_PAGEOBJ_PATH
    return covered >= _PICTURE_SHARE * width_pt * height_pt or drawn >= _MOST_OBJECTS // 2


def _picture(page: Any) -> Image.Image:
    """For text recognition, in grey."""
    width_pt, height_pt = page.get_size()
    scale = min(RECOGNITION_DPI / 72, math.sqrt(MOST_PIXELS / max(width_pt * height_pt, 1.0)))
    return page.render(scale=scale, grayscale=True).to_pil()


def _damaged_page(number: int) -> BadRequest:
    return BadRequest(f"Page {number} of the PDF is damaged.")
