"""What a zip or OLE container holds, told by the names of its members. Reads a bounded part of the file; never unpacks.

Used by media_type.py in worker processes. The names come from the container's own directory; a truncated zip is told by the
headers in front of its first members. Tests: tests/unit/ingest/test_containers.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from antiphon.ingest.media_names import (
    DAMAGED_ZIP,
    DOC,
    DOCX,
    ENCRYPTED_OFFICE,
    EPUB,
    ODP,
    ODS,
    ODT,
    OLE,
    OUTLOOK,
    PPT,
    PPTX,
    XLS,
    XLSB,
    XLSX,
    ZIP,
)

_MOST_DIRECTORY_BYTES: Final = 2**20
_END_BYTES: Final = 22 + 65_535
_FRONT_BYTES: Final = 65_536
_END: Final = struct.Struct("<4s4H2LH")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")

_BY_MIMETYPE: Final = {
    b"application/epub+zip": EPUB,
    **{f"{kind}{suffix}".encode(): kind for kind in (ODT, ODS, ODP) for suffix in ("", "-template")},
}

_OLE_HEADER_BYTES: Final = 512
_FREE_SECTORS: Final = 0xFFFFFFFA
_MOST_DIRECTORY_SECTORS: Final = 2_000
_ENTRY_BYTES: Final = 128
_NOTHING: Final = 0xFFFFFFFF
_BY_STREAM: Final = (
    ("encryptedpackage", ENCRYPTED_OFFICE),
    ("worddocument", DOC),
    ("powerpoint document", PPT),
    ("workbook", XLS),
    ("book", XLS),
    ("__properties_version1.0", OUTLOOK),
    ("visiodocument", "application/vnd.visio"),
    ("props9", "application/vnd.ms-project"),
    ("props12", "application/vnd.ms-project"),
    ("props14", "application/vnd.ms-project"),
)


def zip_media_type(file: BinaryIO) -> str:
    """ZIP when it is none of the kinds of document that are zip files."""
    file.seek(0)
    front = file.read(_FRONT_BYTES)
    found = _BY_MIMETYPE.get(_stored_mimetype(front))
    if found is not None:
        return found
    names = set(_central_names(file))
    found = _kind_of_members(names or set(_local_names(front)))
    return DAMAGED_ZIP if found == ZIP and not names else found


def _kind_of_members(names: set[str]) -> str:
    folders = {name.partition("/")[0] for name in names if "/" in name}
    if "[Content_Types].xml" in names or "_rels/.rels" in names:
        if "xl" in folders:
            return XLSB if "xl/workbook.bin" in names else XLSX
        for folder, media_type in (("word", DOCX), ("ppt", PPTX), ("visio", "application/vnd.visio")):
            if folder in folders:
                return media_type
        if any(name.lower().endswith(".fdseq") for name in names):
            return "application/vnd.ms-xpsdocument"
    if "META-INF/container.xml" in names and any(name.lower().endswith(".opf") for name in names):
        return EPUB
    if "META-INF/MANIFEST.MF" in names or "AndroidManifest.xml" in names:
        return "application/java-archive"
    if "Index/Document.iwa" in names or "Index.zip" in names:
        return "application/vnd.apple.iwork"
    return ZIP


def _stored_mimetype(front: bytes) -> bytes:
    """The content of a first member `mimetype`, which EPUB and OpenDocument store uncompressed."""
    if len(front) < _LOCAL.size:
        return b""
    fields = _LOCAL.unpack_from(front)
    method, size, name_length, extra_length = fields[3], fields[7], fields[9], fields[10]
    begin = _LOCAL.size + name_length
    if front[_LOCAL.size : begin] != b"mimetype" or method != 0:
        return b""
    return front[begin + extra_length : begin + extra_length + min(size, 100)].strip()


def _central_names(file: BinaryIO) -> Iterator[str]:
    """The names in the directory at the end; nothing when it is not there. The first megabyte of it is enough."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_BYTES))
    tail = file.read(_END_BYTES)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        return
    fields = _END.unpack_from(tail, at)
    directory_bytes, offset = fields[5], fields[6]
    end_at = max(0, size - _END_BYTES) + at
    # bytes put before a zip shift every offset in it; a zip64 directory has its place elsewhere: then the front tells
    begin = end_at - directory_bytes if directory_bytes <= end_at else offset
    file.seek(begin)
    directory = file.read(min(directory_bytes, _MOST_DIRECTORY_BYTES))
    position = 0
    while position + _CENTRAL.size <= len(directory):
        entry = _CENTRAL.unpack_from(directory, position)
        if entry[0] != b"PK\x01\x02":
            return
        begin = position + _CENTRAL.size
        yield directory[begin : begin + entry[10]].decode("utf-8", "replace")
        position = begin + entry[10] + entry[11] + entry[12]


def _local_names(front: bytes) -> Iterator[str]:
    at = front.find(b"PK\x03\x04")
    while at >= 0 and at + _LOCAL.size <= len(front):
        fields = _LOCAL.unpack_from(front, at)
        begin = at + _LOCAL.size
        yield front[begin : begin + fields[9]].decode("utf-8", "replace")
        at = front.find(b"PK\x03\x04", begin)


def ole_media_type(file: BinaryIO) -> str:
    """OLE when none of the known streams lies at its root."""
    names = set(_root_names(_ole_directory(file)))
    for name, media_type in _BY_STREAM:
        if name in names:
            return media_type
    return OLE


def _ole_directory(file: BinaryIO) -> bytes:
    """The directory's sectors, followed through the allocation table; as far as the file is whole."""
    file.seek(0)
    header = file.read(_OLE_HEADER_BYTES)
    if len(header) < _OLE_HEADER_BYTES:
        return b""
    shift = struct.unpack_from("<H", header, 30)[0]
    if shift not in {9, 12}:
        return b""
    sector_bytes = 1 << shift
    (sector,) = struct.unpack_from("<L", header, 48)
    tables = [number for number in struct.unpack_from("<109L", header, 76) if number < _FREE_SECTORS]
    per_table = sector_bytes // 4
    found: list[bytes] = []
    seen: set[int] = set()
    while sector < _FREE_SECTORS and sector not in seen and len(seen) < _MOST_DIRECTORY_SECTORS:
        seen.add(sector)
        file.seek((sector + 1) << shift)
        found.append(file.read(sector_bytes))
        table = sector // per_table
        if table >= len(tables):
            break
        file.seek(((tables[table] + 1) << shift) + 4 * (sector % per_table))
        entry = file.read(4)
        sector = struct.unpack("<L", entry)[0] if len(entry) == 4 else _NOTHING
    return b"".join(found)


def _root_names(directory: bytes) -> Iterator[str]:
    """Names of the root's own children, lower case: an embedded workbook lies deeper."""
    entries = len(directory) // _ENTRY_BYTES
    if not entries:
        return
    (child,) = struct.unpack_from("<L", directory, 76)
    waiting, seen = [child], set[int]()
    while waiting:
        number = waiting.pop()
        if number >= entries or number in seen:
            continue
        seen.add(number)
        at = number * _ENTRY_BYTES
        length, _, _, left, right = struct.unpack_from("<HBBLL", directory, at + 64)
        yield directory[at : at + max(0, min(length, 64) - 2)].decode("utf-16-le", "replace").lower()
        waiting += [left, right]
