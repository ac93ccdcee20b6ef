"""What a start does for runs that a stop left open: seal each as `interrupted`, exactly once, with the text that is known.

The text is the record's last checkpoint plus the deltas the log's batches still hold (protocol.md section 9). Order:
collect -> seal (one transaction) -> forget the lost incarnation -> append what waits in the outbox -> flush. A kill at
any point leaves work that the next start finds again. Called by the composition root before the server listens.
Tests: tests/unit/runs/test_recovery.py, tests/integration/test_crash.py.
"""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from antiphon.access.scope import system_scope
from antiphon.core.errors import RunInterrupted
from antiphon.core.runtime import Runtime
from antiphon.protocol.events import Complete, Event, RunError
from antiphon.runs.asked import Asked
from antiphon.runs.beginning import question_event, started_event
from antiphon.runs.closing import Closing, Owed, complete_event, outbox_row, topics_of
from antiphon.storage.event_log.contract import EventLog
from antiphon.storage.event_log.sqlite import SqliteEventLog, StoredEvent
from antiphon.storage.records.contract import Store, Transaction, Urgency
from antiphon.storage.records.rows import MESSAGES, OUTBOX, RUNS, MessageRow, RunRow

_log = structlog.get_logger(__name__)
INTERRUPTED = "The server stopped while this answer was written. Ask again to go on."
_CITATION_FIELDS = ("n", "source_id", "start", "end", "source_start", "source_end")


class _Stored(msgspec.Struct):
    type: str
    message_id: str | None = None
    content: str = ""
    offset: int = 0
    sources: list[dict[str, Any]] | None = None
    n: int | None = None
    source_id: str | None = None
    start: int | None = None
    end: int | None = None
    source_start: int | None = None
    source_end: int | None = None


class _Recovered:
    """The text of one answer, put together from its checkpoint and the deltas found after it."""

    def __init__(self, message: MessageRow) -> None:
        self.text = message.content
        self.sources = message.sources
        self.citations = list(message.citations)

    def add(self, event: _Stored) -> None:
        if event.type == "answer_chunk" and event.offset <= len(self.text) < event.offset + len(event.content):
            self.text += event.content[len(self.text) - event.offset :]
        elif event.type == "sources" and event.sources is not None:
            self.sources = event.sources
        elif event.type == "citation":
            citation = {
                key: value for key in _CITATION_FIELDS if (value := getattr(event, key)) is not None or key == "source_id"
            }
            if citation not in self.citations:
                self.citations.append(citation)


async def recover_runs(store: Store, log: EventLog, runtime: Runtime) -> int:
    """The number of runs that were sealed."""
    reach = system_scope("recovery")
    open_runs = await store.read(lambda tx: tx.find(RUNS, reach, {"state": ("in", ["queued", "running"])}))
    answers, begun = await _recovered_answers(store, log, open_runs)
    moment_s = runtime.clock.now()
    for row in open_runs:
        event_id = runtime.ids.new("evt")
        await store.write(lambda tx, r=row, e=event_id: _seal(tx, r, answers.get(r.message_id or ""), e, moment_s))
    waiting = await store.read(lambda tx: tx.find(OUTBOX, reach, order="created_at"))
    owed = [(row, msgspec.json.decode(row.body, type=Owed)) for row in waiting]
    if isinstance(log, SqliteEventLog) and log.unclean:
        await log.forget_stored()
        told_by_snapshots = [row.id for row, event in owed if not isinstance(event, Complete)]
        if told_by_snapshots:  # of a new epoch; what these say may be older than them
            await store.write(lambda tx: tx.delete(OUTBOX, reach, {"id": ("in", told_by_snapshots)}), Urgency.COMMAND)
    else:
        for row, event in owed:
            if not isinstance(event, Complete):
                log.append(row.topics, event, event_id=row.id)
        for row in open_runs:
            if row.id not in begun:
                await _append_beginning(store, log, row)
    for row, event in owed:
        if isinstance(event, Complete):
            log.append(row.topics, event, event_id=row.id)
    await log.flush()
    if open_runs:
        _log.info("runs_sealed", count=len(open_runs))
    return len(open_runs)


async def _append_beginning(store: Store, log: EventLog, row: RunRow) -> None:
    """For a question that was committed while its process stopped cleanly: the epoch lives on, so that clients are owed the
    events which a snapshot would have made up for."""
    reach = system_scope("recovery")
    message, answer = await store.read(
        lambda tx: (tx.get(MESSAGES, reach, row.user_message_id or ""), tx.get(MESSAGES, reach, row.message_id or ""))
    )
    asked = Asked.of_record(row.record.get("scope"))
    anew = asked is not None and asked.again
    events: list[Event] = [
        *([question_event(message, cause=message.client_id)] if message is not None and not anew else []),
        started_event(
            row,
            cause=message.client_id if message is not None and not anew else None,
            siblings=answer.siblings if answer is not None else (),
        ),
        RunError(code=RunInterrupted.code, message=INTERRUPTED, retryable=RunInterrupted.retryable),
    ]
    for event in events:
        event.run_id, event.session_id = row.id, row.session_id
        event.message_id = event.message_id or row.message_id
        log.append(topics_of(row), event)


async def _recovered_answers(store: Store, log: EventLog, open_runs: list[RunRow]) -> tuple[dict[str, _Recovered], set[str]]:
    """(answers by message id, runs whose beginning is in the log)."""
    reach = system_scope("recovery")
    begun: set[str] = set()
    ids = [row.message_id for row in open_runs if row.message_id is not None]
    answers: dict[str, _Recovered] = {}
    for message_id in ids:
        message = await store.read(lambda tx, m=message_id: tx.get(MESSAGES, reach, m))
        if message is not None:
            answers[message_id] = _Recovered(message)
    if answers and isinstance(log, SqliteEventLog):
        decoder = msgspec.json.Decoder(_Stored)

        def visit(stored: StoredEvent) -> None:
            if not stored.topic.startswith("run:"):
                return
            event = decoder.decode(stored.body)
            if event.type == "run_started":
                begun.add(stored.topic.removeprefix("run:"))
            answer = answers.get(event.message_id or "")
            if answer is not None:
                answer.add(event)

        await log.scan_stored(visit)
    return answers, begun


def _seal(tx: Transaction, row: RunRow, answer: _Recovered | None, event_id: str, moment_s: float) -> None:
    reach = system_scope("recovery")
    closing = Closing(status="interrupted")
    text = answer.text if answer else ""
    complete = complete_event(row, text, closing)
    tx.update(RUNS, reach, row.id, state="interrupted", finished_at=moment_s, lease_until=None)
    if row.message_id is not None and answer is not None:
        tx.update(
            MESSAGES, reach, row.message_id, content=text, state="interrupted", sources=answer.sources, citations=answer.citations,
            error={"code": RunInterrupted.code, "message": INTERRUPTED},
        )  # fmt: skip
    tx.insert(OUTBOX, outbox_row(row, complete, event_id=event_id, moment_s=moment_s))
