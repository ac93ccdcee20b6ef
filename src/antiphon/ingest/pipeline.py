"""The ingestion job: parse -> pages -> chunks with tokens -> index -> ready, in steps that survive kill -9.

A job (kind INGEST_JOB, subject the document) notes each finished step in the transaction of the step's rows; a repeated
job goes on behind it. Every slice looks at the document first: one that was deleted or replaced takes nothing more. The
document is searchable from the first indexed slice. Payload: {version?, sha256?}; a version above the document's replaces
it when ready, and the old one serves until then. Subsystem: docs/subsystems/ingestion.md.
Tests: tests/integration/test_ingest_pipeline.py, test_ingest_crash.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from msgspec import Struct, structs

from antiphon.access.scope import system_scope
from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Runtime
from antiphon.ingest.chunker import CHUNKER_VERSION, ChunkRules
from antiphon.ingest.document import ChunkDraft, Furniture, Heading, ParsedDocument, ParsedPage
from antiphon.ingest.leftovers import Leftovers
from antiphon.ingest.pdf_text_version import MENDING_VERSION
from antiphon.ingest.slices import SliceSize
from antiphon.ingest.worker import ParserPool
from antiphon.protocol.events import DocumentFailed, DocumentProgress, DocumentReady, Event
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.lexical.contract import Chunk, LexicalIndex
from antiphon.storage.lexical.tokens import TOKENISER_VERSION
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, PAGES, DocumentRow, PageRow

INGEST_JOB: Final = "ingest"
OnEvent = Callable[[str, Event], None]
"""(workspace id, event). Called in the loop's thread after the commit; must not wait."""

STEP_PARSED: Final = "parsed"
STEP_INDEXING: Final = "indexing"
STEP_READY: Final = "ready"
_PROGRESS_INTERVAL_S: Final = 0.1
_PAGE_SLICE_CHARACTERS: Final = 400_000
_EVERYTHING: Final = system_scope("ingestion: jobs act for the server")


class DocumentGone(Exception):
    """The document was deleted or replaced while the job ran: there is nothing left to do, and nothing to tell."""


class _Work(Struct, kw_only=True):
    """What one run of the job carries from step to step. `fresh`: the version is the document's own, not yet shown."""

    job: Job
    document: DocumentRow
    version: int
    sha256: str
    password: str | None

    @property
    def fresh(self) -> bool:
        return self.version == self.document.version


