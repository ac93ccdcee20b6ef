"""`PageCopies`: the stored pages of a version become those of the next one, so that re-indexing reads no file again.

Slice by slice, each a step of the job; what a killed job copied is removed first and copied again. For pipeline.py.
Tests: tests/integration/test_reindexing.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec import structs, to_builtins

from antiphon.access.scope import system_scope
from antiphon.ingest.intake import STEP_PARSED, STEP_READING, Committed
from antiphon.ingest.leftovers import Leftovers
from antiphon.ingest.work import Work
from antiphon.storage.lexical.contract import LexicalIndex
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import LAYOUTS, PAGES, DocumentRow, LayoutRow, PageRow

_SLICE_PAGES: Final = 40
_EVERYTHING: Final = system_scope("ingestion: jobs act for the server")

Advance = Callable[[Work, str, Callable[[Transaction], Any], Mapping[str, Any] | None], Awaitable[Any]]
"""(work, step, change, progress): commits the change with the step's mark."""


class PageCopies:
    def __init__(self, store: Store, index: LexicalIndex, leftovers: Leftovers) -> None:
        self._store = store
        self._index = index
        self._leftovers = leftovers

    async def take(self, work: Work, source: int, advance: Advance) -> Committed | None:
        """Everything up to the step `parsed`; None: that version is not the document's any more, so the file is read."""
        document = work.document
        if document.version != source or not document.pages:
            return None
        committed = Committed(
            recipe=work.recipe, media_type=document.media_type,
            paged=await self._store.read(lambda tx: self._is_paged(tx, document)), total=document.pages,
            title=document.title, laid=document.pages, shortfall=_shortfall(document.error),
        )  # fmt: skip
        first = 0
        while first < document.pages:
            numbers = list(range(first + 1, min(first + _SLICE_PAGES, document.pages) + 1))
            where = {"document_id": document.id, "version": source, "number": ("in", numbers)}

            def copy(tx: Transaction, where: Mapping[str, Any] = where) -> int:
                pages: list[PageRow] = tx.find(PAGES, _EVERYTHING, where, order="number")
                layouts: list[LayoutRow] = tx.find(LAYOUTS, _EVERYTHING, where, order="number")
                for page in pages:
                    tx.insert(
                        PAGES, structs.replace(page, id=f"{document.id}:{work.version}:{page.number}", version=work.version)
                    )
                for layout in layouts:
                    changed = structs.replace(
                        layout, id=f"{document.id}:{work.version}:{layout.number}", version=work.version
                    )  # fmt: skip
                    tx.insert(LAYOUTS, changed)
                return len(pages)

            if await advance(work, STEP_READING, copy, {}) != len(numbers):
                await self._leftovers.remove(work.job, document.id, work.version)
                return None
            first = numbers[-1]
        await advance(work, STEP_PARSED, lambda _tx: None, to_builtins(committed))
        return committed

    def _is_paged(self, tx: Transaction, document: DocumentRow) -> bool:
        """Whether its pages mean something to a reader: a parser knows, and its chunks show. Places in lines are of one page."""
        first = tx.get(PAGES, _EVERYTHING, f"{document.id}:{document.version}:1")
        if (document.pages or 0) > 1 or (first is not None and first.width_pt is not None):
            return True
        chunks = self._index.chunks_of(tx, _EVERYTHING, document.id)
        return not any((chunk.anchor or "").startswith("line:") for chunk in chunks)


def _shortfall(error: dict[str, Any] | None) -> str:
    """What could not be read of it, which stays so."""
    return str(error.get("message", "")) if error is not None and error.get("code") == "partial" else ""
