"""Looks through a zip container before any parser touches it: bombs, lies, paths, nested archives, dangerous XML.

`inspect` inflates every member once, a window at a time, and keeps nothing; what passes it may be opened with `zipfile`. Every
parser of a zip container calls it first (`Package` does). The reason of a refusal is in `data.reason`.
Tests: tests/unit/ingest/office/test_zip_guard.py, tests/integration/test_office_bombs.py.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from antiphon.core.errors import BadRequest, TooLarge, Unsupported
from antiphon.ingest.office.prolog import Prolog

MOST_MEMBERS: Final = 20_000
MOST_INFLATED_BYTES: Final = 512 * 2**20
"""Of all members together, nested containers included."""
LARGEST_MEMBER_BYTES: Final = 384 * 2**20
HIGHEST_RATIO: Final = 250
RATIO_MATTERS_BYTES: Final = 32 * 2**20
"""Small members may be as regular as they like: an empty sheet of 1 MB packs a thousandfold."""
LARGEST_NESTED_BYTES: Final = 32 * 2**20
DEEPEST_NESTING: Final = 2
"""A chart in a presentation embeds a workbook, which may embed another."""

_DIRECTORY_BYTES: Final = 16 * 2**20
_END_RECORD: Final = struct.Struct("<4s4H2LH")
_END_MARK: Final = b"PK\x05\x06"
_ZIP64_LOCATOR: Final = struct.Struct("<4sLQL")
_ZIP64_END: Final = struct.Struct("<4sQ2H2L4Q")
_LOCAL_HEADER: Final = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT: Final = 65_535
_WINDOW_BYTES: Final = 2**18
_STORED: Final = 0
_DEFLATED: Final = 8
_ENCRYPTED_FLAG: Final = 1
_LINK_MODE: Final = 0xA
_ARCHIVES: Final = (b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00")
_EMBEDDED: Final = re.compile(
    r"(?:^|/)(?:embeddings|oembeddings|package)/|^(?:Object |ObjectReplacements/|Pictures/|media/)|/media/"
)
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_CONTENT_TYPES: Final = "[Content_Types].xml"


class Contents(Struct, frozen=True, kw_only=True):
    """`names` in the order of the directory; `inflated_bytes` as really inflated."""

    names: list[str]
    inflated_bytes: int


class _Budget(Struct, kw_only=True):
    """What is left for the container and all that is nested in it."""

    members: int = MOST_MEMBERS
    inflated_bytes: int = MOST_INFLATED_BYTES


def inspect(source: Path | IO[bytes]) -> Contents:
    """Raises TooLarge for bombs, BadRequest for a damaged (data.reason `unreadable`) or dishonest container, Unsupported for an
    encrypted one. A file that is open already stays so."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return inspect(file)
    return _inspect(source, source.seek(0, io.SEEK_END), _Budget(), 0)


def _inspect(file: IO[bytes], size_bytes: int, budget: _Budget, depth: int) -> Contents:
    _check_directory(file, size_bytes, budget)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error, ValueError) as error:
        raise _damaged(f"its directory can't be read ({error})") from error
    budget.members -= len(members)
    if budget.members < 0:
        raise _bomb(f"it holds more than {MOST_MEMBERS:,} parts")
    declared = sum(member.file_size for member in members)
    if declared > budget.inflated_bytes:
        raise _bomb(f"it opens to {declared / 2**20:,.0f} MiB")
    _check_names(members)
    starts = _data_starts(file, members, size_bytes)
    strict = any(member.filename == _CONTENT_TYPES for member in members)
    inflated = 0
    for member, start in zip(members, starts, strict=True):
        inflated += _check_member(file, member, start, budget, depth, strict=strict)
    return Contents(names=[member.filename for member in members], inflated_bytes=inflated)


# --- the directory ----------------------------------------------------------------------------------------------------


def _check_directory(file: IO[bytes], size_bytes: int, budget: _Budget) -> None:
    """Bounds what `zipfile` reads at once: the directory is as long as the end record says."""
    tail_start = max(0, size_bytes - _LONGEST_COMMENT - _END_RECORD.size)
    file.seek(tail_start)
    tail = file.read(_LONGEST_COMMENT + _END_RECORD.size)
    at = tail.rfind(_END_MARK)
    if at < 0 or at + _END_RECORD.size > len(tail):
        raise _damaged("its directory is missing, as when a download was cut off")
    _, _, _, _, count, directory_bytes, _, _ = _END_RECORD.unpack_from(tail, at)
    locator = at - _ZIP64_LOCATOR.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        _, _, position, _ = _ZIP64_LOCATOR.unpack_from(tail, locator)
        if position > size_bytes - _ZIP64_END.size:
            raise _damaged("its directory lies outside the file")
        file.seek(position)
        record = file.read(_ZIP64_END.size)
        if record[:4] != b"PK\x06\x06":
            raise _damaged("its directory lies outside the file")
        *_, count, directory_bytes, _ = _ZIP64_END.unpack(record)
    if count > budget.members or directory_bytes > _DIRECTORY_BYTES:
        raise _bomb(f"it holds more than {MOST_MEMBERS:,} parts")
    file.seek(0)


