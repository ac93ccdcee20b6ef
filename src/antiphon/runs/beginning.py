"""The two events every run begins with, made from its rows: `user_message`, then `run_started`.

Used by runs/engine.py, and by runs/recovery.py for a run whose process stopped before it could tell them.
Tests: tests/unit/runs/test_beginning.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.protocol.events import RunStarted, UserMessage
from antiphon.storage.records.rows import MessageRow, RunRow


def question_event(message: MessageRow, *, cause: str | None) -> UserMessage:
    return UserMessage(
        message_id=message.id, content=message.content, parent_id=message.parent_id, attachments=message.attachments,
        author={"id": message.author_id, "name": message.author_name}, client_id=message.client_id, siblings=message.siblings, cause=cause,
    )  # fmt: skip


def started_event(row: RunRow, *, cause: str | None, siblings: Sequence[str] = ()) -> RunStarted:
    """`siblings`: of the answer, when it is not the first one to its question. A replay is a flow outside of conversations, with
    the run that it repeats as its parent."""
    return RunStarted(
        kind="flow" if row.kind == "replay" else row.kind, model=row.model, attempt=row.attempt, flow_id=row.flow_id, parent_run_id=row.parent_run_id, cause=cause,
        parent_id=row.user_message_id, siblings=list(siblings),
    )  # fmt: skip
