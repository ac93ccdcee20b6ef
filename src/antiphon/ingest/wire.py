"""Frames between the server and its worker processes: 4 bytes of length, then msgpack of one of these structs.

What comes from a worker is data of a hostile file's choosing: it is decoded into fixed types only (never pickle), and its
length is bounded before it is read. Tests: tests/unit/ingest/test_wire.py.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec
from msgspec import Struct

from antiphon.core.errors import TooLarge
from antiphon.ingest.chunker import ChunkRules
from antiphon.ingest.document import (
    MOST_CHARACTERS,
    AnchorMark,
    ChunkDraft,
    Furniture,
    Heading,
    PageRectangles,
    ParsedDocument,
    ParsedPage,
    WebLinks,
)

LONGEST_FRAME_BYTES: Final = 4 * MOST_CHARACTERS + 2**20
_LENGTH: Final = struct.Struct(">I")
LENGTH_BYTES: Final = _LENGTH.size


class Parse(Struct, tag=True, frozen=True, kw_only=True):
    path: str
    name: str
    password: str | None = None


class Cut(Struct, tag=True, frozen=True, kw_only=True):
    """Chunks of a document that was parsed before (by this process or an earlier one)."""

    document: ParsedDocument
    rules: ChunkRules
    title: str
    skip: int = 0


class FileToRead(Struct, frozen=True, kw_only=True):
    """`title` stands in where the document has none. What an interrupted reading has committed is not sent again: pages up to
    and with `skip_pages`, chunks with an ordinal below `skip_chunks`. `recognised`: the text of those of the pages that was read
    off pictures, which is not done twice."""

    path: str
    name: str
    title: str
    password: str | None = None
    skip_pages: int = 0
    skip_chunks: int = 0
    recognised: dict[int, str] = {}


class Read(Struct, tag=True, frozen=True, kw_only=True):
    """Pages, what stands where on them, and chunks, in one go. Of each file in turn come `Opened`, then any number of (`Pages`,
    `Section`, `Chunks`), then `Finished`; or, anywhere, `Unreadable`."""

    files: list[FileToRead]
    rules: ChunkRules


class Locate(Struct, tag=True, frozen=True, kw_only=True):
    path: str
    page: int
    start: int
    end: int
    password: str | None = None


class Draw(Struct, tag=True, frozen=True, kw_only=True):
    path: str
    page: int
    width_px: int
    password: str | None = None


class FindLinks(Struct, tag=True, frozen=True, kw_only=True):
    """The links of a page of the web, or the addresses that a sitemap lists."""

    path: str
    name: str
    sitemap: bool = False


Task = Parse | Cut | Read | Locate | Draw | FindLinks


class Pages(Struct, tag=True, frozen=True, kw_only=True):
    pages: list[ParsedPage]
    total: int


class Parsed(Struct, tag=True, frozen=True, kw_only=True):
    media_type: str
    title: str
    paged: bool
    outline: list[Heading]
    furniture: list[Furniture]
    anchors: list[AnchorMark] = []


class Chunks(Struct, tag=True, frozen=True, kw_only=True):
    chunks: list[ChunkDraft]


class Opened(Struct, tag=True, frozen=True, kw_only=True):
    """`total`: pages in all; 0 where only the end will tell."""

    media_type: str
    paged: bool
    total: int


class Section(Struct, tag=True, frozen=True, kw_only=True):
    """What stands on the pages that were read since the last one, up to and with `last_page`; their chunks follow."""

    last_page: int
    title: str
    outline: list[Heading]
    furniture: list[Furniture]
    anchors: list[AnchorMark] = []


class Finished(Struct, tag=True, frozen=True, kw_only=True):
    """`shortfall`: a sentence on what could not be read and what would help; empty when all could."""

    shortfall: str = ""


class Unreadable(Struct, tag=True, frozen=True, kw_only=True):
    """This file can't be read; the next one follows."""

    code: str
    message: str
    data: dict[str, Any] = {}


class Located(Struct, tag=True, frozen=True, kw_only=True):
    rectangles: PageRectangles


class Drawn(Struct, tag=True, frozen=True, kw_only=True):
    png: bytes


class LinksFound(Struct, tag=True, frozen=True, kw_only=True):
    links: WebLinks


class Failed(Struct, tag=True, frozen=True, kw_only=True):
    code: str
    message: str
    data: dict[str, Any] = {}


class Done(Struct, tag=True, frozen=True, kw_only=True):
    """The task is finished; without it what came before is not trusted to be whole."""


Reply = Pages | Parsed | Chunks | Opened | Section | Finished | Unreadable | Located | Drawn | LinksFound | Failed | Done

_encoder: Final = msgspec.msgpack.Encoder()
_task_decoder: Final = msgspec.msgpack.Decoder(Task)
_reply_decoder: Final = msgspec.msgpack.Decoder(Reply)


def encode(message: Task | Reply) -> bytes:
    """Raises TooLarge for a frame that the other side would refuse."""
    body = _encoder.encode(message)
    return length_prefix(len(body)) + body


def length_prefix(size_bytes: int) -> bytes:
    if size_bytes > LONGEST_FRAME_BYTES:
        raise TooLarge("The document holds more text than can be kept: split it.")
    return _LENGTH.pack(size_bytes)


def frame_length(prefix: bytes | bytearray) -> int:
    """Raises TooLarge for a length beyond the limit, before anything is read."""
    (size_bytes,) = _LENGTH.unpack(prefix)
    if size_bytes > LONGEST_FRAME_BYTES:
        raise TooLarge("The document holds more text than can be kept: split it.")
    return size_bytes


def decode_task(body: bytes | bytearray) -> Task:
    return _task_decoder.decode(body)


def decode_reply(body: bytes | bytearray) -> Reply:
    """Raises msgspec.MsgspecError (a ValueError) for anything but a reply."""
    return _reply_decoder.decode(body)
