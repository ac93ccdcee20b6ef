"""`Indexing`: how a workspace is indexed (sizes of chunks, embedder), and its re-indexing: shown, cancelled, started again.

The settings are rows beside the workspace's; the work is ingest's (reindexing.py), enqueued in the transaction that changes them.
Tests: tests/unit/library/test_indexing.py, tests/integration/test_reindexing.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import structs, to_builtins

from antiphon.access.scope import Scope, system_scope
from antiphon.config.settings import Ingest
from antiphon.core.errors import BadRequest
from antiphon.core.runtime import Runtime
from antiphon.ingest.recipes import index_settings, rules_of
from antiphon.ingest.reindexing import INDEX_JOB, Reindexing, index_job
from antiphon.library.workspaces import live_workspace
from antiphon.models.embedders import NO_EMBEDDER, Embedders
from antiphon.protocol.events import Event, IndexProgress
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.records.contract import Store, Transaction, Urgency
from antiphon.storage.records.rows import INDEX_SETTINGS, SPACES, WORKSPACES
from antiphon.storage.vectors.contract import VectorStore

_EVERYTHING: Final = system_scope("indexing: the server looks after what changed while it was away")


class Indexing:
    def __init__(
        self, *, store: Store, jobs: JobQueue, vectors: VectorStore, embedders: Embedders, reindexing: Reindexing, shipped: Ingest,
        runtime: Runtime, on_event: Callable[[str, Event], None], stop: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._jobs = jobs
        self._vectors = vectors
        self._embedders = embedders
        self._reindexing = reindexing
        self._shipped = shipped
        self._runtime = runtime
        self._on_event = on_event
        self._stop = stop

    async def get(self, scope: Scope, workspace_id: str) -> dict[str, Any]:
        """Settings, what serves, and how far a re-indexing is. Raises NotFound."""
        jobs = await self._open_jobs(workspace_id)
        return await self._store.read(lambda tx: self._shown(tx, scope, workspace_id, jobs))

    async def change(self, scope: Scope, workspace_id: str, **changes: Any) -> dict[str, Any]:
        """Of chunk_characters, overlap_characters, embedder (None: the server's). Begins re-indexing where it is needed. Raises
        NotFound, Forbidden, BadRequest."""
        self._demand_sound(changes)

        def change(tx: Transaction) -> None:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)
            row = structs.replace(index_settings(tx, scope, workspace_id), halted=False, **changes)
            tx.delete(INDEX_SETTINGS, scope, {"id": workspace_id})
            tx.insert(INDEX_SETTINGS, row)

        await self._store.write(change)
        await self._begin(workspace_id)
        return await self.get(scope, workspace_id)

    async def start(self, scope: Scope, workspace_id: str) -> dict[str, Any]:
        """Re-indexes what differs from the settings; goes on with what was cancelled. Raises NotFound, Forbidden."""
        return await self.change(scope, workspace_id)

    async def cancel(self, scope: Scope, workspace_id: str) -> dict[str, Any]:
        """Ends the re-indexing, when there is one: the old index serves on, and nothing begins again until `start` or another
        setting. Raises NotFound, Forbidden."""

        def halt(tx: Transaction) -> int:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)
            cancelled = self._jobs.cancel_within(tx, workspace_id, kind=INDEX_JOB)
            if cancelled:
                row = structs.replace(index_settings(tx, scope, workspace_id), halted=True)
                tx.delete(INDEX_SETTINGS, scope, {"id": workspace_id})
                tx.insert(INDEX_SETTINGS, row)
            return cancelled

        if await self._store.write(halt):
            self._stop(workspace_id)
            self._on_event(workspace_id, IndexProgress(workspace_id=workspace_id, stage="cancelled", done=0, total=0))
        return await self.get(scope, workspace_id)

    async def look_after(self) -> int:
        """At start, and when an embedder answers: begins what is needed, except where it was cancelled; the number begun."""
        rows = await self._store.read(lambda tx: tx.find(WORKSPACES, _EVERYTHING))
        begun = 0
        for row in rows:
            if row.deleted_at is not None:
                begun += await self._store.write(lambda tx, gone=row.id: self._forget(tx, gone))
            else:
                begun += await self._look(row.id)
        return begun

    async def _look(self, workspace_id: str) -> bool:
        while await self._store.write(lambda tx: self._reindexing.adopt(tx, workspace_id), Urgency.INGEST):
            continue
        halted = await self._store.read(lambda tx: index_settings(tx, _EVERYTHING, workspace_id).halted)
        return not halted and await self._begin(workspace_id)

    def _forget(self, tx: Transaction, workspace_id: str) -> bool:
        """A deleted workspace keeps no space."""
        tx.delete(INDEX_SETTINGS, _EVERYTHING, {"id": workspace_id})
        tx.delete(SPACES, _EVERYTHING, {"workspace_id": workspace_id})
        return False

    async def _begin(self, workspace_id: str) -> bool:
        """One job a workspace: what one does not see any more, the next one does. A crash before it is enqueued is what
        `look_after` is for."""
        if not await self._store.read(lambda tx: self._reindexing.needed(tx, workspace_id)):
            return False

        def enqueue(tx: Transaction) -> None:
            self._jobs.cancel_within(tx, workspace_id, kind=INDEX_JOB)
            self._jobs.enqueue(tx, index_job(workspace_id, self._runtime))

        await self._store.write(enqueue)
        return True

    async def _open_jobs(self, workspace_id: str) -> list[Job]:
        jobs = await self._jobs.list(subject=workspace_id)
        return [job for job in jobs if job.kind == INDEX_JOB and job.state in {"queued", "running"}]

    def _shown(self, tx: Transaction, scope: Scope, workspace_id: str, jobs: list[Job]) -> dict[str, Any]:
        live_workspace(tx, scope, workspace_id)
        own = index_settings(tx, scope, workspace_id)
        rules = rules_of(own, self._shipped)
        spaces: list[dict[str, Any]] = []
        for row in tx.find(SPACES, scope, {"workspace_id": workspace_id}, order="created_at"):
            if row.state != "leaving":
                vectors, chunks = self._vectors.counts(tx, row.id, workspace_id)
                spaces.append({
                    "embedder": row.embedder, "label": row.label, "dimension": row.dimension, "state": row.state,
                    "vectors": vectors, "chunks": chunks,
                })  # fmt: skip
        state = "indexing" if jobs else "halted" if own.halted else "ready"
        error = next((job.error for job in jobs if job.error is not None and job.error.get("code") != "interrupted"), None)
        return {
            "workspace_id": workspace_id, "chunk_characters": rules.characters, "overlap_characters": rules.overlap_characters,
            "embedder": own.embedder, "embedders": [to_builtins(status) for status in self._embedders.statuses()],
            "spaces": spaces, "state": state, "documents_left": self._reindexing.stale(tx, workspace_id), "error": error,
        }  # fmt: skip

    def _demand_sound(self, changes: dict[str, Any]) -> None:
        embedder = changes.get("embedder")
        known = [NO_EMBEDDER, *self._embedders.ids]
        if embedder is not None and embedder not in known:
            raise BadRequest(f"No embedder {embedder!r} here. Known are {', '.join(map(repr, known))}.")
