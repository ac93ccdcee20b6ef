"""`Documents`: added, replaced, listed, read, changed, retried, cancelled, deleted. The work itself is done by ingest's jobs.

A document appears and disappears by one small transaction; the job that follows is enqueued in the same one. What is decided
inside that transaction about new content is in arrivals.py; files and pages are in pages.py. Tests:
tests/unit/library/test_documents.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, get_args

from antiphon.access.identity import Identity
from antiphon.access.scope import Scope
from antiphon.core.completion import to_the_end
from antiphon.core.display_names import clean_file_name
from antiphon.core.errors import BadRequest, Conflict, QuotaExceeded
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.ingest.embedding import EMBED_JOB, NOT_EMBEDDED, embed_job
from antiphon.ingest.pipeline import INGEST_JOB
from antiphon.ingest.removal import refers
from antiphon.library.arrivals import Added, Arrivals, Upload, clean_path, clean_tags, document_at
from antiphon.library.removal import live_document, mark_removed, release_unreferenced
from antiphon.library.workspaces import live_workspace
from antiphon.protocol.events import DocumentDeleted, DocumentFailed, DocumentProgress, DocumentReady, Event
from antiphon.protocol.topics import workspace_topic
from antiphon.storage.jobs.contract import JobQueue
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, DocumentRow, DocumentState

Publish = Callable[[Sequence[str], Event], None]
"""`EventLog.append`: topics, event. Called after the commit."""
STATES: Final[tuple[DocumentState, ...]] = get_args(DocumentState)
WORKING_STATES: Final[frozenset[DocumentState]] = frozenset({"queued", "parsing", "indexing", "embedding"})
DOCUMENTS_PER_WORKSPACE: Final = 1_000_000


class IngestControl(Protocol):
    """`ingest.workers.IngestWorkers`, as the library sees it."""

    def use_password(self, document_id: str, password: str) -> None:
        """For an encrypted document, from its next try on; kept in memory only."""
        ...

    async def cancel(self, document_id: str) -> int:
        """Cancels the document's ingestion, not its removal, and ends what works on it; the number of jobs."""
        ...

    def stop(self, document_id: str) -> None:
        """Ends what works on the document's ingestion at once; its jobs were cancelled."""
        ...

    async def overtaken(self, document_id: str, version: int) -> None:
        """Ends the work on versions before this one."""
        ...


