"""`RunEngine`: starts, supervises, stops and closes runs. A run belongs to no connection.

One supervising task a run: it waits for a place, executes the plan in an inner task (which alone is ever cancelled), and
then closes the run in one transaction plus one `complete` event, whatever happened. Called by commands/handlers/chat.py
(launch, stop) and the composition root (start, shutdown). Subsystem: docs/subsystems/runs.md.
Tests: tests/unit/runs/test_engine.py, tests/properties/test_live_core.py, tests/integration/test_crash.py.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from antiphon.access.scope import system_scope
from antiphon.core.errors import AntiphonError, Internal, NotFound, Timeout
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Runtime
from antiphon.core.tick import TickQueue
from antiphon.flows.plan import Plan
from antiphon.models.chat import ChatModels
from antiphon.protocol.events import RunError, RunStateChanged, Suggestion, Usage
from antiphon.protocol.topics import user_topic
from antiphon.retrieve.passage import Retriever
from antiphon.retrieve.whole_document import DocumentReader
from antiphon.runs.beginning import question_event, started_event
from antiphon.runs.closing import Closing, close_run
from antiphon.runs.executor import Executor
from antiphon.runs.language import language_of
from antiphon.runs.live import LiveRun
from antiphon.runs.node import RunContext
from antiphon.runs.pacing import LoadGauge
from antiphon.runs.question import Question, about_of
from antiphon.runs.recorded_retrieval import RecordingRetriever
from antiphon.runs.suggestions import suggestions_of
from antiphon.storage.event_log.contract import EventLog
from antiphon.storage.records.contract import Store, Transaction, Urgency
from antiphon.storage.records.rows import MESSAGES, RUNS, TERMINAL_RUN_STATES, RunRow, WorkspaceRow

_log = structlog.get_logger(__name__)
GIVE_UP_S = 2.0
"""How long a shutdown waits for a disk that takes nothing; what it did not take, the next start seals."""
STOP_WAIT_S = 5.0
"""Longest time `stop` waits for the run's end to be recorded; the upstream is closed long before."""


class RunMetrics(Protocol):
    def run_started(self) -> None: ...
    def run_ended(self, status: str) -> None: ...
    def first_token(self, seconds: float) -> None: ...
    def retrieval(self, seconds: float) -> None: ...
    def added_token(self, seconds: float) -> None: ...
    def used(self, usage: Usage, *, cached_nodes: int) -> None: ...


class NoMetrics:
    """Counts nothing; for tests and for a house without a server."""

    def run_started(self) -> None: ...
    def run_ended(self, status: str) -> None: ...
    def first_token(self, seconds: float) -> None: ...
    def retrieval(self, seconds: float) -> None: ...
    def added_token(self, seconds: float) -> None: ...
    def used(self, usage: Usage, *, cached_nodes: int) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RunLimits:
    """`max_runs`, `timeout_s`: 0 = none."""

    max_runs: int
    timeout_s: float
    checkpoint_s: float


OnEnded = Callable[[LiveRun, Question, Closing], None]
"""Called once a run has ended and its end is recorded and told. Must not wait."""


