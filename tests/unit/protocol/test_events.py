"""protocol/events.py"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.protocol import events
from antiphon.protocol.codec import encode_body
from antiphon.protocol.events import (
    DURABLE_EVENTS,
    EPHEMERAL_EVENTS,
    Ack,
    AnswerChunk,
    Citation,
    Complete,
    Event,
    RunError,
    Snapshot,
    Status,
    Usage,
    UserMessage,
)
from antiphon.storage.event_log.contract import Entry
from antiphon.testing import simulated_runtime

ALL = (*DURABLE_EVENTS, *EPHEMERAL_EVENTS)
OF_THE_PROTOCOL = {
    "user_message", "run_started", "status", "sources", "citation", "answer_chunk", "reasoning_chunk", "tool_call",
    "answer_replace", "node_status", "node_started", "node_chunk", "node_output", "node_finished", "node_failed", "usage", "run_queued", "run_steered", "feedback",
    "complete", "error", "session_created", "session_deleted", "run_state", "notice", "session_updated", "message_updated",
    "message_deleted", "document_progress", "document_ready", "document_failed", "document_deleted", "watch_synced", "index_progress", "welcome", "ack",
    "subscribed", "unsubscribed", "snapshot", "ping", "token_expiring", "draining", "close",
    "refusal", "suggestion", "suggestion_dismissed",
}  # fmt: skip
SPLICED = {"type", "seq", "prev_seq", "timestamp"}


def tag(event: type[Event]) -> str:
    return str(event.__struct_config__.tag)


def test_every_event_is_listed_once_and_has_the_protocols_name() -> None:
    defined = {each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event) and each is not Event}
    assert defined == set(ALL)
    assert len(ALL) == len(set(ALL))
    assert {tag(each) for each in ALL} == OF_THE_PROTOCOL
    assert len({tag(each) for each in ALL}) == len(ALL)


@pytest.mark.parametrize("event", ALL, ids=tag)
def test_no_field_stands_where_the_envelope_is_spliced_on(event: type[Event]) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(event)}
    assert fields.isdisjoint(SPLICED - {"seq"} if event in EPHEMERAL_EVENTS else SPLICED | {"topic", "epoch"})


def encoded(event: Event) -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(event))


def test_what_was_not_given_is_not_sent_and_null_is() -> None:
    assert encoded(Status(phase="queued", content="Waiting")) == {"type": "status", "phase": "queued", "content": "Waiting"}
    assert encoded(AnswerChunk(content="", offset=0)) == {"type": "answer_chunk", "content": "", "offset": 0}
    assert encoded(Citation(n=7, source_id=None, start=0, end=3)) == {
        "type": "citation", "n": 7, "source_id": None, "start": 0, "end": 3,
    }  # fmt: skip
    assert encoded(Usage(completion_tokens=None, tool_calls=0)) == {"type": "usage", "completion_tokens": None, "tool_calls": 0}
    assert encoded(RunError(code="timeout", message="Too long.", retryable=False))["retryable"] is False


def test_an_ack_always_has_all_its_fields() -> None:
    ack = Ack(reply_to=None, ok=True, result=None, error=None, duplicate=False)
    assert encoded(ack) == {"type": "ack", "reply_to": None, "ok": True, "result": None, "error": None, "duplicate": False}


def test_empty_lists_of_a_snapshot_are_sent_when_given() -> None:
    snapshot = Snapshot(topic="session:s", epoch="e", seq=0, messages=[], active_runs=[], pending_inputs=[], has_more=False)
    assert encoded(snapshot) == {
        "type": "snapshot", "topic": "session:s", "epoch": "e", "seq": 0, "messages": [], "active_runs": [],
        "pending_inputs": [], "has_more": False,
    }  # fmt: skip


def test_events_do_not_share_their_defaults() -> None:
    one, other = UserMessage(content="a"), UserMessage(content="b")
    one.author["name"] = "Ada"
    one.attachments.append({"id": "1"})
    assert (other.author, other.attachments) == ({}, [])


def test_only_known_ends_can_be_told() -> None:
    for status in ("completed", "stopped", "failed", "interrupted"):
        assert msgspec.convert({"type": "complete", "status": status}, Complete).status == status
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "complete", "status": "gone"}, Complete)


def test_a_delta_costs_300_bytes_beside_its_text() -> None:
    ids, text = simulated_runtime().ids, "词" * 10
    chunk = AnswerChunk(content=text, offset=99_999, run_id=ids.new("run"), session_id=ids.new("ses"), message_id=ids.new("msg"))
    entry = Entry(f"session:{chunk.session_id}", 999_999, "answer_chunk", encode_body(chunk, "2026-11-20T10:23:45.120Z"))
    assert len(entry.frame) - len(text.encode()) <= 300
