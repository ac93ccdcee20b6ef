"""`Reindexing`: brings the index of a workspace to what its settings, and our code, want; while the old one serves.

One job a workspace (INDEX_JOB), in short steps between which others go on: documents cut by another recipe are made again as their
next version, from their stored pages, a few at a time; then the vectors of the wanted space that are missing are made, and the space
takes the place of the old one in one small transaction, whose vectors are removed after it. Each step leaves a state from which a
job that was killed anywhere goes on. Tests: tests/integration/test_reindexing.py, test_dense_crash.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import structs

from antiphon.access.scope import system_scope
from antiphon.config.settings import Ingest
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Runtime
from antiphon.ingest.embedding import SLICE, EmbeddingStage, add_vectors, embedded
from antiphon.ingest.pipeline import INGEST_JOB
from antiphon.ingest.recipes import index_settings, recipe_of, rules_of
from antiphon.ingest.spaces import Target
from antiphon.protocol.events import Event, IndexProgress
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.lexical.contract import LexicalIndex
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import (
    DOCUMENTS,
    RECIPES,
    REPLACEMENTS,
    SPACES,
    WORKSPACES,
    DocumentRow,
    IndexSettingsRow,
    RecipeRow,
    ReplacementRow,
    SpaceRow,
)
from antiphon.storage.vectors.contract import VectorStore

INDEX_JOB: Final = "index_workspace"
AT_ONCE: Final = 4
"""Documents that are cut again at the same time: the others' new documents must not wait for all of a workspace."""
PAUSE_S: Final = 0.3
QUANTUM_S: Final = 10.0
_REMOVED_AT_ONCE: Final = 500
_ADOPTED_AT_ONCE: Final = 50
_EVERYTHING: Final = system_scope("re-indexing: jobs act for the server")

OnEvent = Callable[[str, Event], None]


