"""The removal job: what a deleted document leaves behind goes, in slices: index rows, pages, its row, then the blob.

The document is invisible before the job exists (`deleted_at`). Every step may be repeated: a job that was killed anywhere
simply begins again. The blob goes only when no row refers to its content and no upload is under way.
Tests: tests/integration/test_ingest_pipeline.py, test_ingest_crash.py.
"""

from __future__ import annotations

from typing import Final

from antiphon.access.scope import system_scope
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Runtime
from antiphon.ingest.blob_gate import BlobGate
from antiphon.ingest.leftovers import Leftovers
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.lexical.contract import LexicalIndex
from antiphon.storage.records.contract import Store, Urgency
from antiphon.storage.records.rows import DOCUMENTS

REMOVAL_JOB: Final = "remove_document"
_RETRY_S: Final = 5.0
_EVERYTHING: Final = system_scope("removal: jobs act for the server")


class DocumentRemoval:
    """Without state between jobs; used by IngestWorkers."""

    def __init__(
        self, *, store: Store, jobs: JobQueue, blobs: BlobStore, index: LexicalIndex, runtime: Runtime, gate: BlobGate
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._blobs = blobs
        self._leftovers = Leftovers(store, jobs, index, runtime.clock)
        self._gate = gate

    async def run(self, job: Job) -> None:
        """Works the claimed job to its end and finishes it, or puts it back for later. Raises Conflict when the claim is
        lost. A document that is not deleted is left alone."""
        failpoint("document.after_delete")
        row = await self._store.read(lambda tx: tx.get(DOCUMENTS, _EVERYTHING, job.subject))
        if row is not None and row.deleted_at is None:
            await self._jobs.finish(job)
            return
        await self._leftovers.remove(job, job.subject)
        # noted with the step: a job that is killed behind it finds no row any more to read it from
        sha256 = str(job.progress.get("sha256") or job.payload.get("sha256") or "") if row is None else row.sha256
        left = {"sha256": sha256}
        await self._jobs.advance(
            job, step="row", progress=left, work=lambda tx: tx.delete(DOCUMENTS, _EVERYTHING, {"id": job.subject})
        )  # fmt: skip
        async with self._gate.removing() as alone:
            if not alone:
                waits = {"code": "conflict", "message": "An upload is under way; the file is removed after it."}
                await self._jobs.fail(job, waits, retry_after_s=_RETRY_S)
                return
            # asked of the writer: it has seen every row that is committed
            if sha256 and not await self._store.write(
                lambda tx: tx.count(DOCUMENTS, _EVERYTHING, {"sha256": sha256}), Urgency.INGEST
            ):
                await self._blobs.remove(sha256)
        await self._jobs.finish(job)
