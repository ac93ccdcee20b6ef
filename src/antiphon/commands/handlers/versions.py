"""regenerate, edit_message, switch_branch, feedback: other versions of what was said, and what people think of it.

Tests: tests/unit/runs/test_versions.py, tests/unit/commands/test_access_matrix.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from antiphon.access.missing import missing
from antiphon.commands.handlers.asking import admit_question, asked_of, begin, demand_may_change, new_ids
from antiphon.commands.handlers.chat import check_content
from antiphon.commands.payloads.versions import EditMessage, Feedback, Regenerate, SwitchBranch
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Right
from antiphon.core.completion import to_the_end
from antiphon.core.errors import BadRequest, Conflict
from antiphon.core.runtime import rfc3339
from antiphon.protocol.events import Feedback as FeedbackEvent
from antiphon.protocol.topics import session_topic
from antiphon.runs.asked import Asked
from antiphon.runs.closing import owed
from antiphon.runs.submission import Submission, commit_question, fingerprint
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import (
    MESSAGES,
    OUTBOX,
    RUNS,
    SESSIONS,
    WORKSPACES,
    MessageRow,
    RunRow,
    SessionRow,
    WorkspaceRow,
)

_Known = tuple[MessageRow, SessionRow, WorkspaceRow, RunRow | None]


async def regenerate(call: Call[Services], payload: Regenerate) -> dict[str, Any]:
    """Another answer to the same question, beside the one that is there."""
    services, reach = call.services, call.reach
    admit_question(call)
    question, session, workspace, run = await services.store.read(lambda tx: _question(tx, call, payload.message_id))
    asked = _asked_again(call, run, workspace, payload.seed)
    submission = Submission(
        caller=call.caller, scope=reach, open_session=_again(call, session), content=question.content, attachments=[], parent_id=None,
        model=_model(call, payload.model, run, workspace), fingerprint=fingerprint("regenerate", payload), verb="regenerate",
        asked=msgspec.structs.replace(asked, again=True), answers=question, **new_ids(call),
    )  # fmt: skip
    committed = await services.store.write(lambda tx: commit_question(tx, submission))
    return begin(call, submission, committed, workspace)


async def edit_message(call: Call[Services], payload: EditMessage) -> dict[str, Any]:
    """Another version of a question, with an answer of its own, in a branch of its own."""
    services, reach = call.services, call.reach
    check_content(services, payload.content)
    admit_question(call)
    question, session, workspace, run = await services.store.read(lambda tx: _question(tx, call, payload.message_id))
    if question.id != payload.message_id:
        raise BadRequest("Only a question can be edited. To have another answer, send `regenerate`.")
    demand_may_change(call, question.author_id, question.workspace_id, "edit this question")
    asked = _asked_again(call, run, workspace, payload.seed)
    submission = Submission(
        caller=call.caller, scope=reach, open_session=_again(call, session), content=payload.content,
        attachments=question.attachments, parent_id=None, model=_model(call, payload.model, run, workspace),
        fingerprint=fingerprint("edit_message", payload), verb="edit_message", asked=asked, instead_of=question, **new_ids(call),
    )  # fmt: skip
    committed = await services.store.write(lambda tx: commit_question(tx, submission))
    return begin(call, submission, committed, workspace)


async def switch_branch(call: Call[Services], payload: SwitchBranch) -> dict[str, Any]:
    message = await call.services.store.read(lambda tx: _message(tx, call, payload.message_id))
    session = await call.services.sessions.switch_branch(call.reach, message.session_id, message.id)
    return {"session_id": session.id, "leaf_message_id": session.leaf_message_id}


async def feedback(call: Call[Services], payload: Feedback) -> dict[str, Any]:
    services, caller = call.services, call.caller
    author: dict[str, str | None] = {"id": caller.user_id, "name": caller.name}
    now, event_id = services.runtime.clock.now(), services.runtime.ids.new("evt")
    created_at = rfc3339(now)
    entry = {"author": author, "rating": payload.rating, "comment": payload.comment, "created_at": created_at}

    def write(tx: Transaction) -> tuple[MessageRow, FeedbackEvent]:
        message = _message(tx, call, payload.message_id)
        if message.role != "assistant":
            raise BadRequest("Feedback is for answers.")
        others = [each for each in message.feedback if each["author"]["id"] != caller.user_id]
        tx.update(MESSAGES, call.reach, message.id, feedback=others if payload.rating is None else [*others, entry])
        event = FeedbackEvent(
            session_id=message.session_id, run_id=message.run_id, message_id=message.id, rating=payload.rating, author=author,
            comment=payload.comment, created_at=created_at,
        )  # fmt: skip
        tx.insert(OUTBOX, owed([session_topic(message.session_id)], event, event_id=event_id, moment_s=now))
        return message, event

    async def commit() -> MessageRow:
        message, event = await services.store.write(write)
        services.log.append([session_topic(message.session_id)], event, event_id=event_id)
        return message

    message = await to_the_end(services.runtime.scheduler, commit(), name="feedback")
    return {"message_id": message.id, "rating": payload.rating}


def _again(call: Call[Services], session: SessionRow) -> Callable[[Transaction], tuple[SessionRow, bool]]:
    """The session as it is when the version is committed."""
    sessions = call.services.sessions
    return lambda tx: sessions.open_in(tx, call.caller, call.reach, session.workspace_id, reference=session.id)


def _message(tx: Transaction, call: Call[Services], message_id: str) -> MessageRow:
    row = tx.get(MESSAGES, call.reach, message_id)
    if row is None:
        raise missing("message", message_id)
    return row


def _question(tx: Transaction, call: Call[Services], message_id: str) -> _Known:
    """(the question of the message, its session, its workspace, the run that answered it first)."""
    message = _message(tx, call, message_id)
    question = message if message.role == "user" else tx.get(MESSAGES, call.reach, message.parent_id or "")
    session = tx.get(SESSIONS, call.reach, message.session_id)
    workspace = tx.get(WORKSPACES, call.reach, message.workspace_id)
    if session is None or workspace is None or workspace.deleted_at is not None:
        raise missing("message", message_id)
    if question is None:
        raise Conflict("The question of this answer is not known, so that it can't be asked again.")
    return question, session, workspace, tx.get(RUNS, call.reach, message.run_id or "")


def _asked_again(call: Call[Services], run: RunRow | None, workspace: WorkspaceRow, seed: int | None) -> Asked:
    """Of the same documents; with the caller's reach, and another seed."""
    before = Asked.of_record(run.record.get("scope")) if run is not None else None
    return asked_of(call, before.workspace_ids if before else [workspace.id], before.filter if before else None, seed)


def _model(call: Call[Services], wanted: str | None, run: RunRow | None, workspace: WorkspaceRow) -> str:
    """The one that is named, the one that answered before if it is still there, else the workspace's."""
    models = call.services.models
    if wanted is None and run is not None:
        try:
            return models.resolve(run.model)[0]
        except BadRequest:
            pass
    return models.resolve(wanted or workspace.model)[0]


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="regenerate", payload=Regenerate, right=Right.VIEWER, handler=regenerate, socket=True,
        summary="Answers a question once more, beside the answer that is there.",
    ),
    Command(
        verb="edit_message", payload=EditMessage, right=Right.VIEWER, handler=edit_message, socket=True,
        summary="Asks another version of a question, in a branch of its own.",
    ),
    Command(
        verb="switch_branch", payload=SwitchBranch, right=Right.VIEWER, handler=switch_branch, socket=True,
        summary="Makes the branch of a message the active one, for everybody.",
    ),
    Command(
        verb="feedback", payload=Feedback, right=Right.VIEWER, handler=feedback, socket=True,
        summary="Says what one thinks of an answer; replaces what one said before.",
    ),
]  # fmt: skip
