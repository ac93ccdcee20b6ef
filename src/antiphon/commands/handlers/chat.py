"""chat_message, stop, history, run_get, run_stop: what a conversation is made of.

The ack of a chat_message is sent after its commit, and the run starts after the ack (`Call.after_ack`).
Tests: tests/unit/commands/test_chat.py, tests/integration/live/test_live_core.py.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from antiphon.access.missing import missing
from antiphon.commands.handlers.asking import ON_BUSY, admit_question, asked_of, begin, demand_may_stop, give_way, new_ids
from antiphon.commands.live_messages import message_now
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Right
from antiphon.conversations.sessions import is_session_id
from antiphon.core.errors import BadRequest, NotFound, TooLarge, Unsupported
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import rfc3339
from antiphon.protocol.commands import ChatMessage, History, Payload, QuestionScope, Stop
from antiphon.protocol.topics import parse_topic
from antiphon.runs.submission import Submission, commit_question, fingerprint
from antiphon.runs.waiting import queue_json
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import DOCUMENTS, QUEUE, RUNS, SESSIONS, WORKSPACES, RunRow, WorkspaceRow

MAX_SCOPE_IDS = 1000
MAX_SECTION_DEPTH = 20
SCOPE_KINDS = ("workspace_ids", "document_ids", "tags", "paths")


class RunId(Payload):
    run_id: Annotated[str, Meta(min_length=1, max_length=64)]


async def chat_message(call: Call[Services], payload: ChatMessage) -> dict[str, Any]:
    services, identity, reach = call.services, call.caller, call.reach
    check_content(services, payload.content)
    if payload.draft is not None or payload.attachments:
        raise Unsupported("Drafts and attachments are not there yet; send the question without them.")
    admit_question(call)
    workspace, workspace_ids, chosen = await services.store.read(lambda tx: _asked_of(tx, call, payload))
    model, _ = services.models.resolve(payload.model or workspace.model)
    asked = asked_of(call, workspace_ids, chosen, payload.seed)
    submission = Submission(
        caller=identity, scope=reach, content=payload.content, attachments=payload.attachments, parent_id=payload.parent_id, model=model,
        open_session=lambda tx: services.sessions.open_in(tx, identity, reach, workspace.id, reference=payload.session_id),
        fingerprint=fingerprint("chat_message", payload), asked=asked, on_busy=ON_BUSY[payload.on_busy], **new_ids(call),
    )  # fmt: skip
    failpoint("command.before_commit")
    if payload.on_busy in {"steer", "interrupt"}:
        committed = await give_way(call, submission, steer=payload.on_busy == "steer")
    else:
        committed = await services.store.write(lambda tx: commit_question(tx, submission))
    failpoint("command.after_commit")
    return begin(call, submission, committed, workspace)


def check_content(services: Services, content: str) -> None:
    """Raises BadRequest, TooLarge."""
    limit = services.settings.limits.message_characters
    if not content.strip():
        raise BadRequest("The message is empty: `content` must hold a question.")
    if len(content) > limit:
        raise TooLarge(f"The message has {len(content)} characters; this server takes {limit}.")


def _asked_of(tx: Transaction, call: Call[Services], payload: ChatMessage) -> tuple[WorkspaceRow, list[str], SearchFilter | None]:
    """(the session's workspace, the workspaces to search, filter), of one moment."""
    workspace = _workspace_of(tx, call, payload)
    return workspace, *_question_scope(tx, call, payload.scope, workspace)


def _workspace_of(tx: Transaction, call: Call[Services], payload: ChatMessage) -> WorkspaceRow:
    """The session's workspace, the named one, or the caller's first."""
    workspace_id = payload.workspace_id
    if payload.session_id is not None and is_session_id(payload.session_id):
        session = tx.get(SESSIONS, call.reach, payload.session_id)
        if session is None or (workspace_id is not None and workspace_id != session.workspace_id):
            raise missing("session", payload.session_id)
        workspace_id = session.workspace_id
    if workspace_id is not None:
        workspace = tx.get(WORKSPACES, call.reach, workspace_id)
        if workspace is None or workspace.deleted_at is not None:
            raise missing("workspace", workspace_id)
        return workspace
    own = tx.find(WORKSPACES, call.reach, {"deleted_at": None}, order="created_at", limit=1)
    if not own:
        raise NotFound("You are in no workspace yet. Create one, or ask an owner to add you.")
    return own[0]


def _question_scope(
    tx: Transaction, call: Call[Services], chosen: QuestionScope | None, workspace: WorkspaceRow
) -> tuple[list[str], SearchFilter | None]:
    """(workspaces to search, filter). Ids that are missing or foreign raise NotFound instead of narrowing in silence."""
    if chosen is None:
        return [workspace.id], None
    for kind in SCOPE_KINDS:
        if len(getattr(chosen, kind) or ()) > MAX_SCOPE_IDS:
            raise BadRequest(f"`scope.{kind}` may name {MAX_SCOPE_IDS} at most.")
    if chosen.section is not None and len(chosen.document_ids or ()) != 1:
        raise BadRequest("`scope.section` needs exactly one document in `scope.document_ids`: whose section it is.")
    if len(chosen.section or ()) > MAX_SECTION_DEPTH:
        raise BadRequest(f"`scope.section` may be {MAX_SECTION_DEPTH} headings deep at most.")
    for workspace_id in chosen.workspace_ids or ():
        if tx.get(WORKSPACES, call.reach, workspace_id) is None:
            raise missing("workspace", workspace_id)
    for document_id in chosen.document_ids or ():
        document = tx.get(DOCUMENTS, call.reach, document_id)
        if document is None or document.deleted_at is not None:
            raise missing("document", document_id)
    workspace_ids = list(dict.fromkeys(chosen.workspace_ids or [workspace.id]))
    found = SearchFilter(document_ids=chosen.document_ids, tags=chosen.tags, paths=chosen.paths, section=chosen.section)
    return workspace_ids, found


async def stop(call: Call[Services], payload: Stop) -> dict[str, Any]:
    """Both a run and a session may be named; a session without active run is stopped already."""
    services = call.services
    if payload.run_id is None and payload.session_id is None:
        raise BadRequest("Name the run to stop (`run_id`), or the session (`session_id`).")
    run_id, session_id = payload.run_id, payload.session_id
    if run_id is not None:
        return await _stop_run(call, run_id)
    session = await services.sessions.get(call.reach, session_id or "")
    stopped = [await _stop_run(call, live.run_id) for live in services.runs.live_in_session(session.id)]
    return stopped[0] if stopped else {"session_id": session.id, "run_id": None, "state": "idle"}


async def _stop_run(call: Call[Services], run_id: str) -> dict[str, Any]:
    """A run that waits is taken back."""
    row = await _visible_run(call, run_id)
    demand_may_stop(call, row)
    by = {"id": call.caller.user_id, "name": call.caller.name}
    taken = await call.services.waiting.take_back(run_id, by=by) if row.state == "waiting" else None
    state = taken.state if taken is not None else await call.services.runs.stop(run_id, by=by)
    return {"run_id": run_id, "session_id": row.session_id, "state": state}


async def run_stop(call: Call[Services], payload: RunId) -> dict[str, Any]:
    return await _stop_run(call, payload.run_id)


async def run_get(call: Call[Services], payload: RunId) -> dict[str, Any]:
    """The run's record. `state` of a run that lives is the present one; `queued`: its question, while it waits."""
    row = await _visible_run(call, payload.run_id)
    live = call.services.runs.live(row.id)
    shown = {
        "id": row.id, "session_id": row.session_id, "workspace_id": row.workspace_id, "kind": row.kind, "flow_id": row.flow_id,
        "model": row.model, "state": live.state if live else row.state, "attempt": row.attempt, "message_id": row.message_id,
        "user_message_id": row.user_message_id, "parent_run_id": row.parent_run_id, "error": row.error,
        "record": {name: value for name, value in row.record.items() if name != "scope"}, "created_at": rfc3339(row.created_at),
        "finished_at": rfc3339(row.finished_at) if row.finished_at is not None else None,
    }  # fmt: skip
    waiting = await call.services.store.read(lambda tx: tx.get(QUEUE, call.reach, row.id)) if row.state == "waiting" else None
    return shown if waiting is None else {**shown, "queued": {**queue_json(waiting), "content": waiting.content}}


async def history(call: Call[Services], payload: History) -> dict[str, Any]:
    topic = parse_topic(payload.topic)
    if topic.kind != "session":
        raise Unsupported("History is kept for `session:` topics.")
    if not 1 <= payload.limit <= 300:
        raise BadRequest("`limit` is 1 to 300.")
    rows, has_more = await call.services.messages.page(call.reach, topic.id, before=payload.before, limit=payload.limit)
    messages = _newest_within(
        [message_now(row, call.services.runs) for row in rows], call.services.settings.limits.outbound_frame_bytes
    )
    return {"messages": messages, "has_more": has_more or len(messages) < len(rows)}


def _newest_within(messages: list[dict[str, Any]], most_bytes: int) -> list[dict[str, Any]]:
    """As many of the newest as one frame holds, at least one: the page is shorter then, and `has_more` says so."""
    size = 512
    for count, message in enumerate(reversed(messages)):
        size += len(msgspec.json.encode(message))
        if size > most_bytes and count:
            return messages[-count:]
    return messages


async def _visible_run(call: Call[Services], run_id: str) -> RunRow:
    row = await call.services.store.read(lambda tx: tx.get(RUNS, call.reach, run_id))
    if row is None:
        raise missing("run", run_id)
    return row


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="chat_message", payload=ChatMessage, right=Right.VIEWER, handler=chat_message, socket=True,
        summary="Asks a question; the answer is a run whose events go to the session's topic.",
    ),
    Command(verb="stop", payload=Stop, right=Right.VIEWER, handler=stop, socket=True, summary="Stops a run, keeping its text."),
    Command(verb="history", payload=History, right=Right.VIEWER, handler=history, socket=True, summary="Older messages."),
    Command(verb="run_get", payload=RunId, right=Right.VIEWER, handler=run_get, summary="The record of one run."),
    Command(verb="run_stop", payload=RunId, right=Right.VIEWER, handler=run_stop, summary="Stops a run, keeping its text."),
]  # fmt: skip
