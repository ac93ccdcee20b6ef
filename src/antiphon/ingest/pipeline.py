"""The ingestion job: a worker reads, `Intake` stores and indexes page by page, then the document is ready; steps survive kill -9.

A job (kind INGEST_JOB, subject the document) notes each finished step in the transaction of the step's rows; a repeated job
goes on behind it. Every slice looks at the document first: one that was deleted, or whose version was overtaken, takes nothing
more. A newer version (`REPLACEMENTS`) is built beside the old one, which serves until one small transaction puts the new one in
its place; what is left of the old one a job removes. Small files are read in batches (`run_light`). Payload: {version, sha256,
light?}. Subsystem: docs/subsystems/ingestion.md. Tests: tests/integration/test_ingest_pipeline.py, test_ingest_crash.py,
test_ingest_versions.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import structs, to_builtins

from antiphon.access.scope import system_scope
from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, Conflict
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Runtime
from antiphon.ingest import wire
from antiphon.ingest.embedding import EmbeddingStage
from antiphon.ingest.intake import STEP_PARSED, STEP_READING, Committed, Intake, Told, outline_of, stored_document
from antiphon.ingest.leftovers import Leftovers
from antiphon.ingest.light import LightDocument
from antiphon.ingest.page_copies import PageCopies
from antiphon.ingest.passwords import Passwords
from antiphon.ingest.recipes import index_settings, rules_of
from antiphon.ingest.removal import version_removal
from antiphon.ingest.work import DocumentGone, Work, version_of
from antiphon.ingest.worker import ParserPool, error_of
from antiphon.protocol.events import DocumentFailed, DocumentProgress, DocumentReady, Event
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.jobs.contract import Job, JobQueue, Progress
from antiphon.storage.lexical.contract import LexicalIndex
from antiphon.storage.records.contract import Store, Transaction, Urgency
from antiphon.storage.records.rows import (
    DOCUMENTS,
    LAYOUTS,
    PAGES,
    RECIPES,
    REPLACEMENTS,
    DocumentRow,
    IndexSettingsRow,
    RecipeRow,
    ReplacementRow,
)
from antiphon.storage.vectors.contract import VectorStore

INGEST_JOB: Final = "ingest"
LIGHT_BYTES: Final = 64 * 1024
"""Files up to this size are read in batches, when their kind is quick to read (library/documents.py decides)."""
LIGHT_TIMEOUT_S: Final = 20.0
OnEvent = Callable[[str, Event], None]
"""(workspace id, event). Called in the loop's thread after the commit; must not wait."""

