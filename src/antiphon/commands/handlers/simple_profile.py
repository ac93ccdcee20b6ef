"""What `/ws/chat` needs before it can ask: its workspace by id or slug, its session by id or the caller's own name.

Not bound to REST and no socket frames: transports/simple_chat.py calls them through the table, so that right and scope are
checked like everywhere. Tests: tests/integration/live/test_simple_chat.py.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from antiphon.access.missing import missing
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Right
from antiphon.conversations.sessions import is_session_id
from antiphon.protocol.commands import Payload
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import WORKSPACES, WorkspaceRow

Reference = Annotated[str, Meta(min_length=1, max_length=200)]


class WorkspaceFind(Payload):
    """`reference`: id or slug."""

    reference: Reference


class SessionOpen(Payload):
    """`reference`: an id of ours, the caller's own name (made on first use), or None: a new session."""

    workspace_id: Reference | None = None
    reference: Reference | None = None


async def workspace_find(call: Call[Services], payload: WorkspaceFind) -> dict[str, Any]:
    def find(tx: Transaction) -> WorkspaceRow:
        row = tx.get(WORKSPACES, call.reach, payload.reference)
        by_slug = [] if row else tx.find(WORKSPACES, call.reach, {"slug": payload.reference}, limit=1)
        found = row or (by_slug[0] if by_slug else None)
        if found is None or found.deleted_at is not None:
            raise missing("workspace", payload.reference)
        return found

    return {"id": (await call.services.store.read(find)).id}


async def session_open(call: Call[Services], payload: SessionOpen) -> dict[str, Any]:
    services, reference = call.services, payload.reference
    if reference is not None and is_session_id(reference):
        return {"id": (await services.sessions.get(call.reach, reference)).id}
    workspace_id = payload.workspace_id or (await services.workspaces.default(call.reach)).id
    return {"id": (await services.sessions.create(call.caller, call.reach, workspace_id, name=reference)).id}


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="workspace_find", payload=WorkspaceFind, right=Right.VIEWER, handler=workspace_find,
        summary="The id of a workspace named by id or slug.",
    ),
    Command(
        verb="session_open", payload=SessionOpen, right=Right.VIEWER, handler=session_open,
        summary="Finds a session by id or by the caller's own name, made on first use.",
    ),
]  # fmt: skip