class IngestPipeline:
    """Without state between jobs; used by IngestWorkers."""

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobQueue,
        blobs: BlobStore,
        index: LexicalIndex,
        pool: ParserPool,
        settings: Settings,
        runtime: Runtime,
        on_event: OnEvent,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._blobs = blobs
        self._index = index
        self._pool = pool
        self._clock = runtime.clock
        self._on_event = on_event
        self._leftovers = Leftovers(store, jobs, index, runtime.clock)
        self._rules = ChunkRules(
            characters=settings.ingest.chunk_characters, overlap_characters=settings.ingest.overlap_characters
        )

    async def run(self, job: Job, *, password: str | None = None) -> None:
        """Works the claimed job to its end and finishes it. Raises AntiphonError for what `fail` should record,
        DocumentGone, and Conflict when the claim is lost."""
        failpoint("ingest.after_claim")
        work = await self._begin(job, password)
        step = job.step
        if step != STEP_READY:
            document = None
            if step not in {STEP_PARSED, STEP_INDEXING}:
                document = await self._parse(work)
                step = STEP_PARSED
            failpoint("ingest.after_parse")
            await self._index_chunks(work, document or await self._stored_document(work), job.progress)
            failpoint("ingest.after_index")
            await self._become_ready(work)
        await self._drop_other_versions(work)
        await self._jobs.finish(job)
        row = await self._store.read(lambda tx: tx.get(DOCUMENTS, _EVERYTHING, job.subject))
        if row is not None and row.deleted_at is None:
            self._tell(work, DocumentReady(document_id=row.id, name=row.name, passages=row.passages))

    async def fail(self, job: Job, error: AntiphonError) -> None:
        """Records the failure with the document and ends the job for good. Raises Conflict when the claim is lost."""
        told: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.data:
            told["data"] = error.data
            if error.data.get("reason") == "password_required":
                told["code"] = "password_required"  # names.md, `retry`
        failed: list[DocumentRow] = []

        def mark(tx: Transaction) -> None:
            row = tx.get(DOCUMENTS, _EVERYTHING, job.subject)
            if row is not None and row.deleted_at is None:
                failed.append(row)
                # an older version, when there is one, stays searchable
                searchable = row.searchable and _target_version(job, row) != row.version
                tx.update(
                    DOCUMENTS, _EVERYTHING, row.id, state="failed", error=told, progress=None, searchable=searchable,
                    updated_at=self._clock.now(),
                )  # fmt: skip

        await self._jobs.fail(job, told, work=mark)
        for row in failed:
            self._on_event(row.workspace_id, DocumentFailed(document_id=row.id, name=row.name, error=told))

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _begin(self, job: Job, password: str | None) -> _Work:
        row = await self._store.read(lambda tx: tx.get(DOCUMENTS, _EVERYTHING, job.subject))
        if row is None or row.deleted_at is not None or _target_version(job, row) < row.version:
            raise DocumentGone
        version = _target_version(job, row)
        sha256 = str(job.payload.get("sha256") or row.sha256)
        return _Work(job=job, document=row, version=version, sha256=sha256, password=password)

    async def _parse(self, work: _Work) -> ParsedDocument:
        await self._leftovers.remove(work.job, work.document.id, work.version)
        await self._advance(work, "", lambda tx: self._show(tx, work, state="parsing", error=None))
        began_s = told_s = self._clock.monotonic()
        self._tell(work, DocumentProgress(document_id=work.document.id, stage="parsing"))

        def progress(done: int, total: int) -> None:
            nonlocal told_s
            now_s = self._clock.monotonic()
            if now_s - told_s >= _PROGRESS_INTERVAL_S:
                told_s = now_s
                self._tell_progress(work, "parsing", done, total, began_s, pages_ready=0)

        path = self._blobs.local_path(work.sha256)
        parsed = await self._pool.parse(path, work.document.name, password=work.password, on_progress=progress)
        slices = list(_page_slices(parsed.pages))
        for pages in slices[:-1]:
            await self._advance(work, "", lambda tx, pages=pages: self._insert_pages(tx, work, pages))
        facts: dict[str, Any] = {
            "state": "indexing", "pages": len(parsed.pages), "pages_ready": 0, "passages": 0,
            "outline": [_outline_entry(heading) for heading in parsed.outline], "media_type": parsed.media_type,
            "title": parsed.title or PurePath(work.document.name).stem,
        }  # fmt: skip

        def last(tx: Transaction) -> None:
            self._insert_pages(tx, work, slices[-1])
            self._show(tx, work, **(facts if work.fresh else {"state": "indexing"}))

        left = {
            "facts": {name: facts[name] for name in ("outline", "title", "media_type", "pages")},
            "furniture": [[item.page, item.start, item.end] for item in parsed.furniture],
        }
        await self._advance(work, STEP_PARSED, last, progress=left)
        work.job = _at_step(work.job, STEP_PARSED, left)
        return parsed

    async def _stored_document(self, work: _Work) -> ParsedDocument:
        """What `_parse` committed, for a job that goes on after a restart."""
        where = {"document_id": work.document.id, "version": work.version}
        rows = await self._store.read(lambda tx: tx.find(PAGES, _EVERYTHING, where, order="number"))
        facts: Mapping[str, Any] = work.job.progress.get("facts", {})
        return ParsedDocument(
            media_type=str(facts.get("media_type", "")), title=str(facts.get("title", "")),
            paged=bool(rows) and rows[0].width_pt is not None,
            pages=[ParsedPage(number=row.number, text=row.text, width_pt=row.width_pt, height_pt=row.height_pt) for row in rows],
            outline=[
                Heading(title=entry["title"], level=entry["level"], page=entry["page"], start=entry["start"])
                for entry in facts.get("outline", ())
            ],
            furniture=[
                Furniture(page=page, start=start, end=end) for page, start, end in work.job.progress.get("furniture", ())
            ],
        )  # fmt: skip

    async def _index_chunks(self, work: _Work, document: ParsedDocument, progress: Mapping[str, Any]) -> None:
        recipe = (
            f"{CHUNKER_VERSION}/{TOKENISER_VERSION}/{MENDING_VERSION}/{self._rules.characters}/{self._rules.overlap_characters}"
        )
        facts: Mapping[str, Any] = work.job.progress.get("facts", {})
        indexed = int(progress.get("indexed", 0)) if progress.get("recipe") == recipe else 0
        if not indexed:
            await self._leftovers.remove_chunks(work.job, work.document.id, work.version)
        size = SliceSize()
        began_s = self._clock.monotonic()
        last_page = document.pages[-1].number if document.pages else 0
        title = str(facts.get("title", "")) or document.title
        async with self._pool.chunks(document, self._rules, title=title, skip=indexed) as batches:
            async for drafts in _resliced(batches, size):
                chunks = [_chunk(work, draft) for draft in drafts]
                indexed += len(chunks)
                pages_ready = last_page if document.paged is False else chunks[-1].page
                left = {**work.job.progress, "recipe": recipe, "indexed": indexed}

                def add(
                    tx: Transaction, chunks: list[Chunk] = chunks, pages: int = pages_ready, passages: int = indexed
                ) -> float:
                    start_s = self._clock.monotonic()
                    self._index.add(tx, chunks)
                    if work.fresh:
                        self._show(tx, work, searchable=True, pages_ready=pages, passages=passages)
                    return (self._clock.monotonic() - start_s) * 1000

                size.measured(len(chunks), await self._advance(work, STEP_INDEXING, add, progress=left))
                self._tell_progress(work, "indexing", pages_ready, last_page, began_s, pages_ready=pages_ready)
        work.job = _at_step(work.job, STEP_INDEXING, {**work.job.progress, "recipe": recipe, "indexed": indexed})

    async def _become_ready(self, work: _Work) -> None:
        facts: Mapping[str, Any] = work.job.progress.get("facts", {})
        indexed = int(work.job.progress.get("indexed", 0))

        def show(tx: Transaction) -> None:
            self._show(
                tx, work, state="ready", searchable=True, error=None, progress=None, version=work.version, sha256=work.sha256,
                passages=indexed, pages_ready=int(facts.get("pages", 0)), **facts,
            )  # fmt: skip

        await self._advance(work, STEP_READY, show)

    async def _drop_other_versions(self, work: _Work) -> None:
        for version in range(1, work.version):
            await self._leftovers.remove(work.job, work.document.id, version)

    # --- parts of steps -----------------------------------------------------------------------------------------------

    async def _advance(
        self, work: _Work, step: str, change: Callable[[Transaction], Any], progress: Mapping[str, Any] | None = None
    ) -> Any:
        """`change` and the step's mark together, unless the document is gone."""

        def guarded(tx: Transaction) -> Any:
            row = tx.get(DOCUMENTS, _EVERYTHING, work.document.id)
            if row is None or row.deleted_at is not None or row.version > work.version:
                raise DocumentGone
            return change(tx)

        return await self._jobs.advance(work.job, step=step, work=guarded, progress=progress)

    def _insert_pages(self, tx: Transaction, work: _Work, pages: Sequence[ParsedPage]) -> None:
        for page in pages:
            tx.insert(
                PAGES,
                PageRow(
                    id=f"{work.document.id}:{work.version}:{page.number}", document_id=work.document.id,
                    workspace_id=work.document.workspace_id, version=work.version, number=page.number, text=page.text,
                    width_pt=page.width_pt, height_pt=page.height_pt,
                ),
            )  # fmt: skip

    def _show(self, tx: Transaction, work: _Work, **changes: Any) -> None:
        tx.update(DOCUMENTS, _EVERYTHING, work.document.id, updated_at=self._clock.now(), **changes)

    def _tell(self, work: _Work, event: Event) -> None:
        self._on_event(work.document.workspace_id, event)

    def _tell_progress(self, work: _Work, stage: str, done: int, total: int, began_s: float, *, pages_ready: int) -> None:
        elapsed_ms = (self._clock.monotonic() - began_s) * 1000
        eta_ms = int(elapsed_ms / done * (total - done)) if done and total else None
        self._tell(
            work,
            DocumentProgress(
                document_id=work.document.id, stage=stage, done=done, total=total, pages_ready=pages_ready, eta_ms=eta_ms
            ),
        )  # fmt: skip


