"""Commits a question: idempotency, user message, run and empty answer in ONE transaction, before the ack.

Pure work on a `Transaction`; commands/handlers/chat.py prepares it and launches what it committed. P4 rests on it: the
writer runs transactions one at a time, so of fifty sends with one id exactly one finds no row.
Tests: tests/unit/runs/test_submission.py, tests/integration/live/test_live_core.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from antiphon.access.identity import Identity
from antiphon.access.scope import Scope, system_scope
from antiphon.core.display_names import title_of
from antiphon.core.errors import Conflict, NotFound, QuotaExceeded, RunActive
from antiphon.models.chat import ChatMessage
from antiphon.protocol.commands import Payload
from antiphon.runs.asked import Asked
from antiphon.runs.branches import Turn, join_siblings, read_turns
from antiphon.runs.steering import Steer
from antiphon.runs.turns import said_by
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import (
    COMMANDS,
    MESSAGES,
    QUEUE,
    RUNS,
    SESSIONS,
    TERMINAL_RUN_STATES,
    CommandRow,
    MessageRow,
    QueueRow,
    RunRow,
    SessionRow,
)

COMMAND_KEPT_S = 24 * 3600.0
_REACH = system_scope("one run a session, idempotency")


MOST_WAITING = 20
"""Questions that may wait in one session."""
OnBusy = Literal["reject", "queue", "give_way"]
"""`give_way`: nothing is written, and the run that is in the way is told; for `steer` and `interrupt`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What is to be committed. `open_session` finds or makes the session inside the transaction and says whether it is new;
    it raises NotFound when the scope does not see it.

    The question follows the active branch, or `parent_id`; `instead_of` is the question that it is another version of.
    `answers`: no new question, but another answer to this one."""

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
    asked: Asked
    verb: str = "chat_message"
    on_busy: OnBusy = "reject"
    instead_of: MessageRow | None = None
    answers: MessageRow | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """`row` is None for a duplicate (`result` is then the first one's), for a question that waits (`waiting`), and where a
    run is in the way (`in_the_way`; nothing was written). `message` is None where no new question is told."""

    result: dict[str, Any]
    duplicate: bool
    row: RunRow | None = None
    message: MessageRow | None = None
    answer: MessageRow | None = None
    session: SessionRow | None = None
    new_session: bool = False
    history: Sequence[ChatMessage] = ()
    history_ids: Sequence[str] = ()
    waiting: QueueRow | None = None
    in_the_way: RunRow | None = None

    @property
    def branched(self) -> bool:
        """Whether the active branch is another one now."""
        return bool((self.message and self.message.siblings) or (self.answer and self.answer.siblings))


def fingerprint(verb: str, payload: Payload) -> str:
    return hashlib.sha256(verb.encode() + b"\0" + msgspec.json.encode(payload)).hexdigest()


def find_duplicate(tx: Transaction, user_id: str, command_id: str | None, print_: str, moment_s: float) -> dict[str, Any] | None:
    """The result of the same command of the last 24 h; an older one is removed. Raises Conflict when the id was used for
    something else."""
    if command_id is None:
        return None
    row = tx.get(COMMANDS, _REACH, f"{user_id}:{command_id}")
    if row is None:
        return None
    if row.created_at < moment_s - COMMAND_KEPT_S:
        tx.delete(COMMANDS, _REACH, {"id": row.id})
        return None
    if row.fingerprint != print_:
        raise Conflict(f"The command id {command_id!r} was used for another command. Give each command an id of its own.")
    return row.result


def commit_question(tx: Transaction, s: Submission) -> Committed:
    """Raises RunActive, NotFound, Conflict, QuotaExceeded; nothing is written then."""
    earlier = find_duplicate(tx, s.caller.user_id, s.command_id, s.fingerprint, s.moment_s)
    if earlier is not None:
        return Committed(result=earlier, duplicate=True)
    session, new = s.open_session(tx)
    others = tx.find(RUNS, _REACH, {"session_id": session.id, "state": ("in", ["waiting", "queued", "running"])})
    active = next((run for run in others if run.state != "waiting"), None)
    if s.on_busy == "give_way":
        if active is not None:
            return Committed(result={}, duplicate=False, in_the_way=active, session=session)
    elif others and s.on_busy == "queue":
        return _wait(tx, s, session, sum(run.state == "waiting" for run in others))
    elif others:
        blocking = active or others[0]
        raise RunActive("An answer is being written in this session. Wait for it, or stop it.", data={"run_id": blocking.id})
    return place_question(tx, s, session, new=new)


def place_question(tx: Transaction, s: Submission, session: SessionRow, *, new: bool = False, waited: bool = False) -> Committed:
    """The messages and the run (`waited`: its row is there already), in a session that is free."""
    before, ordinal = _before(tx, s, session)
    message = s.answers or _user_message(tx, s, session, ordinal + 1, before[0].id if before else None)
    answer = _empty_answer(tx, s, session, ordinal + 2, message)
    row = _run_row(s, session, message)
    if waited:
        tx.update(RUNS, _REACH, row.id, state=row.state, owner=row.owner, model=row.model, record=row.record)
        tx.delete(QUEUE, _REACH, {"id": row.id})
    else:
        tx.insert(RUNS, row)
    if s.answers is None:
        tx.insert(MESSAGES, message)
    tx.insert(MESSAGES, answer)
    session = _touch_session(tx, s, session)
    result = result_of(s, session.id, message.id)
    if s.command_id is not None and not waited:
        _remember(tx, s, result)
    history = before[: s.history_messages][::-1]
    return Committed(
        result=result, duplicate=False, row=row, message=None if s.answers else message, answer=answer, history=said_by(tx, s.scope, history),
        history_ids=[m.id for m in history], session=session, new_session=new,
    )  # fmt: skip


def _before(tx: Transaction, s: Submission, session: SessionRow) -> tuple[list[Turn], int]:
    """(what the question follows, newest first; the session's highest ordinal). Raises NotFound (the parent)."""
    limit = max(1, s.history_messages)
    version_of = s.instead_of or s.answers
    if version_of is not None and version_of.parent_id is None:
        return [], read_turns(tx, s.scope, session, None, limit=1)[1]
    end = version_of.parent_id if version_of is not None else s.parent_id
    before, ordinal = read_turns(tx, s.scope, session, end, limit=limit)
    if end is not None and (not before or before[0].id != end):
        raise NotFound("There is no such message to answer to in this session.")
    return before, ordinal


def result_of(s: Submission, session_id: str, user_message_id: str) -> dict[str, Any]:
    return {"session_id": session_id, "run_id": s.run_id, "user_message_id": user_message_id, "message_id": s.answer_id}


def _wait(tx: Transaction, s: Submission, session: SessionRow, waiting: int) -> Committed:
    """Behind what waits already. Its messages come into being when it is its turn."""
    if waiting >= MOST_WAITING:
        raise QuotaExceeded(f"{waiting} questions wait in this session already. Wait for an answer, or take one of them back.")
    last = tx.find(QUEUE, _REACH, {"session_id": session.id}, order="position", descending=True, limit=1)
    row = QueueRow(
        id=s.run_id, session_id=session.id, workspace_id=session.workspace_id, author_id=s.caller.user_id, author_name=s.caller.name,
        content=s.content, attachments=s.attachments, model=s.model, message_id=s.answer_id, user_message_id=s.user_message_id,
        client_id=s.command_id, asked=s.asked.to_record(), position=last[0].position + 1 if last else 1.0, created_at=s.moment_s,
    )  # fmt: skip
    tx.insert(QUEUE, row)
    tx.insert(RUNS, msgspec.structs.replace(_run_row(s, session, None), state="waiting", user_message_id=s.user_message_id))
    result = {**result_of(s, session.id, s.user_message_id), "queued": True}
    if s.command_id is not None:
        _remember(tx, s, result)
    return Committed(result=result, duplicate=False, waiting=row, session=session)


def commit_steer(tx: Transaction, s: Submission, run_id: str, steer: Steer) -> Committed | None:
    """New words for the answer of a run that is being written; None when it has ended meanwhile."""
    earlier = find_duplicate(tx, s.caller.user_id, s.command_id, s.fingerprint, s.moment_s)
    if earlier is not None:
        return Committed(result=earlier, duplicate=True)
    run = tx.get(RUNS, _REACH, run_id)
    answer = tx.get(MESSAGES, _REACH, run.message_id or "") if run is not None and run.state not in TERMINAL_RUN_STATES else None
    if run is None or answer is None:
        return None
    tx.update(MESSAGES, _REACH, answer.id, steer_count=len(answer.steers) + 1, steers=[*answer.steers, steer.to_record()])
    result = {
        "session_id": run.session_id, "run_id": run.id, "user_message_id": run.user_message_id, "message_id": run.message_id,
        "steered": True,
    }  # fmt: skip
    if s.command_id is not None:
        _remember(tx, s, result)
    return Committed(result=result, duplicate=False)


def _run_row(s: Submission, session: SessionRow, message: MessageRow | None) -> RunRow:
    return RunRow(
        id=s.run_id, session_id=session.id, workspace_id=session.workspace_id, author_id=s.caller.user_id, kind="chat", model=s.model,
        message_id=s.answer_id, user_message_id=message.id if message else None, state="queued", owner=s.owner,
        record={"scope": s.asked.to_record(), "seed": s.asked.seed}, created_at=s.moment_s,
    )  # fmt: skip


def _user_message(tx: Transaction, s: Submission, session: SessionRow, ordinal: int, parent_id: str | None) -> MessageRow:
    # What follows the end of the active branch is alone there; anything else may have siblings.
    beside = s.instead_of is not None or (s.parent_id is not None and s.parent_id != session.leaf_message_id)
    return MessageRow(
        id=s.user_message_id, session_id=session.id, workspace_id=session.workspace_id, ordinal=ordinal, parent_id=parent_id,
        role="user", content=s.content, run_id=s.run_id, author_id=s.caller.user_id, author_name=s.caller.name,
        client_id=s.command_id, attachments=s.attachments, created_at=s.moment_s,
        siblings=join_siblings(tx, s.scope, session.id, parent_id, "user", s.user_message_id) if beside else [],
    )  # fmt: skip


def _empty_answer(tx: Transaction, s: Submission, session: SessionRow, ordinal: int, message: MessageRow) -> MessageRow:
    return MessageRow(
        id=s.answer_id, session_id=session.id, workspace_id=session.workspace_id, ordinal=ordinal, parent_id=message.id,
        role="assistant", state="streaming", run_id=s.run_id, created_at=s.moment_s,
        siblings=join_siblings(tx, s.scope, session.id, message.id, "assistant", s.answer_id) if s.answers else [],
    )  # fmt: skip


def _touch_session(tx: Transaction, s: Submission, session: SessionRow) -> SessionRow:
    """The session as it is now: the first question is its title when it has none."""
    title = session.title or title_of(s.content)
    changes: dict[str, Any] = {"updated_at": s.moment_s, "title": title, "leaf_message_id": s.answer_id}
    tx.update(SESSIONS, _REACH, session.id, **changes)
    return msgspec.structs.replace(session, **changes)


def _remember(tx: Transaction, s: Submission, result: dict[str, Any]) -> None:
    row_id = f"{s.caller.user_id}:{s.command_id}"
    tx.insert(
        COMMANDS,
        CommandRow(
            id=row_id,
            user_id=s.caller.user_id,
            verb=s.verb,
            fingerprint=s.fingerprint,
            result=result,
            created_at=s.moment_s,
        ),
    )
