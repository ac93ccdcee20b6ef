"""The embedding of a document, behind its lexical indexing: `EmbeddingStage` begins it, `EmbeddingRun` works it, slice by slice.

A document is found by words from its first chunk on; when its chunks are complete it is `embedding`, then `ready`. The vectors
themselves are the mark of how far a job is, so a repeat goes on behind them. A failing embedder costs a document nothing but the
search by meaning: it becomes `ready` with the error `not_embedded`, and its job is tried again later. Chunks in a language that the
model does not know get no vector: they are not its to judge. Tests: tests/integration/test_dense_ingestion.py, test_dense_crash.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from antiphon.access.scope import system_scope
from antiphon.core.errors import AntiphonError
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Runtime
from antiphon.ingest.spaces import Target, VectorSpaces
from antiphon.ingest.work import DocumentGone
from antiphon.models.embedders import Embedders
from antiphon.protocol.events import DocumentProgress, DocumentReady, Event
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, SPACES, DocumentRow
from antiphon.storage.vectors.contract import Missing, VectorStore

EMBED_JOB: Final = "embed"
NOT_EMBEDDED: Final = "not_embedded"
"""Code in `DocumentRow.error`: found by words, not by meaning."""
SLICE: Final = 64
QUANTUM_S: Final = 10.0
"""After so long a job goes back to the queue, behind those of other users."""
FIRST_RETRY_S: Final = 15.0
LONGEST_RETRY_S: Final = 600.0
_EVERYTHING: Final = system_scope("embedding: jobs act for the server")

OnEvent = Callable[[str, Event], None]


class EmbeddingStage:
    """What the ingestion asks in the transaction that completes a document's chunks. Without state."""

    def __init__(self, jobs: JobQueue, embedders: Embedders, runtime: Runtime) -> None:
        self._jobs = jobs
        self._runtime = runtime
        self.spaces = VectorSpaces(embedders, runtime, _EVERYTHING)

    def begin(self, tx: Transaction, document: DocumentRow, version: int) -> bool:
        """Enqueues the embedding of the version; False when the workspace has no vectors to make."""
        self.spaces.ensure(tx, document.workspace_id)
        if not self.spaces.targets(tx, document.workspace_id):
            return False
        self._jobs.enqueue(tx, embed_job(document, version, self._runtime))
        return True


def embed_job(document: DocumentRow, version: int, runtime: Runtime) -> Job:
    return Job(
        id=runtime.ids.new("job"), kind=EMBED_JOB, user_id=document.added_by or "", workspace_id=document.workspace_id,
        subject=document.id, payload={"version": version}, created_at=runtime.clock.now(),
    )  # fmt: skip


class Reached(Struct, kw_only=True):
    """The job's progress. `failures`: in a row."""

    done: int = 0
    total: int = 0
    failures: int = 0


