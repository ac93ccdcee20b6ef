"""Media types by name, and what to tell a person about those that can't be read. Data only.

Tests: tests/unit/ingest/test_media_type.py, test_parsers.py.
"""

from __future__ import annotations

from typing import Final

PDF: Final = "application/pdf"
MARKDOWN: Final = "text/markdown"
PLAIN_TEXT: Final = "text/plain"
UNKNOWN: Final = "application/octet-stream"

HTML: Final = "text/html"
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
XML: Final = "application/xml"
RSS: Final = "application/rss+xml"
ATOM: Final = "application/atom+xml"
SVG: Final = "image/svg+xml"
JSON: Final = "application/json"
JSON_LINES: Final = "application/x-ndjson"
NOTEBOOK: Final = "application/x-ipynb+json"
MAIL: Final = "message/rfc822"
MBOX: Final = "application/mbox"
RTF: Final = "application/rtf"
SOURCE_CODE: Final = "text/x-source-code"

ZIP: Final = "application/zip"
DAMAGED_ZIP: Final = "application/x-damaged-zip"
"""Without its directory at the end: cut off."""
EPUB: Final = "application/epub+zip"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSB: Final = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
ODT: Final = "application/vnd.oasis.opendocument.text"
ODS: Final = "application/vnd.oasis.opendocument.spreadsheet"
ODP: Final = "application/vnd.oasis.opendocument.presentation"

OLE: Final = "application/x-ole-storage"
DOC: Final = "application/msword"
XLS: Final = "application/vnd.ms-excel"
PPT: Final = "application/vnd.ms-powerpoint"
OUTLOOK: Final = "application/vnd.ms-outlook"
ENCRYPTED_OFFICE: Final = "application/x-encrypted-office"
"""A DOCX, XLSX or PPTX under a password: which of them is known only after decryption."""

PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
TIFF: Final = "image/tiff"
WEBP: Final = "image/webp"
GIF: Final = "image/gif"
BMP: Final = "image/bmp"

EXECUTABLE: Final = "application/x-executable"
AUDIO: Final = "audio/x-unspecified"
VIDEO: Final = "video/x-unspecified"

_ARCHIVE: Final = "This is an archive: unpack it and add the files in it."
ADVICE: Final[dict[str, str]] = {
    ZIP: _ARCHIVE,
    DAMAGED_ZIP: "The file is cut off: its end is missing, as after a broken download; get it again.",
    "application/gzip": _ARCHIVE,
    "application/x-bzip2": _ARCHIVE,
    "application/x-xz": _ARCHIVE,
    "application/zstd": _ARCHIVE,
    "application/x-tar": _ARCHIVE,
    "application/x-7z-compressed": _ARCHIVE,
    "application/vnd.rar": _ARCHIVE,
    "application/java-archive": "This is a program, not a document, whatever its name says.",
    EXECUTABLE: "This is a program, not a document, whatever its name says.",
    AUDIO: "This is a sound recording: add its transcript instead.",
    VIDEO: "This is a video: add its transcript instead.",
    "application/vnd.sqlite3": "This is a database: export its tables as CSV and add those.",
    "application/postscript": "This is PostScript: convert it to PDF and add that.",
    "image/heic": "This is a HEIC picture: save it as JPEG or PNG and add that.",
    "image/avif": "This is an AVIF picture: save it as JPEG or PNG and add that.",
    "image/vnd.adobe.photoshop": "This is a Photoshop picture: save it as PNG or PDF and add that.",
    "application/vnd.apple.iwork": "This is an Apple Pages, Numbers or Keynote file: export it as PDF and add that.",
    "application/vnd.ms-xpsdocument": "This is an XPS document: print or convert it to PDF and add that.",
    XLSB: "This is a binary Excel workbook: save it as .xlsx and add that.",
    "application/vnd.visio": "This is a Visio drawing: export it as PDF and add that.",
    "application/vnd.ms-project": "This is a Microsoft Project plan: export it as PDF or XLSX and add that.",
    "application/vnd.ms-htmlhelp": "This is a compiled help file: extract its pages and add those.",
    OLE: "This is an Office container without a document that could be recognised in it.",
    UNKNOWN: "The content is none of the known kinds of document, or damaged from its first bytes.",
}


def advice_for(media_type: str) -> str:
    """One sentence on what the file is and what would help; empty for types that have none."""
    if media_type.startswith("font/"):
        return "This is a font, not a document."
    return ADVICE.get(media_type, "")
