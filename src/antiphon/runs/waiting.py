"""`WaitingQuestions`: questions that wait until the answer of their session is complete. They survive everything but a stop.

The records hold them (`QUEUE`, and a run in state `waiting`); here is which of them are told, and who starts the next one: the
end of a run, a question that comes when the session is free, and the start of the process. A question is asked with the
rights its author has when it is its turn. Called by commands, the run engine and the composition root.
Tests: tests/unit/runs/test_waiting.py, tests/properties/test_live_core.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import structlog

from antiphon.access.missing import missing
from antiphon.access.scope import Action, Memberships, Scope, scope, system_scope
from antiphon.core.errors import AntiphonError, BadRequest, Forbidden, NotFound
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Runtime
from antiphon.models.chat import ChatModels
from antiphon.protocol.events import Complete, Event, RunError, RunQueued
from antiphon.runs.asked import Asked
from antiphon.runs.closing import Closing, complete_event, outbox_row, topics_of
from antiphon.runs.engine import RunEngine
from antiphon.runs.question import Question
from antiphon.runs.submission import Committed, Submission, place_question
from antiphon.storage.event_log.contract import EventLog
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import OUTBOX, QUEUE, RUNS, SESSIONS, WORKSPACES, QueueRow, RunRow, SessionRow, WorkspaceRow

_log = structlog.get_logger(__name__)
SHOWN_CHARACTERS = 2000
_REACH = system_scope("the queue of a session")


class WaitingQuestions:
    """`history_messages` as in the settings; `owner` names this process."""

    def __init__(
        self, *, store: Store, log: EventLog, engine: RunEngine, models: ChatModels, memberships: Memberships, runtime: Runtime,
        history_messages: int, owner: str,
    ) -> None:  # fmt: skip
        self._store = store
        self._log = log
        self._engine = engine
        self._models = models
        self._memberships = memberships
        self._runtime = runtime
        self._history_messages = history_messages
        self._owner = owner
        self._told: dict[str, set[str]] = {}
        self._held: Counter[str] = Counter()
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._closed = False
        engine.on_ended = self._run_ended

    async def load(self) -> int:
        """At the start, after recovery: tells what waits, and begins with the first ones. How many there are."""
        rows = await self._store.read(lambda tx: tx.find(QUEUE, _REACH, order="position"))
        for row in rows:
            self.added(row)
        return len(rows)

    async def close(self) -> None:
        """Nothing is begun any more; what is on its way is waited for."""
        self._closed = True
        while self._starting:
            await asyncio.wait(list(self._starting.values()))

    # --- what commands do -------------------------------------------------------------------------------------------------------

    def added(self, row: QueueRow) -> None:
        """After the commit: tells it, and begins with it when the session is free by now."""
        self._told.setdefault(row.session_id, set()).add(row.id)
        self._append(row.session_id, row.id, queued_event(row), cause=row.client_id)
        self._poke(row.session_id)

    @contextmanager
    def held(self, session_id: str) -> Generator[None]:
        """Nobody is next as long as this lasts: a question that interrupts goes first."""
        self._held[session_id] += 1
        try:
            yield
        finally:
            self._held[session_id] -= 1
            if not self._held[session_id]:
                del self._held[session_id]
            self._poke(session_id)

    async def change(
        self, reach: Scope, run_id: str, *, content: str | None = None, before: str | None = None, to_end: bool = False
    ) -> QueueRow:  # fmt: skip
        """Other words, or another place: before another waiting run, or at the end. Raises NotFound once it does not wait."""

        def work(tx: Transaction) -> QueueRow:
            row = _waiting(tx, reach, run_id)
            changes: dict[str, Any] = {} if content is None else {"content": content}
            if before is not None or to_end:
                changes["position"] = _position(tx, row, before)
            if changes:
                tx.update(QUEUE, _REACH, run_id, **changes)
            return _waiting(tx, reach, run_id)

        row = await self._store.write(work)
        if run_id in self._told.get(row.session_id, ()):
            self._append(row.session_id, row.id, queued_event(row))
        return row

    async def take_back(self, run_id: str, *, by: dict[str, str] | None, reason: str | None = None) -> RunRow | None:
        """Ends a run that waits, as stopped; None when it does not wait (any more)."""
        closing = Closing(status="stopped", stopped_by=by)
        return await self._end(run_id, closing, finish_reason=reason)

    async def clear(self, session_id: str, *, by: dict[str, str]) -> None:
        """Takes everything back that waits in the session."""
        for row in await self._store.read(lambda tx: tx.find(QUEUE, _REACH, {"session_id": session_id})):
            await self.take_back(row.id, by=by)

    # --- whose turn it is ---------------------------------------------------------------------------------------------------------

    def _run_ended(self, row: RunRow) -> None:
        if row.session_id is not None:
            self._poke(row.session_id)

    def _poke(self, session_id: str) -> None:
        if self._closed or not self._told.get(session_id) or session_id in self._held or not self._engine.accepts:
            return
        if session_id in self._starting:
            self._again.add(session_id)
            return
        if self._engine.live_in_session(session_id):
            return  # its end comes here
        task = self._runtime.scheduler.spawn(self._start_next(session_id), name=f"next in {session_id}")
        self._starting[session_id] = task
        task.add_done_callback(lambda _: self._started(session_id))

    def _started(self, session_id: str) -> None:
        del self._starting[session_id]
        if session_id in self._again:
            self._again.discard(session_id)
            self._poke(session_id)

    async def _start_next(self, session_id: str) -> None:
        row: QueueRow | None = None
        try:
            told = self._told.get(session_id, set())
            rows = await self._store.read(lambda tx: tx.find(QUEUE, _REACH, {"session_id": session_id}, order="position"))
            row = next((each for each in rows if each.id in told), None)
            if row is None:
                self._told.pop(session_id, None)
                return
            await self._start(row)
        except (NotFound, BadRequest, Forbidden) as error:  # its session, the author's right to it, or its model is gone
            if row is not None:
                await self._refuse(row, error)
        except AntiphonError as error:
            _log.error("waiting_question_not_started", session_id=session_id, error=str(error))
            self._runtime.scheduler.call_later(1.0, lambda: self._poke(session_id))

    async def _start(self, row: QueueRow) -> None:
        asked = Asked.of_record(row.asked) or Asked(workspace_ids=[row.workspace_id])
        identity = asked.identity(row.author_id, row.author_name)
        reach = await scope(identity, Action.READ, self._memberships)
        model, _ = self._models.resolve(row.model)
        began: tuple[Committed, WorkspaceRow] | None = await self._store.write(
            lambda tx: _begin(tx, reach, row.id, partial(self._submission, asked, reach, model))
        )
        failpoint("queue.after_commit")
        if began is None:  # busy again, or taken back: the end of what runs comes here
            self._again.discard(row.session_id)
            return
        committed, workspace = began
        self._told.get(row.session_id, set()).discard(row.id)
        assert committed.row is not None
        assert committed.message is not None
        self._engine.register(committed.row)
        self._engine.launch(
            Question(
                row=committed.row, message=committed.message, content=committed.message.content, workspace=workspace, scope=reach,
                history=list(committed.history), history_ids=committed.history_ids, filter=asked.filter,
                workspace_ids=asked.workspace_ids, cause=row.client_id, seed=asked.seed, fixed_seed=asked.fixed_seed,
            )
        )  # fmt: skip

    def _submission(self, asked: Asked, reach: Scope, model: str, session: SessionRow, row: QueueRow) -> Submission:
        return Submission(
            caller=asked.identity(row.author_id, row.author_name), scope=reach, open_session=lambda _: (session, False), content=row.content,
            attachments=row.attachments, parent_id=None, model=model, command_id=row.client_id, fingerprint="", run_id=row.id,
            user_message_id=row.user_message_id, answer_id=row.message_id, owner=self._owner, moment_s=self._runtime.clock.now(),
            history_messages=self._history_messages, asked=asked,
        )  # fmt: skip

    async def _refuse(self, row: QueueRow, error: AntiphonError) -> None:
        try:
            await self._end(row.id, Closing(status="failed", error=error))
            self._again.add(row.session_id)  # the one behind it
        except AntiphonError as problem:
            _log.error("waiting_question_not_ended", run_id=row.id, error=str(problem))
            self._runtime.scheduler.call_later(1.0, lambda: self._poke(row.session_id))

    # --- ends ----------------------------------------------------------------------------------------------------------------------

    async def _end(self, run_id: str, closing: Closing, *, finish_reason: str | None = None) -> RunRow | None:
        event_id, moment_s = self._runtime.ids.new("evt"), self._runtime.clock.now()
        error = {"code": closing.error.code, "message": closing.error.message} if closing.error else None

        def work(tx: Transaction) -> tuple[RunRow, Complete] | None:
            if tx.get(QUEUE, _REACH, run_id) is None:
                return None
            row = tx.get(RUNS, _REACH, run_id)
            tx.delete(QUEUE, _REACH, {"id": run_id})
            if row is None:
                return None
            complete = complete_event(row, "", closing, finish_reason)
            tx.update(RUNS, _REACH, run_id, state=closing.status, finished_at=moment_s, error=error)
            tx.insert(OUTBOX, outbox_row(row, complete, event_id=event_id, moment_s=moment_s))
            return row, complete

        ended = await self._store.write(work)
        if ended is None:
            return None
        row, complete = ended
        self._told.get(row.session_id or "", set()).discard(run_id)
        if closing.error is not None:
            event = RunError(code=closing.error.code, message=closing.error.message, retryable=closing.error.retryable)
            self._append(row.session_id or "", run_id, event)
        self._log.append(topics_of(row), complete, event_id=event_id)
        return msgspec.structs.replace(row, state=closing.status)

    def _append(self, session_id: str, run_id: str, event: Event, *, cause: str | None = None) -> None:
        event.session_id, event.run_id, event.cause = session_id, run_id, cause
        self._log.append([f"session:{session_id}", f"run:{run_id}"], event)


def queued_event(row: QueueRow) -> RunQueued:
    return RunQueued(
        content=row.content[:SHOWN_CHARACTERS], length=len(row.content), position=row.position, model=row.model,
        author={"id": row.author_id, "name": row.author_name}, client_id=row.client_id,
    )  # fmt: skip


def queue_json(row: QueueRow) -> dict[str, Any]:
    """An entry of a snapshot's `queue`, as the reducer makes it of the event."""
    return {
        "run_id": row.id, "content": row.content[:SHOWN_CHARACTERS], "length": len(row.content), "position": row.position,
        "model": row.model, "author": {"id": row.author_id, "name": row.author_name}, "client_id": row.client_id,
    }  # fmt: skip