class RunEngine:
    def __init__(
        self, *, store: Store, log: EventLog, executor: Executor, plan: Callable[[WorkspaceRow], Plan], retriever: Retriever,
        models: ChatModels, runtime: Runtime, ticks: TickQueue, gauge: LoadGauge, limits: RunLimits, metrics: RunMetrics | None = None,
        documents: DocumentReader | None = None,
        on_ended: OnEnded | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._log = log
        self._executor = executor
        self._plan = plan
        self._retriever = retriever
        self._documents = documents
        self._models = models
        self._runtime = runtime
        self._ticks = ticks
        self._gauge = gauge
        self._limits = limits
        self._metrics = metrics or NoMetrics()
        self._on_ended = on_ended
        self._live: dict[str, LiveRun] = {}
        self._inner: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._places = asyncio.Semaphore(limits.max_runs) if limits.max_runs else None
        self._supervisors: dict[str, asyncio.Task[None]] = {}
        self.on_ended: Callable[[RunRow], None] | None = None
        """Called when a run's end is told: whoever waits for its session may begin (runs/waiting.py)."""
        self._shutting_down = False
        self._ending = False
        self._give_up_at_s = math.inf
        self._over = False

    # --- what others ask ----------------------------------------------------------------------------------------------------

    @property
    def active_count(self) -> int:
        return len(self._live)

    def live(self, run_id: str) -> LiveRun | None:
        return self._live.get(run_id)

    def live_in_session(self, session_id: str) -> list[LiveRun]:
        return [run for run in self._live.values() if run.row.session_id == session_id]

    @property
    def accepts(self) -> bool:
        return not self._shutting_down

    # --- life of a run --------------------------------------------------------------------------------------------------------

    def register(self, row: RunRow) -> LiveRun:
        """Right after the commit: from here on the run is found by stop and by snapshots."""
        live = LiveRun(
            row, log=self._log, runtime=self._runtime, ticks=self._ticks, gauge=self._gauge, on_added=self._metrics.added_token
        )
        self._live[row.id] = live
        self._ended[row.id] = asyncio.Event()
        return live

    def launch(self, question: Question) -> None:
        """Starts the registered run: `user_message`, `run_started`, then its flow. Returns at once."""
        live = self._live[question.row.id]
        if self._over:  # committed too late for this process: the log is about to close, and the next start seals the run
            self._forget(live)
            return
        live.finish_record = question.finish_record
        if question.message is not None:
            live.append(question_event(question.message, cause=question.cause))
        # Before the run waits for a place: with it a client knows the answer, and what there is to stop.
        live.append(started_event(live.row, cause=question.cause, siblings=question.siblings))
        live.state = "running"
        supervisor = self._runtime.scheduler.spawn(self._supervise(live, question), name=f"run {live.run_id}")
        self._supervisors[live.run_id] = supervisor
        supervisor.add_done_callback(lambda _: self._supervisors.pop(live.run_id, None))

    async def stop(self, run_id: str, *, by: dict[str, str]) -> str:
        """Stops the run and waits until its end is recorded; the state it ended in. Stopping an ended run is fine.

        The caller has checked the right. After this returned no text of the run is appended."""
        request = {"stop_requested_by": by["id"]}
        reach = system_scope("stop")
        row = await self._store.write(
            lambda tx: _request_stop(tx.get(RUNS, reach, run_id), lambda: tx.update(RUNS, reach, run_id, **request))
        )
        failpoint("stop.after_request")
        until = self._runtime.clock.monotonic() + STOP_WAIT_S
        while (live := self._live.get(run_id)) is None:  # it ended meanwhile, or is committed and not registered yet
            row = await self._store.read(lambda tx: tx.get(RUNS, reach, run_id)) or row
            if row.state in TERMINAL_RUN_STATES:
                return row.state
            if self._runtime.clock.monotonic() > until:
                raise Timeout("The run has not begun here, so that it could not be stopped. Look again in a moment.")
            if run_id not in self._live:
                await self._runtime.scheduler.sleep(0.005)
        if not live.closed:
            live.stopped_by = by
        ended = self._ended[run_id]
        self._interrupt(live)
        try:
            async with asyncio.timeout(STOP_WAIT_S):
                await ended.wait()
        except TimeoutError:
            raise Timeout("The run is being stopped, but its end could not be recorded yet. Look again in a moment.") from None
        return live.state

    async def ended(self, run_id: str, *, within_s: float) -> bool:
        """Waits for the end of a run to be recorded and told; False when that takes longer. A run that does not live has ended."""
        ended = self._ended.get(run_id)
        if ended is not None:
            try:
                async with asyncio.timeout(within_s):
                    await ended.wait()
            except TimeoutError:
                return False
        return True

    async def shutdown(self, *, grace_s: float) -> None:
        """Lets running runs finish for `grace_s`, then closes them as `interrupted`; what is launched later is not begun."""
        self._shutting_down = True
        if self._supervisors and grace_s > 0:
            await asyncio.wait(list(self._supervisors.values()), timeout=grace_s)
        self._ending = True
        self._give_up_at_s = self._runtime.clock.monotonic() + GIVE_UP_S
        while self._supervisors:  # questions that were on their way are launched meanwhile, and end at once
            for live in [self._live[run_id] for run_id in self._supervisors if run_id in self._live]:
                self._interrupt(live)
            await asyncio.wait(list(self._supervisors.values()))
        self._over = True

    def _interrupt(self, live: LiveRun) -> None:
        live.close()
        inner = self._inner.get(live.run_id)
        if inner is not None:
            inner.cancel()

    def _forget(self, live: LiveRun) -> None:
        self._live.pop(live.run_id, None)
        self._inner.pop(live.run_id, None)
        self._ended.pop(live.run_id).set()
        if self.on_ended is not None:
            self.on_ended(live.row)

    async def _supervise(self, live: LiveRun, question: Question) -> None:
        failpoint("run.before_start")
        self._metrics.run_started()
        closing = Closing(status="failed")
        inner = asyncio.get_running_loop().create_task(self._execute(live, question), name=f"flow {live.run_id}")
        self._inner[live.run_id] = inner
        if live.closed or self._ending:  # stopped between the commit and now
            self._interrupt(live)
        checkpoints = asyncio.get_running_loop().create_task(self._checkpoint(live), name=f"checkpoint {live.run_id}")
        try:
            await asyncio.wait([inner])
            closing = self._closing(live, inner)
        finally:
            checkpoints.cancel()
            await asyncio.wait([checkpoints])
            live.close()
            await self._close(live, closing, question)
            if self._on_ended is not None and not self._ending:
                self._on_ended(live, question, closing)

    async def _execute(self, live: LiveRun, question: Question) -> None:
        chinese = language_of(question.content) == "zh"
        queued = self._places is not None and self._places.locked()
        if queued:
            live.state = "queued"
            live.status("queued", "排队中" if chinese else "Waiting for a free place")
        async with self._places or _Unlimited():
            live.state = "running"
            live.placed_s = self._runtime.clock.monotonic()
            if queued:
                live.status("starting", "开始" if chinese else "Starting")
            self._tell_user(live)
            timeout_s = self._limits.timeout_s or None
            try:
                async with asyncio.timeout(timeout_s):
                    plan = question.plan or self._plan(question.workspace)
                    context = self._context(live, question)
                    live.about = about_of(plan, context, question)
                    await self._executor.execute(plan, context, live, cached=question.plan is None)
            except TimeoutError:
                raise Timeout(f"The answer took longer than {timeout_s:g} s and was ended. What had arrived was kept.") from None

    def _context(self, live: LiveRun, question: Question) -> RunContext:
        return RunContext(
            run_id=live.run_id, scope=question.scope, workspace=question.workspace, question=question.content,
            language=question.language or question.workspace.language or language_of(question.content), model=live.row.model,
            history=question.history, filter=question.filter, workspace_ids=question.workspace_ids,
            seed=question.seed if question.fixed_seed else None, drawn_seed=question.seed, inputs={},
            retriever=RecordingRetriever(question.retriever or self._retriever, live.retrieved), documents=self._documents,
            models=self._models, runtime=self._runtime, sink=live, steering=live.steering,
        )  # fmt: skip

    def _closing(self, live: LiveRun, inner: asyncio.Task[None]) -> Closing:
        """How the run ended, told from its inner task. A stop wins over a failure that it caused."""
        if live.stopped_by is not None:
            return Closing(status="stopped", stopped_by=live.stopped_by)
        if inner.cancelled():
            return Closing(status="interrupted")
        error = inner.exception()
        if error is None:
            return Closing(status="completed")
        if isinstance(error, AntiphonError):
            return Closing(status="failed", error=error)
        _log.error("run_failed", run_id=live.run_id, exc_info=error)
        return Closing(status="failed", error=Internal("The answer could not be finished because of a defect in the server."))

    def _suggestions(self, live: LiveRun, closing: Closing, question: Question) -> list[dict[str, Any]]:
        """Nothing after a refusal, nor after what a suggestion asked for."""
        if (
            closing.status != "completed"
            or live.row.session_id is None
            or live.refusal is not None
            or "whole_document" in live.facts
        ):
            return []
        return suggestions_of(
            live.passages, language=question.workspace.language or language_of(question.content),
            session_id=live.row.session_id, new_id=lambda: self._runtime.ids.new("sug"),
        )  # fmt: skip

    async def _close(self, live: LiveRun, closing: Closing, question: Question) -> None:
        """Record first, then `complete`. A disk that is full is tried again until it is not, or the next start does it."""
        live.tell_unheard()
        failpoint("run.before_final_commit")
        events = close_run(
            live, closing, moment_s=self._runtime.clock.now(), event_id=self._runtime.ids.new("evt"),
            suggestions=self._suggestions(live, closing, question),
        )  # fmt: skip
        while True:
            try:
                await self._store.write(events.work)
                break
            except AntiphonError as error:
                _log.error("run_end_not_recorded", run_id=live.run_id, error=str(error))
                if self._runtime.clock.monotonic() >= self._give_up_at_s:
                    _log.error("run_end_given_up", run_id=live.run_id)
                    self._forget(live)
                    return
                await self._runtime.scheduler.sleep(1.0)
        failpoint("run.after_final_commit")
        live.append(events.usage)
        if closing.error is not None:
            live.append(_error_event(closing.error))
        live.append(events.complete, event_id=events.event_id)
        failpoint("run.after_complete")
        for suggestion in events.suggestions:
            live.append(Suggestion(**suggestion))
        live.state = closing.status
        self._observe(live, closing, events.usage)
        self._tell_user(live)
        self._forget(live)

    def _observe(self, live: LiveRun, closing: Closing, usage: Usage) -> None:
        self._metrics.run_ended(closing.status)
        self._metrics.used(usage, cached_nodes=live.cached_nodes)
        if live.first_token_ms is not None:
            self._metrics.first_token(live.first_token_ms / 1000)
        retrieval_ms = live.counts.get("retrieval_ms")
        if retrieval_ms is not None:
            self._metrics.retrieval(retrieval_ms / 1000)

    def _tell_user(self, live: LiveRun) -> None:
        if live.row.session_id is None:  # a replay: it stands in nobody's list of conversations
            return
        event = RunStateChanged(state=live.state, run_id=live.run_id, session_id=live.row.session_id)
        self._log.append([user_topic(live.row.author_id)], event)

    async def _checkpoint(self, live: LiveRun) -> None:
        """Writes the text so far to its record from time to time: what a start after kill -9 goes on from when the
        batches of the log that held it have been removed."""
        message_id = live.row.message_id
        written = 0
        while message_id is not None:
            await self._runtime.scheduler.sleep(self._limits.checkpoint_s)
            text = live.text
            if len(text) == written or live.closed:
                continue
            fields: Mapping[str, Any] = {"content": text, "sources": live.source_list, "citations": list(live.citations)}
            try:
                await self._store.write(lambda tx, f=fields: _write_checkpoint(tx, message_id, f), Urgency.LOG)
                written = len(text)
            except AntiphonError as error:
                _log.warning("checkpoint_failed", run_id=live.run_id, error=str(error))


class _Unlimited:
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


def _write_checkpoint(tx: Transaction, message_id: str, fields: Mapping[str, Any]) -> None:
    """Unless the answer has ended: the final record is a command and overtakes a checkpoint that waits for the writer."""
    reach = system_scope("checkpoint")
    message = tx.get(MESSAGES, reach, message_id)
    if message is not None and message.state == "streaming":
        tx.update(MESSAGES, reach, message_id, **fields)


def _request_stop(row: RunRow | None, request: Callable[[], bool]) -> RunRow:
    if row is None:
        raise NotFound("There is no such run.")
    if row.state not in TERMINAL_RUN_STATES:
        request()
    return row


def _error_event(error: AntiphonError) -> RunError:
    return RunError(
        code=error.code, message=error.message, retryable=error.retryable, retry_after_ms=error.data.get("retry_after_ms"),
        data={k: v for k, v in error.data.items() if k != "retry_after_ms"},
    )  # fmt: skip