class Documents:
    def __init__(self, store: Store, jobs: JobQueue, work: IngestControl, runtime: Runtime, publish: Publish) -> None:
        self._store = store
        self._jobs = jobs
        self._work = work
        self._runtime = runtime
        self._publish = publish
        self._arrivals = Arrivals(jobs, runtime)

    async def demand_addable(self, scope: Scope, workspace_id: str) -> None:
        """For the edge, before it takes the bytes of an upload. Raises NotFound, Forbidden."""

        def check(tx: Transaction) -> None:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)

        await self._store.read(check)

    async def demand_replaceable(self, scope: Scope, document_id: str) -> None:
        """As `demand_addable`, for new content of a document."""
        await self._demand_changeable(scope, document_id)

    async def add(
        self, identity: Identity, scope: Scope, workspace_id: str, uploads: Sequence[Upload], *, tags: Sequence[str] = ()
    ) -> list[Added]:
        """All of them, or none; each with its ingestion job. A file with the path and name of a document makes no second
        one: the same content is told, other content becomes its newer version. Nor does content that the workspace has already
        (one that had failed is tried again). Raises NotFound, Forbidden, QuotaExceeded, BadRequest (path, tags)."""
        labels = clean_tags(tags)

        def add(tx: Transaction) -> list[Added]:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)
            if tx.count(DOCUMENTS, scope, {"workspace_id": workspace_id, "deleted_at": None}) >= DOCUMENTS_PER_WORKSPACE:
                raise QuotaExceeded(f"A workspace holds {DOCUMENTS_PER_WORKSPACE} documents at most.")
            return [self._arrivals.add(tx, identity, scope, workspace_id, upload, labels) for upload in uploads]

        added = await self._store.write(add)
        for entry in added:
            await self._follow(entry)
        return added

    async def replace(self, identity: Identity, scope: Scope, document_id: str, upload: Upload) -> Added:
        """Gives the document new content, as its next version: the old one serves until the new one is indexed. The same
        content again changes nothing and says so. Raises NotFound, Forbidden."""

        def replace(tx: Transaction) -> Added:
            return self._arrivals.replace(tx, identity, scope, self._changeable(tx, scope, document_id), upload)

        entry = await self._store.write(replace)
        await self._follow(entry)
        return entry

    async def change(
        self,
        scope: Scope,
        document_id: str,
        *,
        name: str | None = None,
        path: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> DocumentRow:
        """What is given. Raises NotFound, Forbidden, BadRequest, Conflict when another document has the path."""
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = clean_file_name(name)
        if path is not None:
            changes["path"] = clean_path(path)
        if tags is not None:
            changes["tags"] = clean_tags(tags)

        def change(tx: Transaction) -> DocumentRow:
            row = self._changeable(tx, scope, document_id)
            place = changes.get("path", row.path), changes.get("name", row.name)
            other = document_at(tx, scope, row.workspace_id, *place)
            if other is not None and other.id != row.id:
                raise Conflict(f"Another document has the path {other.path!r} and this name already.")
            tx.update(DOCUMENTS, scope, row.id, updated_at=self._runtime.clock.now(), **changes)
            return live_document(tx, scope, row.id)

        return await self._store.write(change)

    async def list(
        self,
        scope: Scope,
        workspace_id: str,
        *,
        state: DocumentState | None = None,
        q: str | None = None,
        path: str | None = None,
        ids: Sequence[str] | None = None,
        after: tuple[Any, str] | None = None,
        limit: int,
    ) -> list[DocumentRow]:
        """Newest first. `q`: part of the name; `path`: of exactly this one; `ids`: only these. Raises NotFound (workspace)."""
        where: dict[str, Any] = {"workspace_id": workspace_id, "deleted_at": None}
        if state is not None:
            where["state"] = state
        if q:
            where["name"] = ("contains", q)
        if path is not None:
            where["path"] = path
        if ids is not None:
            where["id"] = ("in", ids)

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
        """Starts the ingestion of a failed or incomplete document again, or of one whose work was lost. `password` opens an
        encrypted one; of a ready one it is only kept, for its rectangles and page images. Raises NotFound, Forbidden, Conflict
        when it is ready or being worked on."""
        present = await self._demand_changeable(scope, document_id)
        if password is not None and present.state == "ready":
            self._work.use_password(document_id, password)
            return present
        at_work = any(
            job.kind == INGEST_JOB and job.state in {"queued", "running"} for job in await self._jobs.list(subject=document_id)
        )

        def requeue(tx: Transaction) -> DocumentRow:
            row = self._changeable(tx, scope, document_id)
            incomplete = row.state == "ready" and row.error is not None
            if not incomplete and (row.state == "ready" or (row.state != "failed" and at_work)):
                raise Conflict(f"The document is in the state {row.state!r}; only a failed one can be tried again.")
            if row.state == "ready" and row.error is not None and row.error.get("code") == NOT_EMBEDDED:
                self._jobs.cancel_within(tx, row.id, kind=EMBED_JOB)
                self._jobs.enqueue(tx, embed_job(row, row.version, self._runtime))
                tx.update(DOCUMENTS, scope, row.id, state="embedding", error=None, updated_at=self._runtime.clock.now())
                return live_document(tx, scope, row.id)
            return self._arrivals.again(tx, identity, scope, row)

        if password is not None:
            self._work.use_password(document_id, password)
        row = await self._store.write(requeue)
        if row.state == "embedding":
            told = DocumentProgress(document_id=row.id, stage="embedding", pages_ready=row.pages_ready)
            self._publish([workspace_topic(row.workspace_id)], told)
        else:
            self._tell_queued(row)
        return row

    async def cancel(self, scope: Scope, document_id: str) -> DocumentRow:
        """Ends the work on a document; it becomes `failed` with the code `cancelled`, or, when only its vectors were missing,
        `ready` with the error `not_embedded`. Raises NotFound, Forbidden, Conflict
        when nothing is being done."""
        error = {"code": "cancelled", "message": "The work on this document was cancelled; retry starts it again."}

        def stop(tx: Transaction) -> DocumentRow:
            row = self._changeable(tx, scope, document_id)
            if row.state not in WORKING_STATES:
                raise _nothing_to_cancel()
            if row.state == "embedding":  # it is complete but for its vectors
                self._jobs.cancel_within(tx, document_id, kind=EMBED_JOB)
                told = {
                    "code": NOT_EMBEDDED,
                    "message": "Found by words, not by meaning: that was cancelled; retry goes on with it.",
                }
                tx.update(
                    DOCUMENTS, scope, document_id, state="ready", error=told, progress=None, updated_at=self._runtime.clock.now()
                )
                return live_document(tx, scope, document_id)
            self._jobs.cancel_within(tx, document_id, kind=INGEST_JOB)
            self._arrivals.abandon_work(tx, scope, document_id)
            tx.update(
                DOCUMENTS, scope, document_id, state="failed", error=error, progress=None, updated_at=self._runtime.clock.now()
            )
            return live_document(tx, scope, document_id)

        async def commit() -> DocumentRow:
            row = await self._store.write(stop)
            self._work.stop(document_id)
            told: Event = DocumentFailed(document_id=row.id, name=row.name, error=error)
            if row.state == "ready":
                told = DocumentReady(document_id=row.id, name=row.name, passages=row.passages)
            self._publish([workspace_topic(row.workspace_id)], told)
            return row

        return await to_the_end(self._runtime.scheduler, commit(), name="cancel ingestion")

    async def unreferenced(self, sha256s: Sequence[str]) -> list[str]:
        """Those of the blobs that no document refers to, deleted ones included: what a broken upload may leave behind."""
        return await self._store.read(lambda tx: [sha256 for sha256 in sha256s if not refers(tx, sha256)])

    async def release(self, sha256s: Sequence[str]) -> None:
        """Removes those of the blobs that no document refers to, by jobs: for when other uploads are under way, one of which may
        be about to refer to the same content."""

        await release_unreferenced(self._store, self._jobs, self._runtime, sha256s)

    async def _follow(self, entry: Added) -> None:
        """After the commit: what works on older versions ends, and the document is told of."""
        if entry.change == "replaced":
            await self._work.overtaken(entry.row.id, entry.version)
        if entry.row.state == "queued":
            self._tell_queued(entry.row)

    def _changeable(self, tx: Transaction, scope: Scope, document_id: str) -> DocumentRow:
        row = live_document(tx, scope, document_id)
        scope.demand(row.workspace_id)
        return row

    async def _demand_changeable(self, scope: Scope, document_id: str) -> DocumentRow:
        return await self._store.read(lambda tx: self._changeable(tx, scope, document_id))

    def _tell_queued(self, row: DocumentRow) -> None:
        self._publish([workspace_topic(row.workspace_id)], DocumentProgress(document_id=row.id, stage="queued"))


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


def _nothing_to_cancel() -> Conflict:
    return Conflict("Nothing is being done with this document just now.")
