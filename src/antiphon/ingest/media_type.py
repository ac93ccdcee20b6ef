"""Tells the type of a file by its content. The name only chooses between kinds of plain text (Markdown or not).

Used by the upload (to store the type) and by the worker (which trusts only this). Tests: tests/unit/ingest/test_media_type.py.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

HEAD_BYTES: Final = 8192
"""How much of a file's beginning is needed."""

PDF: Final = "application/pdf"
MARKDOWN: Final = "text/markdown"
PLAIN_TEXT: Final = "text/plain"
UNKNOWN: Final = "application/octet-stream"

_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!", "application/vnd.rar"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-executable"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_MARKDOWN_NAMES: Final = frozenset({".md", ".markdown", ".mdown", ".mkd"})
_TEXT_CONTROLS: Final = frozenset(b"\t\n\r\x0c\x1b\x08")


def media_type_of(head: bytes, name: str) -> str:
    """The type of a file that begins with `head` (HEAD_BYTES, or all of it). UNKNOWN when nothing fits."""
    if b"%PDF-" in head[:1024]:
        return PDF
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature) and (signature != b"MZ" or b"\x00" in head):
            return media_type
    if not head.startswith(_BYTE_ORDER_MARKS):
        if head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
            return UNKNOWN
        controls = sum(byte < 32 and byte not in _TEXT_CONTROLS for byte in head)
        if b"\x00" in head or controls > len(head) // 50:
            return UNKNOWN
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if start.startswith(b"<?xml"):
        return "image/svg+xml" if b"<svg" in head[:2048].lower() else "application/xml"
    if start.startswith(b"<svg"):
        return "image/svg+xml"
    return MARKDOWN if PurePosixPath(name.lower()).suffix in _MARKDOWN_NAMES else PLAIN_TEXT
