"""`Documents`: added, listed, read, retried, cancelled, deleted. The work itself is done by ingest's jobs.

A document appears and disappears by one small transaction; the job that follows is enqueued in the same one. Files and pages
are in pages.py. Tests: tests/unit/library/test_documents.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, get_args

from antiphon.access.identity import Identity
from antiphon.access.missing import missing
from antiphon.access.scope import Scope, system_scope
from antiphon.core.completion import to_the_end
from antiphon.core.display_names import clean_file_name
from antiphon.core.errors import BadRequest, Conflict, QuotaExceeded
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.ingest.pipeline import INGEST_JOB
from antiphon.library.removal import document_job, mark_removed
from antiphon.library.workspaces import live_workspace
from antiphon.protocol.events import DocumentDeleted, DocumentFailed, DocumentProgress, Event
from antiphon.protocol.topics import workspace_topic
from antiphon.storage.jobs.contract import JobQueue
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, DocumentRow, DocumentState

Publish = Callable[[Sequence[str], Event], None]
"""`EventLog.append`: topics, event. Called after the commit."""
STATES: Final[tuple[DocumentState, ...]] = get_args(DocumentState)
WORKING_STATES: Final[frozenset[DocumentState]] = frozenset({"queued", "parsing", "indexing", "embedding"})
DOCUMENTS_PER_WORKSPACE: Final = 1_000_000
_MEDIA_TYPES = {".pdf": "application/pdf", ".md": "text/markdown", ".markdown": "text/markdown", ".txt": "text/plain"}
_EVERYTHING = system_scope("documents: whether any document still refers to a blob")


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A file whose content lies in the blob store. `name` is as the client gave it."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """`duplicate_of`: the document that holds this content already; `row` is that one then, nothing new was made."""

    row: DocumentRow
    duplicate_of: str | None = None


class IngestControl(Protocol):
    """`ingest.workers.IngestWorkers`, as the library sees it."""

    def use_password(self, document_id: str, password: str) -> None:
        """For the next try of an encrypted document; kept in memory only."""
        ...

    async def cancel(self, document_id: str) -> int:
        """Cancels the document's ingestion, not its removal, and ends what works on it; the number of jobs."""
        ...


