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


Task = Parse | Cut | Locate | Draw


class Conversion(Struct, tag=True, frozen=True, kw_only=True):
    """The file must be converted first: the task is to be given to a worker with a converter's limits."""

    media_type: str


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


class Located(Struct, tag=True, frozen=True, kw_only=True):
    rectangles: PageRectangles


class Drawn(Struct, tag=True, frozen=True, kw_only=True):
    png: bytes


class Failed(Struct, tag=True, frozen=True, kw_only=True):
    code: str
    message: str
    data: dict[str, Any] = {}


class Done(Struct, tag=True, frozen=True, kw_only=True):
    """The task is finished; without it what came before is not trusted to be whole."""


Reply = Conversion | Pages | Parsed | Chunks | Located | Drawn | Failed | Done

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
