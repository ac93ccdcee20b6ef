"""Commits a question: idempotency, user message, run and empty answer in ONE transaction, before the ack.

Pure work on a `Transaction`; commands/handlers/chat.py prepares it and launches what it committed. P4 rests on it: the
writer runs transactions one at a time, so of fifty sends with one id exactly one finds no row.
Tests: tests/unit/runs/test_submission.py, tests/integration/live/test_live_core.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from antiphon.access.identity import Identity
from antiphon.access.scope import Scope, system_scope
from antiphon.core.display_names import title_of
from antiphon.core.errors import Conflict, NotFound, RunActive
from antiphon.models.chat import ChatMessage
from antiphon.protocol.commands import Payload
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import (
    COMMANDS,
    MESSAGES,
    RUNS,
    SESSIONS,
    CommandRow,
    MessageRow,
    RunRow,
    SessionRow,
)

COMMAND_KEPT_S = 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What is to be committed. `open_session` finds or makes the session inside the transaction and says whether it is new;
    it raises NotFound when the scope does not see it."""

    caller: Identity
    scope: Scope
    open_session: Callable[[Transaction], tuple[SessionRow, bool]]
    content: str
    attachments: list[dict[str, Any]]
    parent_id: str | None
    model: str
    command_id: str | None
    fingerprint: str
    run_id: str
    user_message_id: str
    answer_id: str
    owner: str
    moment_s: float
    history_messages: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """`row` and `message` are None for a duplicate: `result` is then the first one's."""

    result: dict[str, Any]
    duplicate: bool
    row: RunRow | None = None
    message: MessageRow | None = None
    session: SessionRow | None = None
    new_session: bool = False
    history: Sequence[ChatMessage] = ()


def fingerprint(verb: str, payload: Payload) -> str:
    return hashlib.sha256(verb.encode() + b"\0" + msgspec.json.encode(payload)).hexdigest()


def find_duplicate(tx: Transaction, user_id: str, command_id: str | None, print_: str, moment_s: float) -> dict[str, Any] | None:
    """The result of the same command of the last 24 h; an older one is removed. Raises Conflict when the id was used for
    something else."""
    if command_id is None:
        return None
    row = tx.get(COMMANDS, system_scope("idempotency"), f"{user_id}:{command_id}")
    if row is None:
        return None
    if row.created_at < moment_s - COMMAND_KEPT_S:
        tx.delete(COMMANDS, system_scope("idempotency"), {"id": row.id})
        return None
    if row.fingerprint != print_:
        raise Conflict(f"The command id {command_id!r} was used for another command. Give each command an id of its own.")
    return row.result


def commit_question(tx: Transaction, s: Submission) -> Committed:
    """Raises RunActive, NotFound, Conflict; nothing is written then."""
    earlier = find_duplicate(tx, s.caller.user_id, s.command_id, s.fingerprint, s.moment_s)
    if earlier is not None:
        return Committed(result=earlier, duplicate=True)
    session, new = s.open_session(tx)
    _refuse_when_busy(tx, session.id)
    last = tx.find_cells(
        MESSAGES, s.scope, ("id", "ordinal", "role", "content"), {"session_id": session.id}, order="ordinal", descending=True,
        limit=s.history_messages + 1,
    )  # fmt: skip
    parent_id = s.parent_id or (last[0][0] if last else None)
    if s.parent_id is not None and tx.count(MESSAGES, s.scope, {"session_id": session.id, "id": s.parent_id}) == 0:
        raise NotFound("There is no such message to answer to in this session.")
    ordinal = last[0][1] if last else 0
    row = _run_row(s, session)
    message = _user_message(s, session, ordinal + 1, parent_id)
    tx.insert(RUNS, row)
    tx.insert(MESSAGES, message)
    tx.insert(MESSAGES, _empty_answer(s, session, ordinal + 2))
    session = _touch_session(tx, s, session)
    result = {"session_id": session.id, "run_id": s.run_id, "user_message_id": s.user_message_id, "message_id": s.answer_id}
    if s.command_id is not None:
        _remember(tx, s, result)
    history = [ChatMessage(role=role, content=content) for _, _, role, content in reversed(last) if content]
    return Committed(result=result, duplicate=False, row=row, message=message, history=history, session=session, new_session=new)


def _refuse_when_busy(tx: Transaction, session_id: str) -> None:
    active = tx.find(
        RUNS, system_scope("one run a session"), {"session_id": session_id, "state": ("in", ["queued", "running"])}, limit=1
    )
    if active:
        raise RunActive("An answer is being written in this session. Wait for it, or stop it.", data={"run_id": active[0].id})


def _run_row(s: Submission, session: SessionRow) -> RunRow:
    return RunRow(
        id=s.run_id, session_id=session.id, workspace_id=session.workspace_id, author_id=s.caller.user_id, kind="chat", model=s.model,
        message_id=s.answer_id, user_message_id=s.user_message_id, state="queued", owner=s.owner, created_at=s.moment_s,
    )  # fmt: skip


def _user_message(s: Submission, session: SessionRow, ordinal: int, parent_id: str | None) -> MessageRow:
    return MessageRow(
        id=s.user_message_id, session_id=session.id, workspace_id=session.workspace_id, ordinal=ordinal, parent_id=parent_id,
        role="user", content=s.content, run_id=s.run_id, author_id=s.caller.user_id, author_name=s.caller.name,
        client_id=s.command_id, attachments=s.attachments, created_at=s.moment_s,
    )  # fmt: skip


def _empty_answer(s: Submission, session: SessionRow, ordinal: int) -> MessageRow:
    return MessageRow(
        id=s.answer_id, session_id=session.id, workspace_id=session.workspace_id, ordinal=ordinal, parent_id=s.user_message_id,
        role="assistant", state="streaming", run_id=s.run_id, created_at=s.moment_s,
    )  # fmt: skip


def _touch_session(tx: Transaction, s: Submission, session: SessionRow) -> SessionRow:
    """The session as it is now: the first question is its title when it has none."""
    title = session.title or title_of(s.content)
    tx.update(SESSIONS, system_scope("question"), session.id, updated_at=s.moment_s, title=title, leaf_message_id=s.answer_id)
    return msgspec.structs.replace(session, updated_at=s.moment_s, title=title, leaf_message_id=s.answer_id)


def _remember(tx: Transaction, s: Submission, result: dict[str, Any]) -> None:
    row_id = f"{s.caller.user_id}:{s.command_id}"
    tx.insert(
        COMMANDS,
        CommandRow(
            id=row_id,
            user_id=s.caller.user_id,
            verb="chat_message",
            fingerprint=s.fingerprint,
            result=result,
            created_at=s.moment_s,
        ),
    )
