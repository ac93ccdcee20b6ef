"""The sample workspace of a first start: documents written for it, English and Chinese, so that a question can be asked at once.

Called by composition.py when the folder has no workspace yet. Tests: tests/integration/live/test_process.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from anyio import to_thread

from antiphon.access.scope import Action, scope
from antiphon.core.runtime import Runtime
from antiphon.library.accounts import Accounts
from antiphon.library.arrivals import Upload
from antiphon.library.documents import Documents
from antiphon.library.workspaces import Workspaces
from antiphon.sample.documents import sample_documents
from antiphon.server.stores import Stores
from antiphon.storage.records.rows import DOCUMENTS

SAMPLE_NAME = "Sample · 示例"
POLL_S = 0.05


class Rooms(Protocol):
    @property
    def runtime(self) -> Runtime: ...
    @property
    def stores(self) -> Stores: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def workspaces(self) -> Workspaces: ...
    @property
    def documents(self) -> Documents: ...


async def add_sample_workspace(rooms: Rooms, *, wait_s: float) -> None:
    """Adds it when the owner is a member of no workspace, and waits (`wait_s` at most) until it can be searched."""
    owner = await rooms.accounts.owner_identity()
    if await rooms.accounts.roles_of(owner.user_id):
        return
    workspace = await rooms.workspaces.create(owner, name=SAMPLE_NAME)
    uploads: list[Upload] = []
    for path in sample_documents():
        blob = await rooms.stores.blobs.put(_content(path), max_bytes=0)
        uploads.append(Upload(name=path.name, sha256=blob.sha256, size_bytes=blob.size_bytes))
    reach = await scope(owner, Action.WRITE, rooms.accounts)
    await rooms.documents.add(owner, reach, workspace.id, uploads)
    deadline = rooms.runtime.clock.monotonic() + wait_s
    waiting = {"workspace_id": workspace.id, "state": ("in", ["queued", "parsing", "indexing", "embedding"])}
    while rooms.runtime.clock.monotonic() < deadline:
        if not await rooms.stores.store.read(lambda tx: tx.count(DOCUMENTS, reach, waiting)):
            return
        await rooms.runtime.scheduler.sleep(POLL_S)


async def _content(path: Path) -> AsyncIterator[bytes]:
    yield await to_thread.run_sync(path.read_bytes)
