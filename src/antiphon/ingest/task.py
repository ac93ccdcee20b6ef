"""What a worker process does with its one task. Called by the nursery in the fork, never in the server.

Tests: tests/unit/ingest/test_task.py (in process), tests/integration/test_ingest_worker.py (in forks).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar, assert_never

from antiphon.core.errors import AntiphonError, BadRequest, TooLarge
from antiphon.ingest.anchors import Anchored
from antiphon.ingest.chunker import chunks_of
from antiphon.ingest.parsers import ParserSpec, open_file
from antiphon.ingest.reading import batches, page_length, read_files
from antiphon.ingest.web_links import links_of
from antiphon.ingest.wire import (
    LENGTH_BYTES,
    Chunks,
    Cut,
    Done,
    Draw,
    Drawn,
    Failed,
    FindLinks,
    LinksFound,
    Locate,
    Located,
    Pages,
    Parse,
    Parsed,
    Read,
    Reply,
    Task,
    decode_task,
    encode,
    frame_length,
)

T = TypeVar("T")
_FRAME_CHARACTERS: Final = 200_000
"""Pages and chunks are sent in frames of about this much text, so that the server decodes each in a millisecond."""


def serve(connection: socket.socket, specs: Sequence[ParserSpec]) -> None:
    """Reads the task, sends its replies and `Done`, or `Failed`. Returns when all is sent."""
    task = decode_task(_receive(connection, frame_length(_receive(connection, LENGTH_BYTES))))
    reply: Reply
    try:
        for reply in replies(task, specs):
            connection.sendall(encode(reply))
        reply = Done()
    except ConnectionError:
        return
    except Exception as error:  # noqa: BLE001 - the task boundary: whatever a broken file provokes becomes its failure
        reply = failure_of(error)
    connection.sendall(encode(reply))


def failure_of(error: Exception) -> Failed:
    """What is told of an error: our own as it is, anything else as the file's fault."""
    if isinstance(error, AntiphonError):
        return Failed(code=error.code, message=error.message, data=error.data)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return Failed(code=TooLarge.code, message="The document needs more memory than one may take: split it.")
    return Failed(
        code=BadRequest.code,
        message="The file is damaged or not what it seems: it could not be read.",
        data={"reason": "unreadable", "detail": f"{type(error).__name__}: {error}"[:300]},
    )


def _receive(connection: socket.socket, size_bytes: int) -> bytearray:
    received = bytearray()
    while len(received) < size_bytes:
        piece = connection.recv(min(size_bytes - len(received), 2**20))
        if not piece:
            raise ConnectionError("The server closed the connection.")
        received += piece
    return received


def replies(task: Task, specs: Sequence[ParserSpec]) -> Iterator[Reply]:
    """All but the closing `Done`."""
    match task:
        case Parse():
            yield from _parse(task, specs)
        case Cut():
            document = task.document
            drafts = chunks_of(document, task.rules, title=task.title)
            wanted = (draft for draft in drafts if draft.ordinal >= task.skip)
            for chunks in batches(wanted, lambda draft: len(draft.text) + len(draft.tokens)):
                yield Chunks(chunks=chunks)
        case Read():
            yield from read_files(task, specs, failure_of)
        case Locate():
            with closing(open_file(Path(task.path), "", task.password, specs)[1]) as opened:
                yield Located(rectangles=opened.rectangles(task.page, task.start, task.end))
        case Draw():
            with closing(open_file(Path(task.path), "", task.password, specs)[1]) as opened:
                yield Drawn(png=opened.page_image(task.page, task.width_px))
        case FindLinks():
            yield LinksFound(links=links_of(Path(task.path), task.name, sitemap=task.sitemap))
        case _:
            assert_never(task)


def _parse(task: Parse, specs: Sequence[ParserSpec]) -> Iterator[Reply]:
    media_type, opened = open_file(Path(task.path), task.name, task.password, specs)
    with closing(opened):
        for pages in batches(opened.pages(), page_length):
            yield Pages(pages=pages, total=opened.page_total)
        yield Parsed(
            media_type=media_type, title=opened.title, paged=opened.paged, outline=opened.outline(), furniture=opened.furniture(),
            anchors=opened.anchors() if isinstance(opened, Anchored) else [],
        )  # fmt: skip
