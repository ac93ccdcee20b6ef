"""How a run is closed: one transaction (final text, citations, usage, state, outbox row), then `usage` and `complete`.

Pure preparation, used by runs/engine.py at the end of a run and by runs/recovery.py after an unclean stop.
Tests: tests/unit/runs/test_closing.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from antiphon.access.scope import Scope, system_scope
from antiphon.core.errors import AntiphonError
from antiphon.protocol.events import Complete, Feedback, SessionUpdated, Usage
from antiphon.protocol.topics import run_topic, session_topic
from antiphon.runs.live import LiveRun
from antiphon.runs.run_record import beginning_of_record, passages_record, retrievals_record
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import MESSAGES, OUTBOX, RUNS, SESSIONS, MessageState, OutboxRow, RunRow

Owed = Complete | SessionUpdated | Feedback
"""What may stand in the outbox."""
ClosingStatus = Literal["completed", "stopped", "failed", "interrupted"]
MESSAGE_STATES: dict[ClosingStatus, MessageState] = {
    "completed": "complete", "stopped": "stopped", "failed": "failed", "interrupted": "interrupted",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    status: ClosingStatus
    error: AntiphonError | None = None
    stopped_by: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosingEvents:
    work: Callable[[Transaction], None]
    usage: Usage
    complete: Complete
    event_id: str
    suggestions: list[dict[str, Any]]


def topics_of(row: RunRow) -> list[str]:
    return [*([session_topic(row.session_id)] if row.session_id else []), run_topic(row.id)]


def complete_event(row: RunRow, text: str, closing: Closing, finish_reason: str | None = None) -> Complete:
    return Complete(
        status=closing.status, text_length=len(text), text_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        finish_reason=finish_reason, stopped_by=closing.stopped_by, run_id=row.id, session_id=row.session_id, message_id=row.message_id,
    )  # fmt: skip


def outbox_row(row: RunRow, complete: Complete, *, event_id: str, moment_s: float) -> OutboxRow:
    return owed(topics_of(row), complete, event_id=event_id, moment_s=moment_s)


def owed(topics: Sequence[str], event: Owed, *, event_id: str, moment_s: float) -> OutboxRow:
    """An event that the transaction promises: append it with its id; where that does not happen any more, the next start does
    it (runs/recovery.py)."""
    return OutboxRow(id=event_id, topics=list(topics), body=msgspec.json.encode(event).decode(), created_at=moment_s)


def usage_event(live: LiveRun) -> Usage:
    """`tokens_per_s`: the model's tokens (else pieces are not counted, None) over the time between first and last text."""
    tokens = live.counts.get("completion_tokens")
    span_s = (live.last_text_s or 0.0) - (live.first_text_s or 0.0)
    rate = round(tokens / span_s, 1) if tokens and span_s > 0 else None
    return Usage(
        prompt_tokens=live.counts.get("prompt_tokens"), completion_tokens=tokens, first_token_ms=live.first_token_ms,
        retrieval_ms=live.counts.get("retrieval_ms"), tokens_per_s=rate, tool_calls=live.counts.get("tool_calls") or 0,
    )  # fmt: skip


def record_of(live: LiveRun, usage: dict[str, Any], text: str, ended: str) -> dict[str, Any]:
    """The record of a run that is closed for text; called in the writer's thread, which nothing of the answer waits for."""
    facts = {name: value for name, value in live.facts.items() if name != "retrieval"}
    record: dict[str, Any] = {
        **live.row.record,
        **(beginning_of_record(live.about) if live.about is not None else {}),
        **facts,
        **retrievals_record(live.retrievals),
        "passages": passages_record(live.passages),
        "nodes": live.node_records(ended=ended),
        "timings": {**live.timings, "retrieval_ms": usage.get("retrieval_ms")},
        "usage": usage,
        "finish_reason": live.finish_reason,
        "marks": {"citations": len(live.citations), "without_source": sum(c["source_id"] is None for c in live.citations)},
        "text_sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    }
    if live.earlier_prompts:
        record["earlier_prompts"] = live.earlier_prompts
    if live.row.session_id is None:  # no message keeps them
        record.update(text=text, sources=live.source_list, citations=live.citations)
    return record if live.finish_record is None else {**record, **live.finish_record(record, text)}


def _steers(tx: Transaction, reach: Scope, message_id: str, live: LiveRun) -> list[dict[str, Any]]:
    """What was said into the answer, where it was heard; words that came with the end stand behind it."""
    message = tx.get(MESSAGES, reach, message_id)
    told = {steer["id"] for steer in live.steers}
    late = [steer for steer in (message.steers if message is not None else []) if steer["id"] not in told]
    return [*live.steers, *({**steer, "offset": live.text_length} for steer in late)]


def close_run(
    live: LiveRun, closing: Closing, *, moment_s: float, event_id: str, suggestions: list[dict[str, Any]] | None = None
) -> ClosingEvents:
    """Prepares the end of a run that is closed for text; appends and writes nothing itself. `suggestions`: as offered after it."""
    row, text = live.row, live.text
    offered = suggestions or []
    usage = usage_event(live)
    complete = complete_event(row, text, closing, live.finish_reason)
    outbox = outbox_row(row, complete, event_id=event_id, moment_s=moment_s)
    error = {"code": closing.error.code, "message": closing.error.message} if closing.error else None
    usage_fields = msgspec.to_builtins(usage)
    usage_fields.pop("type", None)
    reach = system_scope("close run")
    sources, citations = live.source_list, list(live.citations)

    def work(tx: Transaction) -> None:
        record = record_of(live, usage_fields, text, closing.status)
        tx.update(RUNS, reach, row.id, state=closing.status, finished_at=moment_s, error=error, record=record, lease_until=None)
        if row.message_id is not None:
            tx.update(
                MESSAGES, reach, row.message_id, content=text, state=MESSAGE_STATES[closing.status], sources=sources,
                citations=citations, usage=usage_fields, error=error, stopped_by=(closing.stopped_by or {}).get("name"),
                refusal=live.refusal, suggestions=offered or None,
                **({"steers": _steers(tx, reach, row.message_id, live)} if live.steering.used else {}),
            )  # fmt: skip
        if row.session_id is not None:
            tx.update(SESSIONS, reach, row.session_id, updated_at=moment_s)
        tx.insert(OUTBOX, outbox)

    return ClosingEvents(work=work, usage=usage, complete=complete, event_id=event_id, suggestions=offered)
