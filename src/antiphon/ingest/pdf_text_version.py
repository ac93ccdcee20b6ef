"""The version of the text mending in `pdf_text`, apart from it: the server must know it without loading pdfium."""

from __future__ import annotations

from typing import Final

MENDING_VERSION: Final = 2
