"""Handlers of how a workspace is indexed, and of its re-indexing. Tests: tests/unit/commands/."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from antiphon.commands.payloads.workspaces import IndexUpdate, WorkspaceOne
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right

_CHANGEABLE = ("chunk_characters", "overlap_characters", "embedder")


async def index_get(call: Call[Services], payload: WorkspaceOne) -> Result:
    return await call.services.indexing.get(call.reach, payload.workspace_id)


async def index_update(call: Call[Services], payload: IndexUpdate) -> Result:
    changes = {field: getattr(payload, field) for field in _CHANGEABLE if getattr(payload, field) is not UNSET}
    return await call.services.indexing.change(call.reach, payload.workspace_id, **changes)


async def index_start(call: Call[Services], payload: WorkspaceOne) -> Result:
    return await call.services.indexing.start(call.reach, payload.workspace_id)


async def index_cancel(call: Call[Services], payload: WorkspaceOne) -> Result:
    return await call.services.indexing.cancel(call.reach, payload.workspace_id)


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="index_get", payload=WorkspaceOne, right=Right.VIEWER, handler=index_get,
        summary="Reads how a workspace is indexed, and how far a re-indexing is.",
    ),
    Command(
        verb="index_update", payload=IndexUpdate, right=Right.OWNER, handler=index_update,
        summary="Changes chunk sizes or embedder; re-indexes in the background while the old index serves.",
    ),
    Command(
        verb="index_start", payload=WorkspaceOne, right=Right.OWNER, handler=index_start,
        summary="Re-indexes what differs from the settings; goes on with what was cancelled.",
    ),
    Command(
        verb="index_cancel", payload=WorkspaceOne, right=Right.OWNER, handler=index_cancel,
        summary="Ends a re-indexing; the old index serves on.",
    ),
]  # fmt: skip
