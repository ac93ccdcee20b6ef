"""`Intake`: takes what a worker says of one document and brings it into the store, slice by slice, each a marked step.

Pages, what stands where on them, and chunks are committed as they come; the document is searchable from the first slice of
chunks. What the job's progress says is exactly what is committed, so an interrupted reading goes on behind it.
`Intake.rows` gives everything at once instead, for small documents. Tests: tests/integration/test_ingest_pipeline.py,
test_ingest_crash.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct, to_builtins

from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Clock
from antiphon.ingest import wire
from antiphon.ingest.document import AnchorMark, ChunkDraft, Furniture, Heading, ParsedDocument, ParsedPage
from antiphon.ingest.slices import SliceTime
from antiphon.storage.lexical.contract import Chunk, LexicalIndex
from antiphon.storage.lexical.tokens import TOKENISER_VERSION
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import LAYOUTS, PAGES, DocumentRow, LayoutRow, PageRow

STEP_READING: Final = "reading"
STEP_PARSED: Final = "parsed"
"""All pages are stored; chunks are missing, and can be made from the stored pages."""
_SLICE_CHARACTERS: Final = 400_000
_SLICE_ROWS: Final = 100

Advance = Callable[[str, Callable[[Transaction], Any], Callable[[], dict[str, Any]]], Awaitable[Any]]
"""(step, change, progress): commits the change with the step's mark; the progress is asked for after the change. Raises
DocumentGone, Conflict."""


class Told(Struct, frozen=True, kw_only=True):
    """How far a document is. `done` of `total` are pages, or characters where a document has one page only."""

    stage: str
    done: int
    total: int
    pages_ready: int


class Committed(Struct, kw_only=True):
    """The job's progress: what is in the store. `laid`: the last page whose layout is stored too; pages behind it may be there and
    are read again. `recipe`: what the chunks were made by."""

    recipe: str
    media_type: str = ""
    paged: bool = False
    total: int = 0
    title: str = ""
    laid: int = 0
    indexed: int = 0
    shortfall: str = ""


class Target(Protocol):
    """What the rows are for."""

    @property
    def document(self) -> DocumentRow: ...
    @property
    def version(self) -> int: ...
    @property
    def fresh(self) -> bool:
        """The version is the document's own, shown while it grows; else an older one serves."""
        ...


class Intake:
    """Of one document. `take` its replies in order, then `finish`."""

    def __init__(
        self, target: Target, committed: Committed, *, index: LexicalIndex, clock: Clock, advance: Advance,
        show: Callable[[Transaction, dict[str, Any]], None], tell: Callable[[Told], None],
    ) -> None:  # fmt: skip
        self.committed = committed
        self._target = target
        self._index = index
        self._clock = clock
        self._advance = advance
        self._show = show
        self._tell = tell
        self._latest = Told(stage="parsing", done=committed.laid, total=committed.total, pages_ready=0)
        self._slice = SliceTime()
        self._pages: list[PageRow] = []
        self._layouts: list[LayoutRow] = []
        self._section: dict[int, ParsedPage] = {}
        self._characters = 0
        self._last_page = self._laid_to = committed.laid
        self._one_page_characters = 0

    async def take(self, reply: wire.Reply) -> None:
        """Returns when what is ripe is committed."""
        match reply:
            case wire.Opened():
                self._opened(reply)
            case wire.Pages():
                await self._take_pages(reply)
            case wire.Section():
                await self._take_section(reply)
            case wire.Chunks():
                await self._take_chunks(reply.chunks)
            case wire.Finished():
                self.committed.shortfall = reply.shortfall
                await self.flush()
            case _:
                return

    async def flush(self) -> None:
        if self._pages or self._layouts:
            await self._commit([], STEP_READING)

    def _opened(self, reply: wire.Opened) -> None:
        self.committed.media_type, self.committed.paged, self.committed.total = reply.media_type, reply.paged, reply.total
        self._tell(Told(stage="parsing", done=self.committed.laid, total=reply.total, pages_ready=0))

    async def _take_pages(self, reply: wire.Pages) -> None:
        self.committed.total = max(self.committed.total, reply.total)
        for page in reply.pages:
            self._pages.append(page_row(self._target, page))
            self._section[page.number] = page
            self._last_page = page.number
            self._characters += len(page.text) + 1000
            self._one_page_characters = len(page.text)
            if self._characters > _SLICE_CHARACTERS:
                await self.flush()
        if self._latest.stage == "parsing":
            self._latest = Told(stage="parsing", done=reply.pages[-1].number, total=reply.total, pages_ready=0)
            self._tell(self._latest)

    async def _take_section(self, reply: wire.Section) -> None:
        self.committed.title = reply.title
        self._layouts += [
            row
            for row in layout_rows(self._target, self._section.values(), reply.outline, reply.furniture, reply.anchors)
            if row.number > self._laid_to
        ]
        self._laid_to = max(self._laid_to, reply.last_page)
        self._section.clear()
        self.committed.total = max(self.committed.total, reply.last_page)
        if reply.last_page >= self.committed.total:
            await self._commit([], STEP_PARSED)
            failpoint("ingest.after_parse")

    async def _take_chunks(self, drafts: Sequence[ChunkDraft]) -> None:
        position = 0
        while position < len(drafts):
            some = [chunk_of(self._target, draft) for draft in drafts[position : position + _SLICE_ROWS]]
            position += await self._commit(some, "")

    async def _commit(self, chunks: list[Chunk], step: str) -> int:
        """Pages and layouts that wait, with as many of these chunks as the slice has time for; their number. `step` "": the one
        before stays."""
        pages, layouts, done = self._pages, self._layouts, self.committed
        self._pages, self._layouts, self._characters = [], [], 0
        done.laid = self._laid_to
        before = done.indexed

        def change(transaction: Transaction) -> tuple[int, float]:
            began_s = self._clock.monotonic()
            insert(transaction, pages, layouts)
            until_s = self._clock.monotonic() + self._slice.adding_ms / 1000
            added = len(self._index.add(transaction, chunks, go_on=lambda: self._clock.monotonic() < until_s))
            done.indexed = before + added
            self._show(transaction, self._shown(self._told(chunks[:added]), indexed=added > 0))
            return added, (self._clock.monotonic() - began_s) * 1000

        added, took_ms = await self._advance(step, change, lambda: to_builtins(done))
        if added:
            failpoint("ingest.after_slice")
            self._slice.measured(took_ms)
            self._tell(self._latest)
        return added

    def _told(self, chunks: list[Chunk]) -> Told:
        """Once pages are searchable, those are what is told, though others are still being read."""
        done = self.committed
        if chunks and done.total <= 1:
            end = chunks[-1].end
            self._latest = Told(stage="indexing", done=end, total=max(self._one_page_characters, end), pages_ready=1)
        elif chunks:
            self._latest = Told(stage="indexing", done=chunks[-1].page, total=done.total, pages_ready=chunks[-1].page)
        return self._latest

    def _shown(self, told: Told, *, indexed: bool) -> dict[str, Any]:
        changes: dict[str, Any] = {"state": told.stage, "progress": to_builtins(told)}
        if self._target.fresh:
            changes |= {"pages": self.committed.total, "media_type": self.committed.media_type}
            if indexed:
                changes |= {"searchable": True, "pages_ready": told.pages_ready, "passages": self.committed.indexed}
        return changes


