"""`Workspaces`: created, read, changed, deleted. Members are in members.py, documents in documents.py.

Deleting is one small transaction that sets `deleted_at`: with the commit no role leads there any more, so every object of the
workspace is missing everywhere at once. Its documents are marked and handed to removal jobs in batches afterwards;
`finish_deletions` goes on with that after a crash. Tests: tests/unit/library/test_workspaces.py.
"""

from __future__ import annotations

from typing import Any, Final

from antiphon.access.changes import AccessChange, AccessChanges
from antiphon.access.identity import Identity, Role
from antiphon.access.missing import missing_workspace
from antiphon.access.scope import Scope, system_scope
from antiphon.core.completion import to_the_end
from antiphon.core.display_names import demand_name
from antiphon.core.errors import BadRequest, Forbidden
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.library.removal import mark_removed
from antiphon.library.slugs import slug_of
from antiphon.storage.jobs.contract import JobQueue
from antiphon.storage.records.contract import Store, Transaction, Urgency
from antiphon.storage.records.rows import DOCUMENTS, MEMBERS, WORKSPACES, MemberRow, WorkspaceRow

REMOVAL_BATCH: Final = 100
"""Documents marked in one transaction when their workspace goes: some milliseconds of the writer."""
_EVERYTHING = system_scope("workspaces: going on with deletions after the members have lost sight of them")


class Workspaces:
    def __init__(self, store: Store, jobs: JobQueue, runtime: Runtime, changes: AccessChanges) -> None:
        self._store = store
        self._jobs = jobs
        self._runtime = runtime
        self._changes = changes

    async def create(self, identity: Identity, *, name: str, **settings: Any) -> WorkspaceRow:
        """A workspace whose owner is the caller. `settings`: the other columns a member with the role owner may change.
        Raises Forbidden for a narrowed key (what it makes would lie outside its own reach), BadRequest (name)."""
        if identity.key_workspace is not None or (identity.key_role is not None and identity.key_role < Role.OWNER):
            raise Forbidden("This key is narrowed to one workspace or to a lower role; it can't make a workspace.")
        now = self._runtime.clock.now()
        row = WorkspaceRow(
            id=self._runtime.ids.new("ws"),
            slug=slug_of(name, self._runtime.random),
            name=demand_name(name, "workspace"),
            created_at=now,
            **settings,
        )

        def insert(tx: Transaction) -> None:
            tx.insert(WORKSPACES, row)
            tx.insert(MEMBERS, member_row(row.id, identity.user_id, Role.OWNER, now))

        async def commit() -> WorkspaceRow:
            await self._store.write(insert)
            self._changes.notify(AccessChange(kind="granted", user_id=identity.user_id, workspace_id=row.id))
            return row

        return await to_the_end(self._runtime.scheduler, commit(), name="create workspace")

    async def list(self, scope: Scope, *, after: tuple[Any, str] | None, limit: int) -> list[WorkspaceRow]:
        """The caller's workspaces, oldest first."""
        return await self._store.read(
            lambda tx: tx.find(WORKSPACES, scope, {"deleted_at": None}, order="created_at", after=after, limit=limit)
        )

    async def get(self, scope: Scope, workspace_id: str) -> WorkspaceRow:
        """Raises NotFound."""
        return await self._store.read(lambda tx: live_workspace(tx, scope, workspace_id))

    async def default(self, scope: Scope) -> WorkspaceRow:
        """Where a question without `workspace_id` goes: the caller's oldest workspace. Raises BadRequest without any."""
        oldest = await self.list(scope, after=None, limit=1)
        if not oldest:
            raise BadRequest("You are a member of no workspace yet: make one, or ask an owner to add you.")
        return oldest[0]

    async def update(self, scope: Scope, workspace_id: str, **changes: Any) -> WorkspaceRow:
        """Changes the given columns. Raises NotFound, Forbidden, BadRequest (name)."""
        if "name" in changes:
            changes["name"] = demand_name(changes["name"], "workspace")

        def update(tx: Transaction) -> WorkspaceRow:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)
            if changes:
                tx.update(WORKSPACES, scope, workspace_id, **changes)
            return live_workspace(tx, scope, workspace_id)

        return await self._store.write(update)

    async def delete(self, scope: Scope, workspace_id: str) -> None:
        """Gone for everybody when it returns; what it held is removed by jobs. Raises NotFound, Forbidden."""
        now = self._runtime.clock.now()

        def mark(tx: Transaction) -> None:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)
            tx.update(WORKSPACES, scope, workspace_id, deleted_at=now)

        async def commit() -> None:
            await self._store.write(mark)
            self._changes.notify(AccessChange(kind="revoked", workspace_id=workspace_id))
            await self._remove_documents(workspace_id)

        await to_the_end(self._runtime.scheduler, commit(), name="delete workspace")

    async def finish_deletions(self) -> int:
        """Called at start: hands over the documents of deleted workspaces that a crash left behind; their number."""
        gone = await self._store.read(lambda tx: tx.find(WORKSPACES, _EVERYTHING, {"deleted_at": ("!=", None)}))
        return sum([await self._remove_documents(workspace.id) for workspace in gone])

    async def _remove_documents(self, workspace_id: str) -> int:
        removed = 0
        while True:
            batch = await self._store.write(lambda tx: self._remove_batch(tx, workspace_id), Urgency.INGEST)
            removed += batch
            if batch < REMOVAL_BATCH:
                return removed

    def _remove_batch(self, tx: Transaction, workspace_id: str) -> int:
        live = tx.find(DOCUMENTS, _EVERYTHING, {"workspace_id": workspace_id, "deleted_at": None}, limit=REMOVAL_BATCH)
        for document in live:
            mark_removed(tx, _EVERYTHING, self._jobs, self._runtime, document, by=document.added_by or "system")
        return len(live)


def live_workspace(tx: Transaction, scope: Scope, workspace_id: str) -> WorkspaceRow:
    """Raises NotFound, with the same words whether it never was, is deleted, or is somebody else's."""
    row = tx.get(WORKSPACES, scope, workspace_id)
    if row is None or row.deleted_at is not None:
        raise missing_workspace(workspace_id)
    return row


def member_row(workspace_id: str, user_id: str, role: Role, now: float) -> MemberRow:
    return MemberRow(id=f"{workspace_id}:{user_id}", workspace_id=workspace_id, user_id=user_id, role=role.label, created_at=now)


def workspace_json(row: WorkspaceRow, scope: Scope) -> dict[str, Any]:
    """`role` is the caller's own."""
    role = next((own for workspace, own in scope.visible.items() if workspace == row.id), None)
    return {
        "id": row.id, "slug": row.slug, "name": row.name, "model": row.model, "instructions": row.instructions,
        "mode": row.mode, "k": row.k, "language": row.language, "temperature": row.temperature,
        "fallbacks": row.fallbacks, "created_at": rfc3339(row.created_at),
        "role": role.label if role is not None else None,
    }  # fmt: skip
