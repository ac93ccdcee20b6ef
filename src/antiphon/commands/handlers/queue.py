"""queue_change, queue_send: questions that wait, changed, moved, or sent at once. Taking one back is `stop` of its run.

Tests: tests/unit/runs/test_busy.py, tests/unit/commands/test_access_matrix.py.
"""

from __future__ import annotations

from typing import Any

from antiphon.access.missing import missing
from antiphon.commands.handlers.asking import demand_may_change, demand_may_stop, new_ids, steer_run
from antiphon.commands.handlers.chat import check_content
from antiphon.commands.payloads.versions import QueueChange, QueueSend
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Right
from antiphon.core.errors import NotFound
from antiphon.runs.asked import Asked
from antiphon.runs.submission import Submission, fingerprint
from antiphon.runs.waiting import queue_json
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import QUEUE, RUNS, QueueRow, RunRow, SessionRow


async def queue_change(call: Call[Services], payload: QueueChange) -> dict[str, Any]:
    if payload.content is not None:
        check_content(call.services, payload.content)
    row = await _own(call, payload.run_id)
    changed = await call.services.waiting.change(
        call.reach, row.id, content=payload.content, before=payload.before, to_end=payload.to_end
    )
    return queue_json(changed)


async def queue_send(call: Call[Services], payload: QueueSend) -> dict[str, Any]:
    """`steer`: its words go into the answer that is being written, and its own run ends. Where that can't be, and with
    `interrupt`: that answer is stopped, and this question is the next one."""
    services, by = call.services, {"id": call.caller.user_id, "name": call.caller.name}
    row = await _own(call, payload.run_id)
    with services.waiting.held(row.session_id):
        active = await services.store.read(lambda tx: _active(tx, call, row.session_id))
        if active is not None:
            demand_may_stop(call, active)
            if payload.how == "steer" and await steer_run(call, _words(call, row, payload), active) is not None:
                await services.waiting.take_back(row.id, by=None, reason="steered")
                return {"run_id": active.id, "session_id": row.session_id, "steered": True}
        first = await services.store.read(
            lambda tx: tx.find(QUEUE, call.reach, {"session_id": row.session_id}, order="position", limit=1)
        )
        if first and first[0].id != row.id:
            await services.waiting.change(call.reach, row.id, before=first[0].id)
        if active is not None:
            await services.runs.stop(active.id, by=by)
    return {"run_id": row.id, "session_id": row.session_id, "steered": False}


def _words(call: Call[Services], row: QueueRow, payload: QueueSend) -> Submission:
    def no_session(_: Transaction) -> tuple[SessionRow, bool]:
        raise NotFound("Words for an answer open no session.")

    return Submission(
        caller=call.caller, scope=call.reach, open_session=no_session, content=row.content, attachments=row.attachments, parent_id=None,
        model=row.model, fingerprint=fingerprint("queue_send", payload), verb="queue_send",
        asked=Asked.of_record(row.asked) or Asked(workspace_ids=[row.workspace_id]), **new_ids(call),
    )  # fmt: skip


async def _own(call: Call[Services], run_id: str) -> QueueRow:
    row = await call.services.store.read(lambda tx: tx.get(QUEUE, call.reach, run_id))
    if row is None:
        raise missing("waiting question", run_id)
    demand_may_change(call, row.author_id, row.workspace_id, "change a question that waits")
    return row


def _active(tx: Transaction, call: Call[Services], session_id: str) -> RunRow | None:
    found = tx.find(RUNS, call.reach, {"session_id": session_id, "state": ("in", ["queued", "running"])}, limit=1)
    return found[0] if found else None


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="queue_change", payload=QueueChange, right=Right.VIEWER, handler=queue_change, socket=True,
        summary="Changes or moves a question that waits for the answer before it.",
    ),
    Command(
        verb="queue_send", payload=QueueSend, right=Right.VIEWER, handler=queue_send, socket=True,
        summary="Sends a question that waits at once: into the answer that is being written, or instead of it.",
    ),
]  # fmt: skip