def _target_version(job: Job, row: DocumentRow) -> int:
    return int(job.payload.get("version") or row.version)


def _at_step(job: Job, step: str, progress: Mapping[str, Any]) -> Job:
    return structs.replace(job, step=step, progress=dict(progress))


def _outline_entry(heading: Heading) -> dict[str, Any]:
    return {"title": heading.title, "level": heading.level, "page": heading.page, "start": heading.start}


def _chunk(work: _Work, draft: ChunkDraft) -> Chunk:
    return Chunk(
        document_id=work.document.id, workspace_id=work.document.workspace_id, version=work.version, ordinal=draft.ordinal,
        page=draft.page, anchor=draft.anchor, start=draft.start, end=draft.end, text=draft.text,
        heading_path=draft.heading_path, tokeniser_version=TOKENISER_VERSION, tokens=draft.tokens,
    )  # fmt: skip


def _page_slices(pages: Sequence[ParsedPage]) -> list[list[ParsedPage]]:
    """At least one slice, each of about the text that is written in a few milliseconds."""
    slices: list[list[ParsedPage]] = [[]]
    characters = 0
    for page in pages:
        if characters > _PAGE_SLICE_CHARACTERS:
            slices.append([])
            characters = 0
        slices[-1].append(page)
        characters += len(page.text) + 1000
    return slices


async def _resliced(batches: AsyncIterator[list[ChunkDraft]], size: SliceSize) -> AsyncIterator[list[ChunkDraft]]:
    """The same drafts in slices of the size that is right at each moment."""
    async for batch in batches:
        position = 0
        while position < len(batch):
            slice_ = batch[position : position + size.rows]
            position += len(slice_)
            yield slice_
