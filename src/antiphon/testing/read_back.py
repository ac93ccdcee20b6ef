"""Reads the text inside rectangles of a PDF page back, independent of how the rectangles were made. For tests and measurements.

Tests: tests/integration/test_rectangles_read_back.py.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium


def read_back(path: Path, page_number: int, rects: list[list[float]]) -> str:
    """The characters whose middle lies in one of the rectangles, in pdfium's order, white space left out.

    Independent of the product: pdfium itself turns each character's box into display coordinates."""
    document = pypdfium2.PdfDocument(path)
    page = document[page_number - 1]
    width, height = page.get_size()
    text_page = page.get_textpage()
    scale = 100
    found: list[str] = []
    box = [ctypes.c_double() for _ in range(4)]
    for index in range(text_page.count_chars()):
        code = pdfium.FPDFText_GetUnicode(text_page, index)
        if not pdfium.FPDFText_GetCharBox(text_page, index, *(ctypes.byref(number) for number in box)):
            continue
        x, y = ctypes.c_int(), ctypes.c_int()
        middle = (box[0].value + box[1].value) / 2, (box[2].value + box[3].value) / 2
        if box[1].value <= box[0].value or box[3].value <= box[2].value:
            continue
        pdfium.FPDF_PageToDevice(
            page, 0, 0, int(width * scale), int(height * scale), 0, *middle, ctypes.byref(x), ctypes.byref(y)
        )  # fmt: skip
        at = x.value / scale, y.value / scale
        if any(x0 <= at[0] <= x1 and y0 <= at[1] <= y1 for x0, y0, x1, y1 in rects):
            found.append(chr(code))
    return "".join(found)


def comparable(text: str) -> Counter[str]:
    """Which characters, how often: the mended ones (hyphens, ligatures, spaces, controls) left out."""
    for ligature, letters in zip("ﬀﬁﬂﬃﬄ", ("ff", "fi", "fl", "ffi", "ffl"), strict=True):
        text = text.replace(ligature, letters)
    return Counter(c for c in text if c.isprintable() and not c.isspace() and c not in "-\u00ad\u2010")
