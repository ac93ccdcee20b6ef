"""Looks at the bytes of a PDF where pdfium gives up: finds its objects by their marks, without its directory.

`rebuilt` gives a damaged file a new tree of the pages that are found; `holds_nothing` tells an empty page from one whose content
was lost. For pdf.py, in worker processes. Linear in the file's size, which is bounded. Tests: tests/unit/ingest/test_pdf_objects.py.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LARGEST_FILE_BYTES: Final = 64 * 2**20
MOST_OBJECTS: Final = 500_000
MOST_PAGES: Final = 20_000
MOST_INFLATED_BYTES: Final = 32 * 2**20
_OBJECT: Final = re.compile(rb"(?<![0-9])(\d{1,9})[ \t\r\n]{1,9}(\d{1,5})[ \t\r\n]{1,9}obj\b")
_END: Final = re.compile(rb"endobj\b")
_STREAM: Final = re.compile(rb"\bstream\r?\n?")
_PAGE: Final = re.compile(rb"/Type[ \t\r\n]*/Page(?![A-Za-z])")
_CONTENTS: Final = re.compile(rb"/Contents[ \t\r\n]*(?:\[([^\]]{0,20000})\]|(\d{1,9})[ \t\r\n]{1,9}\d{1,9}[ \t\r\n]{1,9}R)")
_REFERENCE: Final = re.compile(rb"(\d{1,9})[ \t\r\n]{1,9}\d{1,5}[ \t\r\n]{1,9}R\b")
_FILTERS: Final = re.compile(rb"/Filter[ \t\r\n]*(\[[^\]]{0,200}\]|/[A-Za-z0-9]{1,40})")
_FILTER: Final = re.compile(rb"/([A-Za-z0-9]{1,40})")
_OBJECT_STREAM: Final = re.compile(rb"/Type[ \t\r\n]*/ObjStm\b")
_NUMBER_OF: Final = {name: re.compile(rb"/" + name + rb"[ \t\r\n]+(\d{1,9})") for name in (b"N", b"First")}
_LONGEST_HEAD_BYTES: Final = 100_000
"""Of the dictionary of an object; what is behind is its stream."""


class _Object:
    """`offset`: of its number in the file, -1 for one inside a stream of objects. `head`: its dictionary; `stream`: what follows."""

    def __init__(self, offset: int, head: bytes, stream: bytes | None) -> None:
        self.offset = offset
        self.head = head
        self.stream = stream


def rebuilt(path: Path) -> bytes | None:
    """The file with a new tree of its pages, in the order in which they stand in it. None when there are no pages to be found, or
    the file is encrypted or too large."""
    content = _content(path)
    if content is None or b"/Encrypt" in content:
        return None
    objects = _objects(content)
    pages = [number for number, found in objects.items() if _PAGE.search(found.head)][:MOST_PAGES]
    if not pages:
        return None
    made = bytearray(content)
    offsets = {number: found.offset for number, found in objects.items() if found.offset >= 0}
    top = max(objects) + 1
    kids = b" ".join(b"%d 0 R" % number for number in pages)
    new = {number: found.head for number, found in objects.items() if found.offset < 0}
    new[top] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids)
    new[top + 1] = b"<</Type/Catalog/Pages %d 0 R>>" % top
    for number, body in new.items():
        made += b"\n"
        offsets[number] = len(made)
        made += b"%d 0 obj\n%s\nendobj" % (number, body)
    made += b"\n"
    start = len(made)
    made += b"xref\n0 1\n0000000000 65535 f\r\n"
    for number in sorted(offsets):
        made += b"%d 1\n%010d 00000 n\r\n" % (number, offsets[number])
    made += b"trailer\n<</Size %d/Root %d 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (top + 2, top + 1, start)
    return bytes(made)


def holds_nothing(path: Path) -> bool:
    """Whether the pages are empty rather than lost: each has no content, or content that can be unpacked and draws nothing.

    Of encrypted files it is not known, and False unless pages have no content at all."""
    content = _content(path)
    if content is None:
        return False
    objects = _objects(content)
    pages = [found for found in objects.values() if _PAGE.search(found.head)]
    if not pages or b"/NeedsRendering" in content:  # a form that one program only can show
        return False
    wanted = {number for page in pages for number in _contents_of(page.head)}
    if not wanted:
        return True
    if b"/Encrypt" in content or not wanted <= set(objects):
        return False
    return all(_draws_nothing(objects[number]) for number in wanted)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.stat().st_size <= LARGEST_FILE_BYTES else None


def _objects(content: bytes) -> dict[int, _Object]:
    """By number; the last one of a number counts, as in a file that was changed by appending. Those in streams of objects too."""
    found: dict[int, _Object] = {}
    marks = list(_first(_OBJECT.finditer(content)))
    for index, mark in enumerate(marks):
        limit = marks[index + 1].start() if index + 1 < len(marks) else len(content)
        end = _END.search(content, mark.end(), limit)
        body_end = end.start() if end else limit
        stream = _STREAM.search(content, mark.end(), min(body_end, mark.end() + _LONGEST_HEAD_BYTES))
        head = content[mark.end() : stream.start() if stream else min(body_end, mark.end() + _LONGEST_HEAD_BYTES)]
        found[int(mark[1])] = _Object(mark.start(), head, content[stream.end() : body_end] if stream else None)
    left = MOST_INFLATED_BYTES
    for holder in [held for held in found.values() if held.stream is not None and _OBJECT_STREAM.search(held.head)]:
        inflated = _inflated(holder.stream or b"", left)
        left -= len(inflated)
        for number, body in _inside(holder.head, inflated):
            found.setdefault(number, _Object(-1, body, None))
    return found


def _first(marks: Iterator[re.Match[bytes]]) -> Iterator[re.Match[bytes]]:
    for count, mark in enumerate(marks):
        if count >= MOST_OBJECTS:
            return
        yield mark


def _inside(head: bytes, inflated: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, body) of the objects in an object stream."""
    count, first = (_NUMBER_OF[name].search(head) for name in (b"N", b"First"))
    if count is None or first is None:
        return
    numbers = inflated[: int(first[1])].split()
    pairs = [(int(a), int(b)) for a, b in zip(numbers[::2], numbers[1::2], strict=False) if a.isdigit() and b.isdigit()]
    base = int(first[1])
    for index, (number, at) in enumerate(pairs[: int(count[1])]):
        end = base + pairs[index + 1][1] if index + 1 < len(pairs) else len(inflated)
        yield number, inflated[base + at : end]


