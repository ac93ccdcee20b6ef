"""Takes chunks and pages of a document away in slices, each a step of the job that does it. For pipeline and removal.

Tests: tests/integration/test_ingest_pipeline.py.
"""

from __future__ import annotations

from typing import Any, Final

from antiphon.access.scope import system_scope
from antiphon.core.runtime import Clock
from antiphon.ingest.slices import SliceSize
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.lexical.contract import LexicalIndex
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import LAYOUTS, PAGES
from antiphon.storage.vectors.contract import VectorStore

_PAGES_AT_ONCE: Final = 100
_EVERYTHING: Final = system_scope("ingestion: jobs act for the server")


class Leftovers:
    """`vectors` None: there are none."""

    def __init__(self, store: Store, jobs: JobQueue, index: LexicalIndex, vectors: VectorStore | None, clock: Clock) -> None:
        self._store = store
        self._jobs = jobs
        self._index = index
        self._vectors = vectors
        self._clock = clock

    async def remove(self, job: Job, document_id: str, version: int | None = None) -> None:
        """Vectors, chunks, then pages, of one version or of all. Raises Conflict when the claim is lost."""
        await self.remove_chunks(job, document_id, version)
        await self.remove_pages(job, document_id, version)

    async def remove_pages(self, job: Job, document_id: str, version: int | None = None, *, behind: int = 0) -> None:
        """Pages with a number above `behind`, and what stands on them."""
        where: dict[str, Any] = {"document_id": document_id, "number": (">", behind)}
        if version is not None:
            where["version"] = version

        def some(tx: Transaction) -> set[str]:
            pages = tx.find(PAGES, _EVERYTHING, where, order="number", limit=_PAGES_AT_ONCE)
            return {row.id for row in pages} or {row.id for row in tx.find(LAYOUTS, _EVERYTHING, where, limit=_PAGES_AT_ONCE)}

        while ids := sorted(await self._store.read(some)):

            def delete(tx: Transaction, ids: list[str] = ids) -> None:
                tx.delete(PAGES, _EVERYTHING, {"id": ("in", ids)})
                tx.delete(LAYOUTS, _EVERYTHING, {"id": ("in", ids)})

            await self._jobs.advance(job, step=job.step, work=delete)

    async def remove_chunks(self, job: Job, document_id: str, version: int | None = None) -> None:
        """With their vectors: those first, for a vector without its chunk would belong to nothing."""
        if self._vectors is not None:
            await self._in_slices(job, document_id, version, self._vectors)
        await self._in_slices(job, document_id, version, self._index)

    async def _in_slices(self, job: Job, document_id: str, version: int | None, index: LexicalIndex | VectorStore) -> None:
        size = SliceSize()
        while True:
            rows = size.rows

            def remove(tx: Transaction, rows: int = rows) -> tuple[int, float]:
                start_s = self._clock.monotonic()
                removed = index.remove(tx, document_id, version=version, limit=rows)
                return removed, (self._clock.monotonic() - start_s) * 1000

            removed, took_ms = await self._jobs.advance(job, step=job.step, work=remove)
            size.measured(removed, took_ms)
            if removed < rows:
                return
