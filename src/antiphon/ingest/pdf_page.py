"""One page of a PDF with its text: loaded, with what is filled into forms and written onto it. For pdf.py, in worker processes.

The same page gives the same text each time, as pdf_text.py promises: rectangles are made from it later.
Tests: tests/unit/ingest/test_pdf.py.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, cast

import pypdfium2
import pypdfium2.raw as pdfium

from antiphon.ingest.pdf_text import PageGeometry, PageText, read_page_text

_MOST_ANNOTATIONS: Final = 2_000
_SHOWN_ANNOTATIONS: Final = frozenset((pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_STAMP))


class LoadedPage:
    """Close it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self._text_page = page.get_textpage()
        self.geometry = PageGeometry(page, self._text_page)
        self.content: PageText = read_page_text(self._text_page, self.geometry)

    def close(self) -> None:
        self._text_page.close()
        self.page.close()


def load_page(document: Any, number: int) -> LoadedPage:
    """Raises pypdfium2.PdfiumError for a page that can't be loaded."""
    plain = LoadedPage(document[number - 1])
    if not _is_written_on(plain.page) or pdfium.FPDFPage_Flatten(plain.page, pdfium.FLAT_NORMALDISPLAY) != pdfium.FLATTEN_SUCCESS:
        return plain
    # what was filled in is now drawn on the page itself, where pdfium finds its text and its place
    try:
        whole = LoadedPage(document[number - 1])
    except pypdfium2.PdfiumError:
        return plain
    # fonts of a form may hide those of the page that have the same name: then the form's text is given up
    if _letters(plain.content) <= _letters(whole.content):
        plain.close()
        return whole
    whole.close()
    return plain


def _is_written_on(page: Any) -> bool:
    library = cast("Any", pdfium)
    count: int = library.FPDFPage_GetAnnotCount(page)
    for index in range(min(count, _MOST_ANNOTATIONS)):
        annotation: Any = library.FPDFPage_GetAnnot(page, index)
        if annotation:
            kind: int = library.FPDFAnnot_GetSubtype(annotation)
            library.FPDFPage_CloseAnnot(annotation)
            if kind in _SHOWN_ANNOTATIONS:
                return True
    return False


def _letters(content: PageText) -> Counter[str]:
    return Counter("".join(content.text.split()))
