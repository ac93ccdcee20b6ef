"""`Messages`: the active branch of a conversation, read page by page, in the shape of names.md. Written by runs only. Tests: tests/unit/conversations/test_messages.py."""

from __future__ import annotations

from typing import Any, Final

from antiphon.access.missing import missing
from antiphon.access.scope import Scope
from antiphon.conversations.sessions import live_session
from antiphon.core.runtime import rfc3339
from antiphon.runs.branches import read_branch
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import MESSAGES, MessageRow, SessionRow

MAX_PAGE: Final = 300
"""Messages in one answer at most (protocol.md: `history`)."""


class Messages:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self, scope: Scope, session_id: str, *, before: str | None = None, limit: int = 50
    ) -> tuple[list[MessageRow], bool]:
        """(up to `limit` messages in order of time, whether there are older ones). `before`: a message id; the page ends
        just before it; None: the page ends with the last message. Raises NotFound (session, message)."""
        return await self._store.read(lambda tx: read_page(tx, scope, session_id, before=before, limit=limit))

    async def all(
        self, scope: Scope, session_id: str, *, every_branch: bool = True
    ) -> tuple[SessionRow, list[MessageRow]]:  # fmt: skip
        """The session and every message (or those of the active branch), oldest first, of one moment. Raises NotFound."""

        def read(tx: Transaction) -> tuple[SessionRow, list[MessageRow]]:
            session = live_session(tx, scope, session_id)
            if every_branch:
                return session, tx.find(MESSAGES, scope, {"session_id": session_id}, order="ordinal")
            return session, read_branch(tx, scope, session, limit=None)[::-1]

        return await self._store.read(read)


def read_page(tx: Transaction, scope: Scope, session_id: str, *, before: str | None, limit: int) -> tuple[list[MessageRow], bool]:
    """As `Messages.page`, inside the caller's transaction."""
    session = live_session(tx, scope, session_id)
    limit = min(max(limit, 1), MAX_PAGE)
    edge = None
    if before is not None:
        edge = tx.get(MESSAGES, scope, before)
        if edge is None or edge.session_id != session_id:
            raise missing("message", before)
    newest_first = read_branch(tx, scope, session, before=edge, limit=limit + 1)
    return newest_first[:limit][::-1], len(newest_first) > limit


def message_json(row: MessageRow) -> dict[str, Any]:
    """The shape of names.md, for REST, history and snapshots alike."""
    shown: dict[str, Any] = {
        "id": row.id, "session_id": row.session_id, "role": row.role, "content": row.content, "state": row.state,
        "run_id": row.run_id, "parent_id": row.parent_id, "attachments": row.attachments, "sources": row.sources,
        "citations": row.citations, "created_at": rfc3339(row.created_at),
    }  # fmt: skip
    if row.author_id is not None:
        shown["author"] = {"id": row.author_id, "name": row.author_name}
    for name in ("client_id", "usage", "error", "stopped_by", "refusal", "suggestions"):
        value = getattr(row, name)
        if value is not None:
            shown[name] = value
    for name in ("siblings", "steers", "feedback"):
        value = getattr(row, name)
        if value:
            shown[name] = value
    return shown