STEP_READY: Final = "ready"
_EMPTY: Final = "There is no text in the file: it was read to its end, and nothing of it can be found by searching."
_PROGRESS_INTERVAL_S: Final = 0.1
_EVERYTHING: Final = system_scope("ingestion: jobs act for the server")


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
        passwords: Passwords,
        vectors: VectorStore | None = None,
        embedding: EmbeddingStage | None = None,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._blobs = blobs
        self._index = index
        self._pool = pool
        self._runtime = runtime
        self._clock = runtime.clock
        self._on_event = on_event
        self._passwords = passwords
        self._leftovers = Leftovers(store, jobs, index, vectors, runtime.clock)
        self._copies = PageCopies(store, index, self._leftovers)
        self._embedding = embedding
        self._shipped = settings.ingest

    async def run(self, job: Job) -> None:
        """Works the claimed job to its end and finishes it. Raises AntiphonError for what `fail` should record,
        DocumentGone, and Conflict when the claim is lost."""
        failpoint("ingest.after_claim")
        work = await self._begin(job)
        if job.step != STEP_READY:
            committed = await self._take_up(work)
            intake = self._intake(work, committed)
            if work.job.step == STEP_PARSED:
                await self._cut(work, intake)
            else:
                await self._read(work, intake)
            failpoint("ingest.after_index")
            await self._become_ready(work, intake.committed)
            failpoint("ingest.after_ready")
        await self._jobs.finish(job)
        await self._tell_ready(work)

    async def run_light(self, jobs: Sequence[Job], *, reading: Callable[[str], None]) -> None:
        """Reads several small documents in one worker, each committed whole in one transaction. One that ends the worker goes
        back to the queue, where it is not light any more; so do those that need more than one transaction. `reading` is told
        the document that is being read, "" at the end. Other failures are recorded with their documents."""
        failpoint("ingest.after_claim")
        works: list[Work] = []
        for job in jobs:
            try:
                works.append(await self._begin(job))
            except DocumentGone:
                await self._finish_quietly(job)
        commits: list[asyncio.Task[None]] = []
        try:
            works.sort(key=lambda work: work.recipe)  # one reading has one way of cutting
            while works:
                alike = [work for work in works if work.recipe == works[0].recipe]
                done = await self._read_light(alike, commits, reading)
                works = works[done:]
        finally:
            reading("")
            await asyncio.gather(*commits)

    async def fail(self, job: Job, error: AntiphonError) -> None:
        """Records the failure with the document and ends the job for good. Raises Conflict when the claim is lost."""
        told: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.data:
            told["data"] = error.data
            if error.data.get("reason") == "password_required":
                told["code"] = "password_required"  # names.md, `retry`
                self._passwords.forget(job.subject)
        failed: list[DocumentRow] = []

        def mark(tx: Transaction) -> None:
            row = tx.get(DOCUMENTS, _EVERYTHING, job.subject)
            if row is None or row.deleted_at is not None:
                return
            version = version_of(job, row)
            replacement = tx.get(REPLACEMENTS, _EVERYTHING, row.id)
            if version != (row.version if replacement is None else replacement.version):
                return  # overtaken: nobody waits for it any more
            failed.append(row)
            if version != row.version:
                self._jobs.enqueue(tx, version_removal(row, version, "", self._runtime))
            # an older version, when there is one, stays searchable
            tx.update(
                DOCUMENTS, _EVERYTHING, row.id, state="failed", error=told, progress=None,
                searchable=row.searchable and version != row.version, updated_at=self._clock.now(),
            )  # fmt: skip

        await self._jobs.fail(job, told, work=mark)
        for row in failed:
            self._on_event(row.workspace_id, DocumentFailed(document_id=row.id, name=row.name, error=told))

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _begin(self, job: Job) -> Work:
        def look(tx: Transaction) -> tuple[DocumentRow, ReplacementRow | None, IndexSettingsRow]:
            row = tx.get(DOCUMENTS, _EVERYTHING, job.subject)
            if row is None:
                raise DocumentGone
            own = index_settings(tx, _EVERYTHING, row.workspace_id)
            return row, tx.get(REPLACEMENTS, _EVERYTHING, job.subject), own

        row, replacement, own = await self._store.read(look)
        work = Work(
            job=job, document=row, version=version_of(job, row), sha256=str(job.payload.get("sha256") or row.sha256),
            replacement=replacement, rules=rules_of(own, self._shipped),
        )  # fmt: skip
        work.demand_current(row, replacement)
        return work

    async def _take_up(self, work: Work) -> Committed:
        """What an interrupted run left and can be built on; else everything of it is removed."""
        job = work.job
        try:
            committed = msgspec.convert(job.progress, Committed)
        except msgspec.ValidationError:
            committed = Committed(recipe="")
        if job.step in {STEP_READING, STEP_PARSED} and committed.recipe == work.recipe:
            if job.step == STEP_READING:
                await self._leftovers.remove_pages(job, work.document.id, work.version, behind=committed.laid)
            return committed
        await self._leftovers.remove(job, work.document.id, work.version)
        if work.copies is not None and (copied := await self._copies.take(work, work.copies, self._advance)) is not None:
            return copied
        await self._advance(work, STEP_READING, lambda tx: self._show(tx, work, {"state": "parsing", "error": None}), {})
        self._tell(work, DocumentProgress(document_id=work.document.id, stage="parsing"))
        return Committed(recipe=work.recipe)

    def _intake(self, work: Work, committed: Committed) -> Intake:
        began_s = self._clock.monotonic()
        told_s = began_s - 1
        searchable = committed.indexed > 0

        def tell(told: Told) -> None:
            nonlocal told_s, searchable
            now_s = self._clock.monotonic()
            first = told.stage == "indexing" and not searchable
            if not first and now_s - told_s < _PROGRESS_INTERVAL_S:
                return
            told_s, searchable = now_s, searchable or first
            self._tell(work, _progress(work, told, (now_s - began_s) * 1000))

        return Intake(
            work, committed, index=self._index, clock=self._clock, tell=tell,
            advance=lambda step, change, progress: self._advance(work, step, change, progress),
            show=lambda tx, changes: self._show(tx, work, changes),
        )  # fmt: skip

    async def _read(self, work: Work, intake: Intake) -> None:
        file = await self._file(work, intake.committed)
        async with self._pool.read([file], work.rules) as replies:
            async for reply in replies:
                if isinstance(reply, wire.Unreadable):
                    raise error_of(reply)
                await intake.take(reply)

    async def _cut(self, work: Work, intake: Intake) -> None:
        """Goes on with the chunks of pages that are all stored."""
        where = {"document_id": work.document.id, "version": work.version}
        pages = await self._store.read(lambda tx: tx.find(PAGES, _EVERYTHING, where, order="number"))
        layouts = await self._store.read(lambda tx: tx.find(LAYOUTS, _EVERYTHING, where, order="number"))
        document = stored_document(pages, layouts, intake.committed)
        title = intake.committed.title or work.stem
        async with self._pool.chunks(document, work.rules, title=title, skip=intake.committed.indexed) as batches:
            async for drafts in batches:
                await intake.take(wire.Chunks(chunks=drafts))

    async def _file(self, work: Work, committed: Committed) -> wire.FileToRead:
        recognised: dict[int, str] = {}
        if committed.laid:
            where = {"document_id": work.document.id, "version": work.version}
            layouts = await self._store.read(lambda tx: tx.find(LAYOUTS, _EVERYTHING, where))
            numbers = [row.number for row in layouts if row.words]
            if numbers:
                known = {**where, "number": ("in", numbers)}
                rows = await self._store.read(lambda tx: tx.find(PAGES, _EVERYTHING, known))
                recognised = {row.number: row.text for row in rows}
        return self._file_to_read(work, skip_pages=committed.laid, skip_chunks=committed.indexed, recognised=recognised)

    def _file_to_read(self, work: Work, **skipped: Any) -> wire.FileToRead:
        return wire.FileToRead(
            path=str(self._blobs.local_path(work.sha256)), name=work.name, title=work.stem,
            password=self._passwords.of(work.document.id), **skipped,
        )  # fmt: skip

    async def _become_ready(self, work: Work, committed: Committed) -> None:
        where = {"document_id": work.document.id, "version": work.version}
        outline = await self._store.read(lambda tx: outline_of(tx.find(LAYOUTS, _EVERYTHING, where, order="number")))
        await self._advance(work, STEP_READY, lambda tx: self._put_in_place(tx, work, committed, outline), None)

    def _put_in_place(self, tx: Transaction, work: Work, committed: Committed, outline: list[dict[str, Any]]) -> None:
        """The one small transaction with which a version is the document's."""
        replaced = work.document.version if not work.fresh else None
        changes: dict[str, Any] = {
            "state": "ready", "searchable": True, "progress": None, "version": work.version, "sha256": work.sha256,
            "passages": committed.indexed, "pages": committed.total, "pages_ready": committed.total, "outline": outline,
            "title": committed.title or work.stem, "media_type": committed.media_type,
            "error": _remark(committed),
        }  # fmt: skip
        if replaced is not None and work.replacement is not None:
            changes |= {"name": work.replacement.name, "bytes": work.replacement.bytes}
            tx.delete(REPLACEMENTS, _EVERYTHING, {"id": work.document.id})
            self._jobs.enqueue(tx, version_removal(work.document, replaced, work.document.sha256, self._runtime))
        tx.delete(RECIPES, _EVERYTHING, {"id": work.document.id})
        recipe = RecipeRow(id=work.document.id, workspace_id=work.document.workspace_id, recipe=committed.recipe)
        tx.insert(RECIPES, recipe)
        self._show(tx, work, changes)
        if self._embedding is not None and committed.indexed and self._embedding.begin(tx, work.document, work.version):
            progress = {"stage": "embedding", "done": 0, "total": committed.indexed, "pages_ready": committed.total}
            self._show(tx, work, {"state": "embedding", "progress": progress})

    # --- batches ------------------------------------------------------------------------------------------------------

    async def _read_light(self, works: Sequence[Work], commits: list[asyncio.Task[None]], reading: Callable[[str], None]) -> int:
        """Reads on until all are read or one ends the worker; how many are dealt with."""
        done = 0
        reading(works[0].document.id)
        light = LightDocument(works[0])
        try:
            files = [self._file_to_read(work) for work in works]
            async with self._pool.read(files, works[0].rules, timeout_s=LIGHT_TIMEOUT_S) as replies:
                async for reply in replies:
                    light.take(reply)
                    if not isinstance(reply, wire.Finished | wire.Unreadable):
                        continue
                    if isinstance(reply, wire.Unreadable):
                        await self._fail_quietly(works[done].job, error_of(reply))
                    else:
                        commits.append(asyncio.create_task(self._commit_light(light), name="light-document"))
                    done += 1
                    if done < len(works):
                        light = LightDocument(works[done])
                        reading(works[done].document.id)
        except AntiphonError as error:
            if done < len(works):
                await self._put_back(works[done].job, error)
                done += 1
        return done

    async def _commit_light(self, light: LightDocument) -> None:
        work = light.work
        if light.too_much:
            await self._put_back(work.job, Conflict("The document has more text than is stored at once."))
            return
        committed = light.committed(work.recipe)

        def everything(tx: Transaction) -> None:
            self._demand_current(tx, work)
            light.insert(tx, self._index)
            self._put_in_place(tx, work, committed, light.outline)

        try:
            await self._jobs.finish(work.job, work=everything, urgency=Urgency.INGEST)
        except DocumentGone:
            await self._finish_quietly(work.job)
        except Conflict:
            return  # cancelled meanwhile
        else:
            self._tell(work, _progress(work, light.told, 0.0))
            await self._tell_ready(work)

    async def _put_back(self, job: Job, error: AntiphonError) -> None:
        try:
            await self._jobs.fail(job, {"code": error.code, "message": error.message}, retry_after_s=0.0)
        except Conflict:
            return  # cancelled meanwhile

    async def _fail_quietly(self, job: Job, error: AntiphonError) -> None:
        try:
            await self.fail(job, error)
        except Conflict:
            return

    async def _finish_quietly(self, job: Job) -> None:
        try:
            await self._jobs.finish(job)
        except Conflict:
            return

    # --- parts of steps -----------------------------------------------------------------------------------------------

    async def _advance(self, work: Work, step: str, change: Callable[[Transaction], Any], progress: Progress | None) -> Any:
        """`change` and the step's mark together, unless the document is gone. `step` "": the present one stays."""

        def guarded(tx: Transaction) -> Any:
            self._demand_current(tx, work)
            return change(tx)

        step = step or work.job.step
        result = await self._jobs.advance(work.job, step=step, work=guarded, progress=progress)
        work.job = structs.replace(work.job, step=step)
        return result

    def _demand_current(self, tx: Transaction, work: Work) -> None:
        row = tx.get(DOCUMENTS, _EVERYTHING, work.document.id)
        work.demand_current(row, tx.get(REPLACEMENTS, _EVERYTHING, work.document.id))

    def _show(self, tx: Transaction, work: Work, changes: Mapping[str, Any]) -> None:
        tx.update(DOCUMENTS, _EVERYTHING, work.document.id, updated_at=self._clock.now(), **changes)

    def _tell(self, work: Work, event: Event) -> None:
        self._on_event(work.document.workspace_id, event)

    async def _tell_ready(self, work: Work) -> None:
        row = await self._store.read(lambda tx: tx.get(DOCUMENTS, _EVERYTHING, work.document.id))
        if row is None or row.deleted_at is not None:
            return
        if row.state == "embedding":  # found by words already; `document_ready` comes when it is found by meaning too
            self._tell(work, DocumentProgress(document_id=row.id, stage="embedding", pages_ready=row.pages_ready))
        else:
            self._tell(work, DocumentReady(document_id=work.document.id, name=work.name, passages=row.passages))


def _remark(committed: Committed) -> dict[str, Any] | None:
    """What is said of a document that is ready and yet not what one expects."""
    if committed.shortfall:
        return {"code": "partial", "message": committed.shortfall}
    return None if committed.indexed else {"code": "empty", "message": _EMPTY}


def _progress(work: Work, told: Told, elapsed_ms: float) -> DocumentProgress:
    eta_ms = int(elapsed_ms / told.done * (told.total - told.done)) if told.done and told.total else None
    return DocumentProgress(document_id=work.document.id, eta_ms=eta_ms, **to_builtins(told))
