"""API keys: made, listed, revoked. A key is shown once; stored is its hash. Reached through `Accounts.keys`.

A key may be narrowed to one workspace and to a highest role. What a caller makes, sees and revokes with a narrowed key is
never wider than that key. Tests: tests/unit/library/test_keys.py.
"""

from __future__ import annotations

from typing import Any, Final

from antiphon.access.changes import AccessChange, AccessChanges
from antiphon.access.identity import Identity, RoleName
from antiphon.access.missing import missing, missing_workspace
from antiphon.access.scope import Scope, system_scope
from antiphon.access.secrets import hash_secret, new_secret
from antiphon.core.completion import to_the_end
from antiphon.core.display_names import demand_name
from antiphon.core.errors import Forbidden, QuotaExceeded
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.library.roles import role_named
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import KEYS, KeyRow

KEYS_PER_USER: Final = 200
"""Live keys of one user."""
_EVERYTHING = system_scope("keys: they belong to a user, not to a workspace; every query here names the user")


class Keys:
    def __init__(self, store: Store, runtime: Runtime, changes: AccessChanges) -> None:
        self._store = store
        self._runtime = runtime
        self._changes = changes

    async def create(
        self, identity: Identity, scope: Scope, *, name: str, workspace_id: str | None, role: RoleName | None
    ) -> tuple[KeyRow, str]:
        """The row and the key itself, which can't be had again. `workspace_id` None: all workspaces of the user; `role`
        None: the user's own role in each. Raises NotFound (workspace), Forbidden (wider than the caller), QuotaExceeded."""
        _demand_not_wider(identity, scope, workspace_id, role)
        secret = new_secret("ak", self._runtime.random)
        row = KeyRow(
            id=self._runtime.ids.new("key"), name=demand_name(name, "key"), user_id=identity.user_id,
            secret_hash=hash_secret(secret), workspace_id=workspace_id, role=role, created_at=self._runtime.clock.now(),
        )  # fmt: skip

        def insert(tx: Transaction) -> None:
            if tx.count(KEYS, _EVERYTHING, {"user_id": identity.user_id, "revoked_at": None}) >= KEYS_PER_USER:
                raise QuotaExceeded(f"You have {KEYS_PER_USER} keys already. Revoke one you do not need.")
            tx.insert(KEYS, row)

        await self._store.write(insert)
        return row, secret

    async def list(self, identity: Identity, *, after: tuple[Any, str] | None, limit: int) -> list[KeyRow]:
        """The caller's live keys, newest first; through a narrowed key only those that are as narrow."""
        where: dict[str, Any] = {"user_id": identity.user_id, "revoked_at": None}
        if identity.key_workspace is not None:
            where["workspace_id"] = identity.key_workspace
        if identity.key_role is not None:
            where["role"] = ("in", [label for label in ("viewer", "editor", "owner") if role_named(label) <= identity.key_role])
        return await self._store.read(
            lambda tx: tx.find(KEYS, _EVERYTHING, where, order="created_at", descending=True, after=after, limit=limit)
        )

    async def revoke(self, identity: Identity, key_id: str) -> None:
        """At once, for open sockets too. Raises NotFound for a key that is not the caller's, is wider, or is revoked."""
        now = self._runtime.clock.now()

        def revoke(tx: Transaction) -> None:
            row = tx.get(KEYS, _EVERYTHING, key_id)
            if row is None or row.user_id != identity.user_id or row.revoked_at is not None or not _covers(identity, row):
                raise missing("key", key_id)
            tx.update(KEYS, _EVERYTHING, key_id, revoked_at=now)

        async def commit() -> None:
            await self._store.write(revoke)
            self._changes.notify(AccessChange(kind="revoked", user_id=identity.user_id, credential=key_id))

        await to_the_end(self._runtime.scheduler, commit(), name="revoke key")


def key_json(row: KeyRow) -> dict[str, Any]:
    return {
        "id": row.id, "name": row.name, "workspace_id": row.workspace_id, "role": row.role,
        "created_at": rfc3339(row.created_at),
        "last_used_at": rfc3339(row.last_used_at) if row.last_used_at is not None else None,
    }  # fmt: skip


def _covers(identity: Identity, row: KeyRow) -> bool:
    if identity.key_workspace is not None and row.workspace_id != identity.key_workspace:
        return False
    return identity.key_role is None or (row.role is not None and role_named(row.role) <= identity.key_role)


def _demand_not_wider(identity: Identity, scope: Scope, workspace_id: str | None, role: RoleName | None) -> None:
    if workspace_id is not None:
        if not scope.sees(workspace_id):
            raise missing_workspace(workspace_id)
    elif identity.key_workspace is not None:
        raise Forbidden("This key is for one workspace and can't make keys for all; name the workspace.")
    highest = identity.key_role
    if workspace_id is not None:
        highest = next(own for workspace, own in scope.visible.items() if workspace == workspace_id)
    if role is None:
        if identity.key_role is not None:
            raise Forbidden(f"This key has the role {identity.key_role.label!r}; name a role not above it for the new one.")
    elif highest is not None and role_named(role) > highest:
        raise Forbidden(f"Your role is {highest.label!r}; a key can't have a higher one.")
