"""The removal jobs: what a deleted document, or an overtaken version, leaves behind goes, in slices: index rows, pages, then the
blob.

What is removed is invisible before its job exists. Every step may be repeated: a job that was killed anywhere simply begins
again. A blob goes only when no row refers to its content and no upload is under way. Tests:
tests/integration/test_ingest_pipeline.py, test_ingest_crash.py, test_ingest_versions.py.
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
from antiphon.storage.records.contract import Store, Transaction, Urgency
from antiphon.storage.records.rows import DOCUMENTS, RECIPES, REPLACEMENTS, WEB_PAGES, DocumentRow
from antiphon.storage.vectors.contract import VectorStore

REMOVAL_JOB: Final = "remove_document"
VERSION_REMOVAL_JOB: Final = "remove_version"
REMOVAL_KINDS: Final = (REMOVAL_JOB, VERSION_REMOVAL_JOB)
_RETRY_S: Final = 2.0
_EVERYTHING: Final = system_scope("removal: jobs act for the server")


def version_removal(document: DocumentRow, version: int, sha256: str, runtime: Runtime) -> Job:
    """The job that removes the rows of a version that is not the document's any more, or never was; and its blob, when
    `sha256` is given and nothing refers to it. A version's number is never used again."""
    return Job(
        id=runtime.ids.new("job"), kind=VERSION_REMOVAL_JOB, user_id=document.added_by or "", workspace_id=document.workspace_id,
        subject=document.id, payload={"version": version, "sha256": sha256}, created_at=runtime.clock.now(),
    )  # fmt: skip


def blob_removal(sha256: str, runtime: Runtime) -> Job:
    """The job that removes a blob when nothing refers to it."""
    return Job(
        id=runtime.ids.new("job"), kind=VERSION_REMOVAL_JOB, user_id="", payload={"version": 0, "sha256": sha256},
        created_at=runtime.clock.now(),
    )  # fmt: skip


def refers(transaction: Transaction, sha256: str) -> bool:
    """Whether any document, or a newer version of one in the making, has this content; deleted ones included."""
    where = {"sha256": sha256}
    return bool(transaction.count(DOCUMENTS, _EVERYTHING, where) or transaction.count(REPLACEMENTS, _EVERYTHING, where))


class DocumentRemoval:
    """Without state between jobs; used by IngestWorkers."""

    def __init__(
        self, *, store: Store, jobs: JobQueue, blobs: BlobStore, index: LexicalIndex, runtime: Runtime, gate: BlobGate,
        vectors: VectorStore | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._jobs = jobs
        self._blobs = blobs
        self._leftovers = Leftovers(store, jobs, index, vectors, runtime.clock)
        self._gate = gate

    async def run(self, job: Job) -> None:
        """Works the claimed job to its end and finishes it, or puts it back for later. Raises Conflict when the claim is
        lost. A document that is not deleted is left alone, and so is the version that a document has."""
        removed = await (self._document(job) if job.kind == REMOVAL_JOB else self._version(job))
        if removed is not None and not await self._blobs_removed(removed):
            waits = {"code": "conflict", "message": "An upload is under way; the file is removed after it."}
            await self._jobs.fail(job, waits, retry_after_s=_RETRY_S)
            return
        await self._jobs.finish(job)

    async def _document(self, job: Job) -> list[str] | None:
        """The blobs that it may have left; None: the document lives."""
        failpoint("document.after_delete")
        row = await self._store.read(lambda tx: tx.get(DOCUMENTS, _EVERYTHING, job.subject))
        if row is not None and row.deleted_at is None:
            return None
        await self._leftovers.remove(job, job.subject)
        # noted with the step: a job that is killed behind it finds no row any more to read it from
        known = job.progress.get("sha256s") or [job.progress.get("sha256") or job.payload.get("sha256") or ""]
        if row is not None:
            replacement = await self._store.read(lambda tx: tx.get(REPLACEMENTS, _EVERYTHING, job.subject))
            known = [row.sha256, *([] if replacement is None else [replacement.sha256])]

        def drop(tx: Transaction) -> None:
            tx.delete(REPLACEMENTS, _EVERYTHING, {"id": job.subject})
            tx.delete(WEB_PAGES, _EVERYTHING, {"id": job.subject})
            tx.delete(DOCUMENTS, _EVERYTHING, {"id": job.subject})
            tx.delete(RECIPES, _EVERYTHING, {"id": job.subject})

        await self._jobs.advance(job, step="row", progress={"sha256s": known}, work=drop)
        return [str(sha256) for sha256 in known]

    async def _version(self, job: Job) -> list[str] | None:
        version = int(job.payload.get("version") or 0)
        row = await self._store.read(lambda tx: tx.get(DOCUMENTS, _EVERYTHING, job.subject))
        if row is not None and row.version == version:
            return None
        if job.subject:
            await self._leftovers.remove(job, job.subject, version)
        return [str(job.payload.get("sha256") or "")]

    async def _blobs_removed(self, sha256s: list[str]) -> bool:
        """False when an upload is under way."""
        async with self._gate.removing() as alone:
            if not alone:
                return not any(sha256s)
            for sha256 in filter(None, sha256s):
                # asked of the writer: it has seen every row that is committed
                if not await self._store.write(lambda tx, wanted=sha256: refers(tx, wanted), Urgency.INGEST):
                    await self._blobs.remove(sha256)
        return True
