"""Taking a document away: one small transaction makes it invisible, a job removes what it left. Used by documents.py and
workspaces.py; the job is ingest's. Tests: tests/unit/library/test_documents.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.access.missing import missing
from antiphon.access.scope import Scope
from antiphon.core.runtime import Runtime
from antiphon.ingest.removal import REMOVAL_JOB, blob_removal, refers
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, DocumentRow


def mark_removed(
    tx: Transaction, scope: Scope, jobs: JobQueue, runtime: Runtime, document: DocumentRow, *, by: str
) -> None:  # fmt: skip
    """Marks the document as deleted and enqueues the removal of its rows and, if nothing else refers to it, its blob."""
    now = runtime.clock.now()
    tx.update(DOCUMENTS, scope, document.id, state="deleting", searchable=False, deleted_at=now, updated_at=now)
    jobs.enqueue(tx, document_job(REMOVAL_JOB, document, runtime, by=by))


async def release_unreferenced(store: Store, jobs: JobQueue, runtime: Runtime, sha256s: Sequence[str]) -> None:
    """Removes those of the blobs that no document came to refer to, by jobs."""

    def lonely(tx: Transaction) -> list[str]:
        return [sha256 for sha256 in sha256s if not refers(tx, sha256)]

    def release(tx: Transaction) -> None:
        for sha256 in lonely(tx):
            jobs.enqueue(tx, blob_removal(sha256, runtime))

    if await store.read(lonely):
        await store.write(release)


def live_document(tx: Transaction, scope: Scope, document_id: str) -> DocumentRow:
    """Raises NotFound, with the same words whether it never was, is deleted, or is somebody else's."""
    row = tx.get(DOCUMENTS, scope, document_id)
    if row is None or row.deleted_at is not None:
        raise missing("document", document_id)
    return row


def document_job(kind: str, document: DocumentRow, runtime: Runtime, *, by: str) -> Job:
    """`subject` is the document's id; `payload` names the version and content the job is for."""
    return Job(
        id=runtime.ids.new("job"), kind=kind, user_id=by, workspace_id=document.workspace_id, subject=document.id,
        payload={"version": document.version, "sha256": document.sha256}, created_at=runtime.clock.now(),
    )  # fmt: skip
