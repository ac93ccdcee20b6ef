"""Members of a workspace and their roles. A workspace always keeps an owner. Tests: tests/unit/library/test_members.py."""

from __future__ import annotations

from typing import Any

from antiphon.access.changes import AccessChange, AccessChanges
from antiphon.access.identity import Role
from antiphon.access.missing import missing
from antiphon.access.scope import Scope, system_scope
from antiphon.core.completion import to_the_end
from antiphon.core.errors import Conflict
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.library.roles import role_named
from antiphon.library.workspaces import live_workspace, member_row
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import MEMBERS, USERS, MemberRow, UserRow

_EVERYTHING = system_scope("members: the names of the users behind visible member rows")


class Members:
    def __init__(self, store: Store, runtime: Runtime, changes: AccessChanges) -> None:
        self._store = store
        self._runtime = runtime
        self._changes = changes

    async def list(
        self, scope: Scope, workspace_id: str, *, after: tuple[Any, str] | None, limit: int
    ) -> list[tuple[MemberRow, UserRow]]:
        """In the order they joined. Raises NotFound (workspace)."""

        def read(tx: Transaction) -> list[tuple[MemberRow, UserRow]]:
            live_workspace(tx, scope, workspace_id)
            rows = tx.find(MEMBERS, scope, {"workspace_id": workspace_id}, order="created_at", after=after, limit=limit)
            pairs = [(row, tx.get(USERS, _EVERYTHING, row.user_id)) for row in rows]
            return [(row, user) for row, user in pairs if user is not None]

        return await self._store.read(read)

    async def put(self, scope: Scope, workspace_id: str, user_id: str, role: Role) -> tuple[MemberRow, UserRow]:
        """Adds the user, or changes the role. Raises NotFound (workspace, user), Forbidden, Conflict (the last owner)."""
        now = self._runtime.clock.now()

        def put(tx: Transaction) -> tuple[MemberRow, UserRow, Role | None]:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)
            user = tx.get(USERS, _EVERYTHING, user_id)
            if user is None:
                raise missing("user", user_id)
            row = member_row(workspace_id, user_id, role, now)
            present = tx.get(MEMBERS, scope, row.id)
            if present is None:
                tx.insert(MEMBERS, row)
                return row, user, None
            if role < Role.OWNER:
                _demand_other_owner(tx, scope, workspace_id, user_id)
            tx.update(MEMBERS, scope, row.id, role=role.label)
            changed = tx.get(MEMBERS, scope, row.id)
            assert changed is not None
            return changed, user, role_named(present.role)

        async def commit() -> tuple[MemberRow, UserRow]:
            row, user, before = await self._store.write(put)
            kind = "lowered" if before is not None and role < before else "granted"
            self._changes.notify(AccessChange(kind=kind, user_id=user_id, workspace_id=workspace_id))
            return row, user

        return await to_the_end(self._runtime.scheduler, commit(), name="put member")

    async def remove(self, scope: Scope, workspace_id: str, user_id: str) -> None:
        """Raises NotFound (workspace, member), Forbidden, Conflict (the last owner)."""

        def remove(tx: Transaction) -> None:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)
            member_id = f"{workspace_id}:{user_id}"
            if tx.get(MEMBERS, scope, member_id) is None:
                raise missing("user", user_id)
            _demand_other_owner(tx, scope, workspace_id, user_id)
            tx.delete(MEMBERS, scope, {"id": member_id})

        async def commit() -> None:
            await self._store.write(remove)
            self._changes.notify(AccessChange(kind="revoked", user_id=user_id, workspace_id=workspace_id))

        await to_the_end(self._runtime.scheduler, commit(), name="remove member")


def member_json(row: MemberRow, user: UserRow) -> dict[str, Any]:
    return {"user_id": row.user_id, "name": user.name, "role": row.role, "created_at": rfc3339(row.created_at)}


def _demand_other_owner(tx: Transaction, scope: Scope, workspace_id: str, user_id: str) -> None:
    owners = tx.find(MEMBERS, scope, {"workspace_id": workspace_id, "role": Role.OWNER.label})
    if [owner.user_id for owner in owners] == [user_id]:
        raise Conflict("A workspace keeps at least one owner: make somebody else an owner first.")