class EmbeddingRun:
    """Works embedding jobs; without state between them. Used by EmbeddingWorkers."""

    def __init__(
        self, *, store: Store, jobs: JobQueue, vectors: VectorStore, stage: EmbeddingStage, runtime: Runtime, on_event: OnEvent
    ) -> None:  # fmt: skip
        self._store = store
        self._jobs = jobs
        self._vectors = vectors
        self._stage = stage
        self._clock = runtime.clock
        self._on_event = on_event

    async def run(self, job: Job) -> bool:
        """Works the claimed job; False when its time is over and it went back to the queue. Raises AntiphonError for what `fail`
        should record, Conflict when the claim is lost."""
        document, targets = await self._store.read(lambda tx: self._look(tx, job))
        if document is None:
            await self._jobs.finish(job)
            return True
        began_s = self._clock.monotonic()
        reached = Reached(
            done=int(job.progress.get("done", 0)), total=document.passages * max(len(targets), 1),
            failures=int(job.progress.get("failures", 0)),
        )  # fmt: skip
        for target in targets:
            if not await self._fill(job, document, target, reached, began_s):
                await self._jobs.fail(job, {"code": "interrupted", "message": "Others go first."}, retry_after_s=0.0)
                return False
        await self._complete(job)
        return True

    async def fail(self, job: Job, error: AntiphonError) -> None:
        """Makes the document ready without vectors, says why, and tries again later. Raises Conflict when the claim is lost."""
        failures = int(job.progress.get("failures", 0)) + 1
        wait_s = min(FIRST_RETRY_S * 2 ** (failures - 1), LONGEST_RETRY_S)
        ready: list[DocumentRow] = []

        def mark(tx: Transaction) -> None:
            row = self._current(tx, job)
            if row is None:
                return
            told = {
                "code": NOT_EMBEDDED,
                "message": f"Found by words, not yet by meaning: {error.message} It is tried again by itself.",
            }
            if row.state == "embedding":
                ready.append(row)
                tx.update(DOCUMENTS, _EVERYTHING, row.id, state="ready", progress=None, updated_at=self._clock.now())
            if row.error is None or row.error.get("code") == NOT_EMBEDDED:
                tx.update(DOCUMENTS, _EVERYTHING, row.id, error=told)

        await self._jobs.advance(job, step=job.step, work=mark, progress={**job.progress, "failures": failures})
        await self._jobs.fail(job, {"code": error.code, "message": error.message}, retry_after_s=wait_s)
        for row in ready:
            self._on_event(row.workspace_id, DocumentReady(document_id=row.id, name=row.name, passages=row.passages))

    # --- parts ----------------------------------------------------------------------------------------------------------

    def _look(self, tx: Transaction, job: Job) -> tuple[DocumentRow | None, list[Target]]:
        row = self._current(tx, job)
        return row, [] if row is None else self._stage.spaces.targets(tx, row.workspace_id)

    def _current(self, tx: Transaction, job: Job) -> DocumentRow | None:
        """None: deleted, or another version is in its place, which has a job of its own."""
        row = tx.get(DOCUMENTS, _EVERYTHING, job.subject)
        wanted = int(job.payload.get("version") or 0)
        return None if row is None or row.deleted_at is not None or row.version != wanted else row

    async def _fill(self, job: Job, document: DocumentRow, target: Target, reached: Reached, began_s: float) -> bool:
        """The document's missing vectors of one space; False: the time is over."""
        after = 0
        while True:
            wanted = await self._store.read(
                lambda tx, after=after: self._vectors.missing(
                    tx, target.space.id, document.workspace_id, document_id=document.id, after=after, limit=SLICE
                )
            )  # fmt: skip
            if not wanted:
                return True
            vectors = await embedded(target, wanted)
            after = wanted[-1].chunk_id
            reached.done += len(wanted)

            def keep(tx: Transaction, vectors: Sequence[tuple[int, bytes]] = vectors) -> None:
                if self._current(tx, job) is None:
                    raise DocumentGone
                add_vectors(tx, self._vectors, target, vectors)
                row = tx.get(DOCUMENTS, _EVERYTHING, document.id)
                if row is not None and row.state == "embedding":
                    shown = {"stage": "embedding", "done": reached.done, "total": reached.total, "pages_ready": row.pages_ready}
                    tx.update(DOCUMENTS, _EVERYTHING, document.id, progress=shown)

            progress = {"done": reached.done, "total": reached.total, "failures": 0}
            await self._jobs.advance(job, step="embedding", work=keep, progress=progress)
            failpoint("embed.after_slice")
            self._tell(document, reached, (self._clock.monotonic() - began_s) * 1000, int(job.progress.get("done", 0)))
            if self._clock.monotonic() - began_s > QUANTUM_S:
                return False

    async def _complete(self, job: Job) -> None:
        ready: list[DocumentRow] = []

        def finish(tx: Transaction) -> None:
            row = self._current(tx, job)
            if row is None:
                return
            changes: dict[str, Any] = {}
            if row.state == "embedding":
                changes = {"state": "ready", "progress": None}
                ready.append(row)
            if row.error is not None and row.error.get("code") == NOT_EMBEDDED:
                changes["error"] = None
                ready.append(row)  # told again: it is complete now
            if changes:
                tx.update(DOCUMENTS, _EVERYTHING, row.id, updated_at=self._clock.now(), **changes)

        await self._jobs.finish(job, work=finish)
        failpoint("embed.after_ready")
        for row in ready:
            self._on_event(row.workspace_id, DocumentReady(document_id=row.id, name=row.name, passages=row.passages))

    def _tell(self, document: DocumentRow, reached: Reached, elapsed_ms: float, before: int) -> None:
        done_now = reached.done - before
        left = max(reached.total - reached.done, 0)
        self._on_event(
            document.workspace_id,
            DocumentProgress(
                document_id=document.id, stage="embedding", done=min(reached.done, reached.total), total=reached.total,
                pages_ready=document.pages_ready, eta_ms=int(elapsed_ms / done_now * left) if done_now > 0 else None,
            ),
        )  # fmt: skip


async def embedded(target: Target, wanted: Sequence[Missing]) -> list[tuple[int, bytes]]:
    """(chunk id, float16) of those whose language the model knows."""
    covered = [missing for missing in wanted if target.opened.space.covers(missing.text)]
    if not covered:
        return []
    vectors = await target.opened.embedder.embed_documents([missing.text for missing in covered])
    return list(zip([missing.chunk_id for missing in covered], vectors.halves(), strict=True))


def add_vectors(tx: Transaction, store: VectorStore, target: Target, vectors: Sequence[tuple[int, bytes]]) -> int:
    """Unless the space was left meanwhile."""
    row = tx.get(SPACES, _EVERYTHING, target.space.id)
    return 0 if row is None or row.state == "leaving" else store.add(tx, row.id, vectors)
