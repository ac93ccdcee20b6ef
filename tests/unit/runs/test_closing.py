"""runs/closing.py: one transaction with the end of a run, and the events that tell it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from antiphon.core.errors import ModelError
from antiphon.core.tick import TickQueue
from antiphon.protocol.events import Complete
from antiphon.runs.closing import MESSAGE_STATES, Closing, close_run, complete_event, usage_event
from antiphon.runs.live import LiveRun
from antiphon.runs.pacing import LoadGauge
from antiphon.storage.event_log.memory import MemoryEventLog
from antiphon.storage.records.memory import MemoryStore
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
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.flows import sample_passage
from antiphon.testing.simulated import simulated_runtime

RUN = RunRow(
    id="run_1",
    session_id="ses_1",
    workspace_id="ws_1",
    author_id="u",
    model="m",
    message_id="msg_1",
    state="running",
    created_at=0,
)
RUNTIME = simulated_runtime()


def live_run(row: RunRow = RUN) -> LiveRun:
    runtime = RUNTIME
    run = LiveRun(
        row, log=MemoryEventLog(runtime=runtime), runtime=runtime, ticks=TickQueue(runtime.scheduler), gauge=LoadGauge(runtime)
    )
    run.sources([sample_passage(1)])
    run.answer("Ja 🙂 [1]")
    run.usage(prompt_tokens=3, completion_tokens=10, retrieval_ms=4)
    run.finish("stop")
    run.record(model="m")
    run.node_started("answer", "Answer")
    run.close()
    return run


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()

    def write(tx: Any) -> None:
        tx.insert(WORKSPACES, WorkspaceRow(id="ws_1", slug="w", name="W", created_at=0))
        tx.insert(SESSIONS, SessionRow(id="ses_1", workspace_id="ws_1", author_id="u", created_at=0, updated_at=0))
        tx.insert(RUNS, RUN)
        fields: dict[str, Any] = {
            "session_id": "ses_1",
            "workspace_id": "ws_1",
            "role": "assistant",
            "run_id": "run_1",
            "created_at": 0,
        }
        tx.insert(MESSAGES, MessageRow(id="msg_1", ordinal=2, state="streaming", **fields))

    await store.write(write)
    return store


@pytest.mark.parametrize("status", ["completed", "stopped", "failed", "interrupted"])
async def test_everything_of_the_end_is_in_one_transaction(store: MemoryStore, status: Any) -> None:
    error = ModelError("The model broke.") if status == "failed" else None
    by = {"id": "u", "name": "Ada"} if status == "stopped" else None
    closing = Closing(status=status, error=error, stopped_by=by)
    events = close_run(live_run(), closing, moment_s=77.0, event_id="evt_1")
    await store.write(events.work)
    run = await store.read(lambda tx: tx.get(RUNS, EVERYTHING, "run_1"))
    message = await store.read(lambda tx: tx.get(MESSAGES, EVERYTHING, "msg_1"))
    session = await store.read(lambda tx: tx.get(SESSIONS, EVERYTHING, "ses_1"))
    [outbox] = await store.read(lambda tx: tx.find(OUTBOX, EVERYTHING))
    assert (run.state, run.finished_at, session.updated_at) == (status, 77.0, 77.0)
    assert (message.content, message.state) == ("Ja 🙂 [1]", MESSAGE_STATES[status])
    assert (len(message.sources), len(message.citations), message.stopped_by) == (1, 1, "Ada" if by else None)
    wanted = {"code": "model_error", "message": "The model broke."} if error else None
    assert run.error == message.error == wanted
    assert message.usage["completion_tokens"] == 10
    assert run.record["model"] == "m"
    assert run.record["nodes"] == [{"id": "answer", "state": status, "label": "Answer"}]
    assert run.record["text_sha256"] == events.complete.text_sha256 == hashlib.sha256("Ja 🙂 [1]".encode()).hexdigest()
    assert (outbox.id, outbox.topics) == ("evt_1", ["session:ses_1", "run:run_1"])
    assert msgspec.json.decode(outbox.body, type=Complete) == events.complete


async def test_a_run_without_session_or_answer_is_closed_too(store: MemoryStore) -> None:
    row = msgspec.structs.replace(RUN, session_id=None, message_id=None)
    events = close_run(live_run(row), Closing(status="completed"), moment_s=1.0, event_id="evt_2")
    await store.write(events.work)
    [outbox] = await store.read(lambda tx: tx.find(OUTBOX, EVERYTHING))
    assert outbox.topics == ["run:run_1"]
    assert (await store.read(lambda tx: tx.get(MESSAGES, EVERYTHING, "msg_1"))).state == "streaming"


def test_complete_says_length_and_hash_in_code_points_and_utf8() -> None:
    event = complete_event(RUN, "休🙂", Closing(status="completed"), "length")
    assert (event.text_length, event.text_sha256) == (2, hashlib.sha256("休🙂".encode()).hexdigest())
    assert (event.finish_reason, event.run_id, event.session_id, event.message_id) == ("length", "run_1", "ses_1", "msg_1")


async def test_the_rate_is_over_the_time_between_first_and_last_text() -> None:
    run = live_run()
    assert usage_event(run).tokens_per_s is None  # all at one moment
    run.first_text_s, run.last_text_s = 10.0, 12.5
    assert usage_event(run).tokens_per_s == 4.0
    run.counts["completion_tokens"] = None
    assert usage_event(run).tokens_per_s is None
