"""Takes out of a damaged zip container what can still be read: parts found by the headers in front of them.

For `Package`, once zip_guard has called a container damaged (a cut-off download, a broken directory). Only markup is taken, since
that is all that is read; the result is a container of its own, which zip_guard looks through as through any other. Bounded in
parts, in bytes read and in bytes inflated. Tests: tests/unit/ingest/office/test_zip_salvage.py.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import IO, Final

from msgspec import Struct

from antiphon.core.errors import TooLarge

LARGEST_FILE_BYTES: Final = 64 * 2**20
MOST_INFLATED_BYTES: Final = 64 * 2**20
MOST_HEADERS: Final = 20_000
_MOST_READINGS: Final = 4
"""So often is the file read in all: headers may lie in each other's data."""
_WINDOW_BYTES: Final = 2**16
_HEADER: Final = struct.Struct("<4s5H3L2H")
_MARK: Final = b"PK\x03\x04"
_STORED: Final = 0
_DEFLATED: Final = 8
_ENCRYPTED_FLAG: Final = 1
_LONGEST_NAME: Final = 200
_MARKUP: Final = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx")


class _Part(Struct, frozen=True, kw_only=True):
    """`worth`: 2 whole and as it was written, 1 whole, 0 what stands before the break."""

    content: bytes
    worth: int
    end: int


class _Budget(Struct, kw_only=True):
    inflated_bytes: int = MOST_INFLATED_BYTES
    read_bytes: int


def salvaged(file: IO[bytes]) -> io.BytesIO | None:
    """A new container with the parts that were found; None when there are none, or the file is too large to look through.

    Raises TooLarge when they open to more than a document needs."""
    file.seek(0)
    content = file.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        return None
    parts = _parts(content)
    if not parts:
        return None
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part.content)
    return made


def _parts(content: bytes) -> dict[str, _Part]:
    found: dict[str, _Part] = {}
    budget = _Budget(read_bytes=_MOST_READINGS * len(content))
    at = content.find(_MARK)
    for _ in range(MOST_HEADERS):
        if at < 0 or at + _HEADER.size > len(content) or budget.read_bytes <= 0:
            break
        _, _, flags, method, _, _, checksum, packed_bytes, _, name_bytes, extra_bytes = _HEADER.unpack_from(content, at)
        start = at + _HEADER.size + name_bytes + extra_bytes
        name = _name(content[at + _HEADER.size : at + _HEADER.size + name_bytes])
        after = at + len(_MARK)
        if name and not flags & _ENCRYPTED_FLAG:
            part = _part(content, start, method, packed_bytes, checksum, budget)
            known = found.get(name)
            if part is not None and part.content and (known is None or _better(part, known)):
                found[name] = part
            if part is not None and part.worth:
                after = part.end
        at = content.find(_MARK, after)
    return found


def _better(part: _Part, known: _Part) -> bool:
    """The first of those that are worth the same, but of broken ones the longer."""
    return part.worth > known.worth or (part.worth == known.worth == 0 and len(part.content) > len(known.content))


def _name(raw: bytes) -> str:
    """Empty for what is not read, or leads outside."""
    try:
        name = raw.decode().replace("\\", "/")
    except UnicodeDecodeError:
        return ""
    plain = name.isprintable() and len(name) <= _LONGEST_NAME and not name.startswith("/") and ".." not in name.split("/")
    return name if plain and name.lower().endswith(_MARKUP) else ""


def _part(content: bytes, start: int, method: int, packed_bytes: int, checksum: int, budget: _Budget) -> _Part | None:
    if method == _STORED:
        stored = content[start : start + min(packed_bytes, budget.inflated_bytes)]
        budget.inflated_bytes -= len(stored)
        budget.read_bytes -= len(stored)
        whole = len(stored) == packed_bytes and zlib.crc32(stored) == checksum
        return _Part(content=stored, worth=2 if whole else 0, end=start + len(stored))
    return _inflated(content, start, checksum, budget) if method == _DEFLATED else None


def _inflated(content: bytes, start: int, checksum: int, budget: _Budget) -> _Part:
    """Until the stream ends or breaks: what sizes the header tells is not believed."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    pieces: list[bytes] = []
    at = start
    try:
        while not inflater.eof and at < len(content) and budget.read_bytes > 0:
            packed = content[at : at + _WINDOW_BYTES]
            at += len(packed)
            budget.read_bytes -= len(packed)
            while packed and not inflater.eof:
                pieces.append(inflater.decompress(packed, _WINDOW_BYTES))
                packed = inflater.unconsumed_tail
                budget.inflated_bytes -= len(pieces[-1])
                if budget.inflated_bytes < 0:
                    raise TooLarge(
                        "The file was not opened: it is damaged, and what is left of it opens to more than a document needs.",
                        data={"reason": "archive_bomb"},
                    )
    except zlib.error:
        return _Part(content=b"".join(pieces), worth=0, end=at)
    whole = b"".join(pieces)
    worth = (2 if zlib.crc32(whole) == checksum else 1) if inflater.eof else 0
    return _Part(content=whole, worth=worth, end=at - len(inflater.unused_data))
