"""Builds containers for tests: OOXML from bare XML, and zips that lie. For tests only.

Tests: those of src/antiphon/ingest/office.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

WORD: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
_CONTENT_TYPES: Final = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/>'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_NAMESPACES: Final = (
    f'xmlns:w="{WORD}" xmlns:r="{OFFICE}" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:a="urn:a" xmlns:wps="urn:wps" xmlns:v="urn:v" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
)


def write_parts(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def relationships(links: Mapping[str, tuple[str, str]]) -> str:
    """id -> (kind, target)."""
    items = "".join(
        f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{target}"/>' for key, (kind, target) in links.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}">{items}</Relationships>'


def word_parts(body: str, **others: str) -> dict[str, str | bytes]:
    """A DOCX around the XML of its body. `others`: the content of word/NAME.xml, its root element left out."""
    roots = {"styles": "styles", "numbering": "numbering", "footnotes": "footnotes", "endnotes": "endnotes"}
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": relationships({"r1": ("officeDocument", "word/document.xml")}),
        "word/document.xml": f"<w:document {_NAMESPACES}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": relationships({f"i{name}": (name, f"{name}.xml") for name in others}),
    }
    for name, content in others.items():
        root = roots.get(name)
        parts[f"word/{name}.xml"] = f"<w:{root} {_NAMESPACES}>{content}</w:{root}>" if root else content
    return parts


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def table(*rows: list[str]) -> str:
    cells = (
        "".join(f'<w:tc><w:tcPr><w:tcW w:w="2000" w:type="dxa"/></w:tcPr>{paragraph(cell)}</w:tc>' for cell in row)
        for row in rows
    )
    grid = '<w:gridCol w:w="2000"/>' * max(map(len, rows))
    head = f'<w:tblPr><w:tblW w:w="0" w:type="auto"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>'
    return f"<w:tbl>{head}{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def zeros_deflated(size_bytes: int, opening: bytes = b"", closing: bytes = b"", filler: bytes = b" ") -> tuple[bytes, int, int]:
    """(deflated, checksum, size) of a very regular content, made a piece at a time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = filler * (2**20 // len(filler))
    out, checksum, size = [packer.compress(opening)], zlib.crc32(opening), len(opening)
    while size < size_bytes:
        out.append(packer.compress(piece))
        checksum = zlib.crc32(piece, checksum)
        size += len(piece)
    out.append(packer.compress(closing))
    out.append(packer.flush())
    return b"".join(out), zlib.crc32(closing, checksum), size + len(closing)


class RawZip:
    """A zip written by hand, so that headers can say what they like."""

    def __init__(self) -> None:
        self._body = bytearray()
        self._directory = bytearray()
        self._count = 0

    def add(
        self, name: str, packed: bytes, *, size: int, checksum: int = 0, method: int = 8, offset: int | None = None,
        mode: int = 0, flags: int = 0,
    ) -> int:  # fmt: skip
        """Where its header stands. `offset`: of an earlier one, whose bytes this entry claims too."""
        encoded = name.encode()
        if offset is None:
            offset = len(self._body)
            sizes = (checksum, len(packed), min(size, 0xFFFFFFFF))
            self._body += struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, flags, method, 0, 0, *sizes, len(encoded), 0)
            self._body += encoded + packed
        self._directory += struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", 0x0314, 20, flags, method, 0, 0, checksum, len(packed), min(size, 0xFFFFFFFF),
            len(encoded), 0, 0, 0, 0, mode << 16, offset,
        )  # fmt: skip
        self._directory += encoded
        self._count += 1
        return offset

    def add_text(self, name: str, text: str) -> None:
        content = text.encode()
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        self.add(name, packer.compress(content) + packer.flush(), size=len(content), checksum=zlib.crc32(content))

    def write(self, path: Path) -> Path:
        end = struct.pack(
            "<4s4H2LH", b"PK\x05\x06", 0, 0, self._count & 0xFFFF, self._count & 0xFFFF, len(self._directory), len(self._body), 0
        )
        path.write_bytes(bytes(self._body) + bytes(self._directory) + end)
        return path
