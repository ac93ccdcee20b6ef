"""Reads files from end to end in a worker process: pages, what stands where on them, and chunks, as early as each is known.

A document that knows its headings as it goes (`InWindows`: PDF) is cut in windows of pages that double in size, so the first
pages are searchable while the rest is read; others are read whole, then cut. Windows depend on the file alone: a resumed
reading gives the same pages and chunks. Tests: tests/unit/ingest/test_reading.py, tests/integration/test_ingest_pipeline.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol, TypeVar, runtime_checkable

from msgspec import Struct

from antiphon.ingest.anchors import Anchored
from antiphon.ingest.chunker import Chunker, ChunkRules
from antiphon.ingest.document import ChunkDraft, Furniture, Heading, ParsedDocument, ParsedPage
from antiphon.ingest.parsers import OpenDocument, ParserSpec, open_file
from antiphon.ingest.wire import Chunks, Failed, FileToRead, Finished, Opened, Pages, Read, Reply, Section, Unreadable

T = TypeVar("T")
FIRST_WINDOW_PAGES: Final = 8
LARGEST_WINDOW_PAGES: Final = 256
RECOGNISED_AT_ONCE: Final = 2
"""A window ends behind this many pages read off pictures: each takes seconds."""
FRAME_CHARACTERS: Final = 200_000
"""Pages and chunks are sent in frames of about this much text, so that the server decodes each in a millisecond."""
_FIRST_FRAME_CHARACTERS: Final = 40_000
"""Smaller where somebody waits: chunks of the first window."""


@runtime_checkable
class InWindows(Protocol):
    """An open document that can tell headings and furniture of pages already read. Called once a window, in order."""

    def window(self, first: int, last: int, /) -> tuple[list[Heading], list[Furniture]]: ...


@runtime_checkable
class Incomplete(Protocol):
    """An open document that may have left out pages; asked behind the last page."""

    def shortfall(self) -> str:
        """What could not be read and what would help, as a sentence; empty when all could."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """An open document for which leaving pages out saves much (text recognition)."""

    def recall(self, pages: int, texts: Mapping[int, str], /) -> None:
        """Pages up to this number were read before; `texts` is what was read off their pictures then."""
        ...


class _Window(Struct, kw_only=True):
    """What was read since the last section."""

    pages: list[ParsedPage] = []
    size: int = FIRST_WINDOW_PAGES

    @property
    def full(self) -> bool:
        return len(self.pages) >= self.size or sum(page.recognised for page in self.pages) >= RECOGNISED_AT_ONCE


def read_files(task: Read, specs: Sequence[ParserSpec], failure_of: Callable[[Exception], Failed]) -> Iterator[Reply]:
    """The replies of wire.Read. A broken file costs itself; ConnectionError (nobody reads any more) goes through."""
    for file in task.files:
        try:
            yield from _read(file, task.rules, specs)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - the task boundary of one file among several
            told = failure_of(error)
            yield Unreadable(code=told.code, message=told.message, data=told.data)


def _read(file: FileToRead, rules: ChunkRules, specs: Sequence[ParserSpec]) -> Iterator[Reply]:
    media_type, opened = open_file(Path(file.path), file.name, file.password, specs)
    with closing(opened):
        if file.skip_pages and isinstance(opened, Resumable):
            opened.recall(file.skip_pages, file.recognised)
        yield Opened(media_type=media_type, paged=opened.paged, total=opened.page_total)
        reader = _in_windows(opened, opened, file, rules) if isinstance(opened, InWindows) else _whole(opened, file, rules)
        yield from reader
        yield Finished(shortfall=opened.shortfall() if isinstance(opened, Incomplete) else "")


def _in_windows(opened: OpenDocument, windows: InWindows, file: FileToRead, rules: ChunkRules) -> Iterator[Reply]:
    chunker = Chunker(rules)
    window = _Window()
    for page in opened.pages():
        window.pages.append(page)
        if window.full:
            yield from _section(opened, windows, window, chunker, file)
            window = _Window(size=min(2 * window.size, LARGEST_WINDOW_PAGES))
    if window.pages:
        yield from _section(opened, windows, window, chunker, file)


def _section(opened: OpenDocument, windows: InWindows, window: _Window, chunker: Chunker, file: FileToRead) -> Iterator[Reply]:
    first, last = window.pages[0].number, window.pages[-1].number
    yield from _unsent(window.pages, opened.page_total, file)
    outline, furniture = windows.window(first, last)
    piece = ParsedDocument(
        media_type="", title=opened.title, paged=opened.paged, pages=window.pages, outline=outline, furniture=furniture
    )  # fmt: skip
    yield Section(last_page=last, title=opened.title, outline=outline, furniture=furniture)
    yield from _chunks(chunker, piece, file)


def _whole(opened: OpenDocument, file: FileToRead, rules: ChunkRules) -> Iterator[Reply]:
    pages: list[ParsedPage] = []
    for batch in batches(opened.pages(), page_length):
        pages += batch
        yield from _unsent(batch, opened.page_total, file)
    piece = ParsedDocument(
        media_type="", title=opened.title, paged=opened.paged, pages=pages, outline=opened.outline(), furniture=opened.furniture(),
        anchors=opened.anchors() if isinstance(opened, Anchored) else [],
    )  # fmt: skip
    if pages:
        yield Section(
            last_page=pages[-1].number, title=opened.title, outline=piece.outline, furniture=piece.furniture, anchors=piece.anchors
        )  # fmt: skip
    yield from _chunks(Chunker(rules), piece, file)


def _unsent(pages: list[ParsedPage], total: int, file: FileToRead) -> Iterator[Reply]:
    for batch in batches((page for page in pages if page.number > file.skip_pages), page_length):
        yield Pages(pages=batch, total=total)


def _chunks(chunker: Chunker, piece: ParsedDocument, file: FileToRead) -> Iterator[Reply]:
    drafts = chunker.cut(piece, title=piece.title or file.title)
    wanted = (draft for draft in drafts if draft.ordinal >= file.skip_chunks)
    limit = _FIRST_FRAME_CHARACTERS if piece.pages and piece.pages[0].number == 1 else FRAME_CHARACTERS
    for chunks in batches(wanted, chunk_length, limit):
        yield Chunks(chunks=chunks)


def page_length(page: ParsedPage) -> int:
    return len(page.text) + 60 * len(page.words) + 100


def chunk_length(draft: ChunkDraft) -> int:
    return len(draft.text) + len(draft.tokens)


def batches(items: Iterable[T], length: Callable[[T], int], limit: int = FRAME_CHARACTERS) -> Iterator[list[T]]:
    """Lists of about `limit` characters each."""
    batch: list[T] = []
    characters = 0
    for item in items:
        batch.append(item)
        characters += length(item)
        if characters >= limit:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