class Documents:
    def __init__(self, store: Store, jobs: JobQueue, work: IngestControl, runtime: Runtime, publish: Publish) -> None:
        self._store = store
        self._jobs = jobs
        self._work = work
        self._runtime = runtime
        self._publish = publish

    async def demand_addable(self, scope: Scope, workspace_id: str) -> None:
        """For the edge, before it takes the bytes of an upload. Raises NotFound, Forbidden."""

        def check(tx: Transaction) -> None:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)

        await self._store.read(check)

    async def add(self, identity: Identity, scope: Scope, workspace_id: str, uploads: Sequence[Upload]) -> list[Added]:
        """All of them, or none; each with its ingestion job. Content that the workspace has already makes no second
        document (one that had failed is tried again). Raises NotFound, Forbidden, QuotaExceeded."""

        def add(tx: Transaction) -> list[Added]:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)
            if tx.count(DOCUMENTS, scope, {"workspace_id": workspace_id, "deleted_at": None}) >= DOCUMENTS_PER_WORKSPACE:
                raise QuotaExceeded(f"A workspace holds {DOCUMENTS_PER_WORKSPACE} documents at most.")
            return [self._add_one(tx, identity, scope, workspace_id, upload) for upload in uploads]

        added = await self._store.write(add)
        for entry in added:
            if entry.row.state == "queued":
                self._tell_queued(entry.row)
        return added

    async def list(
        self,
        scope: Scope,
        workspace_id: str,
        *,
        state: DocumentState | None = None,
        q: str | None = None,
        after: tuple[Any, str] | None = None,
        limit: int,
    ) -> list[DocumentRow]:
        """Newest first. `q`: part of the name. Raises NotFound (workspace)."""
        where: dict[str, Any] = {"workspace_id": workspace_id, "deleted_at": None}
        if state is not None:
            where["state"] = state
        if q:
            where["name"] = ("contains", q)

        def read(tx: Transaction) -> list[DocumentRow]:
            live_workspace(tx, scope, workspace_id)
            return tx.find(DOCUMENTS, scope, where, order="created_at", descending=True, after=after, limit=limit)

        return await self._store.read(read)

    async def get(self, scope: Scope, document_id: str) -> DocumentRow:
        """Raises NotFound."""
        return await self._store.read(lambda tx: live_document(tx, scope, document_id))

    async def delete(self, identity: Identity, scope: Scope, document_id: str) -> None:
        """Gone from everything when it returns. Raises NotFound, Forbidden."""

        def remove(tx: Transaction) -> DocumentRow:
            row = self._changeable(tx, scope, document_id)
            mark_removed(tx, scope, self._jobs, self._runtime, row, by=identity.user_id)
            return row

        async def commit() -> None:
            row = await self._store.write(remove)
            # After the commit: a document whose ingestion was cancelled and that is still there must not come of a crash.
            await self._work.cancel(document_id)
            self._publish([workspace_topic(row.workspace_id)], DocumentDeleted(document_id=document_id))

        await to_the_end(self._runtime.scheduler, commit(), name="delete document")

    async def retry(self, identity: Identity, scope: Scope, document_id: str, *, password: str | None = None) -> DocumentRow:
        """Starts the ingestion of a failed document again, or of one whose work was lost. `password` opens an encrypted one.
        Raises NotFound, Forbidden, Conflict when it is ready or being worked on."""
        await self._demand_changeable(scope, document_id)
        at_work = any(
            job.kind == INGEST_JOB and job.state in {"queued", "running"} for job in await self._jobs.list(subject=document_id)
        )

        def requeue(tx: Transaction) -> DocumentRow:
            row = self._changeable(tx, scope, document_id)
            if row.state == "ready" or (row.state != "failed" and at_work):
                raise Conflict(f"The document is in the state {row.state!r}; only a failed one can be tried again.")
            return self._requeue(tx, scope, row, by=identity.user_id)

        if password is not None:
            self._work.use_password(document_id, password)
        row = await self._store.write(requeue)
        self._tell_queued(row)
        return row

    async def cancel(self, scope: Scope, document_id: str) -> DocumentRow:
        """Ends the work on a document; it becomes `failed` with the code `cancelled`. Raises NotFound, Forbidden, Conflict
        when nothing is being done."""
        if (await self._demand_changeable(scope, document_id)).state not in WORKING_STATES:
            raise _nothing_to_cancel()
        error = {"code": "cancelled", "message": "The work on this document was cancelled; retry starts it again."}

        def stop(tx: Transaction) -> DocumentRow:
            if self._changeable(tx, scope, document_id).state not in WORKING_STATES:
                raise _nothing_to_cancel()  # it became ready, or failed by itself, in between
            tx.update(
                DOCUMENTS, scope, document_id, state="failed", error=error, progress=None, updated_at=self._runtime.clock.now()
            )
            return live_document(tx, scope, document_id)

        async def commit() -> DocumentRow:
            await self._work.cancel(document_id)
            row = await self._store.write(stop)
            failed = DocumentFailed(document_id=row.id, name=row.name, error=error)
            self._publish([workspace_topic(row.workspace_id)], failed)
            return row

        return await to_the_end(self._runtime.scheduler, commit(), name="cancel ingestion")

    async def unreferenced(self, sha256s: Sequence[str]) -> list[str]:
        """Those of the blobs that no document refers to, deleted ones included: what a broken upload may leave behind."""

        def read(tx: Transaction) -> list[str]:
            return [sha256 for sha256 in sha256s if not tx.count(DOCUMENTS, _EVERYTHING, {"sha256": sha256})]

        return await self._store.read(read)

    def _add_one(self, tx: Transaction, identity: Identity, scope: Scope, workspace_id: str, upload: Upload) -> Added:
        same = {"workspace_id": workspace_id, "sha256": upload.sha256, "deleted_at": None}
        for present in tx.find(DOCUMENTS, scope, same, order="created_at", limit=1):
            if present.state == "failed":
                present = self._requeue(tx, scope, present, by=identity.user_id)
            return Added(row=present, duplicate_of=present.id)
        now = self._runtime.clock.now()
        name = clean_file_name(upload.name)
        row = DocumentRow(
            id=self._runtime.ids.new("doc"), workspace_id=workspace_id, name=name, media_type=_declared_type(name),
            bytes=upload.size_bytes, sha256=upload.sha256, added_by=identity.user_id, created_at=now, updated_at=now,
        )  # fmt: skip
        tx.insert(DOCUMENTS, row)
        self._jobs.enqueue(tx, document_job(INGEST_JOB, row, self._runtime, by=identity.user_id))
        return Added(row=row)

    def _requeue(self, tx: Transaction, scope: Scope, row: DocumentRow, *, by: str) -> DocumentRow:
        now = self._runtime.clock.now()
        tx.update(DOCUMENTS, scope, row.id, state="queued", error=None, progress=None, updated_at=now)
        self._jobs.enqueue(tx, document_job(INGEST_JOB, row, self._runtime, by=by))
        return live_document(tx, scope, row.id)

    def _changeable(self, tx: Transaction, scope: Scope, document_id: str) -> DocumentRow:
        row = live_document(tx, scope, document_id)
        scope.demand(row.workspace_id)
        return row

    async def _demand_changeable(self, scope: Scope, document_id: str) -> DocumentRow:
        return await self._store.read(lambda tx: self._changeable(tx, scope, document_id))

    def _tell_queued(self, row: DocumentRow) -> None:
        self._publish([workspace_topic(row.workspace_id)], DocumentProgress(document_id=row.id, stage="queued"))


def live_document(tx: Transaction, scope: Scope, document_id: str) -> DocumentRow:
    """Raises NotFound, with the same words whether it never was, is deleted, or is somebody else's."""
    row = tx.get(DOCUMENTS, scope, document_id)
    if row is None or row.deleted_at is not None:
        raise missing("document", document_id)
    return row


def document_json(row: DocumentRow) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": row.id, "workspace_id": row.workspace_id, "name": row.name, "title": row.title, "path": row.path,
        "tags": row.tags, "state": row.state, "searchable": row.searchable, "media_type": row.media_type,
        "bytes": row.bytes, "sha256": row.sha256, "version": row.version, "pages": row.pages,
        "pages_ready": row.pages_ready, "passages": row.passages, "progress": row.progress,
        "created_at": rfc3339(row.created_at), "updated_at": rfc3339(row.updated_at),
    }  # fmt: skip
    if row.error is not None:
        shown["error"] = row.error
    return shown


def document_state(text: str) -> DocumentState:
    """Raises BadRequest for a word that is no state."""
    for state in STATES:
        if text == state:
            return state
    raise BadRequest(f"No state {text[:40]!r}: a document is {', '.join(STATES)}.")


def _declared_type(name: str) -> str:
    """By the name, until ingestion has looked at the content."""
    return _MEDIA_TYPES.get(name[name.rfind(".") :].lower() if "." in name else "", "application/octet-stream")


def _nothing_to_cancel() -> Conflict:
    return Conflict("Nothing is being done with this document just now.")
