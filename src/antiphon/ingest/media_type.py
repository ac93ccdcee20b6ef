"""Tells the type of a file by its content. The name only chooses between kinds of text (Markdown, CSV, source code).

Called in the worker processes; nothing here raises for any bytes. Zip and OLE containers: containers.py; kinds of text:
text_kind.py. Tests: tests/unit/ingest/test_media_type.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from antiphon.ingest.containers import ole_media_type, zip_media_type
from antiphon.ingest.decoding import is_text
from antiphon.ingest.media_names import (
    AUDIO,
    BMP,
    EXECUTABLE,
    GIF,
    JPEG,
    OLE,
    PDF,
    PNG,
    RTF,
    TIFF,
    UNKNOWN,
    VIDEO,
    WEBP,
    ZIP,
)
from antiphon.ingest.text_kind import text_media_type

HEAD_BYTES: Final = 8192
"""How much of a file's beginning is needed."""

_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"{\\rtf", RTF),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x7fELF", EXECUTABLE),
    (b"\xcf\xfa\xed\xfe", EXECUTABLE),
    (b"\xce\xfa\xed\xfe", EXECUTABLE),
    (b"\xca\xfe\xba\xbe", EXECUTABLE),
    (b"\x00asm", EXECUTABLE),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (b"ID3", AUDIO),
    (b"OggS", AUDIO),
    (b"fLaC", AUDIO),
    (b"#!AMR", AUDIO),
    (b"\x1aE\xdf\xa3", VIDEO),
    (b"\x00\x00\x01\xba", VIDEO),
    (b"FLV\x01", VIDEO),
    (b"\x00\x01\x00\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff"),
    (b"%!PS-Adobe", "application/postscript"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"ITSF\x03\x00\x00\x00", "application/vnd.ms-htmlhelp"),
)
_BINARY_ONLY: Final = frozenset({AUDIO, "application/x-bzip2", "font/otf", "font/woff", VIDEO})
"""Their signatures are letters: a text may begin so; without any control byte in the head it is one."""


def media_type_of(head: bytes, name: str) -> str:
    """The type of a file that begins with `head` (HEAD_BYTES, or all of it). UNKNOWN when nothing fits. Containers need
    `media_type_of_file`: here they are ZIP and OLE."""
    if b"%PDF-" in head[:1024] or head.startswith(b"%PDF"):
        return PDF
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature) and not (media_type in _BINARY_ONLY and is_text(head)):
            return media_type
    if head.startswith(b"MZ") and b"\x00" in head:
        return EXECUTABLE
    if head.startswith(b"BM") and head[6:10] == b"\x00" * 4:
        return BMP
    if head[257:262] == b"ustar":
        return "application/x-tar"
    if head[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"WAVE": AUDIO, b"AVI ": VIDEO}.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        return _iso_media(head[8:12])
    if head[:1] == b"\xff" and len(head) > 1 and head[1] in {0xFB, 0xF3, 0xF2, 0xFA, 0xF1, 0xF9} and not is_text(head):
        return AUDIO
    if not is_text(head):
        return UNKNOWN
    return text_media_type(head, name, whole=len(head) < HEAD_BYTES)


def media_type_of_file(path: Path, name: str) -> str:
    """As `media_type_of`, with a look into containers. Raises OSError when the file can't be read."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        media_type = media_type_of(head, name)
        if media_type == ZIP:
            return zip_media_type(file)
        if media_type == OLE:
            return ole_media_type(file)
    return media_type


def _iso_media(brand: bytes) -> str:
    if brand in {b"heic", b"heix", b"mif1", b"msf1", b"hevc"}:
        return "image/heic"
    if brand in {b"avif", b"avis"}:
        return "image/avif"
    return AUDIO if brand in {b"M4A ", b"M4B "} else VIDEO
