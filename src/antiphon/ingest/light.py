"""`LightDocument`: all that a worker says of one small document, kept until it is committed in one transaction.

Used by pipeline.py only. Tests: tests/integration/test_ingest_pipeline.py.
"""

from __future__ import annotations

from typing import Any, Final

from antiphon.ingest import wire
from antiphon.ingest.document import ChunkDraft, ParsedPage
from antiphon.ingest.intake import Committed, Told, chunk_of, insert, layout_rows, outline_of, page_row
from antiphon.ingest.work import Work
from antiphon.storage.lexical.contract import LexicalIndex
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import LayoutRow

MOST_CHUNKS: Final = 60
"""More are not written in the 20 ms that ingestion may hold the writer."""
MOST_PAGES: Final = 50


class LightDocument:
    """`take` the replies in order, up to `Finished`."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._opened = wire.Opened(media_type="", paged=False, total=0)
        self._pages: list[ParsedPage] = []
        self._drafts: list[ChunkDraft] = []
        self._layouts: list[LayoutRow] = []
        self._title = self._shortfall = ""

    @property
    def too_much(self) -> bool:
        return len(self._drafts) > MOST_CHUNKS or len(self._pages) > MOST_PAGES

    @property
    def outline(self) -> list[dict[str, Any]]:
        return outline_of(self._layouts)

    @property
    def told(self) -> Told:
        total = len(self._pages)
        return Told(stage="indexing", done=total, total=total, pages_ready=total)

    def take(self, reply: wire.Reply) -> None:
        match reply:
            case wire.Opened():
                self._opened = reply
            case wire.Pages():
                self._pages += reply.pages
            case wire.Section():
                self._title = reply.title
                known = {row.number for row in self._layouts}
                rows = layout_rows(self.work, self._pages, reply.outline, reply.furniture, reply.anchors)
                self._layouts += [row for row in rows if row.number not in known]
            case wire.Chunks():
                self._drafts += reply.chunks
            case wire.Finished():
                self._shortfall = reply.shortfall
            case _:
                return

    def committed(self, recipe: str) -> Committed:
        return Committed(
            recipe=recipe, media_type=self._opened.media_type, paged=self._opened.paged, title=self._title,
            total=max(self._opened.total, len(self._pages)), laid=len(self._pages), indexed=len(self._drafts),
            shortfall=self._shortfall,
        )  # fmt: skip

    def insert(self, transaction: Transaction, index: LexicalIndex) -> None:
        insert(transaction, [page_row(self.work, page) for page in self._pages], self._layouts)
        index.add(transaction, [chunk_of(self.work, draft) for draft in self._drafts])