def page_row(target: Target, page: ParsedPage) -> PageRow:
    return PageRow(
        id=f"{target.document.id}:{target.version}:{page.number}", document_id=target.document.id,
        workspace_id=target.document.workspace_id, version=target.version, number=page.number, text=page.text,
        width_pt=page.width_pt, height_pt=page.height_pt,
    )  # fmt: skip


def layout_rows(
    target: Target, pages: Iterable[ParsedPage], outline: Sequence[Heading], furniture: Sequence[Furniture], anchors: Sequence[AnchorMark]
) -> list[LayoutRow]:  # fmt: skip
    """One a page that has any; pages in rising order. Pages without a place in `pages` (sent before) count as well."""
    found: dict[int, LayoutRow] = {}

    def of(number: int) -> LayoutRow:
        if number not in found:
            found[number] = LayoutRow(
                id=f"{target.document.id}:{target.version}:{number}", document_id=target.document.id,
                workspace_id=target.document.workspace_id, version=target.version, number=number,
                headings=[], furniture=[], anchors=[], words=[],
            )  # fmt: skip
        return found[number]

    for heading in outline:
        of(heading.page).headings.append({"title": heading.title, "level": heading.level, "start": heading.start})
    for item in furniture:
        of(item.page).furniture.append([item.start, item.end])
    for mark in anchors:
        of(mark.page).anchors.append([mark.start, mark.anchor, mark.lines_are_rows])
    for page in pages:
        if page.words:
            of(page.number).words.extend(to_builtins(page.words))
    return [found[number] for number in sorted(found)]


def stored_document(pages: Sequence[PageRow], layouts: Sequence[LayoutRow], committed: Committed) -> ParsedDocument:
    """What was committed, as the chunker wants it."""
    return ParsedDocument(
        media_type=committed.media_type, title=committed.title, paged=committed.paged,
        pages=[
            ParsedPage(number=row.number, text=row.text, width_pt=row.width_pt, height_pt=row.height_pt)
            for row in pages
        ],
        outline=[
            Heading(title=entry["title"], level=entry["level"], page=row.number, start=entry["start"])
            for row in layouts for entry in row.headings
        ],
        furniture=[Furniture(page=row.number, start=start, end=end) for row in layouts for start, end in row.furniture],
        anchors=[
            AnchorMark(page=row.number, start=start, anchor=anchor, lines_are_rows=rows)
            for row in layouts for start, anchor, rows in row.anchors
        ],
    )  # fmt: skip


def chunk_of(target: Target, draft: ChunkDraft) -> Chunk:
    return Chunk(
        document_id=target.document.id, workspace_id=target.document.workspace_id, version=target.version, ordinal=draft.ordinal,
        page=draft.page, anchor=draft.anchor, start=draft.start, end=draft.end, text=draft.text,
        heading_path=draft.heading_path, tokeniser_version=TOKENISER_VERSION, tokens=draft.tokens,
    )  # fmt: skip


def insert(transaction: Transaction, pages: Sequence[PageRow], layouts: Sequence[LayoutRow]) -> None:
    for page in pages:
        transaction.insert(PAGES, page)
    for layout in layouts:
        transaction.insert(LAYOUTS, layout)


def outline_of(layouts: Iterable[LayoutRow]) -> list[dict[str, Any]]:
    """As `DocumentRow.outline`: title, level, page, start."""
    return [{**heading, "page": row.number} for row in layouts for heading in row.headings]
