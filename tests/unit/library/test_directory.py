from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from antiphon.access.changes import AccessChange, AccessChanges
from antiphon.access.identity import Role
from antiphon.access.scope import system_scope
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.library.directory import Directory
from antiphon.library.workspaces import member_row
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.rows import MEMBERS, USERS, WORKSPACES, UserRow, WorkspaceRow

ALL = system_scope("test")
ANN, WS = UserId("usr_ann"), WorkspaceId("ws_1")


class CountingStore(MemoryStore):
    """`gate`: a reading that has its result waits for it before it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.gate: asyncio.Event | None = None

    async def read(self, work: Callable[[Transaction], Any]) -> Any:
        self.reads += 1
        result = await super().read(work)
        if self.gate is not None:
            await self.gate.wait()
        return result


async def seeded() -> tuple[CountingStore, AccessChanges, Directory]:
    store, changes = CountingStore(), AccessChanges()

    def seed(tx: Transaction) -> None:
        tx.insert(USERS, UserRow(id=ANN, name="Ann", created_at=0.0))
        for workspace_id, deleted_at in ((WS, None), ("ws_gone", 1.0)):
            tx.insert(
                WORKSPACES, WorkspaceRow(id=workspace_id, slug=workspace_id, name="W", created_at=0.0, deleted_at=deleted_at)
            )
            tx.insert(MEMBERS, member_row(workspace_id, ANN, Role.EDITOR, 0.0))

    await store.write(seed)
    return store, changes, Directory(store, changes)


async def test_roles_are_of_live_workspaces_and_read_once():
    store, _, directory = await seeded()
    for _ in range(5):
        assert await directory.roles_of(ANN) == {WS: Role.EDITOR}
    assert store.reads == 1


async def test_a_change_is_seen_at_once_and_exactly():
    store, changes, directory = await seeded()
    await directory.roles_of(ANN)
    await store.write(lambda tx: tx.update(MEMBERS, ALL, f"{WS}:{ANN}", role="viewer"))
    changes.notify(AccessChange(kind="lowered", user_id=ANN))
    assert await directory.roles_of(ANN) == {WS: Role.VIEWER}
    await store.write(lambda tx: tx.update(USERS, ALL, ANN, suspended=True))
    changes.notify(AccessChange(kind="revoked", user_id=ANN))
    assert await directory.roles_of(ANN) == {}


async def test_what_was_read_while_something_changed_is_not_kept():
    """The planted bug: keep it all the same, and the revoked member stays a member until the next change."""
    store, changes, directory = await seeded()
    store.gate = asyncio.Event()
    reading = asyncio.create_task(directory.roles_of(ANN))
    await asyncio.sleep(0)
    await store.write(lambda tx: tx.delete(MEMBERS, ALL, {"user_id": ANN}))
    changes.notify(AccessChange(kind="revoked", user_id=ANN))
    store.gate.set()
    assert await reading == {WS: Role.EDITOR}  # it began before the change
    assert await directory.roles_of(ANN) == {}


async def test_misses_are_not_kept():
    store, _, directory = await seeded()
    for _ in range(3):
        assert await directory.key_with("00" * 32) is None
        assert await directory.roles_of(UserId("usr_nobody")) == {}
    assert store.reads == 6
    assert directory._kept == {}