def _contents_of(head: bytes) -> list[int]:
    found = _CONTENTS.search(head)
    if found is None:
        return []
    if found[2]:
        return [int(found[2])]
    return [int(reference[1]) for reference in _REFERENCE.finditer(found[1])]


def _draws_nothing(content: _Object) -> bool:
    """Whether a content stream is whole and without any drawing in it."""
    stream = (content.stream or b"").split(b"endstream")[0].strip()
    if not stream:
        return True
    filters = _FILTERS.search(content.head)
    names = _FILTER.findall(filters[1]) if filters else []
    if b"/DecodeParms" in content.head or (b"/Filter" in content.head and not names):
        return False
    for name in names:
        stream = _decoded(stream, name)
    return bool(stream) and not _DRAWING.search(stream)


def _decoded(stream: bytes, name: bytes) -> bytes:
    """Nothing for what can't be decoded, or is packed in a way that content streams are not."""
    if name == b"FlateDecode":
        return _inflated(stream, 2**20)
    if name != b"ASCII85Decode":
        return b""
    try:
        return base64.a85decode(stream[: 2**20].removesuffix(b"~>"))
    except ValueError:
        return b""


_DRAWING: Final = re.compile(rb"(?<![A-Za-z*/])(?:T[jJ]|['\"]|Do|f\*?|F|B\*?|b\*?|s|S|sh|BI)(?![A-Za-z0-9*])")


def _inflated(stream: bytes, most_bytes: int) -> bytes:
    """As far as it goes."""
    inflater = zlib.decompressobj()
    try:
        return inflater.decompress(stream, max(1, most_bytes))
    except zlib.error:
        return b""