def _waiting(tx: Transaction, reach: Scope, run_id: str) -> QueueRow:
    row = tx.get(QUEUE, reach, run_id)
    if row is None:
        raise missing("waiting question", run_id)
    return row


def _position(tx: Transaction, row: QueueRow, before: str | None) -> float:
    others = [each for each in tx.find(QUEUE, _REACH, {"session_id": row.session_id}, order="position") if each.id != row.id]
    if before is None:
        return others[-1].position + 1 if others else row.position
    place = next((n for n, each in enumerate(others) if each.id == before), None)
    if place is None:
        raise missing("waiting question", before)
    if place == 0:
        return others[0].position - 1
    return (others[place - 1].position + others[place].position) / 2


def _begin(
    tx: Transaction, reach: Scope, run_id: str, submission: Callable[[SessionRow, QueueRow], Submission]
) -> tuple[Committed, WorkspaceRow] | None:
    """None when it does not wait any more, or the session is busy. Raises NotFound when the session or its workspace is out of
    the author's reach."""
    row = tx.get(QUEUE, _REACH, run_id)
    if row is None or tx.count(RUNS, _REACH, {"session_id": row.session_id, "state": ("in", ["queued", "running"])}):
        return None
    session = tx.get(SESSIONS, reach, row.session_id)
    workspace = tx.get(WORKSPACES, reach, row.workspace_id)
    if session is None or workspace is None or workspace.deleted_at is not None:
        raise missing("session", row.session_id)
    return place_question(tx, submission(session, row), session, waited=True), workspace
