"""`Directory`: users, their credentials and their roles as they are now, kept in memory. The `Memberships` of access.

Asked at every command and for every open socket, so it answers from memory; exact all the same: every change passes
`AccessChanges`, which forgets everything kept, and what was read while something changed is used once and not kept (the
failing case: read begins, key is revoked, stale row is put into the cache behind the revocation). One process owns a
data folder, so nothing else changes these rows. Tests: tests/unit/library/test_directory.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from antiphon.access.changes import AccessChange, AccessChanges
from antiphon.access.identity import Role
from antiphon.access.scope import system_scope
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.library.roles import role_named
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import KEYS, LOGINS, MEMBERS, USERS, WORKSPACES, KeyRow, LoginRow, UserRow

T = TypeVar("T")
KEPT_ENTRIES: Final = 50_000
"""About 20 MB at worst; above it everything is forgotten and read again."""
_EVERYTHING = system_scope("authentication and memberships: read before any scope exists")


class Directory:
    def __init__(self, store: Store, changes: AccessChanges) -> None:
        self._store = store
        self._kept: dict[tuple[str, str], Any] = {}
        self._generation = 0
        changes.listen(self._forget)

    async def user(self, user_id: str) -> UserRow | None:
        return await self._look_up("user", user_id, lambda tx: tx.get(USERS, _EVERYTHING, user_id))

    async def login(self, login_id: str) -> LoginRow | None:
        return await self._look_up("login", login_id, lambda tx: tx.get(LOGINS, _EVERYTHING, login_id))

    async def key(self, key_id: str) -> KeyRow | None:
        return await self._look_up("key", key_id, lambda tx: tx.get(KEYS, _EVERYTHING, key_id))

    async def login_with(self, secret_hash: str) -> LoginRow | None:
        def read(tx: Transaction) -> LoginRow | None:
            return next(iter(tx.find(LOGINS, _EVERYTHING, {"secret_hash": secret_hash}, limit=1)), None)

        return await self._look_up("login_with", secret_hash, read)

    async def key_with(self, secret_hash: str) -> KeyRow | None:
        def read(tx: Transaction) -> KeyRow | None:
            return next(iter(tx.find(KEYS, _EVERYTHING, {"secret_hash": secret_hash}, limit=1)), None)

        return await self._look_up("key_with", secret_hash, read)

    async def roles_of(self, user_id: UserId, /) -> Mapping[WorkspaceId, Role]:
        """Empty for a suspended or unknown user: a stale identity reaches nothing."""
        return await self._look_up("roles", user_id, lambda tx: _read_roles(tx, user_id)) or {}

    async def _look_up(self, kind: str, key: str, read: Callable[[Transaction], T | None]) -> T | None:
        entry = (kind, key)
        if entry in self._kept:
            return self._kept[entry]
        generation = self._generation
        found = await self._store.read(read)
        # Misses are not kept: made-up credentials must not fill the memory.
        if found is not None and generation == self._generation:
            if len(self._kept) >= KEPT_ENTRIES:
                self._kept.clear()
            self._kept[entry] = found
        return found

    def _forget(self, change: AccessChange) -> None:
        del change  # changes are rare beside questions: forgetting all is simple, and right by construction
        self._generation += 1
        self._kept.clear()


def _read_roles(tx: Transaction, user_id: str) -> dict[WorkspaceId, Role] | None:
    user = tx.get(USERS, _EVERYTHING, user_id)
    if user is None or user.suspended:
        return None
    members = tx.find(MEMBERS, _EVERYTHING, {"user_id": user_id})
    roles = {WorkspaceId(member.workspace_id): role_named(member.role) for member in members}
    live = tx.find(WORKSPACES, _EVERYTHING, {"id": ("in", list(roles)), "deleted_at": None}) if roles else []
    return {WorkspaceId(workspace.id): roles[WorkspaceId(workspace.id)] for workspace in live}