def _check_names(members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/") or "\x00" in member.orig_filename:
            raise BadRequest(
                "The file holds a part whose name leads outside of it; it was not opened.", data={"reason": "unsafe_archive"}
            )
        if member.external_attr >> 28 == _LINK_MODE:
            raise BadRequest("The file holds a link to another file; it was not opened.", data={"reason": "unsafe_archive"})


def _data_starts(file: IO[bytes], members: list[zipfile.ZipInfo], size_bytes: int) -> list[int]:
    """Where the bytes of each member begin. Raises for members that share bytes, which is how small bombs grow large."""
    starts: list[int] = []
    ranges: list[tuple[int, int]] = []
    for member in members:
        if member.header_offset < 0:
            raise _damaged("its directory lies outside the file")
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise _damaged("a part of it is missing")
        *_, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
        start = member.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes
        starts.append(start)
        ranges.append((member.header_offset, start + member.compress_size))
    reached = 0
    for begin, end in sorted(ranges):
        if begin < reached:
            raise _bomb("its parts overlap")
        reached = end
    if reached > size_bytes:
        raise _damaged("it ends before its last part")
    return starts


# --- members ----------------------------------------------------------------------------------------------------------


def _check_member(
    file: IO[bytes], member: zipfile.ZipInfo, start: int, budget: _Budget, depth: int, *, strict: bool
) -> int:  # fmt: skip
    """The inflated size. `strict`: a container whose standard forbids document type declarations (OOXML)."""
    _check_kind(member)
    inflated = 0
    checksum = 0
    is_markup = False
    prolog: Prolog | None = None
    nested: bytearray | None = None
    for window in _inflated(file, member, start):
        if not inflated:
            is_markup = _is_markup(member.filename, window)
            prolog = Prolog(strict=strict) if is_markup else None
            nested = bytearray() if window.startswith(_ARCHIVES) else None
        inflated += len(window)
        checksum = zlib.crc32(window, checksum)
        budget.inflated_bytes -= len(window)
        if inflated > member.file_size:
            raise _bomb("a part of it is larger than it says")
        if inflated > LARGEST_MEMBER_BYTES or budget.inflated_bytes < 0:
            raise _bomb(f"it opens to more than {MOST_INFLATED_BYTES // 2**20} MiB")
        if prolog is not None and prolog.feed(window):
            prolog = None
        if nested is not None:
            nested += window
            if len(nested) > LARGEST_NESTED_BYTES:
                raise _bomb("it holds a large archive inside")
    if inflated != member.file_size:
        raise _damaged("a part of it is shorter than it says")
    if is_markup and checksum != member.CRC:  # a picture with a wrong bit is nobody's loss
        raise _damaged("a part of it has changed since it was written")
    if nested is not None:
        _check_nested(bytes(nested), member.filename, budget, depth)
    return inflated


def _check_kind(member: zipfile.ZipInfo) -> None:
    """What is told by the directory alone."""
    if member.flag_bits & _ENCRYPTED_FLAG:
        raise Unsupported(
            "The file is protected by a password and can't be opened here: store it again without one.",
            data={"reason": "encrypted"},
        )
    if member.compress_type not in {_STORED, _DEFLATED}:
        raise Unsupported("The file is packed in a way that office programs don't use; store it again with one of them.")
    if member.file_size > RATIO_MATTERS_BYTES and member.file_size > HIGHEST_RATIO * max(1, member.compress_size):
        raise _bomb(f"a part of it opens to {HIGHEST_RATIO} times its size")


def _check_nested(content: bytes, name: str, budget: _Budget, depth: int) -> None:
    if depth >= DEEPEST_NESTING or not _EMBEDDED.search(name) or not content.startswith(b"PK"):
        if name.lower().endswith((".wmz", ".emz", ".svgz")) and content.startswith(b"\x1f\x8b"):
            return  # packed drawings: nothing here reads them
        raise BadRequest(
            "The file is an archive with archives inside; take out the documents and add them one by one.",
            data={"reason": "nested_archive"},
        )
    _inspect(io.BytesIO(content), len(content), budget, depth + 1)


def _inflated(file: IO[bytes], member: zipfile.ZipInfo, start: int) -> Iterator[bytes]:
    """The member's content in windows, from its own bytes: `zipfile` would believe the sizes it is told."""
    file.seek(start)
    left = member.compress_size
    if member.compress_type == _STORED:
        while left > 0 and (window := file.read(min(left, _WINDOW_BYTES))):
            left -= len(window)
            yield window
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while left > 0 and not inflater.eof:
            packed = file.read(min(left, _WINDOW_BYTES))
            if not packed:
                break
            left -= len(packed)
            while packed and not inflater.eof:
                window = inflater.decompress(packed, _WINDOW_BYTES)
                packed = inflater.unconsumed_tail
                if window:
                    yield window
        while window := inflater.decompress(inflater.unconsumed_tail, _WINDOW_BYTES):
            yield window
    except zlib.error as error:
        raise _damaged("a part of it can't be unpacked") from error


def _is_markup(name: str, window: bytes) -> bool:
    head = window[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith((b"<", b"\xff\xfe<\x00", b"\xfe\xff\x00<", b"<\x00", b"\x00<")) or name.endswith((".xml", ".rels"))


def _bomb(what: str) -> TooLarge:
    return TooLarge(f"The file was not opened: {what}, more than a document needs.", data={"reason": "archive_bomb"})


def _damaged(what: str) -> BadRequest:
    return BadRequest(
        f"The file is damaged: {what}. Store it again from the program it was made with, or upload it again.",
        data={"reason": "unreadable"},
    )