class Reindexing:
    """Without state between jobs."""

    def __init__(
        self, *, store: Store, jobs: JobQueue, index: LexicalIndex, vectors: VectorStore, stage: EmbeddingStage, shipped: Ingest, runtime: Runtime,
        on_event: OnEvent, on_space: Callable[[SpaceRow, bool], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._jobs = jobs
        self._index = index
        self._vectors = vectors
        self._spaces = stage.spaces
        self._shipped = shipped
        self._runtime = runtime
        self._on_event = on_event
        self._on_space = on_space
        """(space, whether it serves now): told after the commit."""

    async def run(self, job: Job) -> bool:
        """Works a claimed job for a while; False: it went back to the queue. Raises AntiphonError, Conflict (claim lost)."""
        began_s = self._runtime.clock.monotonic()
        workspace_id = job.subject
        if not await self._store.read(lambda tx: _lives(tx, workspace_id)):
            await self._jobs.finish(job, work=lambda tx: self._leave_all(tx, workspace_id))
            return True
        left = await self._jobs.advance(job, step="cutting", work=lambda tx: self._cut_some(tx, workspace_id))
        failpoint("reindex.after_step")
        total = max(int(job.progress.get("documents", 0)), left)
        if left:
            await self._jobs.advance(job, step="cutting", work=_nothing, progress={**job.progress, "documents": total})
            self._tell(workspace_id, "cutting", total - left, total)
            await self._jobs.fail(job, _waits(), retry_after_s=PAUSE_S)
            return False
        target, leaving = await self._jobs.advance(job, step="embedding", work=lambda tx: self._plan(tx, workspace_id))
        if target is not None and not await self._fill(job, target, began_s):
            await self._jobs.fail(job, _waits(), retry_after_s=0.0)
            return False
        if target is not None and target.space.state != "serving":
            leaving = await self._jobs.advance(job, step="serving", work=lambda tx: self._put_in_place(tx, target.space))
            failpoint("reindex.after_swap")
            self._on_space(structs.replace(target.space, state="serving"), True)
        for space in leaving:
            self._on_space(space, False)
            await self._remove(job, space)
        await self._jobs.finish(job)
        self._tell(workspace_id, "ready", total, total)
        return True

    def tell_waiting(self, workspace_id: str, reason: str) -> None:
        self._on_event(workspace_id, IndexProgress(workspace_id=workspace_id, stage="waiting", done=0, total=0, reason=reason))

    def needed(self, tx: Transaction, workspace_id: str) -> bool:
        """Whether the workspace's index differs from what is wanted. A reading: of large workspaces it takes a while."""
        if self.stale(tx, workspace_id):
            return True
        if any(row.state == "leaving" for row in self._spaces.rows(tx, workspace_id)):
            return True
        wanted = self._spaces.wanted(tx, workspace_id)
        if wanted is None:
            return self._spaces.is_wanting(tx, workspace_id)
        vectors, chunks = self._vectors.counts(tx, wanted.id, workspace_id)
        return wanted.state != "serving" or vectors < chunks

    def adopt(self, tx: Transaction, workspace_id: str) -> int:
        """Documents of before recipes were kept: made by the server's sizes, and by the tokeniser that their chunks name. Some at
        a time; their number."""
        adopted = 0
        shown = {row.id for row in tx.find(RECIPES, _EVERYTHING, {"workspace_id": workspace_id})}
        for row in tx.find(DOCUMENTS, _EVERYTHING, {"workspace_id": workspace_id, "deleted_at": None, "state": "ready"}):
            if row.id in shown:
                continue
            if adopted >= _ADOPTED_AT_ONCE:
                break
            chunks = self._index.chunks_of(tx, _EVERYTHING, row.id)
            made_by = recipe_of(rules_of(IndexSettingsRow(id="", workspace_id=""), self._shipped))
            parts = made_by.split("/")
            if chunks:
                parts[1] = chunks[0].tokeniser_version
            tx.insert(RECIPES, RecipeRow(id=row.id, workspace_id=workspace_id, recipe="/".join(parts)))
            adopted += 1
        return adopted

    def stale(self, tx: Transaction, workspace_id: str) -> int:
        """Documents cut by another recipe than the workspace's."""
        return len(self._stale(tx, workspace_id, limit=None))

    # --- documents ------------------------------------------------------------------------------------------------------

    def _cut_some(self, tx: Transaction, workspace_id: str) -> int:
        """Begins a few of the stale documents; how many are left, those under way included."""
        stale = self._stale(tx, workspace_id, limit=None)
        under_way = sum(1 for row in stale if tx.get(REPLACEMENTS, _EVERYTHING, row.id) is not None)
        for row in stale:
            if under_way >= AT_ONCE:
                break
            if row.state == "ready" and tx.get(REPLACEMENTS, _EVERYTHING, row.id) is None:
                self._cut_again(tx, row)
                under_way += 1
        return len(stale)

    def _stale(self, tx: Transaction, workspace_id: str, *, limit: int | None) -> list[DocumentRow]:
        """A document whose newer version failed stays as it is until somebody tries it again."""
        wanted = recipe_of(rules_of(index_settings(tx, _EVERYTHING, workspace_id), self._shipped))
        others = tx.find(RECIPES, _EVERYTHING, {"workspace_id": workspace_id, "recipe": ("!=", wanted)}, limit=limit)
        found: list[DocumentRow] = []
        for recipe in others:
            row = tx.get(DOCUMENTS, _EVERYTHING, recipe.id)
            if row is not None and row.deleted_at is None and row.state != "failed":
                found.append(row)
        return found

    def _cut_again(self, tx: Transaction, row: DocumentRow) -> None:
        now = self._runtime.clock.now()
        version = row.version + 1
        newer = ReplacementRow(
            id=row.id, workspace_id=row.workspace_id, version=version, sha256=row.sha256, name=row.name, bytes=row.bytes,
            added_by=row.added_by, created_at=now,
        )  # fmt: skip
        tx.insert(REPLACEMENTS, newer)
        payload = {"version": version, "sha256": row.sha256, "copies": row.version}
        self._jobs.enqueue(
            tx,
            Job(
                id=self._runtime.ids.new("job"), kind=INGEST_JOB, user_id="", workspace_id=row.workspace_id, subject=row.id,
                payload=payload, created_at=now,
            ),
        )  # fmt: skip

    # --- vectors --------------------------------------------------------------------------------------------------------

    def _plan(self, tx: Transaction, workspace_id: str) -> tuple[Target | None, list[SpaceRow]]:
        """The wanted space, and those that nobody wants any more (of which the serving one stays until another serves)."""
        wanted = self._spaces.ensure(tx, workspace_id)
        leaving: list[SpaceRow] = []
        for row in self._spaces.rows(tx, workspace_id):
            if row.state == "building" and (wanted is None or row.id != wanted.id):
                tx.update(SPACES, _EVERYTHING, row.id, state="leaving")
                row = structs.replace(row, state="leaving")
            if row.state == "leaving":
                leaving.append(row)
        opened = None if wanted is None else self._spaces.embedder_of(wanted)
        return (None if wanted is None or opened is None else Target(wanted, opened)), leaving

    async def _fill(self, job: Job, target: Target, began_s: float) -> bool:
        workspace_id, space = job.subject, target.space
        after = int(job.progress.get("after", 0)) if job.progress.get("space") == space.id else 0
        vectors, chunks = await self._store.read(lambda tx: self._vectors.counts(tx, space.id, workspace_id))
        began_with = vectors
        while True:
            wanted = await self._store.read(
                lambda tx, after=after: self._vectors.missing(tx, space.id, workspace_id, after=after, limit=SLICE)
            )  # fmt: skip
            if not wanted:
                return True
            made = await embedded(target, wanted)
            after = wanted[-1].chunk_id

            def keep(tx: Transaction, made: list[tuple[int, bytes]] = made) -> int:
                return add_vectors(tx, self._vectors, target, made)

            progress = {**job.progress, "space": space.id, "after": after}
            vectors += await self._jobs.advance(job, step="embedding", work=keep, progress=progress)
            failpoint("reindex.after_step")
            elapsed_s = self._runtime.clock.monotonic() - began_s
            rate = (vectors - began_with) / elapsed_s if elapsed_s > 0 else 0.0
            eta_ms = int(1000 * max(chunks - vectors, 0) / rate) if rate else None
            self._tell(workspace_id, "embedding", min(vectors, chunks), chunks, eta_ms)
            if elapsed_s > QUANTUM_S:
                return False

    def _put_in_place(self, tx: Transaction, space: SpaceRow) -> list[SpaceRow]:
        """The one small transaction with which a space serves; those that are left now."""
        if tx.get(SPACES, _EVERYTHING, space.id) is None:
            return []
        for row in self._spaces.rows(tx, space.workspace_id):
            if row.id != space.id:
                tx.update(SPACES, _EVERYTHING, row.id, state="leaving")
        tx.update(SPACES, _EVERYTHING, space.id, state="serving")
        return [row for row in self._spaces.rows(tx, space.workspace_id) if row.state == "leaving"]

    async def _remove(self, job: Job, space: SpaceRow) -> None:
        while True:

            def some(tx: Transaction) -> int:
                row = tx.get(SPACES, _EVERYTHING, space.id)
                if row is None or row.state != "leaving":
                    return 0  # wanted again meanwhile
                removed = self._vectors.remove_space(tx, space.id, limit=_REMOVED_AT_ONCE)
                if removed < _REMOVED_AT_ONCE:
                    tx.delete(SPACES, _EVERYTHING, {"id": space.id})
                return removed

            if await self._jobs.advance(job, step="leaving", work=some) < _REMOVED_AT_ONCE:
                return

    def _leave_all(self, tx: Transaction, workspace_id: str) -> None:
        """Of a deleted workspace: the vectors go with the documents, the spaces here."""
        tx.delete(SPACES, _EVERYTHING, {"workspace_id": workspace_id})

    def _tell(self, workspace_id: str, stage: str, done: int, total: int, eta_ms: int | None = None) -> None:
        self._on_event(workspace_id, IndexProgress(workspace_id=workspace_id, stage=stage, done=done, total=total, eta_ms=eta_ms))


def index_job(workspace_id: str, runtime: Runtime) -> Job:
    return Job(
        id=runtime.ids.new("job"), kind=INDEX_JOB, user_id="", workspace_id=workspace_id, subject=workspace_id,
        created_at=runtime.clock.now(),
    )  # fmt: skip


def _lives(tx: Transaction, workspace_id: str) -> bool:
    row = tx.get(WORKSPACES, _EVERYTHING, workspace_id)
    return row is not None and row.deleted_at is None


def _nothing(_tx: Transaction) -> None:
    return


def _waits() -> dict[str, Any]:
    return {"code": "interrupted", "message": "It goes on by itself."}
